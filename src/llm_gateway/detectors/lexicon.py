# ruff: noqa: E501  # patterns and word lists read best unbroken
"""All literals that rules wait for, in one Aho-Corasick automaton, each with the families that want to know."""

from functools import lru_cache
from typing import NamedTuple

import ahocorasick_rs

from llm_gateway.detectors import markers, matter_words, matters, pii_words
from llm_gateway.detectors.decode import ENCODING_ANCHORS, REVERSED_ANCHORS, ROT13_ANCHORS
from llm_gateway.detectors.normalise import fold
from llm_gateway.detectors.rules import Pattern, vendor_rule
from llm_gateway.detectors.secrets_structured import STRUCTURED_RULES
from llm_gateway.detectors.secrets_vendor import VENDOR_FORMATS
from llm_gateway.detectors.secrets_words import HASH_WORDS, KEY_WORDS, PASSWORD_WORDS, VENDOR_WORDS, WEAK_WORDS, cleaned

(
    RULE, PASSWORD, KEY, WEAK, HASH, MARKER, MATTER, CARD, ID, BANK, PHONE, BIRTH, SEED, AT, ESCAPE, REVERSED, ROT13, KEYWORD, EVERYDAY, VENDOR, ADDRESS, GRAMMAR, MATTER_END,
) = range(23)  # fmt: skip
FAMILIES = 23

_WHOLE_WORDS = frozenset({MARKER, GRAMMAR, MATTER, CARD, ID, BANK, PHONE, BIRTH})
"""Families whose words count only where a word begins."""

Payload = int | str | bool

_FIELD_NAMES = frozenset({CARD, ID, BANK, PHONE, BIRTH})
"""Families whose words are also the names of fields in data: `account_number`, `accountNumber`."""


class Lexicon(NamedTuple):
    """`table[i]` lists (family, payload) of the automaton's i-th literal; `inner[i]` those that count within a word too."""

    table: tuple[tuple[tuple[int, Payload], ...], ...]
    inner: tuple[tuple[tuple[int, Payload], ...], ...]
    literals: tuple[str, ...]
    automaton: "ahocorasick_rs.AhoCorasick"


class Standard(NamedTuple):
    """The built-in rules, one set for the process."""

    patterns: tuple[Pattern, ...]
    token_patterns: tuple[Pattern, ...]
    entries: tuple[tuple[str, int, Payload], ...]


@lru_cache(maxsize=4)
def build(extra: tuple[tuple[str, int, Payload], ...]) -> Lexicon:
    """The automaton over the built-in literals and `extra` ones; inspectors with the same keywords share it."""
    return _build((*standard().entries, *extra))


def _build(entries: tuple[tuple[str, int, Payload], ...]) -> Lexicon:
    """An automaton over (literal, family, payload) rows; literals are folded and lower-cased."""
    table: dict[str, list[tuple[int, Payload]]] = {}
    for literal, family, payload in entries:
        wanted = table.setdefault(fold(literal).lower(), [])
        if (family, payload) not in wanted:
            wanted.append((family, payload))
    literals = tuple(table)
    automaton = ahocorasick_rs.AhoCorasick(literals, implementation=ahocorasick_rs.Implementation.ContiguousNFA)
    rows = tuple(tuple(wanted) for wanted in table.values())
    inner = tuple(
        tuple(entry for entry in wanted if entry[0] not in _WHOLE_WORDS or literal[0] >= "\u0590" or not literal[0].isalnum())
        for literal, wanted in zip(literals, rows, strict=True)
    )
    return Lexicon(rows, inner, literals, automaton)


def _as_field_names(phrase: str) -> tuple[str, ...]:
    words = phrase.split(" ")
    if not 2 <= len(words) <= 4 or not phrase.isascii() or not all(word.isalpha() for word in words):
        return ()
    return "_".join(words), "".join(words)


@lru_cache(maxsize=1)
def standard() -> Standard:
    """The built-in rules and their literals."""
    rules = [*map(vendor_rule, VENDOR_FORMATS.splitlines()), *STRUCTURED_RULES]
    patterns = tuple(Pattern(rule) for rule in rules if rule.anchors)
    token_patterns = tuple(Pattern(rule) for rule in rules if not rule.anchors)
    entries: list[tuple[str, int, Payload]] = [
        (anchor, RULE, index) for index, pattern in enumerate(patterns) for anchor in pattern.rule.anchors
    ]
    for family, words in (
        (PASSWORD, cleaned(PASSWORD_WORDS)), (KEY, cleaned(KEY_WORDS)), (WEAK, cleaned(WEAK_WORDS)), (HASH, cleaned(HASH_WORDS)),
        (CARD, cleaned(pii_words.CARD_WORDS)), (ID, cleaned(pii_words.ID_WORDS)), (BANK, cleaned(pii_words.BANK_WORDS)), (PHONE, cleaned(pii_words.PHONE_WORDS)),
        (BIRTH, cleaned(pii_words.BIRTH_WORDS)), (ADDRESS, cleaned(pii_words.ADDRESS_WORDS)), (VENDOR, cleaned(VENDOR_WORDS)), (SEED, cleaned(pii_words.SEED_WORDS)),
    ):  # fmt: skip
        for word in words:
            plain = fold(word).lower()
            entries.append((word, family, plain))
            if family in _FIELD_NAMES:
                entries.extend((name, family, plain) for name in _as_field_names(plain))
    entries.extend((word, MARKER, form) for word, form in markers.literals().items())
    entries.extend((anchor, GRAMMAR, language) for language, (_, anchors) in enumerate(markers.grammars()) for anchor in anchors)
    for matter, words in (
        (matters.HEALTH, matter_words.HEALTH_STRONG), (matters.HEALTH_HINT, matter_words.HEALTH_WEAK), (matters.HR, matter_words.HR_WORDS),
        (matters.LEGAL, matter_words.LEGAL_WORDS), (matters.CORPORATE, matter_words.CORPORATE_WORDS),
        (matters.HR_HINT, matter_words.HR_HINTS), (matters.LEGAL_HINT, matter_words.LEGAL_HINTS), (matters.CORPORATE_HINT, matter_words.CORPORATE_HINTS),
        (matters.SECRECY, matter_words.SECRECY_WORDS),
    ):  # fmt: skip
        entries.extend((word, MATTER, matter) for word in cleaned(words))
    entries.extend((ending, MATTER_END, matters.HEALTH) for ending in cleaned(matter_words.HEALTH_ENDINGS))
    entries.append(("@", AT, 0))
    for family, words in ((ESCAPE, ENCODING_ANCHORS), (REVERSED, REVERSED_ANCHORS), (ROT13, ROT13_ANCHORS)):
        entries.extend((word, family, 0) for word in words)
    return Standard(patterns, token_patterns, tuple(entries))
