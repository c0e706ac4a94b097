"""`python -m llm_gateway` and the `llm-gateway` command."""

import sys

from llm_gateway.cli.main import run


def main(argv: list[str] | None = None) -> int:
    """Run one command; `argv` without the program's name (default: the process's). Returns the exit code."""
    return run(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
