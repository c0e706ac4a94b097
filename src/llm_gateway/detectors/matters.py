# ruff: noqa: E501  # patterns and word lists read best unbroken
"""A person, or a company, together with a matter that is nobody else's business: health, work, law, deals.

A matter word alone is a topic. It counts with somebody identified (a full name, a title and a name, a record number)
and without signs that the person is public or made up.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator

from llm_gateway.detectors.linear import compile_pattern
from llm_gateway.detectors.people import names
from llm_gateway.detectors.rules import Hit, passage

_PUBLIC = compile_pattern(
    r"(?i)\b(?:in 1[89][0-9]{2}|president of|died (?:of|from|in)|famous|celebrity|novel|fiction(?:al)?|character|biograph|movie|film|screenplay|story|poem|scene|song|lyrics|history|historical|wikipedia|footballer|actor|actress|singer|author|painter|philosopher|century|hypothetical|role-?play|imaginary|template|example of|in the style of|quiz|trivia|textbook|exam question|case study|dialogue between)\b"
)
_ASKS_PUBLIC = re.compile(
    r"(?i)^\W*(?:who (?:is|was|were)|did\b|when did|when was|was\b|what (?:disease|did|was|were|are the|is the|happened)|how did|why did|which|where did|name the|welche[rsn]?|was (?:ist|sind|hilft|bedeutet)|wie (?:wird|kann|hoch|erkenn|behandel)|quel(?:le)?s?|qu'est|comment|que es|cuales?|como se|quais|qual|quali|cos'e|wat is|hoe)\b"
)
_MONEY = compile_pattern(
    r"(?i)[$€£¥₹₽₩]\s?\d[\d.,]*\s?(?:k|m|mm|bn|b|million|billion|thousand)?|\d[\d.,]*\s?(?:k|m|mm|bn|million|billion|mio\.?|mrd\.?|millions?|millones|milioni|milhoes|miljoen|miljard|mln|mld|miljoner|millioner|milyon|milyar|млн|млрд|億|亿|万|万円|억|만|मिलियन|करोड़|लाख|مليون|مليار|usd|eur|gbp|chf|pln|rub|jpy|cny|%)(?:[^a-z]|$)|\d ?%"
)
_OURS = compile_pattern(
    r"(?i)\b(?:board (?:memo|paper|deck|only|approved|decided)|unannounced|insiders? only|we|we're|we'll|our|us|my company|my employer|wir|unser(?:e[mnrs]?)?|nous|notre|nos|nuestr[oa]s?|estamos|vamos a|hemos|queremos|compraremos|despediremos|noi|nostr[oaie]|stiamo|abbiamo|vogliamo|acquisiremo|compreremo|chiuderemo|nosso|nossa|nossos|nossas|temos|iremos|queremos|onze|ons|wij|nasz\w{0,3}|nasza|planujemy|zamierzamy|przejmiemy|kupujemy|zwolnimy|vi|vara|vores|vart|nasi|plánujeme|bizim|sirketimiz\w*|alacagız|planlıyoruz|biz|chung ta|kami|kita)\b|(?:^|[^\p{L}])(?:мы|наш(?:а|е|и|у|ем|еи|их|им)?|нас|планируем|собираемся|покупаем|закрываем|увольняем)(?:[^\p{L}]|$)|我们|我們|我司|本公司|公司(?:计划|将|打算|准备)|当社|弊社|我が社|わが社|うちの会社|우리|당사|저희|نحن|شركتنا|سنقوم|हम |हमारी|हमारे|हमारा"
)
_PLAN = compile_pattern(
    r"(?i)\b(?:plan|intend|going to|will|about to|aim|propos|negotiat|offer|bid|decided|approved|planen|wollen|werden|wird|prevoyons|allons|planeamos|planejamos|vamos|stiamo per|gaan|zullen|plannen|zamierza|planuje|planerar|skal|planiram|plánuje|planl)\w*|планиру|собира|намерен|ведем переговор|계획|예정|计划|打算|准备|将要|即将|予定|計画|検討|نخطط|ننوي|سوف|योजना"
)
_SHORT_WORD_CHARS = 4
_SAME_PASSAGE_CHARS = 60
"""A matter word this close after one of its class, in the same paragraph, is part of what was just weighed."""

HEALTH, HEALTH_HINT, HR, LEGAL, CORPORATE, SECRECY, HR_HINT, LEGAL_HINT, CORPORATE_HINT = range(9)
_HINTED = {HEALTH_HINT: HEALTH, HR_HINT: HR, LEGAL_HINT: LEGAL}
_KINDS = {HEALTH: "matter.health", HR: "matter.hr", LEGAL: "matter.legal"}
_NEAR_CHARS = 300
_ASKED_CHARS = 120
_BESIDE_CHARS = 12
_HINT_CHARS = 130
"""Two hints of one matter this close to each other, and a name this close, are as much as a plain word of it."""
_SPACED_SCRIPTS_END = "\u0590"
"""Latin, Greek, Cyrillic and Armenian come before it: scripts where a word's beginning shows."""


class _People:
    """The names around a place, looked for once per stretch of text and only when somebody asks."""

    __slots__ = ("_asked", "_base", "_found", "_reach", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._base, self._reach = 0, -1
        self._asked = (-1, False)
        self._found: list[tuple[int, int]] = []

    def asked_for(self, low: int) -> bool:
        """Whether the passage that begins at `low` begins with a request to write something, or asks for a letter further on."""
        if low and not self._text.startswith("\n\n", low - 2):
            return False  # the passage begins further up
        if self._asked[0] != low:
            letter = _LETTER.search(self._text, low, passage(self._text, low, low, _NEAR_CHARS)[1])
            self._asked = (low, letter is not None or _TASK.match(self._text, low) is not None)
        return self._asked[1]

    def near(self, start: int, end: int) -> list[tuple[int, int]]:
        """Names within 300 characters. Places must be asked for in order."""
        if start > self._reach:
            self._base = max(0, start - _NEAR_CHARS)
            self._reach = start + 700
            self._found = [
                (left + self._base, right + self._base) for left, right in names(self._text[self._base : self._reach + _NEAR_CHARS])
            ]
        return [(left, right) for left, right in self._found if left - end < _NEAR_CHARS and start - right < _NEAR_CHARS]


def personal_matters(text: str, entries: list[tuple[int, int, int]]) -> Iterator[Hit]:
    """Matters at `entries` (start, end, class), each looked at with what stands within 300 characters."""
    seen: set[int] = set()
    quiet: dict[int, int] = {}
    hints: dict[int, tuple[int, int]] = {}
    people = _People(text)
    secrets = [(start, end) for start, end, matter in entries if matter == SECRECY]
    secret = [start for start, _ in secrets]
    for start, end, matter in entries:
        about = _HINTED.get(matter, matter)
        if matter == SECRECY or about in seen or start < quiet.get(matter, 0) or not _begins_word(text, start, end):
            continue
        if matter in _HINTED:
            hit = _hinted(text, start, end, about, people, hints)
        elif matter in (CORPORATE, CORPORATE_HINT):
            near = bisect_left(secret, start - _NEAR_CHARS)
            secrecy = near < len(secret) and secret[near] < end + _NEAR_CHARS
            before = bisect_left(secret, start) - 1
            beside = before >= 0 and 0 <= start - secrets[before][1] <= _BESIDE_CHARS and "?" not in text[start : end + _NEAR_CHARS]
            hit = _corporate(text, start, end, secrecy=secrecy, beside=beside, hint=matter == CORPORATE_HINT)
        else:
            hit = _weigh(text, start, end, matter, people)
        if hit:
            if hit.confidence >= 0.7:
                seen.add(about)
            yield hit
        if matter not in _HINTED:
            quiet[matter] = passage(text, start, end, _SAME_PASSAGE_CHARS)[1]


def with_endings(text: str, words: list[tuple[int, int, int]], endings: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """`words` and those that end as the names of illnesses, operations and drugs do, in order."""
    if not endings:
        return words
    found = list(words)
    for start, end, matter in endings:
        match = _WORD_END.match(text, end)
        begin = start
        while begin and start - begin < _LONGEST_WORD_CHARS and text[begin - 1].isalpha():
            begin -= 1
        named = text[begin].isupper() and _FIRST_NAME.search(text[max(0, begin - 24) : begin])
        if match and not named and start - begin >= _FEWEST_STEM_CHARS and not _NO_ILLNESS.match(text[begin:end]):
            found.append((begin, match.end(), matter))
    return sorted(found, key=_offset)


def _offset(entry: tuple[int, int, int]) -> int:
    return entry[0]


_FIRST_NAME = re.compile(r"(?<![\w.])[A-Z][a-z]+ (?:[A-Z]\. )?\Z")
_WORD_END = re.compile(r"(?:e|a|o|en|um|s|es|u|om|em|y|i)?(?![^\W\d_])")
_NO_ILLNESS = re.compile(
    r"(?i)(?:epidem|pandem|diagnos|prognos|hypnos|osmos|symbios|metamorphos|psychos|apotheos|sympath|empath|telepath|apath|nostalg|academ|bohem|diplom|aroma|tecton|photosynth|thrombos|mitos|meios|kurtos|biops|autops|synops|stereosc|microsc|telesc|endosc|kaleidosc|horosc)"
)
"""Words with the same endings that are no illness, or listed on their own."""
_LONGEST_WORD_CHARS = 24
_FEWEST_STEM_CHARS = 3


def _begins_word(text: str, start: int, end: int) -> bool:
    """Whether a word begins at `start`; short words must end at `end` too. Scripts without spaces have no such borders."""
    if text[start] >= _SPACED_SCRIPTS_END:
        return True
    if start and text[start - 1].isalpha() and text[start - 1] < _SPACED_SCRIPTS_END:
        return False
    return end - start > _SHORT_WORD_CHARS or not text[start].isascii() or not text[end : end + 1].isalpha()


def _around(text: str, start: int, end: int) -> str:
    return text[max(0, start - _NEAR_CHARS) : end + _NEAR_CHARS]


def _hinted(text: str, start: int, end: int, about: int, people: _People, hints: dict[int, tuple[int, int]]) -> Hit | None:
    """A hint: together with another one near the same name it counts."""
    before = hints.get(about)
    if before is not None and start < before[1]:
        return None  # the same word seen twice
    hints[about] = (start, end)
    if _concerns(text, start, end, about, people) and not _public(text, start, end):
        return Hit(_KINDS[about], 0.72, f"{_KINDS[about]}_document", start, end)
    if before is None or start - before[1] >= _HINT_CHARS or text[before[0] : before[1]].lower() == text[start:end].lower():
        return None
    close = any(left - end < _HINT_CHARS and before[0] - right < _HINT_CHARS for left, right in people.near(start, end))
    if not close or _public(text, start, end):
        return None
    return Hit(_KINDS[about], 0.74, f"{_KINDS[about]}_hints", start, end)


def _concerns(text: str, start: int, end: int, about: int, people: _People) -> bool:
    """Whether one hint is enough: a paper for or about somebody by name, or a request to write one with the name beside it."""
    low, high = passage(text, start, end, _NEAR_CHARS)
    asked = people.asked_for(low)
    ordered = about == HR and start - low <= 2  # `Dismiss Anna Fox`
    if not (asked or ordered or _FOR_WHOM.match(text, end)):
        return False  # names are dearer to look for
    if _CHEERFUL.search(text, low, high):
        return False
    near = [(left, right) for left, right in people.near(start, end) if left - end < _PAPER_CHARS and start - right < _PAPER_CHARS]
    if ordered and any(left <= end + _OPENING_CHARS and right > end + 2 for left, right in near):
        return True
    if text[end - 5 : end] in (" with", " for ", " from") and any(0 <= left - end <= 1 for left, _ in near):
        return True
    return bool(near and asked) or any(left > end and _FOR_WHOM.fullmatch(text, end, left) for left, _ in near)


_CHEERFUL = re.compile(
    r"(?i)\b(?:congrat|farewell|toast|speech|linkedin|eulogy|obituary|recommend|retirement|gluckw|felicit|auguri|parabens)"
)
_OWN_PAPER = re.compile(
    r"(?i)\W*(?:(?:please|can you|could you|help me) )*(?:write|draft|prepare|compose|rewrite|shorten|improve) (?:the|our|my|this|these|an internal)\b"
)
_LETTER = re.compile(
    r"(?i)[.!?:;] (?:please )?(?:write|draft|prepare|compose|word) (?:the|a|an|my|our|her|his|their) (?:\w+ ){0,2}(?:letter|memo|warning|notice|e-?mail|reply|answer|response|statement|report|referral|note)\b"
)
_PAPER_CHARS = 60
_OPENING_CHARS = 14
_FOR_WHOM = re.compile(
    r"(?i)[a-z]{0,8}(?: \w{1,16}){0,2} (?:for|of|to|about|against|fur|von|gegen|uber|an|pour|du|contre|sur|para|contra|sobre|del|per|contro|voor|tegen|dla|przeciw|pro|for|til|mot|для|против)(?: \w{1,16}){0,2} \W?"
)
_TASK = re.compile(
    r"(?i)\W*(?:(?:please|can you|could you|help me|i need to|i have to|bitte|merci de|por favor) )*(?:write|draft|compose|prepare|formulate|rewrite|rephrase|reword|word|phrase|tell |inform |sag |schreib|verfass|formulier|entwirf|erstell|redige|ecri|redact|escrib|scriv|escrev|redij|schrijf|napisz|przygotuj|napis|skriv|kirjoita|напиши|составь|подготовь|yaz|hazirla|写|起草)"
)


def _weigh(text: str, start: int, end: int, matter: int, people: _People) -> Hit:
    if not people.near(start, end) or _public(text, start, end):
        return Hit("matter.topic", 0.05, "matter.topic", start, end)
    kind = _KINDS[matter]
    return Hit(kind, 0.82 if matter == HEALTH else 0.76, f"{kind}_person", start, end)


def _public(text: str, start: int, end: int) -> bool:
    """Whether the passage is about somebody known or made up."""
    low, high = passage(text, start, end, _NEAR_CHARS)
    return bool(_PUBLIC.search(text[low:high])) or (start - low <= _ASKED_CHARS and bool(_ASKS_PUBLIC.search(text[low:start] + " ")))


def _corporate(text: str, start: int, end: int, *, secrecy: bool, beside: bool, hint: bool) -> Hit | None:
    """Business together with secrecy and a sign that it is one's own: a sum, a plan, a we, or secrecy right `beside` it.

    A hint needs more than a plan.
    """
    if hint and not secrecy:
        return None
    around = _around(text, start, end)
    money = bool(_MONEY.search(around))
    if not (secrecy or money):
        return None
    ours = bool(_OURS.search(around))
    plan = bool(_PLAN.search(around))
    sure = secrecy and (
        money or ours or beside or (plan and not hint) or bool(_OWN_PAPER.match(text, passage(text, start, end, _NEAR_CHARS)[0]))
    )
    planned = money and ours and plan and not text[start:end].lower().endswith("buy")
    if not (sure or planned) or _public(text, start, end):
        return None
    if sure:
        return Hit("matter.corporate", 0.82 if money or ours else 0.75, "matter.corporate_secret", start, end)
    return Hit("matter.corporate", 0.74, "matter.corporate_plan", start, end)
