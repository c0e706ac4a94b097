"""One client connection: HTTP/1.1 by httptools, answered through ASGI.

It stands where uvicorn's own protocol class would, under uvicorn's server, because every request passes here: it makes as few
objects and timers as it can, starts a handler when what has arrived is parsed, and writes a whole answer at once. Beyond what
uvicorn's does it keeps deadlines for a request to arrive, bounds its head, tells a busy handler that its caller has left, and reads
the body of a request that offers an upgrade (the JDK's HTTP client does, with every request).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from math import inf
from time import monotonic
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import unquote_to_bytes

import httptools

from llm_gateway.api.asgi import CONNECTION
from llm_gateway.core.together import Together
from llm_gateway.http_cycle import NO_SCOPE, STATUS_LINES, Cycle, Message
from llm_gateway.http_head import KnownHead, known_head

MAX_HEAD_BYTES: Final = 64 << 10
MAX_URL_BYTES: Final = 8 << 10
MAX_SPLIT_BYTES: Final = 5 * MAX_HEAD_BYTES
"""Of a head as it came: each header has four more bytes than its name and value, and at least one of these."""
TASK: Final = "request"
"""The name of the tasks that serve requests: numbers for them would cost more than they tell."""
MAX_PATHS: Final = 256
"""Parsed URLs that are kept: a gateway's paths are few."""

_log = logging.getLogger("uvicorn.error")
_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
_paths: dict[bytes, tuple[str, bytes, bytes]] = {}

Application = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class Times(NamedTuple):
    """Seconds for a request's head to arrive, for its body, and for an idle connection to be kept."""

    head_s: float
    body_s: float
    idle_s: float


def refusal(status: HTTPStatus, code: str, message: str) -> bytes:
    """A whole response to what is no request, after which the connection is closed."""
    body = b'{"error":{"type":"invalid_request","message":"%s","param":null,"code":"%s"}}' % (message.encode(), code.encode())
    head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    return STATUS_LINES[status] + head + body


TOO_SLOW: Final = refusal(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", "the request did not arrive in time")
NO_HTTP: Final = refusal(HTTPStatus.BAD_REQUEST, "malformed_http", "this is not an HTTP/1.1 request")
TOO_LARGE: Final = refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large",
    f"expected a URL of at most {MAX_URL_BYTES} bytes, and at most {MAX_HEAD_BYTES} bytes of headers",
)  # fmt: skip


class HttpProtocol(asyncio.Protocol):
    """One client connection. `uvicorn.Server` makes it, counts it in `connections`, and asks for its `shutdown`."""

    times = Times(10, 30, 15)
    max_connections = 20_000
    _usual: ClassVar[tuple[object, bytes, int, bytes]] = (None, b"", 0, b"")

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = _loop or asyncio.get_running_loop()
        self.lost = False
        self.paused: asyncio.Future[None] | None = None
        self.transport: asyncio.Transport
        self._together = Together.on(self.loop)
        self._unsent = b""
        self._app: Application = config.loaded_app
        self._server = server_state
        self._app_state = app_state
        self._parser = httptools.HttpRequestParser(self)
        self._base: dict[str, Any] = {}
        self._last_line = b"\0"
        self._last_scope: dict[str, Any] = {}
        """What the scope of a request that begins with `_last_line` has in common with others."""
        self._is_last = False
        self._known: KnownHead | None = None
        """Of the request before, if the parser stands at the end of it."""
        self.is_reading = True
        self._current: Cycle | None = None
        self._task: asyncio.Task[None] | None = None
        """Serves `_current`."""
        self._waiting: deque[Cycle] = deque()
        self._arriving: Cycle | None = None
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] | None = None
        """Of a head that is not complete."""
        self._is_long = False
        self._counted = 0
        self._head_bytes = 0
        self._split_bytes = 0
        """Of the pieces of an incomplete head after its first: a header is counted only when it is complete."""
        self._phase = ""
        self._due_s = inf
        self._timer: asyncio.TimerHandle | None = None

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]  # uvloop's are no subclass
        self._server.connections.add(self)
        if len(self._server.connections) > self.max_connections:
            self.transport.abort()
            return
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        client = (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else None
        server = (str(own[0]), int(own[1])) if isinstance(own, tuple) else None
        self._base = {
            "type": "http", "asgi": _ASGI, "scheme": "http", "root_path": "", "client": client, "server": server,
        }  # fmt: skip
        self._enter("head", self.times.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self.lost = True
        self._due_s = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.resume_writing()
        current = self._current
        self._waiting.clear()
        self._arriving = None
        del self._parser  # it knows this object, as this object knows it: neither would go by itself
        if current is not None:
            current.wake()
            if current.on_lost is not None and not current.answered:
                current.on_lost()

    def data_received(self, data: bytes) -> None:
        known = self._known
        if known is not None:
            if self._current is None and not self._waiting and data.startswith(known.begins):
                found = known.scope(data)
                if found is not None:
                    scope, body = found
                    scope["state"] = self._app_state.copy()
                    cycle = Cycle(self, scope, monotonic(), True, body)
                    scope["extensions"] = {CONNECTION: cycle}
                    self._begin(cycle)
                    self._phase = ""
                    self._due_s = inf
                    return
            self._known = None
        pending, arriving = self._headers is not None, self._arriving is not None
        # A head that begins and ends within so few bytes is within the bounds: nothing need be counted.
        self._is_long = pending or len(data) > MAX_URL_BYTES
        self._is_last = is_last = not (pending or arriving) and data.startswith(self._last_line)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self.data_received(self._declined(data[offer.args[0] :]))
            return
        except httptools.HttpParserError:
            self._refuse(TOO_LARGE if self._is_too_large() else NO_HTTP)
            return
        if self._headers is not None:
            if pending:
                self._split_bytes += len(data)
            if self._is_too_large():
                self._refuse(TOO_LARGE)
                return
        waiting = self._waiting
        if is_last and self._current is None and len(waiting) == 1 and waiting[0].arrived and waiting[0].keeps_alive:
            self._known = known_head(data, {**self._last_scope, "headers": waiting[0].scope["headers"].copy()})
        self._go_on("idle" if arriving else "head")

    def _is_too_large(self) -> bool:
        """Whether what has come of a head is more than there may be."""
        headers = self._headers
        if headers is not None:
            self._head_bytes += sum([len(name) + len(value) for name, value in headers[self._counted :]])
            self._counted = len(headers)
        return self._head_bytes > MAX_HEAD_BYTES or len(self._url) > MAX_URL_BYTES or self._split_bytes > MAX_SPLIT_BYTES

    def _declined(self, rest: bytes) -> bytes:
        """The request that offers another protocol, without the offer: it gets this one."""
        scope = self._waiting.pop().scope
        self._arriving = None
        self._parser = httptools.HttpRequestParser(self)
        url = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        lines = [b"%b: %b\r\n" % pair for pair in scope["headers"] if pair[0] not in {b"upgrade", b"http2-settings"}]
        return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (scope["method"].encode(), url, b"".join(lines), rest)

    def _go_on(self, otherwise: str) -> None:
        """Begin what can be begun, and say what is waited for: `otherwise` (`head` or `idle`) where there is nothing."""
        if self._current is None and self._waiting and not self.lost:
            self._begin(self._waiting.popleft())
        current, arriving = self._current, self._arriving
        if arriving is not None and (current is None or current is arriving):
            self._enter("body", self.times.body_s)
        elif current is not None:
            self._phase = ""
            self._due_s = inf
        elif self._headers is not None or otherwise == "head":
            self._enter("head", self.times.head_s)
        else:
            self._enter("idle", self.times.idle_s)
        if len(self._waiting) > 1:
            self.pause_reading()

    def _begin(self, cycle: Cycle) -> None:
        self._current = cycle
        self._task = task = asyncio.Task(self._serve(cycle), loop=self.loop, name=TASK)
        self._server.tasks.add(task)

    def eof_received(self) -> None:
        """The caller sends no more: taken as leaving, as everywhere."""

    def pause_writing(self) -> None:
        if self.paused is None:
            self.paused = self.loop.create_future()

    def resume_writing(self) -> None:
        if self.paused is not None:
            self.paused.set_result(None)
            self.paused = None

    # -- the parser's side

    def on_url(self, url: bytes) -> None:
        if self._headers is None:
            self._headers = []
            self._url = url
            self._counted = self._head_bytes = self._split_bytes = 0
        else:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self._headers
        if headers is not None:  # else a trailer
            headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._is_long and self._is_too_large():
            raise ValueError("the head of the request is too large")
        parser = self._parser
        if self._is_last:  # the same bytes at the same place are the same method, URL and version
            self._is_last = False
            scope = self._last_scope.copy()
            keeps_alive = parser.should_keep_alive()
        else:
            scope, keeps_alive = self._new_scope(), parser.should_keep_alive()
            keeps_alive = keeps_alive and scope["http_version"] != "1.0"
        scope["headers"] = self._headers
        scope["state"] = self._app_state.copy()
        self._headers = None
        self._arriving = cycle = Cycle(self, scope, monotonic(), keeps_alive)
        scope["extensions"] = {CONNECTION: cycle}
        self._waiting.append(cycle)

    def _new_scope(self) -> dict[str, Any]:
        """What the request line says, and it is remembered for the next request: most are like the one before."""
        parser, url = self._parser, self._url
        method: bytes = parser.get_method()
        path, raw_path, query = _paths.get(url) or _parsed(url)
        scope = self._base.copy()
        scope["method"] = method.decode("ascii")
        scope["path"] = path
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        scope["http_version"] = version = parser.get_http_version()
        if version == "1.1":
            self._last_line = b"%b %b HTTP/1.1\r\n" % (method, url)
            self._last_scope = scope.copy()
        return scope

    def on_body(self, body: bytes) -> None:
        cycle = self._arriving
        if cycle is not None and cycle.feed(body):
            self.pause_reading()

    def on_message_complete(self) -> None:
        cycle = self._arriving
        if cycle is None or self._parser.should_upgrade():
            return
        cycle.arrived = True
        self._arriving = None
        if cycle.waiter is not None:
            cycle.wake()

    # -- the cycles' side

    async def _serve(self, cycle: Cycle) -> None:
        task = self._task
        try:
            await self._app(cycle.scope, cycle.receive, cycle.send)
        except BaseException as failure:
            if not isinstance(failure, asyncio.CancelledError):
                _log.exception("serving a request failed")
            if cycle.started:
                self.close()
            else:
                await self._fail(cycle)
            if isinstance(failure, asyncio.CancelledError):
                raise
        else:
            if not cycle.answered and not self.lost:
                _log.error("a handler ended without a whole response")
                if cycle.started:
                    self.close()
                else:
                    await self._fail(cycle)
        finally:
            self._server.tasks.discard(task)
            cycle.scope = NO_SCOPE
            if self.lost:
                self._current = None

    @staticmethod
    async def _fail(cycle: Cycle) -> None:
        cycle.keeps_alive = False
        body = b"Internal Server Error"
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        await cycle.send({"type": "http.response.start", "status": 500, "headers": headers})
        await cycle.send({"type": "http.response.body", "body": body})

    def done(self, cycle: Cycle) -> None:
        """A response was written."""
        self._server.total_requests += 1
        self._current = None
        if not cycle.keeps_alive:
            self.close()
            return
        if not self.transport.is_closing():
            if not self.is_reading:
                self.resume_reading()
            if self._waiting or self._arriving is not None or self._headers is not None:
                self._go_on("idle")
            else:
                self._enter("idle", self.times.idle_s)

    def write(self, data: bytes) -> None:
        """Send, after what is still to be sent."""
        if self._unsent:
            self.send_now()
        self.transport.write(data)

    def write_soon(self, data: bytes) -> None:
        """Send in this turn of the event loop, or right after it, together with others."""
        if self._unsent or not self._together.joins(self):
            self.write(data)
        else:
            self._unsent = data

    def send_now(self) -> None:
        """Send what waits for others."""
        unsent, self._unsent = self._unsent, b""
        if unsent and not self.lost:
            self.transport.write(unsent)

    def close(self) -> None:
        """Close when everything is sent."""
        self.send_now()
        self.transport.close()

    def cancel(self, cycle: Cycle) -> None:
        """Cancel what serves a request, if it still does."""
        if cycle is self._current and self._task is not None:
            self._task.cancel()

    async def writable(self) -> None:
        """Wait until the caller has read what was written."""
        if self.paused is not None:
            await asyncio.shield(self.paused)

    def usual_headers(self) -> tuple[bytes, int]:
        """The headers of every response, and their number. uvicorn makes a new list every second."""
        headers = self._server.default_headers
        if headers is not HttpProtocol._usual[0]:
            lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
            HttpProtocol._usual = (headers, lines, len(headers), STATUS_LINES[HTTPStatus.OK] + lines)
        return HttpProtocol._usual[1:3]

    def usual_beginning(self) -> bytes:
        """The first lines of a response that is as usual."""
        if self._server.default_headers is not HttpProtocol._usual[0]:
            self.usual_headers()
        return HttpProtocol._usual[3]

    def pause_reading(self) -> None:
        if self.is_reading and not self.transport.is_closing():
            self.is_reading = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if not self.is_reading and not self.transport.is_closing():
            self.is_reading = True
            self.transport.resume_reading()

    def shutdown(self) -> None:
        """The server stops: finish what is being answered, begin nothing."""
        if self._current is None:
            self.close()
        else:
            self._current.keeps_alive = False

    # -- time

    def _enter(self, phase: str, lasts_s: float) -> None:
        if phase == self._phase:
            return
        self._phase = phase
        self._due_s = due_s = self.loop.time() + lasts_s
        timer = self._timer
        if timer is not None:
            if timer.when() <= due_s:  # it will find out, and be set anew: cheaper than a new timer each time
                return
            timer.cancel()
        self._timer = self.loop.call_at(due_s, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._due_s == inf or self.transport.is_closing():
            return
        if self.loop.time() < self._due_s:
            self._timer = self.loop.call_at(self._due_s, self._look)
        elif self._phase == "head" or (self._current is not None and not self._current.started):
            self._refuse(TOO_SLOW)
        else:
            self.close()

    def _refuse(self, response: bytes) -> None:
        """Hang up, with a word if it cannot be taken for the answer to something else."""
        current = self._current
        if (current is None or current is self._arriving) and not (current is not None and current.started):
            self.write(response)
        self.close()


def _parsed(url: bytes) -> tuple[str, bytes, bytes]:
    """Path, its bytes as they came, and query."""
    parts = httptools.parse_url(url)
    raw: bytes = parts.path or b"/"
    path = (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8", "replace")
    found = (path, raw, parts.query or b"")
    if len(_paths) < MAX_PATHS and not found[2]:
        _paths[url] = found
    return found
