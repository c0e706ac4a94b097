"""Whether documents agree: their terms, numbers, dates, versions and claims, compared pairwise by what they are said of."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from llm_gateway.analysis.facts import Day, Quantity, Version, dates, quantities, versions
from llm_gateway.analysis.text import content_words, language_of, sentences_of, words_of
from llm_gateway.analysis.words import NEGATIONS, OPPOSITES

Kind = Literal["number", "date", "version", "claim", "term", "acronym"]
MOST_SENTENCES: Final = 4_000
"""Of all documents together; what lies behind is not compared, and the report says so."""
MOST_ISSUES: Final = 200
_ALIKE: Final = 0.6
_COMMON: Final = 60
"""A word that stands in more sentences than this leads to no comparison: it is said of everything."""


class Place(NamedTuple):
    """Where something is said: a document's name and the sentence."""

    document: str
    sentence: str
    value: str


class Issue(NamedTuple):
    """Two places that do not agree. `stale` is the document that looks older ("" when nothing tells); `confidence` in [0, 1]."""

    kind: Kind
    subject: str
    first: Place
    second: Place
    stale: str
    confidence: float
    explanation: str


class Consistency(NamedTuple):
    """What does not agree, surest first. `score` in [0, 1]: 1 is no disagreement. `complete`: everything was compared."""

    score: float
    issues: tuple[Issue, ...]
    sentences: int
    complete: bool


class _Said(NamedTuple):
    document: int
    sentence: str
    stems: frozenset[str]
    words: frozenset[str]
    negations: int
    quantities: list[Quantity]
    days: list[Day]
    versions: list[Version]


def compare(documents: Sequence[tuple[str, str]]) -> Consistency:
    """Compare (name, text) pairs with each other; a document is not compared with itself."""
    said: list[_Said] = []
    complete = True
    share = max(1, MOST_SENTENCES // max(1, len(documents)))
    for number, (_, text) in enumerate(documents):
        language = language_of(text)
        negations = NEGATIONS.get(language, NEGATIONS["en"])
        sentences = sentences_of(text)
        complete &= len(sentences) <= share
        for sentence in sentences[:share]:
            words = [word.lower().replace("’", "'") for word in words_of(sentence)]
            stems = frozenset(stem for stem in content_words(sentence, language) if not stem[0].isdigit() and stem not in negations)
            denials = sum(word in negations for word in words)
            facts = (quantities(sentence), dates(sentence), versions(sentence))
            said.append(_Said(number, sentence, stems, frozenset(words), denials, *facts))
    names = [name for name, _ in documents]
    ages = [_newest(text) for _, text in documents]
    found: list[Issue] = []
    for one, other in _pairs(said):
        found += _differences(one, other, names, ages)
    found += _terms(documents)
    found += _acronyms(documents)
    unique = {(issue.kind, issue.subject, issue.first.value, issue.second.value): issue for issue in reversed(found)}
    issues = sorted(unique.values(), key=lambda issue: (-issue.confidence, issue.kind, issue.subject))[:MOST_ISSUES]
    weight = sum(issue.confidence * (0.4 if issue.kind in {"term", "acronym"} else 1.0) for issue in issues)
    return Consistency(round(1 / (1 + weight / max(1, len(documents))), 4), tuple(issues), len(said), complete)


def _newest(text: str) -> str:
    return max((found.day.isoformat() for found in dates(text)), default="")


def _pairs(said: Sequence[_Said]) -> Iterator[tuple[_Said, _Said]]:
    """Sentences of different documents that speak of the same, found by the words they share."""
    by_stem: dict[str, list[int]] = defaultdict(list)
    for number, each in enumerate(said):
        for stem in each.stems:
            by_stem[stem].append(number)
    for number, each in enumerate(said):
        shared: Counter[int] = Counter()
        for stem in each.stems:
            if len(by_stem[stem]) <= _COMMON:
                shared.update(other for other in by_stem[stem] if other > number and said[other].document != each.document)
        for other, _ in shared.most_common(30):
            if said[other].sentence == each.sentence:
                continue
            if len(each.stems & said[other].stems) > 1 and _likeness(each.stems, said[other].stems) >= _ALIKE:
                yield each, said[other]


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Dice's coefficient: what is shared, of what both have."""
    return 2 * len(one & other) / max(1, len(one) + len(other))


def _differences(one: _Said, other: _Said, names: Sequence[str], ages: Sequence[str]) -> Iterator[Issue]:
    likeness = _likeness(one.stems, other.stems)
    subject = " ".join(word for word in words_of(one.sentence) if _stemmed(word, one.stems & other.stems))[:120]

    def issue(kind: Kind, values: tuple[str, str], stale: str, confidence: float, explanation: str) -> Issue:
        first = Place(names[one.document], one.sentence, values[0])
        return Issue(
            kind, subject, first, Place(names[other.document], other.sentence, values[1]), stale, round(confidence, 3), explanation
        )

    older = ""
    if ages[one.document] != ages[other.document] and ages[one.document] and ages[other.document]:
        older = names[one.document] if ages[one.document] < ages[other.document] else names[other.document]
    clashes = 0
    for left, right in _number_clashes(one.quantities, other.quantities):
        clashes += 1
        yield issue(
            "number", (left.text, right.text), older, 0.5 + likeness / 2, f"{left.text} here, {right.text} there, of the same thing"
        )
    for day, that_day in _day_clashes(one.days, other.days):
        clashes += 1
        stale = names[one.document] if day.day < that_day.day else names[other.document]
        yield issue(
            "date", (day.text, that_day.text), stale, 0.5 + likeness / 2, "different dates for the same thing; the earlier looks stale"
        )
    for version, that_version in _version_clashes(one.versions, other.versions):
        clashes += 1
        stale = names[one.document] if version.parts < that_version.parts else names[other.document]
        what = f"{version.name or 'version'} {version.text} here, {that_version.text} there; the lower looks stale"
        yield issue("version", (version.text, that_version.text), stale, 0.55 + 0.4 * likeness, what)
    opposite = next((pair for pair in OPPOSITES if _opposed(pair, one.words, other.words)), None)
    differs = (one.negations + other.negations + (opposite is not None)) % 2 == 1
    if differs and not clashes and likeness >= (0.6 if opposite else 0.7):
        why = f"one says {opposite[0]}, the other {opposite[1]}" if opposite else "one says it, the other denies it"
        yield issue("claim", (one.sentence, other.sentence), older, 0.35 + 0.6 * likeness - (0.1 if opposite else 0.0), why)


def _stemmed(word: str, stems: frozenset[str]) -> bool:
    return any(word.lower().startswith(stem) for stem in stems)


def _opposed(pair: tuple[str, str], one: frozenset[str], other: frozenset[str]) -> bool:
    left, right = pair
    return (left in one and right in other and left not in other) or (right in one and left in other and right not in other)


def _number_clashes(one: list[Quantity], other: list[Quantity]) -> Iterator[tuple[Quantity, Quantity]]:
    for measures in dict.fromkeys(each.measures for each in one):
        mine = [each for each in one if each.measures == measures]
        theirs = [each for each in other if each.measures == measures]
        if len(mine) != len(theirs):
            continue
        for left, right in zip(mine, theirs, strict=True):
            if abs(left.value - right.value) > 1e-9 * max(abs(left.value), abs(right.value)):
                yield left, right


def _day_clashes(one: list[Day], other: list[Day]) -> Iterator[tuple[Day, Day]]:
    if len(one) == len(other):
        yield from ((left, right) for left, right in zip(one, other, strict=True) if left.day != right.day)


def _version_clashes(one: list[Version], other: list[Version]) -> Iterator[tuple[Version, Version]]:
    for left in one:
        for right in other:
            shorter = min(len(left.parts), len(right.parts))
            if left.name.casefold() == right.name.casefold() and left.parts[:shorter] != right.parts[:shorter]:
                yield left, right


_COMPOUND = re.compile(r"\b[A-Za-z]{2,}(?:[- ][A-Za-z]{2,})?\b|\b[A-Za-z]-[A-Za-z]{2,}\b")
_BRITISH: Final = (
    ("isation", "ization"),
    ("ise", "ize"),
    ("our", "or"),
    ("tre", "ter"),
    ("ogue", "og"),
    ("yse", "yze"),
    ("ence", "ense"),
    ("elling", "eling"),
)


def _terms(documents: Sequence[tuple[str, str]]) -> Iterator[Issue]:
    """One term, written in different ways: e-mail and email, log in and login as nouns, colour and color."""
    spellings: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, (_, text) in enumerate(documents):
        words = {word for word in re.findall(r"[A-Za-z]+(?:-[A-Za-z]+)*", text) if len(word) > 3}
        for word in {word.lower() for word in words}:
            spellings[word.replace("-", "")][word].append(number)
            for british, american in _BRITISH:
                if word.endswith((british, british + "s")):
                    spellings[re.sub(f"{british}(s?)$", rf"{american}\1", word).replace("-", "")][word].append(number)
    for forms in spellings.values():
        if len(forms) < 2:
            continue
        (left, mine), (right, theirs) = sorted(forms.items(), key=lambda form: (-len(form[1]), form[0]))[:2]
        first, second = documents[mine[0]], documents[theirs[-1]]
        if set(mine) == set(theirs) and len(set(mine)) == 1 and len(documents) > 1:
            continue
        explanation = f"written {left} and {right}"
        yield Issue("term", left, Place(first[0], "", left), Place(second[0], "", right), "", 0.6, explanation)


_DEFINED = re.compile(r"\b((?:[A-Z][\w-]+[ -](?:(?:of|and|for|the|in)[ ])?){1,6}[A-Z][\w-]+) \(([A-Z][A-Z0-9]{1,7})s?\)")
_DEFINED_AFTER = re.compile(r"\b([A-Z][A-Z0-9]{1,7}) \(((?:[A-Z][\w-]+[ -](?:(?:of|and|for|the|in)[ ])?){1,6}[A-Z][\w-]+)\)")


def acronyms(text: str) -> dict[str, str]:
    """Acronyms that a text spells out: `Service Level Agreement (SLA)` or `SLA (Service Level Agreement)`."""
    found: dict[str, str] = {}
    pairs = [(match[2], match[1]) for match in _DEFINED.finditer(text)] + [(match[1], match[2]) for match in _DEFINED_AFTER.finditer(text)]
    for short, long in pairs:
        words = [word for word in re.split(r"[ -]", long) if word[0].isupper()][-len(short) :]
        if "".join(word[0] for word in words).upper() == short:
            start = long.find(words[0])
            found.setdefault(short, long[start:])
    return found


def _acronyms(documents: Sequence[tuple[str, str]]) -> Iterator[Issue]:
    known: dict[str, tuple[str, str]] = {}
    for name, text in documents:
        for short, long in acronyms(text).items():
            before = known.setdefault(short, (name, long))
            if before[1].casefold() != long.casefold():
                explanation = f"{short} stands for two things"
                yield Issue("acronym", short, Place(before[0], "", before[1]), Place(name, "", long), "", 0.9, explanation)
