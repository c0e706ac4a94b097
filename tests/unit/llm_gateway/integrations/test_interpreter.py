"""What a query means, by rules and by a model that is not believed blindly."""

from itertools import pairwise
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.llm_gateway.integrations.working import TestWork, with_work

from llm_gateway.integrations.language_rules import INTENTS, entities_of, intents_of

QUERIES = {
    "Summarize the quarterly report in five bullets": "summarize",
    "review this code for complexity and smells": "analyze_code",
    "Is there a vulnerability or a leaked password here? check GDPR compliance": "analyze_security",
    "Create documentation for this API": "create_documentation",
    "turn this mermaid diagram into components": "analyze_architecture",
    "are these two documents consistent or do they contradict each other": "check_consistency",
    "I get a TimeoutError, the traceback says the connection failed": "troubleshoot",
    "what did we say last time? do you remember our conversation": "remember",
    "find which documents mention billing": "search",
    "Explain how OAuth works": "explain",
    "": "general",
    "xyzzy": "general",
}


@pytest.mark.parametrize(("query", "intent"), QUERIES.items())
def test_intents(query: str, intent: str) -> None:
    assert intents_of(query)[0].intent == intent


@given(st.text(max_size=400))
def test_confidences_are_shares_and_entities_are_where_they_say(text: str) -> None:
    found = intents_of(text)
    assert found
    assert all(0 < intent.confidence <= 1 and intent.intent in INTENTS for intent in found)
    entities = entities_of(text)
    assert all(0 <= e.start < e.end <= len(text) for e in entities)
    assert all(a.end <= b.start for a, b in pairwise(entities))


def test_a_text_made_to_be_slow_is_not() -> None:
    for text in ("a." * 10_000, "aA" * 10_000, "/" * 20_000, "'" * 20_000, "1.1." * 5_000, "x@" * 10_000, "Ab " * 7_000):
        began = process_time()
        entities_of(text)
        intents_of(text)
        assert process_time() - began < 1.0, text[:10]


def test_entities_by_form() -> None:
    text = 'GET /users/1 in `app.py` at https://example.com/a, v2.1.0, on 2026-01-15: ValueError, 12 %, $30, "hard limit", ann@example.com'
    found = {(e.type, e.value) for e in entities_of(text)}
    assert found >= {
        ("endpoint", "GET /users/1"), ("url", "https://example.com/a"), ("version", "v2.1.0"), ("date", "2026-01-15"),
        ("error", "ValueError"), ("percentage", "12 %"), ("money", "$30"), ("quoted", "hard limit"), ("email", "ann@example.com"),
    }  # fmt: skip
    assert {e.type for e in entities_of(text, ["url"])} == {"url"}


def test_intents_among_others_are_judged_by_their_words() -> None:
    assert intents_of("I want my money back, please refund it", ["refund_order", "shipping_question"])[0].intent == "refund_order"
    assert intents_of("nothing of it", ["refund_order", "shipping_question"])[0].intent == "refund_order"


def test_what_a_model_makes_up_is_left_out(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        work.replies = ['{"entities": [{"type": "file", "value": "app.py"}, {"type": "file", "value": "invented.py"}]}']
        found = (await work.do("interpreter", "extract_entities", text="look at app.py")).entities
        assert [(e.value, e.start, e.end) for e in found] == [("app.py", 8, 14)]
        work.replies = ['{"intent": "conquer", "confidence": 1, "entities": [], "response_text": "x"}']
        assert (await work.do("interpreter", "interpret_query", query="summarize this")).intent == "summarize"
        work.replies = ['{"intent": "shipping", "confidence": 0.9}']
        assert (await work.do("interpreter", "classify_intent", query="where is it", intents=["refund", "shipping"])).intent == "shipping"
        work.replies = ['{"intent": "other", "confidence": 0.9}']
        assert (await work.do("interpreter", "classify_intent", query="refund it", intents=["refund", "shipping"])).intent == "refund"

    with_work(tmp_path, test)
