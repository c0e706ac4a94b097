"""Upstreams that nobody here wrote: aimock speaks OpenAI, Anthropic, Ollama and Bedrock's wires.

Needs node and npm; without them the tests are skipped. The version is pinned.
"""

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import RunningGateway, free_port, running_gateway

from llm_gateway.simulator import SimulatorProcess

AIMOCK = "@copilotkit/aimock@1.43.0"
FOLDER = Path(__file__).parents[3] / ".tools" / "aimock"
USAGE = {"prompt_tokens": 7, "completion_tokens": 11, "total_tokens": 18}
LONG = "It goes on and"
FIXTURES = {
    "fixtures": [
        {
            "match": {"toolName": "get_weather"},
            "response": {"toolCalls": [{"name": "get_weather", "arguments": {"location": "San Francisco", "unit": "celsius"}}]},
        },
        {"match": {"userMessage": "hello"}, "response": {"content": "Hello! How can I help you today? Grüße, 世界.", "usage": USAGE}},
        {"match": {"userMessage": "on and on"}, "response": {"content": LONG, "finishReason": "length", "usage": USAGE}},
        {"match": {"inputText": "Text to embed"}, "response": {"embedding": [0.25, -0.5, 0.125]}},
    ]
}
ANSWER = "Hello! How can I help you today? Grüße, 世界."
PROVIDERS = ("openai", "anthropic", "ollama", "bedrock", "grok")
WEATHER = {
    "name": "get_weather",
    "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}, "unit": {"type": "string"}}},
}


@pytest.fixture(scope="module")
def aimock() -> Iterator[str]:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm")
    cli = FOLDER / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    if not cli.exists():
        _install()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "fixtures.json").write_text(json.dumps(FIXTURES))
        command = ["node", str(cli), "--port", str(port), "--fixtures", folder, "--log-level", "warn"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _until_it_listens(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _install() -> None:
    """Fetch it beside its place and move it there in one step: another run may be doing the same."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.parent, ignore_cleanup_errors=True) as folder:
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", folder, AIMOCK]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with contextlib.suppress(OSError):  # somebody else was faster
            Path(folder).rename(FOLDER)


def _until_it_listens(port: int) -> None:
    for _ in range(1200):
        with socket.socket() as probe:
            probe.settimeout(0.1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("aimock did not start")


@pytest.fixture(scope="module")
def gateway(aimock: str, tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[RunningGateway]:
    settings = {
        "cache.max_size": 0,
        "providers.openai.endpoint": f"{aimock}/v1",
        "providers.grok.endpoint": f"{aimock}/v1",
        "providers.anthropic.endpoint": aimock,
        "providers.ollama.endpoint": aimock,
        "providers.bedrock.endpoint": aimock,
        "providers.bedrock.api_key": "mock",
        "providers.bedrock.region": "us-east-1",
    }
    with running_gateway(tmp_path_factory.mktemp("aimock"), simulator_of_session, settings) as running:
        yield running


@pytest.mark.parametrize("provider", PROVIDERS)
def test_text_and_usage(gateway: RunningGateway, provider: str) -> None:
    answer = gateway.post("/query", prompt="hello", provider=provider)
    assert answer.status == 200, answer.body
    document = answer.json
    assert document["provider"] == provider
    assert document["response"] == ANSWER
    assert document["finish_reason"] == "stop"
    if provider == "ollama":  # aimock's Ollama reports zeros whatever its fixture says; zeros are not "not reported"
        assert document["usage"]["estimated"] is False
    else:
        assert (document["usage"]["input_tokens"], document["usage"]["output_tokens"]) == (7, 11)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_has_the_same_text(gateway: RunningGateway, provider: str) -> None:
    frames, done = gateway.frames(prompt="hello", provider=provider)
    assert done
    assert "".join(frame["chunk"] for frame in frames) == ANSWER
    assert len(frames) > 2
    assert frames[-1]["provider"] == provider
    assert frames[-1]["finish_reason"] == "stop"


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_call_arrives_whole(gateway: RunningGateway, provider: str, streamed: bool) -> None:
    if streamed:
        frames, done = gateway.frames(prompt="weather please", provider=provider, tools=[WEATHER])
        assert done
        pieces = [piece for frame in frames for piece in frame.get("tool_calls", ())]
        name, arguments = pieces[0]["name"], "".join(piece["arguments"] for piece in pieces)
        finish = frames[-1]["finish_reason"]
    else:
        document = gateway.post("/query", prompt="weather please", provider=provider, tools=[WEATHER]).json
        (call,) = document["tool_calls"]
        name, arguments, finish = call["name"], call["arguments"], document["finish_reason"]
    assert name == "get_weather"
    assert json.loads(arguments) == {"location": "San Francisco", "unit": "celsius"}
    assert finish == "tool_calls"


@pytest.mark.parametrize("provider", ["openai", "ollama"])
def test_embeddings(gateway: RunningGateway, provider: str) -> None:
    document = gateway.post("/embeddings", text="Text to embed", provider=provider).json
    assert document["provider"] == provider
    assert document["embeddings"] == [0.25, -0.5, 0.125]
    assert document["dimensions"] == 3
