"""How a command ends: the exit codes, and the one exception that carries one."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command; docs/cli.md lists them."""

    DONE = 0
    FAILED = 1
    """The call failed, or what was checked does not hold."""
    USAGE = 2
    """Wrong usage, or a wrong configuration."""
    UNREACHABLE = 3
    """No gateway answers at that address."""
    NOT_ALLOWED = 4
    """The key or the admin token is missing, wrong, or not allowed to do this."""
    INTERRUPTED = 130


class CommandFailed(Exception):
    """A command could not do what it was asked. `message` is one line for people."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
