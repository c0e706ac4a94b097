"""Forecast and recommendations read off each kind of database, of everybody and of one tenant."""

import asyncio
from pathlib import Path

from tests.unit.llm_gateway.metrics.finished_calls import Clock, call
from tests.unit.llm_gateway.metrics.test_book import NOON, Process

from llm_gateway.configuration import load
from llm_gateway.costs.outlook import Outlook
from llm_gateway.ledger import tables
from llm_gateway.ledger.rows import Row
from llm_gateway.ledger.sums import Window
from llm_gateway.stores.sql import SqlStore

HOUR_S = 3_600
DOLLAR = 10**12


def rows() -> list[Row]:
    """A dollar every hour for twenty days, half of it acme's."""
    return [
        Row(
            "p", number, 1, int((NOON - number * HOUR_S) * 1e6), f"c{number}", "u", "acme" if number % 2 else "evil", "", "openai", "m",
            "chat", 1, 1, 0, 0, 0, 0, DOLLAR, "catalogue", "", "ok",
        )
        for number in range(20 * 24)
    ]  # fmt: skip


async def test_the_ledger_is_forecast(database_url: str, tmp_path: Path) -> None:
    store, clock = SqlStore(database_url, migrate=True), Clock(NOON)
    await store.write(lambda connection: tables.put(connection, rows()))
    process = Process(store, clock, "one")
    settings = load(None, {}, {"data_dir": str(tmp_path)}).settings
    outlook = Outlook(settings, process.book, clock)
    found = await outlook.forecast(None)
    assert found.day is not None
    assert 23 < found.day.expected < 26
    assert 12 <= found.day.spent <= 13
    half = await outlook.forecast(Window(0, 1, "caller", "acme"))
    assert half.day is not None
    assert 11 < half.day.expected < 13
    nobody = await outlook.forecast(Window(0, 1, "caller", "nobody"))
    assert nobody.day is None
    await asyncio.to_thread(store.close)


async def test_recommendations_are_the_askers_own(database_url: str, tmp_path: Path) -> None:
    store, clock = SqlStore(database_url, migrate=True), Clock(NOON)
    process = Process(store, clock, "one")
    for number in range(60):
        await process.serve(call(caller="ada", prompt=str(number), max_tokens=9000, tokens=(5, 5)))
    settings = load(None, {}, {"data_dir": str(tmp_path)}).settings
    outlook = Outlook(settings, process.book, clock)
    assert [each.kind for each in await outlook.advice(None)] == ["max_tokens"]
    assert [each.kind for each in await outlook.advice("ada")] == ["max_tokens"]
    assert await outlook.advice("bob") == []
    await asyncio.to_thread(store.close)
