"""What people say stays out of every sink: logs, metrics, the audit trail, management answers, and the files of the data folder.

A gateway process of its own, logging everything it can, is asked in every dialect, rightly and wrongly, and its providers fail in ways
that quote what they were asked. Then everything it wrote and everything it tells an administrator is searched.
"""

import base64
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support import free_port

from llm_gateway.cli.demo import environ_of
from llm_gateway.simulator import FaultRule, SimulatorProcess

ADMIN = "Kq7vXw2mTz9bNc4rLp6dHs8gJf3yRa5e"
OWN_SECRETS = {
    "ADMIN_TOKEN": ADMIN,
    "OPENAI_API_KEY": "sk-own-Jw4mKq8vTz2xNc6bRf9hLd3pGs7yWa5e",
    "ANTHROPIC_API_KEY": "sk-ant-own-Xu3kPw9rMn5tBv7zQd2fHj8sLc4gYe6a",
    "STORAGE_ENCRYPTION_KEY": "own-encryption-key-Vb8nKm4xZq2wRt6yPl9d",
}
FILES_THAT_HOLD_SECRETS = {"key_pepper", "audit.key", "storage.key", "admin_token"}
PAGES = (
    "/", "/health", "/health/ready", "/health/detailed", "/providers", "/models", "/metrics", "/metrics/prometheus", "/metrics/performance",
    "/metrics/costs", "/metrics/timeseries", "/requests", "/usage", "/cache/status", "/rate-limit/status?user_id=ada",
    "/audit", "/audit/verify",
    "/admin/keys", "/admin/budgets", "/services/status", "/integrations", "/openapi.json", "/dashboard",
)  # fmt: skip


class Words:
    """Texts that are nowhere else in the world, and all that were made."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def harmless(self) -> str:
        self.all.append(word := f"zqplum{len(self.all)}trace")
        return f"Tell me a story about {word}."

    def secret(self) -> str:
        self.all.append(core := base64.b32encode(b"own-%08d-secret" % (len(self.all) * 7919)).decode().rstrip("=").lower())
        return f"my password is {core}Q9! keep it"


def bodies(words: Words) -> Iterator[tuple[str, Any]]:
    """One call of every endpoint for each sort of text, whole and streamed."""
    for make in (words.harmless, words.secret):
        tool = {"type": "function", "function": {"name": "look", "description": make(), "parameters": {"type": "object", "properties": {}}}}
        yield "/query", {"prompt": make(), "context": {"notes": [make()]}, "user_id": "ada"}
        yield "/query", {"prompt": make(), "provider": "openai"}
        for _ in range(2):
            yield "/chat", {"prompt": make(), "conversation_id": "talk", "user_id": "ada"}
        yield "/stream", {"prompt": make()}
        yield "/embeddings", {"text": [make(), make()]}
        yield "/route/explain", {"prompt": make()}
        for stream in (False, True):
            messages = [{"role": "system", "content": make()}, {"role": "user", "content": make()}]
            yield "/v1/chat/completions", {"model": "auto", "messages": messages, "tools": [tool], "stream": stream}
            yield "/v1/responses", {"model": "auto", "input": make(), "instructions": make(), "stream": stream}
            yield "/v1/messages", {"model": "auto", "max_tokens": 50, "messages": messages[1:], "system": make(), "stream": stream}
            yield "/api/chat", {"model": "auto", "messages": messages, "stream": stream}
            yield "/api/generate", {"model": "auto", "prompt": make(), "stream": stream}
        yield "/v1/completions", {"model": "auto", "prompt": make()}
        yield "/v1/embeddings", {"model": "auto", "input": make()}
        yield "/v1/moderations", {"input": make()}
        yield "/api/embed", {"model": "auto", "input": make()}
        # What is wrong with a call may be told to its caller, and to nobody else.
        yield "/query", {"prompt": make(), "max_tokens": make()}
        yield "/query", {"prompt": make(), make(): 1}
        yield "/query", {"prompt": make(), "model": make()}
        yield "/query", f'{{"prompt": "{make()}'.encode()
        yield "/v1/chat/completions", {"model": "auto", "messages": [{"role": make(), "content": make()}]}
        yield "/v1/messages", {"model": "auto", "messages": make()}
        yield f"/nowhere/{make().replace(' ', '-')}", {"prompt": make()}


@contextmanager
def process(folder: Path, simulator: SimulatorProcess) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    config = folder / "config.yaml"
    server = {"port": port, "host": "127.0.0.1", "data_dir": str(folder / "data"), "log_level": "debug"}
    limits = {"requests_per_minute": 10_000, "requests_per_hour": 100_000, "tokens_per_minute": 100_000_000, "burst_limit": 10_000}
    config.write_text(json.dumps({"server": server, "rate_limiting": {"default": limits}, "routing": {"retry_base_s": 0.01}}))
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        command = [sys.executable, "-m", "llm_gateway", "serve", "--config", str(config)]
        environ = {"PATH": "/usr/bin:/bin", **environ_of(simulator.urls), **OWN_SECRETS}
        running = subprocess.Popen(command, env=environ, stdout=out, stderr=err, cwd=folder)
        try:
            yield running, port
        finally:
            running.kill()
            running.wait()


def ask(port: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    all_headers = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, all_headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as failure:
        with failure:
            return failure.code, failure.read()


def wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            ask(port, "GET", "/health")
        except OSError:
            assert time.monotonic() < until, "the gateway did not start"
        else:
            return


def spellings(word: str) -> tuple[bytes, ...]:
    """A word as a sink could hold it: plain, in hex, in base64 wherever it begins."""
    shifted = [base64.b64encode(b"\0" * shift + word.encode())[4:-4] for shift in range(3)]
    return (word.encode(), word.encode().hex().encode(), *shifted)


def test_no_sink_holds_what_was_said(tmp_path: Path, simulator: SimulatorProcess) -> None:
    words = Words()
    statuses: dict[int, int] = {}
    with process(tmp_path, simulator) as (running, port):
        wait_for(port)
        for number, (path, body) in enumerate(bodies(words)):
            if number % 6 == 5:  # a provider that quotes its prompt back, as some do
                said = body.decode() if isinstance(body, bytes) else json.dumps(body)
                faults = ({"status": 400}, {"status": 500}, {"malformed": "html"}, {"reset_after_chunks": 1}, {"error_after_chunks": 1})
                fault = faults[number // 6 % len(faults)]
                simulator.add_faults(FaultRule(method="POST", times=3, message=f"cannot do that: {said}", **fault))
            status, _ = ask(port, "POST", path, body)
            statuses[status] = statuses.get(status, 0) + 1
        wrong = words.secret()
        for headers in ({"authorization": f"Bearer {wrong}"}, {"x_api_key": wrong}):
            ask(port, "POST", "/query", {"prompt": words.harmless()}, **headers)
            ask(port, "GET", "/admin/keys", **headers)
        ask(port, "GET", f"/query?key={words.harmless().replace(' ', '-')}")
        ask(port, "POST", "/query", {"prompt": words.harmless()}, authorization=f"Bearer {ADMIN}")
        sinks = {page: ask(port, "GET", page, authorization=f"Bearer {ADMIN}")[1] for page in PAGES}
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
    assert statuses[200] > 30
    assert sum(count for status, count in statuses.items() if status >= 400) > 10
    files = [file for file in tmp_path.rglob("*") if file.is_file() and file.name not in FILES_THAT_HOLD_SECRETS]
    sinks |= {str(file.relative_to(tmp_path)): file.read_bytes() for file in files}
    assert {"stderr", "data/gateway.sqlite3"} <= sinks.keys()
    assert sinks["stderr"]
    found = {(word, name) for word in words.all for name, content in sinks.items() if any(form in content for form in spellings(word))}
    assert not found
    own = {(variable, name) for variable, value in OWN_SECRETS.items() for name, content in sinks.items() if value.encode() in content}
    assert not own


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_the_search_finds_what_is_there(before: str) -> None:
    word = "zqplum7trace"
    for sink in (f"{before}{word}", f"{before}{word}".encode().hex()):
        assert any(form in sink.encode() for form in spellings(word))
    assert any(form in base64.b64encode(f"{before}{word} and more".encode()) for form in spellings(word))


@pytest.fixture(autouse=True)
def _quiet(simulator: SimulatorProcess) -> Iterator[None]:
    yield
    simulator.clear_faults()
