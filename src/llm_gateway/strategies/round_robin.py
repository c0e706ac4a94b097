"""Each in turn."""

from collections.abc import Sequence
from typing import ClassVar

from llm_gateway.core.ranking import Option


class RoundRobin:
    """The options by name, starting where this turn points: over any n turns each of n options comes first once."""

    name: ClassVar[str] = "round_robin"

    def scores(self, options: Sequence[Option], turn: int) -> list[float]:
        count = len(options)
        places = {name: (place - turn) % count for place, name in enumerate(sorted(option.provider for option in options))}
        return [1.0 - places[option.provider] / count for option in options]

    def reasons(self, option: Option) -> tuple[str, ...]:
        return ("each in turn",)
