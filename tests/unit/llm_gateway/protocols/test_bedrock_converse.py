"""Converse bodies: what AWS refuses is never sent, and every body is valid by botocore's own model of the service."""

import base64
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import (
    ChatRequest,
    Document,
    Image,
    Json,
    JsonObject,
    Message,
    Native,
    Part,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from llm_gateway.protocols.bedrock_converse import ANSWER_TOOL, answers_by_tool, bare_name, encode

CLAUDE = "anthropic.claude-3-5-sonnet-20241022-v2:0"
SONNET_45 = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
LLAMA = "meta.llama3-1-70b-instruct-v1:0"
PIXEL = "iVBORw0KGgo="
SCHEMA: JsonObject = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
HI = Message("user", "hi")


@cache
def service() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")


def body(request: ChatRequest, model: str = CLAUDE) -> dict[str, Any]:
    """The body, after botocore found it valid."""
    decoded = msgspec.json.decode(encode(request, model), type=dict[str, Any])
    shape = service().operation_model("ConverseStream" if request.stream else "Converse").input_shape
    report = ParamValidator().validate({**decoded, "modelId": model}, shape)
    assert not report.has_errors(), report.generate_report()
    return decoded


def chat(*messages: Message, **fields: object) -> ChatRequest:
    return msgspec.structs.replace(ChatRequest(messages or (HI,)), **fields)


def test_the_least_request() -> None:
    assert body(chat()) == {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}


def test_inference_parameters() -> None:
    sent = body(chat(max_tokens=10, temperature=0.5, top_p=0.9, stop=("END",), seed=1, frequency_penalty=1.0, end_user="u"))
    assert sent["inferenceConfig"] == {"maxTokens": 10, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]}
    assert sent["additionalModelResponseFieldPaths"] == ["/stop_sequence"]
    assert "additionalModelResponseFieldPaths" not in body(chat(stop=("END",)), LLAMA)


def test_temperature_ends_at_one_and_a_top_p_that_cuts_nothing_is_left_out() -> None:
    assert body(chat(temperature=1.7, top_p=1.0))["inferenceConfig"] == {"temperature": 1.0}
    assert body(chat(temperature=0.0))["inferenceConfig"] == {"temperature": 0.0}


@pytest.mark.parametrize(("fields", "param"), [({"n": 2}, "n"), ({"logprobs": True}, "logprobs"), ({"top_logprobs": 0}, "logprobs")])
def test_what_converse_cannot_say(fields: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(chat(**fields), CLAUDE)
    assert caught.value.param == param


def test_system_messages_stand_apart() -> None:
    sent = body(chat(Message("system", "one"), HI, Message("system", (Text("two", {"type": "ephemeral"}), Text(" ")))))
    assert sent["system"] == [{"text": "one"}, {"text": "two"}, {"cachePoint": {"type": "default"}}]
    assert sent["messages"] == [{"role": "user", "content": [{"text": "hi"}]}]


def test_turns_of_one_role_and_tool_results_merge() -> None:
    call = Message("assistant", (ToolCall("a", "weather", '{"city":"Rome"}'), ToolCall("b", "weather", "")))
    results = tuple(Message("tool", (ToolResult(name, (Text(name),)),)) for name in ("a", "b"))
    sent = body(chat(HI, Message("user", "and?"), call, *results, Message("user", "so"), tools=(WEATHER,)))
    assert sent["messages"] == [
        {"role": "user", "content": [{"text": "hi"}, {"text": "and?"}]},
        {
            "role": "assistant",
            "content": [
                {"toolUse": {"toolUseId": "a", "name": "weather", "input": {"city": "Rome"}}},
                {"toolUse": {"toolUseId": "b", "name": "weather", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "a", "content": [{"text": "a"}]}},
                {"toolResult": {"toolUseId": "b", "content": [{"text": "b"}]}},
                {"text": "so"},
            ],
        },
    ]


@pytest.mark.parametrize("arguments", ["{", "[1]", '"x"', "nonsense"])
def test_malformed_arguments_are_kept_inside_an_object(arguments: str) -> None:
    sent = body(chat(HI, Message("assistant", (ToolCall("a", "weather", arguments),)), tools=(WEATHER,)))
    assert sent["messages"][1]["content"][0]["toolUse"]["input"] == {"malformed_arguments": arguments}


def test_history_with_tools_declares_them_when_the_request_does_not() -> None:
    history = (HI, Message("assistant", (ToolCall("a", "weather"),)), Message("tool", (ToolResult("a", (Text("x"),), name="weather"),)))
    empty_schema = {"json": {"type": "object", "properties": {}}}
    assert body(chat(*history))["toolConfig"] == {"tools": [{"toolSpec": {"name": "weather", "inputSchema": empty_schema}}]}
    only_result = chat(HI, Message("tool", (ToolResult("a", (Text("x"),), name="clock"),)))
    assert body(only_result)["toolConfig"]["tools"][0]["toolSpec"]["name"] == "clock"


def test_tools_and_choices() -> None:
    spec = {"toolSpec": {"name": "weather", "description": "Tells the weather.", "inputSchema": {"json": WEATHER.parameters}}}
    assert body(chat(tools=(WEATHER,)))["toolConfig"] == {"tools": [spec]}
    for choice, said in (
        (ToolChoice("auto"), {"auto": {}}),
        (ToolChoice("required"), {"any": {}}),
        (ToolChoice("function", "weather"), {"tool": {"name": "weather"}}),
    ):
        assert body(chat(tools=(WEATHER,), tool_choice=choice))["toolConfig"]["toolChoice"] == said
    assert "toolConfig" not in body(chat(tools=(WEATHER,), tool_choice=ToolChoice("none")))
    assert "toolConfig" not in body(chat(tool_choice=ToolChoice("required")))


def test_no_tool_may_be_called_though_the_history_needs_them() -> None:
    sent = body(chat(HI, Message("assistant", (ToolCall("a", "weather"),)), tools=(WEATHER,), tool_choice=ToolChoice("none")))
    assert "toolChoice" not in sent["toolConfig"]
    assert sent["system"] == [{"text": "Do not call any tool in this answer."}]


def test_blank_text_is_never_sent() -> None:
    sent = body(chat(Message("system", " "), HI, Message("assistant", ""), Message("assistant", (Text("\n"), Text("yes"))), HI))
    assert "system" not in sent
    assert [turn["content"] for turn in sent["messages"]] == [[{"text": "hi"}], [{"text": "yes"}], [{"text": "hi"}]]


def test_an_empty_user_turn_is_the_callers_fault() -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(chat(HI, Message("user", "  ")), CLAUDE)
    assert caught.value.param == "messages[1].content"


def test_images_and_documents() -> None:
    parts: tuple[Part, ...] = (
        Image("image/jpg", PIXEL),
        Document("application/pdf", "JVBERg==", name="my_report (v1.2)!  final.pdf"),
        Document("", text="plain", name="my_report (v1.2)! final.pdf"),
        Document("text/csv; charset=utf-8", url="s3://bucket/table.csv"),
    )
    assert body(chat(Message("user", parts)))["messages"][0]["content"] == [
        {"image": {"format": "jpeg", "source": {"bytes": PIXEL}}},
        {"document": {"format": "pdf", "name": "my report (v1 2) final pdf", "source": {"bytes": "JVBERg=="}}},
        {"document": {"format": "txt", "name": "my report (v1 2) final pdf (2)", "source": {"bytes": base64.b64encode(b"plain").decode()}}},
        {"document": {"format": "csv", "name": "document", "source": {"s3Location": {"uri": "s3://bucket/table.csv"}}}},
    ]


@pytest.mark.parametrize(
    "part",
    [Image("image/tiff", PIXEL), Image("image/png", url="https://example.com/a.png"), Document("video/mp4", PIXEL), Image(data=PIXEL)],
)
def test_media_that_bedrock_does_not_take(part: Part) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(chat(Message("user", (part,))), CLAUDE)
    assert caught.value.param == "messages"
    assert PIXEL not in caught.value.message


@given(st.lists(st.text(max_size=300), min_size=1, max_size=5))
def test_document_names_are_allowed_and_unique(names: list[str]) -> None:
    parts = tuple(Document("text/plain", "eA==", name=name) for name in names)
    sent = [block["document"]["name"] for block in body(chat(Message("user", parts)))["messages"][0]["content"]]
    assert len(set(sent)) == len(names)
    for name in sent:
        assert 1 <= len(name) <= 200
        assert all(char.isascii() and (char.isalnum() or char in " -()[]") for char in name)
        assert "  " not in name


def test_tool_results() -> None:
    def result(part: ToolResult, model: str = CLAUDE) -> Json:
        return body(chat(HI, Message("tool", (part,)), tools=(WEATHER,)), model)["messages"][0]["content"][1]["toolResult"]

    assert result(ToolResult("a")) == {"toolUseId": "a", "content": [{"text": ""}]}
    failed = ToolResult("a", (Text("no"), Image("image/png", PIXEL)), is_error=True)
    blocks = [{"text": "no"}, {"image": {"format": "png", "source": {"bytes": PIXEL}}}]
    assert result(failed) == {"toolUseId": "a", "content": blocks, "status": "error"}
    assert result(failed, LLAMA) == {"toolUseId": "a", "content": blocks}
    assert "status" not in result(ToolResult("a", (Text(" "),), is_error=True))


def test_ids_that_bedrock_does_not_take_are_renamed_alike_in_call_and_result() -> None:
    long = "call|" + "x" * 80
    sent = body(chat(HI, Message("assistant", (ToolCall(long, "weather"),)), Message("tool", (ToolResult(long),)), tools=(WEATHER,)))
    call, result = sent["messages"][1]["content"][0]["toolUse"], sent["messages"][2]["content"][0]["toolResult"]
    assert call["toolUseId"] == result["toolUseId"] != long
    assert len(call["toolUseId"]) <= 64
    assert call["toolUseId"].replace("_", "").isalnum()


def test_reasoning_returns_with_its_signature_only() -> None:
    turn = Message("assistant", (Thinking("why", "sig"), Thinking(redacted="b3BhcXVl"), Thinking("unsigned"), Text("so")))
    assert body(chat(HI, turn, HI))["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "why", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "b3BhcXVl"}},
        {"text": "so"},
    ]
    assert body(chat(HI, turn, HI), LLAMA)["messages"][1]["content"] == [{"text": "so"}]


def test_cache_points_follow_what_they_cache() -> None:
    marked = Message("user", (Text("long", {"type": "ephemeral", "ttl": "1h"}), Text("short")))
    expected = [{"text": "long"}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "short"}]
    assert body(chat(marked))["messages"][0]["content"] == expected
    assert body(chat(marked), LLAMA)["messages"][0]["content"] == [{"text": "long"}, {"text": "short"}]


FORMAT = ResponseFormat("json_schema", "person", SCHEMA)


def test_a_schema_is_a_tool_that_must_be_called() -> None:
    request = chat(response_format=FORMAT)
    assert answers_by_tool(request, CLAUDE)
    assert body(request)["toolConfig"] == {
        "tools": [
            {
                "toolSpec": {
                    "name": ANSWER_TOOL,
                    "description": "Give the final answer by calling this tool.",
                    "inputSchema": {"json": SCHEMA},
                }
            }
        ],
        "toolChoice": {"tool": {"name": ANSWER_TOOL}},
    }
    both = body(chat(response_format=FORMAT, tools=(WEATHER,)))["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in both["tools"]] == ["weather", ANSWER_TOOL]
    assert both["toolChoice"] == {"any": {}}


@pytest.mark.parametrize(
    ("request_", "model"),
    [
        (chat(response_format=FORMAT), LLAMA),
        (chat(response_format=FORMAT), "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"),
        (chat(response_format=FORMAT), "anthropic.claude-v2:1"),
        (chat(response_format=FORMAT, thinking_budget_tokens=2000), SONNET_45),
        (chat(response_format=FORMAT, tools=(WEATHER,), tool_choice=ToolChoice("required")), CLAUDE),
        (chat(response_format=ResponseFormat("json_schema", "list", {"type": "array"})), CLAUDE),
    ],
)
def test_where_no_tool_can_be_forced_the_schema_is_an_instruction(request_: ChatRequest, model: str) -> None:
    assert not answers_by_tool(request_, model)
    sent = body(request_, model)
    assert sent["system"][-1]["text"].startswith("Answer with one JSON value that obeys this JSON schema")
    assert msgspec.json.decode(sent["system"][-1]["text"].partition(": ")[2]) == request_.response_format.json_schema
    assert ANSWER_TOOL not in str(sent.get("toolConfig"))


def test_any_json_is_an_instruction() -> None:
    request = chat(response_format=ResponseFormat("json_object"))
    assert body(request)["system"] == [{"text": "Answer with one JSON object and nothing else."}]
    assert not answers_by_tool(request, CLAUDE)
    assert "system" not in body(chat(response_format=ResponseFormat("text")))


def test_thinking_budget() -> None:
    sent = body(chat(thinking_budget_tokens=2000, temperature=0.3, top_p=0.5), SONNET_45)
    assert sent["additionalModelRequestFields"] == {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    assert sent["inferenceConfig"] == {"maxTokens": 6096}


def test_reasoning_effort_in_the_words_of_the_maker() -> None:
    effort = chat(reasoning_effort="high")
    assert body(effort, SONNET_45)["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 16_384
    assert body(effort, "global.anthropic.claude-opus-4-6-v1")["outputConfig"] == {"effort": "high"}
    assert body(effort, "openai.gpt-oss-120b-1:0")["additionalModelRequestFields"] == {"reasoning_effort": "high"}
    for model in (CLAUDE, LLAMA):
        assert body(effort, model).keys() == {"messages"}


@pytest.mark.parametrize(
    "request_",
    [
        chat(reasoning_effort="high", max_tokens=1000),
        chat(reasoning_effort="high", tools=(WEATHER,), tool_choice=ToolChoice("required")),
        chat(HI, Message("assistant", (ToolCall("a", "weather"),)), reasoning_effort="high", tools=(WEATHER,)),
        chat(reasoning_effort="high", response_format=FORMAT),
    ],
)
def test_a_wish_for_effort_never_makes_a_request_invalid(request_: ChatRequest) -> None:
    assert "additionalModelRequestFields" not in body(request_, SONNET_45)


def test_a_native_body_keeps_its_unknown_fields() -> None:
    own: JsonObject = {"messages": [], "modelId": "other", "guardrailConfig": {"guardrailIdentifier": "g"}, "future": 1}
    request = chat(native=Native("bedrock", own), response_format=FORMAT)
    assert msgspec.json.decode(encode(request, CLAUDE)) == {"messages": [], "guardrailConfig": {"guardrailIdentifier": "g"}, "future": 1}
    assert not answers_by_tool(request, CLAUDE)
    assert body(chat(native=Native("openai", {"messages": []})))["messages"]


@pytest.mark.parametrize(
    ("model", "bare"),
    [
        (CLAUDE, CLAUDE),
        ("us." + CLAUDE, CLAUDE),
        ("us-gov." + CLAUDE, CLAUDE),
        ("arn:aws:bedrock:us-east-1::foundation-model/" + CLAUDE, CLAUDE),
        ("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu." + CLAUDE, CLAUDE),
        ("zai.glm-4.7", "zai.glm-4.7"),
        ("plain", "plain"),
    ],
)
def test_bare_names(model: str, bare: str) -> None:
    assert bare_name(model) == bare


texts = st.text(max_size=8)
controls = st.none() | st.just({"type": "ephemeral"})
media = st.builds(Text, texts, controls) | st.just(Image("image/png", PIXEL)) | st.builds(Document, text=st.just("x"), name=texts)
calls = st.builds(ToolCall, texts, st.sampled_from(["weather", "clock"]), st.sampled_from(["", "{}", '{"a":1}', "{"]))
results = st.builds(ToolResult, texts, st.lists(media, max_size=2).map(tuple), st.booleans(), st.sampled_from(["", "weather"]))
turns = (
    st.builds(Message, st.just("system"), texts)
    | st.builds(Message, st.just("user"), st.lists(media, max_size=2).map(lambda parts: (Text("x"), *parts)))
    | st.builds(Message, st.just("assistant"), st.lists(calls | media | st.builds(Thinking, texts, texts), max_size=3).map(tuple))
    | st.builds(Message, st.just("tool"), st.lists(results, min_size=1, max_size=2).map(tuple))
)
requests = st.builds(
    ChatRequest,
    messages=st.lists(turns, min_size=1, max_size=6).map(tuple),
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 10_000),
    tools=st.sampled_from([(), (WEATHER,)]),
    tool_choice=st.sampled_from([None, ToolChoice("auto"), ToolChoice("none"), ToolChoice("required"), ToolChoice("function", "weather")]),
    response_format=st.sampled_from([None, FORMAT, ResponseFormat("json_object")]),
    reasoning_effort=st.sampled_from([None, "low", "high"]),
)


@given(requests, st.sampled_from([CLAUDE, SONNET_45, LLAMA, "amazon.nova-pro-v1:0", "global.anthropic.claude-opus-4-6-v1"]))
def test_every_body_is_valid_and_obeys_what_the_model_of_the_service_does_not_say(request: ChatRequest, model: str) -> None:
    sent = body(request, model)
    roles = [turn["role"] for turn in sent["messages"]]
    assert all(left != right for left, right in pairwise(roles))
    blocks = [block for turn in sent["messages"] for block in turn["content"]]
    assert all(turn["content"] for turn in sent["messages"])
    assert all(block.get("text", "x").strip() for block in blocks)
    named = any(
        isinstance(part, ToolCall) or (isinstance(part, ToolResult) and part.name) for turn in request.messages for part in turn.parts()
    )
    assert not named or sent["toolConfig"]["tools"]
    assert sent.get("toolConfig", {}).get("toolChoice") is None or sent["toolConfig"]["tools"]
