"""Whether the process behind a chain still lives: each holds a lock on a file, which the kernel takes back when it dies."""

import fcntl
import os
from pathlib import Path
from typing import Literal


class Liveness:
    """The locks of the processes that share a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir
        self._held: dict[str, int] = {}

    def hold(self, chain: str) -> None:
        """Show that the process behind `chain`, this one, lives, until `release` or its death.

        Raises:
            OSError: the folder cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path(chain), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._held[chain] = descriptor

    def take(self, chain: str) -> Literal["taken", "alive", "unknown"]:
        """Take over the lock of another process's chain, if it is dead; `unknown`: it ran on another data folder."""
        try:
            descriptor = os.open(self._path(chain), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return "unknown"
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return "alive"
        self._held[chain] = descriptor
        return "taken"

    def release(self, chain: str, *, settled: bool) -> None:
        """Give a lock back. Unless the chain is `settled` its file stays, so that the next process finds a dead one."""
        descriptor = self._held.pop(chain, None)
        if settled:
            self._path(chain).unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)

    def _path(self, chain: str) -> Path:
        return self._folder / f"audit-{chain}.lock"
