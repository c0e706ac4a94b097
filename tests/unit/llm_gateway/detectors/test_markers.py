"""The grammar of markers, and markers in many languages as used and as mentioned."""

import random
import re

import pytest

from llm_gateway.detectors import marker_words, markers
from llm_gateway.detectors.inspector import Inspector
from llm_gateway.detectors.linear import compile_pattern
from llm_gateway.detectors.normalise import fold

LANGUAGES = list(marker_words.STANDING_PHRASES)


def drawn_phrases(language: str, count: int) -> list[str]:
    """Phrases of one language's grammar, drawn by choosing at each choice."""
    rng = random.Random(language)
    phrases = marker_words._phrases(marker_words.STANDING_PHRASES[language])
    found = []
    for _ in range(count):
        parts = re.split(r"\(([^()]*)\)", rng.choice(phrases))
        chosen = [rng.choice(part.split("|")) if index % 2 else part for index, part in enumerate(parts)]
        found.append(" ".join("".join(chosen).split()))
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrase_is_matched_and_holds_an_anchor(language: str) -> None:
    pattern, anchors = marker_words.grammar(marker_words.STANDING_PHRASES[language], stems=True)
    compiled = compile_pattern("(?i)" + pattern)
    for phrase in drawn_phrases(language, 300):
        plain = fold(phrase).lower()
        assert compiled.search(plain), phrase
        assert any(anchor in plain for anchor in anchors), phrase


def test_anchors_are_rare_enough() -> None:
    anchors = {anchor for _, found in markers.grammars() for anchor in found}
    assert "" not in anchors
    assert not {a for a in anchors if a.isascii() and len(a) < 3}
    assert len(anchors) < 4_000


def test_composed_takes_each_choice() -> None:
    assert marker_words.composed("(strictly|highly|) confidential; a (b|c)") == (
        "strictly confidential", "highly confidential", "confidential", "a b", "a c",
    )  # fmt: skip


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "it", "pt", "nl", "ja", "zh", "ko"])
def test_drawn_phrases_mark_as_headers(language: str, inspector: Inspector) -> None:
    drawn = [phrase for phrase in drawn_phrases(language, 120) if phrase[-1:].isalnum()]
    missed = [phrase for phrase in drawn if not inspector.judge([("/t", f"{phrase.capitalize()}\nReport on the site")]).sensitive]
    assert len(missed) <= len(drawn) * 0.06, missed


@pytest.mark.parametrize(
    ("used", "mentioned"),
    [
        ("Please do not forward.\nDraft figures", "Please do not forward chain letters."),
        ("Do not share outside the team: margin", "Do not share your umbrella with strangers."),
        ("This report contains trade secrets of Halden", "Trade secrets are protected by the TRIPS agreement."),
        ("The drawing is covered by our non-disclosure agreement", "Give me a template for a non-disclosure agreement."),
        ("Nicht zur Weitergabe an Dritte bestimmt", "Wann gilt eine Information als Geschäftsgeheimnis?"),
        ("Document couvert par le secret des affaires", "Qu'est-ce que le secret des affaires ?"),
        ("Dokument zawiera tajemnicę przedsiębiorstwa", "Co to jest tajemnica przedsiębiorstwa?"),
        ("Для служебного пользования\nСводка", "Что такое коммерческая тайна?"),
        ("【保密】投标报价", "保密协议模板"),
        ("社外秘:来期の価格表", "社外秘とは何ですか"),
        ("CONFIDENTIAL\nBid evaluation", "STRICTLY CONFIDENTIAL on a letter means that only its reader may open it."),
        ("TLP:AMBER - affected hosts", "Explain the protocol (TLP:RED, TLP:AMBER)."),
        ("SECRET//NOFORN\nAssessment", "Design a stamp that says TOP SECRET."),
        ("This memo is strictly confidential", "These plants are classified as perennials."),
    ],
)
def test_use_is_told_from_mention(used: str, mentioned: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", used)]).sensitive
    assert not inspector.judge([("/t", mentioned)]).sensitive
