"""In the order that the configuration gives."""

from collections.abc import Sequence
from typing import ClassVar

from llm_gateway.core.ranking import Option


class Priority:
    """The lowest `priority` scores 1, the next lower one 1/2, then 1/3; equal ones score the same."""

    name: ClassVar[str] = "priority"

    def scores(self, options: Sequence[Option], turn: int) -> list[float]:
        places = {priority: place for place, priority in enumerate(sorted({option.priority for option in options}), 1)}
        return [1.0 / places[option.priority] for option in options]

    def reasons(self, option: Option) -> tuple[str, ...]:
        return (f"priority {option.priority}",)
