"""One SQL database behind one door: reads at once, writes in order, batched, committed before they are reported.

The same works (functions of a SQLAlchemy connection) run on SQLite (`stores.sqlite`) and PostgreSQL (`stores.postgres`).
"""

import asyncio
from collections.abc import Awaitable
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from llm_gateway.stores.database import Database, T, Work, metadata
from llm_gateway.stores.postgres import PostgresDatabase
from llm_gateway.stores.sqlite import SqliteDatabase

__all__ = ["SqlStore", "T", "Work", "metadata"]

BUSY_S: Final = 5.0
"""How long a work waits for a database that others hold, or that is away."""
SQLITE_READERS: Final = 2
POSTGRES_READERS: Final = 4


class SqlStore:
    """Runs `Work` (a function of a SQLAlchemy connection) off the event loop.

    `read` runs at once. `write` queues; its result comes when the transaction that holds it is committed. Works of one batch share a
    transaction, each inside a savepoint: a failing one fails alone. A work may be run more than once; what counts is stored once.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = BUSY_S, migrate: bool = False) -> None:
        """Open the database at `url` (SQLAlchemy's form). `migrate`: bring a PostgreSQL schema up to date; SQLite's always is.

        Raises:
            ConfigurationError: it cannot be used as it is.
        """
        self._database: Database
        if url.startswith("sqlite"):
            self._database = SqliteDatabase(url, readers=SQLITE_READERS, busy_timeout_s=busy_timeout_s)
        else:
            self._database = PostgresDatabase(url, readers=POSTGRES_READERS, wait_s=busy_timeout_s, migrate=migrate)

    @classmethod
    def sqlite(cls, path: Path, *, busy_timeout_s: float = BUSY_S) -> "SqlStore":
        """A SQLite file, made with its folder when absent."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{path}", busy_timeout_s=busy_timeout_s)

    def read(self, work: Work[T]) -> Awaitable[T]:
        """The result of `work`, which changes nothing.

        Raises:
            Overloaded: the database is away.
        """
        done: Future[T] = Future()
        self._database.read(work, done)
        return asyncio.wrap_future(done)

    def write(self, work: Work[T]) -> Awaitable[T]:
        """The result of `work`, once it is committed.

        Raises:
            Overloaded: the writer is so far behind that its queue is full, or the database is away.
        """
        done: Future[T] = Future()
        self._database.write(work, done)
        return asyncio.wrap_future(done)

    def close(self) -> None:
        """Write what is queued, then let go of the database."""
        self._database.close()
