"""How finished calls are added to an aggregate."""

from collections import Counter, defaultdict
from collections.abc import Set as AbstractSet

from llm_gateway.core.exchange import Exchange
from llm_gateway.core.types import Usage
from llm_gateway.metrics.aggregate import NOBODY, OTHER, Aggregate, AttemptCell, AttemptKey, RequestCell, RequestKey
from llm_gateway.metrics.facts import Facts

Listed = AbstractSet[tuple[str, str]]
"""(provider, model) of the models that providers list; any other counts as `other`."""
_Made = tuple[float, float | None, Usage | None, int | None]
"""Seconds, seconds to the first content, usage, cost in 10^-12 USD, of an attempt."""


class Tape:
    """Finished calls that are not added up yet, by the models that were named. Noting one is an append; the arithmetic is done for
    many at a time."""

    __slots__ = ("_attempts", "_requests", "length")

    def __init__(self) -> None:
        self._requests: defaultdict[RequestKey, list[Facts]] = defaultdict(list)
        self._attempts: defaultdict[AttemptKey, list[_Made]] = defaultdict(list)
        self.length = 0
        """Calls that are noted."""

    def note(self, exchange: Exchange, facts: Facts) -> None:
        """Keep what counts of a call and its attempts."""
        chosen, operation = exchange.chosen, facts[0]
        if chosen is None:
            key = (operation, NOBODY, NOBODY)
        else:
            target = chosen.target
            key = (operation, target.provider, target.model)
        self._requests[key].append(facts)
        for attempt in exchange.attempts:
            billed = attempt.billed
            if billed is not None or attempt.reached:
                usage, cost = billed if billed is not None else (attempt.usage, attempt.cost_pico_usd)
                place = (operation, attempt.provider, attempt.model, attempt.outcome or "internal")
                self._attempts[place].append((attempt.duration_s, attempt.first_chunk_s, usage, cost))
        self.length += 1

    def settle(self, into: Aggregate, listed: Listed) -> None:
        """Add everything up, and begin anew."""
        requests, attempts = self._requests, self._attempts
        self._requests, self._attempts, self.length = defaultdict(list), defaultdict(list), 0
        for (operation, provider, model), asked in requests.items():
            name = model if provider == NOBODY or (provider, model) in listed else OTHER
            _add_requests(into.request_cell((operation, provider, name)), asked)
        for (operation, provider, model, outcome), made in attempts.items():
            name = model if (provider, model) in listed else OTHER
            _add_attempts(into.attempt_cell((operation, provider, name, outcome)), made, is_answered=outcome == "ok")


def _add_requests(cell: RequestCell, asked: list[Facts]) -> None:
    cell.requests += len(asked)
    _, outcomes, served_errors, sensitive, unpriced, states, total_s, first_s, queued_s, overhead_s = zip(*asked, strict=True)
    for outcome, count in Counter(outcomes).items():
        cell.outcomes[outcome] = cell.outcomes.get(outcome, 0) + count
    for state, count in Counter(states).items():
        cell.cache[state] = cell.cache.get(state, 0) + count
    cell.served_errors += served_errors.count(True)
    cell.sensitive += sensitive.count(True)
    cell.unpriced += unpriced.count(True)
    if any(outcomes):  # only those that went well have times
        answered = [each[6:] for each in asked if not each.outcome]
        if not answered:
            return
        total_s, first_s, queued_s, overhead_s = zip(*answered, strict=True)
    cell.total.take(total_s)
    cell.overhead.take(overhead_s)
    cell.first.take([each for each in first_s if each is not None])
    cell.queue.take([each for each in queued_s if each > 0.0])


def _add_attempts(cell: AttemptCell, made: list[_Made], *, is_answered: bool) -> None:
    durations_s, _, usages, costs = zip(*made, strict=True)
    cell.attempts += len(made)
    cell.duration.take(durations_s)
    prices = [cost for cost in costs if cost is not None]
    cell.cost_pico_usd += sum(prices)
    cell.unpriced += len(made) - len(prices)
    used = [usage for usage in usages if usage is not None]
    sent, given = [usage.input_tokens for usage in used], [usage.output_tokens for usage in used]
    cell.input_tokens += sum(sent)
    cell.output_tokens += sum(given)
    for usage in used:  # most providers report none of these
        if usage.cache_read_tokens or usage.cache_write_tokens or usage.reasoning_tokens or usage.estimated:
            cell.cache_read_tokens += usage.cache_read_tokens
            cell.cache_write_tokens += usage.cache_write_tokens
            cell.reasoning_tokens += usage.reasoning_tokens
            cell.estimated += usage.estimated
    cell.input_sizes.take(sent)
    cell.output_sizes.take(given)
    if is_answered:
        _add_paces(cell, made)


def _add_paces(cell: AttemptCell, made: list[_Made]) -> None:
    """How fast answers came."""
    firsts_s: list[float] = []
    speeds: list[float] = []
    for duration_s, first_s, usage, _ in made:
        if usage is None or first_s is None:
            continue
        tokens = usage.output_tokens
        if duration_s > first_s:  # a stream; an answer in one piece comes with its first content
            firsts_s.append(first_s)
            if tokens > 1:
                speeds.append((tokens - 1) / (duration_s - first_s))
        elif tokens and duration_s > 0.0:
            speeds.append(tokens / duration_s)
    cell.first.take(firsts_s)
    cell.speed.take(speeds)
