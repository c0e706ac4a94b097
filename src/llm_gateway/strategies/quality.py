"""The best model first."""

from collections.abc import Sequence
from typing import ClassVar

from llm_gateway.core.ranking import Option


class Quality:
    """The score is the model's quality."""

    name: ClassVar[str] = "quality"

    def scores(self, options: Sequence[Option], turn: int) -> list[float]:
        return [option.quality for option in options]

    def reasons(self, option: Option) -> tuple[str, ...]:
        return (f"quality {option.quality:.2f}",)
