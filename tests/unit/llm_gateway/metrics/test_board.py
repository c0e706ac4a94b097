"""Figures through Redis: gateways with databases of their own tell one sum, and an older one never takes back a newer."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.llm_gateway.metrics.finished_calls import Clock, call
from tests.unit.llm_gateway.metrics.test_book import NOON, Process
from tests.unit.llm_gateway.metrics.test_counting import counted
from tests.valkey import Valkey

from llm_gateway.metrics.board import KEY, RedisBoard
from llm_gateway.metrics.book import Book, home_of
from llm_gateway.metrics.view import MetricsView
from llm_gateway.stores.sql import SqlStore


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture(autouse=True)
def _empty(valkey: Valkey) -> None:
    valkey.command("FLUSHALL")


async def replica(folder: Path, name: str, valkey: Valkey) -> Process:
    store = SqlStore.sqlite(folder / f"{name}.sqlite3")
    process = Process(store, Clock(NOON), name)
    process.book = Book(store, process.clock, process.collector, name, RedisBoard(valkey.url, name))
    process.view = MetricsView(process.book)
    return process


async def closed(*processes: Process) -> None:
    for process in processes:
        await process.book.close()
        await asyncio.to_thread(process.book.store.close)  # type: ignore[attr-defined]


async def test_replicas_with_databases_of_their_own_tell_one_sum(tmp_path: Path, valkey: Valkey) -> None:
    one, two = await replica(tmp_path, "one", valkey), await replica(tmp_path, "two", valkey)
    await one.serve(call(), call(cache="hit"))
    await two.serve(call(provider="ollama", model="llama3"))
    await one.view.summary()
    both = await two.view.summary()
    assert (both.total_requests, both.requests_by_provider) == (3, {"openai": 2, "ollama": 1})
    assert (await one.view.summary()).total_requests == 3
    own = await one.book.totals(instance_only=True)
    assert sum(cell.requests for cell in own.requests.values()) == 2, "Prometheus adds up the instances itself"
    await closed(one, two)


async def test_the_figures_of_one_that_has_gone_stay(tmp_path: Path, valkey: Valkey) -> None:
    one, two = await replica(tmp_path, "one", valkey), await replica(tmp_path, "two", valkey)
    await one.serve(call(), call())
    await closed(one)
    assert (await two.view.summary()).total_requests == 2
    await closed(two)


async def test_an_older_sum_is_not_written_over_a_newer_one_unless_the_database_is_a_new_one(valkey: Valkey) -> None:
    board, reader = RedisBoard(valkey.url, "here"), RedisBoard(valkey.url.replace("redis://", "valkey://"), "there")
    newer, older = counted(call(), call()), counted(call())
    newer.since_s = older.since_s = 100.0

    async def seen() -> int:
        (found,) = await reader.others()
        return sum(cell.requests for cell in found.requests.values())

    await board.publish(newer)
    await board.publish(older)
    assert await seen() == 2
    older.since_s = 200.0
    await board.publish(older)
    assert await seen() == 1
    await board.aclose()
    await reader.aclose()


async def test_without_redis_each_tells_its_own(tmp_path: Path) -> None:
    with Valkey() as server:
        process = await replica(tmp_path, "one", server)
        await process.serve(call())
        server.kill()
        assert (await process.view.summary()).total_requests == 1
        await closed(process)


async def test_what_nobody_can_read_is_left_out(valkey: Valkey) -> None:
    board = RedisBoard(valkey.url, "here")
    valkey.command("HSET", KEY, "there", "nonsense")
    valkey.command("HSET", KEY, "elsewhere", "1 2 nonsense")
    assert await board.others() == []
    await board.aclose()


def test_a_database_has_one_name_for_all_that_share_it() -> None:
    assert home_of("postgresql://x/y", "a") == home_of("postgresql://x/y", "b")
    assert home_of("sqlite:///data/x", "a") == "a" == home_of("", "a")
