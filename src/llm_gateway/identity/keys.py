"""API keys as values: how one is made, recognised and stored. Pure: randomness comes in as a parameter.

A key is `gw_`, 43 characters of base 62 (256 random bits) and 6 more that are the CRC-32 of all before them, so that a
slip of the pen, or a scanner that looks for leaked keys, needs no database to tell a key from something else. What is
stored is the HMAC-SHA-256 of the key's SHA-256 under a secret of the server (the pepper): whoever reads the table can
neither use nor test a key. A slow password hash would add nothing, since there is nothing to guess in 256 random bits.
"""

import hashlib
import re
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Final, Literal

import msgspec

from llm_gateway.core.exchange import Caller

PREFIX: Final = "gw_"
BODY_LENGTH: Final = 43
"""Digits of base 62 that hold 256 bits."""
CHECK_LENGTH: Final = 6
"""Digits of base 62 that hold 32 bits."""
HINT_LENGTH: Final = 7
"""Characters of a key that are shown to recognise it by: the prefix and four of its own."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_SHAPE: Final = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{BODY_LENGTH + CHECK_LENGTH}}}")
_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_RESERVED: Final = frozenset({"admin", "anonymous"})
_BLOCK_BYTES: Final = 64
"""Block of SHA-256 (RFC 2104)."""

BudgetPeriod = Literal["day", "month"]


class Grant(msgspec.Struct, frozen=True):
    """What whoever holds a key may do. None: no restriction.

    `owner` is the tenant that everything done with the key belongs to. `allowed_models` are names of models, at any
    provider, or `provider/model`. `expires_s` is Unix time.
    """

    name: str
    owner: str
    tier: str = "default"
    allowed_providers: frozenset[str] | None = None
    allowed_models: frozenset[str] | None = None
    budget_usd: Decimal | None = None
    budget_period: BudgetPeriod = "month"
    expires_s: float | None = None


class Key(msgspec.Struct, frozen=True):
    """A key as the gateway knows it: never the key itself. Times are Unix seconds; a key of the configuration has no `created_s`."""

    id: str
    digest: bytes
    grant: Grant
    hint: str = ""
    source: Literal["created", "config"] = "created"
    created_s: float | None = None
    last_used_s: float | None = None
    revoked_s: float | None = None

    def caller(self) -> Caller:
        """The caller that the key stands for when no user is named."""
        grant = self.grant
        return Caller(
            grant.owner,
            tier=grant.tier,
            key_id=self.id,
            owner=grant.owner,
            allowed_providers=grant.allowed_providers,
            allowed_models=grant.allowed_models,
        )


def new_key(random_bytes: Callable[[int], bytes]) -> str:
    """A fresh key. `random_bytes(n)` gives n bytes that nobody can guess."""
    value = int.from_bytes(random_bytes(32), "big")
    digits = []
    for _ in range(BODY_LENGTH):
        value, digit = divmod(value, 62)
        digits.append(_ALPHABET[digit])
    body = PREFIX + "".join(reversed(digits))
    return body + _check(body.encode())


def _check(body: bytes) -> str:
    value, last = divmod(zlib.crc32(body), 3844)
    return _PAIRS[value // 3844] + _PAIRS[value % 3844] + _PAIRS[last]


def is_well_formed(text: str) -> bool:
    """Whether `text` is a key that was written down right; says nothing of whether anybody issued it."""
    return _SHAPE.fullmatch(text) is not None and _check(text[:-CHECK_LENGTH].encode()) == text[-CHECK_LENGTH:]


def fingerprint(key: str) -> bytes:
    """The SHA-256 of a key: enough to configure it (`auth.keys.<name>.key_sha256`), not enough to use it."""
    return hashlib.sha256(key.encode()).digest()


def owner_fault(owner: str) -> str:
    """What is wrong with the name of an owner; "" when nothing is.

    No slash, since callers are named `<owner>/<user_id>`: the first slash always ends the owner.
    """
    if owner in _RESERVED:
        return f"{owner!r} is a name of the gateway's own; expected another"
    if not _OWNER.fullmatch(owner):
        return "expected up to 64 letters, digits and . _ @ + -, beginning with a letter or digit"
    return ""


class Pepper:
    """Makes the stored form of keys under one secret."""

    __slots__ = ("_inner", "_outer", "check")

    def __init__(self, secret: bytes) -> None:
        block = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK_BYTES else secret).ljust(_BLOCK_BYTES, b"\0")
        # HMAC with both of its pads hashed once, for all keys to come: a third of the time of hmac.digest.
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
        self.check = self.of_fingerprint(hashlib.sha256(b"llm-gateway key pepper").digest())
        """Stored beside the keys, so that another pepper is noticed at start and not by every caller."""

    def __repr__(self) -> str:
        return "Pepper()"

    def of(self, key: str) -> bytes:
        """The stored form of a key, 32 bytes."""
        return self.of_fingerprint(hashlib.sha256(key.encode()).digest())

    def of_fingerprint(self, sha256: bytes) -> bytes:
        """The stored form of the key with this SHA-256."""
        inner = self._inner.copy()
        inner.update(sha256)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()
