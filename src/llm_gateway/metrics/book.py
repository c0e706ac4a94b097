"""Stores what the collector counted, about once a second, and reads what all processes have stored.

Nobody waits for a write but who wants to read. What the database does not take is tried again with the next write; the records of
requests wait meanwhile, up to a bound, beyond which the oldest are given up and counted as lost. The ledger and the audit trail
are kept more strictly: these figures are for looking, not for billing.
"""

import asyncio
import contextlib
import platform
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Final, Protocol, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import LLMGatewayError
from llm_gateway.core.exchange import Exchange
from llm_gateway.metrics import tables
from llm_gateway.metrics.aggregate import Aggregate, merged
from llm_gateway.metrics.records import Grounds, Row

_log = structlog.get_logger(__name__)
T = TypeVar("T")

WRITE_EVERY_S: Final = 1.0
HEARTBEAT_S: Final = 30.0
"""An idle process still writes that often."""
SHOW_EVERY_S: Final = 2.0
HOUSEKEEPING_S: Final = 300.0
FRESH_S: Final = 2.0
"""How long a reader waits for the figures of a moment ago to be stored."""
CLOSE_S: Final = 5.0
LATE_S: Final = 5.0
"""How long after its end a minute still takes calls that ended in it."""
MOST_ROWS: Final = 2_000
"""Records in one transaction."""
DAY_US: Final = 86_400 * 1_000_000


def instance_of(data_dir: str) -> str:
    """A name for the processes that share a data folder of this machine."""
    return blake2b(f"{platform.node()}\n{Path(data_dir).absolute()}".encode(), digest_size=8).hexdigest()


def home_of(database_url: str, instance: str) -> str:
    """A name for a database: the same for all that share a server's, the instance's own for a file."""
    if not database_url or database_url.startswith("sqlite"):
        return instance
    return blake2b(database_url.encode(), digest_size=8).hexdigest()


class Store(Protocol):
    """The database: `write` queues a piece of work, its result comes when it is committed."""

    def read(self, work: Callable[[Connection], T]) -> Awaitable[T]: ...
    def write(self, work: Callable[[Connection], T]) -> Awaitable[T]: ...


class Counting(Protocol):
    """What counts in this process; see `metrics_collector.MetricsCollector`."""

    process: str
    in_flight: int
    rows: deque[Row]
    grounds: deque[Grounds]
    minutes: dict[int, Aggregate]
    ended: list[Callable[[Sequence[tuple[Exchange, float]]], None]]

    @property
    def now(self) -> Aggregate: ...
    def fold_all(self) -> None: ...
    def observe_again(self) -> None: ...
    def total(self) -> Aggregate: ...
    def close_minutes(self, before_s: float) -> None: ...
    def begin_anew(self, process: str) -> None: ...
    def stop_watching(self) -> None: ...


class Board(Protocol):
    """Where gateways with databases of their own show each other their figures."""

    async def publish(self, whole: Aggregate) -> None: ...
    async def others(self) -> list[Aggregate]: ...
    async def aclose(self) -> None: ...


class Book:
    """The database behind the figures. `instance` names the processes that share a data folder: workers behind one address. `board`
    has the figures of other databases, where there is one.

    Make it when the event loop runs, `close` it before the database.
    """

    def __init__(self, store: Store, clock: Clock, collector: Counting, instance: str, board: Board | None = None) -> None:
        self.store = store
        self.clock = clock
        self.collector = collector
        self.instance = instance
        self.problem = ""
        """Why nothing can be stored at the moment; empty: it can, as far as anybody knows."""
        self._board = board
        self._shown_s = float("-inf")
        self._writing = asyncio.Lock()
        self._stored = False
        self._written_s = float("-inf")
        self._changed = False
        collector.ended.append(self._note)

    def _note(self, *_: object) -> None:
        self._changed = True

    async def flush(self, *, always: bool = True) -> None:
        """Store what was counted up to now; without `always`, only if there is something new, or it was long ago.

        Raises:
            SQLAlchemyError, LLMGatewayError: the database does not take it.
        """
        async with self._writing:
            collector, now_s = self.collector, self.clock.monotonic_s()
            collector.fold_all()
            if not (always or self._changed or collector.rows or now_s - self._written_s >= HEARTBEAT_S):
                return
            collector.observe_again()
            while True:
                rows = [collector.rows.popleft() for _ in range(min(len(collector.rows), MOST_ROWS))]
                await self._write(rows)
                if not collector.rows:
                    break
            self._written_s, self._changed = now_s, False

    async def _write(self, rows: list[Row]) -> None:
        collector = self.collector
        wall_s, on = self.clock.wall_s(), tuple(collector.grounds)
        minutes = {start_s: minute.pack() for start_s, minute in collector.minutes.items()}
        total, process, known = collector.total().pack(), collector.process, self._stored

        def work(connection: Connection) -> tuple[int, bool]:
            refused = tables.put_rows(connection, rows, on) if rows else 0
            for start_s, data in minutes.items():
                tables.put_span(connection, start_s, process, data)
            return refused, tables.put_totals(connection, process, self.instance, int(wall_s * 1_000_000), total, known=known)

        try:
            refused, kept = await self.store.write(work)
        except BaseException as failure:
            collector.rows.extendleft(reversed(rows))
            self.problem = type(failure).__name__
            raise
        self.problem = ""
        self._stored = True
        if rows:
            _forget(collector.grounds, on)
        if refused:
            collector.now.lost_rows += refused
        # A call that ended in a minute may be read off a little later; then its minute must still be open.
        collector.close_minutes(wall_s - tables.MINUTE_S - LATE_S)
        if not kept:
            _log.warning("this process was taken for dead and its figures were summed up: it counts on under another name")
            collector.begin_anew(f"{process[:24]}-{int(wall_s) % 10**7}")
            self._stored = False

    async def _fresh(self) -> None:
        """Have the newest figures stored before somebody reads; where the database is away, what is there must do."""
        with contextlib.suppress(TimeoutError, SQLAlchemyError, LLMGatewayError):
            async with asyncio.timeout(FRESH_S):
                await self.flush()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` reads after everything that this process has counted was stored."""
        await self._fresh()
        return await self.store.read(work)

    async def totals(self, *, instance_only: bool = False) -> Aggregate:
        """Everything that was ever counted: by all processes that share the database or the board, or by those of this instance."""
        whole = await self._of_database(self.instance if instance_only else None)
        if self._board is not None and not instance_only:
            await self._board.publish(whole)
            for each in await self._board.others():
                whole.merge(each)
        return whole

    async def _of_database(self, instance: str | None) -> Aggregate:
        alive_us = int((self.clock.wall_s() - 3 * HEARTBEAT_S) * 1_000_000)

        def work(connection: Connection) -> Aggregate:
            return merged(each for _, each in tables.read_totals(connection, alive_us, instance))

        return await self.read(work)

    async def _show(self, *, always: bool = False) -> None:
        """Show the others what this database has counted, from time to time."""
        now_s = self.clock.monotonic_s()
        if self._board is not None and (always or (now_s - self._shown_s >= SHOW_EVERY_S and self._written_s > self._shown_s)):
            self._shown_s = now_s
            await self._board.publish(await self._of_database(None))

    async def housekeep(self, retention_days: int) -> None:
        """Sum up what is old, remove what is older than `retention_days`."""
        wall_s = self.clock.wall_s()
        while await self.store.write(partial(tables.sum_up, now_s=wall_s)):
            pass
        ended_us = int(wall_s * 1_000_000) - DAY_US
        await self.store.write(partial(tables.sum_up_totals, instance=self.instance, before_us=ended_us))
        before_us = int(wall_s * 1_000_000) - retention_days * DAY_US
        while await self.store.write(partial(tables.remove_before, before_us=before_us)):
            pass

    async def keep(self, retention_days: Callable[[], int]) -> None:
        """Store and tidy up for ever; what fails is logged, and tried again the next time."""
        tidied_s = self.clock.monotonic_s()
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            try:
                await self.flush(always=False)
                await self._show()
                if self.clock.monotonic_s() - tidied_s >= HOUSEKEEPING_S:
                    tidied_s = self.clock.monotonic_s()
                    await self.housekeep(retention_days())
            except Exception:
                _log.exception("the metrics could not be stored", records_waiting=len(self.collector.rows))

    async def close(self) -> None:
        """Store what is left. What the database does not take is lost, and said to be."""
        self.collector.stop_watching()
        self.collector.in_flight = 0
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.flush()
                await self._show(always=True)
        except (TimeoutError, SQLAlchemyError, LLMGatewayError):
            _log.exception("the last metrics could not be stored", records_lost=len(self.collector.rows))
        if self._board is not None:
            await self._board.aclose()


def _forget(waiting: deque[Grounds], stored: Sequence[Grounds]) -> None:
    """Take out of what waits, from the oldest on, what is stored. Meanwhile some may have been given up, and others added."""
    known = set(stored)
    while waiting and waiting[0] in known:
        waiting.popleft()
