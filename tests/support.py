"""A running gateway for tests: the real application behind the real server, in a thread, on a free port."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
import uvloop

from llm_gateway.app import App
from llm_gateway.cli.demo import environ_of
from llm_gateway.configuration import load
from llm_gateway.core.clock import Clock
from llm_gateway.server import server
from llm_gateway.simulator import SimulatorProcess


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


UNHURRIED = {
    f"rate_limiting.default.{limit}": 1_000_000_000
    for limit in ("requests_per_minute", "requests_per_hour", "tokens_per_minute", "burst_limit")
}
"""Tests call faster than people: the default tier's limits are for tests that are about limits."""


class Answer(NamedTuple):
    """An HTTP answer; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RunningGateway:
    """A gateway that answers at `url`."""

    def __init__(self, app: App, running: uvicorn.Server, port: int) -> None:
        self.app = app
        self.server = running
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None, timeout_s: float = 30) -> Answer:
        """One request. `body` is sent as JSON unless it is bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, data, {"content-type": "application/json", **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()

    def post(self, path: str, headers: Mapping[str, str] | None = None, **body: object) -> Answer:
        return self.call("POST", path, body, headers)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.call("GET", path, None, headers)

    def frames(self, **body: object) -> tuple[list[dict[str, Any]], bool]:
        """The frames of `/stream`, and whether it ended in [DONE]."""
        answer = self.call("POST", "/stream", body)
        assert answer.status == 200, answer
        events = [event.removeprefix("data: ") for event in answer.body.decode().split("\n\n") if event.startswith("data: ")]
        done = bool(events) and events[-1] == "[DONE]"
        return [json.loads(event) for event in events if event != "[DONE]"], done


@contextmanager
def running_gateway(
    folder: Path,
    simulator: SimulatorProcess,
    settings: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Iterator[RunningGateway]:
    """A gateway with the five default providers at the simulator. `settings` are dotted paths and their values."""
    # A machine that is busy with other tests is no fault of the trail.
    quiet = {"log_level": "error", "metrics.enable_detailed_logging": False, "audit.commit_timeout_s": 30}
    flags = {"host": "127.0.0.1", "port": 0, "data_dir": str(folder), **quiet, **UNHURRIED, **(settings or {})}
    loaded = load(None, {**environ_of(simulator.urls), **(environ or {})}, flags)
    app = App(loaded, None, clock)
    running = server(app, loaded.settings.server)
    running.config.lifespan = "on"
    thread = threading.Thread(target=_run, args=(running,), daemon=True)
    thread.start()
    waiting = threading.Event()
    for _ in range(6000):
        if running.started or not thread.is_alive():
            break
        waiting.wait(0.01)
    assert running.started, "the gateway did not start"
    try:
        yield RunningGateway(app, running, running.servers[0].sockets[0].getsockname()[1])
    finally:
        running.should_exit = True
        thread.join(60)
        assert not thread.is_alive(), "the gateway did not stop"


def _run(running: uvicorn.Server) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(running._serve())
