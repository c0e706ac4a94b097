"""What one configuration makes of the parts: providers, filter, router, and the way through them.

A reload builds a new `Gateway` beside the old one and swaps it in whole; calls in flight finish on the one they began
with. What must outlive a reload (database, connections, counters) is held in `Shared` and handed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import urlsplit

import msgspec

from llm_gateway.audit.trail import AuditTrail
from llm_gateway.audit_log import AuditLog
from llm_gateway.authenticator import Authenticator
from llm_gateway.budget_keeper import BudgetKeeper
from llm_gateway.cache_manager import CacheManager, Wordings
from llm_gateway.caching.cache import Cache
from llm_gateway.configuration import kind_of, security_level_of, service_level_of
from llm_gateway.conversation_memory import ConversationMemory, ConversationStore
from llm_gateway.core.acting import correlation
from llm_gateway.core.addresses import is_local_origin
from llm_gateway.core.bounds import Bounds
from llm_gateway.core.clock import Clock
from llm_gateway.core.counters import Counters
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.core.exchange import Caller, Next
from llm_gateway.core.routing import Destination
from llm_gateway.core.sealing import Sealer
from llm_gateway.core.settings import ProviderSettings, Settings
from llm_gateway.core.types import Json
from llm_gateway.core.wire import Provider
from llm_gateway.costs.outlook import Outlook
from llm_gateway.detectors.check import self_test
from llm_gateway.detectors.inspector import Inspector
from llm_gateway.identity.admin_token import admin_token
from llm_gateway.identity.key_store import KeyStore
from llm_gateway.identity.tiers import CallerTiers
from llm_gateway.integrations.asking import Visit
from llm_gateway.integrations.workflows.engine import WorkflowEngine
from llm_gateway.ledger.books import Ledger
from llm_gateway.ledger.budgets import Budget, of_key
from llm_gateway.ledger.desk import Desk
from llm_gateway.metrics.book import Book
from llm_gateway.metrics_collector import MetricsCollector
from llm_gateway.pipeline import Stage, compose
from llm_gateway.provider_router import ProviderRouter
from llm_gateway.rate_limiter import RateLimiter
from llm_gateway.security_filter import SecurityFilter
from llm_gateway.service_integrations import ServiceIntegrations
from llm_gateway.stores.responses import ResponseStore
from llm_gateway.stores.sql import SqlStore
from llm_gateway.transport import Transport


class ProviderModule(Protocol):
    """What a file in `providers/` exports beside its one class."""

    def endpoint_of(self, settings: ProviderSettings) -> str: ...
    def missing(self, settings: ProviderSettings) -> str: ...


class Upstream(msgspec.Struct, frozen=True):
    """A configured provider: its settings, and its translation, or what it lacks (`missing`) to have one."""

    name: str
    kind: str
    settings: ProviderSettings
    destination: Destination
    provider: Provider | None
    missing: str = ""


@dataclass(frozen=True)
class Shared:
    """The parts that outlive a reload."""

    clock: Clock
    transport: Transport
    metrics: MetricsCollector
    conversations: ConversationStore
    keys: KeyStore
    counters: Counters
    run: str
    """A random name of this process."""
    cache: Cache
    responses: ResponseStore
    ledger: Ledger
    trail: AuditTrail
    book: Book
    store: SqlStore
    workflows: WorkflowEngine
    tiers: CallerTiers
    sealer: Sealer
    tracing: Stage | None = None
    """Makes the spans of calls; None: nothing is traced."""


def upstream(name: str, settings: ProviderSettings) -> Upstream:
    """The provider that `settings` describe: `kind: openai` is `providers/openai.py`.

    Raises:
        ConfigurationError: it has no kind, or its endpoint is no URL.
    """
    kind = kind_of(name, settings)
    if kind is None:
        raise ConfigurationError(f"providers.{name}.kind: expected the wire it speaks, as its name is none of the default five")
    module = import_module(f"llm_gateway.providers.{kind}")
    exports = cast(ProviderModule, module)
    missing = "" if settings.enabled else "it is switched off (enabled: false)"
    missing = missing or exports.missing(settings)
    endpoint = exports.endpoint_of(settings)
    destination = Destination(name, origin_of(endpoint, name) if endpoint else "", security_level_of(name, settings))
    if missing:
        return Upstream(name, kind, settings, destination, None, missing)
    (translation,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and getattr(value, "kind", None) == kind
    )
    return Upstream(name, kind, settings, destination, translation(name, settings, destination))


def origin_of(endpoint: str, name: str) -> str:
    """`scheme://host[:port]` of an endpoint.

    Raises:
        ConfigurationError: it is not an http or https URL.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"providers.{name}.endpoint: expected an http:// or https:// URL")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def is_local(found: Upstream) -> bool:
    """Whether an upstream counts as on this machine or a private network."""
    return is_local_origin(found.destination.origin, found.settings.local)


def _own_names(settings: Settings) -> frozenset[str]:
    """The names of models that the configuration holds."""
    names = set(settings.aliases)
    for name, provider in settings.providers.items():
        models = {provider.model, provider.embedding_model, *provider.models} - {""}
        names |= models | {f"{name}/{model}" for model in models}
    return frozenset(names)


def _semantic_cache(settings: Settings, shared: Shared, way: Next) -> Wordings | None:
    """The semantic cache, where it is switched on; `way` is that of its calls for vectors."""
    if not settings.cache.semantic.enabled:
        return None
    module = import_module("llm_gateway.caches.semantic")  # numpy comes with it
    found: Wordings = module.semantic_cache(settings.cache.semantic, shared.cache, shared.clock, way)
    return found


class Gateway:
    """One configuration at work."""

    def __init__(self, settings: Settings, shared: Shared, before: "Gateway | None" = None) -> None:
        self.settings = settings
        self.shared = shared
        server = settings.server
        self.bounds = Bounds(server.max_body_bytes, server.max_json_depth, server.request_timeout_s)
        self.upstreams = {name: upstream(name, provider) for name, provider in settings.providers.items()}
        usable = [found for found in self.upstreams.values() if found.provider is not None]
        security = settings.security
        inspector = Inspector(security.sensitive_keywords, security.rules, security.sensitivity_threshold)
        self.unflagged = self_test(inspector)
        """Planted secrets that the detector missed; with any, only providers of the highest level are served."""
        admin = admin_token(settings.auth.admin_token.get_secret_value(), Path(settings.server.data_dir))
        self.authenticator = Authenticator(settings.auth, admin, shared.keys, shared.clock)
        self.security_filter = SecurityFilter(
            security, (found.destination for found in usable), inspector, trusted=not self.unflagged, models=_own_names(settings)
        )
        self.audit = audit = AuditLog(shared.trail, settings.audit, shared.clock, shared.sealer, self.security_filter.is_sensitive)
        self.limiter = limiter = RateLimiter(settings, shared.counters, shared.run, shared.tiers.by_caller)
        self.keeper = keeper = BudgetKeeper(settings, shared.ledger, lambda: self.router, self._key_budget)
        self.outlook = Outlook(settings, shared.book, shared.clock)
        self.desk = Desk(shared.ledger, lambda: keeper.book, keeper.budgets_of, tracks=keeper.tracks, record=self.record)
        self.router: ProviderRouter = ProviderRouter(
            settings,
            self.upstreams,
            shared,
            before.router if before else None,
            before_attempt=audit.before_attempt,
            limited=limiter.limited,
            admit=limiter.admit,
            afford=keeper.afford,
        )
        self.memory = ConversationMemory(shared.conversations, shared.clock, self.router.history_tokens)
        semantic = _semantic_cache(settings, shared, compose((audit, keeper, self.security_filter), self.router))
        self.cache = CacheManager(settings, shared.cache, self.router.meant, self.security_filter.is_sensitive, semantic)
        order: tuple[Stage, ...] = (
            shared.metrics,
            audit,
            self.authenticator,
            self.memory,
            self.limiter,
            self.keeper,
            self.security_filter,
            self.cache,
        )
        if shared.tracing is not None:
            order = (shared.tracing, *order)
        self.way: Next = compose(order, self.router)
        self.judging: Next = compose(
            [stage for stage in order[: order.index(self.security_filter)] if stage is not keeper], self.security_filter.judge_only
        )
        """The way of what is to be judged and sent nowhere."""
        self.integrations: ServiceIntegrations = ServiceIntegrations(
            settings,
            shared,
            self.security_filter,
            self.router,
            compose([stage for stage in order if stage is not self.authenticator], self.router),  # their caller is known already
            levels={name: service_level_of(service) for name, service in settings.services.items()},
            note=self._note_service_call,
            before=before.integrations if before else None,
        )

    async def record(self, action: str, by: Caller, what: Mapping[str, Json]) -> None:
        """Write down an operator's act, before it takes effect.

        Raises:
            AuditUnavailable: it could not be committed, so the act must not happen.
        """
        await self.shared.trail.record(action, by, correlation.get(), what)

    async def _note_service_call(self, action: str, visit: Visit, _: str, what: Mapping[str, Json]) -> None:
        await self.shared.trail.record(action, visit.caller, visit.correlation_id, what)

    def may_still_call(self, caller: Caller) -> bool:
        """Whether somebody who was let in earlier would be let in now: what runs on may outlive a key."""
        if caller.is_admin:
            return True
        if not caller.key_id:
            return self.authenticator.is_open
        key = self.authenticator.key(caller.key_id)
        return key is not None and (key.grant.expires_s is None or key.grant.expires_s > self.shared.clock.wall_s())

    def _key_budget(self, key_id: str) -> Budget | None:
        key = self.authenticator.key(key_id)
        if key is None or key.grant.budget_usd is None:
            return None
        return of_key(key_id, key.grant.budget_usd, key.grant.budget_period)
