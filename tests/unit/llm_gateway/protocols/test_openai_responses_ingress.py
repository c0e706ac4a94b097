"""Items of the Responses API as turns."""

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
from llm_gateway.protocols.openai_responses_ingress import item_owner, left_out, read_body, responses_request, sealed

TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}


def read(asked: Any, earlier: list[Any] | None = None, **fields: Any) -> ChatRequest:
    said = read_body({"input": asked, **fields})
    return responses_request(said, earlier or [], said.items())


def test_a_text_and_instructions() -> None:
    request = read("hello", instructions="Be brief", model="auto", max_output_tokens=5, user="u", reasoning={"effort": "low"})
    assert request == ChatRequest(
        (Message("system", "Be brief"), Message("user", "hello")), max_tokens=5, end_user="u", reasoning_effort="low"
    )


def test_earlier_items_come_first() -> None:
    earlier = [
        {"type": "message", "role": "user", "content": "one"},
        {"type": "message", "role": "assistant", "id": "msg_1", "content": [{"type": "output_text", "text": "two", "annotations": []}]},
    ]
    assert read("three", earlier).messages == (
        Message("user", "one"),
        Message("assistant", (Text("two"),)),
        Message("user", "three"),
    )


def test_what_a_model_said_and_called_is_one_turn_and_the_results_another() -> None:
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "q"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "s:sig"},
        {"type": "message", "role": "assistant", "content": "I look"},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "time", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "21"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "noon"}]},
        {"type": "function_call", "call_id": "c3", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c3", "output": ""},
    ]
    assert read(items).messages == (
        Message("user", (Text("q"),)),
        Message("assistant", (Thinking("hm", "sig"), Text("I look"), ToolCall("c1", "weather"), ToolCall("c2", "time"))),
        Message("tool", (ToolResult("c1", (Text("21"),), name="weather"), ToolResult("c2", (Text("noon"),), name="time"))),
        Message("assistant", (ToolCall("c3", "weather"),)),
        Message("tool", (ToolResult("c3", (), name="weather"),)),
    )


def test_pictures_and_files() -> None:
    content = [
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
        {"type": "input_image", "image_url": "https://a.b/c.png"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="},
        {"type": "input_file", "file_url": "https://a.b/c.pdf"},
    ]
    assert read([{"role": "user", "content": content}]).messages[0].content == (
        Image("image/png", "AAAA", detail="low"),
        Image(url="https://a.b/c.png"),
        Document("application/pdf", "QQ==", name="a.pdf"),
        Document(url="https://a.b/c.pdf"),
    )


def test_tools_and_formats() -> None:
    request = read("q", tools=[TOOL], tool_choice={"type": "function", "name": "weather"}, parallel_tool_calls=False)
    assert request.tools == (Tool("weather", "", {"type": "object"}, True),)
    assert (request.tool_choice, request.parallel_tool_calls) == (ToolChoice("function", "weather"), False)
    form = {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}}
    assert read("q", text=form).response_format == ResponseFormat("json_schema", "n", {"type": "object"}, True)
    assert read("q", tool_choice="required").tool_choice is None  # without tools it says nothing
    assert read("q", include=["message.output_text.logprobs"], top_logprobs=2).top_logprobs == 2


@pytest.mark.parametrize("thought", [Thinking("hm", "sig"), Thinking(redacted="opaque")])
def test_a_sealed_block_comes_back_unchanged(thought: Thinking) -> None:
    summary = [{"type": "summary_text", "text": thought.text}] if thought.text else []
    items = [{"type": "reasoning", "summary": summary, "encrypted_content": sealed(thought)}, {"role": "user", "content": "go on"}]
    assert read(items).messages[0] == Message("assistant", (thought,))
    assert sealed(Thinking("hm")) is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "q", "background": True}, "background"),
        ({"input": "q", "conversation": "conv_1"}, "conversation"),
        ({"input": "q", "prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"input": []}, "input"),
        ({"input": "q", "tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"input": "q", "tools": [{"type": "function"}]}, "tools[0].name"),
        ({"input": "q", "tools": [TOOL], "tool_choice": "maybe"}, "tool_choice"),
        ({"input": "q", "text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"input": "q", "text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
    ],
)
def test_what_cannot_be_had_is_named_by_its_place(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(body["input"], **{name: value for name, value in body.items() if name != "input"})
    assert refused.value.param == param


def test_a_place_does_not_count_the_turns_before() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read([{"type": "computer_call"}], [{"role": "user", "content": "one"}])
    assert refused.value.param == "input[0].type"


def test_a_wrong_type_is_named_by_its_place() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.input\[0\]\.role"):
        read_body({"input": [{"role": 1}]})


def test_what_nobody_is_told() -> None:
    body = {"input": "q", "truncation": "auto", "service_tier": "flex", "text": {"verbosity": "low"}, "max_tool_calls": None}
    assert left_out(body) == ("service_tier", "text.verbosity", "truncation")
    assert left_out({"input": "q", "truncation": "disabled", "store": False}) == ()


@pytest.mark.parametrize(
    ("name", "owner"), [("msg_01ABC_0", "resp_01ABC"), ("fc_01ABC_12", "resp_01ABC"), ("msg_68d0", ""), ("", ""), ("a_b_c", "")]
)
def test_an_item_names_its_response(name: str, owner: str) -> None:
    assert item_owner(name) == owner
