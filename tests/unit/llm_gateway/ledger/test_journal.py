import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from tests.unit.llm_gateway.ledger.desk_of_tests import house

from llm_gateway.core.errors import Overloaded
from llm_gateway.ledger import journal as module
from llm_gateway.ledger.journal import Journal
from llm_gateway.ledger.rows import Row
from llm_gateway.ledger.tables import ledger
from llm_gateway.stores.sql import SqlStore


def row(call: int, outcome: str = "ok", cost: int | None = 5, **fields: Any) -> Row:
    return Row(
        "p", call, 1, 1000, "gw-1", "alice", "alice", "", "openai", "gpt-4o", "chat", 1, 2, 0, 0, 0, 0, cost, "catalogue", "v", outcome
    )._replace(**fields)


class Sick:
    """A database that is away while `away` holds."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.away: Exception | None = None
        self.works = 0

    def read(self, work: Callable[[Connection], Any]) -> Any:
        return self.store.read(work)

    async def write(self, work: Callable[[Connection], Any]) -> Any:
        self.works += 1
        if self.away is not None:
            raise self.away
        return await self.store.write(work)


AWAY = OperationalError("insert", {}, Exception("disk I/O error"))


@pytest.fixture
def store(database_url: str) -> Any:
    made = SqlStore(database_url)
    yield Sick(made)
    made.close()


async def stored(store: Sick) -> list[tuple[int, str, int | None]]:
    found = await store.read(
        lambda c: c.execute(select(ledger.c.call, ledger.c.outcome, ledger.c.cost_pico_usd).order_by(ledger.c.call)).all()
    )
    return [tuple(each) for each in found]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    monkeypatch.setattr(module, "RETRY_MAX_S", 0.002)


async def test_rows_leave_in_batches(store: Sick) -> None:
    journal = Journal(store)
    for call in range(1200):
        journal.add(row(call))
    assert await journal.drained(10)
    assert (await stored(store))[-1] == (1199, "ok", 5)
    assert len(await stored(store)) == 1200
    assert store.works == 3
    assert journal.waiting_rows == 0
    assert await journal.drained(0)


async def test_a_row_counts_once_however_often_it_is_written(store: Sick) -> None:
    journal = Journal(store)
    journal.add(row(1))
    assert await journal.drained(5)
    journal.add(row(1, cost=99))
    journal.add(row(1, "recovered", 99))
    journal.add(row(1, "open", 99))
    assert await journal.drained(5)
    assert await stored(store) == [(1, "ok", 5)]


async def test_a_database_that_is_away_loses_nothing(store: Sick) -> None:
    journal = Journal(store)
    store.away = AWAY
    with capture_logs() as logs:
        for call in range(3):
            journal.add(row(call))
        assert not await journal.drained(0.02)
        assert "OperationalError" in journal.problem
        with pytest.raises(Overloaded):
            await journal.ask(lambda _: 1)
        for call in range(3, 6):
            journal.add(row(call))
        assert store.works > 2
        store.away = None
        assert await journal.drained(5)
    assert [call for call, _, _ in await stored(store)] == list(range(6))
    assert [entry["event"] for entry in logs] == ["the ledger cannot be written; its rows wait", "the ledger can be written again"]
    assert journal.problem == ""


async def test_who_asked_while_it_went_away_is_told(store: Sick) -> None:
    journal = Journal(store)
    store.away = Overloaded("full")
    journal.add(row(1))
    with pytest.raises(Overloaded, match="ledger cannot be read"):
        await journal.ask(lambda _: 1)
    store.away = None
    assert await journal.drained(5)


async def test_a_row_that_the_database_refuses_goes_to_the_log_and_holds_up_nobody(store: Sick) -> None:
    journal = Journal(store)
    with capture_logs() as logs:
        for each in (row(1), row(2, input_tokens=2**70), row(3), row(4, provider=None)):
            journal.add(each)
        assert await journal.drained(5)
    assert [call for call, _, _ in await stored(store)] == [1, 3]
    refused = [entry["call"] for entry in logs if entry["event"] == "a row of the ledger that the database refused"]
    assert refused == [2, 4]
    assert journal.refused_rows == 2


async def test_a_commit_that_was_reported_as_failed_is_not_counted_twice(store: Sick) -> None:
    journal, real, lies = Journal(store), store.store.write, [1]

    async def write(work: Callable[[Connection], Any]) -> Any:
        done = await real(work)
        if lies and lies.pop():
            raise AWAY
        return done

    store.write = write  # type: ignore[method-assign]
    journal.add(row(1))
    assert await journal.drained(5)
    assert await stored(store) == [(1, "ok", 5)]


async def test_an_announced_call_gets_a_row_only_if_it_outlasts_a_batch(store: Sick) -> None:
    journal = Journal(store)
    journal.announce(1, 1, lambda: row(1, "open", 50))
    journal.add(row(1))
    journal.announce(2, 1, lambda: row(2, "open", 50))
    assert await journal.drained(5)
    assert await stored(store) == [(1, "ok", 5), (2, "open", 50)]
    assert not journal.forget(2, 1)
    journal.announce(3, 1, lambda: row(3, "open", 50))
    assert journal.forget(3, 1)
    journal.add(row(2))
    assert await journal.drained(5)
    assert await stored(store) == [(1, "ok", 5), (2, "ok", 5)]


async def test_an_answer_has_every_row_before_it_and_none_after(store: Sick) -> None:
    journal, at = Journal(store), []
    for call in range(700):
        journal.add(row(call))
    count = asyncio.ensure_future(journal.ask(lambda c: c.scalar(select(func.count()).select_from(ledger)), lambda: at.append(added)))
    added = 700
    while not count.done():
        journal.add(row(added))
        added += 1
        await asyncio.sleep(0)
    assert at == [await count]
    assert at[0] >= 700


async def test_who_asks_is_answered_however_fast_rows_come(store: Sick) -> None:
    journal, real = Journal(store), store.store.write

    async def write(work: Callable[[Connection], Any]) -> Any:
        store.works += 1
        if store.works < 10:
            for number in range(600):
                journal.add(row(1000 * store.works + number))
        return await real(work)

    store.write = write  # type: ignore[method-assign]
    for call in range(600):
        journal.add(row(call))
    assert await journal.ask(lambda c: c.scalar(select(func.count()).select_from(ledger))) == 600
    assert store.works <= 2
    assert await journal.drained(10)


async def test_what_cannot_be_written_at_the_end_is_in_the_log(store: Sick) -> None:
    journal = Journal(store)
    store.away = AWAY
    journal.add(row(7))
    with capture_logs() as logs:
        await journal.aclose(0.01)
    (entry,) = [entry for entry in logs if entry["event"] == "a row of the ledger that was not written"]
    assert (entry["call"], entry["cost_pico_usd"], entry["caller"]) == (7, 5, "alice")


async def test_a_graceful_stop_writes_everything(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        for _ in range(50):
            await h.call()
    async with house(tmp_path, process="p2") as h:
        assert len(await h.rows()) == 50
