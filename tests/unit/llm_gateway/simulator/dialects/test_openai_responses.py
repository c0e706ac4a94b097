import json

import pytest
from tests.unit.llm_gateway.simulator.wire import Wire

_TOOL = {
    "type": "function",
    "name": "look_up",
    "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
}


def test_a_whole_response(wire: Wire) -> None:
    answer = wire.post("openai", "/v1/responses", {"model": "gpt-4o", "input": "tell me", "instructions": "be kind"}).json
    (item,) = answer["output"]
    (part,) = item["content"]
    assert (answer["object"], answer["status"], item["type"], item["role"], part["type"]) == (
        "response",
        "completed",
        "message",
        "assistant",
        "output_text",
    )
    assert part["text"].startswith("[simulated openai/gpt-4o] ")
    usage = answer["usage"]
    assert usage["input_tokens"] == -(-len("tell mebe kind") // 4)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_a_stream_is_numbered_and_ends_with_the_whole(wire: Wire) -> None:
    events = wire.post(
        "openai", "/v1/responses", {"model": "gpt-5", "input": [{"role": "user", "content": "tell me"}], "stream": True}
    ).events
    assert [data["sequence_number"] for _, data in events] == [*range(len(events))]
    assert all(name == data["type"] for name, data in events)
    names = [name for name, _ in events]
    assert names[:2] == ["response.created", "response.in_progress"]
    assert names[-3:] == ["response.content_part.done", "response.output_item.done", "response.completed"]
    text = "".join(data["delta"] for name, data in events if name == "response.output_text.delta")
    last = events[-1][1]["response"]
    assert last["output"][-1]["content"][0]["text"] == text
    assert last["output"][0]["type"] == "reasoning"
    assert last["usage"]["output_tokens_details"]["reasoning_tokens"] > 0


def test_a_function_call_and_its_answer(wire: Wire) -> None:
    body = {"model": "gpt-4o", "input": "look_up Nonce", "tools": [_TOOL]}
    call = wire.post("openai", "/v1/responses", body).json["output"][-1]
    assert (call["type"], call["name"], json.loads(call["arguments"])) == ("function_call", "look_up", {"word": "Nonce"})
    events = wire.post("openai", "/v1/responses", {**body, "stream": True}).events
    deltas = "".join(data["delta"] for name, data in events if name == "response.function_call_arguments.delta")
    assert deltas == call["arguments"]
    told = [
        {"role": "user", "content": "look_up Nonce"},
        call,
        {"type": "function_call_output", "call_id": call["call_id"], "output": "a number"},
    ]
    done = wire.post("openai", "/v1/responses", {**body, "input": told}).json["output"][-1]
    assert "a number" in done["content"][0]["text"]


def test_a_cut_response_is_incomplete(wire: Wire) -> None:
    answer = wire.post("openai", "/v1/responses", {"model": "gpt-4o", "input": "tell me", "max_output_tokens": 16}).json
    assert (answer["status"], answer["incomplete_details"], answer["usage"]["output_tokens"]) == (
        "incomplete",
        {"reason": "max_output_tokens"},
        16,
    )


def test_structured_text(wire: Wire) -> None:
    shape = {
        "format": {"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {"n": {"const": 3}}, "required": ["n"]}}
    }
    answer = wire.post("openai", "/v1/responses", {"model": "gpt-4o", "input": "x", "text": shape}).json
    assert json.loads(answer["output"][0]["content"][0]["text"]) == {"n": 3}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "x"}, "model"),
        ({"model": "m"}, "input"),
        ({"model": "m", "input": [{"type": "odd"}]}, "input[0].type"),
        ({"model": "m", "input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "input[0].content[0].type"),
        ({"model": "m", "input": "x", "max_output_tokens": 1}, "max_output_tokens"),
    ],
)
def test_a_wrong_request_is_refused_by_its_field(wire: Wire, body: object, param: str) -> None:
    got = wire.post("openai", "/v1/responses", body)
    assert (got.status, got.json["error"]["param"]) == (400, param)
