import json
import struct
from typing import Any
from zlib import crc32

import pytest
from tests.unit.llm_gateway.simulator.wire import AWS, Got, Wire

from llm_gateway.simulator import FaultRule

_MODEL = "anthropic.claude-sonnet-4-5-20250929-v1%3A0"
_ASK: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "tell me"}]}]}
_SPEC = {
    "name": "get_weather",
    "inputSchema": {"json": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}},
}
_TOOLS = {"tools": [{"toolSpec": _SPEC}]}


def frames(data: bytes) -> list[tuple[dict[str, str], Any]]:
    """The event stream as (headers, payload), every length and checksum checked."""
    found = []
    while data:
        total, header_size, prelude_crc = struct.unpack("!III", data[:12])
        assert prelude_crc == crc32(data[:8])
        assert struct.unpack("!I", data[total - 4 : total])[0] == crc32(data[: total - 4])
        headers, at = {}, 12
        while at < 12 + header_size:
            name_end = at + 1 + data[at]
            assert data[name_end] == 7
            size = int.from_bytes(data[name_end + 1 : name_end + 3], "big")
            headers[data[at + 1 : name_end].decode()] = data[name_end + 3 : name_end + 3 + size].decode()
            at = name_end + 3 + size
        found.append((headers, json.loads(data[12 + header_size : total - 4])))
        data = data[total:]
    return found


def _converse(wire: Wire, **more: Any) -> Got:
    return wire.post("bedrock_native", f"/model/{_MODEL}/converse", {**_ASK, **more}, AWS)


def _stream(wire: Wire, **more: Any) -> list[tuple[str, Any]]:
    got = wire.post("bedrock_native", f"/model/{_MODEL}/converse-stream", {**_ASK, **more}, AWS)
    assert got.headers["content-type"] == "application/vnd.amazon.eventstream"
    events = frames(got.body)
    assert all(headers[":message-type"] == "event" and headers[":content-type"] == "application/json" for headers, _ in events)
    return [(headers[":event-type"], payload) for headers, payload in events]


def test_a_whole_answer(wire: Wire) -> None:
    got = _converse(wire)
    assert {*got.json} == {"metrics", "output", "stopReason", "usage"}
    assert (got.json["stopReason"], got.json["output"]["message"]["role"]) == ("end_turn", "assistant")
    text = got.json["output"]["message"]["content"][0]["text"]
    assert text.startswith("[simulated bedrock_native/anthropic.claude-sonnet-4-5-20250929-v1:0] ")
    usage = got.json["usage"]
    assert (usage["inputTokens"], usage["outputTokens"]) == (2, -(-len(text.encode()) // 4))
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert "model" not in got.json
    assert len(got.headers["x-amzn-requestid"]) == 36


def test_a_stream_starts_text_without_a_start_event_and_sends_usage_after_the_stop(wire: Wire) -> None:
    events = _stream(wire)
    names = [name for name, _ in events]
    assert (names[0], names[-3:]) == ("messageStart", ["contentBlockStop", "messageStop", "metadata"])
    assert "contentBlockStart" not in names
    whole = _converse(wire).json
    assert (
        "".join(payload["delta"]["text"] for name, payload in events if name == "contentBlockDelta")
        == whole["output"]["message"]["content"][0]["text"]
    )
    assert (events[-1][1]["usage"], events[-2][1]["stopReason"]) == (whole["usage"], "end_turn")
    assert len({len(payload["p"]) for _, payload in events}) > 1


def test_tool_calls(wire: Wire) -> None:
    more = {"toolConfig": _TOOLS, "messages": [{"role": "user", "content": [{"text": "get_weather in Oslo, then get_weather in Rome"}]}]}
    whole = _converse(wire, **more).json
    assert (whole["stopReason"], [block["toolUse"]["input"] for block in whole["output"]["message"]["content"]]) == (
        "tool_use",
        [{"place": "Oslo"}, {"place": "Rome"}],
    )
    built: dict[int, str] = {}
    for name, payload in _stream(wire, **more):
        if name == "contentBlockStart":
            assert payload["start"]["toolUse"]["name"] == "get_weather"
            built[payload["contentBlockIndex"]] = ""
        elif name == "contentBlockDelta":
            built[payload["contentBlockIndex"]] += payload["delta"]["toolUse"]["input"]
    assert {index: json.loads(text) for index, text in built.items()} == {0: {"place": "Oslo"}, 1: {"place": "Rome"}}


def test_a_tools_result_needs_the_tool_config(wire: Wire) -> None:
    use = {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {}}}
    result = {"toolResult": {"toolUseId": "t1", "content": [{"json": {"degrees": 4}}]}}
    messages = [*_ASK["messages"], {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    assert "toolConfig" in _converse(wire, messages=messages).json["message"]
    answered = _converse(wire, messages=messages, toolConfig=_TOOLS).json
    assert '{"degrees":4}' in answered["output"]["message"]["content"][0]["text"]


def test_reasoning_and_structured_output(wire: Wire) -> None:
    more = {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}
    content = _converse(wire, **more).json["output"]["message"]["content"]
    assert {*content[0]["reasoningContent"]["reasoningText"]} == {"text", "signature"}
    deltas = [payload["delta"] for name, payload in _stream(wire, **more) if name == "contentBlockDelta"]
    streamed = "".join(delta["reasoningContent"].get("text", "") for delta in deltas if "reasoningContent" in delta)
    assert streamed == content[0]["reasoningContent"]["reasoningText"]["text"]
    schema = json.dumps({"type": "object", "properties": {"n": {"const": 3}}, "required": ["n"]})
    shape = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema, "name": "n"}}}}
    assert json.loads(_converse(wire, outputConfig=shape).json["output"]["message"]["content"][0]["text"]) == {"n": 3}


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (429, "throttlingException"),
        (503, "serviceUnavailableException"),
        (408, "modelTimeoutException"),
        (424, "modelStreamErrorException"),
        (400, "validationException"),
        (500, "internalServerException"),
    ],
)
def test_exceptions_inside_a_stream(wire: Wire, status: int, name: str) -> None:
    wire.simulator.add_faults(FaultRule(error_after_chunks=3, error_status=status, message="gone"))
    got = wire.post("bedrock_native", f"/model/{_MODEL}/converse-stream", _ASK, AWS)
    headers, payload = frames(got.body)[-1]
    assert (got.status, len(frames(got.body)), payload) == (200, 4, {"message": "gone"})
    assert (headers[":message-type"], headers[":exception-type"]) == ("exception", name)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "assistant", "content": [{"text": "x"}]}]}, "start with a user"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}] * 2}, "alternate"),
        ({"messages": [{"role": "system", "content": [{"text": "x"}]}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": []}]}, "empty"),
        ({"messages": [{"role": "user", "content": [{"text": " "}]}]}, "blank"),
        ({"messages": [{"role": "user", "content": [{"document": {"name": "my_file.pdf"}}]}]}, "file name"),
        ({"inferenceConfig": {"maxTokens": 0}}, "maxTokens"),
        ({"inferenceConfig": {"n": 2}}, "inferenceConfig.n"),
        ({"toolConfig": {"tools": []}}, "toolConfig.tools"),
        ({"stream": True}, "stream"),
    ],
)
def test_a_wrong_request_is_a_validation_exception(wire: Wire, more: dict[str, Any], named: str) -> None:
    got = _converse(wire, **more)
    assert (got.status, got.headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert named in got.json["message"]


@pytest.mark.parametrize(
    ("model", "body", "size"),
    [
        ("amazon.titan-embed-text-v1", {"inputText": "hello"}, 1536),
        ("amazon.titan-embed-text-v2%3A0", {"inputText": "hello"}, 1024),
        ("amazon.titan-embed-text-v2%3A0", {"inputText": "hello", "dimensions": 256, "normalize": True}, 256),
    ],
)
def test_titan_embeddings(wire: Wire, model: str, body: object, size: int) -> None:
    got = wire.post("bedrock_native", f"/model/{model}/invoke", body, AWS)
    assert (len(got.json["embedding"]), got.json["inputTextTokenCount"], got.headers["x-amzn-bedrock-input-token-count"]) == (size, 2, "2")


def test_cohere_embeddings(wire: Wire) -> None:
    path = "/model/cohere.embed-english-v3/invoke"
    body = {"texts": ["hello", "bye"], "input_type": "search_document"}
    got = wire.post("bedrock_native", path, body, AWS)
    assert (got.json["response_type"], [len(values) for values in got.json["embeddings"]]) == ("embeddings_floats", [1024, 1024])
    typed = wire.post("bedrock_native", path, {**body, "embedding_types": ["float"]}, AWS).json
    assert typed["embeddings"]["float"] == got.json["embeddings"]
    assert wire.post("bedrock_native", path, {"texts": ["x"]}, AWS).status == 400


def test_a_request_needs_authorization(wire: Wire) -> None:
    got = wire.post("bedrock_native", f"/model/{_MODEL}/converse", _ASK)
    assert (got.status, got.headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")
    got = wire.post("bedrock_native", f"/model/{_MODEL}/converse", _ASK, {"authorization": "Basic eDp5"})
    assert (got.status, got.headers["x-amzn-errortype"]) == (403, "IncompleteSignatureException")


def test_models_and_unknown_operations(wire: Wire) -> None:
    summaries = wire.get("bedrock_native", "/foundation-models", AWS).json["modelSummaries"]
    assert {"EMBEDDING"} in [{*summary["outputModalities"]} for summary in summaries]
    assert wire.post("bedrock_native", "/model/m/dance", {}, AWS).headers["x-amzn-errortype"] == "UnknownOperationException"
