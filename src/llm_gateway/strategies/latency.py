"""The fastest first."""

from collections.abc import Sequence
from typing import ClassVar, Final

from llm_gateway.core.ranking import Option, latencies_s, latency_reason, nearness

TICK_S: Final = 1e-6


class Latency:
    """Scores the nearness to the shortest predicted wait (streams: for the first content); the unmeasured get their chance."""

    name: ClassVar[str] = "latency"

    def scores(self, options: Sequence[Option], turn: int) -> list[float]:
        return nearness(latencies_s(options), TICK_S)

    def reasons(self, option: Option) -> tuple[str, ...]:
        return (latency_reason(option),)
