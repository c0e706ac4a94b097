"""The port of the strategies: what they see of a target, and what they say of it.

A strategy is a pure value: the same options and turn give the same scores. It never sees a target that may not or
cannot answer, and it cannot add one.
"""

from collections.abc import Sequence
from typing import ClassVar, Protocol

import msgspec

UNMEASURED_S = 1.0
"""What a call is taken to last where nobody's pace is known."""
OPTIMISM = 0.9
"""An unmeasured target counts as this much of the fastest one known, so that it gets its chance."""


class Option(msgspec.Struct, frozen=True, gc=False):
    """A target that can answer. None means unknown. `error_rate` and `quality` in [0, 1]; lower `priority` comes first."""

    provider: str
    priority: int
    quality: float
    cost_usd: float | None
    latency_s: float | None
    error_rate: float
    in_flight: int


class Strategy(Protocol):
    """An order of preference."""

    name: ClassVar[str]

    def scores(self, options: Sequence[Option], turn: int) -> list[float]:
        """A figure in [0, 1] for each option, in their order; higher is better. `turn` counts the decisions made so far."""
        ...

    def reasons(self, option: Option) -> tuple[str, ...]:
        """What counted for an option, in short sentences with figures."""
        ...


def costs_usd(options: Sequence[Option]) -> list[float]:
    """The predicted costs; an unknown one counts as the dearest that is known."""
    dearest = max((option.cost_usd for option in options if option.cost_usd is not None), default=0.0)
    return [dearest if option.cost_usd is None else option.cost_usd for option in options]


def latencies_s(options: Sequence[Option]) -> list[float]:
    """The predicted latencies; an unknown one counts as a little better than the best, and worse the more calls are
    out already to measure it, so that it is tried out by one call at a time."""
    best = min((option.latency_s for option in options if option.latency_s is not None), default=UNMEASURED_S)
    return [OPTIMISM * best * (1 + option.in_flight) if option.latency_s is None else option.latency_s for option in options]


def nearness(values: Sequence[float], tick: float) -> list[float]:
    """How near each value comes to the smallest: 1 for that one, towards 0 for many times as much. Values are >= 0.

    `tick` (> 0) is a difference that hardly matters; it also keeps the quotient defined at 0.
    """
    best = min(values) + tick
    return [best / (value + tick) for value in values]


def cost_reason(option: Option) -> str:
    """The predicted cost in words."""
    if option.cost_usd is None:
        return "price unknown, taken for the dearest"
    return f"costs about ${option.cost_usd:.6f}" if option.cost_usd else "costs nothing"


def latency_reason(option: Option) -> str:
    """The predicted latency in words."""
    return "speed not measured yet" if option.latency_s is None else f"answers in about {option.latency_s:.2f} s"
