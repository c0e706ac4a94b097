"""The Bedrock proxy's bodies, prompts and answers."""

import msgspec
import pytest

from llm_gateway.core.errors import InvalidRequest, ProviderBadResponse
from llm_gateway.core.types import (
    ChatRequest,
    Chunk,
    EmbeddingRequest,
    FinishReason,
    Image,
    Message,
    Native,
    Request,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from llm_gateway.protocols.bedrock_proxy import encode, prompt, whole

HI = Message("user", "hi")


def test_a_lone_user_message_is_the_prompt() -> None:
    assert msgspec.json.decode(encode(ChatRequest((HI,)), "m", "")) == {"model": "m", "prompt": "hi", "params": {}}


def test_a_conversation_is_written_out() -> None:
    request = ChatRequest(
        (
            Message("system", "Be brief."),
            Message("user", (Text("a"), Text("b"))),
            Message("assistant", (Thinking("secretly"), Text("c"))),
            HI,
        )
    )
    assert prompt(request) == "System: Be brief.\n\nUser: ab\n\nAssistant: c\n\nUser: hi\n\nAssistant:"
    assert prompt(ChatRequest((Message("system", "x"),))) == "System: x\n\nAssistant:"


def test_every_field_the_proxy_knows() -> None:
    request = ChatRequest(
        (HI,), temperature=1.5, max_tokens=5, top_p=0.5, stop=("END",), stream=True, seed=1, response_format=ResponseFormat("json_object")
    )
    assert msgspec.json.decode(encode(request, "m", "eu-west-1")) == {
        "model": "m",
        "prompt": "hi",
        "params": {"temperature": 1.0, "max_tokens": 5, "top_p": 0.5, "stop": ["END"]},
        "region": "eu-west-1",
        "format": "json",
    }


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (EmbeddingRequest(("a",)), "input"),
        (ChatRequest((HI,), tools=(Tool("f"),)), "tools"),
        (ChatRequest((HI,), n=2), "n"),
        (ChatRequest((HI,), logprobs=True), "logprobs"),
        (ChatRequest((HI,), top_logprobs=1), "logprobs"),
        (ChatRequest((HI,), response_format=ResponseFormat("json_schema", "x", {})), "response_format"),
        (ChatRequest((HI, Message("user", (Image("image/png", "x"),)))), "messages[1]"),
        (ChatRequest((HI, Message("assistant", (ToolCall("a", "f"),)))), "messages[1]"),
        (ChatRequest((HI, Message("tool", (ToolResult("a"),)))), "messages[1]"),
    ],
)
def test_what_the_proxy_cannot_carry(request_: Request, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(request_, "m", "")
    assert caught.value.param == param


def test_a_native_body_keeps_its_unknown_fields() -> None:
    request = ChatRequest((HI,), native=Native("bedrock_proxy", {"model": "other", "prompt": "p", "title": "t"}))
    assert msgspec.json.decode(encode(request, "m", "r")) == {"model": "m", "prompt": "p", "title": "t"}


def test_an_answer_is_one_chunk_without_usage() -> None:
    body = b'{"output":"Hello","model":"real","region":"us-east-1"}'
    assert whole(body, "m") == Chunk(
        text="Hello", finish_reason=FinishReason.STOP, response_model="real", raw=body, raw_protocol="bedrock_proxy"
    )
    assert whole(b'{"output":""}', "m").response_model == "m"


def test_structured_output_becomes_its_text() -> None:
    assert whole(b'{"output":{"a":[1]}}', "m").text == '{"a":[1]}'


@pytest.mark.parametrize("body", [b"{}", b'{"error":"boom"}', b'{"output":null}', b"", b"<html>", b'"text"'])
def test_bad_answers(body: bytes) -> None:
    with pytest.raises(ProviderBadResponse):
        whole(body, "m")
