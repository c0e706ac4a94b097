"""SQLite: reads on a few threads, writes on one.

SQLite allows one writer at a time; queueing the writes here and committing them in batches makes a write cost
microseconds instead of an fsync each, and nobody ever meets a locked database of our own making. Several processes on one
file take turns: write-ahead log, and a bounded wait for the others.
"""

import queue
import sqlite3
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from llm_gateway.stores.database import BATCH, QUEUE, Outcome, Queued, Work, behind, run_apart, tell
from llm_gateway.stores.schema import prepare

_READ: Final = "BEGIN"
_WRITE: Final = "BEGIN IMMEDIATE"
"""A transaction that reads before it writes would fail at once where another process has written in between."""


class SqliteDatabase:
    """A SQLite file. Its schema is brought up to date at once."""

    def __init__(self, url: str, *, readers: int, busy_timeout_s: float) -> None:
        self._engine = _engine(url, busy_timeout_s, _READ)
        self._writing = _engine(url, busy_timeout_s, _WRITE)
        self._connection: Connection | None = None
        """The writer's, kept from batch to batch; None: it is yet to be opened, or the last one failed."""
        with self._writing.begin() as connection:
            prepare(connection, migrate=True)
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="store-read")
        self._queue: queue.Queue[Queued | None] = queue.Queue(QUEUE)
        self._writer = threading.Thread(target=self._write_batches, name="store-write", daemon=True)
        self._writer.start()

    def read(self, work: Work[Any], done: "Future[Any]") -> None:
        self._readers.submit(self._read, work, done)

    def _read(self, work: Work[Any], done: "Future[Any]") -> None:
        try:
            with self._engine.connect() as connection:
                tell([(done, work(connection), None)])
        except Exception as failure:
            tell([(done, None, failure)])

    def write(self, work: Work[Any], done: "Future[Any]") -> None:
        try:
            self._queue.put_nowait((work, done))
        except queue.Full:
            raise behind() from None

    def close(self) -> None:
        self._queue.put(None)
        self._writer.join()
        self._let_go()
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

    def _commit(self, batch: list[Queued]) -> None:
        try:
            if self._connection is None:
                self._connection = self._writing.connect()
                # What a statement would need to be undone is small here; by default it goes to a file, made anew for each batch.
                _say(_driver(self._connection), "PRAGMA temp_store=MEMORY")
            outcomes = _committed(self._connection, batch)
        except Exception as failure:  # the transaction itself: nothing of the batch was stored, and whoever asked is told
            self._let_go()
            outcomes = [(done, None, failure) for _, done in batch]
        tell(outcomes)

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _committed(connection: Connection, batch: list[Queued]) -> list[Outcome]:
    """Run the works of a batch in one transaction, and commit it.

    Savepoints cost more than what they guard, and hardly any work fails: only when one has, all are run again, each in its own.
    """
    # Begun and ended past SQLAlchemy, which joins in when a work asks it to: its own way costs more than many a work.
    driver = _driver(connection)
    _say(driver, _WRITE)
    try:
        outcomes: list[Outcome] = [(done, work(connection), None) for work, done in batch]
    except Exception as failure:
        if connection.in_transaction():
            connection.rollback()
        driver.rollback()
        if len(batch) == 1:
            return [(batch[0][1], None, failure)]
        _say(driver, _WRITE)
        outcomes = [run_apart(connection, work, done) for work, done in batch]
    if connection.in_transaction():
        connection.commit()
    else:
        _say(driver, "COMMIT")
    return outcomes


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.driver_connection)


def _say(driver: sqlite3.Connection, statement: str) -> None:
    try:
        driver.execute(statement)
    except sqlite3.Error as failure:
        raise OperationalError(statement, None, failure) from failure


def _engine(url: str, busy_timeout_s: float, begin: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": busy_timeout_s, "check_same_thread": False}, hide_parameters=True)

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
        driver = _driver(connection)
        if not driver.in_transaction:  # the writer has begun already
            _say(driver, begin)

    return engine
