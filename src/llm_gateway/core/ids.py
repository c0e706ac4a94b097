"""Names for calls and conversations."""

import re
from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_milliseconds = -1
_of_milliseconds = ""
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def ulid(now_s: float, random_bytes: Callable[[int], bytes]) -> str:
    """A ULID: 48 bits of milliseconds and 80 random ones in Crockford's base 32, sortable by time.

    Source: the ULID specification. `random_bytes(n)` gives n random bytes.
    """
    global _milliseconds, _of_milliseconds  # noqa: PLW0603 - the last moment's ten characters, which a busy gateway needs again
    now_ms = int(now_s * 1000)
    if now_ms != _milliseconds:
        _of_milliseconds = "".join([_PAIRS[(now_ms >> shift) & 1023] for shift in range(40, -1, -10)])
        _milliseconds = now_ms
    pairs = _PAIRS
    value = int.from_bytes(random_bytes(10), "big")
    high, low = value >> 40, value & 0xFF_FFFF_FFFF
    return (
        f"{_of_milliseconds}{pairs[high >> 30]}{pairs[high >> 20 & 1023]}{pairs[high >> 10 & 1023]}{pairs[high & 1023]}"
        f"{pairs[low >> 30]}{pairs[low >> 20 & 1023]}{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )


def correlation_id(offered: str | None, now_s: float, random_bytes: Callable[[int], bytes]) -> str:
    """The caller's own id where it is well-formed (`[A-Za-z0-9._-]{1,128}`), else a new `gw-<ULID>`."""
    if offered and _CORRELATION_ID.fullmatch(offered):
        return offered
    return "gw-" + ulid(now_s, random_bytes)
