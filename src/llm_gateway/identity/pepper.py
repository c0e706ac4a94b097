"""The secret under which keys are stored: the operator's own, or one that is made at the first start."""

import os
from pathlib import Path
from typing import Final

from llm_gateway.core.errors import ConfigurationError
from llm_gateway.identity.keys import Pepper
from llm_gateway.identity.secret_file import read_or_make

FILE_NAME: Final = "key_pepper"
_LENGTH_BYTES: Final = 32


def pepper(configured: str, data_dir: Path) -> Pepper:
    """The pepper of the configuration, else that of the data folder: 32 random bytes, made when there are none.

    Raises:
        ConfigurationError: the folder cannot keep it, or holds something else in its place.
    """
    if configured:
        return Pepper(configured.encode())
    path = data_dir / FILE_NAME
    secret, _ = read_or_make(path, lambda: os.urandom(_LENGTH_BYTES))
    if len(secret) != _LENGTH_BYTES:
        raise ConfigurationError(f"{path}: has {len(secret)} bytes where {_LENGTH_BYTES} were written; restore it, or set auth.key_pepper")
    return Pepper(secret)
