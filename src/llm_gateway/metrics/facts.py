"""What is read off a call that is over, once, for the sums and for the records."""

from typing import NamedTuple

from llm_gateway.core.errors import LLMGatewayError
from llm_gateway.core.exchange import Exchange
from llm_gateway.core.types import ChatRequest, operation_name
from llm_gateway.metrics.aggregate import LEFT

_named = tuple.__new__
"""Makes a named tuple of a tuple; by its own name it costs twice as much."""


class Facts(NamedTuple):
    """One request. `outcome` is its error type, "" where it went well; `sensitive`: judged so, impossible to judge, or in a tainted
    conversation; `served_error`: it failed by our or a provider's fault;
    `unpriced`: what it used has no known price. Seconds: all of it, to the first content (None: there was no stream), waiting for a
    place, the gateway's own.
    """

    operation: str
    outcome: str
    served_error: bool
    sensitive: bool
    unpriced: bool
    cache: str
    total_s: float
    first_s: float | None
    queued_s: float
    overhead_s: float


def facts_of(exchange: Exchange, ended_s: float) -> Facts:
    """What a call that was over at `ended_s` was. Of a stream, the gateway's own time is counted to the first content: what follows
    goes at the pace of its reader. Pauses before a retry count as the gateway's own."""
    request, failure, attempts, received_s = exchange.request, exchange.failure, exchange.attempts, exchange.received_s
    total_s, queued_s = ended_s - received_s, exchange.queued_s
    last = attempts[-1] if attempts else None
    first_s: float | None = None
    chat = request if isinstance(request, ChatRequest) else None
    if last is None or last.first_chunk_s is None or chat is None or not chat.stream:
        own_s = total_s - exchange.upstream_s - queued_s
    else:
        before_s = last.started_s - received_s
        first_s = before_s + last.first_chunk_s
        own_s = before_s - sum([attempt.duration_s for attempt in attempts[:-1]]) - queued_s
    verdict = exchange.sensitivity
    well = failure is None and (last is None or last.outcome != "cancelled")
    return _named(Facts, (
        "chat" if chat is not None else operation_name(request),
        "" if well else outcome_of(exchange, failure),
        failure is not None and failure.http_status >= 500,
        exchange.tainted or (verdict is not None and (verdict.sensitive or bool(verdict.failed))),
        exchange.usage is not None and exchange.cost_usd is None,
        exchange.cache_state,
        total_s,
        first_s,
        queued_s,
        own_s if own_s > 0.0 else 0.0,
    ))  # fmt: skip


def outcome_of(exchange: Exchange, failure: LLMGatewayError | None) -> str:
    """The error type of a request; "" for one that went well. Whoever left in the middle of an answer has left, however it ended."""
    if failure is not None:
        return failure.error_type
    return LEFT if exchange.attempts and exchange.attempts[-1].outcome == "cancelled" else ""
