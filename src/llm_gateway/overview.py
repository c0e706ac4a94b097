"""What the management endpoints show: gathered from the parts when asked, never stored."""

from os import urandom
from typing import Literal, Protocol

from llm_gateway import __version__
from llm_gateway.api import documents as doc
from llm_gateway.api.call import STRATEGIES
from llm_gateway.api.native_schema import ChatBody, chat_request
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import Internal, InvalidRequest, NotFound
from llm_gateway.core.exchange import Credentials, Exchange
from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.ids import correlation_id
from llm_gateway.core.pricing import PICO_PER_USD
from llm_gateway.gateway import Gateway, Upstream, is_local

_HEALTH: dict[str, Literal["healthy", "degraded", "unhealthy", "unconfigured"]] = {
    "available": "healthy",
    "degraded": "degraded",
    "unavailable": "unhealthy",
    "unconfigured": "unconfigured",
}


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

    @property
    def _gateway(self) -> Gateway:
        return self._running.gateway

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
        return doc.DetailedHealthDocument(
            service="healthy" if self.ready()[0] and not gateway.unflagged else "degraded",
            version=__version__,
            uptime=round(gateway.shared.metrics.uptime_s, 3),
            providers={
                state.name: doc.ProviderHealth(
                    available=state.status in {"available", "degraded"},
                    status=_HEALTH[state.status],
                    last_checked=state.checked_wall_s,
                    reason=state.reason,
                )
                for state in states
            },
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
            providers=[
                doc.ProviderDocument(
                    name=state.name,
                    kind=state.kind,
                    type="local" if is_local(gateway.upstreams[state.name]) else "cloud",
                    model=state.model or None,
                    security_level=state.security_level.value,
                    cost_per_token=state.usd_per_token,
                    status=state.status,
                    reason=state.reason,
                    capabilities=_capabilities(gateway.upstreams[state.name]),
                )
                for state in gateway.router.states()
            ]
        )

    def models(self) -> doc.ModelsDocument:
        gateway = self._gateway
        defaults = {(state.name, state.model) for state in gateway.router.states()}
        models = []
        for target in gateway.router.models():
            facts, price = gateway.router.facts(target)
            models.append(
                doc.ModelDocument(
                    id=str(target),
                    provider=target.provider,
                    model=target.model,
                    default=(target.provider, target.model) in defaults,
                    context_window=facts.context_window_tokens,
                    input_usd_per_million_tokens=price.base.input / PICO_PER_USD * 1e6 if price else None,
                    output_usd_per_million_tokens=price.base.output / PICO_PER_USD * 1e6 if price else None,
                )
            )
        return doc.ModelsDocument(models=models, aliases=gateway.settings.aliases)

    def metrics(self) -> doc.MetricsDocument:
        return doc.MetricsDocument(**self._gateway.shared.metrics.summary())

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
            sensitivity=_sensitivity(exchange.sensitivity),
            eligible=[
                doc.EligibleDocument(provider=place.provider, security_level=place.security_level.value, origin=place.origin)
                for place in sorted(exchange.clearance.eligible, key=lambda place: place.provider)
            ],
            ranked=[
                doc.CandidateDocument(
                    provider=candidate.target.provider,
                    model=candidate.target.model,
                    score=round(candidate.score, 4),
                    reasons=list(candidate.reasons),
                    predicted_cost=candidate.predicted_cost_usd,
                    predicted_latency=candidate.predicted_latency_s,
                )
                for candidate in decision.ranked
            ],
            rejected=[doc.RejectionDocument(provider=no.provider, code=no.code, reason=no.reason) for no in decision.rejected],
            strategy=decision.strategy,
            reason=decision.reason,
            policy_version=exchange.clearance.policy_version,
            correlation_id=exchange.correlation_id,
        )

    async def conversation(self, conversation_id: str, credentials: Credentials) -> doc.ConversationDocument:
        """A conversation, to its owner."""
        caller = self._gateway.authenticator.identify(credentials)
        found = await self._gateway.shared.conversations.read(conversation_id, None if caller.is_admin else caller.id)
        if found is None:
            raise NotFound(f"no conversation {conversation_id!r}", param="conversation_id")
        return doc.ConversationDocument(
            conversation_id=found.id,
            owner=found.owner,
            created=found.created_s,
            updated=found.updated_s,
            tainted=found.tainted,
            turns=[
                doc.TurnDocument(
                    role=turn.role,
                    content=turn.content,
                    tokens=turn.tokens,
                    created=turn.created_s,
                    provider=turn.provider,
                    model=turn.model,
                )
                for turn in found.turns
            ],
        )

    async def erase_conversation(self, conversation_id: str, credentials: Credentials) -> None:
        """Erase a conversation, for its owner."""
        caller = self._gateway.authenticator.identify(credentials)
        await self._gateway.shared.conversations.erase(conversation_id, None if caller.is_admin else caller.id)


def _capabilities(upstream: Upstream) -> list[str]:
    if upstream.provider is None:
        return []
    can = upstream.provider.capabilities
    names = ("chat", "embeddings", "tools", "images", "documents", "json_schema", "logprobs", "choices")
    return [name for name in names if getattr(can, name)]


def _sensitivity(verdict: Sensitivity) -> doc.SensitivityDocument:
    return doc.SensitivityDocument(
        score=round(verdict.score, 4),
        sensitive=verdict.sensitive,
        failed=verdict.failed,
        findings=[
            doc.FindingDocument(kind=found.kind, place=found.place, confidence=round(found.confidence, 4), rule=found.rule)
            for found in verdict.findings
        ],
    )
