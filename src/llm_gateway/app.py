"""The ASGI application: model calls straight to their handlers, everything else to FastAPI."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from os import urandom
from pathlib import Path
from typing import Protocol, cast

import structlog
from sqlalchemy.exc import SQLAlchemyError

from llm_gateway.api.anthropic import AnthropicApi, by_version
from llm_gateway.api.asgi import Handler, Receive, Scope, Send, fields_of, header, respond
from llm_gateway.api.door import Management
from llm_gateway.api.errors import error_body, error_headers
from llm_gateway.api.integrations import IntegrationsApi
from llm_gateway.api.native import NativeApi
from llm_gateway.api.ollama import OllamaApi
from llm_gateway.api.openai import OpenAiApi
from llm_gateway.api.openai_responses import ResponsesApi
from llm_gateway.api.passthrough import PassthroughApi
from llm_gateway.api.unknown import Unknown
from llm_gateway.audit.trail import AuditTrail
from llm_gateway.caches.memory import MemoryStore
from llm_gateway.caching.cache import Cache
from llm_gateway.caching.store import Store
from llm_gateway.call_log import CallLog
from llm_gateway.configuration import Loaded, Reload, Reloader
from llm_gateway.conversation_memory import ConversationStore
from llm_gateway.core.acting import correlation
from llm_gateway.core.clearance import WireBytes
from llm_gateway.core.clock import Clock, SystemClock
from llm_gateway.core.counters import Counters
from llm_gateway.core.errors import InvalidRequest, LLMGatewayError
from llm_gateway.core.exchange import Caller
from llm_gateway.core.ids import correlation_id
from llm_gateway.core.routing import Target
from llm_gateway.core.settings import IntegrationSettings, Settings
from llm_gateway.core.spans import install, is_configured
from llm_gateway.core.types import JsonObject
from llm_gateway.counters.memory import MemoryCounters
from llm_gateway.dashboard.door import PATH as DASHBOARD
from llm_gateway.dashboard.door import Dashboard
from llm_gateway.gateway import Gateway, Shared
from llm_gateway.idempotency import HEADER as IDEMPOTENCY_KEY
from llm_gateway.idempotency import Idempotency
from llm_gateway.identity.key_store import KeyStore
from llm_gateway.identity.pepper import pepper
from llm_gateway.identity.sealing import sealer
from llm_gateway.identity.tiers import CallerTiers
from llm_gateway.integrations.asking import Visit
from llm_gateway.integrations.workflows.dbos_engine import DbosEngine, dbos_carries_out
from llm_gateway.integrations.workflows.engine import WorkflowEngine
from llm_gateway.integrations.workflows.runs import Commission
from llm_gateway.ledger.alerts import LogNotifier
from llm_gateway.ledger.books import Ledger
from llm_gateway.ledger.bulletin import Bulletin
from llm_gateway.ledger.bulletin import Send as Deliver
from llm_gateway.ledger.webhook import webhook
from llm_gateway.logs import hide, secrets_of
from llm_gateway.metrics.book import Board, Book, home_of, instance_of
from llm_gateway.metrics.recorder import Recorder
from llm_gateway.metrics_collector import MetricsCollector
from llm_gateway.overview import Overview
from llm_gateway.pipeline import Stage
from llm_gateway.routing.health import House
from llm_gateway.stores.responses import ResponseStore
from llm_gateway.stores.sql import SqlStore
from llm_gateway.transport import Deadlines, Transport

_log = structlog.get_logger(__name__)
NOTICE_ANSWER_BYTES = 64 << 10
"""What a webhook may answer; nobody reads it."""


class Closing(Protocol):
    """Something that blocks while it is closed."""

    def close(self) -> None: ...


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
        self.overview = Overview(self)
        self._native = NativeApi(self, self.clock, self.overview)
        openai = OpenAiApi(self, self.clock, self.overview)
        responses = ResponsesApi(self, self.clock, self.overview)
        anthropic = AnthropicApi(self, self.clock, self.overview)
        ollama = OllamaApi(self, self.clock, self.overview)
        integrations = IntegrationsApi(self, self.clock, self.overview.enriched)
        self._handlers: dict[str, Handler] = {
            **integrations.handlers,
            **self._native.handlers, **openai.handlers, **responses.handlers, **anthropic.handlers, **ollama.handlers,
        }  # fmt: skip
        shared = {path: by_version(handler, openai.gets[path]) for path, handler in anthropic.gets.items()}
        self._gets: dict[str, Handler] = {**openai.gets, **shared, **ollama.gets}
        self._heads = ollama.heads
        shared_under = {path: by_version(handler, openai.under[path]) for path, handler in anthropic.under.items()}
        passed = PassthroughApi(self, self.clock, self.overview).under
        self._under: dict[str, dict[str, Handler]] = {
            **passed,
            "GET": {**openai.under, **responses.under, **shared_under, **passed["GET"]},
            "DELETE": {**responses.deletes, **passed["DELETE"]},
        }
        """Handlers by method and what their path begins with."""
        dashboard = Dashboard(self)
        self._under["GET"] = {**self._under["GET"], DASHBOARD: dashboard}
        self._under["POST"] = {**self._under.get("POST", {}), DASHBOARD: dashboard, **integrations.under}
        self._unknown = Unknown(self, self.clock, self._methods_of)
        self._management = Management(self.overview)
        self.stopping = False
        self._tracing: Closing | None = None
        self.on_started: Callable[[], None] = lambda: None
        """Called once, when calls can be served."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """ASGI's, version 3. A model call's handler is not waited for here: who asks waits for it."""
        if scope["type"] == "lifespan":
            return self._lifespan(receive, send)
        handler = self._handlers.get(scope["path"])
        if handler is None or scope["method"] != "POST":
            return self._serve_other(handler, scope, receive, send)
        if IDEMPOTENCY_KEY in fields_of(scope):
            return self._idempotency(handler, scope, receive, send)
        return handler(scope, receive, send)

    async def _serve_other(self, handler: Handler | None, scope: Scope, receive: Receive, send: Send) -> None:
        """What is no model call. `handler` is that of its path for POST, if there is one."""
        other = self._other(scope["method"], scope["path"])
        if other is not None:
            await other(scope, receive, send)
            return
        name = correlation_id(header(scope, b"x-correlation-id"), self.clock.wall_s(), urandom)
        scope.setdefault("state", {})["correlation_id"] = name
        correlation.set(name)
        management = await self._management.endpoints()
        if not management.serves(scope) and await self._unknown(scope, receive, send):
            return
        if handler is not None:
            failure = InvalidRequest(f"{scope['path']} takes POST", code="method_not_allowed")
            await respond(send, 405, [*error_headers(failure), (b"allow", b"POST")], error_body(failure, name))
            return
        await management(scope, receive, _with_header(send, b"x-correlation-id", name.encode()))

    def _methods_of(self, path: str) -> list[str]:
        """The methods that a path of a dialect takes."""
        methods = dict.fromkeys(("GET", *self._under, "POST"))
        return [each for each in methods if (each == "POST" and path in self._handlers) or self._other(each, path) is not None]

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
        self.on_started()
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def start(self) -> None:
        """Open the database, build the gateway, begin to watch health and configuration."""
        settings = self._loaded.settings
        self._store = open_store(settings)
        self._transport = Transport(self.clock)
        seals = sealer(settings.storage.encryption_key.get_secret_value(), Path(settings.server.data_dir))
        conversations = ConversationStore(self._store, self.clock, settings.conversations.max_turns, seals)
        kept = settings.conversations
        responses = ResponseStore(self._store, self.clock, seals, days=kept.response_days, max_turns=kept.max_turns)
        counters = _counters(settings, self.clock)
        await counters.start()
        keys = KeyStore(self._store, self.clock, pepper(settings.auth.key_pepper.get_secret_value(), Path(settings.server.data_dir)))
        await keys.open()
        tiers = CallerTiers(self._store, self.clock)
        await tiers.refresh()
        run, cache = urandom(8).hex(), self._cache(settings)
        bulletin = Bulletin(
            self._store, self.clock, (LogNotifier(),), self._webhook, attempts=lambda: self.gateway.settings.alerts.attempts
        )
        ledger = Ledger(self._store, self.clock, run, bulletin=bulletin)
        await _share_budgets(ledger, settings)
        await ledger.open()
        trail = await AuditTrail.open(self._store, settings.audit, Path(settings.server.data_dir), self.clock)
        metrics = MetricsCollector(self.clock, Recorder(trail.key.content_digest), run, self._models)
        instance = instance_of(settings.server.data_dir)
        book = Book(self._store, self.clock, metrics, instance, _board(settings, instance))
        shared = Shared(
            self.clock, self._transport, metrics, conversations, keys, counters, run, cache, responses, ledger, trail, book,
            self._store, self._workflow_engine(run), tiers, seals, self._begin_tracing(),
        )  # fmt: skip
        self.gateway = Gateway(settings, shared)
        metrics.ended.append(CallLog(lambda: self.gateway.settings.metrics.enable_detailed_logging))
        metrics.watch_loop()
        self._say_who_is_let_in()
        await self._check_health()
        if not self.gateway.router.any_available():
            _log.warning("no provider can answer yet: the lines above say which setting would add one; `llm-gateway demo` needs none")
        self._tasks.append(asyncio.create_task(self._watch_health()))
        self._tasks.append(asyncio.create_task(self._watch_keys()))
        self._tasks.append(asyncio.create_task(self._clean_caches()))
        self._tasks.append(asyncio.create_task(ledger.keep_house(lambda: self.gateway.settings.metrics.retention_days)))
        self._tasks.append(asyncio.create_task(bulletin.run()))
        self._tasks.append(asyncio.create_task(book.keep(lambda: self.gateway.settings.metrics.retention_days)))
        self._tasks.append(asyncio.create_task(trail.keep_house(lambda: self.gateway.settings.metrics.retention_days)))
        self._tasks.append(asyncio.create_task(shared.workflows.keep_house()))
        self._share_rests()
        if self._load is not None:
            self._watch_configuration(self._load)

    def _share_rests(self) -> None:
        """Where processes share a Redis, a provider that turned one of them away is left alone by all."""
        url = self._loaded.settings.storage.redis_url.get_secret_value()
        if url:
            rests = import_module("llm_gateway.counters.rests").SharedRests(url, self.clock, self._houses)
            self._tasks.append(asyncio.create_task(rests.run()))

    def _houses(self) -> Mapping[str, House]:
        return self.gateway.router.houses()

    def _webhook(self) -> Deliver | None:
        """The way of budget notices, as the configuration has it now."""
        return webhook(self.gateway.settings.alerts, self._post, self.clock)

    async def _post(self, wire: WireBytes, timeout_s: float, local: bool) -> int:
        deadlines = Deadlines(timeout_s, timeout_s, timeout_s, timeout_s)
        return (await self._transport.fetch(wire, deadlines, NOTICE_ANSWER_BYTES, local=local)).status

    def _begin_tracing(self) -> Stage | None:
        """Trace if the standard variables say where to. Loaded where it is used: the SDK takes 20 MiB."""
        if not is_configured(os.environ):
            return None
        try:
            module = import_module("llm_gateway.tracing")
        except ModuleNotFoundError as missing:
            _log.warning("traces are configured, and cannot be made: install llm-gateway[otel]", missing=missing.name)
            return None
        self._tracing = tracing = module.Tracing(os.environ, self.clock)
        self._handlers = {path: tracing.around(handler) for path, handler in self._handlers.items()}
        self._under["POST"] = {path: tracing.around(handler) for path, handler in self._under.get("POST", {}).items()}
        install(tracing)
        return cast(Stage, tracing)

    def _models(self) -> list[Target]:
        return self.gateway.router.models()

    def _workflow_engine(self, run: str) -> WorkflowEngine:
        async def call(service: str, operation: str, body: JsonObject, on_behalf_of: Commission, deadline_s: float) -> JsonObject:
            visit = Visit(on_behalf_of.caller, on_behalf_of.correlation_id, deadline_s, on_behalf_of.minimum_level)
            return await self.gateway.integrations.run(service, operation, body, visit)

        def may_still_call(caller: Caller) -> bool:
            return self.gateway.may_still_call(caller)

        def bounds() -> IntegrationSettings:
            return self.gateway.settings.integrations

        settings = self._loaded.settings
        if dbos_carries_out(settings.integrations, settings.storage):
            return DbosEngine(self._store, self.clock, run, bounds, call, may_still_call, storage=settings.storage)
        return WorkflowEngine(self._store, self.clock, run, bounds, call, may_still_call)

    def _say_who_is_let_in(self) -> None:
        authenticator, host = self.gateway.authenticator, self.gateway.settings.server.host
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
        hide(secrets_of(reload.loaded.settings))
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
            await self._refresh_budgets()
            await self._refresh_tiers()

    async def _refresh_tiers(self) -> None:
        """Tiers that were given in another process hold here too."""
        try:
            await self.gateway.shared.tiers.refresh()
        except (SQLAlchemyError, LLMGatewayError) as failure:
            _log.error("tiers could not be refreshed: those known so far stay in force", problem=type(failure).__name__)

    async def _refresh_budgets(self) -> None:
        """Budgets that were made in another process hold here too."""
        try:
            await self.gateway.shared.ledger.refresh_budgets()
        except (SQLAlchemyError, LLMGatewayError) as failure:
            _log.error("budgets could not be refreshed: those known so far stay in force", problem=type(failure).__name__)

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
        await self.gateway.shared.workflows.stop()
        # The server has cancelled what it would not wait for; cancelled calls still have their ends to write.
        await self.gateway.shared.metrics.all_ended(within_s=5)
        await self.gateway.shared.counters.aclose()
        await self.gateway.shared.cache.store.aclose()
        await self._idempotency.store.aclose()
        await self.gateway.shared.keys.tick()
        await self._transport.aclose()
        if self._tracing is not None:
            install(None)
            await asyncio.to_thread(self._tracing.close)
        await self.gateway.shared.book.close()
        await self.gateway.shared.ledger.close()
        await self.gateway.shared.trail.close()
        await asyncio.to_thread(self._store.close)


def open_store(settings: Settings) -> SqlStore:
    """The database of a configuration.

    Raises:
        ConfigurationError: it cannot be used as it is.
    """
    url = settings.storage.database_url.get_secret_value()
    if not url:
        return SqlStore.sqlite(Path(settings.server.data_dir) / "gateway.sqlite3")
    return SqlStore(url, migrate=settings.storage.auto_migrate)


def _board(settings: Settings, instance: str) -> Board | None:
    """Where gateways with databases of their own see each other's figures: in Redis where there is one."""
    url = settings.storage.redis_url.get_secret_value()
    if not url:
        return None
    home = home_of(settings.storage.database_url.get_secret_value(), instance)
    return cast(Board, import_module("llm_gateway.metrics.board").RedisBoard(url, home))


def _counters(settings: Settings, clock: Clock) -> Counters:
    """Where limits are counted: in Redis where there is one, else in this process."""
    limits, url = settings.limits, settings.storage.redis_url.get_secret_value()
    if not url:
        return MemoryCounters(clock, limits.max_callers)
    replicas = limits.replicas * settings.server.workers
    # Loaded where it is used: the Redis client takes 10 MiB.
    made = import_module("llm_gateway.counters.redis").RedisCounters
    return cast(Counters, made(url, clock, replicas=replicas, timeout_s=limits.store_timeout_s, max_accounts=limits.max_callers))


async def _share_budgets(ledger: Ledger, settings: Settings) -> None:
    """Hold budgets in Redis where there is one, for all processes together."""
    url = settings.storage.redis_url.get_secret_value()
    if url and settings.metrics.enable_cost_tracking:
        made = import_module("llm_gateway.ledger.shared").SharedAccounts(
            url, ledger.spent_by_process, ledger.clock, ledger.process, load=ledger.spent_here,
            replicas=settings.limits.replicas * settings.server.workers, timeout_s=settings.limits.store_timeout_s,
        )  # fmt: skip
        ledger.accounts = made
        await made.start()


def _store(name: str, settings: Settings, clock: Clock, max_entries: int, max_bytes: int) -> Store:
    url = settings.storage.redis_url.get_secret_value()
    if not url:
        return MemoryStore(clock, max_entries, max_bytes)
    return cast(Store, import_module("llm_gateway.caches.redis").RedisStore(url, name, clock, max_entries, max_bytes))


def _report(failure: LLMGatewayError) -> None:
    _log.error("the configuration was not reloaded; the old one stays", problem=failure.message)


def _with_header(send: Send, name: bytes, value: bytes) -> Send:
    async def sending(message: "dict[str, object]") -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (name, value)]  # type: ignore[misc]
        await send(message)

    return sending  # type: ignore[return-value]
