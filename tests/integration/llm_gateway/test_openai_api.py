"""The OpenAI dialect from socket to socket: what goes in, what goes out, and what stays."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import Answer, RunningGateway, running_gateway

from llm_gateway.simulator import FaultRule, SimulatorProcess

CHAT = "/v1/chat/completions"
SECRET = "Analyze this internal API key: sk-1234567890abcdef"
HELLO = [{"role": "user", "content": "hello"}]
SECURE = {"ollama", "bedrock"}
MEDIUM = ("openai", "anthropic", "grok")
BODY = (
    b'{"id":"c-1","object":"chat.completion","created":1,"model":"gpt-4o-2024","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"hi","new_field":[1]},"finish_reason":"stop"}],  "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
)
EVENTS = (
    'data: {"id":"c-1","choices":[{"index":0,"delta":{"role":"assistant","content":"hi","new_field":1}}]}\n\n'
    'data:   {"id":"c-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    'data: {"id":"c-1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n'
)


@pytest.fixture(scope="module")
def gateway_of_module(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[RunningGateway]:
    limits = ("requests_per_minute", "requests_per_hour", "tokens_per_minute", "burst_limit")
    settings = {"routing.retry_base_s": 0.01, "cache.max_size": 0, **{f"rate_limiting.default.{name}": 1_000_000 for name in limits}}
    with running_gateway(tmp_path_factory.mktemp("gateway"), simulator_of_session, settings) as running:
        yield running


@pytest.fixture
def gateway(gateway_of_module: RunningGateway, simulator: SimulatorProcess) -> RunningGateway:
    """Shared by the tests after which its providers are as well as before."""
    simulator.clear_log()
    return gateway_of_module


@pytest.fixture
def own_gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path, simulator, {"routing.retry_base_s": 0.01}) as running:
        yield running


def chat(gateway: RunningGateway, headers: dict[str, str] | None = None, **fields: object) -> Answer:
    return gateway.call("POST", CHAT, {"model": "openai/gpt-4o", "messages": HELLO, **fields}, headers)


def sent(simulator: SimulatorProcess, kind: str) -> list[bytes]:
    return [base64.b64decode(str(entry["body"])) for entry in simulator.log(kind) if entry["method"] == "POST"]


def test_same_protocol_loses_nothing_on_the_way_in(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    fields = {"metadata": {"a": "b"}, "future": {"x": [1, {"y": None}]}, "logit_bias": {"5": -1}, "store": True, "seed": 1}
    simulator.add_faults(FaultRule(kind="openai", method="POST", status=200, body=BODY.decode()))
    answer = chat(gateway, model="gpt-4o", **fields)
    assert answer.status == 200, answer.body
    (body,) = sent(simulator, "openai")
    assert json.loads(body) == {"model": "gpt-4o", "messages": HELLO, **fields}
    assert "x-gateway-dropped-params" not in answer.headers


def test_same_protocol_loses_nothing_on_the_way_out(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(kind="openai", method="POST", status=200, body=BODY.decode()))
    answer = chat(gateway)
    assert answer.body == BODY
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-gateway-provider"] == "openai"
    assert answer.headers["x-request-id"] == answer.headers["x-correlation-id"]


@pytest.mark.parametrize("include_usage", [True, False])
def test_a_streams_events_go_out_as_they_came(gateway: RunningGateway, simulator: SimulatorProcess, include_usage: bool) -> None:
    simulator.add_faults(
        FaultRule(kind="openai", method="POST", status=200, headers={"content-type": "text/event-stream"}, body=EVENTS + "data: [DONE]\n\n")
    )
    answer = chat(gateway, stream=True, stream_options={"include_usage": include_usage, "new_option": 1})
    shown = EVENTS if include_usage else "".join(f"{event}\n\n" for event in EVENTS.split("\n\n")[:2])
    assert answer.body.decode() == shown + "data: [DONE]\n\n"
    assert answer.headers["content-type"].startswith("text/event-stream")
    (body,) = sent(simulator, "openai")
    assert json.loads(body)["stream_options"] == {"include_usage": True, "new_option": 1}


def test_a_stream_that_is_cut_ends_in_an_error_and_not_in_done(own_gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    gateway = own_gateway
    simulator.add_faults(FaultRule(kind="openai", method="POST", reset_after_chunks=3))
    answer = chat(gateway, stream=True, messages=[{"role": "user", "content": "Tell me a long story"}])
    events = answer.body.decode().split("\n\n")
    assert events[-1] == ""
    error = json.loads(events[-2].removeprefix("data: "))["error"]
    assert (error["type"], error["correlation_id"]) == ("server_error", answer.headers["x-correlation-id"])
    assert "[DONE]" not in answer.body.decode()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": [{"role": "user", "content": SECRET}]}),
        (CHAT, {"messages": [{"role": "user", "content": SECRET}], "stream": True}),
        (CHAT, {"messages": HELLO, "metadata": {"note": SECRET}}),
        (CHAT, {"messages": HELLO, "field_of_tomorrow": [{"deep": SECRET}]}),
        (CHAT, {"messages": [*HELLO, {"role": "assistant", "content": None, "audio": {"id": SECRET}}, *HELLO]}),
        ("/v1/completions", {"prompt": ["hello", SECRET]}),
        ("/v1/embeddings", {"input": ["hello", SECRET]}),
        ("/v1/responses", {"input": SECRET}),
        ("/v1/responses", {"input": "hello", "instructions": SECRET, "stream": True}),
        ("/v1/responses", {"input": [{"type": "function_call_output", "call_id": "c", "output": SECRET}]}),
    ],
)
@pytest.mark.parametrize("model", ["auto", "gpt-4o", "openai/gpt-4o", "anthropic/claude-sonnet-4-5"])
def test_a_secret_reaches_secure_providers_only(
    gateway: RunningGateway, simulator: SimulatorProcess, path: str, body: dict[str, Any], model: str
) -> None:
    answer = gateway.call("POST", path, {"model": model, **body})
    if answer.status == 200:
        assert answer.headers["x-gateway-provider"] in SECURE
    else:
        assert answer.status in {400, 503}, answer.body
    for kind in MEDIUM:
        assert not any(b"sk-1234567890abcdef" in received for received in sent(simulator, kind))


def test_what_a_policy_replaces_comes_back_whole(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {"security.policies": {"pii": "redact"}, "cache.max_size": 0}) as gateway:
        for stream in (False, True):
            simulator.clear_log()
            answer = chat(gateway, messages=[{"role": "user", "content": "write to ada.lovelace@kensington-labs.co.uk"}], stream=stream)
            assert answer.headers["x-gateway-provider"] == "openai"
            assert b"ada.lovelace@kensington-labs.co.uk" not in sent(simulator, "openai")[0]
            text = answer.body.decode()
            if stream:
                events = [json.loads(event.removeprefix("data: ")) for event in text.split("\n\n")[:-2]]
                text = "".join(event["choices"][0]["delta"].get("content") or "" for event in events)
            assert "ada.lovelace@kensington-labs.co.uk" in text


def test_token_numbers_cannot_be_read_and_count_as_sensitive(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    answer = gateway.call("POST", "/v1/embeddings", {"model": "openai/text-embedding-3-small", "input": [1, 2, 3, 4, 5]})
    assert answer.status in {400, 503}
    assert all(not sent(simulator, kind) for kind in simulator.urls)


@pytest.mark.parametrize(
    ("model", "fields", "dropped"),
    [
        ("anthropic/claude-sonnet-4-5", {"seed": 1, "store": True, "temperature": 0.5}, "seed, store"),
        ("ollama/llama3", {"user": "u", "seed": 1}, "user"),
        (
            "bedrock/anthropic.claude-3-sonnet-20240229-v1:0",
            {"user": "u", "seed": 1, "frequency_penalty": 0.5},
            "frequency_penalty, seed, user",
        ),
        ("grok/grok-4", {"stop": ["x"], "seed": 1}, "stop"),
        ("grok/grok-4", {"seed": 1}, None),
        ("openai/gpt-4o", {"seed": 1, "store": True}, None),
    ],
)
def test_what_a_provider_was_not_told_is_named(gateway: RunningGateway, model: str, fields: dict[str, Any], dropped: str | None) -> None:
    for stream in (False, True):
        answer = chat(gateway, model=model, stream=stream, **fields)
        assert answer.status == 200, answer.body
        assert answer.headers.get("x-gateway-dropped-params") == dropped


@pytest.mark.parametrize(
    ("model", "fields", "word"),
    [
        ("anthropic/claude-sonnet-4-5", {"n": 2}, "(n)"),
        ("anthropic/claude-sonnet-4-5", {"logprobs": True}, "logprobs"),
        ("anthropic/claude-sonnet-4-5", {"logit_bias": {"5": 1}}, "logit_bias"),
        ("ollama/llama3", {"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools of type custom"),
        ("ollama/llama3", {"modalities": ["audio"]}, "modalities"),
    ],
)
def test_what_a_provider_cannot_do_is_refused_before_anything_is_sent(
    gateway: RunningGateway, simulator: SimulatorProcess, model: str, fields: dict[str, Any], word: str
) -> None:
    answer = chat(gateway, model=model, **fields)
    assert answer.status == 400
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert word in answer.json["error"]["message"]
    assert all(not sent(simulator, kind) for kind in simulator.urls)


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/moderations"])
@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'"x"', b'{"model": 5}', b"\xff"])
def test_nonsense_is_a_mistake_in_openais_shape(gateway: RunningGateway, path: str, body: bytes) -> None:
    answer = gateway.call("POST", path, body)
    assert answer.status == 400
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert answer.json["error"].keys() == {"message", "type", "param", "code"}
    assert answer.headers["x-should-retry"] == "false"


def test_a_conversation_that_was_once_sensitive_stays_so(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    first = gateway.call("POST", "/v1/responses", {"model": "auto", "input": SECRET}).json
    second = gateway.call("POST", "/v1/responses", {"model": "openai/gpt-4o", "input": "And now?", "previous_response_id": first["id"]})
    assert second.headers["x-gateway-provider"] in SECURE
    reference = [{"type": "item_reference", "id": second.json["output"][0]["id"]}, {"role": "user", "content": "Go on"}]
    third = gateway.call("POST", "/v1/responses", {"model": "openai/gpt-4o", "input": reference})
    assert third.status == 200, third.body
    assert third.headers["x-gateway-provider"] in SECURE
    assert all(not sent(simulator, kind) for kind in MEDIUM)


def test_a_response_is_its_owners(gateway: RunningGateway) -> None:
    ada, bob = {"x-user-id": "ada"}, {"x-user-id": "bob"}
    name = gateway.call("POST", "/v1/responses", {"model": "auto", "input": "hello"}, ada).json["id"]
    assert gateway.get(f"/v1/responses/{name}", bob).status == 404
    assert gateway.call("DELETE", f"/v1/responses/{name}", headers=bob).status == 404
    assert gateway.call("POST", "/v1/responses", {"model": "auto", "input": "x", "previous_response_id": name}, bob).status == 404
    assert gateway.get(f"/v1/responses/{name}", ada).json["id"] == name
    assert gateway.call("DELETE", f"/v1/responses/{name}", headers=ada).json["deleted"] is True


def test_a_response_outlives_a_restart(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator) as gateway:
        name = gateway.call("POST", "/v1/responses", {"model": "openai/gpt-4o", "input": "My name is Ada."}).json["id"]
    with running_gateway(tmp_path, simulator) as gateway:
        simulator.clear_log()
        gateway.call("POST", "/v1/responses", {"model": "openai/gpt-4o", "input": "Who am I?", "previous_response_id": name})
        assert b"My name is Ada." in sent(simulator, "openai")[-1]


def test_a_cut_stream_of_a_response_is_not_stored(own_gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    gateway = own_gateway
    simulator.add_faults(FaultRule(kind="openai", method="POST", end_after_chunks=4))
    answer = gateway.call("POST", "/v1/responses", {"model": "openai/gpt-4o", "input": "Tell me a story", "stream": True})
    events = [json.loads(block.partition("data: ")[2]) for block in answer.body.decode().split("\n\n")[:-1]]
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    assert gateway.get(f"/v1/responses/{events[0]['response']['id']}").status == 404


def test_a_wrong_method_says_which_is_right(gateway: RunningGateway) -> None:
    answer = gateway.get(CHAT)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_the_documents_name_these_endpoints(gateway: RunningGateway) -> None:
    paths = gateway.get("/openapi.json").json["paths"]
    assert {CHAT, "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/models", "/v1/moderations"} <= paths.keys()
    assert set(paths["/v1/responses/{response_id}"]) == {"get", "delete"}
