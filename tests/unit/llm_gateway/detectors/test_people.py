# ruff: noqa: E501  # the texts read best unbroken
"""Who counts as somebody, in several scripts, and what takes two hints."""

import pytest

from llm_gateway.detectors.inspector import Inspector
from llm_gateway.detectors.normalise import fold
from llm_gateway.detectors.people import names


@pytest.mark.parametrize(
    "text",
    [
        "Anna Fox called", "Patient Anna Fox", "Frau Keller", "Name Karl Weiß", "Herr von Stetten", "M. Girard", "Mehmet Yılmaz", "Łukasz Nowak",
        "Приказ для Петрова Алексея", "Мой клиент Орлов Дмитрий", "Иванова А. П.", "给张伟写一封信", "患者王芳", "田中さん", "김민수 환자", "환자 이영희", "المريض أحمد",
        "मरीज रमेश कुमार", "my son Leo", "mijn moeder Ria", "MRN 0045123",
    ],
)  # fmt: skip
def test_somebody_is_named(text: str) -> None:
    assert names(fold(text))


@pytest.mark.parametrize(
    "text",
    [
        "New York Times",
        "Machine Learning",
        "Angela Merkel",
        "Michael J. Fox",
        "Stephen Hawking",
        "高血压患者饮食建议",
        "какая столица",
        "糖尿病有哪些症状",
        "Samsung Galaxy",
    ],
)
def test_nobody_in_particular(text: str) -> None:
    assert not names(fold(text))


def test_one_hint_is_a_topic_and_two_are_a_matter(inspector: Inspector) -> None:
    assert not inspector.judge([("/t", "Olivia Grant presented the fever chart at the fair")]).sensitive
    assert inspector.judge([("/t", "Olivia Grant presents with chest pain, ECG and troponin elevated")]).sensitive


def test_hints_need_somebody(inspector: Inspector) -> None:
    assert not inspector.judge([("/t", "a patient presents with chest pain, ECG and troponin elevated")]).sensitive
