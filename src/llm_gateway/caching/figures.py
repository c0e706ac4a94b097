"""What the cache was good for, since the process began: hits, misses, and what hits saved, by caller and by model."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from llm_gateway.core.types import Usage

MAX_CALLERS: Final = 10_000
MAX_MODELS: Final = 256
"""Callers choose their names; the memory for them needs an end. Those not seen for longest are forgotten, the totals stay."""


class Tally(msgspec.Struct, gc=False):
    """Counts. `saved_usd` adds up what hits cost when they were made; those whose price nobody knows are `unpriced_hits`."""

    hits: int = 0
    misses: int = 0
    saved_tokens: int = 0
    saved_usd: float = 0.0
    unpriced_hits: int = 0

    def hit(self, tokens: int, cost_usd: float | None) -> None:
        self.hits += 1
        self.saved_tokens += tokens
        if cost_usd is None:
            self.unpriced_hits += 1
        else:
            self.saved_usd += cost_usd

    @property
    def hit_rate(self) -> float:
        """A fraction; 0 when nothing was asked for."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


class _Caller:
    __slots__ = ("by_model", "total")

    def __init__(self) -> None:
        self.total = Tally()
        self.by_model: dict[str, Tally] = {}


class Figures:
    """The counts, kept by the calls themselves."""

    def __init__(self) -> None:
        self.total = Tally()
        self.stored = 0
        self.corrupt = 0
        self.shared_answers = 0
        """Hits that waited for an identical request instead of reading an entry."""
        self.semantic_hits = 0
        """Hits by another wording; they are among all hits."""
        self._callers: OrderedDict[str, _Caller] = OrderedDict()
        self._models: dict[str, Tally] = {}

    def hit(self, caller: str, target: str, usage: Usage | None, cost_usd: float | None) -> None:
        """An answer that did not have to be made. `target` is `provider/model`."""
        of = self._of(caller)
        tokens = 0 if usage is None else usage.input_tokens + usage.output_tokens
        self.total.hit(tokens, cost_usd)
        of.total.hit(tokens, cost_usd)
        _model(of.by_model, target).hit(tokens, cost_usd)
        _model(self._models, target).hit(tokens, cost_usd)

    def miss(self, caller: str) -> None:
        """An answer that had to be made."""
        self.total.misses += 1
        self._of(caller).total.misses += 1

    def _of(self, caller: str) -> _Caller:
        found = self._callers.get(caller)
        if found is None:
            if len(self._callers) >= MAX_CALLERS:
                self._callers.popitem(last=False)
            found = self._callers[caller] = _Caller()
        else:
            self._callers.move_to_end(caller)
        return found

    def callers(self) -> dict[str, Tally]:
        """Every remembered caller's counts."""
        return {name: caller.total for name, caller in self._callers.items()}

    def models(self, caller: str | None = None) -> dict[str, Tally]:
        """Counts by `provider/model`: of everybody, or of one caller."""
        if caller is None:
            return self._models
        found = self._callers.get(caller)
        return found.by_model if found is not None else {}


def _model(models: dict[str, Tally], target: str) -> Tally:
    found = models.get(target)
    if found is None:
        if len(models) >= MAX_MODELS:
            models.pop(next(iter(models)))
        found = models[target] = Tally()
    return found


def combined(tallies: Iterable[Tally]) -> Tally:
    """The sum of counts."""
    total = Tally()
    for tally in tallies:
        total.hits += tally.hits
        total.misses += tally.misses
        total.saved_tokens += tally.saved_tokens
        total.saved_usd += tally.saved_usd
        total.unpriced_hits += tally.unpriced_hits
    return total


def summed(tables: Iterable[Mapping[str, Tally]]) -> dict[str, Tally]:
    """The sums of counts by name."""
    by_name: dict[str, list[Tally]] = {}
    for table in tables:
        for name, tally in table.items():
            by_name.setdefault(name, []).append(tally)
    return {name: combined(tallies) for name, tallies in by_name.items()}
