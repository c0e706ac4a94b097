"""Gets rows into the database: in order, in batches, each exactly once, and says when they are there.

Whoever needs a row to be committed waits for it, for a bounded time. What nobody waits for rides along with the next
batch. A batch that fails is tried again until it is in: its rows have their places in the chain, none is ever given up. While
the database does not take rows, nobody new is let in, so that what is kept in memory stays bounded.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Final, Protocol, TypeVar

import msgspec
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from llm_gateway.audit.chain import Chain, Head
from llm_gateway.audit.rows import Entry, GapDetail, Row
from llm_gateway.audit.tables import append, has, lock
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import AuditUnavailable

_log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode
T = TypeVar("T")

MAX_BATCH: Final = 512
MAX_PENDING: Final = 20_000
"""Rows kept in memory while the database takes none."""
SETTLE_S: Final = 0.02
"""How long a row that nobody waits for may stay alone, for others to come along."""
BUSY_ROWS: Final = 4
"""Rows in the last batch from which on others are likely to come along: most of what a batch costs is shared by its rows."""
QUIET_TURNS: Final = 8
"""Turns of the event loop in which no row came, after which those that came leave."""
MOST_GATHER_S: Final = 0.006
"""How long a row is kept from leaving while others come."""
RETRY_S: Final = 0.1
RETRY_MAX_S: Final = 1.0


class Store(Protocol):
    """The database: `write` queues a piece of work, its result comes when it is committed."""

    def write(self, work: Callable[[Connection], T]) -> Awaitable[T]: ...


class _Batch:
    """Rows on their way, and who waits for them."""

    __slots__ = ("_entries", "chain", "head", "rows", "tried", "waiters")

    def __init__(self, chain: Chain, entries: Sequence[Entry], waiters: "list[asyncio.Future[None]]") -> None:
        self.chain = chain
        self._entries = entries
        self.waiters = waiters
        self.rows: list[Row] = []
        self.head: Head | None = None
        self.tried = False

    def __len__(self) -> int:
        return len(self._entries)

    def work(self, connection: Connection) -> None:
        """Link the rows, once, and store them; run by the database's writer."""
        if self.head is None:
            self.rows = self.chain.link(self._entries)
            self.head = self.chain.head(self.rows[-1])
        if self.tried:
            lock(connection)
            if has(connection, self.rows[-1]):
                return  # the commit was reported as failed, and was none the less
        self.tried = True
        append(connection, self.rows, self.head)


class Journal:
    """The queue before one chain. Belongs to the event loop that it is made in."""

    def __init__(self, store: Store, chain: Chain, clock: Clock, commit_timeout_s: float) -> None:
        self._store = store
        self._chain = chain
        self._clock = clock
        self._timeout_s = commit_timeout_s
        self._loop = asyncio.get_running_loop()
        self._pending: deque[Entry] = deque()
        self._waiters: list[asyncio.Future[None]] = []
        self._batch: _Batch | None = None
        self._timer: asyncio.Handle | None = None
        self._hurried = False
        self._last_batch_rows = 0
        self._rows_seen = 0
        self._quiet_turns = 0
        self._leaves_s = 0.0
        self._retry_s = RETRY_S
        self._idle: asyncio.Future[None] | None = None
        self.numbers = count(1)
        """Numbers for the calls of this chain."""
        self.problem = ""
        """Why rows cannot be written at the moment; empty: they can, as far as anybody knows."""
        self._turned_away = 0
        self._rows_lost = 0
        self._gap_since_us = 0

    @property
    def chain(self) -> str:
        return self._chain.name

    @property
    def waiting_rows(self) -> int:
        """Rows that are not committed yet."""
        return len(self._pending) + (len(self._batch) if self._batch is not None else 0)

    def now_us(self) -> int:
        return int(self._clock.wall_s() * 1e6)

    def unavailable(self) -> AuditUnavailable:
        return AuditUnavailable("the audit trail cannot be written at the moment, so this request may not be served", retry_after_s=1)

    @property
    def writable(self) -> bool:
        """Whether a row that is added now can be expected to be committed soon."""
        return not self.problem and len(self._pending) < MAX_PENDING

    def turn_away(self) -> AuditUnavailable:
        """Note that a request was refused at the door, and give the error for it."""
        self._gap_begins()
        self._turned_away += 1
        return self.unavailable()

    def add(self, entry: Entry) -> None:
        """Queue a row that nobody waits for. Beyond `MAX_PENDING` it is lost, and a `gap` row will say so."""
        if len(self._pending) >= MAX_PENDING:
            self._gap_begins()
            self._rows_lost += 1
            return
        self._pending.append(entry)
        if self._batch is None and self._timer is None:
            self._timer = self._loop.call_later(SETTLE_S, self._flush)

    def commit(self, entry: Entry) -> "asyncio.Future[None]":
        """Queue a row; what is returned is done when it is committed.

        Raises:
            AuditUnavailable: at once or from the future, that did not happen in time. The row may still come to be stored.
        """
        pending = self._pending
        if self.problem or len(pending) >= MAX_PENDING:
            raise self.unavailable()
        pending.append(entry)
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        if self._batch is None and not self._hurried:
            self._hurry()
        return waiter

    def _hurry(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._hurried = True
        if self._last_batch_rows >= BUSY_ROWS:
            self._rows_seen, self._quiet_turns = 0, 0
            self._leaves_s = self._loop.time() + MOST_GATHER_S
            self._gather()
        else:
            self._timer = self._loop.call_soon(self._flush)

    def _gather(self) -> None:
        """Look again in the next turn of the loop, until no more come. A loop with nothing to do is through with its turns at once."""
        rows = len(self._pending)
        self._quiet_turns = self._quiet_turns + 1 if rows == self._rows_seen else 0
        self._rows_seen = rows
        if self._quiet_turns >= QUIET_TURNS or rows >= MAX_BATCH or self._loop.time() >= self._leaves_s:
            self._flush()
        else:
            self._timer = self._loop.call_soon(self._gather)

    def _flush(self) -> None:
        self._timer = None
        self._hurried = False
        if len(self._pending) <= MAX_BATCH:
            entries, waiters = list(self._pending), self._waiters
            self._pending.clear()
            self._waiters = []
        else:
            entries, waiters = [self._pending.popleft() for _ in range(MAX_BATCH)], []
        self._batch = _Batch(self._chain, entries, waiters)
        self._send(self._batch)

    def _send(self, batch: _Batch) -> None:
        self._timer = self._loop.call_later(self._timeout_s, self._overdue)
        try:
            done = asyncio.ensure_future(self._store.write(batch.work))
        except Exception as failure:  # the store's queue is full, or it was closed
            self._failed(failure)
            return
        done.add_done_callback(self._written)

    def _written(self, done: "asyncio.Future[None]") -> None:
        batch = self._batch
        assert batch is not None
        failure: BaseException | None = asyncio.CancelledError() if done.cancelled() else done.exception()
        if failure is not None:
            self._failed(failure)
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._batch = None
        self._retry_s = RETRY_S
        self._last_batch_rows = len(batch)
        if self.problem:
            _log.warning("the audit trail can be written again", turned_away=self._turned_away, rows_lost=self._rows_lost)
            self.problem = ""
        for waiter in batch.waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self._turned_away or self._rows_lost:
            self._close_gap()
        self._go_on()

    def _go_on(self) -> None:
        if self._waiters:
            self._hurry()
        elif self._pending and (self._idle is not None or len(self._pending) >= MAX_BATCH):
            self._flush()
        elif self._pending:
            self._timer = self._loop.call_later(SETTLE_S, self._flush)
        elif self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _failed(self, failure: BaseException) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._block(f"the database did not take the rows: {_reason(failure)}")
        assert self._batch is not None
        self._timer = self._loop.call_later(self._retry_s, self._send, self._batch)
        self._retry_s = min(self._retry_s * 2, RETRY_MAX_S)

    def _overdue(self) -> None:
        self._timer = None
        self._block(f"the database did not take the rows within {self._timeout_s:g} s")

    def _block(self, problem: str) -> None:
        """Nobody else waits in vain from now on, until a batch is in."""
        if not self.problem:
            _log.error("the audit trail cannot be written", problem=problem)
        self.problem = problem
        batch = self._batch
        waiters = [*(batch.waiters if batch is not None else ()), *self._waiters]
        self._waiters = []
        if batch is not None:
            batch.waiters = []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(self.unavailable())

    def _gap_begins(self) -> None:
        if not (self._turned_away or self._rows_lost):
            self._gap_since_us = self.now_us()

    def _close_gap(self) -> None:
        detail = GapDetail(self._turned_away, self._rows_lost, self._gap_since_us)
        self._turned_away = self._rows_lost = 0
        self._pending.append(Entry(self.now_us(), "gap", _encode(detail).decode()))

    async def drained(self, within_s: float) -> bool:
        """Wait until every row is committed. False: the time was over first."""
        if not self.waiting_rows:
            return True
        self._idle = self._loop.create_future()
        if self._batch is None:
            if self._timer is not None:
                self._timer.cancel()
            self._flush()
        try:
            async with asyncio.timeout(within_s):
                await self._idle
        except TimeoutError:
            return False
        finally:
            self._idle = None
        return True


def _reason(failure: BaseException) -> str:
    """What the database's driver says, without the statement and the values that SQLAlchemy adds."""
    said = failure.orig if isinstance(failure, DBAPIError) and failure.orig is not None else failure
    return f"{type(said).__name__}: {said}"
