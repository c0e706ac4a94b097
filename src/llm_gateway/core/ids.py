"""Names for calls and conversations."""

import re
from collections.abc import Callable
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_LETTER_OF_BYTE: Final = (_ALPHABET * 8).encode()
"""32 divides 256: of random bytes, every letter is as likely as any other."""
_TAIL_LETTERS: Final = 16
_TAILS: Final = 256
"""Random ends that are fetched at once."""
_CORRELATION_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


def _letters(random: bytes) -> str:
    """Five random bits of each byte, in Crockford's base 32."""
    return random.translate(_LETTER_OF_BYTE).decode("ascii")


def _of_time(now_ms: int) -> str:
    """The first eight letters of a ULID: all of its 48 bits of milliseconds but the last ten, which make two letters."""
    return "".join([_PAIRS[(now_ms >> shift) & 1023] for shift in range(40, 0, -10)])


def ulid(now_s: float, random_bytes: Callable[[int], bytes]) -> str:
    """A ULID: 48 bits of milliseconds and 80 random ones in Crockford's base 32, sortable by time.

    Source: the ULID specification. `random_bytes(n)` gives n random bytes.
    """
    now_ms = int(now_s * 1000)
    return f"{_of_time(now_ms)}{_PAIRS[now_ms & 1023]}{_letters(random_bytes(_TAIL_LETTERS))}"


def correlation_id(offered: str | None, now_s: float, random_bytes: Callable[[int], bytes]) -> str:
    """The caller's own id where it is well-formed (`[A-Za-z0-9._-]{1,128}`), else a new `gw-<ULID>`."""
    if offered and _CORRELATION_ID.fullmatch(offered):
        return offered
    return "gw-" + ulid(now_s, random_bytes)


class Names:
    """Makes a correlation id for every call, of randomness that is fetched for many at once.

    `random_bytes(n)` gives n random bytes. A process that was forked off must `forget` what its parent fetched.
    """

    __slots__ = ("_beginning", "_moment", "_random_bytes", "_tails")

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._tails: list[str] = []
        self._moment = -1
        self._beginning = ""

    def forget(self) -> None:
        """Drop the randomness that is left."""
        self._tails = []

    def new(self, now_s: float) -> str:
        """A `gw-<ULID>`."""
        now_ms = int(now_s * 1000)
        if now_ms >> 10 != self._moment:
            self._moment = now_ms >> 10
            self._beginning = "gw-" + _of_time(now_ms)
        if not self._tails:
            letters = _letters(self._random_bytes(_TAILS * _TAIL_LETTERS))
            self._tails = [letters[at : at + _TAIL_LETTERS] for at in range(0, len(letters), _TAIL_LETTERS)]
        return f"{self._beginning}{_PAIRS[now_ms & 1023]}{self._tails.pop()}"
