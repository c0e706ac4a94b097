"""PostgreSQL: a thread with an event loop of its own, one writing connection, a few reading ones (asyncpg).

Writes keep SQLite's promises: in order, in batches, each work once. What a crowd of processes and a network add is settled here:

- Deadlocks and serialization failures: the batch is run again.
- Two processes make the same row at once: the one who lost runs again, and sees what the other made.
- The server is lost while a batch is on its way: after a bounded wait it is run again on a new connection. Where the commit itself was
  on its way, the server is asked what became of that transaction (`pg_xact_status`), so that nothing is stored twice.
- The server stays away: 503 `database_unavailable`, at once when it has been away for as long as works wait.

Reads see one snapshot each (repeatable read), as SQLite's do, and are simply asked again.
"""

import asyncio
import random
import re
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn

import structlog
from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from llm_gateway.core.errors import ConfigurationError
from llm_gateway.stores.database import BATCH, QUEUE, Outcome, Queued, Work, away, behind, tell
from llm_gateway.stores.schema import prepare

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_log = structlog.get_logger(__name__)
CONNECT_S: Final = 2.0
START_S: Final = 15.0
"""Time for a server that is starting beside us to take its first connection."""
WRITE_S: Final = 10.0
READ_S: Final = 30.0
CLOSE_S: Final = 10.0
LOCK_MS: Final = 5_000
IDLE_MS: Final = 30_000
"""The server ends a transaction of ours that says nothing for so long: a frozen process must not keep others waiting."""
MOST_TRIES: Final = 10
RETRY_S: Final = 0.05
RETRY_MAX_S: Final = 0.5
_AGAIN: Final = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, a lock that did not come in time (PostgreSQL's manual, appendix A)."""
_AWAY: Final = re.compile(r"08...|57P0[1-5]|53300|25006")
"""Connection failures, shutdown, start-up, too many connections, a standby that takes no writes (ibid.)."""
_REFUSED: Final = re.compile(r"28...|3D000|42501")
"""Wrong password, no such database, no permission (ibid.): nothing that waiting could mend."""
_XID: Final = "SELECT pg_current_xact_id_if_assigned()::text"
_FATE: Final = "SELECT pg_xact_status($1::text::xid8)"


class PostgresDatabase:
    """The server at `url`. `wait_s` is how long works wait for one that is away.

    Raises:
        ConfigurationError: it cannot be used as things are: no driver, wrong password, a schema that is not up to date.
    """

    def __init__(self, url: str, *, readers: int, wait_s: float, migrate: bool) -> None:
        self._wait_s = wait_s
        self._waiting: deque[Queued] = deque()
        self._closing = False
        self._away_since_s: float | None = None
        self._reading: AsyncEngine
        self._writing: AsyncEngine
        made = _engines(address(url), readers)
        self._loop = asyncio.new_event_loop()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="store", daemon=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._open(made, migrate), self._loop).result()
        except BaseException:
            self._stop()
            raise
        self._writer = asyncio.run_coroutine_threadsafe(self._write_batches(), self._loop)

    def read(self, work: Work[Any], done: "Future[Any]") -> None:
        self._loop.call_soon_threadsafe(self._begin_read, work, done)

    def write(self, work: Work[Any], done: "Future[Any]") -> None:
        if len(self._waiting) >= QUEUE:
            raise behind()
        self._waiting.append((work, done))
        self._loop.call_soon_threadsafe(self._wake.set)

    def close(self) -> None:
        self._closing = True
        self._loop.call_soon_threadsafe(self._wake.set)
        self._writer.result()
        asyncio.run_coroutine_threadsafe(self._dispose(), self._loop).result()
        self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self, made: "tuple[AsyncEngine, AsyncEngine]", migrate: bool) -> None:
        self._writing, self._reading = made
        until_s = self._loop.time() + START_S
        while True:
            try:
                async with asyncio.timeout(START_S), self._writing.begin() as connection:
                    await connection.run_sync(lambda plain: prepare(plain, migrate=migrate))
                return
            except Exception as failure:
                if not is_away(failure) or self._loop.time() > until_s:
                    await self._dispose()
                    _refuse(failure)
                await asyncio.sleep(RETRY_MAX_S)

    async def _dispose(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._writing.dispose()
        await self._reading.dispose()

    def _begin_read(self, work: Work[Any], done: "Future[Any]") -> None:
        task = self._loop.create_task(self._read(work, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, work: Work[Any], done: "Future[Any]") -> None:
        patience = _Patience(self._loop.time, self._wait_left_s())
        while True:
            try:
                async with asyncio.timeout(READ_S), self._reading.connect() as connection:
                    result = await connection.run_sync(work)
                self._note(away=False)
                tell([(done, result, None)])
                return
            except Exception as failure:
                if not (is_away(failure) or state(failure) in _AGAIN):
                    tell([(done, None, failure)])
                    return
                self._note(away=True, why=failure)
                if not patience.left:
                    tell([(done, None, away())])
                    return
                await asyncio.sleep(patience.pause_s())

    async def _write_batches(self) -> None:
        close_s: float | None = None
        while True:
            if self._closing and close_s is None:
                close_s = self._loop.time() + CLOSE_S
            if not self._waiting:
                if self._closing:
                    return
                self._wake.clear()
                if not self._waiting and not self._closing:
                    await self._wake.wait()
                continue
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
            if close_s is not None and self._loop.time() > close_s:
                tell([(done, None, away()) for _, done in batch])
            else:
                tell(await self._commit(batch))

    async def _commit(self, batch: list[Queued]) -> list[Outcome]:
        patience = _Patience(self._loop.time, self._wait_left_s())
        apart, tries = len(batch) > 1, 0
        while True:
            run = _Transaction(batch, apart=apart)
            try:
                async with asyncio.timeout(WRITE_S), self._writing.connect() as connection:
                    await connection.run_sync(run)
                self._note(away=False)
                return run.outcomes
            except Exception as failure:
                tries += 1
                if is_away(failure):
                    self._note(away=True, why=failure)
                    if run.committing and await self._was_committed(run.xid, patience):
                        return run.outcomes
                    if not patience.left:
                        return [(done, None, away()) for _, done in batch]
                    await asyncio.sleep(patience.pause_s())
                elif state(failure) in _AGAIN and tries < MOST_TRIES:
                    await asyncio.sleep(patience.pause_s())
                elif isinstance(failure, IntegrityError) and not apart:
                    apart = True  # perhaps another process was quicker: run it again, and see
                else:
                    return [(done, None, failure) for _, done in batch]

    async def _was_committed(self, xid: str | None, patience: "_Patience") -> bool:
        """What became of a transaction whose commit was on its way when the connection was lost. Nobody to ask in time: False, and no
        patience is left for another try."""
        while xid is not None:
            try:
                async with asyncio.timeout(WRITE_S), self._writing.connect() as connection:
                    found = await connection.exec_driver_sql(_FATE, (xid,))
                    fate = found.scalar()
                if fate != "in progress":
                    self._note(away=False)
                    return bool(fate == "committed")
            except Exception as failure:
                if not is_away(failure):
                    return False  # a server that has never heard of it
            if not patience.left:
                return False
            await asyncio.sleep(patience.pause_s())
        return False

    def _note(self, *, away: bool, why: BaseException | None = None) -> None:
        if away and self._away_since_s is None:
            _log.warning("the database is away: works wait for it for a while, then they are refused", why=reason(why))
            self._away_since_s = self._loop.time()
        elif self._away_since_s is not None and not away:
            _log.warning("the database is back")
            self._away_since_s = None

    def _wait_left_s(self) -> float:
        """How long a work waits for a server that is away: none longer than until it has been away for `wait_s`."""
        return self._wait_s if self._away_since_s is None else max(self._wait_s - (self._loop.time() - self._away_since_s), 0.0)


class _Patience:
    """How long to wait in all, and how long before the next try."""

    def __init__(self, time: Callable[[], float], wait_s: float) -> None:
        self._time = time
        self._until_s = time() + wait_s
        self._pause_s = RETRY_S

    @property
    def left(self) -> bool:
        return self._time() < self._until_s

    def pause_s(self) -> float:
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, RETRY_MAX_S)
        return pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - two who met shall not meet again


class _Transaction:
    """A batch, run in one transaction. `xid` is its name for the server (None: it wrote nothing)."""

    def __init__(self, batch: list[Queued], *, apart: bool) -> None:
        self._batch = batch
        self._apart = apart
        self.outcomes: list[Outcome] = []
        self.xid: str | None = None
        self.committing = False

    def __call__(self, connection: Connection) -> None:
        with connection.begin():
            if self._apart:
                self.outcomes = [_run_apart(connection, work, done) for work, done in self._batch]
            else:
                ((work, done),) = self._batch
                self.outcomes = [(done, work(connection), None)]
            self.xid = connection.exec_driver_sql(_XID).scalar()
            self.committing = True


def _run_apart(connection: Connection, work: Work[Any], done: "Future[Any]") -> Outcome:
    """Run one of several works: it fails alone, but for what makes the whole transaction worthless. One that meets a row which
    another process has just made runs once more, and sees it."""
    again = True
    while True:
        try:
            with connection.begin_nested():
                return done, work(connection), None
        except Exception as failure:
            if is_away(failure) or state(failure) in _AGAIN:
                raise
            if not (again and isinstance(failure, IntegrityError)):
                return done, None, failure
            again = False


def state(failure: BaseException) -> str:
    """The SQLSTATE of what a driver raised, or of what SQLAlchemy made of it."""
    told = getattr(getattr(failure, "orig", failure), "sqlstate", None)
    return told if isinstance(told, str) else ""


def is_away(failure: BaseException) -> bool:
    """Whether the server could not be asked: no fault of the work."""
    if isinstance(failure, (OSError, TimeoutError, PoolTimeout)):
        return True
    if isinstance(failure, DBAPIError) and (failure.connection_invalidated or isinstance(failure.orig, (OSError, TimeoutError))):
        return True
    return _AWAY.fullmatch(state(failure)) is not None


def reason(failure: BaseException | None) -> str:
    """What went wrong, without statements, values or addresses."""
    found = getattr(failure, "orig", None) or failure
    return f"{type(found).__name__} {state(found)}".strip() if found is not None else ""


def _refuse(failure: Exception) -> NoReturn:
    if is_away(failure):
        raise ConfigurationError(f"storage.database_url: no PostgreSQL answers there ({reason(failure)})") from None
    if _REFUSED.fullmatch(state(failure)):
        raise ConfigurationError(f"storage.database_url: the server lets nobody in like this ({reason(failure)})") from None
    if isinstance(failure, (SQLAlchemyError, ValueError)):
        raise ConfigurationError(f"storage.database_url: the database cannot be used ({reason(failure)})") from failure
    raise failure


def address(url: str) -> URL:
    """The URL as SQLAlchemy wants it: `postgres://` and libpq's `sslmode` are understood too.

    Raises:
        ConfigurationError: it is none, or wants another driver.
    """
    try:
        made = make_url(url)
        made.port  # noqa: B018 - checked when it is read
    except (ArgumentError, ValueError):
        raise ConfigurationError("storage.database_url: expected postgresql://user:password@host:port/name") from None
    if made.drivername not in {"postgresql", "postgres", "postgresql+asyncpg"}:
        raise ConfigurationError(f"storage.database_url: expected postgresql:// or sqlite:///, not {made.drivername}://")
    if "sslmode" in made.query:
        made = made.update_query_pairs([("ssl", str(made.query["sslmode"]))]).difference_update_query(["sslmode"])
    return made.set(drivername="postgresql+asyncpg")


def _engines(url: URL, readers: int) -> "tuple[AsyncEngine, AsyncEngine]":
    """One that writes, one that reads.

    Raises:
        ConfigurationError: the driver is not there.
    """
    try:
        for module in ("asyncpg", "greenlet"):  # the extra `postgres`, which SQLite needs not
            import_module(module)
        create_async_engine = import_module("sqlalchemy.ext.asyncio").create_async_engine
    except ImportError as failure:
        raise ConfigurationError(
            f"storage.database_url: PostgreSQL needs the extra `postgres` ({failure.name} is missing): pip install 'llm-gateway[postgres]'"
        ) from None
    settings = {
        "application_name": "llm-gateway",
        "lock_timeout": str(LOCK_MS),
        "idle_in_transaction_session_timeout": str(IDLE_MS),
    }
    common: dict[str, Any] = {
        "connect_args": {"timeout": CONNECT_S, "server_settings": settings},
        "max_overflow": 0,
        "pool_timeout": WRITE_S,
        "hide_parameters": True,  # a failure is logged without what was to be stored
    }
    reading = create_async_engine(url, pool_size=readers, **common)
    snapshot = reading.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return create_async_engine(url, pool_size=1, **common), snapshot
