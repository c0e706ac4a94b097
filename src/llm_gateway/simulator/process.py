"""The simulator as a process of its own, for tests and tools that are not asynchronous."""

import http.client
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TypeVar
from urllib.parse import urlsplit

import msgspec

from llm_gateway.simulator.config import Latency, SimulatorConfig
from llm_gateway.simulator.exchange import Kind
from llm_gateway.simulator.faults import FaultRule
from llm_gateway.simulator.journal import Totals
from llm_gateway.simulator.mind import RecordedReply
from llm_gateway.simulator.server import Ready

T = TypeVar("T")
_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0
_CALL_TIMEOUT_S = 30.0


class SimulatorError(RuntimeError):
    """The simulator did not start, or refused a command."""


class KindCounts(msgspec.Struct, frozen=True):
    """Requests that a kind received, and its ledger by model ("" where nothing was charged)."""

    received: int
    models: dict[str, Totals]


class _Log(msgspec.Struct):
    entries: list[dict[str, object]]
    dropped: int


class _RuleStates(msgspec.Struct):
    rules: list[dict[str, object]]


class _Health(msgspec.Struct):
    running: list[str]


class _Done(msgspec.Struct):
    ok: bool


class _Refusal(msgspec.Struct):
    error: str


class ControlClient:
    """The control port as methods; blocking."""

    def __init__(self, control_url: str) -> None:
        self.control_url = control_url
        self._address = urlsplit(control_url).netloc

    def log(self, kind: str = "", since: int = 0) -> list[dict[str, object]]:
        """Requests received, oldest first; bodies in base64."""
        return self._call("GET", f"/log?kind={kind}&since={since}", _Log).entries

    def clear_log(self) -> None:
        """Empties log and ledger."""
        self._call("DELETE", "/log", _Done)

    def counts(self) -> dict[str, "KindCounts"]:
        """By kind: requests received, and what each model was charged."""
        return self._call("GET", "/counts", dict[str, KindCounts])

    def faults(self) -> list[dict[str, object]]:
        """The rules in force with how often each was met and applied."""
        return self._call("GET", "/faults", _RuleStates).rules

    def add_faults(self, *rules: FaultRule) -> None:
        """Puts rules in force, after those already there."""
        self._call("POST", "/faults", _Done, msgspec.json.encode(rules))

    def clear_faults(self) -> None:
        """Drops all fault rules."""
        self._call("DELETE", "/faults", _Done)

    def set_latency(self, latency: str | dict[Kind, Latency]) -> None:
        """A profile's name, or figures by kind."""
        self._call("POST", "/latency", _Done, msgspec.json.encode(latency))

    def set_replies(self, replies: Sequence[RecordedReply]) -> None:
        """Recorded replies, in place of those before."""
        self._call("POST", "/replies", _Done, msgspec.json.encode(replies))

    def stop(self, kind: str, mode: str = "close") -> None:
        """Closes a kind's port (`close`), or makes it swallow attempts to connect (`blackhole`)."""
        self._call("POST", f"/stop/{kind}?mode={mode}", _Done)

    def start(self, kind: str) -> None:
        """Opens a kind's port again."""
        self._call("POST", f"/start/{kind}", _Done)

    def running(self) -> list[str]:
        """The kinds that answer."""
        return self._call("GET", "/health", _Health).running

    def _call(self, method: str, path: str, form: type[T], body: bytes | None = None) -> T:
        connection = http.client.HTTPConnection(self._address, timeout=_CALL_TIMEOUT_S)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise SimulatorError(f"{method} {path}: {msgspec.json.decode(answer, type=_Refusal).error}")
        return msgspec.json.decode(answer, type=form)


class SimulatorProcess(ControlClient):
    """A running simulator: `urls` by kind, and its control port."""

    def __init__(self, ready: Ready, process: "subprocess.Popen[bytes]") -> None:
        super().__init__(ready.control_url)
        self.urls = ready.urls
        self.pid = ready.pid
        self.process = process


@contextmanager
def simulator_process(config: SimulatorConfig | None = None) -> Iterator[SimulatorProcess]:
    """Runs the simulator in a child process; it ends with the block, and also when this process dies.

    What the child writes to its standard error is passed on to ours at the end. Raises `SimulatorError` with the child's
    own words when it does not start within 20 s.
    """
    command = [sys.executable, "-m", "llm_gateway.simulator", "--from-stdin"]
    with tempfile.TemporaryFile() as complaints:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints)  # noqa: S603 - our own module
        try:
            yield SimulatorProcess(_ready(child, config if config is not None else SimulatorConfig(), complaints), child)
        finally:
            _end(child)
            sys.stderr.write(_text(complaints))


def _ready(child: "subprocess.Popen[bytes]", config: SimulatorConfig, complaints: IO[bytes]) -> Ready:
    if child.stdin is None or child.stdout is None:
        raise SimulatorError("the simulator has no pipes")
    guard = threading.Timer(_START_TIMEOUT_S, child.kill)
    guard.start()
    try:
        child.stdin.write(msgspec.json.encode(config) + b"\n")
        child.stdin.flush()
        line = child.stdout.readline()
    except BrokenPipeError:
        line = b""
    finally:
        guard.cancel()
    if not line:
        child.kill()
        child.wait()
        raise SimulatorError(f"the simulator did not start: {_text(complaints).strip()[-2000:]}")
    return msgspec.json.decode(line, type=Ready)


def _end(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()


def _text(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return complaints.read().decode("utf-8", "replace")
