"""The ASGI application: model calls straight to their handlers, everything else to FastAPI."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from os import urandom
from pathlib import Path

import structlog

from llm_gateway.api.asgi import Handler, Receive, Scope, Send, header, respond
from llm_gateway.api.errors import error_body, error_headers
from llm_gateway.api.management import management_app
from llm_gateway.api.native import NativeApi
from llm_gateway.configuration import Loaded, Reload, Reloader
from llm_gateway.conversation_memory import ConversationStore
from llm_gateway.core.clock import Clock, SystemClock
from llm_gateway.core.errors import InvalidRequest, LLMGatewayError
from llm_gateway.core.exchange import Next
from llm_gateway.core.ids import correlation_id
from llm_gateway.core.settings import ServerSettings
from llm_gateway.gateway import Gateway, Shared
from llm_gateway.metrics_collector import MetricsCollector
from llm_gateway.overview import Overview
from llm_gateway.stores.sql import SqlStore
from llm_gateway.transport import Transport

_log = structlog.get_logger(__name__)


class App:
    """The gateway as an ASGI application.

    `loaded` is the configuration to start with, `load` gives a newer one when asked (None: no reload). Everything
    that needs the event loop is made when the server starts it.
    """

    def __init__(self, loaded: Loaded, load: Callable[[], Loaded] | None = None, clock: Clock | None = None) -> None:
        self._loaded = loaded
        self._load = load
        self.clock = clock or SystemClock()
        self.gateway: Gateway
        self._store: SqlStore
        self._transport: Transport
        self._tasks: list[asyncio.Task[None]] = []
        self._native = NativeApi(self, self.clock)
        self._handlers: dict[str, Handler] = self._native.handlers
        self.overview = Overview(self)
        self._management = management_app(self.overview)
        self.stopping = False

    @property
    def server(self) -> ServerSettings:
        return self.gateway.settings.server

    @property
    def way(self) -> Next:
        return self.gateway.way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        handler = self._handlers.get(scope["path"])
        if handler is not None and scope["method"] == "POST":
            await handler(scope, receive, send)
            return
        name = correlation_id(header(scope, b"x-correlation-id"), self.clock.wall_s(), urandom)
        scope.setdefault("state", {})["correlation_id"] = name
        if handler is not None:
            failure = InvalidRequest(f"{scope['path']} takes POST", code="method_not_allowed")
            await respond(send, 405, [*error_headers(failure), (b"allow", b"POST")], error_body(failure, name))
            return
        await self._management(scope, receive, _with_header(send, b"x-correlation-id", name.encode()))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except LLMGatewayError as failure:
            await send({"type": "lifespan.startup.failed", "message": failure.message})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def start(self) -> None:
        """Open the database, build the gateway, begin to watch health and configuration."""
        settings = self._loaded.settings
        url = settings.storage.database_url.get_secret_value()
        self._store = SqlStore(url) if url else SqlStore.sqlite(Path(settings.server.data_dir) / "gateway.sqlite3")
        self._transport = Transport(self.clock)
        conversations = ConversationStore(self._store, self.clock, settings.conversations.max_turns)
        shared = Shared(self.clock, self._transport, MetricsCollector(self.clock), conversations)
        self.gateway = Gateway(settings, shared)
        await self._check_health()
        self._tasks.append(asyncio.create_task(self._watch_health()))
        if self._load is not None:
            self._watch_configuration(self._load)

    def _watch_configuration(self, load: Callable[[], Loaded]) -> None:
        reloader = Reloader(self._loaded, load, self._publish, _report, clock=self.clock)
        self._tasks.append(asyncio.create_task(reloader.run()))
        # Signals can be heard in the main thread only; elsewhere the file is still watched.
        with contextlib.suppress(RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.request)

    async def _publish(self, reload: Reload) -> None:
        self.gateway = Gateway(reload.loaded.settings, self.gateway.shared, self.gateway)
        _log.info("configuration reloaded", changed=reload.changed, needs_restart=reload.needs_restart)

    async def _watch_health(self) -> None:
        while True:
            await asyncio.sleep(self.gateway.settings.routing.health_interval_s)
            await self._check_health()

    async def _check_health(self) -> None:
        gateway = self.gateway
        await gateway.router.probe_all()
        gateway.shared.metrics.observe_availability(available=gateway.router.any_available())

    async def stop(self) -> None:
        """Let running calls record their ends, then close everything."""
        self.stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # The server has cancelled what it would not wait for; cancelled calls still have their ends to write.
        await self.gateway.shared.metrics.all_ended(within_s=5)
        await self._transport.aclose()
        await asyncio.to_thread(self._store.close)


def _report(failure: LLMGatewayError) -> None:
    _log.error("the configuration was not reloaded; the old one stays", problem=failure.message)


def _with_header(send: Send, name: bytes, value: bytes) -> Send:
    async def sending(message: "dict[str, object]") -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (name, value)]  # type: ignore[misc]
        await send(message)

    return sending  # type: ignore[return-value]
