# ruff: noqa: E501  # patterns and word lists read best unbroken
"""Which shapes occur in a text at all: one pass of one automaton decides which of the dearer rules need to look.

Each entry must match wherever the rule it stands for could; matching more only costs time.
"""

import re

from llm_gateway.detectors.linear import PatternSet, compile_pattern

(
    DIGITS, TOKEN, CONTROL, SPACED, WORD_ROW, SSN, NANP, PLUS, NATIONAL, IBAN, FIXED_ID, ADDRESS_LOGIN, BASE32, BASE85, HEX_PAIRS, NUMBERS, BITS, DOTTED, BASE64, BARE, POSTAL,
) = range(21)  # fmt: skip

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
    (
        POSTAL,
        r"\d[A-Za-z]{0,2}, ?(?:[A-Z]{1,2}-)?(?:\d{5}|\d{2}-\d{3}|\d{3} \d{2}|\d{4} ?[A-Z]{2})|[A-Z]\d[A-Z\d]? \d[A-Z]|, [A-Z]{2} \d{5}",
    ),
    (HEX_PAIRS, r"(?:0[xX])?[0-9a-fA-F]{2}(?:(?:[\s:,]|, ?0x|,? ?\\?0?x)?[0-9a-fA-F]{2}){7}|(?:[0-9a-fA-F]{2}(?:-|[hH][ ,]{1,2})){8}"),
    (NUMBERS, r"\d{2,3}(?:[\s,;]{1,3}\d{1,3}){7}"),
    (BITS, r"[01]{8}(?:[\s,]{0,2}(?:0b)?[01]{7,8}){7}"),
)
"""Shapes that one automaton counts. Shapes over letters are kept apart: counted together they would multiply its states."""

_SPACED = compile_pattern(r"(?:[!-~][ .\-_|*]){9}[!-~]|(?:[A-Za-z0-9][^A-Za-z0-9]{1,7}){9}[A-Za-z0-9]")
_ALL = frozenset(range(21))
_NONE: frozenset[int] = frozenset()
_ROW = frozenset({WORD_ROW})
_END = r"\z"
_SENTINEL = len(_COUNTED)
"""Index of that pattern, which every text matches. When it is missing the automaton gave up, and every rule must look."""
_LONG_WORD = compile_pattern(r"[!-~]{15,}")
_DIGIT = re.compile(r"[0-9]")
_MIXED_CASES = r"[a-z][A-Z][a-z]?[A-Z]|[A-Z][a-z][A-Z]"
_CASES = re.compile(_MIXED_CASES)
_MANY_DIGITS = 24
"""In texts with more it is cheaper to look at the text than at each digit."""

_HINTS = (
    # six digits (with fewer there is no number and nothing encoded in digits that a rule could take for something), a postcode of Great Britain, or a control character
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[A-Z][0-9][0-9A-Z]? [0-9][A-Z]{2}|[0-9](?:[^0-9]*[0-9]){5}",
    # marks beside letters and digits, as in passwords that nothing announces
    r"[A-Za-z0-9][!#$%&*?^~@][A-Za-z0-9]|[0-9][!#$%&*]",
    # what every drawn word has: a digit or mixed cases, and six or seven more characters on one side of them
    rf"[!-~]{{7}}[0-9]|[0-9][!-~]{{7}}|[!-~]{{6}}(?:{_MIXED_CASES})|(?:{_MIXED_CASES})[!-~]{{6}}",
    # three single characters in a row, or nine with anything between
    r"[ .\-_|*](?:[!-)+,/-^`a-{}~][ .\-_|*]){3}|(?:[A-Za-z0-9][^A-Za-z0-9]{1,7}){9}[A-Za-z0-9]",
    _END,
)
"""What tells in one cheap pass which of the dearer looks can find anything."""
_EVERY_HINT = (0, 1, 2, 3)


def _sketched(code: int) -> int:
    if chr(code) in " .-_|*":
        return 32
    if 48 <= code <= 57:
        return 100
    return 118 if code < 128 and chr(code) not in "\t\n\r" else 110


_SKETCH = bytes(map(_sketched, range(256)))
"""Separators become spaces, digits d, other characters within words v, all else n."""
_SHORTEST_SEED, _LONGEST_SEED = 50, 240
"""Characters of a line that may hold a seed phrase."""


def drawn_words(text: str) -> list[tuple[int, str]]:
    """(offset, word) of the words of 15 characters and more that may hold something drawn or encoded, not an identifier."""
    return [(match.start(), word) for match in _LONG_WORD.finditer(text) if _DIGIT.search(word := match.group()) or _CASES.search(word)]


_SET = PatternSet((*(pattern for _, pattern in _COUNTED), _END), 64 << 20)


_hints = PatternSet(_HINTS, 16 << 20, bytewise=True).listed


def shapes_in(text: str) -> frozenset[int]:
    """The shapes that occur in `text`. Cheap hints tell first which of the dearer looks can find anything."""
    raw = text.encode("utf-8", "replace")
    hints = _hints(raw) or _EVERY_HINT
    if len(hints) == 1:  # the one that is in every text
        return _ROW if _lower_line(text) else _NONE
    seen: set[int] = set()
    if 0 in hints:
        matched = _SET.match(text)
        if _SENTINEL not in matched:
            return _ALL
        seen.update(_COUNTED[index][0] for index in matched if index != _SENTINEL)
    if 1 in hints and _digits_in_words(raw):
        seen.add(BARE)
    if 2 in hints:
        longest = max((len(word) for _, word in drawn_words(text)), default=0)
        if longest:
            seen.update((TOKEN, BASE64, BASE32))
            if longest >= 35:
                seen.update((BASE85, DOTTED))
    if 3 in hints and _SPACED.search(text):
        seen.add(SPACED)
    if _lower_line(text):
        seen.add(WORD_ROW)
    return frozenset(seen)


def _digits_in_words(raw: bytes) -> bool:
    """Whether there are many digits, or some word has a digit and something else."""
    sketch = raw.translate(_SKETCH)
    digits = sketch.count(b"d")
    return digits > 0 and (digits > _MANY_DIGITS or _digit_in_word(sketch))


def _digit_in_word(sketch: bytes) -> bool:
    """Whether some word has a digit and something else."""
    at = sketch.find(b"d")
    while at >= 0:
        end = min(found for found in (sketch.find(b" ", at), sketch.find(b"n", at), len(sketch)) if found >= 0)
        word = sketch[max(sketch.rfind(b" ", 0, at), sketch.rfind(b"n", 0, at)) + 1 : end]
        if word.strip(b"d"):
            return True
        at = sketch.find(b"d", end)
    return False


def _lower_line(text: str) -> bool:
    """Whether some line is as long as a seed phrase and has small letters only."""
    size = len(text)
    if size < _SHORTEST_SEED or (size > _LONGEST_SEED and "\n" not in text):
        return False
    for line in text.split("\n"):
        if (
            _SHORTEST_SEED <= len(line) <= _LONGEST_SEED
            and line.islower()
            and line.strip(" \"'`.").replace(",", "").replace(" ", "").isalpha()
        ):
            return True
    return False
