# ruff: noqa: E501  # patterns and word lists read best unbroken
"""All literals that rules wait for, in one Aho-Corasick automaton, each with the families that want to know.

The automaton looks at texts in the case of titles: `The First Letter Of Every Word` is a capital there and all others are small,
so that words which count only where a word begins are not even found within others.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from llm_gateway.detectors import markers, matter_words, matters, pii_words
from llm_gateway.detectors.decode import ENCODING_ANCHORS, REVERSED_ANCHORS, ROT13_ANCHORS, ROT47_ANCHORS
from llm_gateway.detectors.literals import Find, finder
from llm_gateway.detectors.normalise import fold
from llm_gateway.detectors.pii_forms import PII_FORM_RULES
from llm_gateway.detectors.rules import Pattern, vendor_rule
from llm_gateway.detectors.secrets_answers import ANSWER_RULES
from llm_gateway.detectors.secrets_config import CONFIG_RULES
from llm_gateway.detectors.secrets_devices import DEVICE_RULES
from llm_gateway.detectors.secrets_handed import HANDED_RULES
from llm_gateway.detectors.secrets_notes import NOTE_RULES
from llm_gateway.detectors.secrets_structured import STRUCTURED_RULES
from llm_gateway.detectors.secrets_told import LOCK_WORDS
from llm_gateway.detectors.secrets_typed import TYPED_RULES
from llm_gateway.detectors.secrets_vendor import VENDOR_FORMATS
from llm_gateway.detectors.secrets_words import HASH_WORDS, KEY_WORDS, PASSWORD_WORDS, VENDOR_WORDS, WEAK_WORDS, cleaned
from llm_gateway.detectors.spelled import SPOKEN_ANCHORS

(
    RULE, PASSWORD, KEY, WEAK, HASH, MARKER, MATTER, CARD, ID, BANK, PHONE, BIRTH, SEED, AT, ESCAPE, REVERSED, ROT13, KEYWORD, EVERYDAY, VENDOR, ADDRESS, GRAMMAR, MATTER_END, LOCK, SPOKEN,
) = range(25)  # fmt: skip
FAMILIES = 25

_WHOLE_WORDS = frozenset({MARKER, GRAMMAR, MATTER, CARD, ID, BANK, PHONE, BIRTH, LOCK})
"""Families whose words count only where a word begins."""

_SHORT_MATTER_CHARS = 4

Payload = int | str | bool
Row = tuple[tuple[int, Payload], ...]

_FIELD_NAMES = frozenset({CARD, ID, BANK, PHONE, BIRTH})
"""Families whose words are also the names of fields in data: `account_number`, `accountNumber`."""


class Lexicon(NamedTuple):
    """`find` gives (start, end, i) in the bytes of a text in the case of titles. `table[i]` lists the (family, payload) pairs of that
    literal, `inner[i]` those that count within a word too. `borders[i]` is 0 when these are the same, 2 when the literal counts only where
    a word ends, and else 1. `fingerprint` differs when the literals do."""

    table: tuple[Row, ...]
    inner: tuple[Row, ...]
    borders: bytes
    find: Find
    fingerprint: str


class Standard(NamedTuple):
    """The built-in rules, one set for the process."""

    patterns: tuple[Pattern, ...]
    token_patterns: tuple[Pattern, ...]


@lru_cache(maxsize=4)
def build(extra: tuple[tuple[str, int, Payload], ...]) -> Lexicon:
    """The automaton over the built-in literals and `extra` ones; inspectors with the same keywords share it."""
    return _build((*_entries(standard().patterns), *extra))


def _build(entries: Iterable[tuple[str, int, Payload]]) -> Lexicon:
    """An automaton over (literal, family, payload) rows; literals are folded and lower-cased."""
    rows: dict[str, Row] = {}
    shared: dict[Row, Row] = {}  # thousands of literals have the same few rows
    for literal, family, payload in entries:
        word = fold(literal).lower()
        known = rows.get(word)
        row: Row = ((family, payload),) if known is None else known if (family, payload) in known else (*known, (family, payload))
        rows[word] = shared.setdefault(row, row)
    forms: list[bytes] = []
    table: list[Row] = []
    inner: list[Row] = []
    borders = bytearray()
    inner_of: dict[Row, Row] = {}
    for literal, whole in rows.items():
        within = whole
        if literal[0] < "\u0590" and literal[0].isalnum():
            if whole not in inner_of:
                within = tuple([entry for entry in whole if entry[0] not in _WHOLE_WORDS])
                inner_of[whole] = shared.setdefault(within, within)
            within = inner_of[whole]
        ends = _must_end(literal) and all(family == MATTER and payload != matters.SECRECY for family, payload in whole)
        titled = literal.encode().title()
        forms.append(titled)
        table.append(whole)
        inner.append(within)
        borders.append(2 if ends else within != whole)
        if within and titled[:1].isupper():
            forms.append(titled[:1].lower() + titled[1:])
            table.append(within)
            inner.append(within)
            borders.append(0)
    fingerprint = hashlib.blake2b("\0".join(sorted(rows)).encode(), digest_size=16).hexdigest()
    rows.clear()  # making the automaton takes ten times its size: nothing else should be held then
    return Lexicon(tuple(table), tuple(inner), bytes(borders), finder(forms), fingerprint)


def _must_end(word: str) -> bool:
    """Whether `word`, of a matter, is too short to count where it only begins a longer one, as `matters` looks at it."""
    return len(word) <= _SHORT_MATTER_CHARS and word[0].isascii() and word[-1] != " "


def _as_field_names(phrase: str) -> tuple[str, ...]:
    words = phrase.split(" ")
    if not 2 <= len(words) <= 4 or not phrase.isascii() or not all(word.isalpha() for word in words):
        return ()
    return "_".join(words), "".join(words)


@lru_cache(maxsize=1)
def standard() -> Standard:
    """The built-in rules and their literals."""
    rules = [
        *map(vendor_rule, VENDOR_FORMATS.splitlines()), *STRUCTURED_RULES, *CONFIG_RULES, *DEVICE_RULES, *NOTE_RULES, *TYPED_RULES, *HANDED_RULES, *ANSWER_RULES, *PII_FORM_RULES,
    ]  # fmt: skip
    patterns = tuple(Pattern(rule) for rule in rules if rule.anchors)
    token_patterns = tuple(Pattern(rule) for rule in rules if not rule.anchors)
    return Standard(patterns, token_patterns)


def _entries(patterns: tuple[Pattern, ...]) -> Iterator[tuple[str, int, Payload]]:
    """(literal, family, payload) of all that is built in. Made anew for each automaton: that is seldom, and they are many."""
    yield from ((anchor, RULE, index) for index, pattern in enumerate(patterns) for anchor in pattern.rule.anchors)
    for family, words in (
        (PASSWORD, cleaned(PASSWORD_WORDS)), (KEY, cleaned(KEY_WORDS)), (WEAK, cleaned(WEAK_WORDS)), (HASH, cleaned(HASH_WORDS)),
        (CARD, cleaned(pii_words.CARD_WORDS)), (ID, cleaned(pii_words.ID_WORDS)), (BANK, cleaned(pii_words.BANK_WORDS)), (PHONE, cleaned(pii_words.PHONE_WORDS)),
        (BIRTH, cleaned(pii_words.BIRTH_WORDS)), (ADDRESS, cleaned(pii_words.ADDRESS_WORDS)), (VENDOR, cleaned(VENDOR_WORDS)), (SEED, cleaned(pii_words.SEED_WORDS)),
        (LOCK, LOCK_WORDS),
    ):  # fmt: skip
        for word in words:
            plain = fold(word).lower()
            yield word, family, plain
            if family in _FIELD_NAMES:
                yield from ((name, family, plain) for name in _as_field_names(plain))
    yield from ((word, MARKER, form) for word, form in markers.literals().items())
    yield from ((anchor, GRAMMAR, language) for language, (_, anchors) in enumerate(markers.grammars()) for anchor in anchors)
    for matter, told in (
        (matters.HEALTH, matter_words.HEALTH_STRONG), (matters.HEALTH_HINT, matter_words.HEALTH_WEAK), (matters.HR, matter_words.HR_WORDS),
        (matters.LEGAL, matter_words.LEGAL_WORDS), (matters.CORPORATE, matter_words.CORPORATE_WORDS),
        (matters.HR_HINT, matter_words.HR_HINTS), (matters.LEGAL_HINT, matter_words.LEGAL_HINTS), (matters.CORPORATE_HINT, matter_words.CORPORATE_HINTS),
        (matters.SECRECY, matter_words.SECRECY_WORDS),
        (matters.HEALTH_CUE, matter_words.HEALTH_CUES), (matters.HR_CUE, matter_words.HR_CUES), (matters.LEGAL_CUE, matter_words.LEGAL_CUES),
        (matters.CORPORATE_CUE, matter_words.CORPORATE_CUES), (matters.PERSON, matter_words.PERSON_WORDS),
    ):  # fmt: skip
        yield from ((word, MATTER, matter) for word in matter_words.listed(told))
    yield from ((ending, MATTER_END, matters.HEALTH) for ending in matter_words.listed(matter_words.HEALTH_ENDINGS))
    yield "@", AT, 0
    for family, words in (
        (ESCAPE, ENCODING_ANCHORS),
        (REVERSED, REVERSED_ANCHORS),
        (ROT13, (*ROT13_ANCHORS, *ROT47_ANCHORS)),
        (SPOKEN, SPOKEN_ANCHORS),
    ):
        yield from ((word, family, 0) for word in words)
