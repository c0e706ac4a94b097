"""HTTP/1.1 over one TCP connection, written so that every way of failing is at hand.

A web server's business is to hide resets, torn bodies and byte-by-byte answers; this one has to make them. An answer
without delay or fault is written at once, without a task.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Iterator
from typing import Protocol, cast

import httptools

from llm_gateway import __version__
from llm_gateway.simulator.delivery import Delivery, reason
from llm_gateway.simulator.exchange import Answer, Bill
from llm_gateway.simulator.journal import Entry, Outcome

_MOST_BODY_BYTES = 256 << 20
_AT_ONCE_BYTES = 256 << 10
_RESET = struct.pack("ii", 1, 0)
_SERVER = f"server: llm-gateway-simulator/{__version__}\r\n"


class App(Protocol):
    """What answers the requests of a listener."""

    def receive(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> tuple[Answer | Delivery, Entry | None]:
        """The answer, and the log entry that the connection keeps up to date. An `Answer` goes out at once."""
        ...

    def finished(self, entry: Entry, outcome: Outcome, bill: Bill | None, output_tokens: int | None) -> None:
        """The answer is out, or never will be."""
        ...


class Peers:
    """The live connections of a listener; once stopped, those that come late are cut too."""

    def __init__(self) -> None:
        self._alive: set[Connection] = set()
        self._stopped = False

    def joined(self, connection: "Connection") -> None:
        """A connection is there."""
        self._alive.add(connection)
        if self._stopped:
            connection.stop()

    def left(self, connection: "Connection") -> None:
        """A connection is gone."""
        self._alive.discard(connection)

    def stop(self) -> None:
        """Cuts all of them."""
        self._stopped = True
        for connection in [*self._alive]:
            connection.stop()


class Connection(asyncio.Protocol):
    """One client. Requests are answered in the order in which they came."""

    def __init__(self, app: App, peers: Peers) -> None:
        self._app = app
        self._peers = peers
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[str, str, list[tuple[str, str]], bytes, bool]] = deque()
        self._player: _Player | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._stopped = False
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._body_bytes = 0

    # ------------------------------------------------------------ asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports behave like asyncio's, but are no subclass of them.
        self._transport = cast(asyncio.Transport, transport)
        self._peers.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._peers.left(self)
        self._transport = None
        self._writable.set()
        if self._player is not None:
            self._player.lost("stopped" if self._stopped else "client_left")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                self._transport.close()
            return
        # Outside the parser, which would swallow an error of ours and hold the answer back.
        if self._player is None:
            self._next()

    # ------------------------------------------------------------ httptools

    def on_message_begin(self) -> None:
        self._url, self._headers, self._body, self._body_bytes = b"", [], [], 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower().decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        if self._transport is not None and any(name == "expect" and value.lower() == "100-continue" for name, value in self._headers):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > _MOST_BODY_BYTES:
            raise httptools.HttpParserError("the body is too large for the simulator")
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        method = self._parser.get_method().decode("latin-1")
        self._waiting.append((method, self._url.decode("latin-1"), self._headers, body, self._parser.should_keep_alive()))

    # ------------------------------------------------------------ answers

    def _next(self) -> None:
        while self._waiting and self._player is None and self._transport is not None:
            method, target, headers, body, keep = self._waiting.popleft()
            try:
                answer, entry = self._app.receive(method, target, headers, body)
            except BaseException:
                self._transport.abort()
                raise
            if isinstance(answer, Delivery):
                self._player = _Player(self, answer, entry, keep and not answer.close_after, method == "HEAD")
                self._player.start()
            else:
                self._at_once(answer, entry, keep, method == "HEAD")

    def _at_once(self, answer: Answer, entry: Entry | None, keep: bool, bodiless: bool) -> None:
        data = whole_answer(answer, keep, bodiless)
        if self._transport is not None:
            self._transport.write(data)
        if entry is not None:
            entry.status, entry.chunks_sent, entry.bytes_sent = answer.status, len(answer.pieces), len(data)
            self._app.finished(entry, "answered", answer.bill, None)
        if not keep and self._transport is not None:
            self._transport.close()

    # ------------------------------------------------------------ for the player

    @property
    def app(self) -> App:
        """What answers here."""
        return self._app

    async def send(self, data: bytes) -> None:
        """Writes and waits until there is room for more. Raises `ConnectionError` when the client is gone."""
        if self._transport is None:
            raise ConnectionResetError("the client is gone")
        self._transport.write(data)
        if not self._writable.is_set():
            await self._writable.wait()

    def played(self, *, keep: bool) -> None:
        """The player has ended; goes on with the next request or closes."""
        self._player = None
        if not keep and self._transport is not None:
            self._transport.close()
        else:
            self._next()

    async def flushed(self) -> None:
        """Waits until what was written has left the process."""
        while self._transport is not None and self._transport.get_write_buffer_size():
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)

    def reset(self) -> None:
        """Ends the connection with a TCP reset: lingering is set to no time at all."""
        if self._transport is not None:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()

    def stop(self) -> None:
        """The listener is closed: so is this connection, whatever it is doing."""
        self._stopped = True
        if self._transport is not None:
            self._transport.abort()


class _Player:
    """Sends one delivery piece by piece, with its delays and its end."""

    def __init__(self, connection: Connection, delivery: Delivery, entry: Entry | None, keep: bool, bodiless: bool) -> None:
        self._connection = connection
        self._delivery = delivery
        self._entry = entry
        self._keep = keep
        self._bodiless = bodiless
        self._mark = 0
        self._sent_head = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._play())

    def lost(self, outcome: Outcome) -> None:
        """The connection went away under it."""
        if self._task is not None:
            self._task.cancel()
        self._close(outcome)

    async def _play(self) -> None:
        delivery = self._delivery
        if self._entry is not None:
            self._entry.status = delivery.status
        try:
            outcome = await self._phases()
        except ConnectionError:
            return
        if outcome == "reset":
            await self._connection.flushed()
            self._close("reset")
            self._connection.reset()
            return
        self._close(outcome)
        self._connection.played(keep=self._keep and outcome != "closed")

    async def _phases(self) -> Outcome:
        delivery = self._delivery
        if delivery.never:
            await asyncio.Event().wait()
        if delivery.delay_s:
            await asyncio.sleep(delivery.delay_s)
        if delivery.stop_after is not None and delivery.stop_after < 0:
            return "reset"
        chunked = delivery.length_bytes is None
        await self._write(_head(delivery, self._keep), drip=delivery.drip is not None and delivery.drip.head)
        self._sent_head = True
        if self._bodiless:
            return "answered"
        for count, (piece, mark) in enumerate(delivery.pieces):
            if count == delivery.stop_after:
                break
            pause_s = delivery.chunk_delay_s if count else delivery.body_delay_s
            if pause_s:
                await asyncio.sleep(pause_s)
            if piece:
                await self._write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece, drip=delivery.drip is not None)
            self._mark = mark
            if self._entry is not None:
                self._entry.chunks_sent += 1
            if not pause_s:
                await asyncio.sleep(0)
        if delivery.ending in ("reset", "close"):
            return "reset" if delivery.ending == "reset" else "closed"
        if chunked:
            await self._write(b"0\r\n\r\n")
        return "cut" if delivery.ending == "cut" else "answered"

    async def _write(self, data: bytes, *, drip: bool = False) -> None:
        for piece in self._drops(data) if drip else (data,):
            await self._connection.send(piece)
            if self._entry is not None:
                self._entry.bytes_sent += len(piece)
            if drip and self._delivery.drip is not None:
                await asyncio.sleep(self._delivery.drip.every_s)

    def _drops(self, data: bytes) -> Iterator[bytes]:
        size = self._delivery.drip.size_bytes if self._delivery.drip is not None else len(data)
        return (data[start : start + size] for start in range(0, len(data), size))

    def _close(self, outcome: Outcome) -> None:
        """Charges for what went out: the whole of a whole answer, the marked part of a torn stream, nothing of a torn body."""
        entry, self._entry = self._entry, None
        if entry is None:
            return
        bill = self._delivery.bill
        if outcome == "answered":
            self._connection.app.finished(entry, outcome, bill, None)
        elif self._delivery.partial_bill and self._sent_head:
            self._connection.app.finished(entry, outcome, bill, self._mark)
        else:
            self._connection.app.finished(entry, outcome, None, None)


def whole_answer(answer: Answer, keep: bool, bodiless: bool) -> bytes:
    """All bytes of an answer that goes out at once: a body with its length, a stream in HTTP chunks."""
    head = [f"HTTP/1.1 {answer.status} {reason(answer.status)}\r\n{_SERVER}content-type: {answer.content_type}\r\n"]
    head += [f"{name}: {value}\r\n" for name, value in answer.headers]
    if not keep:
        head.append("connection: close\r\n")
    if answer.framing == "body":
        body = answer.pieces[0] if len(answer.pieces) == 1 else b"".join(answer.pieces)
        head.append(f"content-length: {len(body)}\r\n\r\n")
    else:
        body = b"".join([part for piece in answer.pieces for part in (b"%x\r\n" % len(piece), piece, b"\r\n")]) + b"0\r\n\r\n"
        head.append("transfer-encoding: chunked\r\n\r\n")
    return "".join(head).encode("latin-1", "replace") + (b"" if bodiless else body)


def fits_at_once(answer: Answer) -> bool:
    """Whether the answer is small enough to be written in one go."""
    return sum(map(len, answer.pieces)) <= _AT_ONCE_BYTES


def _head(delivery: Delivery, keep: bool) -> bytes:
    lines = [f"HTTP/1.1 {delivery.status} {reason(delivery.status)}\r\n{_SERVER}"]
    lines += [f"{name}: {value}\r\n" for name, value in delivery.headers]
    if not keep and not delivery.close_after:
        lines.append("connection: close\r\n")
    framing = "transfer-encoding: chunked" if delivery.length_bytes is None else f"content-length: {delivery.length_bytes}"
    return ("".join(lines) + framing + "\r\n\r\n").encode("latin-1", "replace")
