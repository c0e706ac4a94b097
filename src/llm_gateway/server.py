"""The HTTP server: uvicorn, with deadlines for receiving a request and word of a caller who goes away.

uvicorn waits for a slow request for ever and tells a busy handler nothing when its caller leaves. Both are settled
here at the connection, where they cost one timer and one attribute, instead of a listening task for every call.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from llm_gateway.core.settings import ServerSettings

CONNECTION = "llm_gateway.connection"
"""Key of `scope["extensions"]` under which a handler finds its `Connection`."""

_TIMEOUT_BODY = b'{"error":{"type":"invalid_request","message":"the request did not arrive in time","param":null,"code":"request_timeout"}}'
_TIMEOUT_RESPONSE = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: "
    + str(len(_TIMEOUT_BODY)).encode()
    + b"\r\n\r\n"
    + _TIMEOUT_BODY
)


class Connection:
    """What a handler may know of its connection: when the request began, and to be told when the caller leaves."""

    __slots__ = ("accepted_s", "on_lost")

    def __init__(self, accepted_s: float) -> None:
        self.accepted_s = accepted_s
        """Monotonic seconds at which the request's first byte was parsed."""
        self.on_lost: Callable[[], object] | None = None


class DeadlineProtocol(HttpToolsProtocol):
    """One client connection. Subclassed with its deadlines by `protocol_class`."""

    header_timeout_s: ClassVar[float]
    body_timeout_s: ClassVar[float]
    max_connections: ClassVar[int]

    _timer: asyncio.TimerHandle | None = None
    _arriving: Connection
    _current: Connection | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.abort()
            return
        self._arm(self.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        cycle, current = self.cycle, self._current
        super().connection_lost(exc)
        if current is not None and current.on_lost is not None and cycle is not None and not cycle.response_complete:
            current.on_lost()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._timer is None:
            self._arm(self.header_timeout_s)
        self._arriving = Connection(time.monotonic())
        extensions: dict[str, Any] = {CONNECTION: self._arriving}
        self.scope["extensions"] = extensions

    def on_headers_complete(self) -> None:
        self._disarm()
        self._arm(self.body_timeout_s)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._disarm()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        extensions: dict[str, Any] = cycle.scope["extensions"]
        self._current = extensions[CONNECTION]
        super()._start_asgi_task(cycle, app)

    def _arm(self, timeout_s: float) -> None:
        self._timer = self.loop.call_later(timeout_s, self._too_slow)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        """The request did not arrive in time. Nothing was answered yet: a handler answers only to a whole body."""
        self._timer = None
        if self.transport.is_closing():
            return
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self.transport.write(_TIMEOUT_RESPONSE)
        self.transport.close()


def protocol_class(settings: ServerSettings) -> type[DeadlineProtocol]:
    """The connection class with the deadlines of `settings`."""

    class ConfiguredProtocol(DeadlineProtocol):
        header_timeout_s = settings.header_timeout_s
        body_timeout_s = settings.body_timeout_s
        max_connections = settings.max_connections

    return ConfiguredProtocol


class GracefulServer(uvicorn.Server):
    """A server that was asked to stop, and did, has not failed: the process may exit with 0.

    uvicorn raises the signal again when it is done, which would end the process by that signal.
    """

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        await super()._serve(sockets)
        self._captured_signals.clear()


def server(app: Any, settings: ServerSettings) -> uvicorn.Server:
    """A server for `app`. Its `run()` returns after SIGTERM or Ctrl-C, when running calls have ended or `drain_s` is over."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=protocol_class(settings),
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=int(settings.keep_alive_s) or 1,
        timeout_graceful_shutdown=int(settings.drain_s) or 1,
        h11_max_incomplete_event_size=None,
    )
    return GracefulServer(config)
