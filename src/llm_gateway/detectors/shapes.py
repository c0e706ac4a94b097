# ruff: noqa: E501  # patterns and word lists read best unbroken
"""Which shapes occur in a text at all: one pass of one automaton decides which of the dearer rules need to look.

Each entry must match wherever the rule it stands for could; matching more only costs time.
"""

import re

from llm_gateway.detectors.linear import PatternSet, compile_pattern

(
    DIGITS, TOKEN, CONTROL, SPACED, WORD_ROW, SSN, NANP, PLUS, NATIONAL, IBAN, FIXED_ID, ADDRESS_LOGIN, BASE32, BASE85, HEX_PAIRS, NUMBERS, BITS, DOTTED, BASE64,
) = range(19)  # fmt: skip

_COUNTED: tuple[tuple[int, str], ...] = (
    (DIGITS, r"\d(?:[ .\-/()]{0,2}\d){6}"),
    (CONTROL, r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"),
    (SSN, r"\d{3}[- ]\d{2}[- ]\d{4}"),
    (NANP, r"[2-9]\d{2}\)?[ .\-]?[2-9]\d{2}[ .\-]\d{4}"),
    (PLUS, r"(?:\+|[\s(]00|^00)[1-9]\d{0,2}[ .\-/(]{0,3}\d"),
    (NATIONAL, r"0\d{0,4}\)?[ .\-/]\d{2}|\(\d{2,4}\)[ \-]?\d{3}"),
    (IBAN, r"[A-Za-z]{2}\d{2}[ \-]?[A-Za-z0-9]{4}[ \-]?[A-Za-z0-9]{2}"),
    (
        FIXED_ID,
        r"(?i)\d{3}\.\d{3}\.\d{3}-|[A-Z]{6}\d{2}[A-Z]|\d{17}|\d{6}-\d{2}-\d{4}|\d{6}[-+A]\d{3}|[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3}|[A-Z]{4}\d{6}|\d\.\d{3}\.\d{3}-|[A-Z]\d{7}|\d{8}-?[A-Z]|[A-Z]{2} \d{2} \d{2} \d{2} [A-D]",
    ),
    (ADDRESS_LOGIN, r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}[ \t,/:]{1,4}[^\s,/:\"'<>]{2}"),
    (HEX_PAIRS, r"(?:0[xX])?[0-9a-fA-F]{2}(?:(?:[\s:,]|, ?0x|,? ?\\?0?x)?[0-9a-fA-F]{2}){7}"),
    (NUMBERS, r"\d{2,3}(?:[\s,;]{1,3}\d{1,3}){7}"),
    (BITS, r"[01]{8}(?:[\s,]{0,2}[01]{7,8}){7}"),
)
"""Shapes that one automaton counts. Shapes over letters are kept apart: counted together they would multiply its states."""

_SPACED = compile_pattern(r"(?:[!-~][ .\-_|*]){9}[!-~]")
_ALL = frozenset(range(19))
_SENTINEL = len(_COUNTED)
"""Index of a pattern that every text matches. When it is missing the automaton gave up, and every rule must look."""
_LONG_WORD = compile_pattern(r"[!-~]{15,}")
_DIGIT = re.compile(r"[0-9]")
_CASES = re.compile(r"[a-z][A-Z][a-z]?[A-Z]|[A-Z][a-z][A-Z]")
_FEWEST_DIGITS = 6
"""A text with fewer holds no number and nothing encoded in digits that a rule could take for something."""
_CONTROLS = frozenset((*range(9), 11, 12, *range(14, 32), 127))


def _sketched(code: int) -> int:
    if chr(code) in " .-_|*":
        return 32
    if 48 <= code <= 57:
        return 100
    return 118 if 33 <= code <= 126 else 99 if code in _CONTROLS else 110


_SKETCH = bytes(map(_sketched, range(256)))
"""Separators become spaces, digits d, other visible characters v, controls c, all else n."""
_DIGITS_SHOW = bytes.maketrans(b"d", b"v")
_SINGLE_LETTERS = b" v v v "
_SEED_LINE_CHARS = (50, 240)


def drawn_words(text: str) -> list[tuple[int, str]]:
    """(offset, word) of the words of 15 characters and more that may hold something drawn or encoded, not an identifier."""
    return [(match.start(), word) for match in _LONG_WORD.finditer(text) if _DIGIT.search(word := match.group()) or _CASES.search(word)]


_SET = PatternSet((*(pattern for _, pattern in _COUNTED), ""), 64 << 20)


def shapes_in(text: str) -> frozenset[int]:
    """The shapes that occur in `text`. Cheap sketches tell first which of the dearer looks can find anything."""
    seen: set[int] = set()
    sketch = text.encode("utf-8", "replace").translate(_SKETCH)
    digits = sketch.count(b"d")
    if digits >= _FEWEST_DIGITS or sketch.find(b"c") >= 0:  # `in` raises and catches an error inside, before it looks
        matched = _SET.match(text)
        if _SENTINEL not in matched:
            return _ALL
        seen.update(_COUNTED[index][0] for index in matched if index != _SENTINEL)
    if _LONG_WORD.search(text):
        longest = max((len(word) for _, word in drawn_words(text)), default=0)
        if longest:
            seen.update((TOKEN, BASE64, BASE32))
            if longest >= 35:
                seen.update((BASE85, DOTTED))
    if (sketch.translate(_DIGITS_SHOW) if digits else sketch).find(_SINGLE_LETTERS) >= 0 and _SPACED.search(text):
        seen.add(SPACED)
    if _lower_line(text):
        seen.add(WORD_ROW)
    return frozenset(seen)


def _lower_line(text: str) -> bool:
    """Whether some line is as long as a seed phrase and has small letters only."""
    shortest, longest = _SEED_LINE_CHARS
    if len(text) < shortest:
        return False
    return any(
        shortest <= len(line) <= longest and line.islower() and line.strip(" \"'`.").replace(",", "").replace(" ", "").isalpha()
        for line in text.split("\n")
    )
