"""How good a summary is of its text: what it covers, how short it is, whether it repeats itself or says what the text does not."""

from collections import Counter
from typing import NamedTuple

from llm_gateway.analysis.facts import names, number_of, quantities
from llm_gateway.analysis.readability import readability
from llm_gateway.analysis.summarise import tf_idf
from llm_gateway.analysis.text import content_words, language_of, sentences_of, words_of


class SummaryQuality(NamedTuple):
    """Scores in [0, 1], higher is better, but `compression` (words of the summary per word of the text) and `redundancy`.

    `unsupported_numbers` and `unsupported_names` stand in the summary and not in the text.
    """

    overall: float
    coverage: float
    compression: float
    redundancy: float
    faithfulness: float
    readability: float
    unsupported_numbers: tuple[str, ...]
    unsupported_names: tuple[str, ...]
    advice: tuple[str, ...]


def assess(text: str, summary: str) -> SummaryQuality:
    """Compare a summary with its text."""
    language = language_of(text)
    source, bag = Counter(content_words(text, language)), Counter(content_words(summary, language))
    telling = dict(source.most_common(60))
    coverage = sum(count for word, count in telling.items() if word in bag) / max(1, sum(telling.values()))
    source_words, summary_words = len(words_of(text)), len(words_of(summary))
    compression = summary_words / max(1, source_words)
    redundancy = _redundancy(summary, language)
    numbers, strange = _unsupported(text, summary)
    facts = len(quantities(summary)) + len(names(summary))
    invented = sum(count for word, count in bag.items() if word not in source) / max(1, sum(bag.values()))
    faithfulness = max(0.0, 1 - (len(numbers) + len(strange)) / max(1, facts)) * (1 - invented / 2)
    ease = readability(summary, language).ease / 100
    short_enough = 1.0 if compression <= 0.5 else max(0.0, 2 - 2 * compression)
    overall = 0.3 * coverage + 0.35 * faithfulness + 0.15 * (1 - redundancy) + 0.1 * short_enough + 0.1 * ease
    return SummaryQuality(
        round(overall if bag else 0.0, 4),
        round(coverage, 4),
        round(compression, 4),
        round(redundancy, 4),
        round(faithfulness, 4),
        round(ease, 4),
        numbers,
        strange,
        _advice(coverage, compression, redundancy, numbers, strange, ease),
    )


def _redundancy(summary: str, language: str) -> float:
    """How alike the two most alike sentences are."""
    bags = [Counter(content_words(sentence, language)) for sentence in sentences_of(summary)[:300]]
    if len(bags) < 2:
        return 0.0
    vectors = tf_idf(bags)
    likeness = vectors @ vectors.T
    return min(1.0, max(float(likeness[row, other]) for row in range(len(bags)) for other in range(row)))


def _unsupported(text: str, summary: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    known = {(each.measures, round(each.value, 6)) for each in quantities(text)}
    values = {value for _, value in known}
    numbers = []
    for each in quantities(summary):
        bare = round(each.value, 6)
        if (each.measures, bare) not in known and not (not each.measures and bare in values) and not _written(each.text, text):
            numbers.append(each.text)
    folded = text.casefold()
    strange = sorted(name for name in names(summary) if not all(word.casefold() in folded for word in name.split()))
    return tuple(dict.fromkeys(numbers)), tuple(strange)


def _written(number: str, text: str) -> bool:
    digits = "".join(character for character in number if character.isdigit() or character in ".,").strip(".,")
    return bool(digits) and any(word.strip(".,%") == digits for word in text.split() if number_of_or_none(word) is not None)


def number_of_or_none(word: str) -> float | None:
    """The number that a word is, or None."""
    try:
        return number_of(word.strip("$€£%().,;:"))
    except ValueError:
        return None


def _advice(
    coverage: float, compression: float, redundancy: float, numbers: tuple[str, ...], strange: tuple[str, ...], ease: float
) -> tuple[str, ...]:
    said = []
    if coverage < 0.3:
        said.append("It leaves out most of what the text is about.")
    if compression > 0.5:
        said.append("It is more than half as long as the text.")
    if redundancy > 0.6:
        said.append("Two of its sentences say nearly the same.")
    if numbers:
        said.append("It has numbers that the text does not have.")
    if strange:
        said.append("It has names that the text does not have.")
    if ease < 0.3:
        said.append("It is hard to read: shorter sentences would help.")
    return tuple(said)
