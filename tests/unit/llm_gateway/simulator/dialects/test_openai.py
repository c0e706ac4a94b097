import json
from typing import Any

import pytest
from tests.unit.llm_gateway.simulator.wire import Got, Wire

from llm_gateway.simulator import SimulatorConfig, simulator_process

_CHAT = "/v1/chat/completions"
_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


def _user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def _tokens(text: str) -> int:
    return -(-len(text.encode()) // 4)


def _chunks(got: Got) -> list[Any]:
    """The stream's chunks, after checking what holds for every stream."""
    assert got.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert got.events[-1] == ("", "[DONE]")
    chunks = [data for _, data in got.events[:-1]]
    assert all(chunk["object"] == "chat.completion.chunk" and "choices" in chunk for chunk in chunks)
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    return chunks


def test_a_whole_answer_has_every_field_and_counts_right(wire: Wire) -> None:
    got = wire.chat("What is a nonce?")
    answer = got.json
    assert answer["id"].startswith("chatcmpl-")
    assert {*answer} == {"id", "object", "created", "model", "service_tier", "system_fingerprint", "choices", "usage"}
    (choice,) = answer["choices"]
    assert (answer["object"], choice["index"], choice["finish_reason"], choice["logprobs"]) == ("chat.completion", 0, "stop", None)
    assert {*choice["message"]} == {"role", "content", "refusal", "annotations"}
    text = choice["message"]["content"]
    assert text.startswith("[simulated openai/gpt-4o-mini] ")
    usage = answer["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (_tokens("What is a nonce?"), _tokens(text))
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert wire.simulator.counts()["openai"].models["gpt-4o-mini"].output_tokens == usage["completion_tokens"]


def test_headers_of_a_good_answer(wire: Wire) -> None:
    first, second = wire.chat().headers, wire.chat().headers
    assert first["x-request-id"] != second["x-request-id"]
    assert (first["openai-version"], first["x-ratelimit-limit-requests"]) == ("2020-10-01", "10000")
    assert int(first["x-ratelimit-remaining-tokens"]) != int(second["x-ratelimit-remaining-tokens"])
    assert float(first["x-ratelimit-reset-requests"].removesuffix("s")) <= 60


@pytest.mark.parametrize("asked", [False, True])
def test_a_stream_says_the_same_as_the_whole_answer(wire: Wire, asked: bool) -> None:
    whole = wire.chat("tell me").json
    more = {"stream_options": {"include_usage": True}} if asked else {}
    chunks = _chunks(wire.chat("tell me", stream=True, **more))
    usage_chunk = chunks.pop() if asked else None
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == whole["choices"][0]["message"]["content"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert chunks[-1]["choices"][0]["delta"] == {}
    if usage_chunk is None:
        assert all("usage" not in chunk for chunk in chunks)
    else:
        assert all(chunk["usage"] is None for chunk in chunks)
        assert (usage_chunk["choices"], usage_chunk["usage"]) == ([], whole["usage"])


def test_max_tokens_cuts_and_says_so(wire: Wire) -> None:
    answer = wire.chat("tell me", max_tokens=10).json
    assert (answer["choices"][0]["finish_reason"], answer["usage"]["completion_tokens"]) == ("length", 10)


def test_several_choices_interleave_and_are_all_charged(wire: Wire) -> None:
    whole = wire.chat("tell me", n=3).json
    texts = [choice["message"]["content"] for choice in whole["choices"]]
    assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2]
    assert (len({*texts}), whole["usage"]["completion_tokens"]) == (3, sum(map(_tokens, texts)))
    chunks = _chunks(wire.chat("tell me", n=3, stream=True))
    indices = [chunk["choices"][0]["index"] for chunk in chunks]
    assert indices[:6] == [0, 1, 2, 0, 1, 2]
    for index in range(3):
        pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"][0]["index"] == index]
        assert "".join(pieces) == texts[index]


def test_parallel_tool_calls_whole_and_streamed(wire: Wire) -> None:
    text = "get_weather in Oslo, then get_weather in Rome"
    whole = wire.chat(text, tools=[_TOOL]).json["choices"][0]
    assert (whole["finish_reason"], whole["message"]["content"]) == ("tool_calls", None)
    calls = whole["message"]["tool_calls"]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"place": "Oslo"}, {"place": "Rome"}]
    assert len({call["id"] for call in calls}) == 2
    chunks = _chunks(wire.chat(text, tools=[_TOOL], stream=True, stream_options={"include_usage": True}))
    built: dict[int, dict[str, str]] = {}
    for chunk in chunks[:-1]:
        for piece in chunk["choices"][0]["delta"].get("tool_calls", []):
            call = built.setdefault(piece["index"], {"id": piece.get("id", ""), "name": piece["function"].get("name", ""), "arguments": ""})
            call["arguments"] += piece["function"]["arguments"]
    assert [*built] == [0, 1]
    assert [(call["name"], json.loads(call["arguments"])) for call in built.values()] == [
        ("get_weather", {"place": "Oslo"}),
        ("get_weather", {"place": "Rome"}),
    ]
    spent = sum(_tokens(call["name"] + call["arguments"]) for call in built.values())
    assert chunks[-1]["usage"]["completion_tokens"] == spent


def test_after_the_tools_result_comes_text(wire: Wire) -> None:
    asked = wire.chat("get_weather in Oslo", tools=[_TOOL]).json["choices"][0]["message"]
    call_id = asked["tool_calls"][0]["id"]
    messages = [*_user("get_weather in Oslo"), asked, {"role": "tool", "tool_call_id": call_id, "content": "4 degrees"}]
    done = wire.post("openai", _CHAT, {"model": "gpt-4o", "messages": messages, "tools": [_TOOL]}).json["choices"][0]
    assert (done["finish_reason"], "4 degrees" in done["message"]["content"]) == ("stop", True)


def test_structured_output_obeys_the_schema(wire: Wire) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
    shape = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": schema}}
    found = json.loads(wire.chat("pick 7", response_format=shape).json["choices"][0]["message"]["content"])
    assert found == {"n": 7}
    free = wire.chat("as json please", response_format={"type": "json_object"}).json["choices"][0]["message"]["content"]
    assert json.loads(free)["simulated"] is True


def test_logprobs_have_an_entry_for_each_token(wire: Wire) -> None:
    whole = wire.chat("tell me", logprobs=True, top_logprobs=2).json
    entries = whole["choices"][0]["logprobs"]["content"]
    text = whole["choices"][0]["message"]["content"]
    assert len(entries) == whole["usage"]["completion_tokens"]
    assert b"".join(bytes(entry["bytes"]) for entry in entries).decode() == text
    assert all(len(entry["top_logprobs"]) == 2 and entry["logprob"] < 0 for entry in entries)
    chunks = _chunks(wire.chat("tell me", logprobs=True, top_logprobs=2, stream=True))
    streamed = [entry for chunk in chunks for entry in (chunk["choices"][0]["logprobs"] or {"content": []})["content"]]
    assert streamed == entries
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == text


def test_reasoning_tokens_are_part_of_the_completions(wire: Wire) -> None:
    body = {"model": "gpt-5", "messages": _user("tell me")}
    answer = wire.post("openai", _CHAT, body).json
    reasoning = answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert reasoning > 0
    assert answer["usage"]["completion_tokens"] == reasoning + _tokens(answer["choices"][0]["message"]["content"])
    cut = wire.post("openai", _CHAT, {**body, "max_completion_tokens": 5}).json
    assert (cut["choices"][0]["message"]["content"], cut["choices"][0]["finish_reason"]) == ("", "length")


def test_a_long_prompt_is_cached_the_second_time(wire: Wire) -> None:
    text = "a unique long prompt " * 300
    first, second = (wire.chat(text).json["usage"] for _ in range(2))
    assert (first["prompt_tokens_details"]["cached_tokens"], second["prompt_tokens_details"]["cached_tokens"]) == (0, 1024)
    assert first["prompt_tokens"] == second["prompt_tokens"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": _user("x")}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"model": "m", "messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0].type"),
        ({"model": "m", "messages": [{"role": "tool", "content": "x", "tool_call_id": "c"}]}, "messages[0].role"),
        ({"model": "m", "messages": _user("x"), "temperature": 3}, "temperature"),
        ({"model": "m", "messages": _user("x"), "max_tokens": 0}, "max_tokens"),
        ({"model": "m", "messages": _user("x"), "tools": []}, "tools"),
        ({"model": "m", "messages": _user("x"), "tool_choice": "auto"}, "tool_choice"),
        ({"model": "m", "messages": _user("x"), "parallel_tool_calls": True}, "parallel_tool_calls"),
        ({"model": "m", "messages": _user("x"), "stream_options": {"include_usage": True}}, "stream_options"),
        ({"model": "m", "messages": _user("x"), "response_format": {"type": "json_object"}}, "messages"),
        ({"model": "m", "messages": _user("x"), "stop": [*"abcde"]}, "stop"),
        ({"model": "o3-mini", "messages": _user("x"), "max_tokens": 5}, "max_tokens"),
        ({"model": "o3-mini", "messages": _user("x"), "temperature": 0.3}, "temperature"),
        ({"model": "m", "messages": _user("x"), "n": 0.5}, "n"),
    ],
)
def test_a_wrong_request_is_refused_by_its_field(wire: Wire, body: object, param: str) -> None:
    got = wire.post("openai", _CHAT, body)
    assert (got.status, got.json["error"]["type"], got.json["error"]["param"]) == (400, "invalid_request_error", param)
    assert {*got.json["error"]} == {"message", "type", "param", "code"}


def test_an_assistants_calls_must_be_answered(wire: Wire) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [*_user("x"), {"role": "assistant", "tool_calls": [call]}, *_user("y")]
    got = wire.post("openai", _CHAT, {"model": "m", "messages": messages})
    assert (got.status, "c1" in got.json["error"]["message"]) == (400, True)


def test_unknown_fields_and_paths_are_refused(wire: Wire) -> None:
    assert "top_k" in wire.chat(top_k=1).json["error"]["message"]
    got = wire.post("openai", "/v1/nothing", {})
    assert (got.status, got.json["error"]["code"]) == (404, "unknown_url")
    assert wire.post("openai", _CHAT, b"{").status == 400


def test_keys_and_known_models_when_configured() -> None:
    config = SimulatorConfig(kinds=("openai",), keys={"openai": ("sk-right-key-12345",)}, only_known_models=True)
    with simulator_process(config) as simulator:
        wire = Wire(simulator)
        got = wire.post("openai", _CHAT, {}, {"authorization": "Bearer sk-wrong-key-98765"})
        assert (got.status, got.json["error"]["code"]) == (401, "invalid_api_key")
        assert "sk-wrong-key-98765" not in got.json["error"]["message"]
        body = {"model": "gpt-9", "messages": _user("x")}
        got = wire.post("openai", _CHAT, body, {"authorization": "Bearer sk-right-key-12345"})
        assert (got.status, got.json["error"]["code"]) == (404, "model_not_found")
