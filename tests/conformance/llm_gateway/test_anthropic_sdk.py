"""Anthropic's own Python package against the gateway, whatever provider answers: nothing is set but `base_url`."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic.types import Message, MessageParam, ToolParam, ToolResultBlockParam, ToolUseBlock
from tests.conformance.conftest import FAILS, SLOW, Counted, Refusing
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import FaultRule, SimulatorProcess

MODELS = {
    "anthropic": "anthropic/claude-sonnet-4-5",
    "openai": "openai/gpt-4o",
    "ollama": "ollama/llama3.1:8b",
    "bedrock": "bedrock/anthropic.claude-3-sonnet-20240229-v1:0",
    "bedrock_native": "converse/anthropic.claude-3-5-sonnet-20240620-v1:0",
    "grok": "grok/grok-4",
}
STREAMS = tuple(kind for kind in MODELS if kind != "bedrock")
"""The simulated Bedrock of the default settings is a proxy that knows neither streams nor tools."""
WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "Weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
SCHEMA_OF_TOOLS = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {"city": {"type": "string"}}}
TIME: ToolParam = {**WEATHER, "name": "get_time", "description": "Time in a city"}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def settings_of(simulator: SimulatorProcess) -> dict[str, object]:
    unlimited = ("requests_per_minute", "requests_per_hour", "tokens_per_minute", "burst_limit")
    return {
        "routing.retry_base_s": 0.01,
        "security.unreadable_parts": "allow",
        "cache.max_size": 0,
        "providers.converse.kind": "bedrock",
        "providers.converse.endpoint": simulator.urls["bedrock_native"],
        "providers.converse.api_key": "simulated",
        "providers.converse.region": "us-east-1",
        **{f"rate_limiting.default.{name}": 1_000_000 for name in unlimited},
    }


@pytest.fixture(scope="module")
def gateway_of_module(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway"), simulator_of_session, settings_of(simulator_of_session)) as running:
        yield running


@pytest.fixture
def gateway(gateway_of_module: RunningGateway, simulator: SimulatorProcess) -> RunningGateway:
    return gateway_of_module


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0) as made:
        yield made


@pytest.fixture
def own_gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    """One that may learn how bad its providers are."""
    with running_gateway(tmp_path, simulator, settings_of(simulator) | {"routing.max_attempts": 1}) as running:
        yield running


@pytest.fixture
def own_client(own_gateway: RunningGateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=own_gateway.url, api_key="any", max_retries=0) as made:
        yield made


@pytest.fixture
async def async_client(gateway: RunningGateway) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key="any", max_retries=0) as made:
        yield made


def asked(text: str) -> list[MessageParam]:
    return [{"role": "user", "content": text}]


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def sent_to(simulator: SimulatorProcess, kind: str) -> list[tuple[dict[str, Any], dict[str, str]]]:
    """Body and headers of the calls, not the health checks, that reached an upstream."""
    calls = [entry for entry in simulator.log(kind) if entry["method"] == "POST"]
    return [(json.loads(base64.b64decode(str(entry["body"]))), {k.lower(): v for k, v in entry["headers"]}) for entry in calls]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", MODELS)
def test_a_message(client: anthropic.Anthropic, kind: str) -> None:
    message = client.messages.create(model=MODELS[kind], max_tokens=200, system="Be brief.", messages=asked("Tell me of qubits"))
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "end_turn")
    assert message.id.startswith("msg_")
    assert message.model == MODELS[kind].partition("/")[2]
    assert f"[simulated {kind}" in text_of(message)
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0
    assert message._request_id


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_says_the_same(client: anthropic.Anthropic, kind: str) -> None:
    whole = client.messages.create(model=MODELS[kind], max_tokens=200, messages=asked("Tell me of qubits"))
    with client.messages.stream(model=MODELS[kind], max_tokens=200, messages=asked("Tell me of qubits")) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(pieces) > 3
    assert "".join(pieces) == text_of(final) == text_of(whole)
    assert (final.stop_reason, final.model) == (whole.stop_reason, whole.model)
    assert (final.usage.input_tokens, final.usage.output_tokens) == (whole.usage.input_tokens, whole.usage.output_tokens)


@pytest.mark.parametrize("kind", STREAMS)
def test_events_come_in_their_order(client: anthropic.Anthropic, kind: str) -> None:
    kinds = [event.type for event in client.messages.create(model=MODELS[kind], max_tokens=99, messages=asked("Hi"), stream=True)]
    middle = kinds[2:-3]
    assert kinds == ["message_start", "content_block_start", *middle, "content_block_stop", "message_delta", "message_stop"]
    # Grok thinks before it speaks: two blocks, one after the other.
    borders = [each for each in middle if each != "content_block_delta"]
    assert borders == (["content_block_stop", "content_block_start"] if kind == "grok" else [])


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("streamed", [True, False])
def test_tools_make_a_round_trip(client: anthropic.Anthropic, simulator: SimulatorProcess, kind: str, streamed: bool) -> None:
    messages = asked("Please use get_weather for Paris and then get_time for Rome")
    if streamed:
        with client.messages.stream(model=MODELS[kind], max_tokens=500, messages=messages, tools=[WEATHER, TIME]) as stream:
            message: Message = stream.get_final_message()
    else:
        message = client.messages.create(model=MODELS[kind], max_tokens=500, messages=messages, tools=[WEATHER, TIME])
    assert message.stop_reason == "tool_use"
    calls = [block for block in message.content if isinstance(block, ToolUseBlock)]
    assert [(call.name, call.input) for call in calls] == [("get_weather", {"city": "Paris"}), ("get_time", {"city": "Rome"})]
    assert len({call.id for call in calls}) == 2
    results: list[ToolResultBlockParam] = [
        {"type": "tool_result", "tool_use_id": calls[0].id, "content": [{"type": "text", "text": "17 degrees"}]},
        {"type": "tool_result", "tool_use_id": calls[1].id, "content": "no clock", "is_error": True},
    ]
    simulator.clear_log()
    after = client.messages.create(
        model=MODELS[kind],
        max_tokens=500,
        messages=[*messages, {"role": "assistant", "content": message.content}, {"role": "user", "content": results}],
        tools=[WEATHER, TIME],
    )
    assert after.stop_reason == "end_turn"
    assert f"[simulated {kind}" in text_of(after)
    ((body, _),) = sent_to(simulator, kind)
    assert "17 degrees" in json.dumps(body)


@pytest.mark.parametrize("kind", [kind for kind in STREAMS if kind != "ollama"])
def test_a_tool_can_be_forced(client: anthropic.Anthropic, kind: str) -> None:
    message = client.messages.create(
        model=MODELS[kind], max_tokens=500, messages=asked("Rome"), tools=[WEATHER, TIME], tool_choice={"type": "tool", "name": "get_time"}
    )
    assert [block.name for block in message.content if isinstance(block, ToolUseBlock)] == ["get_time"]


def test_what_a_provider_cannot_be_told_is_refused_before_anything_is_spent(
    client: anthropic.Anthropic, simulator: SimulatorProcess
) -> None:
    """Ollama cannot be made to call a tool, and only Anthropic searches the web itself."""
    with pytest.raises(anthropic.BadRequestError, match="tool_choice") as failure:
        client.messages.create(model="ollama/llama3.1:8b", max_tokens=50, messages=asked("Rome"), tools=[TIME], tool_choice={"type": "any"})
    assert failure.value.type == "invalid_request_error"
    with pytest.raises(anthropic.BadRequestError, match="web_search_20250305"):
        client.messages.create(
            model="gpt-4o", max_tokens=50, messages=asked("Rome"), tools=[{"type": "web_search_20250305", "name": "web_search"}]
        )
    assert sent_to(simulator, "openai") == sent_to(simulator, "ollama") == []


def test_dropped_fields_are_named(client: anthropic.Anthropic) -> None:
    def dropped(model: str) -> str | None:
        answer = client.messages.with_raw_response.create(
            model=model, max_tokens=50, messages=asked("Hi"), service_tier="auto", extra_body={"top_k": 4}, metadata={"user_id": "u1"}
        )
        return answer.headers.get("x-gateway-dropped-params")

    assert dropped(MODELS["anthropic"]) is None
    assert dropped(MODELS["openai"]) == "service_tier, top_k"
    assert dropped(MODELS["ollama"]) == "metadata, service_tier, top_k"


@pytest.mark.parametrize("kind", ["anthropic", "bedrock_native"])
def test_thinking_comes_back_signed_and_goes_out_again_as_it_came(
    client: anthropic.Anthropic, simulator: SimulatorProcess, kind: str
) -> None:
    model = MODELS[kind].replace("claude-3-5-sonnet-20240620", "claude-3-7-sonnet-20250219")
    with client.messages.stream(
        model=model, max_tokens=3000, thinking={"type": "enabled", "budget_tokens": 1024}, messages=asked("Ponder this"), extra_body={}
    ) as stream:
        first = stream.get_final_message()
    thought, *_ = first.content
    assert thought.type == "thinking"
    assert thought.thinking
    assert thought.signature
    simulator.clear_log()
    client.messages.create(
        model=model,
        max_tokens=3000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=[*asked("Ponder this"), {"role": "assistant", "content": first.content}, *asked("And more")],
    )
    ((body, _),) = sent_to(simulator, kind)
    assert thought.signature in json.dumps(body)


def test_the_same_wire_is_lossless_there_and_back(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    body: dict[str, object] = {
        "model": MODELS["anthropic"],
        "max_tokens": 100,
        "system": [{"type": "text", "text": "Be kind", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi there", "cache_control": {"type": "ephemeral"}}]}],
        "tools": [WEATHER],
        "top_k": 4,
        "metadata": {"user_id": "user_1"},
    }
    for stream in (False, True):
        simulator.clear_log()
        answer = gateway.call("POST", "/v1/messages?beta=true", {**body, "stream": stream}, {"anthropic-beta": "context-1m-2025-08-07"})
        assert answer.status == 200, answer.body
        ((sent, headers),) = sent_to(simulator, "anthropic")
        assert sent == {**body, "stream": stream, "model": "claude-sonnet-4-5"}
        assert headers["anthropic-beta"] == "context-1m-2025-08-07"
        if stream:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert b'event: ping\ndata: {"type":' in answer.body
            assert answer.body.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
        else:
            assert answer.json["usage"]["service_tier"] == "standard", "a field that nobody here knows"


def test_images_and_documents(client: anthropic.Anthropic, simulator: SimulatorProcess) -> None:
    for kind in ("anthropic", "openai", "ollama"):
        message = client.messages.create(
            model=MODELS[kind].replace("llama3.1:8b", "llama3.2:latest"),
            max_tokens=100,
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                        {"type": "text", "text": "What is it?"},
                    ],
                }
            ],
        )
        assert f"[simulated {kind}" in text_of(message)
        ((body, _),) = sent_to(simulator, kind)
        assert PIXEL in json.dumps(body)


@pytest.mark.parametrize("kind", ["anthropic", "openai", "ollama", "grok"])
def test_structured_output(client: anthropic.Anthropic, kind: str) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
    message = client.messages.create(
        model=MODELS[kind],
        max_tokens=300,
        messages=asked("Which city?"),
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    assert isinstance(json.loads(text_of(message))["city"], str)


def test_stop_sequences(client: anthropic.Anthropic) -> None:
    message = client.messages.create(model=MODELS["anthropic"], max_tokens=300, messages=asked("Tell me"), stop_sequences=["A real"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "A real")
    message = client.messages.create(model=MODELS["openai"], max_tokens=3, messages=asked("Tell me"))
    assert message.stop_reason == "max_tokens"


def test_tokens_are_counted_here(client: anthropic.Anthropic, simulator: SimulatorProcess) -> None:
    short = client.messages.count_tokens(model="claude-sonnet-4-5", messages=asked("Hello"))
    long = client.messages.count_tokens(model="claude-sonnet-4-5", messages=asked("Hello " * 500), tools=[WEATHER], system="Be brief")
    assert 1 <= short.input_tokens < 20
    assert 500 < long.input_tokens < 2000
    assert sent_to(simulator, "anthropic") == []


def test_models_are_listed_in_this_shape_for_these_clients_alone(client: anthropic.Anthropic, gateway: RunningGateway) -> None:
    models = list(client.models.list(limit=5))
    names = [model.id for model in models]
    assert len(names) == len(set(names)) > 5, "several pages"
    assert {"auto", "claude-sonnet-4-5", "openai/gpt-4o"} <= set(names)
    assert all(model.type == "model" for model in models)
    assert client.models.retrieve("claude-sonnet-4-5").id == "claude-sonnet-4-5"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nobody")
    assert gateway.get("/v1/models").json["object"] == "list"
    assert gateway.get("/v1/models", {"anthropic-version": "2023-06-01"}).json["has_more"] is True


@pytest.mark.parametrize(
    ("status", "failure", "kind"),
    [
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.OverloadedError, "overloaded_error"),
        (504, anthropic.GatewayTimeoutError, "timeout_error"),
    ],
)
def test_failures_of_the_provider_are_raised_as_their_class(
    own_client: anthropic.Anthropic, simulator: SimulatorProcess, status: int, failure: type[anthropic.APIStatusError], kind: str
) -> None:
    simulator.add_faults(FaultRule(method="POST", status=status, message="the provider's own words", retry_after=7))
    with pytest.raises(failure) as raised:
        own_client.messages.create(model=MODELS["anthropic"], max_tokens=9, messages=asked("Hi"))
    assert raised.value.type == kind
    assert "the provider's own words" in str(raised.value.api_message)
    assert raised.value.request_id == raised.value.response.headers["x-correlation-id"]
    if status == 429:
        assert raised.value.response.headers["retry-after"] == "7"


def test_failures_of_the_request(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.messages.create(model="no-such-model", max_tokens=9, messages=asked("Hi"))
    assert missing.value.type == "not_found_error"
    with pytest.raises(anthropic.BadRequestError, match=r"messages\[0\]\.role"):
        client.messages.create(model="auto", max_tokens=9, messages=[{"role": "robot", "content": "x"}])  # type: ignore[typeddict-item]
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        client.messages.create(model="auto", max_tokens=9, messages=asked("Hi"), extra_body={"max_tokens": "many"})


def test_without_a_key_where_one_is_needed(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with (
        running_gateway(tmp_path, simulator, {"auth.required": True}) as gateway,
        anthropic.Anthropic(base_url=gateway.url, api_key="wrong", max_retries=0) as client,
    ):
        for call in (
            lambda: client.messages.create(model="auto", max_tokens=9, messages=asked("Hi")),
            lambda: client.messages.count_tokens(model="auto", messages=asked("Hi")),
            client.models.list,
        ):
            with pytest.raises(anthropic.AuthenticationError) as raised:
                call()
            assert raised.value.type == "authentication_error"
        assert sent_to(simulator, "anthropic") == []


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_that_breaks_off_raises_and_has_no_end(client: anthropic.Anthropic, simulator: SimulatorProcess, kind: str) -> None:
    simulator.add_faults(FaultRule(kind=kind, method="POST", reset_after_chunks=5))  # type: ignore[arg-type]
    seen: list[str] = []
    with (
        pytest.raises(anthropic.APIStatusError) as raised,
        client.messages.stream(model=MODELS[kind], max_tokens=200, messages=asked("Tell me of qubits")) as stream,
    ):
        seen.extend(event.type for event in stream)
    assert "content_block_delta" in seen
    assert "message_stop" not in seen
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["error"]["type"] == "api_error"


def test_an_error_event_of_the_provider_is_told_as_one(
    client: anthropic.Anthropic, gateway: RunningGateway, simulator: SimulatorProcess
) -> None:
    simulator.add_faults(FaultRule(kind="anthropic", method="POST", error_after_chunks=5, error_status=529, message="too busy"))
    answer = gateway.post("/v1/messages", model=MODELS["anthropic"], max_tokens=99, stream=True, messages=asked("Tell me of qubits"))
    *_, last = answer.body.decode().strip().split("\n\n")
    assert last.startswith("event: error\ndata: ")
    error = json.loads(last.partition("data: ")[2])
    assert error["error"]["type"] == "overloaded_error"
    assert error["request_id"] == answer.headers["request-id"] == answer.headers["x-correlation-id"]
    assert "message_stop" not in answer.body.decode()


def test_limits_of_the_provider_pass(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(kind="anthropic", method="POST", headers={"anthropic-ratelimit-unified-status": "allowed_warning"}))
    for stream in (False, True):
        answer = gateway.post("/v1/messages", model=MODELS["anthropic"], max_tokens=9, stream=stream, messages=asked("Hi"))
        assert answer.headers["anthropic-ratelimit-unified-status"] == "allowed_warning"
    answer = gateway.post("/v1/messages", model=MODELS["openai"], max_tokens=9, messages=asked("Hi"))
    assert "anthropic-ratelimit-unified-status" not in answer.headers
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "1000000"


def test_a_secret_stays_with_secure_providers(client: anthropic.Anthropic, simulator: SimulatorProcess) -> None:
    message = client.messages.with_raw_response.create(
        model=MODELS["anthropic"], max_tokens=50, system="key: sk-1234567890abcdefghij", messages=asked("Analyze this internal API key")
    )
    assert message.headers["x-gateway-provider"] in {"ollama", "bedrock", "converse"}
    for kind in ("openai", "anthropic", "grok"):
        assert sent_to(simulator, kind) == []


def test_a_secret_in_a_header_that_goes_on_is_judged_too(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    body = {"model": "auto", "max_tokens": 50, "messages": asked("Hi")}
    answer = gateway.call("POST", "/v1/messages", body, {"anthropic-beta": "sk-1234567890abcdef"})
    assert answer.headers["x-gateway-provider"] in {"ollama", "bedrock", "converse"}
    assert sent_to(simulator, "anthropic") == []


def test_redacted_values_come_back_in_a_stream_of_the_same_wire(tmp_path: Path, simulator: SimulatorProcess) -> None:
    settings = settings_of(simulator) | {"security.policies": {"pii": "redact"}}
    with running_gateway(tmp_path, simulator, settings) as gateway, anthropic.Anthropic(base_url=gateway.url, api_key="any") as client:
        question = asked("Write to ada.lovelace@kensington-labs.co.uk about lunch")
        with client.messages.stream(model=MODELS["anthropic"], max_tokens=200, messages=question) as stream:
            streamed = text_of(stream.get_final_message())
        whole = text_of(client.messages.create(model=MODELS["anthropic"], max_tokens=200, messages=question))
    assert "ada.lovelace@kensington-labs.co.uk" in streamed
    assert streamed == whole
    assert "ada.lovelace" not in json.dumps([body for body, _ in sent_to(simulator, "anthropic")])


async def test_the_asynchronous_client(async_client: anthropic.AsyncAnthropic) -> None:
    async with async_client.messages.stream(model="auto", max_tokens=100, messages=asked("Hi")) as stream:
        assert "[simulated" in text_of(await stream.get_final_message())


def test_what_claude_code_sends(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    """The shape of its calls: beta query and headers, cached system blocks, tools, adaptive thinking, a session in the metadata."""
    body: dict[str, object] = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 32000,
        "stream": True,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197.84c; cc_entrypoint=sdk-cli;"},
            {"type": "text", "text": "You are a coding assistant.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Work in small steps.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "<system-reminder>Be careful</system-reminder>"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "toolu_01A09q90qw90lq917835lq9x", "name": "Read", "input": {"file_path": "/tmp/a.py"}},
                    {"type": "tool_use", "id": "toolu_01Gv7Kq2mXz8PpLw4RtY6NbC", "name": "Agent", "input": {"prompt": "look"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_01A09q90qw90lq917835lq9x", "content": "File does not exist."},
                    {"type": "tool_result", "tool_use_id": "toolu_01Gv7Kq2mXz8PpLw4RtY6NbC", "content": "not found", "is_error": True},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "Neither is there."}]},
            {
                "role": "user",
                "content": [{"type": "text", "text": "use get_weather for Oslo", "cache_control": {"type": "ephemeral"}}],
            },
        ],
        "tools": [{**WEATHER, "input_schema": SCHEMA_OF_TOOLS}],
        "metadata": {"user_id": json.dumps({"device_id": "d" * 64, "session_id": "s"})},
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    }  # fmt: skip
    headers = {
        "authorization": "Bearer any",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27",
        "x-app": "cli",
    }
    for model in (MODELS["anthropic"], MODELS["openai"], MODELS["ollama"]):
        answer = gateway.call("POST", "/v1/messages?beta=true", {**body, "model": model}, headers)
        assert answer.status == 200, answer.body
        assert answer.headers["x-gateway-provider"] == model.partition("/")[0], "nothing of a client's own making is taken for a secret"
        assert b'"stop_reason":"tool_use"' in answer.body.replace(b": ", b":")
        assert b"message_stop" in answer.body
    ((sent, sent_headers),) = sent_to(simulator, "anthropic")
    assert sent == body
    assert sent_headers["anthropic-beta"] == headers["anthropic-beta"]


def test_the_example_of_the_documentation(gateway: RunningGateway, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "anthropic.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    assert "http://localhost:5055" in example
    names: dict[str, Any] = {}
    exec(compile(example.replace("http://localhost:5055", gateway.url), "docs/anthropic.md", "exec"), names)
    names["client"].close()
    shown = capsys.readouterr().out
    assert shown.count("[simulated") == 2
    assert "openai/gpt-4o" in shown


def test_an_exhausted_budget_is_asked_of_once_and_a_slow_provider_times_out(refusing: Refusing) -> None:
    counted = Counted()
    with anthropic.Anthropic(base_url=refusing.url, api_key=refusing.broke, max_retries=3, http_client=counted.client()) as client:
        with pytest.raises(anthropic.APIStatusError) as broke:
            client.messages.create(model=MODELS["openai"], max_tokens=50, messages=asked("Hi"))
        assert (broke.value.status_code, counted.calls) == (402, 1)
    with anthropic.Anthropic(base_url=refusing.url, api_key=refusing.good, max_retries=0) as client:
        with pytest.raises(anthropic.APITimeoutError):
            client.messages.create(model=MODELS["openai"], max_tokens=50, messages=asked(SLOW), timeout=0.3)
        with pytest.raises(anthropic.BadRequestError, match="cannot be answered"):
            client.messages.create(model=MODELS["openai"], max_tokens=50, messages=asked(FAILS))
    with anthropic.Anthropic(base_url=refusing.url, api_key=refusing.limited, max_retries=0) as client:
        with pytest.raises(anthropic.RateLimitError) as limited:
            client.messages.create(model=MODELS["openai"], max_tokens=50, messages=asked("Hi"))
        assert limited.value.response.headers["anthropic-ratelimit-requests-remaining"] == "0"


@pytest.mark.parametrize(("budget", "effort"), [(1024, "low"), (2048, "low"), (4096, "medium"), (10_000, "high"), (31_000, "high")])
def test_a_thinking_budget_is_an_effort_of_openai(
    client: anthropic.Anthropic, simulator: SimulatorProcess, budget: int, effort: str
) -> None:
    answer = client.messages.with_raw_response.create(
        model="openai/o3-mini", max_tokens=32_000, messages=asked("Hi"), thinking={"type": "enabled", "budget_tokens": budget}, timeout=60
    )
    assert "x-gateway-dropped-params" not in answer.headers
    (body,) = [json.loads(base64.b64decode(str(entry["body"]))) for entry in simulator.log("openai") if entry["method"] == "POST"]
    assert body["reasoning_effort"] == effort
    # A model that may not know the field is not told, and the caller is.
    other = client.messages.with_raw_response.create(
        model=MODELS["openai"], max_tokens=32_000, messages=asked("Hi"), thinking={"type": "enabled", "budget_tokens": budget}, timeout=60
    )
    assert other.headers["x-gateway-dropped-params"] == "thinking"
