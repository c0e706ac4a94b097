"""One log line for every call that is over (`metrics.enable_detailed_logging`): metadata, never content."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from llm_gateway.core.exchange import Exchange
from llm_gateway.core.types import operation_name
from llm_gateway.logs import quick
from llm_gateway.metrics.facts import outcome_of


class CallLog:
    """Writes the lines when the metrics read finished calls off; `wanted` is asked each time, so that a reload counts at once."""

    def __init__(self, wanted: Callable[[], bool]) -> None:
        self._wanted = wanted

    def __call__(self, over: Sequence[tuple[Exchange, float]]) -> None:
        """Log calls, each with the time (monotonic seconds) at which it ended."""
        if self._wanted():
            quick("call", [_line(exchange, ended_s - exchange.received_s) for exchange, ended_s in over])


def _line(exchange: Exchange, duration_s: float) -> tuple[int, dict[str, Any]]:
    """How severe a call's line is, and what it says."""
    chosen, usage = exchange.chosen, exchange.usage
    line: dict[str, Any] = {
        "correlation_id": exchange.correlation_id,
        "caller": exchange.caller.id,
        "ingress": exchange.ingress,
        "operation": operation_name(exchange.request),
        "provider": chosen.target.provider if chosen is not None else "",
        "model": chosen.target.model if chosen is not None else "",
        "outcome": outcome_of(exchange, exchange.failure) or "ok",
        "attempts": len(exchange.attempts),
        "cache": exchange.cache_state,
        "input_tokens": usage.input_tokens if usage is not None else 0,
        "output_tokens": usage.output_tokens if usage is not None else 0,
        "cost_usd": exchange.cost_usd,
        "seconds": round(duration_s, 6),
    }
    if exchange.caller.key_id:
        line["key_id"] = exchange.caller.key_id
    if exchange.sensitivity is not None and exchange.sensitivity.sensitive:
        line["sensitive"] = True
    served = exchange.failure is None or exchange.failure.http_status < 500
    return logging.INFO if served else logging.WARNING, line
