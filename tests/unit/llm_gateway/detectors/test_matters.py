"""What stands around a matter neither hides it nor makes one of what is harmless."""

import pytest

from llm_gateway.detectors.first_names import capitalised
from llm_gateway.detectors.inspector import Inspector
from llm_gateway.detectors.people import NOT_NAMES, names

PRIVATE = (
    "Write to Oscar: his sick days exceed the limit, we need a doctor's note from day one.",
    "Draft an appeal for Bilal, refused citizenship because of a fine in 2017.",
    "Email Tobias Krüger that his probation will not be extended and his last day is Friday.",
)
AROUND = ("{} Thanks a lot!", "{} Danke!", "{} Merci d'avance.", "{} Gracias", "{} Спасибо", "```\n{}\n```", "<p>{}</p>", "Hi there! {}")


@pytest.mark.parametrize("text", PRIVATE)
@pytest.mark.parametrize("around", AROUND)
def test_courtesies_and_wrappings_hide_nothing(text: str, around: str, inspector: Inspector) -> None:
    assert inspector.judge([("/text", text)]).sensitive
    assert inspector.judge([("/text", around.format(text))]).sensitive


@pytest.mark.parametrize(
    ("private", "harmless"),
    [
        ("my colleague anna schmitz has breast cancer, write to her boss", "how is breast cancer treated?"),
        ("ANNA SCHMITZ HAS BREAST CANCER, WRITE TO HER BOSS", "WHAT IS BREAST CANCER?"),
        (
            "Our vice president of sales, Jonas Brandt, has cancer, the office said. Draft a note.",
            "The Prime Minister was treated in hospital for pneumonia, her office said. Rewrite as a headline.",
        ),
        ("How do I tell my boss that Anna Fox stole from the till?", "How do I tell my boss I'm resigning?"),
    ],
)
def test_who_is_meant_decides(private: str, harmless: str, inspector: Inspector) -> None:
    assert inspector.judge([("/text", private)]).sensitive
    assert not inspector.judge([("/text", harmless)]).sensitive


def test_names_written_small_are_names() -> None:
    text = "yesterday tobias kruger told us; the rose is red"
    assert capitalised(text, NOT_NAMES) == "yesterday Tobias Kruger told us; the rose is red"
    assert len(names(text)) == 1
    assert len(text) == len(capitalised(text, NOT_NAMES))
