"""The native API from socket to socket: the gateway as it is served, upstreams of another process."""

import base64
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import Drip, FaultRule, SimulatorProcess

SECRET = "Analyze this internal API key: sk-1234567890abcdef"
KINDS = ("ollama", "openai", "anthropic", "bedrock", "grok")


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path, simulator, {"routing.retry_base_s": 0.01}) as running:
        simulator.clear_log()  # the health checks of the start
        yield running


def bodies(simulator: SimulatorProcess, kind: str) -> bytes:
    """Every byte that calls (not health checks) brought to a kind."""
    return b"\n".join(base64.b64decode(str(entry["body"])) for entry in simulator.log(kind) if entry["method"] == "POST")


@pytest.mark.parametrize("provider", KINDS)
def test_query_answers_in_the_specified_shape(gateway: RunningGateway, provider: str) -> None:
    answer = gateway.post(
        "/query", prompt="Summarize the following content:", context="Quantum computing.", provider=provider, max_tokens=64
    )
    assert answer.status == 200, answer.body
    document = answer.json
    assert document["provider"] == provider
    assert f"[simulated {provider}" in document["response"]
    assert document["tokens_used"] == document["usage"]["input_tokens"] + document["usage"]["output_tokens"] > 0
    assert document["cached"] is False
    assert document["processing_time"] > 0
    assert re.fullmatch(r"gw-[0-9A-Z]{26}", document["correlation_id"])
    assert answer.headers["x-correlation-id"] == document["correlation_id"]
    assert answer.headers["x-gateway-provider"] == provider
    assert answer.headers["x-gateway-model"] == document["model"]
    assert answer.headers["x-gateway-cache"] == "miss"
    assert float(answer.headers["x-gateway-overhead-ms"]) >= 0
    assert [attempt["outcome"] for attempt in document["route"]["attempts"]] == ["ok"]
    assert document["cost"] == 0 if provider == "ollama" else document["cost"] is None or document["cost"] > 0


@pytest.mark.parametrize("provider", KINDS)
def test_a_stream_says_the_same_as_an_unstreamed_answer(gateway: RunningGateway, provider: str) -> None:
    whole = gateway.post("/query", prompt="Tell me of qubits", provider=provider).json
    frames, done = gateway.frames(prompt="Tell me of qubits", provider=provider, force_refresh=True)
    assert done
    assert "".join(frame["chunk"] for frame in frames) == whole["response"]
    assert [frame["finished"] for frame in frames] == [False] * (len(frames) - 1) + [True]
    last = frames[-1]
    assert last["provider"] == provider
    assert last["usage"] == whole["usage"]
    assert last["finish_reason"] == whole["finish_reason"] == "stop"


def test_a_callers_correlation_id_goes_everywhere(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    answer = gateway.post("/query", {"x-correlation-id": "my-id.1"}, prompt="hello")
    assert answer.json["correlation_id"] == answer.headers["x-correlation-id"] == "my-id.1"
    assert gateway.post("/query", {"x-correlation-id": "not ok"}, prompt="hello").headers["x-correlation-id"].startswith("gw-")


@pytest.mark.parametrize("provider", [None, "auto", "openai", "anthropic", "grok"])
@pytest.mark.parametrize("path", ["/query", "/chat", "/stream"])
def test_a_secret_reaches_secure_providers_only(
    gateway: RunningGateway, simulator: SimulatorProcess, provider: str | None, path: str
) -> None:
    answer = gateway.post(path, prompt=SECRET, **({"provider": provider} if provider else {}))
    assert answer.status == 200, answer.body
    assert answer.headers["x-gateway-provider"] in {"ollama", "bedrock"}
    for kind in ("openai", "anthropic", "grok"):
        assert b"sk-1234567890abcdef" not in bodies(simulator, kind)
    assert b"sk-1234567890abcdef" in bodies(simulator, "ollama") + bodies(simulator, "bedrock")


def test_a_rerouted_answer_says_so(gateway: RunningGateway) -> None:
    document = gateway.post("/query", prompt=SECRET, provider="openai").json
    assert "openai" in document["route"]["reason"]
    assert document["sensitivity"]["sensitive"] is True
    assert "secret.api_key" in document["sensitivity"]["kinds"]


def test_with_all_secure_providers_down_a_secret_goes_nowhere(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.stop("ollama")
    simulator.stop("bedrock")
    for path in ("/query", "/chat", "/stream"):
        for _ in range(3):
            answer = gateway.post(path, prompt=SECRET, provider="openai")
            assert answer.status in {502, 503}
            assert "sk-1234567890abcdef" not in answer.body.decode()
    assert gateway.post("/query", prompt=SECRET).json["error"]["type"] in {"no_eligible_provider", "provider_bad_response"}
    for kind in ("openai", "anthropic", "grok"):
        assert bodies(simulator, kind) == b""


def test_when_a_provider_dies_another_answers(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.stop("openai")
    document = gateway.post("/query", prompt="hello", provider="openai").json
    attempts = document["route"]["attempts"]
    assert attempts[0]["provider"] == "openai"
    assert attempts[0]["outcome"] != "ok"
    assert attempts[-1]["provider"] == document["provider"] != "openai"


def test_chat_remembers(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    first = gateway.post("/chat", prompt="My name is Ada.", user_id="u1").json
    name = first["conversation_id"]
    simulator.clear_log()
    second = gateway.post("/chat", prompt="What is my name?", conversation_id=name, user_id="u1", provider="openai").json
    assert second["conversation_id"] == name
    assert b"My name is Ada." in bodies(simulator, "openai")
    stored = gateway.get(f"/conversations/{name}?user_id=u1").json
    assert [turn["role"] for turn in stored["turns"]] == ["user", "assistant", "user", "assistant"]


def test_a_conversation_is_its_owners(gateway: RunningGateway) -> None:
    gateway.post("/chat", prompt="hello", conversation_id="conv_123", user_id="u1")
    assert gateway.get("/conversations/conv_123?user_id=u2").status == 404
    assert gateway.post("/chat", prompt="hello", conversation_id="conv_123", user_id="u2").status == 404
    assert gateway.call("DELETE", "/conversations/conv_123?user_id=u2").status == 404
    assert gateway.call("DELETE", "/conversations/conv_123?user_id=u1").status == 204
    assert gateway.get("/conversations/conv_123?user_id=u1").status == 404


def test_a_conversation_that_held_a_secret_stays_with_secure_providers_after_a_restart(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator) as gateway:
        assert gateway.post("/chat", prompt=SECRET, conversation_id="c1").status == 200
    with running_gateway(tmp_path, simulator) as gateway:
        answer = gateway.post("/chat", prompt="And what is the weather?", conversation_id="c1", provider="openai")
        assert answer.headers["x-gateway-provider"] in {"ollama", "bedrock"}


def test_embeddings(gateway: RunningGateway) -> None:
    one = gateway.post("/embeddings", text="Text to embed", model="text-embedding-ada-002", provider="openai", user_id="u").json
    assert one["provider"] == "openai"
    assert one["model"] == "text-embedding-ada-002"
    assert one["dimensions"] == len(one["embeddings"]) == 1536
    many = gateway.post("/embeddings", text=["a", "b"], provider="ollama").json
    assert len(many["embeddings"]) == 2
    assert many["dimensions"] == len(many["embeddings"][0])
    refused = gateway.post("/embeddings", text="x", provider="anthropic")
    assert refused.status == 400
    assert "openai" in refused.json["error"]["message"]


def test_a_tool_call_comes_back(gateway: RunningGateway) -> None:
    tool = {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    document = gateway.post("/query", prompt="Call get_weather for Paris", provider="openai", tools=[tool]).json
    assert document["finish_reason"] == "tool_calls"
    assert document["tool_calls"][0]["name"] == "get_weather"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "x", "temperature": 3}, "temperature"),
        ({"prompt": "x", "temperature": "hot"}, "temperature"),
        ({"prompt": "x", "max_tokens": 0}, "max_tokens"),
        ({"prompt": ""}, "prompt"),
        ({}, "prompt"),
        ({"prompt": "x", "tempreature": 1}, "tempreature"),
        ({"prompt": "x", "stop": [1]}, "stop[0]"),
        ({"prompt": "x", "images": ["file:///etc/passwd"]}, "images[0]"),
        ({"prompt": "x", "response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
    ],
)
def test_bad_input_names_the_field(gateway: RunningGateway, body: dict[str, object], param: str) -> None:
    answer = gateway.call("POST", "/query", body)
    assert answer.status == 400
    assert answer.json["error"]["type"] == "invalid_request"
    assert answer.json["error"]["param"] == param


def test_malformed_json_names_the_place(gateway: RunningGateway) -> None:
    answer = gateway.call("POST", "/query", b'{"prompt": "x",\n "max_tokens": }')
    assert answer.status == 400
    assert "line 2, column 16" in answer.json["error"]["message"]


def test_deep_and_large_bodies_are_refused(gateway: RunningGateway) -> None:
    deep = b'{"prompt": "x", "context": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}"
    assert gateway.call("POST", "/query", deep).json["error"]["code"] == "too_deep"
    large = gateway.call("POST", "/query", b'{"prompt": "' + b"x" * (5 << 20) + b'"}')
    assert large.status == 413
    assert large.json["error"]["type"] == "request_too_large"


def test_unknown_names_list_those_that_exist(gateway: RunningGateway) -> None:
    provider = gateway.post("/query", prompt="x", provider="opneai")
    assert (provider.status, provider.json["error"]["type"]) == (404, "unknown_provider")
    assert "openai" in provider.json["error"]["message"]
    model = gateway.post("/query", prompt="x", model="gpt-4oo")
    assert (model.status, model.json["error"]["type"]) == (404, "unknown_model")
    assert "gpt-4o" in model.json["error"]["message"]


def test_wrong_paths_and_methods(gateway: RunningGateway) -> None:
    assert gateway.get("/nope").json["error"]["type"] == "not_found"
    answer = gateway.get("/query")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert gateway.post("/providers").status == 405


def test_a_stream_that_breaks_off_ends_in_an_error_and_not_in_done(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(kind="openai", method="POST", reset_after_chunks=3))
    frames, done = gateway.frames(prompt="Tell me a long story", provider="openai")
    assert not done
    assert frames[-1]["error"]["type"] == "provider_bad_response"
    assert len(frames) > 1


def test_provider_nonsense_is_502_and_is_not_shown(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    for kind in simulator.urls:
        simulator.add_faults(FaultRule(kind=kind, method="POST", body="<html>secret page</html>", status=200))
    answer = gateway.post("/query", prompt="hello")
    assert (answer.status, answer.json["error"]["type"]) == (502, "provider_bad_response")
    assert "secret page" not in answer.body.decode()


def test_a_provider_that_never_answers_is_504(tmp_path: Path, simulator: SimulatorProcess) -> None:
    for kind in simulator.urls:
        simulator.add_faults(FaultRule(kind=kind, method="POST", never_answer=True))
    settings = {f"providers.{kind}.timeout": 0.2 for kind in KINDS}
    with running_gateway(tmp_path, simulator, settings) as gateway:
        answer = gateway.post("/query", prompt="hello")
        assert (answer.status, answer.json["error"]["type"]) == (504, "provider_timeout")


def test_a_caller_who_leaves_ends_the_call_upstream(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(kind="openai", method="POST", drip=Drip(size_bytes=200, every_s=0.05)))
    body = b'{"prompt": "Tell me a story", "provider": "openai"}'
    client = socket.create_connection(("127.0.0.1", gateway.port))
    client.sendall(b"POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert client.recv(100)
    client.close()
    left = time.monotonic()
    while not any(entry["client_left"] for entry in simulator.log("openai")):
        assert time.monotonic() - left < 5.0
        time.sleep(0.02)
    assert gateway.get("/metrics").json["errors_by_type"] == {"client_closed_request": 1}


def test_explain_sends_nothing(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    document = gateway.post("/route/explain", prompt=SECRET, provider="openai").json
    assert document["sensitivity"]["sensitive"] is True
    assert {place["provider"] for place in document["eligible"]} == {"ollama", "bedrock"}
    assert {no["provider"]: no["code"] for no in document["rejected"]} == dict.fromkeys(("openai", "anthropic", "grok"), "security")
    assert document["ranked"][0]["provider"] in {"ollama", "bedrock"}
    assert all(entry["method"] == "GET" for kind in KINDS for entry in simulator.log(kind))


def test_management_endpoints(gateway: RunningGateway) -> None:
    providers = {entry["name"]: entry for entry in gateway.get("/providers").json["providers"]}
    assert {name: entry["security_level"] for name, entry in providers.items()} == {
        "ollama": "high", "bedrock": "high", "openai": "medium", "anthropic": "medium", "grok": "medium",
    }  # fmt: skip
    assert {entry["status"] for entry in providers.values()} == {"available"}
    assert gateway.get("/health").json["status"] == "healthy"
    assert gateway.get("/health/ready").json["ready"] is True
    detailed = gateway.get("/health/detailed").json
    assert detailed["service"] == "healthy"
    assert detailed["providers"]["openai"]["available"] is True
    assert any(model["id"] == "openai/gpt-4o" and model["default"] for model in gateway.get("/models").json["models"])
    gateway.post("/query", prompt="x", provider="openai")
    metrics = gateway.get("/metrics").json
    assert metrics["total_requests"] == 1
    assert metrics["requests_by_provider"] == {"openai": 1}
    assert metrics["total_cost"] > 0


def test_the_documents_name_every_endpoint(gateway: RunningGateway) -> None:
    paths = set(gateway.get("/openapi.json").json["paths"])
    assert {"/query", "/chat", "/stream", "/embeddings", "/providers", "/route/explain", "/conversations/{conversation_id}"} <= paths
    assert {entry.split()[1] for entry in gateway.get("/").json["endpoints"]} == paths
    page = gateway.get("/docs").body.decode()
    assert all(path in page for path in paths)
    assert "<script" not in page
