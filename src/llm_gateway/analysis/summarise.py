"""Extractive summaries: the sentences that stand for the others, without saying anything twice.

Ranking: LexRank (Erkan and Radev 2004), PageRank over the cosine similarity of sentences by TF-IDF. Choice: maximal marginal
relevance (Carbonell and Goldstein 1998). Nothing is added that the text does not say.
"""

import math
from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from llm_gateway.analysis.text import content_words, language_of, outline, sentences_of, words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

Style = Literal["concise", "executive", "technical", "detailed"]
Format = Literal["text", "bullets", "markdown", "headline"]

WORDS_BY_STYLE: Final[dict[Style, int]] = {"concise": 60, "executive": 100, "technical": 150, "detailed": 250}
MOST_SENTENCES: Final = 1_200
"""Sentences that are compared with each other; of longer texts, those with the most telling words."""
_DAMPING: Final = 0.85
_RELEVANCE: Final = 0.72
"""Weight of relevance against novelty."""
_TOO_ALIKE: Final = 0.8


class Summary(NamedTuple):
    """A summary. `sentences` are the chosen ones in the text's order, `of_sentences` how many there were."""

    text: str
    sentences: tuple[str, ...]
    of_sentences: int
    language: str
    words: int
    source_words: int


def summarise(text: str, *, max_words: int | None = None, style: Style = "concise", form: Format = "text", language: str = "") -> Summary:
    """Summarise a text in at most `max_words` words; the first sentence is cut when it alone is longer."""
    language = language or language_of(text)
    sentences = [sentence for sentence in sentences_of(text) if any(map(str.isalnum, sentence))]
    limit = max_words or WORDS_BY_STYLE[style]
    if form == "headline":
        limit = min(limit, 16)
    chosen = _chosen(sentences, language, limit, style, one=form == "headline") if sentences else []
    picked = [_cut(sentences[at], limit) for at in chosen]
    heading = next((heading.text for heading in outline(text).headings), "")
    body = _laid_out(picked, form, heading)
    return Summary(body, tuple(picked), len(sentences), language, sum(len(words_of(each)) for each in picked), len(words_of(text)))


def _cut(sentence: str, limit: int) -> str:
    words = sentence.split()
    return sentence if len(words) <= limit else " ".join(words[:limit]).rstrip(",;:") + " …"


def _laid_out(sentences: list[str], form: Format, heading: str) -> str:
    if form == "bullets":
        return "\n".join(f"- {sentence}" for sentence in sentences)
    if form == "markdown":
        points = "\n".join(f"- {sentence}" for sentence in sentences)
        return f"## {heading}\n\n{points}" if heading else points
    return " ".join(sentences)


def _chosen(sentences: list[str], language: str, limit: int, style: Style, *, one: bool) -> list[int]:
    bags = [Counter(content_words(sentence, language)) for sentence in sentences]
    kept = _most_telling(bags)
    vectors = tf_idf([bags[at] for at in kept])
    likeness = vectors @ vectors.T
    rank = lexrank(likeness)
    weights = [float(rank[row]) * _leaning(at, sentences[at], len(sentences), style) for row, at in enumerate(kept)]
    lengths = [max(1, len(sentences[at].split())) for at in kept]
    best = max(weights) or 1.0
    picked: list[int] = []
    room = limit
    left = set(range(len(kept)))
    while left:
        scores = {
            row: _RELEVANCE * weights[row] / best - (1 - _RELEVANCE) * max((float(likeness[row, other]) for other in picked), default=0.0)
            for row in left
        }
        row = max(left, key=lambda each: (scores[each], -each))
        left.discard(row)
        alike = max((float(likeness[row, other]) for other in picked), default=0.0)
        if alike > _TOO_ALIKE or (picked and lengths[row] > room):
            continue
        picked.append(row)
        room -= lengths[row]
        if one or room <= 0 or len(picked) >= 60:
            break
    return sorted(kept[row] for row in picked)


def _most_telling(bags: list[Counter[str]]) -> list[int]:
    if len(bags) <= MOST_SENTENCES:
        return list(range(len(bags)))
    totals: Counter[str] = Counter()
    for bag in bags:
        totals.update(bag.keys())
    telling = [sum(math.log1p(totals[word]) for word in bag) / math.sqrt(1 + len(bag)) for bag in bags]
    return sorted(sorted(range(len(bags)), key=lambda at: -telling[at])[:MOST_SENTENCES])


def _leaning(at: int, sentence: str, total: int, style: Style) -> float:
    """What a style prefers: the beginning, or figures and names of code."""
    position = 1 - at / max(1, total)
    weight = 1 + (0.6 if style == "executive" else 0.25) * position
    if style == "technical":
        marks = sum(character.isdigit() or character in "_()/=<>" for character in sentence)
        weight *= 1 + min(0.5, 3 * marks / max(1, len(sentence)))
    length = len(sentence.split())
    return weight * (0.5 if length < 5 else 1.0)


def tf_idf(bags: list[Counter[str]]) -> "Matrix":
    """A row of unit length for each bag of words; a bag without words is a row of zeros."""
    import numpy as np  # noqa: PLC0415 - loaded when it is used

    documents: Counter[str] = Counter()
    for bag in bags:
        documents.update(bag.keys())
    # A word in one sentence alone makes none alike: leaving it out keeps the matrix small; lengths still count it.
    columns = {word: column for column, word in enumerate(sorted(word for word, count in documents.items() if count > 1))}
    matrix = np.zeros((len(bags), max(1, len(columns))))
    for row, bag in enumerate(bags):
        length = 0.0
        for word, count in bag.items():
            weight = (1 + math.log(count)) * math.log(1 + len(bags) / documents[word])
            length += weight * weight
            if word in columns:
                matrix[row, columns[word]] = weight
        if length:
            matrix[row] /= math.sqrt(length)
    return matrix


def lexrank(likeness: "Matrix") -> "Matrix":
    """The stationary weights of sentences, summing to 1, by power iteration."""
    import numpy as np  # noqa: PLC0415

    count = len(likeness)
    links = np.where(likeness > 0.05, likeness, 0.0)
    np.fill_diagonal(links, 0.0)
    sums = links.sum(axis=1, keepdims=True)
    steps = np.divide(links, sums, out=np.full_like(links, 1 / count), where=sums > 0)
    rank: Matrix = np.full(count, 1 / count)
    for _ in range(60):
        after: Matrix = (1 - _DAMPING) / count + _DAMPING * (rank @ steps)
        if float(np.abs(after - rank).sum()) < 1e-8:
            return after
        rank = after
    return rank
