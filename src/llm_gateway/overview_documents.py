"""The documents of the management API, made from the parts' own values."""

from typing import Any, Final, Literal

from llm_gateway.api import documents as doc
from llm_gateway.cache_manager import CacheManager
from llm_gateway.caching.cache import CacheStatus
from llm_gateway.caching.figures import Tally
from llm_gateway.caching.store import Owned
from llm_gateway.conversation_memory import Conversation
from llm_gateway.core.clearance import Clearance
from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.models import ModelFacts
from llm_gateway.core.pricing import PICO_PER_USD, Price
from llm_gateway.core.routing import Decision, Target
from llm_gateway.gateway import Upstream, is_local
from llm_gateway.rate_limiter import CallerLimits
from llm_gateway.routing.states import ProviderState

_MOST_CALLERS: Final = 100
_HEALTH: dict[str, Literal["healthy", "degraded", "unhealthy", "unconfigured"]] = {
    "available": "healthy",
    "degraded": "degraded",
    "unavailable": "unhealthy",
    "unconfigured": "unconfigured",
}


def provider_health(state: ProviderState) -> doc.ProviderHealth:
    return doc.ProviderHealth(
        available=state.status in {"available", "degraded"},
        status=_HEALTH[state.status],
        last_checked=state.checked_wall_s,
        reason=state.reason,
    )


def provider_document(state: ProviderState, upstream: Upstream) -> doc.ProviderDocument:
    return doc.ProviderDocument(
        name=state.name,
        kind=state.kind,
        type="local" if is_local(upstream) else "cloud",
        model=state.model or None,
        security_level=state.security_level.value,
        cost_per_token=state.usd_per_token,
        status=state.status,
        reason=state.reason,
        capabilities=_capabilities(upstream),
        live=_live(state, upstream),
    )


def model_document(target: Target, facts: ModelFacts, price: Price | None, *, default: bool) -> doc.ModelDocument:
    """`default`: it is what its provider answers with when nobody names a model."""
    return doc.ModelDocument(
        id=str(target),
        provider=target.provider,
        model=target.model,
        default=default,
        context_window=facts.context_window_tokens,
        input_usd_per_million_tokens=price.base.input / PICO_PER_USD * 1e6 if price else None,
        output_usd_per_million_tokens=price.base.output / PICO_PER_USD * 1e6 if price else None,
    )


def eligible_documents(clearance: Clearance) -> list[doc.EligibleDocument]:
    return [
        doc.EligibleDocument(provider=place.provider, security_level=place.security_level.value, origin=place.origin)
        for place in sorted(clearance.eligible, key=lambda place: place.provider)
    ]


def candidate_documents(decision: Decision) -> list[doc.CandidateDocument]:
    return [
        doc.CandidateDocument(
            provider=candidate.target.provider,
            model=candidate.target.model,
            score=round(candidate.score, 4),
            reasons=list(candidate.reasons),
            predicted_cost=candidate.predicted_cost_usd,
            predicted_latency=candidate.predicted_latency_s,
        )
        for candidate in decision.ranked
    ]


def conversation_document(found: Conversation) -> doc.ConversationDocument:
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


def limit_status_document(found: CallerLimits) -> doc.LimitStatusDocument:
    gauge, rules = found.gauge, found.rules

    def window(limit: int, used: int, seconds: int, free_us: int) -> doc.WindowDocument:
        remaining = max(0, limit - used)
        return doc.WindowDocument(limit=limit, used=used, remaining=remaining, window_seconds=seconds, resets_in=free_us / 1_000_000)

    burst, minute, hour = (window(*each) for each in zip(rules.requests, gauge.counts, (1, 60, 3600), gauge.frees_us, strict=True))
    return doc.LimitStatusDocument(
        user_id=found.who,
        tier=found.tier,
        burst=burst,
        requests_per_minute=minute,
        requests_per_hour=hour,
        tokens_per_minute=window(rules.tokens, gauge.used + gauge.held, 60, gauge.tokens_free_us),
        tokens_held=gauge.held,
        cooldown_seconds=gauge.cooldown_us / 1_000_000,
    )


def sensitivity_document(verdict: Sensitivity) -> doc.SensitivityDocument:
    return doc.SensitivityDocument(
        score=round(verdict.score, 4),
        sensitive=verdict.sensitive,
        failed=verdict.failed,
        findings=[
            doc.FindingDocument(kind=found.kind, place=found.place, confidence=round(found.confidence, 4), rule=found.rule)
            for found in verdict.findings
        ],
    )


def _live(state: ProviderState, upstream: Upstream) -> doc.ProviderLive | None:
    if state.status == "unconfigured":
        return None
    return doc.ProviderLive(
        error_rate=round(state.error_rate, 4),
        in_flight=state.in_flight,
        queued=state.queued,
        max_concurrency=upstream.settings.max_concurrency,
        first_chunk_s=state.first_chunk_s,
        total_s=state.total_s,
        tokens_per_second=1 / state.per_output_token_s if state.per_output_token_s else None,
        last_checked=state.checked_wall_s,
        circuits=[doc.CircuitDocument(model=each.model, state=each.state, rests=round(each.rests_s, 3)) for each in state.circuits],
    )


def _capabilities(upstream: Upstream) -> list[str]:
    if upstream.provider is None:
        return []
    can = upstream.provider.capabilities
    names = ("chat", "embeddings", "tools", "images", "documents", "json_schema", "logprobs", "choices")
    return [name for name in names if getattr(can, name)]


def cache_status_document(found: CacheStatus, manager: CacheManager) -> doc.CacheStatusDocument:
    """The figures as the endpoint shows them."""
    settings = manager.settings
    callers = {name: found.callers.get(name, Tally()) for name in {**found.owners, **found.callers}}
    owned = {name: found.owners.get(name, Owned()) for name in callers}
    first = sorted(callers, key=lambda name: (-callers[name].hits, -owned[name].bytes, name))[:_MOST_CALLERS]
    total_bytes = sum([owner.bytes for owner in found.owners.values()])
    return doc.CacheStatusDocument(
        status=manager.state,
        store="redis" if manager.cache.store.shared else "memory",
        scope=settings.scope,
        total_entries=sum([owner.entries for owner in found.owners.values()]),
        total_bytes=total_bytes,
        total_size_mb=round(total_bytes / 1e6, 3),
        max_entries=settings.max_size,
        max_bytes=settings.max_bytes,
        default_ttl=settings.default_ttl,
        semantic=doc.CacheSemanticDocument(
            enabled=settings.semantic.enabled,
            embeddings=settings.semantic.embeddings.provider,
            threshold=settings.semantic.threshold,
            questions=len(manager.cache.questions or ()),
            hits=manager.cache.figures.semantic_hits,
        ),
        by_caller={
            name: doc.CacheCallerDocument(**_tally(callers[name]), entries=owned[name].entries, bytes=owned[name].bytes) for name in first
        },
        by_model={name: doc.CacheTallyDocument(**_tally(tally)) for name, tally in sorted(found.models.items())},
        **_tally(found.total),
    )


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "hits": tally.hits,
        "misses": tally.misses,
        "hit_rate": round(tally.hit_rate, 4),
        "saved_tokens": tally.saved_tokens,
        "saved_cost": round(tally.saved_usd, 10),
        "unpriced_hits": tally.unpriced_hits,
    }
