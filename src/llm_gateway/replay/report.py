"""What a period of recorded requests came to, beside what it would have come to under another policy."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from llm_gateway.core.errors import LLMGatewayError
from llm_gateway.core.pricing import PICO_PER_USD
from llm_gateway.core.routing import Candidate, Decision
from llm_gateway.core.types import Usage
from llm_gateway.metrics.sketch import Sketch
from llm_gateway.metrics.view import Record
from llm_gateway.replay.deciding import Policy, difference, refusal_of

MOST_SHOWN: Final = 20
MIN_CALLS: Final = 10
"""Answered calls of a target from which its durations are predicted by their length."""
PASSTHROUGH: Final = "passthrough"


class Sums(msgspec.Struct):
    """Requests that were routed, either way. `unpriced` and `untimed` are in no sum; seconds."""

    requests: int = 0
    cost_pico_usd: int = 0
    unpriced: int = 0
    untimed: int = 0
    by_provider: dict[str, int] = msgspec.field(default_factory=dict)
    times: Sketch = msgspec.field(default_factory=Sketch)

    def add(self, provider: str, cost_pico_usd: int | None, duration_s: float | None) -> None:
        self.requests += 1
        self.by_provider[provider] = self.by_provider.get(provider, 0) + 1
        if cost_pico_usd is None:
            self.unpriced += 1
        else:
            self.cost_pico_usd += cost_pico_usd
        if duration_s is None:
            self.untimed += 1
        else:
            self.times.add(duration_s)


class Shown(msgspec.Struct, frozen=True):
    """`Sums` for people."""

    requests: int
    cost_usd: float
    unpriced: int
    mean_s: float | None
    p50_s: float | None
    p95_s: float | None
    untimed: int
    by_provider: dict[str, int]


class Difference(msgspec.Struct, frozen=True):
    """A decision that comes out otherwise; `was` and `would_be` are the first choices ("": refused)."""

    correlation_id: str
    was: str
    would_be: str
    why: str


class Move(msgspec.Struct, frozen=True):
    """Requests whose first choice changes."""

    was: str
    would_be: str
    requests: int


class Replay(msgspec.Struct, frozen=True):
    """The whole comparison.

    `decisions` were made again, `same` of them rank the same targets in the same order, `same_first` begin with the same one.
    `not_decided` says by reason which requests were never routed, so that no policy would change them. `answered` compares the
    requests that came to an answer: as it was, and as it would have been.
    """

    since_s: float
    until_s: float
    requests: int
    decisions: int
    same: int
    same_first: int
    refused: dict[str, int]
    not_decided: dict[str, int]
    answered: Shown
    would_be: Shown
    moves: list[Move]
    differences: list[Difference]
    why: dict[str, int]
    notes: list[str]


class Paces:
    """How long each target's answered calls took by their output tokens: a line through all of them."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0] * 5)

    def add(self, target: tuple[str, str], tokens: int, duration_s: float) -> None:
        sums = self._sums[target]
        for place, value in enumerate((1.0, tokens, duration_s, tokens * tokens, tokens * duration_s)):
            sums[place] += value

    def expected_s(self, target: tuple[str, str], tokens: int) -> float | None:
        """The duration of a call; None: too few were seen."""
        count, size, duration, squares, products = self._sums.get(target, (0.0,) * 5)
        if count < MIN_CALLS:
            return None
        spread = squares - size * size / count
        slope = max((products - size * duration / count) / spread, 0.0) if spread > 1e-9 * squares else 0.0
        return max(duration / count + slope * (tokens - size / count), 0.0)


def models_of(records: Iterable[Record]) -> dict[str, tuple[str, ...]]:
    """The models that each provider was seen with, those that it was asked for by default first."""
    default: dict[str, dict[str, None]] = defaultdict(dict)
    named: dict[str, dict[str, None]] = defaultdict(dict)
    for record in records:
        into = named if record.detail.model else default
        for each in record.candidates:
            into[each.provider][each.model] = None
        for name in record.detail.eligible:
            default[name].update({})
    return {name: tuple({**default[name], **named[name]}) for name in {*default, *named}}


class Replayer:
    """Replays records under a policy. Feed all of them to `look`, oldest first, then each to `feed`."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._paces = Paces()
        self._requests = self._decisions = self._same = self._same_first = 0
        self._refused: Counter[str] = Counter()
        self._not_decided: Counter[str] = Counter()
        self._was, self._would_be = Sums(), Sums()
        self._moves: Counter[tuple[str, str]] = Counter()
        self._why: Counter[str] = Counter()
        self._differences: list[Difference] = []
        self._span = (0.0, 0.0)

    def look(self, record: Record) -> None:
        """Learn how long calls take."""
        for attempt in record.detail.attempts:
            if attempt.outcome == "ok":
                self._paces.add((attempt.provider, attempt.model), attempt.output_tokens, attempt.duration_s)

    async def feed(self, record: Record) -> None:
        """Decide a request again."""
        at_s = record.row.at_us / 1e6
        self._span = (self._span[0] or at_s, at_s)
        self._requests += 1
        route = record.route
        if route is None or route.size is None or record.row.operation == PASSTHROUGH:
            self._not_decided[_reason(record)] += 1
            return
        self._decisions += 1
        first = f"{route.ranked[0].provider}/{route.ranked[0].model}" if route.ranked else ""
        try:
            eligible, decision = await self._policy.decide(record)
        except LLMGatewayError as failure:
            self._refused[failure.error_type] += 1
            self._note(record, first, "", refusal_of(failure))
            return
        why = difference(route, record.detail.eligible, eligible, decision)
        chosen = str(decision.ranked[0].target) if decision.ranked else ""
        self._same += not why
        self._same_first += chosen == first
        if why:
            self._note(record, first, chosen, why)
        if not decision.ranked and route.ranked:
            self._refused["no_eligible_provider"] += 1
        self._account(record, decision)

    def _note(self, record: Record, was: str, would_be: str, why: str) -> None:
        self._why[why] += 1
        if was != would_be:
            self._moves[was, would_be] += 1
        if len(self._differences) < MOST_SHOWN:
            self._differences.append(Difference(record.row.correlation_id, was, would_be, why))

    def _account(self, record: Record, decision: Decision) -> None:
        """Of an answered request: what it came to, and what it would have come to."""
        row = record.row
        answered = next((each for each in record.detail.attempts if each.outcome == "ok"), None)
        if row.error_type or answered is None:
            return
        duration_s = row.duration_us / 1e6
        self._was.add(row.provider, row.cost_pico_usd, duration_s)
        best = _answering(record, decision)
        if best is None:
            return
        target = best.target
        if (target.provider, target.model) == (answered.provider, answered.model):
            self._would_be.add(row.provider, row.cost_pico_usd, duration_s)
            return
        usage = Usage(answered.input_tokens, answered.output_tokens)
        price = self._policy.roster.prices.price_of(target.provider, target.model, row.at_us / 1e6)
        expected_s = self._paces.expected_s((target.provider, target.model), usage.output_tokens)
        predicted_s = expected_s if expected_s is not None else best.predicted_latency_s
        other_s = max(duration_s - answered.duration_s, 0.0)
        cost = None if price is None else price.pico_usd(usage)
        self._would_be.add(target.provider, cost, None if predicted_s is None else predicted_s + other_s)

    def result(self) -> Replay:
        """The comparison so far."""
        return Replay(
            *self._span,
            self._requests,
            self._decisions,
            self._same,
            self._same_first,
            dict(self._refused),
            dict(self._not_decided),
            _shown(self._was),
            _shown(self._would_be),
            [Move(was, would_be, count) for (was, would_be), count in self._moves.most_common()],
            self._differences,
            dict(self._why.most_common(MOST_SHOWN)),
            self._policy.notes,
        )


def _answering(record: Record, decision: Decision) -> Candidate | None:
    """Who would have answered: the first that is not known to have failed then; None: nobody is ranked."""
    failed = {(each.provider, each.model) for each in record.detail.attempts if each.outcome != "ok"}
    well = [each for each in decision.ranked if (each.target.provider, each.target.model) not in failed]
    return next(iter(well or decision.ranked), None)


def _reason(record: Record) -> str:
    if record.row.operation == PASSTHROUGH:
        return "passed through to the provider it names"
    if record.row.cache in {"hit", "semantic"}:
        return "answered from the cache"
    return f"refused before it was routed ({record.row.error_type})" if record.row.error_type else "needed no provider"


def _shown(sums: Sums) -> Shown:
    return Shown(
        sums.requests,
        sums.cost_pico_usd / PICO_PER_USD,
        sums.unpriced,
        sums.times.mean,
        sums.times.quantile(0.5),
        sums.times.quantile(0.95),
        sums.untimed,
        dict(sorted(sums.by_provider.items())),
    )


async def replay(records: Sequence[Record], policy: Policy, progress: Callable[[], None] = lambda: None) -> Replay:
    """Replay records, oldest first."""
    replayer = Replayer(policy)
    for record in records:
        replayer.look(record)
    for record in records:
        await replayer.feed(record)
        progress()
    return replayer.result()
