"""The cheapest first."""

from collections.abc import Sequence
from typing import ClassVar, Final

from llm_gateway.core.ranking import Option, cost_reason, costs_usd, nearness

TICK_USD: Final = 1e-9


class Cost:
    """Scores the nearness to the cheapest predicted cost; an unknown price counts as the dearest known."""

    name: ClassVar[str] = "cost"

    def scores(self, options: Sequence[Option], turn: int) -> list[float]:
        return nearness(costs_usd(options), TICK_USD)

    def reasons(self, option: Option) -> tuple[str, ...]:
        return (cost_reason(option),)
