"""Schemas that vendors accept, and answers that are read however they are dressed."""

from typing import Annotated, Literal

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from llm_gateway.integrations.asking import decoded, schema_of


class Part(msgspec.Struct):
    kind: Literal["a", "b"]
    share: Annotated[float, Meta(ge=0, le=1)]


class Whole(msgspec.Struct):
    title: str
    parts: list[Part]


def test_the_root_of_a_schema_is_the_object_itself() -> None:
    schema = schema_of(Whole)
    assert schema["type"] == "object"
    assert set(schema["$defs"]) == {"Part"}  # type: ignore[arg-type]
    assert "$defs" not in schema_of(Part)


def test_words_around_the_object_are_passed_over() -> None:
    good = '{"title": "x", "parts": [{"kind": "a", "share": 0.5}]}'
    for text in (good, f"```json\n{good}\n```", f"Sure! Here it is: {good} Anything else?"):
        found, fault = decoded(text, Whole)
        assert found == Whole("x", [Part("a", 0.5)]), fault


def test_what_is_wrong_is_said() -> None:
    for text, word in (
        ("no", "no JSON object"),
        ('{"title": 1, "parts": []}', "title"),
        ('{"title": "x", "parts": [{"kind": "c", "share": 0.5}]}', "kind"),
        ('{"title": "x", "parts": [{"kind": "a", "share": 1.5}]}', "share"),
        ("{" * 100_000 + "}", ""),
    ):
        found, fault = decoded(text, Whole)
        assert found is None
        assert word in fault
    assert decoded('{"title": "x", "parts": []}', Whole, lambda whole: "" if whole.parts else "parts: empty") == (None, "parts: empty")


@given(st.text())
def test_nothing_a_model_says_raises(text: str) -> None:
    found, fault = decoded(text, Whole)
    assert (found is None) == bool(fault)
