"""The key under which stored content is sealed: the operator's own, or one that is made at the first start."""

import os
from pathlib import Path
from typing import Final

from llm_gateway.core.errors import ConfigurationError
from llm_gateway.core.sealing import Sealer
from llm_gateway.identity.secret_file import read_or_make

FILE_NAME: Final = "storage.key"
MIN_KEY_CHARS: Final = 32
_KEY_BYTES: Final = 32


def sealer(configured: str, data_dir: Path, *, make: bool = True) -> Sealer:
    """The sealer of `storage.encryption_key`, else of the key file in the data folder, which is made at the first start (`make`).

    Raises:
        ConfigurationError: the key is too short, or its file cannot be made, is damaged, or is not there.
    """
    if configured:
        if len(configured) < MIN_KEY_CHARS:
            raise ConfigurationError(
                f"storage.encryption_key: expected at least {MIN_KEY_CHARS} characters (`openssl rand -hex 32` makes 64), "
                f"not {len(configured)}"
            )
        return Sealer(configured.encode())
    path = data_dir / FILE_NAME
    if not make and not path.exists():
        raise ConfigurationError(f"{path}: there is no such key file; set STORAGE_ENCRYPTION_KEY to the key that was used")
    secret, _ = read_or_make(path, lambda: os.urandom(_KEY_BYTES))
    if len(secret) != _KEY_BYTES:
        raise ConfigurationError(
            f"{path}: has {len(secret)} bytes where {_KEY_BYTES} were written; restore it, or set storage.encryption_key"
        )
    return Sealer(secret)
