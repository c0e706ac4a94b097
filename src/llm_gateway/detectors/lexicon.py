# ruff: noqa: E501  # patterns and word lists read best unbroken
"""All literals that rules wait for, in one Aho-Corasick automaton, each with the families that want to know."""

from functools import lru_cache
from typing import NamedTuple

import ahocorasick_rs

from llm_gateway.detectors import matters, pii_words
from llm_gateway.detectors.decode import ENCODING_ANCHORS, REVERSED_ANCHORS, ROT13_ANCHORS
from llm_gateway.detectors.markers import COMPOUND, SINGLE
from llm_gateway.detectors.normalise import fold
from llm_gateway.detectors.rules import Pattern, vendor_rule
from llm_gateway.detectors.secrets_structured import STRUCTURED_RULES
from llm_gateway.detectors.secrets_vendor import VENDOR_FORMATS
from llm_gateway.detectors.secrets_words import HASH_WORDS, KEY_WORDS, PASSWORD_WORDS, VENDOR_WORDS, WEAK_WORDS, cleaned

(
    RULE, PASSWORD, KEY, WEAK, HASH, MARKER, MATTER, CARD, ID, BANK, PHONE, BIRTH, SEED, AT, ESCAPE, REVERSED, ROT13, KEYWORD, EVERYDAY, VENDOR, ADDRESS,
) = range(21)  # fmt: skip
FAMILIES = 21

Payload = int | str | bool


class Lexicon(NamedTuple):
    """`table[i]` lists (family, payload) of the automaton's i-th literal; `literals` are those literals."""

    table: tuple[tuple[tuple[int, Payload], ...], ...]
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
    return Lexicon(tuple(tuple(wanted) for wanted in table.values()), literals, automaton)


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
        entries.extend((word, family, fold(word).lower()) for word in words)
    entries.extend((word, MARKER, True) for word in cleaned(COMPOUND))
    compounds = {fold(word).lower() for word in cleaned(COMPOUND)}
    entries.extend((word, MARKER, False) for word in cleaned(SINGLE) if fold(word).lower() not in compounds)
    for matter, words in (
        (matters.HEALTH, matters.HEALTH_STRONG), (matters.HEALTH_HINT, matters.HEALTH_WEAK), (matters.HR, matters.HR_WORDS),
        (matters.LEGAL, matters.LEGAL_WORDS), (matters.CORPORATE, matters.CORPORATE_WORDS),
    ):  # fmt: skip
        entries.extend((word, MATTER, matter) for word in cleaned(words))
    entries.append(("@", AT, 0))
    for family, words in ((ESCAPE, ENCODING_ANCHORS), (REVERSED, REVERSED_ANCHORS), (ROT13, ROT13_ANCHORS)):
        entries.extend((word, family, 0) for word in words)
    return Standard(patterns, token_patterns, tuple(entries))
