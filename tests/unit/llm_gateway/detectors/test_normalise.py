import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.detectors import normalise
from llm_gateway.detectors.normalise import fold, further_views


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ｐａｓｓ １２", "pass 12"),
        ("p\u200ba\u200bs\u200bs", "pass"),
        ("5\u20111\u00a02", "5-1 2"),
        ("se\u00adcret", "secret"),
        ("k̶e̶y̶", "key"),
        ("contraseña", "contrasena"),
        ("٤٢", "42"),
        ("𝘁𝗼𝗸𝗲𝗻", "token"),
        ("ПАРОЛЬ", "пароль"),
    ],
)
def test_fold(text: str, expected: str) -> None:
    assert fold(text) == expected


def test_ascii_is_the_same_object() -> None:
    text = "plain text"
    assert fold(text) is text


def test_lookalikes_hidden_tags_and_reversed_runs_are_views() -> None:
    mixed = "раsswоrd: x"
    assert "password: x" in further_views(mixed, fold(mixed))
    tagged = "hi" + "".join(chr(0xE0000 + ord(letter)) for letter in "key")
    assert "key" in further_views(tagged, fold(tagged))
    turned = "\u202eterces\u202c"
    assert "secret" in further_views(turned, fold(turned))


def test_ordinary_russian_has_no_further_view() -> None:
    text = "Опиши, как работает двигатель"
    assert further_views(text, fold(text)) == []


@given(st.text(max_size=300))
def test_fold_is_total_and_encodable(text: str) -> None:
    fold(text).encode()
    further_views(text, fold(text))


def test_many_marks_take_linear_time() -> None:
    assert fold("a" + "\u0301" * 100_000) == "a"


@pytest.mark.parametrize("codec", normalise._CODECS)
def test_a_code_page_folds_as_the_long_way_does(codec: str) -> None:
    letters = [bytes((byte,)).decode(codec, "ignore") for byte in range(32, 256)]
    rng = random.Random(codec)
    for _ in range(300):
        text = "".join(rng.choices(letters, k=30))
        assert normalise.fold(text) == normalise._FOREIGN.sub(normalise._fold_match, text)


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_whole_and_piecewise_folding_agree(text: str) -> None:
    assert normalise._fold_run(text) == normalise._FOREIGN.sub(normalise._fold_match, text) or text.isascii()
