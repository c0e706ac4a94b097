import json
from typing import Any

import pytest
from tests.unit.llm_gateway.simulator.wire import ANTHROPIC, Got, Wire

from llm_gateway.simulator import SimulatorConfig, simulator_process

_PATH = "/v1/messages"
_ASK: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 2000, "messages": [{"role": "user", "content": "tell me"}]}
_SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
_TOOLS = [{"name": "get_weather", "input_schema": _SCHEMA}, {"name": "get_time", "input_schema": {"type": "object"}}]


def _tokens(text: str) -> int:
    return -(-len(text.encode()) // 4)


def _post(wire: Wire, **more: Any) -> Got:
    return wire.post("anthropic", _PATH, {**_ASK, **more}, ANTHROPIC)


def _assemble(got: Got) -> dict[str, Any]:
    """The message that the stream adds up to, checking the order of its events."""
    events = got.events
    assert all(name == data["type"] for name, data in events)
    assert (events[0][0], events[-2][0], events[-1][0]) == ("message_start", "message_delta", "message_stop")
    assert [name for name, _ in events].count("ping") == 1
    message: dict[str, Any] = events[0][1]["message"]
    assert (message["content"], message["stop_reason"]) == ([], None)
    is_open = False
    for name, data in events[1:-2]:
        if name == "content_block_start":
            assert (is_open, data["index"]) == (False, len(message["content"]))
            is_open, partial = True, ""
            message["content"].append(data["content_block"])
        elif name == "content_block_delta":
            assert (is_open, data["index"]) == (True, len(message["content"]) - 1)
            block, delta = message["content"][-1], data["delta"]
            key = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}.get(delta["type"])
            if key is None:
                partial += delta["partial_json"]
                block["input"] = json.loads(partial) if delta["partial_json"] and partial.endswith("}") else block["input"]
            else:
                block[key] += delta[key]
        elif name == "content_block_stop":
            is_open = False
    assert not is_open
    message.update(events[-2][1]["delta"])
    message["usage"].update(events[-2][1]["usage"])
    return message


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"max_tokens": 9},
        {"stop_sequences": ["real"]},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"tools": _TOOLS, "messages": [{"role": "user", "content": "get_weather in Oslo, then get_time, then get_weather in Rome"}]},
    ],
)
def test_a_stream_adds_up_to_the_whole_message(wire: Wire, more: dict[str, Any]) -> None:
    whole, streamed = _post(wire, **more).json, _assemble(_post(wire, stream=True, **more))
    for message in (whole, streamed):
        for block in message["content"]:
            block.pop("id", None)
        del message["id"]
    assert streamed == whole


def test_a_whole_message_has_every_field_and_counts_right(wire: Wire) -> None:
    got = _post(wire)
    message = got.json
    assert {*message} == {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"}
    assert (message["type"], message["role"], message["stop_reason"], message["stop_sequence"]) == (
        "message",
        "assistant",
        "end_turn",
        None,
    )
    (block,) = message["content"]
    assert block["text"].startswith("[simulated anthropic/claude-sonnet-4-5] ")
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (2, _tokens(block["text"]))
    limits = [name for name in got.headers if name.startswith("anthropic-ratelimit-")]
    assert len(limits) == 12
    assert got.headers["request-id"].startswith("req_")


def test_the_first_usage_is_a_placeholder(wire: Wire) -> None:
    events = _post(wire, stream=True).events
    assert events[0][1]["message"]["usage"]["output_tokens"] == 1
    assert events[-2][1]["usage"]["output_tokens"] > 1


@pytest.mark.parametrize(
    ("more", "reason", "stop"),
    [({"max_tokens": 5}, "max_tokens", None), ({"stop_sequences": ["real"]}, "stop_sequence", "real"), ({}, "end_turn", None)],
)
def test_stop_reasons(wire: Wire, more: dict[str, Any], reason: str, stop: str | None) -> None:
    message = _post(wire, **more).json
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, stop)


def test_a_tool_call_comes_after_a_word_and_a_tool_without_arguments_has_an_empty_delta(wire: Wire) -> None:
    more = {"tools": _TOOLS, "messages": [{"role": "user", "content": "get_time please"}]}
    message = _post(wire, **more).json
    assert [block["type"] for block in message["content"]] == ["text", "tool_use"]
    assert (message["content"][1]["input"], message["stop_reason"]) == ({}, "tool_use")
    events = _post(wire, stream=True, **more).events
    assert [data["delta"]["partial_json"] for _, data in events if data.get("delta", {}).get("type") == "input_json_delta"] == [""]
    assert message["usage"]["output_tokens"] == _tokens(message["content"][0]["text"]) + _tokens("get_time{}")


def test_tool_results_are_answered_in_text(wire: Wire) -> None:
    asked = {"role": "user", "content": "get_weather in Oslo"}
    call = _post(wire, tools=_TOOLS, messages=[asked]).json["content"]
    result = {"type": "tool_result", "tool_use_id": call[1]["id"], "content": [{"type": "text", "text": "4 degrees"}]}
    messages = [asked, {"role": "assistant", "content": call}, {"role": "user", "content": [result]}]
    done = _post(wire, tools=_TOOLS, messages=messages).json
    assert (done["stop_reason"], "4 degrees" in done["content"][0]["text"]) == ("end_turn", True)
    missing = _post(wire, tools=_TOOLS, messages=[*messages[:2], {"role": "user", "content": "well?"}])
    assert (missing.status, call[1]["id"] in missing.json["error"]["message"]) == (400, True)


def test_thinking_can_be_sent_back_with_its_signature(wire: Wire) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    message = _post(wire, thinking=thinking).json
    assert [block["type"] for block in message["content"]] == ["thinking", "text"]
    assert message["usage"]["output_tokens"] == sum(_tokens(block.get("thinking") or block["text"]) for block in message["content"])
    back = [*_ASK["messages"], {"role": "assistant", "content": message["content"]}, {"role": "user", "content": "go on"}]
    assert _post(wire, thinking=thinking, messages=back).status == 200
    del message["content"][0]["signature"]
    assert _post(wire, thinking=thinking, messages=back).status == 400


def test_a_marked_beginning_is_written_to_the_cache_and_then_read(wire: Wire) -> None:
    system = [{"type": "text", "text": "a beginning worth keeping, number 4711", "cache_control": {"type": "ephemeral"}}]
    first, second = (_post(wire, system=system).json["usage"] for _ in range(2))
    size = _tokens("a beginning worth keeping, number 4711")
    assert (first["cache_creation_input_tokens"], first["cache_read_input_tokens"]) == (size, 0)
    assert (second["cache_creation_input_tokens"], second["cache_read_input_tokens"]) == (0, size)
    assert first["input_tokens"] == second["input_tokens"] == _tokens("a beginning worth keeping, number 4711tell me") - size
    totals = wire.simulator.counts()["anthropic"].models["claude-sonnet-4-5"]
    assert (totals.cache_read_tokens, totals.cache_write_tokens) == (size, size)


def test_tokens_are_counted_as_they_are_charged(wire: Wire) -> None:
    body = {name: value for name, value in _ASK.items() if name != "max_tokens"} | {"tools": _TOOLS, "system": "be kind"}
    counted = wire.post("anthropic", _PATH + "/count_tokens", body, ANTHROPIC).json
    assert counted == {"input_tokens": _post(wire, tools=_TOOLS, system="be kind").json["usage"]["input_tokens"]}


def test_structured_output(wire: Wire) -> None:
    shape = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"n": {"const": 3}}, "required": ["n"]}}}
    assert json.loads(_post(wire, output_config=shape).json["content"][0]["text"]) == {"n": 3}


def test_models(wire: Wire) -> None:
    listed = wire.get("anthropic", "/v1/models", ANTHROPIC).json
    assert (listed["has_more"], listed["first_id"], listed["data"][0]["type"]) == (False, listed["data"][0]["id"], "model")
    assert wire.get("anthropic", f"/v1/models/{listed['last_id']}", ANTHROPIC).json["id"] == listed["last_id"]
    assert wire.get("anthropic", "/v1/models/none", ANTHROPIC).status == 404


_USER = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, 'role "system"'),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "first message"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, "non-empty"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "image_url"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t9"}]}]}, "t9"),
        ({"temperature": 1.5}, "temperature"),
        ({"frequency_penalty": 1}, "frequency_penalty"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [{"name": "f"}]}, "input_schema"),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}, "temperature": 0.5}, "temperature"),
        ({"system": [{"type": "image"}]}, "system.0"),
        ({"model": ""}, "model"),
    ],
)
def test_a_wrong_request_is_refused_by_its_field(wire: Wire, more: dict[str, Any], named: str) -> None:
    got = _post(wire, **more)
    assert (got.status, got.json["type"], got.json["error"]["type"]) == (400, "error", "invalid_request_error")
    assert named in got.json["error"]["message"]


def test_the_version_header_and_the_key() -> None:
    with simulator_process(SimulatorConfig(kinds=("anthropic",), keys={"anthropic": ("k",)})) as simulator:
        wire = Wire(simulator)
        unversioned = wire.post("anthropic", _PATH, _ASK, {"x-api-key": "k"})
        assert (unversioned.status, "anthropic-version" in unversioned.json["error"]["message"]) == (400, True)
        wrong = wire.post("anthropic", _PATH, _ASK, {**ANTHROPIC, "x-api-key": "no"})
        assert (wrong.status, wrong.json["error"]["type"]) == (401, "authentication_error")
        assert wire.post("anthropic", _PATH, _ASK, {**ANTHROPIC, "x-api-key": "k"}).status == 200
        assert wire.post("anthropic", _PATH, _ASK, {**ANTHROPIC, "authorization": "Bearer k"}).status == 200
