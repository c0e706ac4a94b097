"""What a crowd of processes and a network can do to a work, and that it is stored once all the same."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, String, Table, delete, func, insert, select, text, update
from tests.postgres import Postgres, command

from llm_gateway.core.errors import ConfigurationError, NotFound, Overloaded
from llm_gateway.stores import postgres
from llm_gateway.stores.postgres import address
from llm_gateway.stores.sql import SqlStore, metadata

marks = Table("marks_of_tests", metadata, Column("id", Integer, primary_key=True), Column("text", String(50)), Column("count", Integer))


async def opened(url: str, wait_s: float = 5.0) -> SqlStore:
    store = SqlStore(url, busy_timeout_s=wait_s, migrate=True)
    await store.write(lambda connection: marks.create(connection, checkfirst=True))
    return store


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[SqlStore]:
    made = await opened(postgres_url)
    await made.write(lambda connection: connection.execute(delete(marks)))
    yield made
    await asyncio.to_thread(made.close)


@pytest.fixture
def own_server() -> Iterator[Postgres]:
    """A server that the test may stop."""
    with Postgres() as server:
        yield server


def mark(number: int, note: str = "") -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        connection.execute(insert(marks).values(id=number, text=note, count=0))
        return number

    return work


def numbers(connection: Connection) -> list[int]:
    return list(connection.scalars(select(marks.c.id).order_by(marks.c.id)))


async def taken_again(store: SqlStore, work: Callable[[Connection], int]) -> None:
    """A work is done, once the store has found its server again."""
    async with asyncio.timeout(60):
        while True:
            try:
                await store.write(work)
                return
            except Overloaded:
                await asyncio.sleep(0.05)


async def test_two_who_make_the_same_row_at_once_agree(store: SqlStore, postgres_url: str) -> None:
    other = await opened(postgres_url)

    def once(connection: Connection) -> str:
        """As callers do: look, then make what is not there."""
        if connection.execute(select(marks).where(marks.c.id == 1)).first() is not None:
            return "there"
        connection.execute(text("SELECT pg_sleep(0.05)"))
        mark(1)(connection)
        return "made"

    for _ in range(3):
        got = await asyncio.gather(store.write(once), other.write(once))
        assert sorted(got) == ["made", "there"]
        assert await asyncio.gather(store.write(once), store.write(once), other.write(once)) == ["there"] * 3
        await store.write(lambda connection: connection.execute(delete(marks)))
    await asyncio.to_thread(other.close)


async def test_a_deadlock_is_run_again(store: SqlStore, postgres_url: str) -> None:
    other = await opened(postgres_url)
    for number in (1, 2):
        await store.write(mark(number))

    def both(first: int, second: int) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            for number in (first, second):
                connection.execute(update(marks).where(marks.c.id == number).values(count=marks.c.count + 1))
                connection.execute(text("SELECT pg_sleep(0.1)"))

        return work

    await asyncio.gather(store.write(both(1, 2)), other.write(both(2, 1)))
    assert await store.read(lambda connection: list(connection.scalars(select(marks.c.count)))) == [2, 2]
    await asyncio.to_thread(other.close)


async def test_a_serialization_failure_is_run_again(store: SqlStore) -> None:
    tries = []

    def work(connection: Connection) -> int:
        mark(7)(connection)
        tries.append(1)
        if len(tries) < 3:
            connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"))
        return len(tries)

    assert await asyncio.gather(store.write(work), store.write(mark(8))) == [3, 8]
    assert await store.read(numbers) == [7, 8]


async def test_what_the_work_itself_raises_is_the_caller_s(store: SqlStore) -> None:
    def work(connection: Connection) -> None:
        mark(1)(connection)
        raise NotFound("nobody")

    for alone in (True, False):
        got = await asyncio.gather(store.write(work), *(() if alone else (store.write(mark(2)),)), return_exceptions=True)
        assert isinstance(got[0], NotFound)
    assert await store.read(numbers) == [2]


async def test_a_connection_that_is_cut_is_replaced(store: SqlStore, postgres_url: str) -> None:
    for number in range(3):
        command(postgres_url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'llm-gateway'")
        got = await asyncio.gather(store.read(numbers), store.write(mark(number)))
        assert got[1] == number
    assert await store.read(numbers) == [0, 1, 2]


@pytest.mark.parametrize("committed", [True, False])
async def test_a_commit_whose_answer_never_came_is_looked_up(
    store: SqlStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    """The connection dies with the commit on its way: before the server had it, or after."""
    runs: list[str] = []

    class Cut(postgres._Transaction):
        def __call__(self, connection: Connection) -> None:
            first = not runs
            runs.append("run")
            if not first:
                super().__call__(connection)
                return
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            connection.rollback()
            if committed:
                super().__call__(connection)
                command(postgres_url, f"SELECT pg_terminate_backend({pid}, 5000)")
                connection.exec_driver_sql("SELECT 1")
            else:
                with connection.begin():
                    self.outcomes = [(done, work(connection), None) for work, done in self._batch]
                    self.xid = connection.exec_driver_sql(postgres._XID).scalar()
                    self.committing = True
                    command(postgres_url, f"SELECT pg_terminate_backend({pid}, 5000)")

    monkeypatch.setattr(postgres, "_Transaction", Cut)
    assert await store.write(mark(5)) == 5
    assert await store.read(numbers) == [5]
    assert len(runs) == (1 if committed else 2)


async def test_a_server_that_is_away_is_waited_for_then_refused_and_found_again(own_server: Postgres) -> None:
    store = await opened(own_server.url, wait_s=0.3)
    await store.write(mark(1))
    own_server.stop()
    started_s = asyncio.get_running_loop().time()
    got = await asyncio.gather(store.read(numbers), *(store.write(mark(number)) for number in range(2, 5)), return_exceptions=True)
    assert [(type(each), each.code) for each in got if isinstance(each, Overloaded)] == [(Overloaded, "database_unavailable")] * 4
    assert asyncio.get_running_loop().time() - started_s < 30
    await asyncio.to_thread(own_server.start)
    await taken_again(store, mark(9))
    assert await store.read(numbers) == [1, 9]
    await asyncio.to_thread(store.close)


async def test_a_server_that_restarts_within_the_wait_is_noticed_by_nobody(own_server: Postgres) -> None:
    store = await opened(own_server.url, wait_s=60)
    await store.write(mark(0))
    for how in (signal.SIGINT, signal.SIGQUIT):
        own_server.stop(how)
        waiting = asyncio.gather(*(store.write(mark(number)) for number in (1, 2, 3)))
        await asyncio.to_thread(own_server.start)
        assert await waiting == [1, 2, 3]
        await store.write(lambda connection: connection.execute(delete(marks).where(marks.c.id > 0)))
    await asyncio.to_thread(store.close)


async def test_a_frozen_server_costs_a_bounded_wait(own_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await opened(own_server.url, wait_s=0.3)
    await asyncio.gather(store.read(numbers), store.write(mark(1)))
    own_server.pause()
    with monkeypatch.context() as brief:
        for name in ("WRITE_S", "READ_S"):
            brief.setattr(postgres, name, 0.3)
        got = await asyncio.gather(store.read(numbers), store.write(mark(2)), return_exceptions=True)
    assert [type(each) for each in got] == [Overloaded, Overloaded]
    own_server.resume()
    await taken_again(store, mark(3))
    assert await store.read(lambda connection: connection.scalar(select(func.count()).select_from(marks))) in {2, 3}
    await asyncio.to_thread(store.close)


async def test_wrong_addresses_and_passwords_stop_the_start(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "START_S", 0.2)
    with pytest.raises(ConfigurationError, match=r"no PostgreSQL answers there \(ConnectionRefusedError\)"):
        SqlStore("postgresql://user:hidden-word@127.0.0.1:1/x")
    with pytest.raises(ConfigurationError, match="lets nobody in like this") as refused:
        SqlStore(postgres_url.rpartition("/")[0] + "/nowhere")
    assert "nowhere" not in str(refused.value)


async def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name=name)

    monkeypatch.setattr(postgres, "import_module", missing)
    with pytest.raises(ConfigurationError, match=r"extra `postgres` \(asyncpg is missing\): pip install 'llm-gateway\[postgres\]'"):
        SqlStore("postgresql://u@127.0.0.1/x")


def test_urls_in_other_people_s_ways_are_understood() -> None:
    assert address("postgres://u:p@h/d?sslmode=require").render_as_string(False) == "postgresql+asyncpg://u:p@h/d?ssl=require"
    assert str(address("postgresql://h/d")) == "postgresql+asyncpg://h/d"
    for wrong in ("mysql://h/d", "postgresql+psycopg2://h/d", "postgresql://h:port/d"):
        with pytest.raises(ConfigurationError, match=r"storage\.database_url: expected postgresql://"):
            address(wrong)
