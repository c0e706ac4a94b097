"""What a text is about: key phrases and the topics they form. Frequencies, positions and neighbourhoods; no model."""

import math
from collections import Counter
from typing import Final, NamedTuple

from llm_gateway.analysis.text import outline, sentences_of, stem, words_of
from llm_gateway.analysis.words import STOPWORDS

LONGEST_PHRASE_WORDS: Final = 3
_MOST_SENTENCES: Final = 5_000


class Keyword(NamedTuple):
    """A word or phrase as the text writes it most often; `score` in (0, 1], the first has 1."""

    text: str
    score: float
    occurrences: int


class Topic(NamedTuple):
    """Key phrases that occur together; named by the strongest."""

    name: str
    keywords: tuple[str, ...]
    share: float
    """Of the sentences that have any key phrase."""


class _Phrase(NamedTuple):
    surfaces: Counter[str]
    sentences: set[int]


def _phrases(sentences: list[str], stop: frozenset[str]) -> dict[tuple[str, ...], _Phrase]:
    """Runs of up to three content words, by their stems."""
    found: dict[tuple[str, ...], _Phrase] = {}
    for number, sentence in enumerate(sentences):
        run: list[str] = []
        for word in [*words_of(sentence), ""]:
            if word and word.lower() not in stop and not word.replace(".", "").isdigit() and len(word) > 1:
                run.append(word)
                continue
            for size in range(1, LONGEST_PHRASE_WORDS + 1):
                for at in range(len(run) - size + 1):
                    piece = run[at : at + size]
                    phrase = found.setdefault(tuple(stem(part.lower()) for part in piece), _Phrase(Counter(), set()))
                    phrase.surfaces[" ".join(piece)] += 1
                    phrase.sentences.add(number)
            run = []
    return found


def keywords(text: str, language: str, most: int = 10) -> list[Keyword]:
    """The `most` telling phrases of a text, best first."""
    return [keyword for keyword, _ in _ranked(text, language, most)]


def _ranked(text: str, language: str, most: int) -> list[tuple[Keyword, set[int]]]:
    sentences = sentences_of(text)[:_MOST_SENTENCES]
    headings = [heading.text for heading in outline(text).headings]
    stop = STOPWORDS.get(language, STOPWORDS["en"])
    headed = {stem(word.lower()) for heading in headings for word in words_of(heading)}
    phrases = _phrases(sentences + headings, stop)
    scored: list[tuple[float, tuple[str, ...], _Phrase]] = []
    for stems, phrase in phrases.items():
        count = sum(phrase.surfaces.values())
        if len(stems) > 1 and count < 2:
            continue
        early = 1 / (1 + min(phrase.sentences) / max(1, len(sentences)))
        weight = (1 + math.log(count)) * math.sqrt(len(stems)) * early * (1 + 0.3 * (len(phrase.sentences) > 1))
        weight *= 1 + 0.5 * (sum(part in headed for part in stems) / len(stems))
        weight *= 0.6 + min(len("".join(stems)), 12) / 30
        scored.append((weight, stems, phrase))
    scored.sort(key=lambda each: (-each[0], each[1]))
    best = scored[0][0] if scored else 1.0
    chosen: list[tuple[Keyword, set[int]]] = []
    taken: list[frozenset[str]] = []
    for weight, stems, phrase in scored:
        parts = frozenset(stems)
        if len(chosen) == most:
            break
        if any(parts <= other or (len(parts) > 1 and other <= parts and len(other) > 1) for other in taken):
            continue
        taken.append(parts)
        surface = max(phrase.surfaces, key=lambda each: (phrase.surfaces[each], each))
        chosen.append((Keyword(surface, round(weight / best, 4), sum(phrase.surfaces.values())), phrase.sentences))
    return chosen


def topics(text: str, language: str, most: int = 5) -> list[Topic]:
    """Key phrases grouped by the sentences they share, the widest group first."""
    ranked = _ranked(text, language, 24)
    everywhere = set().union(*(where for _, where in ranked)) if ranked else set()
    groups: list[tuple[list[str], set[int]]] = []
    for keyword, where in ranked:
        home = max(groups, key=lambda group: _overlap(group[1], where), default=None)
        if home is not None and _overlap(home[1], where) >= 0.34:
            home[0].append(keyword.text)
            home[1].update(where)
        else:
            groups.append(([keyword.text], set(where)))
    groups.sort(key=lambda group: (-len(group[1]), -len(group[0]), group[0][0]))
    return [Topic(names[0], tuple(names), round(len(where) / max(1, len(everywhere)), 4)) for names, where in groups[:most]]


def _overlap(one: set[int], other: set[int]) -> float:
    return len(one & other) / min(len(one), len(other)) if one and other else 0.0
