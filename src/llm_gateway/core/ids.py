"""Names for calls and conversations."""

import re
from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def ulid(now_s: float, random_bytes: Callable[[int], bytes]) -> str:
    """A ULID: 48 bits of milliseconds and 80 random ones in Crockford's base 32, sortable by time.

    Source: the ULID specification. `random_bytes(n)` gives n random bytes.
    """
    value = (int(now_s * 1000) << 80) | int.from_bytes(random_bytes(10), "big")
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def correlation_id(offered: str | None, now_s: float, random_bytes: Callable[[int], bytes]) -> str:
    """The caller's own id where it is well-formed (`[A-Za-z0-9._-]{1,128}`), else a new `gw-<ULID>`."""
    if offered and _CORRELATION_ID.fullmatch(offered):
        return offered
    return "gw-" + ulid(now_s, random_bytes)
