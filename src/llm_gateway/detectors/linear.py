"""RE2 with types: matching in time linear in the text, whatever the pattern.

The only place that imports `re2`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Protocol, cast

import re2

PatternError: type[Exception] = re2.error


class Match(Protocol):
    """A match, as in the standard library."""

    def group(self, index: int = 0, /) -> str: ...

    def groups(self) -> tuple[str | None, ...]: ...

    def start(self, index: int = 0, /) -> int: ...

    def end(self, index: int = 0, /) -> int: ...

    def span(self, index: int = 0, /) -> tuple[int, int]: ...


class Pattern(Protocol):
    """A compiled pattern, as in the standard library."""

    def search(self, text: str, /) -> Match | None: ...

    def match(self, text: str, /) -> Match | None: ...

    def finditer(self, text: str, /) -> Iterator[Match]: ...


def _options(max_bytes: int) -> "re2.Options":
    options = re2.Options()
    options.log_errors = False
    options.max_mem = max_bytes
    return options


_MAX_BYTES = 16 << 20
_OPTIONS = _options(_MAX_BYTES)


def compile_pattern(pattern: str, max_bytes: int = _MAX_BYTES) -> Pattern:
    """Compile `pattern`; its automata may take `max_bytes` of memory.

    Raises:
        PatternError: it is not RE2 syntax, or compiles to more than that.
    """
    return cast(Pattern, re2.compile(pattern, options=_OPTIONS if max_bytes == _MAX_BYTES else _options(max_bytes)))


@lru_cache(maxsize=64)
def compiled(pattern: str) -> Pattern:
    """`pattern`, compiled when a text first needs it: the large ones take megabytes."""
    return compile_pattern(pattern)


class PatternSet:
    """Which of many patterns occur in a text, in one pass. `bytewise`: the patterns are of bytes, not of characters of UTF-8."""

    def __init__(self, patterns: Iterable[str], max_bytes: int, *, bytewise: bool = False) -> None:
        options = _options(max_bytes)
        if bytewise:
            options.encoding = re2.Options.Encoding.LATIN1
        self._set = re2.Set.SearchSet(options)
        for pattern in patterns:
            self._set.Add(pattern.encode("latin-1") if bytewise else pattern)
        self._set.Compile()
        self.listed: Callable[[bytes], Sequence[int] | None] = self._set.Match
        """The same for UTF-8; None where none occurs."""

    def match(self, text: str) -> frozenset[int]:
        """Indices of the patterns that occur. Empty also when memory ran out: put in a pattern that always occurs to tell."""
        return frozenset(self._set.Match(text) or ())
