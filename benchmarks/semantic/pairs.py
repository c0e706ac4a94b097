"""Labelled pairs of questions: those that ask something else, however alike they look, and those that ask the same.

Rows were written by hand; templates cross them with many subjects. `blind` rows were written before the guard was, and are not tuned to:
what is measured on them is what to expect.
"""

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

ROWS = Path(__file__).with_name("rows")


class Pair(NamedTuple):
    """Two questions, and what kind of pair they are."""

    kind: str
    one: str
    other: str


def different() -> list[Pair]:
    """Pairs that ask something else: each hit among them would be wrong."""
    return [*_rows("different.txt"), *_different_by_template()]


def same() -> dict[str, list[Pair]]:
    """Pairs that ask the same, by where they come from."""
    return {"blind": list(_rows("same_blind.txt")), "development": list(_rows("same_dev.txt")), "templates": list(_same_by_template())}


def _rows(name: str) -> Iterator[Pair]:
    kind = name.partition(".")[0]
    for line in (ROWS / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            kind = line.removeprefix("# ")
        elif line:
            one, _, other = line.partition(" | ")
            yield Pair(kind, one, other)


_OPPOSITES = (
    ("safe", "unsafe"), ("legal", "illegal"), ("possible", "impossible"), ("normal", "abnormal"), ("reversible", "irreversible"),
    ("contagious", "not contagious"), ("toxic", "non-toxic"), ("common", "rare"), ("hereditary", "not hereditary"), ("cheap", "expensive"),
)  # fmt: skip
_ACTS = (
    ("enable", "disable"), ("install", "uninstall"), ("open", "close"), ("encrypt", "decrypt"), ("increase", "decrease"), ("start", "stop"),
    ("mount", "unmount"), ("lock", "unlock"), ("connect", "disconnect"), ("subscribe to", "unsubscribe from"), ("upload", "download"),
)  # fmt: skip
_THINGS = ("the service", "my account", "the database", "this drug")
_PLACES = ("Austria", "Australia", "Slovenia", "Slovakia")
_FACTS = ("the capital of {}", "the population of {}", "the currency of {}", "the history of {}")
_CHANGES = (
    ("{} {} mg", (("5", "50"), ("10", "100"))),
    ("{} {} hours", (("2", "12"), ("4", "24"))),
)


def _different_by_template() -> Iterator[Pair]:
    for thing in _THINGS:
        for yes, no in _OPPOSITES:
            yield Pair("antonym", f"Is {thing} {yes}?", f"Is {thing} {no}?")
        for act, undo in _ACTS:
            yield Pair("antonym", f"How do I {act} {thing}?", f"What is the way to {undo} {thing}?")
            yield Pair("negation", f"Why should I {act} {thing}?", f"Why should I not {act} {thing}?")
    for fact in _FACTS:
        for one, other in permutations(_PLACES, 2):
            yield Pair("name", f"What is {fact.format(one)}?", f"Tell me {fact.format(other)}.")
    for one, other in permutations(("CSV", "JSON", "XML", "YAML"), 2):
        yield Pair("direction", f"How do I convert {one} to {other}?", f"How can I convert {other} to {one}?")
        yield Pair("identifier", f"How do I read a {one} file?", f"How do I read a {other} file?")
    for shape, numbers in _CHANGES:
        for few, many in numbers:
            for question in ("Is it safe to take", "What happens after", "Who needs"):
                yield Pair("number", f"{shape.format(question, few)}?", f"{shape.format(question, many)}?")
    for language in ("French", "German", "Polish", "Latin"):
        yield Pair("quoted", f'Translate "I do" to {language}.', f'Translate "I don\'t" to {language}.')
        yield Pair("language", 'Translate "I do" to Greek.', f'Translate "I do" to {language}.')


_SKILLS = (
    "sort a list in Python", "bake a cake", "open a bank account", "remove a stain from a carpet", "learn to swim", "write a cover letter",
    "delete a table in SQL", "change a flat tire", "improve my handwriting", "get a driving licence",
)  # fmt: skip
_SUBJECTS = (
    "photosynthesis",
    "the water cycle",
    "compound interest",
    "a black hole",
    "machine learning",
    "the French Revolution",
    "a monad",
)
_OF = (
    ("capital", "Peru"),
    ("population", "Kenya"),
    ("currency", "Denmark"),
    ("founder", "Ikea"),
    ("author", "Dracula"),
    ("age", "Stonehenge"),
)
_BETWEEN = (("a virus", "a bacterium"), ("TCP", "UDP"), ("a lake", "a pond"), ("jam", "jelly"), ("a crocodile", "an alligator"))
_WHY = ("the sky is blue", "the sea is salty", "cats purr", "leaves change color")


def _same_by_template() -> Iterator[Pair]:
    for skill in _SKILLS:
        for other in (
            "How can I {}?",
            "What is the way to {}?",
            "Please show me how to {}.",
            "What do I need to do to {}?",
            "How does one {}?",
        ):
            yield Pair("how", f"How do I {skill}?", other.format(skill))
    for subject in _SUBJECTS:
        for other in (
            "Explain {}.",
            "Could you please explain {}?",
            "Tell me about {}.",
            "What exactly is {}?",
            "I would like to know what {} is.",
        ):
            yield Pair("what", f"What is {subject}?", other.format(subject))
    for fact, whose in _OF:
        for other in (f"What is {whose}'s {fact}?", f"Can you tell me what the {fact} of {whose} is?", f"Tell me the {fact} of {whose}"):
            yield Pair("of", f"What is the {fact} of {whose}?", other)
    for one, two in _BETWEEN:
        for other in (
            f"How does {one} differ from {two}?",
            f"What are the differences between {two} and {one}?",
            f"How do {one} and {two} differ?",
        ):
            yield Pair("between", f"What is the difference between {one} and {two}?", other)
    for reason in _WHY:
        yield Pair("why", f"Explain why {reason}.", f"What is the reason that {reason}?")
        yield Pair("why", f"Explain why {reason}.", f"Can you tell me why {reason}?")
