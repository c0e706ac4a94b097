"""Figures and records in the database: nothing twice, nothing forgotten, old things summed up and removed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select
from tests.unit.llm_gateway.metrics.finished_calls import Clock, call

from llm_gateway.core.routing import Target
from llm_gateway.metrics import tables
from llm_gateway.metrics.book import Book, instance_of
from llm_gateway.metrics.performance import performance_of
from llm_gateway.metrics.recorder import Recorder
from llm_gateway.metrics.view import MetricsView, Wanted
from llm_gateway.metrics_collector import MAX_ROWS, MetricsCollector
from llm_gateway.stores.sql import SqlStore

NOON = 1_800_000_000.0 // 86_400 * 86_400 + 43_200.0
DAY_S = 86_400


class Process:
    """One gateway process: its collector and its book on a database."""

    def __init__(self, store: SqlStore, clock: Clock, name: str, instance: str = "here") -> None:
        self.clock = clock
        self.collector = MetricsCollector(
            clock, Recorder(bytes.hex), name, lambda: [Target("openai", "gpt-4o"), Target("ollama", "llama3")]
        )
        self.book = Book(store, clock, self.collector, instance)
        self.view = MetricsView(self.book)

    async def serve(self, *made: object, seconds: float = 1.0) -> None:
        for each in made:
            each.received_s = self.clock.now_s - seconds  # type: ignore[attr-defined]
            for attempt in each.attempts:  # type: ignore[attr-defined]
                attempt.started_s = each.received_s + 0.1  # type: ignore[attr-defined]
            self.collector.in_flight += 1
            self.collector._count(each)  # type: ignore[arg-type]


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    opened = SqlStore(database_url, migrate=True)
    yield opened
    await asyncio.to_thread(opened.close)


async def test_two_processes_tell_the_same_sum(store: SqlStore) -> None:
    clock = Clock(NOON)
    one, two = Process(store, clock, "one"), Process(store, clock, "two")
    await one.serve(call(), call(cache="hit"))
    await two.serve(call(provider="ollama", model="llama3", cost_pico_usd=0))
    await two.book.flush()
    await one.book.flush()
    assert await one.view.summary() == await two.view.summary()
    summary = await one.view.summary()
    assert (summary.total_requests, summary.requests_by_provider) == (3, {"openai": 2, "ollama": 1})
    assert summary.since == NOON


async def test_flushing_again_counts_nothing_twice(store: SqlStore) -> None:
    process = Process(store, Clock(NOON), "one")
    for _ in range(3):
        await process.serve(call())
        await process.book.flush()
        await process.book.flush()
    assert (await process.view.summary()).total_requests == 3
    assert len(await process.view.records(Wanted(), 10)) == 3
    assert sum(point.all.requests for point in (await process.view.series(5)).points) == 3


async def test_what_the_database_did_not_take_is_stored_with_the_next_write(store: SqlStore) -> None:
    process = Process(store, Clock(NOON), "one")
    real = process.book.store

    class Away:
        def read(self, work: object) -> object:
            raise AssertionError("not asked")

        async def write(self, work: object) -> object:
            raise OSError("away")

    await process.serve(call())
    process.book.store = Away()  # type: ignore[assignment]
    with pytest.raises(OSError, match="away"):
        await process.book.flush()
    assert process.book.problem == "OSError"
    await process.serve(call())
    process.book.store = real
    assert (await process.view.summary()).total_requests == 2
    found = await process.view.records(Wanted(), 10)
    assert [each.route is not None for each in found] == [True, True]
    assert process.book.problem == ""


async def test_records_that_find_no_room_are_lost_and_said_to_be(store: SqlStore) -> None:
    process = Process(store, Clock(NOON), "one")
    await process.serve(call())
    process.collector.fold_all()
    process.collector.rows.extend([process.collector.rows[0]] * (MAX_ROWS - 1))
    await process.serve(call())
    process.collector.fold_all()
    assert len(process.collector.rows) == MAX_ROWS
    assert process.collector.summary().lost_records == 1


async def test_a_record_that_the_database_refuses_costs_no_other(store: SqlStore) -> None:
    process = Process(store, Clock(NOON), "one")
    await process.serve(call(caller="good"), call(caller="bad"), call(caller="good"))
    process.collector.fold_all()
    process.collector.rows[1] = process.collector.rows[1]._replace(caller="\ud800")
    await process.book.flush()
    assert [each.row.caller for each in await process.view.records(Wanted(), 10)] == ["good", "good"]
    summary = await process.view.summary()
    assert (summary.total_requests, summary.lost_records) == (3, 1)


async def test_a_call_that_cannot_be_read_off_costs_no_other(store: SqlStore) -> None:
    process = Process(store, Clock(NOON), "one")
    odd = call()
    odd.attempts[0].model = None  # type: ignore[assignment]
    await process.serve(call(), odd, call())
    summary = await process.view.summary()
    assert summary.lost_records == 1
    assert len(await process.view.records(Wanted(), 10)) == 2


async def test_minutes_follow_each_other_without_a_gap(store: SqlStore) -> None:
    clock = Clock(NOON)
    process = Process(store, clock, "one")
    await process.serve(call(), call(provider="ollama", model="llama3"))
    clock.now_s += 130
    await process.serve(call(stream=True), seconds=2.0)
    series = await process.view.series(4)
    assert series.step_s == 60
    assert [point.at for point in series.points] == [int(NOON) + 60 * minute for minute in (-1, 0, 1, 2)]
    assert [point.all.requests for point in series.points] == [0, 2, 0, 1]
    assert set(series.points[1].by_provider) == {"openai", "ollama"}
    last = series.points[3].all
    assert last.p95_s == pytest.approx(2.0, rel=0.02)
    assert last.first_p50_s == pytest.approx(0.3, rel=0.02)
    assert series.points[2].all.p50_s is None


async def test_a_call_that_is_read_off_late_still_counts_once(store: SqlStore) -> None:
    clock = Clock(NOON)
    process = Process(store, clock, "one")
    await process.serve(call())
    await process.book.flush()
    clock.now_s += 59.9
    await process.serve(call())  # ends in this minute, read off in the next
    clock.now_s += 0.2
    await process.book.flush()
    clock.now_s += 300
    await process.book.flush()
    clock.now_s -= 330  # an old one turns up when its minute is closed for good
    await process.serve(call())
    process.collector.fold_all()
    clock.now_s += 330
    await process.book.flush()
    assert (await process.view.summary()).total_requests == 3
    assert sum(point.all.requests for point in (await process.view.series(20)).points) == 3


async def test_what_is_old_is_summed_up_and_what_is_older_removed(store: SqlStore) -> None:
    clock = Clock(NOON)
    process = Process(store, clock, "one")
    for _ in range(3):
        await process.serve(call())
        await process.book.flush()
        clock.now_s += 61
    clock.now_s = NOON + 2 * DAY_S
    await process.serve(call())
    await process.book.flush()
    await process.book.housekeep(30)

    def widths(connection: Connection) -> list[int]:
        return sorted(connection.execute(select(tables.spans.c.width_s)).scalars())

    assert await store.read(widths) == [60, 3600]
    whole = await process.view.window(NOON - 3600)
    assert sum(cell.requests for cell in whole.requests.values()) == 4
    clock.now_s = NOON + 40 * DAY_S
    await process.book.flush()
    await process.book.housekeep(30)
    assert await store.read(lambda connection: connection.execute(select(func.count()).select_from(tables.requests)).scalar()) == 0
    assert await store.read(widths) == []
    assert (await process.view.summary()).total_requests == 4, "a counter never falls"


async def test_what_requests_rest_on_is_stored_once_and_removed_after_them(store: SqlStore) -> None:
    def count(connection: Connection) -> int:
        return int(connection.execute(select(func.count()).select_from(tables.grounds)).scalar_one())

    clock = Clock(NOON)
    process = Process(store, clock, "one")
    shared = call().decision
    for _ in range(3):
        one, other = call(), call(kinds=(("pii.email", 0.4),))
        one.decision = other.decision = shared
        await process.serve(one, other)
        await process.book.flush()
    found = await process.view.records(Wanted(), 10)
    assert len({bytes(each.detail.route) for each in found}) == 1
    assert [each.detail.kinds for each in found] == [{"pii.email": 0.4}, {}] * 3
    assert await store.read(count) == 2, "an attempt in short is part of them, one in full is not"
    assert not process.collector.grounds
    clock.now_s = NOON + 30 * DAY_S + 60
    await process.book.housekeep(30)
    assert await process.view.records(Wanted(), 10) == []
    assert await store.read(count) == 2, "a request of the next day may rest on them"
    clock.now_s += DAY_S
    await process.book.housekeep(30)
    assert await store.read(count) == 0


async def test_a_process_that_ended_is_still_counted_and_one_taken_for_dead_counts_no_second_time(store: SqlStore) -> None:
    clock = Clock(NOON)
    one = Process(store, clock, "one")
    await one.serve(call(), call())
    await one.book.flush()
    clock.now_s += 2 * DAY_S
    two = Process(store, clock, "two")
    await two.serve(call())
    await two.book.flush()
    await two.book.housekeep(30)
    assert (await two.view.summary()).total_requests == 3
    await one.serve(call())  # it was only frozen
    await one.book.flush()
    await one.serve(call())
    await one.book.flush()
    assert (await two.view.summary()).total_requests >= 4
    assert (await two.view.summary()).total_requests <= 5
    assert (await two.view.summary()).requests_in_flight == 0


async def test_an_instance_sees_its_own_workers_and_all_see_everything(store: SqlStore, tmp_path: Path) -> None:
    clock = Clock(NOON)
    here, there = Process(store, clock, "one", instance_of(str(tmp_path))), Process(store, clock, "two", instance_of("/elsewhere"))
    await here.serve(call())
    await there.serve(call(), call())
    await there.book.flush()
    assert sum(cell.requests for cell in (await here.book.totals(instance_only=True)).requests.values()) == 1
    assert sum(cell.requests for cell in (await here.book.totals()).requests.values()) == 3


async def test_records_are_found_by_what_they_are(store: SqlStore) -> None:
    process = Process(store, Clock(NOON), "one")
    await process.serve(call(caller="ada"), call(caller="bob", kinds=(("secret.api_key", 0.9),)), call(caller="ada", cache="hit"))
    await process.serve(call(caller="acme/eve"), seconds=9.0)

    async def count(**wanted: object) -> int:
        return len(await process.view.records(Wanted(**wanted), 10))  # type: ignore[arg-type]

    assert await count() == 4
    assert (await count(caller="ada"), await count(owner="bob"), await count(owner="nobody")) == (2, 1, 0)
    assert (await count(sensitive=True), await count(cache="hit"), await count(failed=True)) == (1, 1, 0)
    assert await count(since_us=int((NOON + 5) * 1e6)) == 0
    assert [each.row.caller for each in await process.view.records(Wanted(slowest=True), 1)] == ["acme/eve"]


async def test_performance_tells_providers_apart(store: SqlStore) -> None:
    process = Process(store, Clock(NOON), "one")
    await process.serve(call(), call(stream=True), call(outcome="provider_timeout"))
    await process.serve(call(provider="ollama", model="llama3"), seconds=5.0)
    process.collector.now.lag.add(0.004)
    found = performance_of(await process.view.window(NOON - 60))
    assert [each.provider for each in found.by_provider] == ["ollama", "openai"]
    assert found.by_provider[0].pace.total_s.p50 == pytest.approx(5.0, rel=0.02)
    assert (found.all.requests, found.all.calls, found.all.failed_calls) == (4, 4, 1)
    assert found.event_loop_lag_s.p99 == pytest.approx(0.004, rel=0.02)
    assert {each.model for each in found.by_model} == {"gpt-4o", "llama3"}
