"""Upstreams of raw bytes on loopback, and the calls that tests send to them."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from llm_gateway.core.clearance import WireBytes, probe_wire
from llm_gateway.core.routing import Destination
from llm_gateway.core.types import SecurityLevel
from llm_gateway.core.wire import HttpRequest
from llm_gateway.transport import Deadlines

TLS_DATA = Path(__file__).parent.parent / "data" / "tls"
KEY = "sk-a-key-that-no-error-may-show"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Call:
    """One request at the upstream. `request` is its bytes, `connection` the number of the connection, from 1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, connection: int) -> None:
        self.reader = reader
        self.writer = writer
        self.request = request
        self.connection = connection

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Wait until the client has closed its end."""
        try:
            while await self.reader.read(1 << 16):
                pass
        except ConnectionError:
            pass

    def reset(self) -> None:
        """Close with RST in place of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.close()


Answer = Callable[[Call], Awaitable[bool | None]]
"""Answers one request; True keeps the connection for another."""


class Upstream:
    """What an upstream has seen."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.origin = ""
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []
        self.ended = asyncio.Event()
        """Set when a call's answer function has returned: in these tests, mostly because the client is gone."""
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections += 1
        number = self.connections
        try:
            while request := await _request(reader):
                self.requests.append(request)
                keep = await self.answer(Call(reader, writer, request, number))
                self.ended.set()
                if not keep:
                    break
        except ConnectionError:
            self.ended.set()
        except asyncio.CancelledError:
            pass  # the end of the test
        finally:
            self.tasks.discard(task)
            writer.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line[15:])
    return head + await reader.readexactly(length)


@asynccontextmanager
async def upstream(answer: Answer, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Upstream]:
    """An upstream that answers by `answer`; `host` is what its origin says, it listens on 127.0.0.1."""
    made = Upstream(answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    made.origin = f"{'https' if tls else 'http'}://{host}:{made.port}"
    try:
        yield made
    finally:
        server.close()
        tasks = list(made.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def says(data: bytes, *, keep: bool = False) -> Answer:
    """Answers every request with the same bytes."""

    async def answer(call: Call) -> bool:
        await call.send(data)
        return keep

    return answer


async def silent(call: Call) -> None:
    """Takes the request and never answers."""
    await call.gone()


class _Probe:
    """A provider as far as `probe_wire` looks at it."""

    def __init__(self, origin: str, http: HttpRequest) -> None:
        self.name = "acme"
        self.destination = Destination("acme", origin, SecurityLevel.HIGH)
        self.http = http

    def probe(self) -> HttpRequest:
        return self.http


def wire(
    origin: str,
    body: bytes = b"{}",
    path: str = "/v1/chat?token=query-secret",
    headers: tuple[tuple[str, str], ...] = (("Authorization", f"Bearer {KEY}"),),
    method: str = "POST",
) -> WireBytes:
    made = probe_wire(_Probe(origin, HttpRequest(method, origin + path, headers, body)))  # type: ignore[arg-type]
    assert made is not None
    return made


def within(connect_s: float = 2.0, first_byte_s: float = 2.0, idle_s: float = 2.0, total_s: float = 4.0) -> Deadlines:
    return Deadlines(connect_s, first_byte_s, idle_s, total_s)


LIMIT = 1 << 20
"""Bytes of an answer that most tests allow."""
