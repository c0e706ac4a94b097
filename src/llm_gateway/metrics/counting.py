"""How finished calls are added to an aggregate."""

from collections import Counter
from collections.abc import Set as AbstractSet

from llm_gateway.core.errors import LLMGatewayError
from llm_gateway.core.exchange import Exchange
from llm_gateway.core.types import Usage, operation_name
from llm_gateway.metrics.aggregate import LEFT, NOBODY, OTHER, Aggregate, AttemptCell, AttemptKey, RequestCell, RequestKey
from llm_gateway.metrics.records import Times, is_sensitive

Listed = AbstractSet[tuple[str, str]]
"""(provider, model) of the models that providers list; any other counts as `other`."""
_Asked = tuple[str, str, bool, bool, bool, Times]
"""Outcome, cache state, whether it is a served error, sensitive, unpriced; times."""
_Made = tuple[float, float | None, Usage | None, int | None]
"""Seconds, seconds to the first content, usage, cost in 10^-12 USD, of an attempt."""


class Tape:
    """Finished calls that are not added up yet. Noting one is an append; the arithmetic is done for many at a time."""

    __slots__ = ("_attempts", "_requests", "length")

    def __init__(self) -> None:
        self._requests: dict[RequestKey, list[_Asked]] = {}
        self._attempts: dict[AttemptKey, list[_Made]] = {}
        self.length = 0
        """Calls that are noted."""

    def note(self, exchange: Exchange, times: Times, listed: Listed) -> None:
        """Keep what counts of a call and its attempts."""
        chosen, operation = exchange.chosen, operation_name(exchange.request)
        if chosen is None:
            key = (operation, NOBODY, NOBODY)
        else:
            target = chosen.target
            key = (operation, target.provider, target.model if (target.provider, target.model) in listed else OTHER)
        failure = exchange.failure
        asked = (
            outcome_of(exchange, failure), exchange.cache_state, failure is not None and failure.http_status >= 500,
            is_sensitive(exchange), exchange.usage is not None and exchange.cost_usd is None, times,
        )  # fmt: skip
        known = self._requests.get(key)
        if known is None:
            self._requests[key] = [asked]
        else:
            known.append(asked)
        for attempt in exchange.attempts:
            if attempt.billed is not None or attempt.reached:
                provider, model = attempt.provider, attempt.model
                place = (operation, provider, model if (provider, model) in listed else OTHER, attempt.outcome or "internal")
                usage, cost = attempt.billed if attempt.billed is not None else (attempt.usage, attempt.cost_pico_usd)
                self._attempts.setdefault(place, []).append((attempt.duration_s, attempt.first_chunk_s, usage, cost))
        self.length += 1

    def settle(self, into: Aggregate) -> None:
        """Add everything up, and begin anew."""
        requests, attempts = self._requests, self._attempts
        self._requests, self._attempts, self.length = {}, {}, 0
        for request_key, asked in requests.items():
            _add_requests(into.request_cell(request_key), asked)
        for attempt_key, made in attempts.items():
            _add_attempts(into.attempt_cell(attempt_key), made, is_answered=attempt_key[3] == "ok")


def _add_requests(cell: RequestCell, asked: list[_Asked]) -> None:
    outcomes, states, served_errors, sensitive, unpriced, times = zip(*asked, strict=True)
    cell.requests += len(asked)
    for outcome, count in Counter(outcomes).items():
        cell.outcomes[outcome] = cell.outcomes.get(outcome, 0) + count
    for state, count in Counter(states).items():
        cell.cache[state] = cell.cache.get(state, 0) + count
    cell.served_errors += sum(served_errors)
    cell.sensitive += sum(sensitive)
    cell.unpriced += sum(unpriced)
    answered = [each for outcome, each in zip(outcomes, times, strict=True) if not outcome]
    if answered:
        total_s, first_s, queued_s, overhead_s = zip(*answered, strict=True)
        cell.total.take(total_s)
        cell.overhead.take(overhead_s)
        cell.first.take([each for each in first_s if each is not None])
        cell.queue.take([each for each in queued_s if each > 0.0])


def outcome_of(exchange: Exchange, failure: LLMGatewayError | None) -> str:
    """The error type of a request; "" for one that went well. Whoever left in the middle of an answer has left, however it ended."""
    if failure is not None:
        return failure.error_type
    return LEFT if exchange.attempts and exchange.attempts[-1].outcome == "cancelled" else ""


def _add_attempts(cell: AttemptCell, made: list[_Made], *, is_answered: bool) -> None:
    firsts_s: list[float] = []
    speeds: list[float] = []
    cell.attempts += len(made)
    cell.duration.take([duration_s for duration_s, _, _, _ in made])
    prices = [cost for _, _, _, cost in made if cost is not None]
    cell.cost_pico_usd += sum(prices)
    cell.unpriced += len(made) - len(prices)
    used = [(usage, duration_s, first_s) for duration_s, first_s, usage, _ in made if usage is not None]
    for usage, duration_s, first_s in used:
        cell.cache_read_tokens += usage.cache_read_tokens
        cell.cache_write_tokens += usage.cache_write_tokens
        cell.reasoning_tokens += usage.reasoning_tokens
        cell.estimated += usage.estimated
        if not is_answered or first_s is None:
            continue
        speaking_s = duration_s - first_s
        if speaking_s > 0.0:  # a stream; an answer in one piece comes with its first content
            firsts_s.append(first_s)
            if usage.output_tokens > 1:
                speeds.append((usage.output_tokens - 1) / speaking_s)
        elif usage.output_tokens and duration_s > 0.0:
            speeds.append(usage.output_tokens / duration_s)
    sent, given = [usage.input_tokens for usage, _, _ in used], [usage.output_tokens for usage, _, _ in used]
    cell.input_tokens += sum(sent)
    cell.output_tokens += sum(given)
    cell.input_sizes.take(sent)
    cell.output_sizes.take(given)
    cell.first.take(firsts_s)
    cell.speed.take(speeds)
