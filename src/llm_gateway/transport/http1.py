"""One HTTP/1.1 connection and one exchange on it. Parsing is llhttp's (httptools); framing rules are RFC 9112's.

An `Exchange` is a request in flight with what has arrived of its answer; a `Connection` carries one at a time. A
connection goes back to its pool the moment an answer is complete, even when nobody has read that answer yet.
"""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, cast

import msgspec
from httptools import HttpParserError, HttpResponseParser

from llm_gateway.core.errors import Internal, LLMGatewayError, ProviderBadResponse, ProviderTimeout, ProviderUnavailable
from llm_gateway.core.together import Together

BUFFER_BYTES: Final = 256 << 10
"""Unread bytes of one stream above which its connection is not read any more."""
MAX_HEAD_BYTES: Final = 64 << 10
MAX_HEADERS: Final = 128
_TOO_MANY_HEADERS: Final = f"sent over {MAX_HEADERS} headers"
_DUE_SLACK_S: Final = 0.001
"""Timers of an event loop may fire this much early."""

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_MOST_NAMES: Final = 512
_LONGEST_NAME: Final = 64
_names: Final[dict[bytes, str]] = {}
"""Header names as they were sent, to lower case: the same few come again and again."""

_WAITS: Final = {
    "first_byte": "did not begin to answer in time",
    "idle": "fell silent in the middle of its answer",
    "total": "did not finish its answer in time",
}


class Exchange(msgspec.Struct, eq=False):
    """A request in flight: the answer as far as it has arrived, and the deadlines it has to keep.

    `total_due` is on the loop's clock; `whole`: nobody looks before the answer is complete.
    """

    provider: str
    max_bytes: int
    first_byte_s: float
    idle_s: float
    total_due: float
    whole: bool
    status: int = 0
    headers: Mapping[str, str] = _NO_HEADERS
    complete: bool = False
    error: LLMGatewayError | None = None
    _connection: "Connection | None" = None
    _buffer: list[bytes] = []
    _size_bytes: int = 0
    _held_bytes: int = 0
    _until_close: bool = False
    _moved_at: float = 0.0
    _first_due: float = 0.0
    _waiter: "asyncio.Future[None] | None" = None

    # What the reader does

    async def headers_arrived(self) -> None:
        """Wait until status and headers are there. Raises the error that came instead."""
        while not self.status:
            await self._wait()

    async def next_bytes(self) -> bytes:
        """What has arrived since the last call, at least one byte; empty at the end."""
        while not self._buffer:
            if self.complete:
                return b""
            await self._wait()
        return self.take()

    async def _wait(self) -> None:
        try:
            await self.arrival()
        except BaseException:
            self.abort()
            raise

    def arrival(self) -> "asyncio.Future[None]":
        """Done when there is something to look at, of a whole answer: when it is over. A reader that does not wait for it must `abort`.

        Raises:
            ProviderError: nothing more will come.
        """
        connection = self._connection
        if self.error is not None or connection is None:
            raise self.error or Internal("nothing is under way")
        loop = connection.loop
        self._moved_at = loop.time()
        waiter = self._waiter = loop.create_future()
        return waiter

    def take(self) -> bytes:
        """What has arrived and was not taken yet."""
        data = self._buffer[0] if len(self._buffer) == 1 else b"".join(self._buffer)
        self._buffer.clear()
        self._held_bytes = 0
        if self._connection is not None:
            self._connection.resume()
        return data

    def abort(self) -> None:
        """Give the call up: its connection closes now, the upstream sees the end."""
        if not self.complete and self.error is None:
            self.fail(ProviderUnavailable("the call was given up", provider=self.provider, code="aborted"))

    # What the connection does

    def begin(self, connection: "Connection") -> float:
        """The request is being written. Returns when the first deadline falls due, on the loop's clock."""
        self._connection = connection
        first_due = self._first_due = connection.loop.time() + self.first_byte_s
        return first_due if first_due < self.total_due else self.total_due

    def due(self, now: float) -> tuple[float, str]:
        """When to look at this exchange next, and which deadline that is. Silence counts only while someone waits for bytes."""
        if not self.status:
            due, code = self._first_due, "first_byte"
        elif self.whole or self._waiter is not None:
            due, code = self._moved_at + self.idle_s, "idle"
        else:
            due, code = now + self.idle_s, "idle"
        return (due, code) if due < self.total_due else (self.total_due, "total")

    def time_out(self, code: str) -> None:
        self.fail(
            ProviderTimeout(f"{self.provider} {_WAITS[code]}", provider=self.provider, code=code, upstream_status=self.status or None)
        )

    def fail(self, error: LLMGatewayError) -> None:
        """End with `error`; what has arrived before can still be read."""
        if self.complete or self.error is not None:
            return
        self.error = error
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
        self._wake()

    def lost(self, clean: bool) -> None:
        """The connection has ended."""
        if self.status and self._until_close and clean:
            self.finish()
        elif self.status:
            self.refuse("broke off in the middle of its answer", "connection_lost")
        else:
            what = f"{self.provider} closed the connection without an answer"
            self.fail(ProviderUnavailable(what, provider=self.provider, same_again=True, code="connection_lost"))

    def refuse(self, what: str, code: str, status: int = 0) -> None:
        """End with what is wrong with the answer."""
        told = status or self.status or None
        self.fail(ProviderBadResponse(f"{self.provider} {what}", provider=self.provider, code=code, upstream_status=told))

    def begun(self, status: int, headers: Mapping[str, str]) -> None:
        """The final head is there. One that cannot be used ends the exchange; no `status` is set then."""
        if not 200 <= status < 600 or 300 <= status < 400:
            code = "redirect" if 300 <= status < 400 else "status"
            return self.refuse(f"answered with status {status}, which is not followed", code, status)
        encoding, transfer, length = headers.get("content-encoding"), headers.get("transfer-encoding"), headers.get("content-length")
        if (encoding is not None and encoding.lower() != "identity") or (transfer is not None and transfer.lower() != "chunked"):
            return self.refuse("sent a compressed answer although none was asked for", "content_encoding", status)
        if length is None:
            self._until_close = transfer is None
        elif int(length) > self.max_bytes:
            return self.refuse(f"announced an answer of over {self.max_bytes} bytes", "too_large", status)
        self.headers = headers
        self.status = status
        return None

    def arrived(self, pieces: list[bytes]) -> None:
        """Take in parts of the body. Of an answer that is too large, what is within the limit can still be read."""
        size_bytes, held_bytes, most_bytes = self._size_bytes, self._held_bytes, self.max_bytes
        for piece in pieces:
            size_bytes += len(piece)
            held_bytes += len(piece)
            if size_bytes > most_bytes:
                self.refuse(f"sent an answer of over {most_bytes} bytes", "too_large")
                break
            self._buffer.append(piece)
        self._size_bytes, self._held_bytes = size_bytes, held_bytes

    def finish(self) -> None:
        """The answer is complete: its connection is somebody else's now."""
        self.complete = True
        self._connection = None
        self._wake()

    def moved(self) -> None:
        """Something of the answer has arrived, but not all."""
        if self._connection is not None:
            self._moved_at = self._connection.loop.time()
        if self.status and not self.whole:
            self._wake()

    @property
    def overfull(self) -> bool:
        """Whether the reader is so far behind that the upstream should wait."""
        return not self.whole and self._held_bytes > BUFFER_BYTES

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Connection(asyncio.Protocol):
    """A connection to one checked address of one origin.

    `on_free` is called when it can carry the next exchange, `on_lost` once when it has ended. Its one timer is armed
    lazily and outlives exchanges: a request on a warm connection sets no timer of its own unless it falls due sooner. Its
    parser outlives them too; what it finds in one piece of data is looked at when the whole piece has been parsed.
    """

    __slots__ = (
        "_body", "_due", "_ended", "_exchange", "_head", "_head_bytes", "_header_count", "_on_free", "_on_lost", "_parser", "_paused",
        "_reusable", "_timer", "_together", "_unsent", "address", "idle_until", "loop", "on_body", "transport",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: str,
        on_free: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
    ) -> None:
        self.loop = loop
        self.address = address
        self.idle_until = 0.0
        self._on_free = on_free
        self._on_lost = on_lost
        self._exchange: Exchange | None = None
        self.transport: asyncio.Transport | None = None
        self._together = Together.on(loop)
        self._unsent = b""
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._paused = False
        self._head: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._head_bytes = 0
        self._header_count = 0
        self._ended = False
        self._reusable = False
        self.on_body = self._body.append
        self._parser = HttpResponseParser(self)

    @property
    def usable(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def send(self, exchange: Exchange, head: bytes, body: bytes) -> None:
        """Write a request; its answer goes to `exchange`."""
        transport = self.transport
        assert transport is not None
        self._exchange = exchange
        self._ended = False
        self._head_bytes = self._header_count = 0
        if self._head:  # trailers of the answer before
            self._head.clear()
            self._parser = HttpResponseParser(self)
        due = exchange.begin(self)
        if self._timer is None or due < self._due:
            self._arm(due)
        if self._together.joins(self):
            self._unsent = head + body
        else:
            transport.write(head + body)

    def send_now(self) -> None:
        """Write the request that waits for others of this turn."""
        unsent, self._unsent = self._unsent, b""
        if unsent and self.transport is not None:
            self.transport.write(unsent)

    def resume(self) -> None:
        """The reader has caught up."""
        if self._paused and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()

    def abort(self) -> None:
        """Close at once, without sending what is still unsent."""
        self._exchange = None
        self._unsent = b""
        if self.transport is not None:
            self.transport.abort()

    def shut(self) -> None:
        """The gateway closes: end what is in flight."""
        if self._exchange is not None:
            self._exchange.abort()
        self.abort()

    # What the parser calls, beside `on_body`

    def on_message_begin(self) -> None:
        if self._ended:
            raise ValueError("bytes after the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head.append((name, value))

    def on_headers_complete(self) -> None:
        exchange = self._exchange
        if exchange is None:
            raise ValueError("nobody waits for this answer")
        head, status = self._head, self._parser.get_status_code()
        if self._header_count + len(head) > MAX_HEADERS:
            exchange.refuse(_TOO_MANY_HEADERS, "headers")
        elif not 100 <= status < 200 or status == 101:
            names = _names
            exchange.begun(status, {names.get(name) or _lower(name): value.decode("latin-1").strip() for name, value in head})
        self._header_count += len(head)  # of interim answers too, so that there cannot be many of them
        head.clear()
        if exchange.error is not None:
            raise exchange.error

    def on_message_complete(self) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.status:
            self._ended = True
            self._reusable = self._parser.should_keep_alive()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:  # bytes that nobody asked for
            self.abort()
            return
        had_status = exchange.status
        sound = True
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            sound = False
        if self._body:
            if exchange.error is None:
                exchange.arrived(self._body)
            self._body.clear()
        if self._head and self._header_count + len(self._head) > MAX_HEADERS:  # or trailers
            exchange.refuse(_TOO_MANY_HEADERS, "headers")
        if self._ended and exchange.error is None:
            self._exchange = None
            exchange.finish()
            self._finish(sound and self._reusable)
        elif sound:
            self._go_on(exchange, len(data), had_status)
        else:
            exchange.refuse("did not answer in HTTP", "protocol")

    def _go_on(self, exchange: Exchange, size_bytes: int, had_status: int) -> None:
        """There is more to come, unless what came was refused."""
        if not exchange.status:
            self._head_bytes += size_bytes
            if self._head_bytes > MAX_HEAD_BYTES:
                exchange.refuse(f"sent over {MAX_HEAD_BYTES} bytes of headers", "headers")
        exchange.moved()
        if exchange.error is None:
            if not had_status:
                self._arm(exchange.due(self.loop.time())[0])
            if not self._paused and exchange.overfull and self.transport is not None:
                self._paused = True
                self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        exchange, self._exchange = self._exchange, None
        self.transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if exchange is not None:
            exchange.lost(exc is None)
        del self._parser  # it holds this connection
        self._on_lost(self)

    def _finish(self, reusable: bool) -> None:
        transport = self.transport
        if transport is None:
            return
        if reusable and not self._unsent and not transport.is_closing() and not transport.get_write_buffer_size():
            if self._paused:
                self.resume()
            self._on_free(self)
        else:
            self.abort()

    # Deadlines

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self.loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        exchange = self._exchange
        if exchange is None:
            return
        now = self.loop.time()
        due, code = exchange.due(now)
        if due <= now + _DUE_SLACK_S:
            exchange.time_out(code)
        else:
            self._arm(due)


def _lower(name: bytes) -> str:
    lower = name.decode("latin-1").lower()
    if len(_names) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
        _names[name] = lower
    return lower
