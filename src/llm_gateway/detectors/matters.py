# ruff: noqa: E501  # patterns and word lists read best unbroken
"""A person, or a company, together with a matter that is nobody else's business: health, work, law, deals.

A matter word alone is a topic. It counts with somebody identified (a full name, a title and a name, a record number)
and without signs that the person is public or made up.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator

from llm_gateway.detectors import matter_evidence, matter_model
from llm_gateway.detectors.linear import compile_pattern
from llm_gateway.detectors.people import names, nobody_private
from llm_gateway.detectors.rules import Hit, passage

_PUBLIC = compile_pattern(
    r"(?i)\b(?:in 1[89][0-9]{2}|president of (?:the )?(?:(?-i:[A-Z])\w*|united states|republic|country|nation)|died (?:of|from|in)|famous|celebrity|novel|fiction(?:al)?|character|biograph|movie|film|screenplay|story|poem|scene|song|lyrics|history|historical|wikipedia|footballer|actor|actress|singer|author|painter|philosopher|century|hypothetical|role-?play|imaginary|template|example of|in the style of|quiz|trivia|textbook|exam question|case study|dialogue between)\b"
)
_ASKS_PUBLIC = re.compile(
    r"(?i)^\W*(?:who (?:is|was|were)|did\b|when did|when was|was\b|what (?:disease|did|was|were|are the|is the|happened)|how did|why did|which|where did|what should an?|in [A-Z]\w+ [A-Z]\w+, (?:when|why|how|who|what|which)|name the|welche[rsn]?|was (?:ist|sind|hilft|bedeutet)|wie (?:wird|kann|hoch|erkenn|behandel)|quel(?:le)?s?|qu'est|comment|que es|cuales?|como se|quais|qual|quali|cos'e|wat is|hoe)\b"
)
_MONEY = compile_pattern(
    r"(?i)[$€£¥₹₽₩]\s?\d[\d.,]*\s?(?:k|m|mm|bn|b|million|billion|thousand)?|\d[\d.,]*\s?(?:k|m|mm|bn|million|billion|mio\.?|mrd\.?|millions?|millones|milioni|milhoes|miljoen|miljard|mln|mld|miljoner|millioner|milyon|milyar|млн|млрд|億|亿|万|万円|억|만|मिलियन|करोड़|लाख|مليون|مليار|usd|eur|gbp|chf|pln|rub|jpy|cny|%)(?:[^a-z]|$)|\d ?%"
)
_OURS = compile_pattern(
    r"(?i)\b(?:board (?:memo|paper|deck|only|approved|decided)|unannounced|insiders? only|we|we're|we'll|our|us|my company|my employer|wir|unser(?:e[mnrs]?)?|nous|notre|nos|nuestr[oa]s?|estamos|vamos a|hemos|queremos|compraremos|despediremos|chiudiamo|vendiamo|licenziamo|compriamo|cediamo|depositeremo|vendemos|cerramos|fechamos|despedimos|fermons|vendons|licencions|rachetons|deposons|noi|nostr[oaie]|stiamo|abbiamo|vogliamo|acquisiremo|compreremo|chiuderemo|nosso|nossa|nossos|nossas|temos|iremos|queremos|onze|ons|wij|nasz\w{0,3}|nasza|planujemy|zamierzamy|przejmiemy|kupujemy|zwolnimy|vi|vara|vores|vart|nasi|plánujeme|bizim|sirketimiz\w*|alacagız|planlıyoruz|biz|chung ta|kami|kita)\b|(?:^|[^\p{L}])(?:мы|наш(?:а|е|и|у|ем|еи|их|им)?|нас|планируем|собираемся|покупаем|закрываем|увольняем)(?:[^\p{L}]|$)|我们|我們|我司|本公司|公司(?:计划|将|打算|准备)|当社|弊社|我が社|わが社|うちの会社|우리|당사|저희|نحن|شركتنا|سنقوم|हम |हमारी|हमारे|हमारा"
)
_PLAN = compile_pattern(
    r"(?i)\b(?:plan|intend|going to|will|about to|aim|propos|negotiat|offer|bid|decided|approved|planen|wollen|werden|wird|prevoyons|allons|planeamos|planejamos|vamos|stiamo per|gaan|zullen|plannen|zamierza|planuje|planerar|skal|planiram|plánuje|planl)\w*|планиру|собира|намерен|ведем переговор|계획|예정|计划|打算|准备|将要|即将|予定|計画|検討|نخطط|ننوي|سوف|योजना"
)
_SHORT_WORD_CHARS = 4
_SAME_PASSAGE_CHARS = 60
"""A matter word this close after one of its class, in the same paragraph, is part of what was just weighed."""

(
    HEALTH, HEALTH_HINT, HR, LEGAL, CORPORATE, SECRECY, HR_HINT, LEGAL_HINT, CORPORATE_HINT, HEALTH_CUE, HR_CUE, LEGAL_CUE, CORPORATE_CUE, PERSON,
) = range(14)  # fmt: skip
_HINTED = {HEALTH_HINT: HEALTH, HR_HINT: HR, LEGAL_HINT: LEGAL, CORPORATE_HINT: CORPORATE}
_CUED = {HEALTH_CUE: HEALTH, HR_CUE: HR, LEGAL_CUE: LEGAL, CORPORATE_CUE: CORPORATE}
_ABOUT = _HINTED | _CUED
"""Which matter the weaker words belong to. Hints count in twos; cues only add to other evidence."""
_PEOPLE = frozenset({HEALTH, HR, LEGAL})
_SETTLED = frozenset({HEALTH, HR, LEGAL, CORPORATE, CORPORATE_HINT})
"""Classes looked at once in a passage."""
_KINDS = {HEALTH: "matter.health", HR: "matter.hr", LEGAL: "matter.legal"}
_SURE = 0.7
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
    told: dict[bool, int] = {}
    hints: dict[int, tuple[int, int]] = {}
    people = _People(text)
    secrets = [(start, end) for start, end, matter in entries if matter == SECRECY]
    secret = [start for start, _ in secrets]
    for index, (start, end, matter) in enumerate(entries):
        about = _ABOUT.get(matter, matter)
        business = about == CORPORATE
        if matter == SECRECY or about in seen or start < quiet.get(matter, 0) or not _begins_word(text, start, end):
            continue
        if matter in _CUED or matter == PERSON:
            hit = None
        elif matter in _HINTED and not business:
            hit = _hinted(text, start, end, about, people, hints)
        elif business:
            near = bisect_left(secret, start - _NEAR_CHARS)
            secrecy = near < len(secret) and secret[near] < end + _NEAR_CHARS
            before = bisect_left(secret, start) - 1
            beside = before >= 0 and 0 <= start - secrets[before][1] <= _BESIDE_CHARS and "?" not in text[start : end + _NEAR_CHARS]
            hit = _corporate(text, start, end, secrecy=secrecy, beside=beside, hint=matter == CORPORATE_HINT)
        else:
            hit = _weigh(text, start, end, matter, people)
        if (hit is None or hit.confidence < _SURE) and start >= told.get(business, 0) and not (matter == PERSON and seen & _PEOPLE):
            kind = _told(text, entries, index, business=business)
            if kind:
                hit = Hit(kind, 0.73, f"{kind}_told", start, end)
            told[business] = passage(text, start, end, _NEXT_WINDOW_CHARS)[1]
        if hit:
            if hit.confidence >= _SURE:
                seen.add(about)
            yield hit
        if matter in _SETTLED:
            quiet[matter] = passage(text, start, end, _SAME_PASSAGE_CHARS)[1]


_WEIGHTS = dict.fromkeys(_HINTED, matter_model.HINT) | dict.fromkeys(_CUED, matter_model.CUE)
_MOST_WORDS = 40
_TOGETHER_CHARS = 400
_NEXT_WINDOW_CHARS = 320
"""How far after a look at the evidence the next one is worth while."""
_SPEAKS_FOR_US = re.compile(r"(?i)\b(?:we|our|us|my|wir|unser\w*|nous|notre|nos|nuestr\w+|nostr\w+|noss\w+|onze|ons|wij)\b|мы|наш")
_SENTENCE_END = re.compile(r"[.!?:;\n]\s")


def _told(text: str, entries: list[tuple[int, int, int]], index: int, *, business: bool) -> str | None:
    """The kind that the evidence from the matter word at `index` on adds up to."""
    start, end, _ = entries[index]
    found: list[tuple[int, str, int, int]] = []
    for left, right, matter in entries[index : index + _MOST_WORDS]:
        if left > end + _TOGETHER_CHARS:
            break
        about = _ABOUT.get(matter, matter)
        if (about == CORPORATE) is not business or matter in (SECRECY, PERSON) or not _begins_word(text, left, right):
            continue
        word = text[left:right].lower().strip()
        weight = _WEIGHTS.get(matter, matter_model.STRONG) + (matter in _CUED and " " in word)
        if found and left < found[-1][0]:  # of words at one place the weightiest counts
            if weight > found[-1][2]:
                found[-1] = (right, word, weight, about)
        else:
            found.append((right, word, weight, about))
    words = {word: weight for _, word, weight, _ in found}
    kinds: dict[int, int] = {}
    for _, _, weight, about in found:
        kinds[about] = kinds.get(about, 0) + weight
    window = text[max(0, start - matter_model.BEFORE_CHARS) : end + matter_model.AFTER_CHARS]
    if business:
        near = (e for e in entries[max(0, index - _MOST_WORDS) : index + _MOST_WORDS] if e[2] == SECRECY)
        secret = any(start - matter_model.BEFORE_CHARS < left < end + matter_model.AFTER_CHARS for left, _, _ in near)
        enough = matter_model.private_business(
            words,
            window,
            _OURS,
            lambda: _harmless(text, start, end, CORPORATE, secret=secret, plain=max(words.values(), default=0) >= matter_model.STRONG),
            secret=secret,
        )
        return "matter.corporate" if enough else None
    about = max(kinds, key=kinds.__getitem__, default=HR)
    return (
        _KINDS[about]
        if matter_model.telling(
            words,
            window,
            lambda named: _harmless(text, start, end, about, named=named, plain=max(words.values(), default=0) >= matter_model.STRONG),
        )
        else None
    )


def _harmless(text: str, start: int, end: int, about: int, *, secret: bool = False, named: bool = False, plain: bool) -> bool:
    """Whether the passage is made up, a sum for pupils, a greeting, or asks about the topic in general."""
    low, high = passage(text, start, end, _NEAR_CHARS)
    around = text[low:high]
    made_up = matter_model.seen(matter_evidence.FICTION, around) or matter_model.seen(matter_evidence.MADE_UP, around)
    if (made_up and not _recorded(around)) or matter_model.seen(matter_evidence.SUMS, around):
        return True
    if (matter_model.seen(matter_evidence.PRESS, around) and not _OURS.search(around)) or _office_holder(around):
        return True
    if not plain and matter_model.seen(matter_evidence.PUBLISHED, around):
        return True
    if nobody_private(around):
        return True
    if about == CORPORATE and not secret and matter_model.seen(matter_evidence.FOR_ALL, around):
        return True
    if about == CORPORATE and not _OURS.search(around) and matter_model.seen(matter_evidence.PUBLIC_NEWS, around):
        return True
    if about in (HR, LEGAL) and matter_model.seen(matter_evidence.CHEERFUL, around):
        return True
    if named or (about == CORPORATE and _SPEAKS_FOR_US.search(around)):
        return False
    opens = not low or text.startswith("\n\n", low - 2)
    if not opens or _SENTENCE_END.search(text, low, start):
        return False
    return matter_model.seen(matter_evidence.GENERAL, around) or (about == HR and matter_model.seen(matter_evidence.OWN_STEP, around))


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
    return end - start > _SHORT_WORD_CHARS or not text[start].isascii() or text[end - 1] == " " or not text[end : end + 1].isalpha()


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
    if about == HR:
        low, high = passage(text, start, end, _NEAR_CHARS)
        if _CHEERFUL.search(text[low:high]):
            return None
    return Hit(_KINDS[about], 0.74, f"{_KINDS[about]}_hints", start, end)


def _concerns(text: str, start: int, end: int, about: int, people: _People) -> bool:
    """Whether one hint is enough: a paper for or about somebody by name, or a request to write one with the name beside it."""
    low, high = passage(text, start, end, _NEAR_CHARS)
    asked = people.asked_for(low)
    ordered = about == HR and start - low <= 2  # `Dismiss Anna Fox`
    if not (asked or ordered or _FOR_WHOM.match(text, end)):
        return False  # names are dearer to look for
    if _CHEERFUL.search(text[low:high]):
        return False
    near = [(left, right) for left, right in people.near(start, end) if left - end < _PAPER_CHARS and start - right < _PAPER_CHARS]
    if ordered and any(left <= end + _OPENING_CHARS and right > end + 2 for left, right in near):
        return True
    if text[end - 5 : end] in (" with", " for ", " from") and any(0 <= left - end <= 1 for left, _ in near):
        return True
    return bool(near and asked) or any(left > end and _FOR_WHOM.fullmatch(text, end, left) for left, _ in near)


_CHEERFUL = compile_pattern(
    r"(?i)\b(?:congrat|farewell|toast|speech|linkedin|eulogy|obituary|recommend|retire|celebrat|anniversar|birthday|wedding|gluckw|felicit|auguri|parabens)"
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
    around = text[low:high]
    return (
        (bool(_PUBLIC.search(around)) and not _recorded(around))
        or (start - low <= _ASKED_CHARS and bool(_ASKS_PUBLIC.search(text[low:start] + " ")))
        or _made_up(around)
        or matter_model.seen(matter_evidence.PRESS, around)
        or _office_holder(around)
    )


_FIRST_PERSON = re.compile(
    r"(?i)\b(?:my|our|me|us|we|i|mein\w*|unser\w*|wir|mir|mon|ma|mes|notre|nos|nous|mi|mis|nuestr\w+|mio|mia|nostr\w+|meu|minha|noss\w+|mijn|onze|ons|muj|moje|nas\w?|moj\w?|min|mitt|var|vart)\b"
)


def _office_holder(around: str) -> bool:
    """Whether a passage is the news about who holds a public office, not by name, nor told by those who know them."""
    told = matter_model.seen(matter_evidence.OFFICE_HOLDER, around)
    return told and not _FIRST_PERSON.search(around) and not matter_model.first_name(around)


def _made_up(around: str) -> bool:
    """Whether a passage is fiction, or asks for it."""
    return matter_model.seen(matter_evidence.MADE_UP, around) and not _recorded(around)


def _recorded(around: str) -> bool:
    """Whether a passage holds the number of a record, and is no sample of one: then it is no story, whatever it says."""
    return matter_model.seen(matter_evidence.IDENTITY, around) and not matter_model.seen(matter_evidence.SAMPLE, around)


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
