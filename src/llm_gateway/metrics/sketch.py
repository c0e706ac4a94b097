"""Distributions in little memory that add up: values fall into bins whose borders grow by a fixed factor.

Thirty-two bins to each doubling: any quantile read off them is within `RELATIVE_ERROR` of a value that was there, however many
values and however many sketches were merged. The borders meet every power of two times the base, so cumulative counts at
such a border are exact. Source of the idea: Masson, Rim, Lee: DDSketch (VLDB 2019).
"""

from collections import Counter
from collections.abc import Sequence
from math import ceil, exp2, log2
from typing import Final

import msgspec

BINS_PER_DOUBLING: Final = 32
_GAMMA: Final = 2.0 ** (1 / BINS_PER_DOUBLING)
RELATIVE_ERROR: Final = (_GAMMA - 1) / (_GAMMA + 1)
"""Of any quantile: about 1.1 %."""
SECONDS: Final = 0.01
"""Base for durations in seconds."""
COUNTS: Final = 1.0
"""Base for counts and rates."""
_LEAST: Final = -20 * BINS_PER_DOUBLING
_MOST: Final = 40 * BINS_PER_DOUBLING
_GREATEST: Final = 2.0**100
"""Greater values count as this one."""
_MIDDLE: Final = 2 / (1 + _GAMMA)


class Sketch(msgspec.Struct, array_like=True):
    """A distribution of values >= 0. `base` is the border of bin 0; a millionth of it and less falls into one bin."""

    base: float = SECONDS
    count: int = 0
    total: float = 0.0
    bins: dict[int, int] = msgspec.field(default_factory=dict)

    def add(self, value: float) -> None:
        """Take in one value; a negative one counts as 0."""
        self.take((value,))

    def take(self, values: Sequence[float]) -> None:
        """Take in values; many at once cost far less than one at a time. Negative ones count as 0."""
        if not values:
            return
        bins, known = self.bins, values
        total = sum(values)
        if not (min(values) > 0.0 and total < _GREATEST):  # nor is what is no number
            known = [min(value, _GREATEST) for value in values if value > 0.0]
            total = sum(known)
        self.count += len(values)
        self.total += total
        if len(known) < len(values):
            bins[_LEAST] = bins.get(_LEAST, 0) + len(values) - len(known)
        # Less than a rounding error above a border is on it.
        shift = log2(self.base) * BINS_PER_DOUBLING + 1e-9
        for place, count in Counter([ceil(doublings * BINS_PER_DOUBLING - shift) for doublings in map(log2, known)]).items():
            kept = min(max(place, _LEAST), _MOST)
            bins[kept] = bins.get(kept, 0) + count

    def merge(self, other: "Sketch") -> None:
        """Take in all of another's values; both have the same base."""
        self.count += other.count
        self.total += other.total
        bins = self.bins
        for place, count in other.bins.items():
            bins[place] = bins.get(place, 0) + count

    def quantile(self, share: float) -> float | None:
        """The value that `share` (in [0, 1]) of the values do not exceed; None without values."""
        if not self.count:
            return None
        rank = max(ceil(share * self.count), 1)
        for place in sorted(self.bins):
            rank -= self.bins[place]
            if rank <= 0:
                return 0.0 if place == _LEAST else self._border(place) * _MIDDLE
        return None

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    def up_to(self, border: float) -> int:
        """How many values are at most `border`; exact where it is the base times a power of two, else some within 2.2 % may be missing."""
        limit = log2(border / self.base) * BINS_PER_DOUBLING + 1e-9
        return sum(count for place, count in self.bins.items() if place <= limit)

    def _border(self, place: int) -> float:
        return self.base * exp2(place / BINS_PER_DOUBLING)


def counts() -> Sketch:
    """An empty sketch of counts."""
    return Sketch(COUNTS)
