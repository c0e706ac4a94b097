"""The figures of `GET /metrics/performance`, read off an aggregate."""

from collections.abc import Hashable
from typing import TypeVar

import msgspec

from llm_gateway.metrics.aggregate import NOBODY, Aggregate, AttemptCell, RequestCell
from llm_gateway.metrics.sketch import Sketch


class Spread(msgspec.Struct, frozen=True):
    """A distribution: how many values, their mean and percentiles; None: there are none. Percentiles are within 1.1 %."""

    count: int
    mean: float | None
    p50: float | None
    p90: float | None
    p99: float | None


class Pace(msgspec.Struct, frozen=True):
    """How fast something is. Durations in seconds: `total_s` of answered requests, `first_token_s` of streams until their first
    content, `queue_s` of those that waited for a place at a provider, `overhead_s` is the gateway's own time; `upstream_s` and
    `upstream_first_s` are of the providers' calls, `tokens_per_s` output tokens of their answers."""

    requests: int
    errors: int
    calls: int
    failed_calls: int
    total_s: Spread
    first_token_s: Spread
    queue_s: Spread
    overhead_s: Spread
    upstream_s: Spread
    upstream_first_s: Spread
    tokens_per_s: Spread


class ProviderPace(msgspec.Struct, frozen=True):
    provider: str
    pace: Pace


class ModelPace(msgspec.Struct, frozen=True):
    provider: str
    model: str
    pace: Pace


class Performance(msgspec.Struct, frozen=True):
    """All of it, and by provider and model, slowest median first. `event_loop_lag_s` is how late the event loop ran what was due."""

    all: Pace
    event_loop_lag_s: Spread
    by_provider: list[ProviderPace]
    by_model: list[ModelPace]


def spread_of(sketch: Sketch) -> Spread:
    return Spread(sketch.count, sketch.mean, sketch.quantile(0.5), sketch.quantile(0.9), sketch.quantile(0.99))


def performance_of(whole: Aggregate) -> Performance:
    """The figures of an aggregate."""
    everything = (RequestCell(), AttemptCell(), [0])
    providers: dict[str, tuple[RequestCell, AttemptCell, list[int]]] = {}
    models: dict[tuple[str, str], tuple[RequestCell, AttemptCell, list[int]]] = {}
    for (_, provider, model), cell in whole.requests.items():
        groups = [everything]
        if provider != NOBODY:
            groups += [_group(providers, provider), _group(models, (provider, model))]
        for group in groups:
            group[0].merge(cell)
    for (_, provider, model, outcome), calls in whole.attempts.items():
        for group in (everything, _group(providers, provider), _group(models, (provider, model))):
            group[1].merge(calls)
            group[2][0] += calls.attempts if outcome not in {"ok", "cancelled"} else 0
    by_provider = [ProviderPace(name, _pace(*group)) for name, group in providers.items()]
    by_model = [ModelPace(*names, _pace(*group)) for names, group in models.items()]
    by_provider.sort(key=lambda each: (-(each.pace.total_s.p50 or 0.0), each.provider))
    by_model.sort(key=lambda each: (-(each.pace.total_s.p50 or 0.0), each.provider, each.model))
    return Performance(_pace(*everything), spread_of(whole.lag), by_provider, by_model)


K = TypeVar("K", bound=Hashable)


def _group(groups: "dict[K, tuple[RequestCell, AttemptCell, list[int]]]", key: K) -> "tuple[RequestCell, AttemptCell, list[int]]":
    return groups.setdefault(key, (RequestCell(), AttemptCell(), [0]))


def _pace(request: RequestCell, calls: AttemptCell, failed: list[int]) -> Pace:
    return Pace(
        request.requests,
        request.served_errors,
        calls.attempts,
        failed[0],
        spread_of(request.total),
        spread_of(request.first),
        spread_of(request.queue),
        spread_of(request.overhead),
        spread_of(calls.duration),
        spread_of(calls.first),
        spread_of(calls.speed),
    )
