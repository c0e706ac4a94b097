"""The promise itself: whatever is asked, however it fails, a planted secret reaches no upstream below the level.

Real HTTP on both sides; the upstreams are another process, whose log of received bytes is the judge.
HYPOTHESIS_PROFILE=nightly runs it for more than 100,000 cases.
"""

import base64
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import RunningGateway, running_gateway

from llm_gateway.detectors.check import is_sensitive
from llm_gateway.simulator import FaultRule, Kind, SimulatorProcess

PROVIDERS: tuple[Kind, ...] = ("ollama", "openai", "anthropic", "bedrock", "grok")
CASES = 17_000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 400
"""For each of six configurations: more than 100,000 in a night, and 2,400 every time."""
HIGH_BY_DEFAULT = frozenset({"ollama", "bedrock"})
SECRETS = (
    "sk-proj-{0}T3BlbkFJ{0}",
    "ghp_{0}{0}ab",
    "password = {0}!x",
    "AKIA{1}",
    "postgres://admin:{0}@db.internal:5432/prod",
    "-----BEGIN PRIVATE KEY-----\n{0}{0}{0}{0}\n-----END PRIVATE KEY-----",
)
LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def plain(secret: str) -> str:
    return f"please look at this: {secret}"


def in_base64(secret: str) -> str:
    return "decode " + base64.b64encode(plain(secret).encode()).decode()


def in_hex(secret: str) -> str:
    return "decode " + plain(secret).encode().hex()


def in_percent(secret: str) -> str:
    return "decode " + urllib.parse.quote(plain(secret), safe="")


def with_invisible(secret: str) -> str:
    return plain("\u200b".join(secret))


DISGUISES = (plain, plain, in_base64, in_hex, in_percent, with_invisible)


@st.composite
def planted(draw: st.DrawFn) -> tuple[str, tuple[str, ...]]:
    """A text that holds a secret, and the byte strings that would betray it on a wire."""
    drawn = draw(st.text(LETTERS, min_size=20, max_size=20).filter(lambda text: len(set(text)) > 10))
    upper = draw(st.text("ABCDEFGHJKLMNPQRSTUVWXYZ234567", min_size=16, max_size=16).filter(lambda text: len(set(text)) > 8))
    template = draw(st.sampled_from(SECRETS))
    secret = template.format(drawn, upper)
    text = draw(st.sampled_from(DISGUISES))(secret)
    core = upper if "{1}" in template else drawn
    traces = (core, base64.b64encode(core[:15].encode()).decode()[:16], core.encode().hex(), "\u200b".join(core))
    return text, traces


@st.composite
def asked(draw: st.DrawFn, text: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """A request with `text` somewhere in it."""
    path = draw(st.sampled_from(("/query", "/chat", "/stream", "/embeddings")))
    chosen: dict[str, Any] = {}
    if draw(st.booleans()):
        chosen["provider"] = draw(st.sampled_from(("auto", *PROVIDERS)))
    if path == "/embeddings":
        return path, chosen | {"text": draw(st.sampled_from(([text], ["hello", text], text)))}, {}
    tool = {"name": "lookup", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}
    place = draw(st.sampled_from(("prompt", "context", "object", "key", "tool", "schema", "stop")))
    body: dict[str, Any] = {"prompt": "What is this?"}
    match place:
        case "prompt":
            body["prompt"] = text
        case "context":
            body["context"] = text
        case "object":
            body["context"] = {"document": {"lines": ["a", text]}}
        case "key":
            body["context"] = {text: 1}
        case "tool":
            body["tools"] = [tool | {"description": text}]
        case "schema":
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"type": "object", "properties": {"a": {"type": "string", "description": text}}}},
            }
        case "stop":
            body["stop"] = ["end", text]
    if path == "/chat":
        body["conversation_id"] = f"c{draw(st.integers(0, 3))}"
    if draw(st.booleans()) and "model" not in body:
        body["max_tokens"] = draw(st.integers(1, 200))
    headers = (
        {"x-gateway-strategy": draw(st.sampled_from(("cost", "latency", "quality", "priority", "round_robin")))}
        if draw(st.booleans())
        else {}
    )
    return path, body | chosen, headers


@st.composite
def asked_in_openai(draw: st.DrawFn, text: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """The same, as OpenAI's clients ask."""
    path = draw(st.sampled_from(("chat/completions", "responses", "embeddings", "completions")))
    model = draw(st.sampled_from(("auto", "gpt-4o", "openai/gpt-4o", "anthropic/claude-sonnet-4-5", "grok/grok-4", "ollama/llama3")))
    body: dict[str, Any] = {"model": model}
    if path in {"embeddings", "completions"}:
        body["input" if path == "embeddings" else "prompt"] = draw(st.sampled_from((text, ["hello", text])))
        return f"/v1/{path}", body | ({"model": "auto"} if path == "embeddings" else {}), {}
    items: list[dict[str, Any]] = [{"role": "user", "content": "What is this?"}]
    chat = path == "chat/completions"
    match draw(st.sampled_from(("turn", "part", "history", "unknown", "metadata", "user"))):
        case "turn":
            items.append({"role": draw(st.sampled_from(("user", "system", "developer"))), "content": text})
        case "part":
            items[0]["content"] = [{"type": "text" if chat else "input_text", "text": text}]
        case "history":
            items = [{"role": "assistant", "content": text}, *items]
        case "unknown":
            body["field_of_tomorrow"] = {"deep": [text]}
        case "metadata":
            body["metadata"] = {"note": text}
        case "user":
            body["user"] = text
    body["messages" if chat else "input"] = items
    return f"/v1/{path}", body | {"stream": draw(st.booleans())}, {}


@st.composite
def asked_in_anthropic(draw: st.DrawFn, text: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """The same, as Anthropic's clients ask."""
    model = draw(
        st.sampled_from(("auto", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5", "openai/gpt-4o", "bedrock/amazon.nova-lite-v1:0"))
    )
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": draw(st.integers(1, 200)),
        "messages": [{"role": "user", "content": "What is this?"}],
    }
    messages = body["messages"]
    match draw(st.sampled_from(("turn", "system", "block", "tool", "result", "thinking", "metadata", "document"))):
        case "turn":
            messages[0]["content"] = text
        case "system":
            body["system"] = draw(st.sampled_from((text, [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}])))
        case "block":
            messages[0]["content"] = [{"type": "text", "text": "look"}, {"type": "text", "text": text}]
        case "tool":
            body["tools"] = [{"name": "look", "description": text, "input_schema": {"type": "object", "properties": {}}}]
        case "result":
            name, result = draw(st.sampled_from((("t1", text), (text, "ok"), (f"call_{text}", "ok"))))
            call = {"type": "tool_use", "id": name, "name": "look", "input": {"at": draw(st.sampled_from(("x", text)))}}
            messages += [{"role": "assistant", "content": [call]}]
            messages += [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": name, "content": result}]}]
        case "thinking":
            said, signed = draw(st.sampled_from(((text, "c2ln"), ("hm", text), ("hm", in_base64(f"{text:<80}")))))
            thought = [{"type": "thinking", "thinking": said, "signature": signed}, {"type": "text", "text": "so"}]
            messages += [{"role": "assistant", "content": thought}, {"role": "user", "content": "go on"}]
        case "metadata":
            body["metadata"] = {"user_id": text}
        case "document":
            source = {"type": "text", "media_type": "text/plain", "data": text}
            messages[0]["content"] = [{"type": "document", "source": source}, {"type": "text", "text": "sum up"}]
    path = draw(st.sampled_from(("/v1/messages", "/v1/messages", "/v1/messages/count_tokens")))
    return path, body | {"stream": draw(st.booleans())} if path == "/v1/messages" else body, {"anthropic-version": "2023-06-01"}


@st.composite
def asked_in_ollama(draw: st.DrawFn, text: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """The same, as Ollama's clients ask."""
    model = draw(st.sampled_from(("auto", "llama3", "openai/gpt-4o", "grok/grok-4")))
    path = draw(st.sampled_from(("/api/chat", "/api/generate", "/api/embed")))
    if path == "/api/embed":
        return path, {"model": "auto", "input": draw(st.sampled_from((text, ["hello", text])))}, {}
    body: dict[str, Any] = {"model": model, "stream": draw(st.booleans())}
    if path == "/api/generate":
        return path, body | {"prompt": "What is this?", draw(st.sampled_from(("prompt", "system", "suffix"))): text}, {}
    messages: list[dict[str, Any]] = [{"role": "user", "content": "What is this?"}]
    match draw(st.sampled_from(("turn", "call", "result", "format"))):
        case "turn":
            messages.append({"role": draw(st.sampled_from(("user", "system", "assistant"))), "content": text})
        case "call":
            messages.append({"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "look", "arguments": {"at": text}}}]})
        case "result":
            messages.append({"role": "tool", "content": text, "tool_name": "look"})
        case "format":
            body["format"] = {"type": "object", "properties": {"a": {"type": "string", "description": text}}}
    return path, body | {"messages": messages}, {}


@st.composite
def passed_through(draw: st.DrawFn, text: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """A call of an endpoint that only one provider has."""
    path = draw(st.sampled_from(("/openai/images/generations", "/openai/batches", "/anthropic/v1/messages/batches")))
    place = draw(st.sampled_from(("prompt", "deep", "key")))
    body: dict[str, Any] = {"prompt": text} if place == "prompt" else {"requests": [{"a": [text]}]} if place == "deep" else {text: 1}
    return path, body, {}


FAULTS = st.lists(
    st.builds(
        FaultRule,
        kind=st.sampled_from(PROVIDERS),
        method=st.just("POST"),
        status=st.sampled_from((429, 500, 503, 529, 401, 404)),
        times=st.integers(1, 3),
    )
    | st.builds(
        FaultRule, kind=st.sampled_from(PROVIDERS), method=st.just("POST"), reset_before_headers=st.just(True), times=st.integers(1, 3)
    )
    | st.builds(FaultRule, kind=st.sampled_from(PROVIDERS), method=st.just("POST"), reset_after_chunks=st.integers(0, 3), times=st.just(1))
    | st.builds(FaultRule, kind=st.sampled_from(PROVIDERS), method=st.just("POST"), malformed=st.just("html"), times=st.just(1)),
    max_size=5,
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[str, ...], tuple[str, dict[str, Any], dict[str, str]], list[FaultRule]]:
    text, traces = draw(planted())
    ways = asked(text) | asked_in_openai(text) | asked_in_anthropic(text) | asked_in_ollama(text) | passed_through(text)
    return traces, draw(ways), draw(FAULTS)


CONFIGURATIONS: dict[str, tuple[dict[str, object], frozenset[str]]] = {
    "default": ({}, HIGH_BY_DEFAULT),
    "block": ({"security.on_forbidden_provider": "block"}, HIGH_BY_DEFAULT),
    "narrowed": ({"security.secure_only_models": ["bedrock"]}, frozenset({"bedrock"})),
    "moved": (
        {"providers.openai.security_level": "high", "providers.bedrock.security_level": "low", "routing.strategy": "latency"},
        frozenset({"ollama", "openai"}),
    ),
    "nobody": ({"providers.ollama.security_level": "medium", "providers.bedrock.security_level": "medium"}, frozenset()),
    "redacting": ({"security.policies": {"secret": "redact"}}, HIGH_BY_DEFAULT),
}


@pytest.fixture(params=CONFIGURATIONS)
def configured(
    request: pytest.FixtureRequest, tmp_path: Path, simulator: SimulatorProcess
) -> Iterator[tuple[RunningGateway, frozenset[str]]]:
    changes, secure = CONFIGURATIONS[request.param]
    quick = {"routing.retry_base_s": 0.001, "routing.retry_max_s": 0.01, "routing.breaker_open_s": 0.05, "routing.health_interval_s": 0.2}
    with running_gateway(tmp_path, simulator, quick | changes) as running:
        yield running, secure


def test_a_planted_secret_reaches_no_upstream_below_the_level(
    configured: tuple[RunningGateway, frozenset[str]], simulator: SimulatorProcess
) -> None:
    gateway, secure = configured
    outcomes: dict[int, int] = {}

    @settings(parent=settings(), max_examples=CASES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
    @given(case=cases())
    def run(case: tuple[tuple[str, ...], tuple[str, dict[str, Any], dict[str, str]], list[FaultRule]]) -> None:
        traces, (path, body, headers), faults = case
        simulator.clear_faults()
        simulator.clear_log()
        simulator.add_faults(*faults)
        answer = gateway.call("POST", path, body, headers)
        outcomes[answer.status] = outcomes.get(answer.status, 0) + 1
        passed_on = {500} if path.startswith(("/openai/", "/anthropic/")) else set()  # the provider's own failure
        assert answer.status < 500 or answer.status in {502, 503, 504, 529} | passed_on, answer
        for kind in PROVIDERS:
            if kind in secure:
                continue
            for entry in simulator.log(kind):
                received = base64.b64decode(str(entry["body"])).decode("utf-8", "replace") + str(entry["path"]) + str(entry["headers"])
                assert not any(trace in received for trace in traces), f"{kind} received a planted secret"

    run()
    # A gateway that refuses everything would keep the promise too, and be of no use.
    assert outcomes.get(200, 0) > 0 or not secure


@pytest.mark.parametrize("path", ["/query", "/chat", "/stream", "/embeddings"])
@pytest.mark.parametrize("how", ["stopped", "failing", "never answering"])
def test_with_every_secure_provider_down_nobody_is_asked(tmp_path: Path, simulator: SimulatorProcess, path: str, how: str) -> None:
    secret = "Analyze this internal API key: sk-1234567890abcdef"
    with running_gateway(
        tmp_path, simulator, {f"providers.{kind}.timeout": 0.2 for kind in HIGH_BY_DEFAULT} | {"routing.retry_base_s": 0.01}
    ) as gateway:
        for kind in HIGH_BY_DEFAULT:
            if how == "stopped":
                simulator.stop(kind)
            elif how == "failing":
                simulator.add_faults(FaultRule(kind=kind, status=503))
            else:
                simulator.add_faults(FaultRule(kind=kind, never_answer=True))
        for provider in ("auto", "openai", "anthropic"):
            for _ in range(3):
                body = {"text" if path == "/embeddings" else "prompt": secret, "provider": provider}
                answer = gateway.call("POST", path, body)
                assert answer.status >= 400
                assert "sk-1234567890abcdef" not in answer.body.decode()
    for kind in ("openai", "anthropic", "grok"):
        assert all(entry["method"] == "GET" for entry in simulator.log(kind))


@given(case=planted())
def test_what_is_planted_is_sensitive(case: tuple[str, tuple[str, ...]]) -> None:
    assert is_sensitive(case[0])
