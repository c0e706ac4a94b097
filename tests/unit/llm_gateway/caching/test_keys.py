"""Two requests have one name exactly when they mean the same."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.caching.keys import Keys
from llm_gateway.core.clearance import Clearance
from llm_gateway.core.routing import Destination, Target
from llm_gateway.core.seal import seal
from llm_gateway.core.types import (
    ChatRequest,
    Document,
    EmbeddingRequest,
    Image,
    Message,
    Native,
    Request,
    ResponseFormat,
    SecurityLevel,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

OLLAMA = Destination("ollama", "http://127.0.0.1:11434", SecurityLevel.HIGH)
OPENAI = Destination("openai", "https://api.openai.com", SecurityLevel.MEDIUM)
AUTO = Target("", "")
ASK = ChatRequest((Message("user", "hello"),))
EMBED = EmbeddingRequest(("hello",))


def clearance(*places: Destination, policy: str = "p1", models: frozenset[str] | None = None) -> Clearance:
    return seal(ASK, frozenset(places or (OLLAMA, OPENAI)), policy, None, models)


def name(
    request: Request, meant: Target = AUTO, *, owner: str = "a", strategy: str = "balanced", cleared: Clearance | None = None,
    keys: Keys | None = None,
) -> str:  # fmt: skip
    return (keys or Keys(b"configuration")).name(request, meant, cleared or clearance(), owner, strategy)


def changed(request: Any, **fields: object) -> Any:
    return msgspec.structs.replace(request, **fields)


MATTERS: dict[str, Any] = {
    "messages": (Message("user", "hello!"),),
    "temperature": 0.5,
    "top_p": 0.5,
    "max_tokens": 5,
    "stop": ("x",),
    "seed": 1,
    "n": 2,
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
    "logprobs": True,
    "top_logprobs": 2,
    "response_format": ResponseFormat("json_object"),
    "tools": (Tool("f"),),
    "tool_choice": ToolChoice("none"),
    "parallel_tool_calls": False,
    "reasoning_effort": "low",
    "thinking_budget_tokens": 1024,
    "native": Native("openai", {"verbosity": "low"}),
}
EMBEDDING_MATTERS: dict[str, Any] = {"inputs": ("other",), "dimensions": 8, "native": Native("openai", {"encoding": "x"})}
MEANT = {"model", "provider"}
"""In the name as what they mean."""


def test_every_field_of_a_request_is_in_the_name_or_known_not_to_matter() -> None:
    assert set(ChatRequest.__struct_fields__) == set(MATTERS) | MEANT | {"stream", "end_user"}
    assert set(EmbeddingRequest.__struct_fields__) == set(EMBEDDING_MATTERS) | MEANT | {"end_user"}


@pytest.mark.parametrize("field", MATTERS)
def test_what_changes_an_answer_changes_the_name(field: str) -> None:
    assert name(changed(ASK, **{field: MATTERS[field]})) != name(ASK)


@pytest.mark.parametrize("field", EMBEDDING_MATTERS)
def test_what_changes_a_vector_changes_the_name(field: str) -> None:
    assert name(changed(EMBED, **{field: EMBEDDING_MATTERS[field]})) != name(EMBED)


@pytest.mark.parametrize("fields", [{"stream": True}, {"end_user": "u"}, {"model": "alias"}, {"provider": "auto"}])
def test_what_does_not_change_an_answer_does_not_change_the_name(fields: dict[str, Any]) -> None:
    assert name(changed(ASK, **fields)) == name(ASK)


def test_circumstances_are_in_the_name() -> None:
    names = {
        name(ASK),
        name(ASK, Target("openai", "")),
        name(ASK, Target("", "gpt-4o")),
        name(ASK, Target("openai", "gpt-4o")),
        name(ASK, owner="b"),
        name(ASK, strategy="cost"),
        name(ASK, cleared=clearance(OLLAMA)),
        name(ASK, cleared=clearance(msgspec.structs.replace(OLLAMA, security_level=SecurityLevel.MEDIUM), OPENAI)),
        name(ASK, cleared=clearance(policy="p2")),
        name(ASK, cleared=clearance(models=frozenset({"gpt-4o"}))),
        name(ASK, cleared=clearance(models=frozenset({"gpt-4o-mini"}))),
        name(ASK, keys=Keys(b"other")),
        name(ASK, keys=Keys(b"configuration", b"secret")),
        name(EMBED),
    }
    assert len(names) == 14


def test_owners_cannot_be_confused() -> None:
    """`a_b` with one digest is not `a` with another: the owner is in the digest too."""
    assert name(ASK, owner="a").rpartition("_")[2] != name(ASK, owner="a_b").rpartition("_")[2]
    assert name(ASK, owner="a_b").rpartition("_")[0] == "a_b"


EQUAL: list[tuple[ChatRequest, ChatRequest]] = [
    (ASK, changed(ASK, messages=(Message("user", (Text("hello"),)),))),
    (ASK, changed(ASK, messages=(Message("user", (Text("hello", cache_control={"type": "ephemeral"}),)),))),
    (changed(ASK, temperature=1), changed(ASK, temperature=1.0)),
    (changed(ASK, temperature=0.0), changed(ASK, temperature=-0.0)),
    (changed(ASK, stop=("a", "b")), changed(ASK, stop=("b", "a", "b"))),
    (ASK, changed(ASK, response_format=ResponseFormat("text"))),
    (ASK, changed(ASK, tool_choice=ToolChoice("auto"))),
    (
        changed(ASK, tools=(Tool("f", parameters={"a": 1, "b": {"c": 2.0, "d": [1]}}),)),
        changed(ASK, tools=(Tool("f", parameters={"b": {"d": [1.0], "c": 2}, "a": 1}),)),
    ),
    (
        changed(ASK, native=Native("openai", {"x": 1, "model": "a", "stream": True, "user": "u"})),
        changed(ASK, native=Native("openai", {"stream": False, "x": 1.0, "model": "b"})),
    ),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_the_same_in_other_words_has_the_same_name(one: ChatRequest, other: ChatRequest) -> None:
    assert name(one) == name(other)


PARTS = (
    Text("t"), Image("image/png", "aa"), Image(url="http://x"), Document("text/plain", "aa"), Document(text="aa"), ToolCall("1", "f"),
    ToolCall("1", "f", "{ }"), ToolResult("1", (Text("t"),)), ToolResult("1", (Text("t"),), True), Thinking("t"), Thinking(redacted="t"),
)  # fmt: skip


def test_parts_are_told_apart() -> None:
    messages = [Message("user", (part, Text("and"))) for part in PARTS] + [Message("user", "tand"), Message("user", "t", "name")]
    assert len({name(changed(ASK, messages=(message,))) for message in messages}) == len(messages)


def test_the_border_between_messages_matters() -> None:
    one = changed(ASK, messages=(Message("user", "ab"), Message("user", "c")))
    other = changed(ASK, messages=(Message("user", "a"), Message("user", "bc")))
    assert name(one) != name(other)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CHATS = st.builds(
    ChatRequest,
    messages=st.lists(
        st.builds(Message, st.sampled_from(["user", "assistant", "system"]), st.text(max_size=6)), min_size=1, max_size=3
    ).map(tuple),
    temperature=st.none() | st.sampled_from([0.0, 0, 1, 1.0, 0.7]),
    max_tokens=st.none() | st.integers(1, 3),
    stop=st.lists(st.sampled_from("ab"), max_size=2).map(tuple),
    stream=st.booleans(),
    end_user=st.none() | st.text(max_size=2),
    native=st.none()
    | st.builds(Native, st.sampled_from(["openai", "anthropic"]), st.dictionaries(st.sampled_from("xyz"), JSON, max_size=2)),
)


def meaning(request: ChatRequest) -> Any:
    """What a request means, as a person would compare it: Python's own equality knows 1 == 1.0, but also True == 1."""

    def exact(value: Any) -> Any:
        if isinstance(value, dict):
            return frozenset((key, exact(inner)) for key, inner in value.items())
        if isinstance(value, list):
            return tuple(exact(inner) for inner in value)
        return (isinstance(value, bool), value)

    return (
        request.messages, request.temperature, request.max_tokens, frozenset(request.stop),
        request.native and (request.native.protocol, exact(request.native.body)),
    )  # fmt: skip


@given(CHATS, CHATS)
def test_one_name_if_and_only_if_one_meaning(one: ChatRequest, other: ChatRequest) -> None:
    assert (name(one) == name(other)) == (meaning(one) == meaning(other))


@given(CHATS, st.booleans(), st.none() | st.text(max_size=3))
def test_a_name_lasts(request: ChatRequest, stream: bool, end_user: str | None) -> None:
    keys = Keys(b"configuration")
    assert name(request, keys=keys) == name(changed(request, stream=stream, end_user=end_user), keys=keys) == name(request)


def test_names_of_many_circumstances_stay_right_when_the_memory_for_them_is_full() -> None:
    keys = Keys(b"configuration")
    first = name(ASK, keys=keys)
    for number in range(600):
        name(ASK, cleared=clearance(policy=str(number)), keys=keys)
    assert len(keys._states) <= 256
    assert name(ASK, keys=keys) == first
