"""What a call used and why it went where it went, as native answers say it."""

from typing import Any, Final

import msgspec

from llm_gateway.core.exchange import Exchange
from llm_gateway.core.findings import Sensitivity

_CACHED: Final = frozenset({"hit", "semantic"})


class UsageDocument(msgspec.Struct, gc=False):
    """`usage` of an answer."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: bool


class SensitivityDocument(msgspec.Struct):
    """`sensitivity` of an answer: the verdict, without what was found."""

    score: float
    sensitive: bool
    kinds: tuple[str, ...]


_HARMLESS: Final = SensitivityDocument(0.0, False, ())


class AttemptDocument(msgspec.Struct, gc=False):
    """One of `route.attempts` of an answer."""

    provider: str
    model: str
    outcome: str
    status: int | None
    message: str
    duration_ms: float


class RouteDocument(msgspec.Struct):
    """`route` of an answer: why it went where it went."""

    reason: str
    attempts: list[AttemptDocument]


def account(exchange: Exchange, document: dict[str, Any]) -> None:
    """Put the fields that native answers share into a document."""
    used, verdict, decision = exchange.usage, exchange.sensitivity, exchange.decision
    document["tokens_used"] = used.input_tokens + used.output_tokens if used else 0
    document["cost"] = exchange.cost_usd
    document["cached"] = exchange.cache_state in _CACHED
    document["correlation_id"] = exchange.correlation_id
    if exchange.similarity is not None:
        document["cache"] = {"state": exchange.cache_state, "similarity": exchange.similarity}
    document["usage"] = (
        UsageDocument(
            used.input_tokens, used.output_tokens, used.cache_read_tokens, used.cache_write_tokens, used.reasoning_tokens, used.estimated
        )
        if used
        else None
    )
    document["sensitivity"] = (
        None if verdict is None else _sensitivity(verdict) if verdict.score or verdict.sensitive or verdict.findings else _HARMLESS
    )
    attempts = []
    for each in exchange.attempts:  # nearly always one: a loop of its own costs less than a comprehension's frame
        duration_ms = int(each.duration_s * 1e6 + 0.5) / 1000
        attempts.append(AttemptDocument(each.provider, each.model, each.outcome, each.upstream_status, each.message, duration_ms))
    document["route"] = RouteDocument(decision.reason if decision else "", attempts)


def _sensitivity(verdict: Sensitivity) -> SensitivityDocument:
    return SensitivityDocument(round(verdict.score, 4) if verdict.score else 0.0, verdict.sensitive, verdict.kinds)


def accounting(exchange: Exchange) -> dict[str, Any]:
    """The fields that native answers share."""
    document: dict[str, Any] = {}
    account(exchange, document)
    return document
