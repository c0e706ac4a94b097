"""Anthropic's API as a caller sends it: each field where the canonical request has a place for it, and the body as it came beside it."""

import json
from typing import Any

import msgspec
import pytest

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import (
    ChatRequest,
    Document,
    Image,
    Message,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from llm_gateway.protocols.anthropic_ingress import chat_request, counted_request, dropped
from llm_gateway.protocols.anthropic_messages import betas, encode_chat

HELLO = [{"role": "user", "content": "Hello"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def asked(messages: object = HELLO, **fields: object) -> ChatRequest:
    body: Any = {"model": "claude-x", "max_tokens": 100, "messages": messages, **fields}
    return chat_request(body)


def only(request: ChatRequest) -> str:
    assert request.native is not None
    return request.native.only


def test_a_plain_question() -> None:
    body: Any = {"model": "claude-x", "max_tokens": 100, "messages": HELLO, "temperature": 0.5, "top_p": 0.9, "top_k": 4}
    request = chat_request({**body, "stop_sequences": ["END"], "stream": True, "metadata": {"user_id": "u1"}, "system": "Be kind"})
    assert request.messages == (Message("system", "Be kind"), Message("user", "Hello"))
    assert (request.model, request.max_tokens, request.temperature, request.top_p) == ("claude-x", 100, 0.5, 0.9)
    assert (request.stop, request.stream, request.end_user) == (("END",), True, "u1")
    assert only(request) == ""


def test_the_body_goes_to_its_own_wire_field_for_field() -> None:
    body: Any = {
        "model": "alias",
        "max_tokens": 100,
        "system": [{"type": "text", "text": "Be kind", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi", "citations": None, "future": 1}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                    {"type": "redacted_thinking", "data": "b3BhcXVl"},
                    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": []}]},
        ],
        "thinking": {"type": "enabled", "budget_tokens": 2048, "display": "omitted"},
        "unheard_of": {"deep": [1, None]},
    }
    sent = json.loads(encode_chat(chat_request(body), "claude-x"))
    assert sent == {**body, "model": "claude-x"}
    assert json.loads(encode_chat(chat_request({**body, "stream": True}), "claude-x")) == {**body, "model": "claude-x", "stream": True}


def test_a_name_of_a_user_that_is_too_long_for_other_wires_stays_with_anthropic() -> None:
    body: Any = {"model": "m", "max_tokens": 1, "messages": HELLO, "metadata": {"user_id": "u" * 65}}
    request = chat_request(body)
    assert request.end_user is None
    assert json.loads(encode_chat(request, "m")) == body
    assert dropped(body, "openai") == ("metadata",)


def test_auto_leaves_the_choice_to_the_gateway() -> None:
    assert chat_request({"model": "auto", "max_tokens": 1, "messages": HELLO}).model is None  # type: ignore[dict-item]


def test_beta_names_travel_in_the_body_that_is_judged_and_leave_as_a_header() -> None:
    body: Any = {"model": "claude-x", "max_tokens": 100, "messages": HELLO}
    request = chat_request(body, "context-1m-2025-08-07, interleaved-thinking-2025-05-14")
    assert request.native is not None
    assert request.native.body["anthropic_beta"] == ["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"]
    assert betas(request) == "context-1m-2025-08-07,interleaved-thinking-2025-05-14"
    assert json.loads(encode_chat(request, "claude-x")) == body
    assert betas(chat_request(body)) == ""
    assert betas(ChatRequest((Message("user", "x"),))) == ""


def test_system_blocks_and_system_turns() -> None:
    cached = {"type": "ephemeral"}
    request = asked(
        [
            {"role": "user", "content": "a"},
            {"role": "system", "content": "b"},
            {"role": "system", "content": [{"type": "text", "text": "c"}]},
        ],
        system=[{"type": "text", "text": "one", "cache_control": cached}, {"type": "text", "text": "two"}],
    )
    assert request.messages == (
        Message("system", (Text("one", cached), Text("two"))),
        Message("user", "a"),
        Message("system", "b"),
        Message("system", (Text("c"),)),
    )


def test_a_block_for_anthropics_accounts_is_told_to_anthropic_alone() -> None:
    billing = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.153.d02; cc_entrypoint=cli; cch=a1b2c;"}
    request = asked(system=[billing, {"type": "text", "text": "one"}])
    assert request.messages[0] == Message("system", (Text("one"),))
    assert asked(system=[billing]).messages == (Message("user", "Hello"),)
    assert request.native is not None
    assert request.native.body["system"] == [billing, {"type": "text", "text": "one"}]


def test_tools_their_calls_and_their_results() -> None:
    request = asked(
        [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "xyz"},
                    {"type": "text", "text": "Looking"},
                    {"type": "tool_use", "id": "t1", "name": "look", "input": {"city": "Paris"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "rain"},
                    {"type": "tool_result", "tool_use_id": "t2", "is_error": True, "content": [{"type": "text", "text": "no"}]},
                    {"type": "tool_result", "tool_use_id": "t3"},
                    {"type": "text", "text": "And now?"},
                ],
            },
        ],
        tools=[
            {"name": "look", "description": "Look", "input_schema": SCHEMA, "strict": True, "cache_control": {"type": "ephemeral"}},
            {"type": "custom", "name": "bare", "input_schema": {}},
        ],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
    )
    assert request.messages[1:] == (
        Message(
            "assistant",
            (Thinking("hm", "sig"), Thinking(redacted="xyz"), Text("Looking"), ToolCall("t1", "look", '{"city":"Paris"}')),
        ),
        Message("tool", (ToolResult("t1", (Text("rain"),)), ToolResult("t2", (Text("no"),), is_error=True), ToolResult("t3"))),
        Message("user", (Text("And now?"),)),
    )
    assert request.tools == (Tool("look", "Look", SCHEMA, True), Tool("bare"))
    assert request.tool_choice == ToolChoice("required")
    assert request.parallel_tool_calls is False


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"type": "auto"}, ToolChoice("auto")),
        ({"type": "none"}, ToolChoice("none")),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "tool", "name": "look"}, ToolChoice("function", "look")),
    ],
)
def test_tool_choices(said: object, meant: ToolChoice) -> None:
    assert asked(tools=[{"name": "look", "input_schema": SCHEMA}], tool_choice=said).tool_choice == meant
    assert asked(tool_choice=said).tool_choice is None, "a choice without tools is none"


def test_images_and_documents() -> None:
    mark = {"type": "ephemeral"}
    blocks: list[tuple[dict[str, Any], object]] = [
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}, "cache_control": mark},
            Image("image/png", "aGk=", cache_control=mark),
        ),
        ({"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}, Image(url="https://x/y.png")),
        (
            {"type": "document", "title": "T", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}},
            Document("application/pdf", "aGk=", name="T"),
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            Document("text/plain", text="words"),
        ),
        ({"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}}, Document(url="https://x/y.pdf")),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}},
            Document("text/plain", text="a\nb"),
        ),
        (
            {"type": "search_result", "title": "T", "source": "https://x", "content": [{"type": "text", "text": "found"}]},
            Document("text/plain", text="found", name="T"),
        ),
    ]
    request = asked([{"role": "user", "content": [block for block, _ in blocks]}])
    assert request.messages == (Message("user", tuple(part for _, part in blocks)),)  # type: ignore[arg-type]
    assert only(request) == ""


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools of type web_search_20250305"),
        ({"container": "c1"}, "container"),
        ({"inference_geo": "eu"}, "inference_geo"),
        ({"mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}]}, "mcp_servers"),
        ({"max_tokens": 0}, "max_tokens 0"),
        ({"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]}, "container_upload blocks"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]}, "images by file"),
        (
            {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "f"}}]}]},
            "documents by file",
        ),
    ],
)
def test_what_no_other_wire_can_say_is_named(fields: dict[str, object], named: str) -> None:
    body: Any = {"model": "m", "max_tokens": 1, "messages": HELLO, **fields}
    assert only(chat_request(body)) == named


def test_thinking_effort_and_format() -> None:
    assert asked(thinking={"type": "enabled", "budget_tokens": 2048}).thinking_budget_tokens == 2048
    assert asked(thinking={"type": "disabled"}).thinking_budget_tokens == 0
    assert asked(thinking={"type": "adaptive"}).thinking_budget_tokens is None
    config = {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}}
    request = asked(output_config=config)
    assert request.reasoning_effort == "high"
    assert request.response_format == ResponseFormat("json_schema", json_schema=SCHEMA)
    assert asked(output_format=config["format"]).response_format == request.response_format


def test_thinking_that_nobody_signed_is_not_played_back_to_anthropic() -> None:
    unsigned = {"type": "thinking", "thinking": "of another provider", "signature": ""}
    signed = {"type": "thinking", "thinking": "mine", "signature": "sig"}
    text = {"type": "text", "text": "Hi"}
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [unsigned]},
        {"role": "assistant", "content": [unsigned, signed, text]},
    ]
    request = asked(turns)
    assert request.native is not None
    assert request.native.body["messages"] == [turns[0], {"role": "assistant", "content": [signed, text]}]
    assert turns[1]["content"] == [unsigned], "the caller's own body is not touched"
    assert Thinking("of another provider") in request.messages[1].parts(), "other providers may be told"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "x"}]}]}, "messages[0].content[0].tool_use_id"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": 7}]}]},
            "messages[0].content[0].content",
        ),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "n"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        ({"tools": [{"name": "look"}]}, "tools[0]"),
        ({"tools": [{"name": "look", "input_schema": {}}], "tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, object], param: str) -> None:
    body: Any = {"model": "m", "max_tokens": 1, "messages": HELLO, **fields}
    with pytest.raises(InvalidRequest) as failure:
        chat_request(body)
    assert failure.value.param == param


@pytest.mark.parametrize("field", ["model", "max_tokens", "messages"])
def test_required_fields(field: str) -> None:
    body: Any = {"model": "m", "max_tokens": 1, "messages": HELLO}
    del body[field]
    with pytest.raises(msgspec.ValidationError, match=field):
        chat_request(body)


def test_counting_needs_no_limit() -> None:
    request = counted_request({"model": "m", "messages": HELLO, "system": "s", "tools": [{"name": "look", "input_schema": SCHEMA}]})  # type: ignore[dict-item]
    assert request.messages == (Message("system", "s"), Message("user", "Hello"))
    assert request.tools == (Tool("look", "", SCHEMA),)


def test_dropped_fields_by_wire() -> None:
    body: Any = {
        "model": "m", "max_tokens": 1, "messages": HELLO, "top_k": 4, "service_tier": "auto", "metadata": {"user_id": "u"},
        "thinking": {"type": "enabled", "budget_tokens": 1024}, "anthropic_beta": ["x"], "cache_control": None, "context_management": {},
    }  # fmt: skip
    assert dropped(body, "anthropic") == ()
    assert dropped(body, "openai") == ("anthropic-beta", "service_tier", "top_k")
    assert dropped(body, "ollama") == ("anthropic-beta", "metadata", "service_tier", "top_k")
    assert dropped({**body, "thinking": {"type": "adaptive"}}, "ollama") == (
        "anthropic-beta",
        "metadata",
        "service_tier",
        "thinking",
        "top_k",
    )
