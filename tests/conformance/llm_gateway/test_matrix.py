"""The conformance page is what a running gateway does, and nothing is lost without a word."""

from pathlib import Path

import pytest
from tests.conformance.dialects import INGRESSES
from tests.conformance.matrix import EMBEDDINGS, FEATURES, TARGETS, bench, page

from llm_gateway.simulator import SimulatorProcess

PAGE = Path(__file__).parents[3] / "docs" / "conformance.md"


def test_the_page_is_as_it_would_be_made_now(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with bench(tmp_path, simulator) as made:
        now = page(made)
    if PAGE.read_text(encoding="utf-8") != now:
        pytest.fail("docs/conformance.md is out of date: python -m tests.conformance.matrix docs/conformance.md", pytrace=False)


def test_every_feature_is_asked_of_every_ingress_that_can_say_it() -> None:
    named = {feature.key for feature in (*FEATURES, *EMBEDDINGS)}
    for ingress in INGRESSES:
        assert set(ingress.says) <= named, ingress.title
    assert {target.protocol for target in TARGETS} == {"openai", "anthropic", "ollama", "bedrock", "bedrock_proxy"}
