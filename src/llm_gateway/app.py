"""The ASGI application: model calls straight to their handlers, everything else to FastAPI."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from os import urandom
from pathlib import Path

import structlog

from llm_gateway.api.access import Guard
from llm_gateway.api.anthropic import AnthropicApi, by_version
from llm_gateway.api.asgi import Handler, Receive, Scope, Send, header, respond
from llm_gateway.api.errors import error_body, error_headers
from llm_gateway.api.management import management_app
from llm_gateway.api.native import NativeApi
from llm_gateway.api.ollama import OllamaApi
from llm_gateway.api.openai import OpenAiApi
from llm_gateway.api.openai_responses import ResponsesApi
from llm_gateway.audit_log import AuditTrail
from llm_gateway.cache_manager import Cache
from llm_gateway.caches.memory import MemoryStore
from llm_gateway.caches.redis import RedisStore
from llm_gateway.caching.store import Store
from llm_gateway.configuration import Loaded, Reload, Reloader
from llm_gateway.conversation_memory import ConversationStore
from llm_gateway.core.clock import Clock, SystemClock
from llm_gateway.core.counters import Counters
from llm_gateway.core.errors import InvalidRequest, LLMGatewayError
from llm_gateway.core.exchange import Next
from llm_gateway.core.ids import correlation_id
from llm_gateway.core.settings import ServerSettings, Settings
from llm_gateway.counters.memory import MemoryCounters
from llm_gateway.counters.redis import RedisCounters
from llm_gateway.gateway import Gateway, Shared
from llm_gateway.idempotency import HEADER as IDEMPOTENCY_KEY
from llm_gateway.idempotency import Idempotency
from llm_gateway.identity.key_store import KeyStore
from llm_gateway.identity.pepper import pepper
from llm_gateway.ledger.books import Ledger
from llm_gateway.metrics_collector import MetricsCollector
from llm_gateway.overview import Overview
from llm_gateway.stores.responses import ResponseStore
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
        self._idempotency: Idempotency
        self._native = NativeApi(self, self.clock)
        self.overview = Overview(self)
        openai = OpenAiApi(self, self.clock, self.overview)
        responses = ResponsesApi(self, self.clock, self.overview)
        anthropic = AnthropicApi(self, self.clock, self.overview)
        ollama = OllamaApi(self, self.clock, self.overview)
        self._handlers: dict[str, Handler] = {
            **self._native.handlers, **openai.handlers, **responses.handlers, **anthropic.handlers, **ollama.handlers,
        }  # fmt: skip
        shared = {path: by_version(handler, openai.gets[path]) for path, handler in anthropic.gets.items()}
        self._gets: dict[str, Handler] = {**openai.gets, **shared, **ollama.gets}
        self._heads = ollama.heads
        shared_under = {path: by_version(handler, openai.under[path]) for path, handler in anthropic.under.items()}
        self._under: dict[str, dict[str, Handler]] = {
            "GET": {**openai.under, **responses.under, **shared_under},
            "DELETE": {**responses.deletes},
        }
        """Handlers by method and what their path begins with."""
        self._management = Guard(management_app(self.overview), self.overview)
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
            if header(scope, IDEMPOTENCY_KEY) is None:
                await handler(scope, receive, send)
            else:
                await self._idempotency(handler, scope, receive, send)
            return
        other = self._other(scope["method"], scope["path"])
        if other is not None:
            await other(scope, receive, send)
            return
        name = correlation_id(header(scope, b"x-correlation-id"), self.clock.wall_s(), urandom)
        scope.setdefault("state", {})["correlation_id"] = name
        if handler is not None:
            failure = InvalidRequest(f"{scope['path']} takes POST", code="method_not_allowed")
            await respond(send, 405, [*error_headers(failure), (b"allow", b"POST")], error_body(failure, name))
            return
        await self._management(scope, receive, _with_header(send, b"x-correlation-id", name.encode()))

    def _other(self, method: str, path: str) -> Handler | None:
        """The handler of a dialect for what is no model call: of the path itself, or of what it begins with."""
        if method == "GET" and path in self._gets:
            return self._gets[path]
        if method == "HEAD" and path in self._heads:
            return self._heads[path]
        return next((handler for beginning, handler in self._under.get(method, {}).items() if path.startswith(beginning)), None)

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
        kept = settings.conversations
        responses = ResponseStore(self._store, self.clock, days=kept.response_days, max_turns=kept.max_turns)
        counters = _counters(settings, self.clock)
        await counters.start()
        keys = KeyStore(self._store, self.clock, pepper(settings.auth.key_pepper.get_secret_value(), Path(settings.server.data_dir)))
        await keys.open()
        metrics = MetricsCollector(self.clock)
        run, cache = urandom(8).hex(), self._cache(settings)
        ledger = Ledger(self._store, self.clock, run)
        await ledger.open()
        trail = await AuditTrail.open(self._store, settings.audit, Path(settings.server.data_dir), self.clock)
        shared = Shared(self.clock, self._transport, metrics, conversations, keys, counters, run, cache, responses, ledger, trail)
        self.gateway = Gateway(settings, shared)
        self._say_who_is_let_in()
        await self._check_health()
        if not self.gateway.router.any_available():
            _log.warning("no provider can answer yet: the lines above say which setting would add one; `llm-gateway demo` needs none")
        self._tasks.append(asyncio.create_task(self._watch_health()))
        self._tasks.append(asyncio.create_task(self._watch_keys()))
        self._tasks.append(asyncio.create_task(self._clean_caches()))
        self._tasks.append(asyncio.create_task(ledger.keep_house(lambda: self.gateway.settings.metrics.retention_days)))
        self._tasks.append(asyncio.create_task(trail.keep_house(lambda: self.gateway.settings.metrics.retention_days)))
        if self._load is not None:
            self._watch_configuration(self._load)

    def _say_who_is_let_in(self) -> None:
        authenticator, host = self.gateway.authenticator, self.server.host
        if authenticator.is_open:
            _log.info("no API keys are configured: every caller is served, and counted by the user_id that it names")
            if host not in {"127.0.0.1", "localhost", "::1"}:
                _log.warning("open to the network without keys: whoever reaches this port may spend", host=host)
        else:
            _log.info("every call needs an API key")
        admin = authenticator.admin
        if admin.path is not None:
            _log.info("an admin token was made" if admin.made else "the admin token is read from its file", path=str(admin.path))

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

    async def _watch_keys(self) -> None:
        while True:
            await asyncio.sleep(self.gateway.settings.auth.key_refresh_s)
            await self.gateway.shared.keys.tick()

    def _cache(self, settings: Settings) -> Cache:
        """The response cache, and beside it the answers of calls with an idempotency key: in Redis where there is one."""
        kept = settings.idempotency
        answers = _store("idempotency", settings, self.clock, kept.max_entries, kept.max_bytes)
        self._idempotency = Idempotency(answers, self.clock, lambda: self.gateway)
        return Cache(_store("cache", settings, self.clock, settings.cache.max_size, settings.cache.max_bytes), self.clock)

    async def _clean_caches(self) -> None:
        while True:
            await asyncio.sleep(self.gateway.settings.cache.cleanup_interval)
            await self.gateway.shared.cache.sweep()
            await self._idempotency.sweep()

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
        await self.gateway.shared.counters.aclose()
        await self.gateway.shared.cache.store.aclose()
        await self._idempotency.store.aclose()
        await self.gateway.shared.keys.tick()
        await self._transport.aclose()
        await self.gateway.shared.ledger.close()
        await self.gateway.shared.trail.close()
        await asyncio.to_thread(self._store.close)


def _counters(settings: Settings, clock: Clock) -> Counters:
    """Where limits are counted: in Redis where there is one, else in this process."""
    limits, url = settings.limits, settings.storage.redis_url.get_secret_value()
    if not url:
        return MemoryCounters(clock, limits.max_callers)
    replicas = limits.replicas * settings.server.workers
    return RedisCounters(url, clock, replicas=replicas, timeout_s=limits.store_timeout_s, max_accounts=limits.max_callers)


def _store(name: str, settings: Settings, clock: Clock, max_entries: int, max_bytes: int) -> Store:
    url = settings.storage.redis_url.get_secret_value()
    return RedisStore(url, name, clock, max_entries, max_bytes) if url else MemoryStore(clock, max_entries, max_bytes)


def _report(failure: LLMGatewayError) -> None:
    _log.error("the configuration was not reloaded; the old one stays", problem=failure.message)


def _with_header(send: Send, name: bytes, value: bytes) -> Send:
    async def sending(message: "dict[str, object]") -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (name, value)]  # type: ignore[misc]
        await send(message)

    return sending  # type: ignore[return-value]
