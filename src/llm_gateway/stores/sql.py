"""One SQL database: reads on a few threads, writes through a single batching writer.

SQLite allows one writer at a time; queueing the writes here and committing them in batches makes a write cost
microseconds instead of an fsync each, and nobody ever meets a locked database of our own making. The same path runs
on any SQLAlchemy URL.
"""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, event

from llm_gateway.core.errors import Overloaded

T = TypeVar("T")
Work = Callable[[Connection], T]

metadata = MetaData()
"""Every table of the gateway; the modules that own tables add them."""

BATCH = 256
QUEUE = 20_000


class SqlStore:
    """Runs `Work` (a function of a SQLAlchemy connection) off the event loop.

    `read` runs at once on a reader thread. `write` queues; its result comes when the transaction that holds it is
    committed. Works of one batch share a transaction, each inside a savepoint: a failing one fails alone.
    """

    def __init__(self, url: str, *, readers: int = 2, busy_timeout_s: float = 5.0) -> None:
        self._engine = _engine(url, busy_timeout_s, "BEGIN")
        # A transaction that reads before it writes would fail at once where another process has written in between.
        self._writing = _engine(url, busy_timeout_s, "BEGIN IMMEDIATE")
        metadata.create_all(self._writing)
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="store-read")
        self._queue: queue.Queue[tuple[Work[Any], Future[Any]] | None] = queue.Queue(QUEUE)
        self._writer = threading.Thread(target=self._write_batches, name="store-write", daemon=True)
        self._writer.start()

    @classmethod
    def sqlite(cls, path: Path, *, busy_timeout_s: float = 5.0) -> "SqlStore":
        """A SQLite file, made with its folder when absent."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{path}", busy_timeout_s=busy_timeout_s)

    def read(self, work: Work[T]) -> Awaitable[T]:
        """The result of `work`, run on a reader thread."""
        return asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def _read(self, work: Work[T]) -> T:
        with self._engine.connect() as connection:
            return work(connection)

    def write(self, work: Work[T]) -> Awaitable[T]:
        """The result of `work`, once it is committed.

        Raises:
            Overloaded: the writer is so far behind that its queue is full.
        """
        done: Future[T] = Future()
        try:
            self._queue.put_nowait((work, done))
        except queue.Full:
            raise Overloaded("the gateway's database does not keep up with its writes", retry_after_s=1) from None
        return asyncio.wrap_future(done)

    def close(self) -> None:
        """Write what is queued, then let go of the database."""
        self._queue.put(None)
        self._writer.join()
        self._readers.shutdown()
        self._engine.dispose()
        self._writing.dispose()

    def _write_batches(self) -> None:
        stop = False
        while not stop:
            batch = [self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            stop = None in batch
            self._commit([item for item in batch if item is not None])

    def _commit(self, batch: list[tuple[Work[Any], Future[Any]]]) -> None:
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with self._writing.begin() as connection:
                if len(batch) == 1:  # the transaction itself is its savepoint
                    outcomes = [(batch[0][1], batch[0][0](connection), None)]
                else:
                    outcomes = [_run(connection, work, done) for work, done in batch]
        except Exception as failure:  # the transaction itself: nothing of the batch was stored, and whoever asked is told
            outcomes = [(done, None, failure) for _, done in batch]
        for done, result, failed in outcomes:
            if not done.set_running_or_notify_cancel():  # whoever asked has gone
                continue
            if failed is None:
                done.set_result(result)
            else:
                done.set_exception(failed)


def _run(connection: Connection, work: Work[Any], done: "Future[Any]") -> "tuple[Future[Any], Any, BaseException | None]":
    try:
        with connection.begin_nested():
            return done, work(connection), None
    except Exception as failure:  # carried to the caller, who awaits it
        return done, None, failure


def _engine(url: str, busy_timeout_s: float, begin: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": busy_timeout_s, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: object) -> None:
        # The driver's own implicit BEGIN breaks savepoints; SQLAlchemy begins instead (below).
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
