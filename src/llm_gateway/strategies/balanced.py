"""A mix of cost, speed, quality and reliability."""

from collections.abc import Sequence
from typing import ClassVar, Final

from llm_gateway.core.ranking import Option, cost_reason, costs_usd, latencies_s, latency_reason, nearness

COST_WEIGHT: Final = 0.35
LATENCY_WEIGHT: Final = 0.25
QUALITY_WEIGHT: Final = 0.25
RELIABILITY_WEIGHT: Final = 0.15
COST_TICK_USD: Final = 0.001
LATENCY_TICK_S: Final = 0.1


class Balanced:
    """The weighted mean of four figures in [0, 1]: nearness to the cheapest and to the fastest, quality, and the share
    of calls that succeed. A tenth of a cent and a tenth of a second are what nobody would notice."""

    name: ClassVar[str] = "balanced"

    def scores(self, options: Sequence[Option], turn: int) -> list[float]:
        cheap = nearness(costs_usd(options), COST_TICK_USD)
        fast = nearness(latencies_s(options), LATENCY_TICK_S)
        return [
            COST_WEIGHT * cost + LATENCY_WEIGHT * speed + QUALITY_WEIGHT * option.quality + RELIABILITY_WEIGHT * (1.0 - option.error_rate)
            for option, cost, speed in zip(options, cheap, fast, strict=True)
        ]

    def reasons(self, option: Option) -> tuple[str, ...]:
        always = (cost_reason(option), latency_reason(option), f"quality {option.quality:.2f}")
        return (*always, f"{option.error_rate:.0%} of its calls fail") if option.error_rate >= 0.005 else always
