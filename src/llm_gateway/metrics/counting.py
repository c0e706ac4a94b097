"""How one finished request is added to an aggregate."""

from collections.abc import Set as AbstractSet

from llm_gateway.core.errors import LLMGatewayError
from llm_gateway.core.exchange import Exchange
from llm_gateway.core.routing import Attempt
from llm_gateway.core.types import operation_name
from llm_gateway.metrics.aggregate import LEFT, NOBODY, OTHER, Aggregate
from llm_gateway.metrics.records import Times, is_sensitive

Listed = AbstractSet[tuple[str, str]]
"""(provider, model) of the models that providers list; any other counts as `other`."""


def add(into: Aggregate, exchange: Exchange, times: Times, listed: Listed) -> None:
    """Count a request and its attempts. Times are in seconds."""
    chosen, failure, operation = exchange.chosen, exchange.failure, operation_name(exchange.request)
    key = (operation, NOBODY, NOBODY)
    if chosen is not None:
        key = (operation, chosen.target.provider, _label(chosen.target.provider, chosen.target.model, listed))
    cell = into.request_cell(key)
    cell.requests += 1
    outcome = outcome_of(exchange, failure)
    cell.outcomes[outcome] = cell.outcomes.get(outcome, 0) + 1
    state = exchange.cache_state
    cell.cache[state] = cell.cache.get(state, 0) + 1
    if failure is not None and failure.http_status >= 500:
        cell.served_errors += 1
    if is_sensitive(exchange):
        cell.sensitive += 1
    if exchange.usage is not None and exchange.cost_usd is None:
        cell.unpriced += 1
    if not outcome:
        cell.total.add(times.total_s)
        cell.overhead.add(times.overhead_s)
        if times.first_s is not None:
            cell.first.add(times.first_s)
        if times.queued_s > 0.0:
            cell.queue.add(times.queued_s)
    for attempt in exchange.attempts:
        if attempt.billed is not None or attempt.reached:
            _add_attempt(into, operation, attempt, listed)


def outcome_of(exchange: Exchange, failure: LLMGatewayError | None) -> str:
    """The error type of a request; "" for one that went well. Whoever left in the middle of an answer has left, however it ended."""
    if failure is not None:
        return failure.error_type
    return LEFT if exchange.attempts and exchange.attempts[-1].outcome == "cancelled" else ""


def _add_attempt(into: Aggregate, operation: str, attempt: Attempt, listed: Listed) -> None:
    provider, outcome = attempt.provider, attempt.outcome or "internal"
    cell = into.attempt_cell((operation, provider, _label(provider, attempt.model, listed), outcome))
    cell.attempts += 1
    usage, cost = attempt.billed if attempt.billed is not None else (attempt.usage, attempt.cost_pico_usd)
    duration_s, first_s = attempt.duration_s, attempt.first_chunk_s
    cell.duration.add(duration_s)
    if cost is None:
        cell.unpriced += 1
    else:
        cell.cost_pico_usd += cost
    if usage is None:
        return
    cell.input_tokens += usage.input_tokens
    cell.output_tokens += usage.output_tokens
    cell.cache_read_tokens += usage.cache_read_tokens
    cell.cache_write_tokens += usage.cache_write_tokens
    cell.reasoning_tokens += usage.reasoning_tokens
    cell.estimated += usage.estimated
    cell.input_sizes.add(usage.input_tokens)
    cell.output_sizes.add(usage.output_tokens)
    if outcome != "ok" or first_s is None:
        return
    speaking_s = duration_s - first_s
    if speaking_s > 0.0:  # a stream; an answer in one piece comes with its first content
        cell.first.add(first_s)
        if usage.output_tokens > 1:
            cell.speed.add((usage.output_tokens - 1) / speaking_s)
    elif usage.output_tokens and duration_s > 0.0:
        cell.speed.add(usage.output_tokens / duration_s)


def _label(provider: str, model: str, listed: Listed) -> str:
    return model if (provider, model) in listed else OTHER
