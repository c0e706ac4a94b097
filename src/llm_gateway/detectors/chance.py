"""What long runs of drawn characters and lists of numbers look like by chance, and is nothing."""

import re
from bisect import bisect_right
from collections.abc import Callable

from llm_gateway.detectors.linear import compile_pattern

_DRAWN_RUN = compile_pattern(r"[A-Za-z0-9+/]{48,}(?:\r?\n[A-Za-z0-9+/]{4,})*={0,2}|[0-9a-f]{24,}|[0-9A-F]{24,}")
"""What is too long for an identifier; the lines of a file in base64 are one run."""
_MAX_WORD_CHARS = 5
"""Five letters in a row spell one of 500 words once in 60,000 characters drawn by chance."""
_GIVES = re.compile(r" ?(?::|=(?![=\s\"'<]|\Z))")
"""What makes the word before it a name, whatever that is glued to."""
_DIGITS = re.compile(r"[0-9]+")
_FEWEST_GROUPS, _MAX_GROUP_DIGITS = 5, 3


def spelt_by_chance(text: str) -> Callable[[int, int], bool] | None:
    """Tells whether the word at [start, end) of `text` is short and within a long run of base64 or hexadecimal digits, as in a
    certificate or an image: then it is no word. None when there is no such run."""
    runs = [match.span() for match in _DRAWN_RUN.finditer(text)]
    if not runs:
        return None
    starts = [start for start, _ in runs]

    def by_chance(start: int, end: int) -> bool:
        if end - start > _MAX_WORD_CHARS:
            return False
        at = bisect_right(starts, start) - 1
        if at < 0 or not runs[at][0] < start < end <= runs[at][1]:
            return False
        alone = text[start - 1] in "\r\n" and text[end : end + 1] in "\r\n"
        return not alone and not _GIVES.match(text, end)

    return by_chance


def list_of_numbers(piece: str) -> bool:
    """Whether these are small numbers of different lengths in a row: bytes, measurements. Nobody groups a card's digits so."""
    sizes = [len(group) for group in _DIGITS.findall(piece)]
    return len(sizes) >= _FEWEST_GROUPS and max(sizes) <= _MAX_GROUP_DIGITS and len(set(sizes[:-1])) > 1
