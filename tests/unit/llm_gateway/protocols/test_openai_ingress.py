"""What a caller sends in OpenAI's words, in ours: a case for each thing that is easily got wrong."""

from typing import Any

import msgspec
import pytest

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import (
    ChatRequest,
    Document,
    Image,
    Message,
    Native,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from llm_gateway.protocols.openai_chat import encode_chat
from llm_gateway.protocols.openai_ingress import chat_request, dropped

HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}, "strict": True}}


def read(messages: Any = None, **fields: Any) -> ChatRequest:
    return chat_request({"messages": HELLO if messages is None else messages, **fields})


def only(**fields: Any) -> str:
    native = read(**fields).native
    assert native is not None
    return native.only


def test_the_least_that_can_be_asked() -> None:
    body = {"messages": HELLO}
    assert chat_request(body) == ChatRequest((Message("user", "hello"),), native=Native("openai", body))


@pytest.mark.parametrize("name", ["auto", "", None])
def test_auto_leaves_the_model_to_the_gateway(name: str | None) -> None:
    assert read(model=name).model is None
    assert read(model="openai/gpt-4o").model == "openai/gpt-4o"


def test_all_options() -> None:
    request = read(
        model="m", stream=True, temperature=0.5, top_p=0.9, max_tokens=5, stop="x", seed=1, n=2, frequency_penalty=1, presence_penalty=-1,
        logprobs=True, top_logprobs=3, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False, reasoning_effort="low", user="u",
    )  # fmt: skip
    expected = ChatRequest(
        (Message("user", "hello"),), model="m", stream=True, temperature=0.5, top_p=0.9, max_tokens=5, stop=("x",), seed=1, n=2,
        frequency_penalty=1, presence_penalty=-1, logprobs=True, top_logprobs=3, tools=(Tool("weather", "d", {"type": "object"}, True),),
        tool_choice=ToolChoice("required"), parallel_tool_calls=False, reasoning_effort="low", end_user="u", native=request.native,
    )  # fmt: skip
    assert request == expected


def test_max_completion_tokens_goes_before_max_tokens() -> None:
    assert read(max_tokens=5, max_completion_tokens=7).max_tokens == 7


def test_developer_speaks_as_system() -> None:
    request = read([{"role": "developer", "content": "d"}, {"role": "system", "content": "s", "name": "n"}, *HELLO])
    assert request.messages[:2] == (Message("system", "d"), Message("system", "s", "n"))


def test_what_belongs_to_tools_is_dropped_without_tools() -> None:
    request = read(tool_choice="auto", parallel_tool_calls=True)
    assert (request.tool_choice, request.parallel_tool_calls) == (None, None)
    named = {"type": "function", "function": {"name": "weather"}}
    assert read(tools=[WEATHER], tool_choice=named).tool_choice == ToolChoice("function", "weather")


def test_parts_of_a_message() -> None:
    content = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}},
    ]
    assert read([{"role": "user", "content": content}]).messages[0].content == (
        Text("look"),
        Image("image/png", "AAAA", detail="low"),
        Image(url="https://example.org/a.png"),
        Document("application/pdf", "QQ==", name="a.pdf"),
    )


def test_a_round_of_tools() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": '}}
    request = read(
        [*HELLO, {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "21"}]
    )
    assert request.messages[1:] == (
        Message("assistant", (ToolCall("c1", "weather", '{"city": '),)),  # malformed arguments pass as they are
        Message("tool", (ToolResult("c1", (Text("21"),), name="weather"),)),
    )


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"reasoning_content": "hm"}, [Thinking("hm")]),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"}]}, [Thinking("hm", "s")]),
        (
            {"reasoning_content": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "", "signature": "s"}]},
            [Thinking("hm", "s")],
        ),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "opaque"}]}, [Thinking(redacted="opaque")]),
    ],
)
def test_reasoning_comes_back_as_it_went(fields: dict[str, Any], thinking: list[Thinking]) -> None:
    request = read([*HELLO, {"role": "assistant", "content": "a", **fields}])
    assert request.messages[1] == Message("assistant", (*thinking, Text("a")))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"type": "text"}, ResponseFormat("text")),
        ({"type": "json_object"}, ResponseFormat("json_object")),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}},
            ResponseFormat("json_schema", "n", {"type": "object"}, True),
        ),
    ],
)
def test_the_shape_of_the_answer(form: dict[str, Any], expected: ResponseFormat) -> None:
    assert read(response_format=form).response_format == expected


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"logit_bias": {"5": -100}}, "logit_bias"),
        ({"logit_bias": {}}, ""),
        ({"modalities": ["text", "audio"], "audio": {"voice": "x"}}, "audio, modalities"),
        ({"modalities": ["text"]}, ""),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"web_search_options": {"a": 1}}, "web_search_options"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools of type custom"),
        ({"tools": [WEATHER], "tool_choice": {"type": "allowed_tools"}}, "tool_choice of type allowed_tools"),
        ({"response_format": {"type": "grammar"}}, "response_format of type grammar"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "content of type input_audio"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, "content of type file"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages of role function"),
        ({"store": True, "metadata": {"a": "b"}, "service_tier": "flex", "chat_template_kwargs": {"x": 1}}, ""),
    ],
)
def test_what_no_other_wire_can_say_is_named(fields: dict[str, Any], words: str) -> None:
    assert only(**fields) == words


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].image_url"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "file:///etc/passwd"}]}]},
            "messages[0].content[0].image_url.url",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}, "messages[0].tool_calls[0].function"),
        ({"messages": HELLO, "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"messages": HELLO, "tools": [WEATHER], "tool_choice": "maybe"}, "tool_choice"),
        ({"messages": HELLO, "response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
    ],
)
def test_a_mistake_is_named_by_its_place(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat_request(body)
    assert refused.value.param == param


@pytest.mark.parametrize(
    "body",
    [{}, {"messages": []}, {"messages": HELLO, "temperature": 2.1}, {"messages": HELLO, "n": 0}, {"messages": HELLO, "max_tokens": 0}],
)
def test_wrong_types_and_ranges(body: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        chat_request(body)


def test_the_callers_own_body_reaches_a_provider_of_this_wire_whole() -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "developer", "content": "d", "x_new": 1}, *HELLO], "future_option": {"a": [1]}}
    assert msgspec.json.decode(encode_chat(chat_request(body), "gpt-4o")) == body


def test_what_a_provider_of_another_wire_is_not_told() -> None:
    body = {"messages": HELLO, "model": "m", "seed": 1, "user": "u", "store": True, "metadata": {}, "top_k": 5, "temperature": 0}
    assert dropped(body, "anthropic") == ("seed", "store", "top_k")
    assert dropped(body, "ollama") == ("store", "top_k", "user")
    assert dropped(body, "bedrock") == ("seed", "store", "top_k", "user")
