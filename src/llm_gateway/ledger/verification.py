"""Compares the ledger with what upstreams say they were asked and gave: the proof that every token is counted once."""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

import msgspec

from llm_gateway.ledger.rows import OPEN, Row

_FIGURES: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")


class Charged(Protocol):
    """What an upstream charged for one model."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int


class Difference(msgspec.Struct, frozen=True):
    """A figure in which ledger and upstream differ. `reported` is the ledger's sum over rows whose usage the provider reported,
    `estimated` over the others; `explained`: it can be the estimates' doing."""

    provider: str
    model: str
    figure: str
    reported: int
    estimated: int
    upstream: int
    explained: bool

    def __str__(self) -> str:
        return (
            f"{self.provider}/{self.model} {self.figure}: the upstream charged {self.upstream}, the ledger has {self.reported} as reported"
            f" and {self.estimated} by estimate"
        )


class Reconciliation(msgspec.Struct, frozen=True):
    """What the comparison found. `duplicates` are attempts with more than one row, `open_rows` those without an end."""

    rows: int
    estimated_rows: int
    open_rows: int
    duplicates: tuple[tuple[str, int, int], ...]
    differences: tuple[Difference, ...]

    @property
    def agrees(self) -> bool:
        """Whether nothing is amiss that an estimate does not explain."""
        return not (self.duplicates or self.open_rows or any(not difference.explained for difference in self.differences))


class _Account:
    __slots__ = ("estimated", "reported")

    def __init__(self) -> None:
        self.reported = dict.fromkeys(_FIGURES, 0)
        self.estimated: dict[str, int] | None = None

    def add(self, row: Row) -> None:
        if row.estimated and self.estimated is None:
            self.estimated = dict.fromkeys(_FIGURES, 0)
        sums = self.estimated if row.estimated and self.estimated is not None else self.reported
        for figure in _FIGURES:
            sums[figure] += getattr(row, figure)


def reconcile(rows: Iterable[Row], upstream: Mapping[str, Mapping[str, Charged]]) -> Reconciliation:
    """Compare rows with `upstream`: provider to model to what it charged. Models that were charged nothing may be left out.

    For a model whose usage was always reported, every figure must be equal. Where some of its rows are estimates, what is left
    after the reported ones is theirs, and can be any amount from 0 on.
    """
    accounts: dict[tuple[str, str], _Account] = {}
    seen: set[tuple[str, int, int]] = set()
    duplicates: list[tuple[str, int, int]] = []
    count = estimated_rows = open_rows = 0
    for row in rows:
        count += 1
        open_rows += row.outcome == OPEN
        estimated_rows += bool(row.estimated)
        name = (row.process, row.call, row.attempt)
        if name in seen:
            duplicates.append(name)
        seen.add(name)
        accounts.setdefault((row.provider, row.model), _Account()).add(row)
    charged = {(provider, model): sums for provider, models in upstream.items() for model, sums in models.items()}
    differences = [
        difference
        for place in sorted(accounts.keys() | charged.keys())
        for difference in _compared(*place, accounts.get(place) or _Account(), charged.get(place))
    ]
    return Reconciliation(count, estimated_rows, open_rows, tuple(duplicates), tuple(differences))


def _compared(provider: str, model: str, account: _Account, charged: Charged | None) -> Iterable[Difference]:
    for figure in _FIGURES:
        told = getattr(charged, figure) if charged is not None else 0
        reported = account.reported[figure]
        estimated = account.estimated[figure] if account.estimated is not None else 0
        if told != reported + estimated:
            explained = account.estimated is not None and told >= reported
            yield Difference(provider, model, figure, reported, estimated, told, explained)
