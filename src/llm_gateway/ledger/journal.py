"""Gets rows into the database without anybody waiting for them: in order, in batches, each counted once.

A row is committed about `SETTLE_S` after its call has ended. A batch that fails is tried again until it is in. While the
database takes none, rows wait in memory, and from `MAX_PENDING` on no new call is let in: what was
spent is never forgotten to serve more. A row that the database refuses by itself is written to the log, whole.

Calls that hold a budget's money are announced: one that runs longer than a batch takes gets a row of its own while it
runs, with what it can cost at most, so that the death of this process forgets nothing that a budget should know.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DisconnectionError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from llm_gateway.core.errors import Overloaded
from llm_gateway.ledger.rows import Row
from llm_gateway.ledger.tables import put

_log = structlog.get_logger(__name__)
T = TypeVar("T")

MAX_BATCH: Final = 512
MAX_PENDING: Final = 50_000
SETTLE_S: Final = 0.02
RETRY_S: Final = 0.1
RETRY_MAX_S: Final = 5.0
_AWAY: Final = (OperationalError, InterfaceError, DisconnectionError, PoolTimeout)
"""What a database raises when it is not the rows' fault."""
_ABOUT_ROWS: Final = (SQLAlchemyError, OverflowError, TypeError, ValueError)


class Store(Protocol):
    """The database: `write` queues a piece of work, its result comes when it is committed."""

    def read(self, work: Callable[[Connection], T]) -> Awaitable[T]: ...
    def write(self, work: Callable[[Connection], T]) -> Awaitable[T]: ...


class _Question:
    """Something to be read in the transaction that stores every row handed in before."""

    __slots__ = ("answer", "taken", "work")

    def __init__(self, work: Callable[[Connection], Any], taken: Callable[[], None], answer: "asyncio.Future[Any]") -> None:
        self.work = work
        self.taken = taken
        self.answer = answer


class _Batch:
    """Rows and questions on their way. `one_by_one`: the database has refused some of the rows, and says now which."""

    __slots__ = ("one_by_one", "questions", "rows")

    def __init__(self, rows: list[Row], questions: list[_Question]) -> None:
        self.rows = rows
        self.questions = questions
        self.one_by_one = False

    def work(self, connection: Connection) -> tuple[list[Row], list[Any]]:
        """Store the rows, then answer; run by the database's writer. Gives the rows that were refused, and the answers."""
        refused: list[Row] = []
        if self.one_by_one:
            refused = [row for row in self.rows if not _stored(connection, row)]
        elif self.rows:
            put(connection, self.rows)
        return refused, [question.work(connection) for question in self.questions]


def _stored(connection: Connection, row: Row) -> bool:
    try:
        with connection.begin_nested():
            put(connection, [row])
    except _AWAY:
        raise
    except Exception:
        _log.exception("the database refused a row of the ledger")
        return False
    return True


class Journal:
    """The queue before the ledger. Belongs to the event loop that uses it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: deque[Row] = deque()
        self._announced: dict[tuple[int, int], Callable[[], Row]] = {}
        self._questions: list[_Question] = []
        self._batch: _Batch | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._retry_s = RETRY_S
        self._idle: list[asyncio.Future[None]] = []
        self.problem = ""
        """Why rows cannot be written at the moment; empty: they can, as far as anybody knows."""
        self.refused_rows = 0

    @property
    def full(self) -> bool:
        """Whether so many rows wait that no more calls should be served."""
        return len(self._pending) >= MAX_PENDING

    @property
    def waiting_rows(self) -> int:
        """Rows of calls that are over and not committed yet."""
        return len(self._pending) + (len(self._batch.rows) if self._batch is not None else 0)

    def add(self, row: Row) -> None:
        """Hand in the row of an attempt that is over."""
        if self._announced:
            self._announced.pop((row.call, row.attempt), None)
        self._pending.append(row)
        if self._timer is None and self._batch is None:
            self._soon()

    def announce(self, call: int, attempt: int, row: Callable[[], Row]) -> None:
        """An attempt is about to begin; `row` gives its open row, should it still run when the next batch leaves."""
        self._announced[call, attempt] = row
        self._soon()

    def forget(self, call: int, attempt: int) -> bool:
        """The attempt came to nothing. False: its open row was written, and needs an end."""
        return self._announced.pop((call, attempt), None) is not None

    async def ask(self, work: Callable[[Connection], T], taken: Callable[[], None] = lambda: None) -> T:
        """What `work` reads after every row handed in until `taken` is called, and none handed in later.

        Raises:
            Overloaded: the database does not answer at the moment.
        """
        if self.problem:
            raise _away()
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._questions.append(_Question(work, taken, answer))
        self._now()
        return await answer

    async def drained(self, within_s: float) -> bool:
        """Wait until the rows of all calls that are over are committed. False: the time was over first."""
        if not self.waiting_rows:
            return True
        done = asyncio.get_running_loop().create_future()
        self._idle.append(done)
        self._now()
        try:
            async with asyncio.timeout(within_s):
                await done
        except TimeoutError:
            return False
        return True

    async def aclose(self, within_s: float) -> None:
        """Write what waits; what the database does not take until then goes to the log, row by row."""
        if await self.drained(within_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        rows = [*(self._batch.rows if self._batch is not None else ()), *self._pending]
        _log.error("the ledger could not be written before the end; its rows follow", rows=len(rows), problem=self.problem)
        for row in rows:
            _log.error("a row of the ledger that was not written", **row._asdict())

    def _soon(self) -> None:
        if self._timer is None and self._batch is None:
            self._timer = asyncio.get_running_loop().call_later(SETTLE_S, self._flush)

    def _now(self) -> None:
        if self._batch is None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(0, self._flush)

    def _flush(self) -> None:
        self._timer = None
        # A question must see every row before it: with one, all of them leave at once.
        if len(self._pending) > MAX_BATCH and not self._questions:
            batch = _Batch([self._pending.popleft() for _ in range(MAX_BATCH)], [])
        else:
            rows = [*self._pending, *[make() for make in self._announced.values()]]
            self._pending.clear()
            self._announced.clear()
            batch = _Batch(rows, self._questions)
            self._questions = []
            for question in batch.questions:
                question.taken()
        if batch.rows or batch.questions:
            self._batch = batch
            self._send()
        else:
            self._go_on()

    def _send(self) -> None:
        self._timer = None
        assert self._batch is not None
        try:
            done = asyncio.ensure_future(self._store.write(self._batch.work))
        except Exception as failure:  # the store's queue is full, or it was closed
            self._failed(failure)
            return
        done.add_done_callback(self._written)

    def _written(self, done: "asyncio.Future[tuple[list[Row], list[Any]]]") -> None:
        batch = self._batch
        assert batch is not None
        failure: BaseException | None = asyncio.CancelledError() if done.cancelled() else done.exception()
        if failure is not None:
            self._failed(failure)
            return
        refused, answers = done.result()
        self._give_up_rows(refused)
        for question, answer in zip(batch.questions, answers, strict=True):
            if not question.answer.done():
                question.answer.set_result(answer)
        self._batch = None
        self._retry_s = RETRY_S
        if self.problem:
            _log.warning("the ledger can be written again", waiting_rows=self.waiting_rows)
            self.problem = ""
        self._go_on()

    def _go_on(self) -> None:
        if self._questions or (self._pending and (self._idle or len(self._pending) >= MAX_BATCH)):
            self._now()
        elif self._pending or self._announced:
            self._soon()
        if not self.waiting_rows:
            idle, self._idle = self._idle, []
            for waiter in idle:
                if not waiter.done():
                    waiter.set_result(None)

    def _give_up_rows(self, refused: Sequence[Row]) -> None:
        for row in refused:
            self.refused_rows += 1
            _log.error("a row of the ledger that the database refused", **row._asdict())

    def _failed(self, failure: BaseException) -> None:
        batch = self._batch
        assert batch is not None
        if not self.problem:
            _log.error("the ledger cannot be written; its rows wait", waiting_rows=self.waiting_rows, exc_info=failure)
        self.problem = f"{type(failure).__name__}: the database did not take the rows"
        # Questions do not wait for better times: who asks has a caller waiting.
        for question in (*batch.questions, *self._questions):
            if not question.answer.done():
                question.answer.set_exception(_away())
        batch.questions, self._questions = [], []
        batch.one_by_one = isinstance(failure, _ABOUT_ROWS) and not isinstance(failure, _AWAY)
        self._timer = asyncio.get_running_loop().call_later(self._retry_s, self._send)
        self._retry_s = min(self._retry_s * 2, RETRY_MAX_S)


def _away() -> Overloaded:
    return Overloaded("the ledger cannot be read at the moment", code="ledger_unavailable", retry_after_s=1)
