"""Tiers that administrators gave to callers: in SQL, and as a table in memory that answers for every request."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from sqlalchemy import BigInteger, Column, Connection, String, Table, delete, func, insert, select, update

from llm_gateway.core.clock import Clock
from llm_gateway.stores.sql import SqlStore, metadata

caller_tiers = Table(
    "caller_tiers",
    metadata,
    Column("caller", String(256), primary_key=True),
    Column("tier", String(64), nullable=False),
    Column("at_us", BigInteger, nullable=False),
)


class CallerTiers:
    """`by_caller` is what holds now: those given here at once, those given by another process after its next `refresh`."""

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._table: dict[str, str] = {}
        self._seen: tuple[int, int | None] = (0, None)
        self.by_caller: Mapping[str, str] = MappingProxyType(self._table)

    async def refresh(self) -> None:
        """Read what changed; one small query where nothing did."""
        if await self._store.read(_state) != self._seen:
            self._take(*await self._store.read(_read))

    async def assign(self, caller: str, tier: str | None) -> None:
        """Give a caller a tier; None takes back what was given."""
        at_us = int(self._clock.wall_s() * 1_000_000)
        await self._store.write(partial(_assign, caller, tier, at_us))
        self._take(*await self._store.read(_read))

    def _take(self, seen: tuple[int, int | None], table: dict[str, str]) -> None:
        self._seen = seen
        self._table.clear()
        self._table.update(table)


def _state(connection: Connection) -> tuple[int, int | None]:
    count, newest = connection.execute(select(func.count(), func.max(caller_tiers.c.at_us)).select_from(caller_tiers)).one()
    return count, newest


def _read(connection: Connection) -> tuple[tuple[int, int | None], dict[str, str]]:
    rows = connection.execute(
        select(caller_tiers.c.caller, caller_tiers.c.tier, caller_tiers.c.at_us).order_by(caller_tiers.c.caller)
    ).all()
    return (len(rows), max([row.at_us for row in rows], default=None)), {row.caller: row.tier for row in rows}


def _assign(caller: str, tier: str | None, at_us: int, connection: Connection) -> None:
    # A change must show in `_state`, also one right after another or on a clock that was set back.
    newest = connection.execute(select(func.max(caller_tiers.c.at_us))).scalar()
    at_us = max(at_us, (newest or 0) + 1)
    mine = caller_tiers.c.caller == caller
    if tier is None:
        connection.execute(delete(caller_tiers).where(mine))
    elif connection.execute(update(caller_tiers).where(mine).values(tier=tier, at_us=at_us)).rowcount == 0:
        connection.execute(insert(caller_tiers).values(caller=caller, tier=tier, at_us=at_us))
