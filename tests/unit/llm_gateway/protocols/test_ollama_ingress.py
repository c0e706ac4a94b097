"""Ollama's API as a caller sends it: each field where the canonical request has a place for it, and the body as it came beside it."""

import json
from typing import Any

import msgspec
import pytest

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import ChatRequest, Image, Message, ResponseFormat, Text, Thinking, Tool, ToolCall, ToolResult
from llm_gateway.protocols.ollama_chat import Loading, asks_completion, encode_chat, encode_completion
from llm_gateway.protocols.ollama_ingress import chat_request, dropped, embed_request, embeddings_request, generate_request

HELLO = [{"role": "user", "content": "Hello"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
PNG = "iVBORw0KGgoAAAANSUhEUg"


def asked(messages: object = HELLO, **fields: object) -> ChatRequest:
    body: Any = {"model": "llama3", "messages": messages, **fields}
    return chat_request(body)


def only(request: ChatRequest) -> str:
    assert request.native is not None
    return request.native.only


def test_a_plain_question_streams_unless_told_otherwise() -> None:
    options = {
        "temperature": 0.5, "top_p": 0.9, "num_predict": 7, "stop": ["END"], "seed": 3, "frequency_penalty": 0.1, "presence_penalty": 0.2,
        "top_k": 5,
    }  # fmt: skip
    request = asked([{"role": "system", "content": "s"}, *HELLO], options=options)
    assert request.messages == (Message("system", "s"), Message("user", "Hello"))
    assert request.stream is True
    assert (request.temperature, request.top_p, request.max_tokens, request.stop, request.seed) == (0.5, 0.9, 7, ("END",), 3)
    assert (request.frequency_penalty, request.presence_penalty) == (0.1, 0.2)
    assert asked(stream=False).stream is False
    assert asked(options={"num_predict": -1, "stop": "x"}).max_tokens is None
    assert asked(options={"stop": "x"}).stop == ("x",)


def test_the_body_goes_to_its_own_wire_field_for_field() -> None:
    body: Any = {
        "model": "alias", "messages": [{"role": "user", "content": "Hi", "images": [PNG], "future": 1}], "stream": True,
        "options": {"mirostat": 2, "num_ctx": 8192}, "keep_alive": "5m", "unheard_of": {"deep": [1, None]},
    }  # fmt: skip
    assert json.loads(encode_chat(chat_request(body), "llama3", Loading())) == {**body, "model": "llama3"}


def test_a_completion_goes_to_its_own_wire_field_for_field() -> None:
    body: Any = {
        "model": "alias", "prompt": "def f(", "suffix": "return x", "raw": True, "template": "{{ .Prompt }}", "options": {"num_ctx": 8192},
        "keep_alive": 0, "stream": False,
    }  # fmt: skip
    request = generate_request(body)
    assert asks_completion(request)
    assert json.loads(encode_completion(request, "llama3", Loading())) == {**body, "model": "llama3"}
    assert not asks_completion(asked())
    assert only(request) == "suffix, template, raw"


def test_a_completion_is_a_chat_of_one_turn_elsewhere() -> None:
    request = generate_request({"model": "m", "prompt": "Hi", "system": "s", "images": [PNG], "format": "json", "suffix": "", "raw": False})
    assert request.messages == (Message("system", "s"), Message("user", (Text("Hi"), Image("image/png", PNG))))
    assert request.response_format == ResponseFormat("json_object")
    assert only(request) == ""
    assert generate_request({"model": "m"}).messages == ()


def test_a_completion_cannot_smuggle_a_chat() -> None:
    body: Any = {"model": "m", "prompt": "Hi", "messages": [{"role": "user", "content": "something else"}]}
    request = generate_request(body)
    assert request.native is not None
    assert "messages" not in request.native.body
    assert asks_completion(request)


def test_tools_their_calls_and_their_results() -> None:
    request = asked(
        [
            *HELLO,
            {
                "role": "assistant",
                "content": "Looking",
                "thinking": "hm",
                "tool_calls": [
                    {"function": {"name": "look", "arguments": {"city": "Paris"}}},
                    {"function": {"name": "time", "arguments": {}}},
                    {"id": "own", "function": {"name": "look", "arguments": {"city": "Rome"}}},
                ],
            },
            {"role": "tool", "content": "noon", "tool_name": "time"},
            {"role": "tool", "content": "rain", "tool_name": "look"},
            {"role": "tool", "content": "sun", "tool_call_id": "own"},
        ],
        tools=[{"type": "function", "function": {"name": "look", "description": "Look", "parameters": SCHEMA}}],
    )
    assert request.messages[1:] == (
        Message(
            "assistant",
            (
                Thinking("hm"), Text("Looking"), ToolCall("call_0", "look", '{"city":"Paris"}'), ToolCall("call_1", "time"),
                ToolCall("own", "look", '{"city":"Rome"}'),
            ),
        ),
        Message("tool", (ToolResult("call_1", (Text("noon"),), name="time"),)),
        Message("tool", (ToolResult("call_0", (Text("rain"),), name="look"),)),
        Message("tool", (ToolResult("own", (Text("sun"),), name="look"),)),
    )  # fmt: skip
    assert request.tools == (Tool("look", "Look", SCHEMA),)


def test_results_without_names_answer_the_calls_in_order() -> None:
    calls = [{"function": {"name": name, "arguments": {}}} for name in ("a", "b")]
    request = asked([{"role": "assistant", "tool_calls": calls}, {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}])
    assert [part.tool_call_id for turn in request.messages for part in turn.parts() if isinstance(part, ToolResult)] == ["call_0", "call_1"]


def test_format_and_think() -> None:
    assert asked(format="json").response_format == ResponseFormat("json_object")
    assert asked(format=SCHEMA).response_format == ResponseFormat("json_schema", json_schema=SCHEMA)
    assert asked(format="").response_format is None
    assert (asked(think=True).reasoning_effort, asked(think="high").reasoning_effort) == ("medium", "high")
    assert (asked(think=False).reasoning_effort, asked(think=False).thinking_budget_tokens) == (None, 0)
    with pytest.raises(InvalidRequest, match="format"):
        asked(format="xml")


@pytest.mark.parametrize(
    ("data", "kind"),
    [(PNG, "image/png"), ("/9j/4AAQ", "image/jpeg"), ("R0lGODdh", "image/gif"), ("UklGRg", "image/webp"), ("AAAA", "image/jpeg")],
)
def test_an_image_tells_its_type_by_how_it_begins(data: str, kind: str) -> None:
    request = asked([{"role": "user", "content": "", "images": [data]}])
    assert request.messages == (Message("user", (Image(kind, data),)),)


def test_a_role_that_nobody_else_knows() -> None:
    assert only(asked([{"role": "control", "content": "thinking"}])) == "messages of role control"
    with pytest.raises(InvalidRequest, match="role"):
        asked([{"role": "", "content": "x"}])


def test_embeddings() -> None:
    request = embed_request({"model": "m", "input": ["a", "b"], "dimensions": 3, "truncate": False})
    assert (request.inputs, request.model, request.dimensions) == (("a", "b"), "m", 3)
    assert embed_request({"model": "m", "input": "a"}).inputs == ("a",)
    assert embed_request({"model": "m", "input": ""}).inputs == ()
    old = embeddings_request({"model": "m", "prompt": "a", "options": {"num_ctx": 9}})
    assert old.inputs == ("a",)
    assert old.native is not None
    assert old.native.body == {"model": "m", "input": "a", "options": {"num_ctx": 9}}


@pytest.mark.parametrize("body", [{"messages": HELLO}, {"model": "", "messages": HELLO}, {"model": "m", "messages": "x"}])
def test_wrong_types(body: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        chat_request(body)


def test_auto_leaves_the_choice_to_the_gateway() -> None:
    assert chat_request({"model": "auto:latest"}).model is None
    assert chat_request({"model": "llama3:latest"}).model == "llama3:latest"


def test_dropped_fields_by_wire() -> None:
    body: Any = {
        "model": "m", "messages": HELLO, "keep_alive": "5m", "think": False, "truncate": None,
        "options": {"temperature": 1, "top_k": 3, "seed": 4, "num_ctx": 9, "frequency_penalty": 0.5},
    }  # fmt: skip
    assert dropped(body, "ollama") == ()
    assert dropped(body, "openai") == ("keep_alive", "options.num_ctx", "options.top_k", "think")
    assert dropped(body, "anthropic") == ("keep_alive", "options.num_ctx", "options.seed", "options.top_k")
    assert dropped(body, "bedrock") == ("keep_alive", "options.frequency_penalty", "options.num_ctx", "options.seed", "options.top_k")
