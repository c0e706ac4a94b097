"""What a provider was not told is read off what it is sent."""

import msgspec
import pytest

from llm_gateway.core.types import ChatRequest, EmbeddingRequest, Message, Text
from llm_gateway.protocols.openai_chat import effort_of
from llm_gateway.protocols.untold import asked_fields, has_untold_marks, untold

HELLO = (Message("user", "hello"),)


def test_only_what_was_asked_for_can_be_missing() -> None:
    assert asked_fields(ChatRequest(HELLO)) == ()
    assert asked_fields(EmbeddingRequest(("hello",))) == ()
    full = ChatRequest(
        HELLO, temperature=0.0, top_p=1.0, stop=("a",), seed=0, frequency_penalty=0.1, presence_penalty=0.1, reasoning_effort="low",
        thinking_budget_tokens=5, end_user="u", parallel_tool_calls=False,
    )  # fmt: skip
    assert set(asked_fields(full)) == {
        "temperature", "top_p", "stop", "seed", "frequency_penalty", "presence_penalty", "reasoning_effort", "thinking_budget_tokens",
        "end_user", "parallel_tool_calls",
    }  # fmt: skip
    quiet = ChatRequest(HELLO, reasoning_effort="none", thinking_budget_tokens=0, parallel_tool_calls=True)
    assert asked_fields(quiet) == ()


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({"temperature": 1, "stop": ["a"], "metadata": {"user_id": "u"}}, set()),
        ({"inferenceConfig": {"temperature": 1, "stopSequences": ["a"]}, "user": "u"}, set()),
        ({"options": {"temperature": 1}}, {"stop", "end_user"}),
        ({}, {"temperature", "stop", "end_user"}),
        ({"messages": [{"temperature": 1, "user": "u", "stop": 1}]}, {"temperature", "stop", "end_user"}),
        ({"tools": {"temperature": 1}, "system": {"stop": 1}, "prompt": "stop"}, {"temperature", "stop", "end_user"}),
    ],
)
def test_wires_say_it_in_their_words(body: dict[str, object], left: set[str]) -> None:
    assert untold(("temperature", "stop", "end_user"), msgspec.json.encode(body)) == left


def test_marks_are_known_on_two_wires() -> None:
    marked = ChatRequest((Message("user", (Text("hello", {"type": "ephemeral"}),)),))
    assert [has_untold_marks(marked, protocol) for protocol in ("anthropic", "bedrock", "openai", "ollama", "bedrock_proxy")] == [
        False, False, True, True, True,
    ]  # fmt: skip
    assert not has_untold_marks(ChatRequest(HELLO), "openai")


def test_a_thinking_budget_is_told_as_the_least_degree_that_holds_it() -> None:
    found = [effort_of(tokens, ("low", "medium", "high")) for tokens in (1, 2048, 2049, 8192, 8193, 16_384, 100_000)]
    assert found == ["low", "low", "medium", "medium", "high", "high", "high"]
    assert effort_of(2048, ("low", "high")) == "low"
    assert effort_of(2049, ("low", "high")) == "high"
    assert effort_of(100_000, ("low", "high")) == "high"
