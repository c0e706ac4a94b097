"""The command line: each command says in `--help` what it does."""
