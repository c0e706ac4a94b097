"""Findings as a moderation."""

from typing import Any

import pytest

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.findings import Finding, Sensitivity, combined
from llm_gateway.core.types import Image, Text
from llm_gateway.protocols.openai_moderations import NOT_JUDGED, moderation, moderation_inputs


def test_texts_are_judged_one_by_one_and_parts_together() -> None:
    assert moderation_inputs({"input": "a"}) == [(Text("a"),)]
    assert moderation_inputs({"input": ["a", "b"]}) == [(Text("a"),), (Text("b"),)]
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    assert moderation_inputs({"input": parts}) == [(Text("a"), Image("image/png", "AA=="))]
    assert moderation_inputs({"input": [{"type": "image_url", "image_url": {"url": "https://a.b/c"}}]}) == [(Image(url="https://a.b/c"),)]


@pytest.mark.parametrize("value", [["a", {"type": "text", "text": "b"}], [{"type": "video"}]])
def test_a_mixture_makes_no_sense(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        moderation_inputs({"input": value})


def test_findings_are_categories() -> None:
    verdict = combined([Finding("secret.api_key", "/a", 0.9), Finding("pii.email", "/b", 0.1)], 0.7)
    result = moderation(verdict)
    categories, scores = result["categories"], result["category_scores"]
    assert isinstance(categories, dict)
    assert isinstance(scores, dict)
    assert result["flagged"] is True
    assert (categories["secret"], categories["secret/api_key"], scores["secret"]) == (True, True, 0.9)
    assert (categories["pii"], scores["pii/email"]) == (False, 0.1)  # too weak to be said to apply
    assert all(categories[name] is False and scores[name] == 0.0 for name in NOT_JUDGED)


def test_what_could_not_be_judged_is_flagged() -> None:
    result = moderation(Sensitivity(1.0, True, failed="the analysis took too long"))
    assert result["flagged"] is True
    assert result["category_scores"]["unjudged"] == 1.0  # type: ignore[index,call-overload]


def test_harmless_text_is_not() -> None:
    assert moderation(combined([], 0.7))["flagged"] is False
