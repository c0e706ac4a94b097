"""Secrets that the gateway makes for itself and keeps in its data folder."""

import os
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

import structlog

from llm_gateway.core.errors import ConfigurationError

_log = structlog.get_logger(__name__)
_FOREIGN_ACCESS = 0o077


def read_or_make(path: Path, make: Callable[[], bytes]) -> tuple[bytes, bool]:
    """The content of a secret file, and whether it was made now: readable by its owner alone, whole or not at all.

    Of several processes that start at once one makes it and all read the same.

    Raises:
        ConfigurationError: the file can be neither read nor made.
    """
    try:
        made = not path.exists() and _make(path, make())
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except OSError as failure:
        raise ConfigurationError(
            f"server.data_dir: the secret file {path} can be neither read nor made: {failure.strerror or type(failure).__name__}"
        ) from None
    if mode & _FOREIGN_ACCESS:
        _log.warning("others on this machine may read a secret: chmod 600 it", path=str(path), mode=oct(mode & 0o777))
    return content, made


def _make(path: Path, content: bytes) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, does not replace the file of a process that was faster.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True
