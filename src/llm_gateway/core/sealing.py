"""What people said is not written to disk in the clear: AES-256-GCM (NIST SP 800-38D) under a key that the database does not hold.

A sealed value is `1` (the version), 4 bytes that tell keys apart, a 12-byte random nonce, and the ciphertext with its tag. What it is
part of (a conversation's name, say) is authenticated with it, so that a value moved elsewhere in the database does not open there.
"""

import hashlib
import os
from functools import cached_property
from typing import TYPE_CHECKING, Final

from llm_gateway.core.errors import Internal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION: Final = b"\x01"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class CannotOpen(Internal):
    """A stored value is not what was written there, or was written under another key."""


class Sealer:
    """Seals and opens values. Made from a secret of any length; its `repr` shows no part of it."""

    def __init__(self, secret: bytes) -> None:
        # The secret is random already (or the operator's 32 characters and more): one hash makes a key of the right length of it.
        self._key = hashlib.blake2b(secret, digest_size=_KEY_BYTES, person=b"gateway store").digest()
        self._key_id = hashlib.blake2b(self._key, digest_size=4, person=b"gateway key id").digest()

    def __repr__(self) -> str:
        return f"Sealer({self._key_id.hex()})"

    @cached_property
    def _cipher(self) -> "AESGCM":
        # 11 MiB and 30 ms that a gateway without conversations does not need.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        return AESGCM(self._key)

    def seal(self, content: bytes, place: str) -> bytes:
        """`content` as it may be stored at `place`."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + self._key_id + nonce + self._cipher.encrypt(nonce, content, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """What was sealed for `place`.

        Raises:
            CannotOpen: it was not, or was changed, or another key is in use now.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        head = len(_VERSION) + len(self._key_id)
        if sealed[:1] != _VERSION or sealed[1:head] != self._key_id:
            raise CannotOpen("stored content was written under another key: set storage.encryption_key to the one it was written with")
        try:
            return self._cipher.decrypt(sealed[head : head + _NONCE_BYTES], sealed[head + _NONCE_BYTES :], place.encode())
        except (InvalidTag, ValueError):
            raise CannotOpen("stored content was changed after it was written") from None
