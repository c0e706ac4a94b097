"""One HTTP/1.1 connection and one exchange on it. Parsing is llhttp's (httptools); framing rules are RFC 9112's.

An `Exchange` is a request in flight with what has arrived of its answer; a `Connection` carries one at a time. A
connection goes back to its pool the moment an answer is complete, even when nobody has read that answer yet.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from httptools import HttpParserError, HttpResponseParser

from llm_gateway.core.errors import LLMGatewayError, ProviderBadResponse, ProviderTimeout, ProviderUnavailable

BUFFER_BYTES: Final = 256 << 10
"""Unread bytes of one stream above which its connection is not read any more."""
MAX_HEAD_BYTES: Final = 64 << 10
MAX_HEADERS: Final = 128
_DUE_SLACK_S: Final = 0.001
"""Timers of an event loop may fire this much early."""

_WAITS: Final = {
    "first_byte": "did not begin to answer in time",
    "idle": "fell silent in the middle of its answer",
    "total": "did not finish its answer in time",
}


class Exchange:
    """A request in flight: the answer as far as it has arrived, and the deadlines it has to keep."""

    __slots__ = (
        "_buffer", "_connection", "_first_byte_s", "_first_due", "_head_bytes", "_header_count", "_held_bytes", "_idle_s", "_loop",
        "_max_bytes", "_moved_at", "_raw_headers", "_size_bytes", "_total_due", "_until_close", "_waiter", "_whole", "complete", "error",
        "headers", "provider", "reusable", "status",
    )  # fmt: skip

    def __init__(self, provider: str, max_bytes: int, first_byte_s: float, idle_s: float, total_due: float, *, whole: bool) -> None:
        """`total_due` is on the loop's clock; `whole`: nobody looks before the answer is complete."""
        self.provider = provider
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self.error: LLMGatewayError | None = None
        self._max_bytes = max_bytes
        self._first_byte_s = first_byte_s
        self._idle_s = idle_s
        self._total_due = total_due
        self._whole = whole
        self._connection: Connection | None = None
        self._raw_headers: list[tuple[bytes, bytes]] = []
        self._buffer: list[bytes] = []
        self._size_bytes = 0
        self._held_bytes = 0
        self._head_bytes = 0
        self._header_count = 0
        self.reusable = False
        """Whether the connection of a complete answer can carry another."""
        self._until_close = False
        self._waiter: asyncio.Future[None] | None = None

    # What the reader does

    async def headers_arrived(self) -> None:
        """Wait until status and headers are there. Raises the error that came instead."""
        while not self.status:
            await self._wait()

    async def whole_body(self) -> bytes:
        """Wait for the end and give the body. Raises `ProviderError` when it does not come whole."""
        while not self.complete:
            await self._wait()
        return self._take()

    async def next_bytes(self) -> bytes:
        """What has arrived since the last call, at least one byte; empty at the end."""
        while not self._buffer:
            if self.complete:
                return b""
            await self._wait()
        return self._take()

    async def _wait(self) -> None:
        if self.error is not None:
            raise self.error
        self._moved_at = self._loop.time()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except BaseException:
            self.abort()
            raise
        finally:
            self._waiter = None

    def _take(self) -> bytes:
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

    def begin(self, connection: "Connection", loop: asyncio.AbstractEventLoop) -> float:
        """The request is being written. Returns when the first deadline falls due, on the loop's clock."""
        self._connection = connection
        self._loop = loop
        self._moved_at = loop.time()
        self._first_due = self._moved_at + self._first_byte_s
        return min(self._first_due, self._total_due)

    def due(self, now: float) -> tuple[float, str]:
        """When to look at this exchange next, and which deadline that is. Silence counts only while someone waits for bytes."""
        if not self.status:
            due, code = self._first_due, "first_byte"
        elif self._whole or self._waiter is not None:
            due, code = self._moved_at + self._idle_s, "idle"
        else:
            due, code = now + self._idle_s, "idle"
        return (due, code) if due < self._total_due else (self._total_due, "total")

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
            self.complete = True
            self._connection = None
            self._wake()
        elif self.status:
            self.fail(self._bad("broke off in the middle of its answer", "connection_lost"))
        else:
            what = f"{self.provider} closed the connection without an answer"
            self.fail(ProviderUnavailable(what, provider=self.provider, same_again=True, code="connection_lost"))

    def garbled(self) -> None:
        """What arrived is not HTTP, or was refused for a reason that stands already."""
        self.fail(self._bad("did not answer in HTTP", "protocol"))

    def moved(self, data: bytes) -> bool:
        """After bytes were parsed: wake the reader; returns whether the answer is complete and the connection free."""
        self._moved_at = self._loop.time()
        if self.complete:
            self._connection = None
            self._wake()
            return True
        if not self.status:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.fail(self._bad(f"sent over {MAX_HEAD_BYTES} bytes of headers", "headers"))
        elif not self._whole:
            self._wake()
        return False

    @property
    def overfull(self) -> bool:
        """Whether the reader is so far behind that the upstream should wait."""
        return not self._whole and self._held_bytes > BUFFER_BYTES

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _bad(self, what: str, code: str, status: int = 0) -> ProviderBadResponse:
        told = status or self.status or None
        return ProviderBadResponse(f"{self.provider} {what}", provider=self.provider, code=code, upstream_status=told)

    # What the parser calls

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("bytes after the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._raw_headers.append((name, value))
        self._header_count += 1
        if self._header_count > MAX_HEADERS:
            self._refuse(f"sent over {MAX_HEADERS} headers", "headers")

    def on_headers_complete(self) -> None:
        connection = self._connection
        if connection is None:
            raise ValueError("nobody waits for this answer")
        status = connection.parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._raw_headers.clear()  # an interim answer; the counts go on, so that there cannot be many of them
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, value in self._raw_headers}
        if not 200 <= status < 600 or 300 <= status < 400:
            self._refuse(f"answered with status {status}, which is not followed", "redirect" if 300 <= status < 400 else "status", status)
        encoding = headers.get("content-encoding", "identity")
        transfer = headers.get("transfer-encoding", "chunked")
        if encoding.lower() != "identity" or transfer.lower() != "chunked":
            self._refuse("sent a compressed answer although none was asked for", "content_encoding", status)
        length = headers.get("content-length")
        if length is not None and int(length) > self._max_bytes:
            self._refuse(f"announced an answer of over {self._max_bytes} bytes", "too_large", status)
        self._until_close = length is None and "transfer-encoding" not in headers
        self.headers = headers
        self.status = status

    def on_body(self, body: bytes) -> None:
        if self.error is not None:
            return  # the parser may go on to the end of what it was given
        self._size_bytes += len(body)
        if self._size_bytes > self._max_bytes:
            self._refuse(f"sent an answer of over {self._max_bytes} bytes", "too_large")
        self._held_bytes += len(body)
        self._buffer.append(body)

    def on_message_complete(self) -> None:
        if self.status and self.error is None:
            connection = self._connection
            self.reusable = connection is not None and connection.parser.should_keep_alive()
            self.complete = True

    def _refuse(self, what: str, code: str, status: int = 0) -> None:
        error = self._bad(what, code, status)
        self.fail(error)
        raise error


class Connection(asyncio.Protocol):
    """A connection to one checked address of one origin.

    `on_free` is called when it can carry the next exchange, `on_lost` once when it has ended. Its one timer is armed
    lazily and outlives exchanges: a request on a warm connection sets no timer of its own unless it falls due sooner.
    """

    __slots__ = ("_due", "_exchange", "_loop", "_on_free", "_on_lost", "_paused", "_timer", "_transport", "address", "idle_until", "parser")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: str,
        on_free: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
    ) -> None:
        self.address = address
        self.idle_until = 0.0
        self.parser: HttpResponseParser
        self._loop = loop
        self._on_free = on_free
        self._on_lost = on_lost
        self._exchange: Exchange | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._paused = False

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, exchange: Exchange, head: bytes, body: bytes) -> None:
        """Write a request; its answer goes to `exchange`."""
        transport = cast(asyncio.Transport, self._transport)
        self._exchange = exchange
        self.parser = HttpResponseParser(exchange)
        self._arm(exchange.begin(self, self._loop))
        transport.write(head + body)

    def resume(self) -> None:
        """The reader has caught up."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once, without sending what is still unsent."""
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    def shut(self) -> None:
        """The gateway closes: end what is in flight."""
        if self._exchange is not None:
            self._exchange.abort()
        self.abort()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:  # bytes that nobody asked for
            self.abort()
            return
        had_status = exchange.status
        sound = True
        try:
            self.parser.feed_data(data)
        except HttpParserError:
            sound = False
            exchange.garbled()
        if exchange.moved(data):
            self._finish(sound and exchange.reusable)
        elif exchange.error is None:
            if not had_status:
                self._arm(exchange.due(self._loop.time())[0])
            if not self._paused and exchange.overfull:
                self._paused = True
                cast(asyncio.Transport, self._transport).pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        exchange, self._exchange = self._exchange, None
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if exchange is not None:
            exchange.lost(exc is None)
        self._on_lost(self)

    def _finish(self, reusable: bool) -> None:
        self._exchange = None
        transport = cast(asyncio.Transport, self._transport)
        if reusable and not transport.is_closing() and not transport.get_write_buffer_size():
            self.resume()
            self._on_free(self)
        else:
            transport.abort()

    # Deadlines

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        exchange = self._exchange
        if exchange is None:
            return
        now = self._loop.time()
        due, code = exchange.due(now)
        if due <= now + _DUE_SLACK_S:
            exchange.time_out(code)
        else:
            self._arm(due)
