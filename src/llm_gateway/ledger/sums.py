"""Sums over the ledger: what was used and what it cost, by provider, model, caller, key or day."""

from datetime import date
from typing import Final, Literal

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Connection, and_, case, func, literal_column, select

from llm_gateway.ledger.periods import DAY_US
from llm_gateway.ledger.rows import OPEN
from llm_gateway.ledger.tables import MILLION, MONEY, belongs, ledger, money

Dimension = Literal["provider", "model", "caller", "owner", "key", "day"]
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
SHOWN: Final[tuple[Dimension, ...]] = ("provider", "model", "caller", "key", "day")


class Sums(msgspec.Struct, frozen=True):
    """Figures of a group of attempts.

    `unpriced` are attempts whose cost nobody knows (they are in no amount), `estimated` those whose usage the provider did not
    report.
    """

    attempts: int = 0
    answered: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_pico_usd: int = 0
    estimated: int = 0
    unpriced: int = 0


class Group(msgspec.Struct, frozen=True):
    """One group: `names` are the values of the dimension (for a model: provider and model; for a day: its date)."""

    names: tuple[str, ...]
    sums: Sums


class Window(msgspec.Struct, frozen=True):
    """Attempts that began from `since_us` up to `until_us`; with `scope`, those of one subject (see `tables.belongs`)."""

    since_us: int
    until_us: int
    scope: Literal["", "caller", "key"] = ""
    subject: str = ""

    def where(self) -> ColumnElement[bool]:
        """The rows. Calls that are still running are not in it: what they cost is not known yet."""
        parts = [ledger.c.at_us >= self.since_us, ledger.c.at_us < self.until_us, ledger.c.outcome != OPEN]
        if self.scope:
            parts.append(belongs(self.scope, self.subject))
        return and_(*parts)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _sum(name: str) -> ColumnElement[int]:
    return func.coalesce(func.sum(ledger.c[name]), 0)


_TOKENS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
_FIGURES: Final = (
    func.count(),
    _count(ledger.c.outcome == "ok"),
    *[_sum(name) for name in _TOKENS],
    *MONEY,
    _count(ledger.c.estimated != 0),
    _count(ledger.c.cost_pico_usd.is_(None)),
)
_DAY: Final = (ledger.c.at_us // literal_column(str(DAY_US), BigInteger)).label("day")
"""With the number in the statement: PostgreSQL does not see that two parameters are the same."""
_COLUMNS: Final[dict[Dimension, tuple[ColumnElement[object], ...]]] = {
    "provider": (ledger.c.provider,),
    "model": (ledger.c.provider, ledger.c.model),
    "caller": (ledger.c.caller,),
    "owner": (ledger.c.owner,),
    "key": (ledger.c.key_id,),
    "day": (_DAY,),
}


def _sums(figures: tuple[int, ...]) -> Sums:
    attempts, answered, sent, given, read, written, reasoning, millions, rest, estimated, unpriced = map(int, figures)
    return Sums(attempts, answered, sent, given, read, written, reasoning, money((millions, rest)), estimated, unpriced)


def total(connection: Connection, window: Window) -> Sums:
    """Everything in the window."""
    return _sums(tuple(connection.execute(select(*_FIGURES).where(window.where())).one()))


def grouped(connection: Connection, window: Window, by: Dimension, limit: int) -> list[Group]:
    """The groups that cost most, dearest first; days in their order, newest last. Rows without an API key are in no group of keys."""
    columns = _COLUMNS[by]
    where = window.where()
    if by == "key":
        where &= ledger.c.key_id != ""
    query = select(*columns, *_FIGURES).where(where).group_by(*columns)
    if by == "day":
        query = query.order_by(_DAY.desc()).limit(limit)
    else:
        dearest = func.coalesce(func.sum(ledger.c.cost_pico_usd // MILLION), 0)
        query = query.order_by(dearest.desc(), func.count().desc(), *columns).limit(limit)
    found = [tuple(row) for row in connection.execute(query)]
    groups = [Group(_names(row[: len(columns)], by), _sums(row[len(columns) :])) for row in found]
    return groups[::-1] if by == "day" else groups


def _names(values: tuple[object, ...], by: Dimension) -> tuple[str, ...]:
    return (date_of(int(str(values[0]))),) if by == "day" else tuple(map(str, values))


def date_of(day: int) -> str:
    """A day, counted from 1970-01-01, as `2026-11-30`."""
    return date.fromordinal(_EPOCH_DAY + day).isoformat()
