"""Gateways as processes of their own, for tests that kill them, and a door in front of several."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.support import free_port

from llm_gateway.cli.demo import environ_of
from llm_gateway.simulator import SimulatorProcess

ADMIN = "an-admin-token-for-tests-only"
AS_ADMIN = {"authorization": f"Bearer {ADMIN}"}
EPOCHS = [f"llmgw:{{{name}}}:epoch" for name in ("limits", "budgets")]
"""Where the stores in Redis note when they began. For a while after, budgets are shared out and not pooled."""


class Reply(NamedTuple):
    """An HTTP answer, and how long it took."""

    status: int
    headers: dict[str, str]
    body: bytes
    took_s: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(port: int, path: str = "/query", headers: Mapping[str, str] | None = None, method: str = "POST", **body: object) -> Reply:
    """One request on a connection of its own.

    Raises:
        OSError: there was no answer, or not a whole one.
    """
    started_s = asyncio.get_running_loop().time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        data = json.dumps(body).encode() if method == "POST" else b""
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(data)}\r\n{lines}\r\n"
        writer.write(head.encode() + data)
        answer = await reader.read()
    finally:
        writer.close()
    first, _, content = answer.partition(b"\r\n\r\n")
    status, *rest = first.decode().split("\r\n")
    if not status:
        raise ConnectionResetError("the connection was closed without an answer")
    found = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
    if int(found.get("content-length", len(content))) != len(content):
        raise ConnectionResetError("the answer broke off")
    return Reply(int(status.split()[1]), found, content, asyncio.get_running_loop().time() - started_s)


class GatewayProcess:
    """`llm-gateway serve` on a port of its own; started again, on the same port."""

    def __init__(self, folder: Path, simulator: SimulatorProcess, settings: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "config.yaml"
        server = {"host": "127.0.0.1", "port": self.port, "data_dir": str(folder), "drain_s": 5, **settings.get("server", {})}
        audit = {"commit_timeout_s": 30, **settings.get("audit", {})}  # a machine that is busy with other tests is no fault of the trail
        everything = {"auth": {"admin_token": ADMIN}, **settings, "server": server, "audit": audit}
        self.config.write_text(json.dumps(everything))
        self._environ = {"PATH": os.defpath, **environ_of(simulator.urls), **environ}
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start; `wait` says when it answers."""
        command = [sys.executable, "-m", "llm_gateway", "serve", "--config", str(self.config)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, env=self._environ, stderr=log, stdout=log)

    def wait(self) -> None:
        """Wait until it answers."""
        assert self.process is not None
        waiting = threading.Event()
        for _ in range(3000):
            try:
                if asyncio.run(ask(self.port, "/health", method="GET")).status == 200:
                    return
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
            waiting.wait(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def log(self) -> str:
        """What it has logged."""
        return (self.folder / "log").read_text()

    def workers(self) -> list[int]:
        """The ids of its worker processes."""
        assert self.process is not None
        return [int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]

    def kill(self) -> None:
        """SIGKILL, and gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class Gateways:
    """Several gateway processes that start at once; ended with the block."""

    def __init__(self, *processes: GatewayProcess) -> None:
        self.processes = processes

    def __enter__(self) -> Self:
        try:
            for each in self.processes:
                each.launch()
            for each in self.processes:
                each.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for each in self.processes:
            if each.process is not None and each.process.poll() is None:
                each.stop()


class Door:
    """One port before several, as a service in a cluster is: new connections go round those that take them."""

    def __init__(self, ports: Iterable[int]) -> None:
        self._ports = list(ports)
        self._turn = 0
        self.through: dict[int, int] = dict.fromkeys(self._ports, 0)
        """Connections that stand now, by port."""
        self.silent: dict[int, int] = dict.fromkeys(self._ports, 0)
        """Those of them through which nothing was asked yet."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def leave(self, port: int) -> None:
        """No new connections go there, and what was to be asked through those that stand was asked."""
        self._ports.remove(port)
        while self.silent[port]:
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            first = await reader.read(65_536)
            self._turn += 1
            start = self._turn % len(self._ports)
            for port in self._ports[start:] + self._ports[:start]:
                if await self._pass(port, first, reader, writer):
                    return
        finally:
            writer.close()

    async def _pass(self, port: int, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether somebody is there; then all that is said has been passed on."""
        self.through[port] += 1
        self.silent[port] += 1
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
            up_writer.write(first)
        except OSError:
            self.through[port] -= 1
            return False
        finally:
            self.silent[port] -= 1
        try:
            await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer, answers=True))
        except OSError:
            pass  # the caller sees it
        finally:
            self.through[port] -= 1
            up_writer.transport.abort()
        return True


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False) -> None:
    """From one to the other. After the last of the answer the caller's connection is closed."""
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    if answers:
        writer.close()
