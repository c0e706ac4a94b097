"""What the management endpoints show: gathered from the parts when asked, never stored."""

from os import urandom
from typing import Any, Literal, Protocol

import structlog

from llm_gateway import __version__
from llm_gateway.api import documents as doc
from llm_gateway.api.bodies import CacheClearBody, ResetBody, TierBody
from llm_gateway.api.call import STRATEGIES
from llm_gateway.api.native_schema import ChatBody, chat_request
from llm_gateway.audit.reading import TrailReader
from llm_gateway.caching.store import StoreUnavailable
from llm_gateway.core.clock import Clock
from llm_gateway.core.counters import UNLIMITED
from llm_gateway.core.errors import Internal, InvalidRequest, NotFound, Overloaded
from llm_gateway.core.exchange import Caller, Credentials, Exchange, Next
from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.ids import correlation_id
from llm_gateway.core.routing import Target
from llm_gateway.core.settings import IntegrationSettings, PassthroughSettings
from llm_gateway.core.types import JsonObject, Passthrough, Request
from llm_gateway.core.wire import Provider
from llm_gateway.costs.outlook import Outlook
from llm_gateway.enriched_queries import EnrichedQueries
from llm_gateway.gateway import Gateway
from llm_gateway.identity.keys import Grant, Key
from llm_gateway.ledger.desk import Desk
from llm_gateway.metrics.exposition import Gauges
from llm_gateway.metrics.view import MetricsView, Record, shown_route
from llm_gateway.overview_documents import (
    cache_status_document,
    candidate_documents,
    conversation_document,
    eligible_documents,
    limit_status_document,
    model_document,
    provider_document,
    provider_health,
    sensitivity_document,
)  # fmt: skip
from llm_gateway.protocols.untold import asked_fields, untold
from llm_gateway.provider_router import STRATEGIES as STRATEGIES_BY_NAME
from llm_gateway.stores.responses import ResponseStore

_log = structlog.get_logger(__name__)
MOST_REMEMBERED = 1024

_WINDOWS = ("burst", "requests_per_minute", "requests_per_hour", "tokens_per_minute")


class Running(Protocol):
    """The application as this module needs it."""

    clock: Clock
    stopping: bool

    @property
    def gateway(self) -> Gateway: ...


class Overview:
    """Answers the management endpoints."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.clock = running.clock
        self._untold: dict[tuple[Provider, str, tuple[str, ...], bool], frozenset[str]] = {}
        self.enriched = EnrichedQueries(running)

    @property
    def _gateway(self) -> Gateway:
        return self._running.gateway

    @property
    def desk(self) -> Desk:
        return self._gateway.desk

    @property
    def outlook(self) -> Outlook:
        return self._gateway.outlook

    def sees_all_costs(self, caller: Caller) -> bool:
        return caller.is_admin or self._gateway.authenticator.is_open

    def identify(self, credentials: Credentials) -> Caller:
        return self._gateway.authenticator.identify(credentials)

    def identify_admin(self, credentials: Credentials) -> Caller:
        return self._gateway.authenticator.identify_admin(credentials)

    async def create_key(self, grant: Grant, by: Caller) -> tuple[str, Key]:
        """Make a key that can do what it says: its providers and its tier are there."""
        settings = self._gateway.settings
        unknown = (grant.allowed_providers or frozenset()) - settings.providers.keys()
        if unknown:
            there = ", ".join(settings.providers)
            raise InvalidRequest(f"allowed_providers: there is no {min(unknown)!r}; there are {there}", param="allowed_providers")
        if grant.tier not in settings.rate_limiting:
            raise InvalidRequest(f"tier: there is none of that name; there are {', '.join(settings.rate_limiting)}", param="tier")
        await self._gateway.record("key.create", by, {"owner": grant.owner, "tier": grant.tier})
        secret, key = await self._gateway.shared.keys.create(grant)
        _log.info("an API key was made", key_id=key.id, owner=grant.owner, by=by.id)
        return secret, key

    async def keys(self, owner: str | None, after: str, limit: int) -> list[Key]:
        """A page of the keys that were made; those of the configuration come before the first."""
        gateway = self._gateway
        made = await gateway.shared.keys.page(owner, after, limit)
        configured = (entry.key for entry in gateway.authenticator.configured.values()) if not after else ()
        return [gateway.shared.keys.with_use(key) for key in configured if owner in {None, key.grant.owner}] + made

    async def revoke_key(self, key_id: str, by: Caller) -> Key:
        """Take back a key that was made."""
        await self._gateway.record("key.revoke", by, {"key_id": key_id})
        key = await self._gateway.shared.keys.revoke(key_id)
        _log.info("an API key was revoked", key_id=key.id, owner=key.grant.owner, by=by.id)
        return key

    def service_catalogue(self) -> list[JsonObject]:
        """Every integrated service with the schemas of its operations."""
        return self.enriched.service_catalogue()

    async def service_status(self) -> list[JsonObject]:
        """How every integrated service fares."""
        return await self.enriched.service_status()

    def integration_settings(self) -> IntegrationSettings:
        return self._gateway.settings.integrations

    async def integrate(self, service: str, operation: str, body: JsonObject, credentials: Credentials, correlation_id: str) -> JsonObject:
        """The reply document of one operation of an integrated service."""
        return await self.enriched.integrate(service, operation, body, credentials, correlation_id)

    def audit(self) -> TrailReader:
        """The audit trail, to be searched and verified."""
        return self._gateway.shared.trail.reader

    def max_body_bytes(self) -> int:
        return self._gateway.settings.server.max_body_bytes

    def max_json_depth(self) -> int:
        return self._gateway.settings.server.max_json_depth

    def ready(self) -> tuple[bool, str]:
        """Whether traffic should come here, and why not."""
        if self._running.stopping:
            return False, "the gateway is stopping"
        if not self._gateway.router.any_available():
            return False, "no provider is available: GET /providers says why"
        return True, ""

    def health(self) -> doc.HealthDocument:
        status: Literal["healthy", "degraded", "stopping"] = "healthy" if self.ready()[0] else "degraded"
        if self._running.stopping:
            status = "stopping"
        return doc.HealthDocument(status=status, version=__version__, uptime=round(self._gateway.shared.metrics.uptime_s, 3))

    def detailed_health(self) -> doc.DetailedHealthDocument:
        gateway = self._gateway
        states = gateway.router.states()
        active_users, granted = gateway.limiter.active_callers()
        shared = gateway.shared.cache
        return doc.DetailedHealthDocument(
            service="healthy" if self.ready()[0] and not gateway.unflagged else "degraded",
            version=__version__,
            uptime=round(gateway.shared.metrics.uptime_s, 3),
            providers={state.name: provider_health(state) for state in states},
            cache=doc.CacheHealth(
                status=gateway.cache.state, total_entries=shared.store.size[0], total_size_mb=round(shared.store.size[1] / 1e6, 3)
            ),
            rate_limiter=doc.LimiterHealth(
                status="healthy" if gateway.shared.counters.is_whole else "degraded",
                active_users=active_users,
                global_requests_last_minute=granted,
            ),
            security={
                "self_test": "passed" if not gateway.unflagged else f"failed: {len(gateway.unflagged)} planted secrets were not flagged",
                "policy_version": gateway.security_filter.policy_version,
                "sensitivity_threshold": gateway.settings.security.sensitivity_threshold,
            },
            timestamp=self._running.clock.wall_s(),
        )

    def providers(self) -> doc.ProvidersDocument:
        gateway = self._gateway
        return doc.ProvidersDocument(
            providers=[provider_document(state, gateway.upstreams[state.name]) for state in gateway.router.states()]
        )

    async def provider_limits(self, provider: str) -> doc.ProviderLimitsDocument:
        """Where a provider stands with its own limits."""
        limiter = self._gateway.limiter
        if provider not in self._gateway.upstreams:
            raise NotFound(f"there is no provider {provider[:64]!r}", param="provider")
        found = await limiter.provider_status(provider)
        windows: dict[str, doc.WindowDocument | None] = dict.fromkeys(_WINDOWS)
        if found is not None:
            status = limit_status_document(found)
            limits = (*found.rules.requests, found.rules.tokens)
            windows |= {name: getattr(status, name) for name, limit in zip(_WINDOWS, limits, strict=True) if limit < UNLIMITED}
        return doc.ProviderLimitsDocument(provider=provider, at_limit=limiter.limited(provider) is not None, **windows)

    def models(self) -> doc.ModelsDocument:
        gateway = self._gateway
        defaults = {(state.name, state.model) for state in gateway.router.states()}
        models = [
            model_document(target, *gateway.router.facts(target), default=(target.provider, target.model) in defaults)
            for target in gateway.router.models()
        ]
        return doc.ModelsDocument(models=models, aliases=gateway.settings.aliases)

    @property
    def judging(self) -> Next:
        return self._gateway.judging

    @property
    def passthrough(self) -> PassthroughSettings:
        return self._gateway.settings.passthrough

    @property
    def responses(self) -> ResponseStore:
        return self._gateway.shared.responses

    async def judge(self, request: Request) -> Sensitivity:
        return await self._gateway.security_filter.judged(request)

    def protocol_of(self, provider: str) -> str:
        found = self._gateway.upstreams.get(provider)
        return found.provider.protocol if found is not None and found.provider is not None else ""

    def untold(self, target: Target, request: Request) -> frozenset[str]:
        """The fields of a request that the target's translation leaves out; nothing is sent."""
        asked = asked_fields(request)
        if not asked or isinstance(request, Passthrough):
            return frozenset()
        found = self._gateway.upstreams.get(target.provider)
        if found is None or found.provider is None:
            return frozenset()
        # Reasoning depends on the conversation; everything else on the model alone, and is remembered.
        key = (found.provider, target.model, asked, request.native is not None and request.native.protocol == found.provider.protocol)
        known = self._untold.get(key)
        if known is None:
            left = untold(asked, found.provider.encode(request, target.model, self._running.clock.wall_s()).body)
            if any(name in asked for name in ("reasoning_effort", "thinking_budget_tokens")):
                return left
            if len(self._untold) >= MOST_REMEMBERED:
                self._untold.clear()
            known = self._untold[key] = left
        return known

    @property
    def view(self) -> MetricsView:
        return MetricsView(self._gateway.shared.book)

    def gauges(self) -> Gauges:
        """What Prometheus is told of this moment."""
        gateway, clock = self._gateway, self._running.clock
        entries, size_bytes = gateway.shared.cache.store.size
        up = {state.name: state.status in {"available", "degraded"} for state in gateway.router.states() if state.status != "unconfigured"}
        started_s = clock.wall_s() - gateway.shared.metrics.uptime_s
        return Gauges(__version__, started_s, up, entries, size_bytes, gateway.shared.ledger.journal.waiting_rows)

    def with_reasons(self, record: Record) -> dict[str, Any]:
        """A record's route for people: the ranking keeps figures, and words are made of them here."""
        return shown_route(record, STRATEGIES_BY_NAME)

    async def limit_status(self, credentials: Credentials) -> doc.LimitStatusDocument:
        """Where a caller stands; an administrator may ask for anybody."""
        caller = self._gateway.authenticator.identify(credentials)
        if caller.is_admin and credentials.user_id:
            caller = Caller(credentials.user_id)
        return limit_status_document(await self._gateway.limiter.status(caller))

    def tiers(self) -> doc.TiersDocument:
        """The tiers that were given to callers."""
        gateway = self._gateway
        return doc.TiersDocument(tiers=dict(gateway.shared.tiers.by_caller), known=list(gateway.settings.rate_limiting))

    async def assign_tier(self, asked: TierBody, by: Caller) -> doc.TiersDocument:
        """Give a caller a tier, or take it back."""
        gateway = self._gateway
        known = gateway.settings.rate_limiting
        if asked.tier is not None and asked.tier not in known:
            raise InvalidRequest(f"tier: there is none of that name; there are {', '.join(known)}", param="tier")
        await gateway.record("tier.assign", by, {"caller": asked.user_id, "tier": asked.tier})
        await gateway.shared.tiers.assign(asked.user_id, asked.tier)
        _log.info("a caller was given a tier", tier=asked.tier, by=by.id)
        return self.tiers()

    async def reset_limits(self, asked: ResetBody, by: Caller) -> list[str]:
        """Forget what the named accounts have counted."""
        named = {"caller": asked.user_id, "key": asked.key_id, "provider": asked.provider, "model": asked.model}
        limiter = self._gateway.limiter
        chosen = {kind: name for kind, name in named.items() if name} | ({"overall": ""} if asked.overall else {})
        if chosen:
            await self._gateway.record("limits.reset", by, dict(chosen))
        reset = [await limiter.reset(kind, name) for kind, name in chosen.items()]
        if not reset:
            raise InvalidRequest("expected one of user_id, key_id, provider, model, overall: whose limits to reset", param="user_id")
        return reset

    async def explain(self, body: ChatBody, credentials: Credentials, strategy: str | None) -> doc.ExplainDocument:
        """What would happen to a request: judged and ranked like one that is sent, and nothing leaves or is stored."""
        gateway, clock = self._gateway, self._running.clock
        if strategy is not None and strategy not in STRATEGIES:
            raise InvalidRequest(f"X-Gateway-Strategy: expected one of {', '.join(STRATEGIES)}", param="X-Gateway-Strategy")
        exchange = Exchange(
            chat_request(body, stream=False),
            correlation_id=correlation_id(None, clock.wall_s(), urandom),
            credentials=credentials,
            ingress="native",
            received_s=clock.monotonic_s(),
            deadline_s=clock.monotonic_s() + gateway.settings.server.request_timeout_s,
        )
        exchange.conversation_id = body.conversation_id
        exchange.caller = gateway.authenticator.identify(credentials)
        await gateway.memory.recall(exchange)
        await gateway.security_filter.clear(exchange)
        if exchange.clearance is None or exchange.sensitivity is None:
            raise Internal("the security filter gave no verdict")
        decision = gateway.router.decide(exchange.request, exchange.clearance, strategy)
        return doc.ExplainDocument(
            sensitivity=sensitivity_document(exchange.sensitivity),
            eligible=eligible_documents(exchange.clearance),
            ranked=candidate_documents(decision),
            rejected=[doc.RejectionDocument(provider=no.provider, code=no.code, reason=no.reason) for no in decision.rejected],
            cache=await self._forecast(exchange),
            limits=limit_status_document(await gateway.limiter.status(exchange.caller)),
            strategy=decision.strategy,
            reason=decision.reason,
            policy_version=exchange.clearance.policy_version,
            correlation_id=exchange.correlation_id,
        )

    async def _forecast(self, exchange: Exchange) -> doc.CacheForecast:
        cache = self._gateway.cache
        if not cache.is_cacheable(exchange):
            return doc.CacheForecast(state="bypass", key=None)
        name = cache.name_of(exchange)
        return doc.CacheForecast(state="hit" if await cache.has(name) else "miss", key=name)

    async def cache_status(self, credentials: Credentials) -> doc.CacheStatusDocument:
        """How the cache fares, as far as it is the asker's to see."""
        gateway = self._gateway
        try:
            found = await gateway.shared.cache.status(self._tenant(credentials))
        except StoreUnavailable:
            raise _cache_away() from None
        return cache_status_document(found, gateway.cache)

    async def clear_cache(self, asked: CacheClearBody, credentials: Credentials) -> int:
        """Clear entries, as far as they are the asker's to clear."""
        caller = self._gateway.authenticator.identify(credentials)
        await self._gateway.record("cache.clear", caller, {"pattern": asked.pattern, "user_id": asked.user_id})
        try:
            cleared = await self._gateway.shared.cache.clear(asked.pattern, asked.user_id, self._tenant(credentials))
        except StoreUnavailable:
            raise _cache_away() from None
        _log.info("cache entries were cleared", entries=cleared, by=caller.id)
        return cleared

    def _tenant(self, credentials: Credentials) -> str | None:
        """The owner whose matters the asker may see; None: everybody's, for administrators and where there are no keys."""
        caller = self._gateway.authenticator.identify(credentials)
        return caller.owner if caller.key_id and not caller.is_admin else None

    async def conversation(self, conversation_id: str, credentials: Credentials) -> doc.ConversationDocument:
        """A conversation, to its owner."""
        caller = self._gateway.authenticator.identify(credentials)
        return await self.conversation_of(conversation_id, None if caller.is_admin else caller.id)

    async def conversation_of(self, conversation_id: str, owner: str | None) -> doc.ConversationDocument:
        """A conversation of `owner`; None: of anybody."""
        found = await self._gateway.shared.conversations.read(conversation_id, owner)
        if found is None:
            raise NotFound(f"no conversation {conversation_id!r}", param="conversation_id")
        return conversation_document(found)

    async def conversations(self, credentials: Credentials, after: float | None, limit: int) -> doc.ConversationsDocument:
        """A caller's conversations; an administrator may name whose."""
        caller = self._gateway.authenticator.identify(credentials)
        owner = (credentials.user_id or None) if caller.is_admin else caller.id
        found = await self._gateway.shared.conversations.newest(owner, after, limit + 1)
        shown = [
            doc.ConversationEntry(
                conversation_id=each.id, owner=each.owner, created=each.created_s, updated=each.updated_s, tainted=each.tainted, turns=turns
            )
            for each, turns in found[:limit]
        ]
        return doc.ConversationsDocument(conversations=shown, next=shown[-1].updated if len(found) > limit else None)

    async def trust_conversation(self, conversation_id: str, by: Caller) -> doc.ConversationDocument:
        """Take the mark of sensitive content off a conversation."""
        await self._gateway.record("conversation.trust", by, {"conversation_id": conversation_id})
        await self._gateway.shared.conversations.clear_taint(conversation_id)
        _log.info("a conversation is trusted again", conversation_id=conversation_id, by=by.id)
        return await self.conversation_of(conversation_id, None)

    async def erase_conversation(self, conversation_id: str, credentials: Credentials) -> None:
        """Erase a conversation, for its owner."""
        caller = self._gateway.authenticator.identify(credentials)
        await self._gateway.shared.conversations.erase(conversation_id, None if caller.is_admin else caller.id)


def _cache_away() -> Overloaded:
    return Overloaded("the store of the cache does not answer", code="cache_unavailable", retry_after_s=1)
