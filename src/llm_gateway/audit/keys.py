"""The key of the trail: a setting, or a file in the data folder that is made at the first start."""

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from llm_gateway.audit.chain import AuditKey
from llm_gateway.core.errors import ConfigurationError

KEY_FILE = "audit.key"


def key_in(folder: Path, secret: str = "") -> AuditKey:
    """The key that `secret` is, or the one in `folder`'s key file, which is made (0600) when there is none.

    Raises:
        ConfigurationError: the key is too short, or its file cannot be read or made.
    """
    if secret:
        return AuditKey.of_text(secret)
    path = folder / KEY_FILE
    try:
        if not path.exists():
            _make(path)
        return read_key(path)
    except OSError as failure:
        raise ConfigurationError(f"{path}: the audit key cannot be made or read ({failure.strerror}); set audit.key instead") from None


def read_key(path: Path) -> AuditKey:
    """The key in a file.

    Raises:
        ConfigurationError: it holds none.
        OSError: it cannot be read.
    """
    return AuditKey.of_text(path.read_text(encoding="utf-8", errors="replace"))


def _make(path: Path) -> None:
    """Make a key file in one step: whoever sees it sees all of it, and of two processes that start at once one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
