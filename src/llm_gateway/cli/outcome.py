"""How a command ends: the exit codes, and the one exception that carries one."""

import re
from enum import IntEnum
from typing import Final

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What moves a cursor, sets a terminal or turns the direction of text: all controls but tab and line feed."""


def plain(text: str) -> str:
    """A text without what would steer a terminal. Names, answers and errors come from callers and providers."""
    return _CONTROLS.sub("", text)


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
        self.message = plain(message)
        self.code = code
