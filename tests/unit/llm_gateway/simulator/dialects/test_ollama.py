import json
from typing import Any

import pytest
from tests.unit.llm_gateway.simulator.wire import Wire

from llm_gateway.simulator import FaultRule, SimulatorConfig, simulator_process

_ASK: dict[str, Any] = {"model": "llama3.2", "messages": [{"role": "user", "content": "tell me"}]}
_TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"place": {"type": "string"}}}},
}
_COUNTS = {"total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration"}


def test_a_stream_is_the_default_and_says_the_same_as_the_whole(wire: Wire) -> None:
    whole = wire.post("ollama", "/api/chat", {**_ASK, "stream": False})
    got = wire.post("ollama", "/api/chat", _ASK)
    assert got.headers["content-type"] == "application/x-ndjson"
    assert whole.headers["content-type"] == "application/json; charset=utf-8"
    *lines, last = got.lines
    assert all({*line} == {"model", "created_at", "message", "done"} and not line["done"] for line in lines)
    assert {*last} == {"model", "created_at", "message", "done", "done_reason"} | _COUNTS
    assert (last["done"], last["done_reason"], last["message"]["content"]) == (True, "stop", "")
    text = "".join(line["message"]["content"] for line in lines)
    assert text == whole.json["message"]["content"]
    assert (last["prompt_eval_count"], last["eval_count"]) == (2, -(-len(text.encode()) // 4))
    assert last["total_duration"] == last["load_duration"] + last["prompt_eval_duration"] + last["eval_duration"]
    assert last["eval_duration"] > 1_000_000


def test_tool_calls_come_before_the_last_line_as_objects_without_ids(wire: Wire) -> None:
    body = {**_ASK, "messages": [{"role": "user", "content": "get_weather in Oslo, then get_weather in Rome"}], "tools": [_TOOL]}
    lines = wire.post("ollama", "/api/chat", body).lines
    calls = [line["message"]["tool_calls"] for line in lines if "tool_calls" in line["message"]]
    assert calls == [[{"function": {"name": "get_weather", "arguments": {"place": place}}}] for place in ("Oslo", "Rome")]
    assert ["tool_calls" in line["message"] for line in lines] == [True, True, False]
    assert [line["done"] for line in lines] == [False, False, True]
    whole = wire.post("ollama", "/api/chat", {**body, "stream": False}).json
    assert (len(whole["message"]["tool_calls"]), whole["done_reason"]) == (2, "stop")
    assert whole["eval_count"] == lines[-1]["eval_count"]


def test_a_tools_result_is_answered_in_text(wire: Wire) -> None:
    call = {"function": {"name": "get_weather", "arguments": {}}}
    messages = [
        {"role": "user", "content": "get_weather"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_name": "get_weather", "content": "4 degrees"},
    ]
    body = {**_ASK, "messages": messages, "tools": [_TOOL], "stream": False}
    assert "4 degrees" in wire.post("ollama", "/api/chat", body).json["message"]["content"]
    call["function"]["arguments"] = "{}"
    assert wire.post("ollama", "/api/chat", body).status == 400


def test_thinking_is_a_field_of_its_own_and_only_for_models_that_can(wire: Wire) -> None:
    lines = wire.post("ollama", "/api/chat", {**_ASK, "model": "qwen3:8b", "think": True}).lines
    thinking = "".join(line["message"].get("thinking", "") for line in lines)
    assert thinking.startswith("Simulated reasoning")
    assert "thinking" not in lines[-2]["message"]
    refused = wire.post("ollama", "/api/chat", {**_ASK, "think": True})
    assert (refused.status, refused.json) == (400, {"error": '"llama3.2" does not support thinking'})


def test_generate_and_its_options(wire: Wire) -> None:
    body = {"model": "llama3.2", "prompt": "tell me", "options": {"num_predict": 7, "stop": ["zzz"]}}
    lines = wire.post("ollama", "/api/generate", body).lines
    whole = wire.post("ollama", "/api/generate", {**body, "stream": False}).json
    assert "".join(line["response"] for line in lines) == whole["response"]
    assert (whole["done_reason"], whole["eval_count"]) == ("length", 7)


@pytest.mark.parametrize(
    ("shape", "expected"), [("json", None), ({"type": "object", "properties": {"n": {"const": 3}}, "required": ["n"]}, {"n": 3})]
)
def test_formats(wire: Wire, shape: object, expected: object) -> None:
    found = json.loads(wire.post("ollama", "/api/chat", {**_ASK, "format": shape, "stream": False}).json["message"]["content"])
    assert found == expected if expected else found["simulated"] is True


def test_an_empty_request_loads_and_unloads(wire: Wire) -> None:
    loaded = wire.post("ollama", "/api/chat", {"model": "llama3.2", "messages": []}).json
    assert (loaded["done"], loaded["done_reason"], loaded["message"]) == (True, "load", {"role": "assistant", "content": ""})
    assert wire.post("ollama", "/api/generate", {"model": "llama3.2", "keep_alive": 0}).json["done_reason"] == "unload"


def test_a_cached_prompt_may_have_no_count(wire: Wire) -> None:
    wire.simulator.add_faults(FaultRule(quirks=("omit_input_usage",)))
    last = wire.post("ollama", "/api/chat", _ASK).lines[-1]
    assert ("prompt_eval_count" in last, "eval_count" in last) == (False, True)


@pytest.mark.parametrize(("model", "size"), [("nomic-embed-text", 768), ("mxbai-embed-large:latest", 1024)])
def test_embeddings(wire: Wire, model: str, size: int) -> None:
    answer = wire.post("ollama", "/api/embed", {"model": model, "input": ["hello", "good bye"]}).json
    assert [len(values) for values in answer["embeddings"]] == [size, size]
    assert answer["prompt_eval_count"] == 4
    one = wire.post("ollama", "/api/embed", {"model": model, "input": "hello", "dimensions": 64}).json
    assert len(one["embeddings"][0]) == 64
    old = wire.post("ollama", "/api/embeddings", {"model": model, "prompt": "hello"}).json
    assert old["embedding"] == answer["embeddings"][0]


def test_what_tells_of_models(wire: Wire) -> None:
    names = [model["name"] for model in wire.get("ollama", "/api/tags").json["models"]]
    assert "llama3.2:latest" in names
    assert wire.get("ollama", "/api/version").json["version"]
    assert wire.get("ollama", "/api/ps").json["models"][0]["expires_at"]
    assert wire.post("ollama", "/api/show", {"model": "nomic-embed-text"}).json["capabilities"] == ["embedding"]
    assert wire.post("ollama", "/api/show", {"model": "qwen3:8b"}).json["capabilities"] == ["completion", "tools", "thinking"]
    assert wire.get("ollama", "/").body == b"Ollama is running"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/chat", {"messages": []}, 400),
        ("/api/chat", {**_ASK, "messages": "x"}, 400),
        ("/api/chat", {**_ASK, "messages": [{"role": "developer", "content": "x"}]}, 400),
        ("/api/chat", {**_ASK, "format": "xml"}, 400),
        ("/api/chat", {**_ASK, "model": "nomic-embed-text"}, 400),
        ("/api/chat", {**_ASK, "model": "phi3", "tools": [_TOOL]}, 400),
        ("/api/embed", {"model": "nomic-embed-text", "input": [1]}, 400),
        ("/api/nothing", {}, 404),
        ("/api/tags", {}, 405),
    ],
)
def test_wrong_requests(wire: Wire, path: str, body: object, status: int) -> None:
    assert wire.post("ollama", path, body).status == status


def test_an_unknown_model_when_only_known_ones_exist() -> None:
    with simulator_process(SimulatorConfig(kinds=("ollama",), only_known_models=True)) as simulator:
        got = Wire(simulator).post("ollama", "/api/chat", {**_ASK, "model": "gpt-4o"})
        assert (got.status, got.json) == (404, {"error": "model 'gpt-4o' not found"})
