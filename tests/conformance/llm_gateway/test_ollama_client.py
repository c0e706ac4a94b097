"""Ollama's own Python package against the gateway, whatever provider answers: nothing is set but `host`."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest
from tests.conformance.conftest import FAILS, SLOW, Refusing
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import FaultRule, SimulatorProcess

MODELS = {
    "ollama": "llama3.1:8b",
    "openai": "openai/gpt-4o",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "bedrock": "bedrock/anthropic.claude-3-sonnet-20240229-v1:0",
    "bedrock_native": "converse/anthropic.claude-3-5-sonnet-20240620-v1:0",
    "grok": "grok/grok-4",
}
STREAMS = tuple(kind for kind in MODELS if kind != "bedrock")
"""The simulated Bedrock of the default settings is a proxy that knows neither streams nor tools."""
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def get_weather(city: str) -> str:
    """Weather of a city.

    Args:
        city: its name
    """
    return f"17 degrees in {city}"


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
def client(gateway: RunningGateway) -> Iterator[ollama.Client]:
    with ollama.Client(host=gateway.url) as made:
        yield made


def asked(text: str) -> list[dict[str, Any]]:
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]


def sent_to(simulator: SimulatorProcess, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Path and body of the calls, not the health checks, that reached an upstream."""
    calls = [entry for entry in simulator.log(kind) if entry["method"] == "POST"]
    return [(str(entry["path"]), json.loads(base64.b64decode(str(entry["body"])))) for entry in calls]


@pytest.mark.parametrize("kind", MODELS)
def test_a_chat(client: ollama.Client, kind: str) -> None:
    answer = client.chat(model=MODELS[kind], messages=asked("Tell me of qubits"), options={"num_predict": 200})
    assert answer.message.role == "assistant"
    assert f"[simulated {kind}" in (answer.message.content or "")
    assert (answer.done, answer.done_reason) == (True, "stop")
    assert answer.prompt_eval_count
    assert answer.eval_count
    assert answer.total_duration
    assert answer.created_at


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_says_the_same(client: ollama.Client, kind: str) -> None:
    whole = client.chat(model=MODELS[kind], messages=asked("Tell me of qubits"))
    parts = list(client.chat(model=MODELS[kind], messages=asked("Tell me of qubits"), stream=True))
    assert len(parts) > 3
    assert "".join(part.message.content or "" for part in parts) == whole.message.content
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert (parts[-1].eval_count, parts[-1].prompt_eval_count) == (whole.eval_count, whole.prompt_eval_count)


@pytest.mark.parametrize("kind", MODELS)
def test_a_completion(client: ollama.Client, kind: str) -> None:
    answer = client.generate(model=MODELS[kind], prompt="Tell me of qubits", system="Be brief.")
    assert f"[simulated {kind}" in (answer.response or "")
    assert (answer.done, answer.done_reason) == (True, "stop")
    if kind in STREAMS:
        parts = list(client.generate(model=MODELS[kind], prompt="Tell me of qubits", system="Be brief.", stream=True))
        assert "".join(part.response or "" for part in parts) == answer.response


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("streamed", [True, False])
def test_tools_make_a_round_trip(client: ollama.Client, simulator: SimulatorProcess, kind: str, streamed: bool) -> None:
    messages = asked("Please use get_weather for Paris")
    if streamed:
        parts = list(client.chat(model=MODELS[kind], messages=messages, tools=[get_weather], stream=True))
        calls = [call for part in parts for call in part.message.tool_calls or ()]
    else:
        calls = list(client.chat(model=MODELS[kind], messages=messages, tools=[get_weather]).message.tool_calls or ())
    ((name, arguments),) = [(call.function.name, call.function.arguments) for call in calls]
    assert (name, arguments) == ("get_weather", {"city": "Paris"})
    simulator.clear_log()
    after = client.chat(
        model=MODELS[kind],
        messages=[
            *messages,
            {"role": "assistant", "content": "", "tool_calls": calls},
            {"role": "tool", "tool_name": name, "content": get_weather(**arguments)},
        ],
        tools=[get_weather],
    )
    assert f"[simulated {kind}" in (after.message.content or "")
    assert not after.message.tool_calls
    ((_, body),) = sent_to(simulator, kind)
    assert "17 degrees in Paris" in json.dumps(body)


@pytest.mark.parametrize("kind", ["ollama", "openai", "anthropic", "grok"])
def test_structured_output(client: ollama.Client, kind: str) -> None:
    answer = client.chat(model=MODELS[kind], messages=asked("Which city?"), format=SCHEMA)
    assert isinstance(json.loads(answer.message.content or "")["city"], str)
    if kind != "anthropic":  # which has no such mode: the model is told in words
        assert isinstance(json.loads(client.chat(model=MODELS[kind], messages=asked("JSON?"), format="json").message.content or ""), dict)


def test_thinking(client: ollama.Client) -> None:
    for model in ("qwen3:8b", "anthropic/claude-sonnet-4-5"):
        answer = client.chat(model=model, messages=asked("Ponder this"), think=True)
        assert answer.message.thinking
        assert answer.message.content
        parts = list(client.chat(model=model, messages=asked("Ponder this"), think=True, stream=True))
        assert "".join(part.message.thinking or "" for part in parts) == answer.message.thinking


def test_images(client: ollama.Client, simulator: SimulatorProcess) -> None:
    for kind in ("ollama", "openai", "anthropic"):
        model = "llama3.2:latest" if kind == "ollama" else MODELS[kind]
        client.chat(model=model, messages=[{"role": "user", "content": "What is it?", "images": [PIXEL]}])
        ((_, body),) = sent_to(simulator, kind)
        assert PIXEL in json.dumps(body)
        assert kind == "ollama" or "image/png" in json.dumps(body)


@pytest.mark.parametrize("model", ["nomic-embed-text", "openai/text-embedding-3-small", "converse/amazon.titan-embed-text-v2:0"])
def test_embeddings(client: ollama.Client, model: str) -> None:
    texts = ["one"] if "titan" in model else ["one", "two", "three"]  # Titan takes one text a call
    answer = client.embed(model=model, input=texts)
    assert len(answer.embeddings) == len(texts)
    assert len({len(vector) for vector in answer.embeddings}) == 1
    assert client.embed(model=model, input="one").embeddings == [answer.embeddings[0]]
    assert client.embeddings(model=model, prompt="one").embedding == pytest.approx(answer.embeddings[0])
    assert client.embed(model=model, input="").embeddings == []


def test_the_same_wire_is_lossless_there_and_back(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    chat = {"messages": [{"role": "user", "content": "Hi there"}], "options": {"top_k": 3, "num_ctx": 4096}, "keep_alive": "7m"}
    completion = {"prompt": "Hi there", "options": {"top_k": 3, "num_ctx": 4096}, "keep_alive": "7m", "raw": True}
    for path, body in (("/api/chat", chat), ("/api/generate", completion)):
        for stream in (False, True):
            simulator.clear_log()
            answer = gateway.call("POST", path, {"model": "ollama/llama3.1:8b", **body, "stream": stream})
            assert answer.status == 200, answer.body
            assert sent_to(simulator, "ollama") == [(path, {**body, "model": "llama3.1:8b", "stream": stream})]
            assert "x-gateway-dropped-params" not in answer.headers
            last = json.loads(answer.body.splitlines()[-1])
            assert last["load_duration"] > 0, "the server's own figure"
            assert answer.headers["content-type"] == ("application/x-ndjson" if stream else "application/json")


def test_what_a_provider_cannot_be_told_is_refused_or_named(
    client: ollama.Client, gateway: RunningGateway, simulator: SimulatorProcess
) -> None:
    with pytest.raises(ollama.ResponseError, match="suffix") as failure:
        client.generate(model="gpt-4o", prompt="def f(", suffix="return x")
    assert failure.value.status_code == 400
    assert sent_to(simulator, "openai") == []
    answer = gateway.post("/api/chat", model="openai/gpt-4o", messages=asked("Hi"), options={"top_k": 3}, keep_alive="5m")
    assert answer.headers["x-gateway-dropped-params"] == "keep_alive, options.top_k"


def test_models(client: ollama.Client, gateway: RunningGateway) -> None:
    names = [str(found.model) for found in client.list().models]
    assert {"auto", "llama3.1:8b", "openai/gpt-4o", "anthropic/claude-sonnet-4-5"} <= set(names)
    assert len(names) == len(set(names))
    shown = client.show("openai/gpt-4o")
    assert shown.capabilities == ["completion", "tools"]
    assert shown.modelinfo is not None
    assert shown.modelinfo["openai.context_length"] == 128_000
    assert client.show("nomic-embed-text").capabilities == ["embedding"]
    with pytest.raises(ollama.ResponseError) as failure:
        client.show("nobody")
    assert failure.value.status_code == 404
    assert client.ps().models == []
    assert [int(part) for part in gateway.get("/api/version").json["version"].split(".")] >= [0, 9, 0]
    assert gateway.call("HEAD", "/").status == 200, "how its command line asks whether a server is there"


def test_a_name_without_a_tag_may_get_one(client: ollama.Client) -> None:
    for name in ("gpt-4o:latest", "auto:latest", "llama3.2", "llama3.2:latest"):
        assert "[simulated" in (client.chat(model=name, messages=asked("Hi")).message.content or "")


def test_loading_and_freeing_a_model_spends_nothing(client: ollama.Client, simulator: SimulatorProcess) -> None:
    assert client.generate(model="openai/gpt-4o").done_reason == "load"
    assert client.generate(model="llama3.1:8b", keep_alive=0).done_reason == "unload"
    assert client.chat(model="llama3.1:8b", messages=[]).done_reason == "load"
    with pytest.raises(ollama.ResponseError, match="nobody"):
        client.generate(model="nobody")
    assert all(sent_to(simulator, kind) == [] for kind in simulator.urls)


def test_models_are_not_managed_here(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="manages no models"):
        client.pull("llama3")


@pytest.mark.parametrize(("status", "shown"), [(429, 429), (400, 400), (500, 502), (504, 504)])
def test_failures_of_the_provider(tmp_path: Path, simulator: SimulatorProcess, status: int, shown: int) -> None:
    with running_gateway(tmp_path, simulator, settings_of(simulator) | {"routing.max_attempts": 1}) as gateway:
        simulator.add_faults(FaultRule(method="POST", status=status, message="the provider's own words"))
        with ollama.Client(host=gateway.url) as client, pytest.raises(ollama.ResponseError, match="the provider's own words") as failure:
            list(client.chat(model="openai/gpt-4o", messages=asked("Hi"), stream=True))
        assert failure.value.status_code == shown


def test_failures_of_the_request(client: ollama.Client, gateway: RunningGateway) -> None:
    with pytest.raises(ollama.ResponseError) as missing:
        client.chat(model="no-such-model", messages=asked("Hi"))
    assert missing.value.status_code == 404
    assert isinstance(missing.value.error, str)
    wrong = gateway.post("/api/chat", model="auto", messages=asked("Hi"), format="xml")
    assert wrong.status == 400
    assert wrong.json == {"error": "format: expected json, or a JSON schema"}


def test_without_a_key_where_one_is_needed(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {"auth.required": True}) as gateway, ollama.Client(host=gateway.url) as client:
        for call in (
            lambda: client.chat(model="auto", messages=asked("Hi")),
            lambda: client.generate(model="auto"),
            lambda: client.embed(model="nomic-embed-text", input=""),
            client.list,
            client.ps,
            lambda: client.show("auto"),
            lambda: client.pull("x"),
        ):
            with pytest.raises(ollama.ResponseError) as failure:
                call()
            assert failure.value.status_code == 401


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_that_breaks_off_raises_and_is_not_done(client: ollama.Client, simulator: SimulatorProcess, kind: str) -> None:
    simulator.add_faults(FaultRule(kind=kind, method="POST", reset_after_chunks=5))  # type: ignore[arg-type]
    seen: list[ollama.ChatResponse] = []
    with pytest.raises(ollama.ResponseError):
        seen.extend(client.chat(model=MODELS[kind], messages=asked("Tell me of qubits"), stream=True))
    assert not any(part.done for part in seen)


def test_a_secret_stays_with_secure_providers(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    secret = "Analyze this internal API key: sk-1234567890abcdef"
    for path, body in (
        ("/api/chat", {"messages": asked(secret)}),
        ("/api/generate", {"prompt": "Hi", "system": secret}),
        ("/api/generate", {"prompt": "Hi", "template": secret}),
        ("/api/embed", {"input": secret}),
        ("/api/embeddings", {"prompt": secret}),
    ):
        answer = gateway.call("POST", path, {"model": "auto", "stream": False, **body})
        assert answer.status == 200, answer.body
        assert answer.headers["x-gateway-provider"] in {"ollama", "bedrock", "converse"}
    for kind in ("openai", "anthropic", "grok"):
        assert sent_to(simulator, kind) == []


async def test_the_asynchronous_client(gateway: RunningGateway) -> None:
    async with ollama.AsyncClient(host=gateway.url) as client:
        answer = await client.chat(model="auto", messages=asked("Hi"), stream=True)
        assert "[simulated" in "".join([part.message.content or "" async for part in answer])


def test_the_example_of_the_documentation(gateway: RunningGateway, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "ollama.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    assert "http://localhost:5055" in example
    names: dict[str, Any] = {}
    exec(compile(example.replace("http://localhost:5055", gateway.url), "docs/ollama.md", "exec"), names)
    names["client"].close()
    assert capsys.readouterr().out.count("[simulated") == 3


def test_refusals_carry_their_status(refusing: Refusing) -> None:
    for key, text, status in (
        ("wrong", "hello", 401), (refusing.good, FAILS, 400), (refusing.limited, "hello", 429), (refusing.broke, "hello", 402),
    ):  # fmt: skip
        client = ollama.Client(host=refusing.url, headers={"authorization": f"Bearer {key}"})
        with pytest.raises(ollama.ResponseError) as refused:
            client.chat(model="openai/gpt-4o", messages=[{"role": "user", "content": text}])
        assert refused.value.status_code == status
        client._client.close()
    client = ollama.Client(host=refusing.url, headers={"authorization": f"Bearer {refusing.good}"}, timeout=0.3)
    with pytest.raises(httpx.TimeoutException):
        client.chat(model="openai/gpt-4o", messages=[{"role": "user", "content": SLOW}])
    client._client.close()
