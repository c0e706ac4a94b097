"""Canonical requests as Anthropic bodies."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from llm_gateway.protocols.anthropic_messages import DEFAULT_MAX_TOKENS, EFFORT_BUDGET_TOKENS, JSON_INSTRUCTION, encode_chat, generation

MODEL = "claude-sonnet-4-5"
HI = (Message("user", "hi"),)
TOOL = Tool("look", "Looks.", {"type": "object", "properties": {"q": {"type": "string"}}})


def body_of(request: ChatRequest, model: str = MODEL) -> dict:
    return json.loads(encode_chat(request, model))


def refused(request: ChatRequest, model: str = MODEL) -> str:
    with pytest.raises(InvalidRequest) as caught:
        encode_chat(request, model)
    assert caught.value.param is not None
    assert caught.value.message.startswith(caught.value.param)
    return caught.value.param


def test_smallest():
    assert body_of(ChatRequest(HI)) == {
        "model": MODEL,
        "max_tokens": DEFAULT_MAX_TOKENS,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


def test_plain_fields():
    body = body_of(ChatRequest(HI, stream=True, max_tokens=7, temperature=0.5, stop=("END", "x"), end_user="u1", seed=3))
    assert body["stream"] is True
    assert body["max_tokens"] == 7
    assert body["temperature"] == 0.5
    assert body["stop_sequences"] == ["END", "x"]
    assert body["metadata"] == {"user_id": "u1"}
    assert "seed" not in body


def test_a_temperature_above_the_range_is_clamped():
    assert body_of(ChatRequest(HI, temperature=1.7))["temperature"] == 1.0
    assert body_of(ChatRequest(HI, temperature=0.0))["temperature"] == 0.0


def test_temperature_and_top_p_go_together_on_old_models_only():
    both = ChatRequest(HI, temperature=0.2, top_p=0.9)
    assert body_of(both, "claude-3-haiku-20240307")["top_p"] == 0.9
    assert "top_p" not in body_of(both)
    assert body_of(ChatRequest(HI, top_p=0.9))["top_p"] == 0.9


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-sonnet-5", "claude-fable-5"])
def test_models_that_refuse_sampling_fields_get_none(model):
    body = body_of(ChatRequest(HI, temperature=0.2, top_p=0.9), model)
    assert not {"temperature", "top_p"} & body.keys()


def test_system_messages_become_blocks_with_their_cache_control():
    cached = {"type": "ephemeral"}
    request = ChatRequest((Message("system", "a"), *HI, Message("system", (Text("b", cached), Text(" "))), Message("assistant", "yo")))
    body = body_of(request)
    assert body["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": cached}]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant"]


def test_tool_results_and_neighbours_of_one_role_merge():
    request = ChatRequest(
        (
            Message("user", "weather?"),
            Message("assistant", "Looking."),
            Message("assistant", (ToolCall("t1", "look", '{"q": "a"}'), ToolCall("t2", "look", ""))),
            Message("tool", (ToolResult("t1", (Text("sun"),)),)),
            Message("tool", (ToolResult("t2", (Text("oops"), Image("image/png", "AAAA")), is_error=True),)),
            Message("user", "so?"),
        ),
        tools=(TOOL,),
    )
    turns = body_of(request)["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert turns[1]["content"] == [
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": "t1", "name": "look", "input": {"q": "a"}},
        {"type": "tool_use", "id": "t2", "name": "look", "input": {}},
    ]
    assert turns[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "sun"}]},
        {
            "type": "tool_result",
            "tool_use_id": "t2",
            "content": [
                {"type": "text", "text": "oops"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            ],
            "is_error": True,
        },
        {"type": "text", "text": "so?"},
    ]


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.sampled_from(["", " ", "a", "b"])), max_size=8))
def test_turns_alternate_and_lose_no_text(said):
    messages = tuple(Message(role, text) for role, text in said)
    spoken = [text for role, text in said if role != "system" and text.strip()]
    if not spoken:
        assert refused(ChatRequest(messages)) == "messages"
        return
    turns = body_of(ChatRequest(messages))["messages"]
    roles = [turn["role"] for turn in turns]
    assert all(one != other for one, other in itertools.pairwise(roles))
    assert [block["text"] for turn in turns for block in turn["content"]] == spoken


def test_arguments_pass_byte_for_byte():
    big = '{"n": 123456789012345678901234567890, "f":1.10}'
    request = ChatRequest((*HI, Message("assistant", (ToolCall("t", "look", big),))))
    assert big.encode() in encode_chat(request, MODEL)


@pytest.mark.parametrize("arguments", ["{", "[1]", '"x"', "nope", '{"a":1} {', pytest.param('{"a":' + "[" * 100_000, id="deep")])
def test_arguments_that_are_no_object_are_refused(arguments):
    assert refused(ChatRequest((*HI, Message("assistant", (ToolCall("t", "look", arguments),))))) == "messages"


def test_images_and_documents():
    cached = {"type": "ephemeral", "ttl": "1h"}
    parts = (
        Image("image/png", "AAAA", cache_control=cached),
        Image(url="https://example.test/a.png"),
        Document("application/pdf", "BBBB", name="report"),
        Document(text="plain"),
        Document(url="https://example.test/a.pdf", cache_control=cached),
    )
    assert body_of(ChatRequest((Message("user", parts),)))["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}, "cache_control": cached},
        {"type": "image", "source": {"type": "url", "url": "https://example.test/a.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"}, "title": "report"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
        {"type": "document", "source": {"type": "url", "url": "https://example.test/a.pdf"}, "cache_control": cached},
    ]


def test_thinking_goes_back_untouched_and_only_with_its_signature():
    parts = (Thinking("hm", "sig=="), Thinking(redacted="opaque"), Thinking("from elsewhere"), Text("so"))
    content = body_of(ChatRequest((*HI, Message("assistant", parts), *HI)))["messages"][1]["content"]
    assert content == [
        {"type": "thinking", "thinking": "hm", "signature": "sig=="},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "text", "text": "so"},
    ]


def test_tools():
    body = body_of(ChatRequest(HI, tools=(TOOL, Tool("bare", strict=True))))
    assert body["tools"] == [
        {"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}}},
        {"name": "bare", "input_schema": {"type": "object"}, "strict": True},
    ]
    assert "tool_choice" not in body


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("required"), None, {"type": "any"}),
        (ToolChoice("function", "look"), None, {"type": "tool", "name": "look"}),
        (ToolChoice("required"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, True, None),
    ],
)
def test_tool_choice(choice, parallel, expected):
    request = ChatRequest(HI, tools=(TOOL,), tool_choice=choice, parallel_tool_calls=parallel)
    assert body_of(request).get("tool_choice") == expected


def test_tool_choice_goes_without_tools():
    body = body_of(ChatRequest(HI, tool_choice=ToolChoice("auto"), parallel_tool_calls=False))
    assert not {"tools", "tool_choice"} & body.keys()


def test_json_by_schema_closes_every_object_and_leaves_the_callers_schema():
    schema = {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "list": {"type": "array", "items": {"type": "object", "properties": {"x": {"$ref": "#/$defs/P"}}}},
            "any": {"anyOf": [{"type": "object"}, {"type": "null"}]},
        },
        "$defs": {"P": {"properties": {}, "additionalProperties": True}},
    }
    before = json.dumps(schema)
    body = body_of(ChatRequest(HI, response_format=ResponseFormat("json_schema", "n", schema)))
    sent = body["output_config"]["format"]
    assert sent["type"] == "json_schema"
    assert sent["schema"] == {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "list": {
                "type": "array",
                "items": {"type": "object", "properties": {"x": {"$ref": "#/$defs/P"}}, "additionalProperties": False},
            },
            "any": {"anyOf": [{"type": "object", "additionalProperties": False}, {"type": "null"}]},
        },
        "$defs": {"P": {"properties": {}, "additionalProperties": False}},
        "additionalProperties": False,
    }
    assert json.dumps(schema) == before


def test_any_json_is_an_instruction_and_text_is_nothing():
    body = body_of(ChatRequest((Message("system", "s"), *HI), response_format=ResponseFormat("json_object")))
    assert body["system"] == [{"type": "text", "text": "s"}, {"type": "text", "text": JSON_INSTRUCTION}]
    assert body_of(ChatRequest(HI, response_format=ResponseFormat("text"))) == body_of(ChatRequest(HI))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"presence_penalty": -0.5}, "presence_penalty"),
        ({"stop": ("\n",)}, "stop"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"thinking_budget_tokens": 1000}, "thinking_budget_tokens"),
        ({"thinking_budget_tokens": 2000, "max_tokens": 2000}, "thinking_budget_tokens"),
        ({"response_format": ResponseFormat("json_schema")}, "response_format"),
    ],
)
def test_what_the_wire_cannot_say_is_refused_by_name(fields, param):
    assert refused(ChatRequest(HI, **fields)) == param


def test_zero_penalties_say_nothing():
    assert body_of(ChatRequest(HI, frequency_penalty=0.0, presence_penalty=0.0)) == body_of(ChatRequest(HI))


def test_an_image_in_a_system_message_is_refused():
    assert refused(ChatRequest((Message("system", (Image("image/png", "A"),)), *HI))) == "messages"


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("claude-3-7-sonnet-20250219", (3, 7)),
        ("claude-3-haiku-20240307", (3, 0)),
        ("claude-sonnet-4-20250514", (4, 0)),
        ("claude-opus-4-1-20250805", (4, 1)),
        ("claude-haiku-4-5-20251001", (4, 5)),
        ("claude-opus-4.6", (4, 6)),
        ("us.anthropic.claude-opus-4-7-v1:0", (4, 7)),
        ("claude-sonnet-5", (5, 0)),
        ("claude-mythos-preview", (5, 0)),
        ("MiniMax-M2", (0, 0)),
    ],
)
def test_generation(model, version):
    assert generation(model) == version


class TestThinking:
    def test_a_budget(self):
        body = body_of(ChatRequest(HI, thinking_budget_tokens=2048, max_tokens=4000, temperature=0.3, top_p=0.5))
        assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048}
        assert not {"temperature", "top_p"} & body.keys()

    def test_a_budget_comes_on_top_of_the_default_limit(self):
        assert body_of(ChatRequest(HI, thinking_budget_tokens=2048))["max_tokens"] == DEFAULT_MAX_TOKENS + 2048

    @pytest.mark.parametrize("effort", EFFORT_BUDGET_TOKENS)
    def test_effort_as_a_budget(self, effort):
        body = body_of(ChatRequest(HI, reasoning_effort=effort))
        assert body["thinking"]["budget_tokens"] == EFFORT_BUDGET_TOKENS[effort]
        assert body["max_tokens"] > body["thinking"]["budget_tokens"]
        assert "output_config" not in body

    @given(st.integers(1, 60_000), st.sampled_from(sorted(EFFORT_BUDGET_TOKENS)))
    def test_effort_keeps_within_the_callers_limit(self, limit, effort):
        body = body_of(ChatRequest(HI, reasoning_effort=effort, max_tokens=limit))
        assert body["max_tokens"] == limit
        if "thinking" in body:
            assert 1024 <= body["thinking"]["budget_tokens"] < limit
        else:
            assert limit < 2048

    @pytest.mark.parametrize(
        ("model", "effort", "sent"),
        [
            ("claude-opus-4-6", "minimal", "low"),
            ("claude-opus-4-6", "high", "high"),
            ("claude-opus-4-6", "xhigh", "high"),
            ("claude-opus-4-6", "max", "max"),
            ("claude-opus-4-7", "xhigh", "xhigh"),
            ("claude-sonnet-5", "medium", "medium"),
        ],
    )
    def test_effort_on_adaptive_models(self, model, effort, sent):
        body = body_of(ChatRequest(HI, reasoning_effort=effort, temperature=0.2), model)
        assert body["thinking"] == {"type": "adaptive"}
        assert body["output_config"] == {"effort": sent}
        assert body["max_tokens"] > DEFAULT_MAX_TOKENS
        assert "temperature" not in body

    def test_effort_and_schema_share_their_field(self):
        request = ChatRequest(HI, reasoning_effort="low", response_format=ResponseFormat("json_schema", "n", {"type": "object"}))
        assert body_of(request, "claude-sonnet-5")["output_config"].keys() == {"format", "effort"}

    def test_a_budget_where_none_is_taken_becomes_adaptive(self):
        request = ChatRequest(HI, thinking_budget_tokens=2048)
        assert body_of(request, "claude-sonnet-5")["thinking"] == {"type": "adaptive"}
        assert body_of(request, "claude-opus-4-6")["thinking"] == {"type": "enabled", "budget_tokens": 2048}

    @pytest.mark.parametrize("fields", [{"reasoning_effort": "none"}, {"thinking_budget_tokens": 0}])
    def test_off_is_said(self, fields):
        body = body_of(ChatRequest(HI, temperature=0.2, **fields))
        assert body["thinking"] == {"type": "disabled"}
        assert body["temperature"] == 0.2

    @pytest.mark.parametrize("model", [MODEL, "claude-sonnet-5"])
    def test_a_forced_tool_goes_without_thinking(self, model):
        request = ChatRequest(HI, tools=(TOOL,), tool_choice=ToolChoice("required"), reasoning_effort="high")
        assert "thinking" not in body_of(request, model)

    @pytest.mark.parametrize(("thinking", "enabled"), [((), False), ((Thinking("hm"),), False), ((Thinking("hm", "sig"),), True)])
    def test_a_running_tool_call_needs_its_thinking(self, thinking, enabled):
        messages = (*HI, Message("assistant", (*thinking, ToolCall("t", "look"))), Message("tool", (ToolResult("t"),)))
        request = ChatRequest(messages, tools=(TOOL,), reasoning_effort="high")
        assert ("thinking" in body_of(request)) is enabled


class TestNative:
    BODY = {  # noqa: RUF012
        "model": "auto",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 1.5,
        "context_management": {"edits": [{"type": "x"}]},
        "system": "s",
    }

    def test_only_model_and_stream_change(self):
        native = Native("anthropic", self.BODY)
        assert body_of(ChatRequest(HI, native=native, n=3)) == {**self.BODY, "model": MODEL}
        assert body_of(ChatRequest(HI, native=native, stream=True)) == {**self.BODY, "model": MODEL, "stream": True}
        told = Native("anthropic", {**self.BODY, "stream": True})
        assert body_of(ChatRequest(HI, native=told)) == {**self.BODY, "model": MODEL, "stream": False}
        assert self.BODY["model"] == "auto"

    @pytest.mark.parametrize("native", [Native("openai", BODY), Native("anthropic", {"prompt": "x"})])
    def test_another_body_is_translated(self, native):
        assert body_of(ChatRequest(HI, native=native)) == body_of(ChatRequest(HI))
