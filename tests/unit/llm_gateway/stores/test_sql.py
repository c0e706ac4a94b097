"""Writes are batched, committed before they are reported, and fail alone."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Column, Connection, Integer, String, Table, delete, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from llm_gateway.stores.sql import SqlStore, metadata

notes = Table("notes_of_tests", metadata, Column("id", Integer, primary_key=True), Column("text", String(50), unique=True))


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    store = await opened(database_url, busy_timeout_s=0.3)
    await store.write(lambda connection: connection.execute(delete(notes)))
    yield store
    await asyncio.to_thread(store.close)


async def opened(url: str, busy_timeout_s: float = 5.0) -> SqlStore:
    store = SqlStore(url, busy_timeout_s=busy_timeout_s)
    await store.write(lambda connection: notes.create(connection, checkfirst=True))
    return store


def add(value: str):  # type: ignore[no-untyped-def]
    def work(connection: Connection) -> int:
        return int(connection.execute(insert(notes).values(text=value)).inserted_primary_key[0])  # type: ignore[index]

    return work


def texts(connection: Connection) -> list[str]:
    return list(connection.scalars(select(notes.c.text).order_by(notes.c.id)))


async def test_what_is_reported_written_can_be_read(store: SqlStore) -> None:
    assert await store.write(add("a")) == 1
    assert await store.read(texts) == ["a"]


async def test_many_writers_at_once_lose_nothing_and_keep_their_order(store: SqlStore) -> None:
    await asyncio.gather(*(store.write(add(str(number))) for number in range(1000)))
    assert await store.read(texts) == [str(number) for number in range(1000)]


async def test_a_failing_work_fails_alone(store: SqlStore) -> None:
    outcomes = await asyncio.gather(*(store.write(add(value)) for value in "aab"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, IntegrityError, int]
    assert await store.read(texts) == ["a", "b"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_nothing_stays_of_a_work_that_went_past_sqlalchemy_and_failed(store: SqlStore) -> None:
    def past_it(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("INSERT INTO notes_of_tests (text) VALUES ('half')")
        raise ValueError("then it failed")

    with pytest.raises(ValueError, match="then it failed"):
        await store.write(past_it)
    assert await store.write(add("a")) == 1
    outcomes = await asyncio.gather(store.write(add("b")), store.write(past_it), store.write(add("c")), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, ValueError, int]
    assert await store.read(texts) == ["a", "b", "c"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_a_statement_needs_to_be_undone_stays_out_of_files(store: SqlStore) -> None:
    assert await store.write(lambda connection: connection.exec_driver_sql("PRAGMA temp_store").scalar()) == 2  # memory
    await asyncio.gather(store.write(lambda connection: connection.exec_driver_sql("nonsense")), return_exceptions=True)
    assert await store.write(lambda connection: connection.exec_driver_sql("PRAGMA temp_store").scalar()) == 2


async def test_whoever_stopped_waiting_does_not_disturb_the_writer(store: SqlStore) -> None:
    waiting = asyncio.ensure_future(store.write(add("a")))
    await asyncio.sleep(0)
    waiting.cancel()
    await store.write(add("b"))
    assert (await store.read(texts))[-1] == "b"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL holds up only who wants the same rows
async def test_a_database_that_another_process_holds_is_waited_for_and_then_refused(store: SqlStore, database_url: str) -> None:
    other = SqlStore(database_url, busy_timeout_s=0.3)
    gate, entered = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(connection: Connection) -> None:
        connection.execute(text("SELECT 1"))
        loop.call_soon_threadsafe(entered.set)
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()

    holding = asyncio.ensure_future(other.write(hold))
    await entered.wait()
    with pytest.raises(OperationalError):
        await store.write(add("a"))
    gate.set()
    await holding
    assert await store.write(add("a")) == 1
    await asyncio.to_thread(other.close)


async def test_reading_then_writing_survives_another_writer(store: SqlStore, database_url: str) -> None:
    other = SqlStore(database_url)

    def read_then_add(value: str):  # type: ignore[no-untyped-def]
        def work(connection: Connection) -> None:
            texts(connection)
            add(value)(connection)

        return work

    await asyncio.gather(*(each.write(read_then_add(f"{name}{n}")) for n in range(100) for name, each in (("s", store), ("o", other))))
    assert len(await store.read(texts)) == 200
    await asyncio.to_thread(other.close)


async def test_closing_writes_what_is_queued(store: SqlStore, database_url: str) -> None:
    store = SqlStore(database_url)
    pending = [asyncio.ensure_future(store.write(add(str(number)))) for number in range(50)]
    await asyncio.sleep(0)
    await asyncio.to_thread(store.close)
    await asyncio.gather(*pending)
    again = SqlStore(database_url)
    assert len(await again.read(texts)) == 50
    await asyncio.to_thread(again.close)


async def test_a_reader_sees_one_state_however_long_it_looks(store: SqlStore, database_url: str) -> None:
    await store.write(add("a"))
    other = SqlStore(database_url)
    seen, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def twice(connection: Connection) -> list[list[str]]:
        before = texts(connection)
        loop.call_soon_threadsafe(seen.set)
        go_on.wait(10)
        return [before, texts(connection)]

    reading = asyncio.ensure_future(other.read(twice))
    await seen.wait()
    await store.write(add("b"))
    go_on.set()
    assert await reading == [["a"], ["a"]]
    await asyncio.to_thread(other.close)
