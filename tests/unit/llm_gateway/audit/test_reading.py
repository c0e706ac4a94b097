"""The trail of a running gateway: pages, exports, verification."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.llm_gateway.audit.files import harm, store_trail
from tests.unit.llm_gateway.audit.trails import FIRST, KEY, SECOND, trail

from llm_gateway.audit import reading
from llm_gateway.audit.offline import opened
from llm_gateway.audit.reading import TrailReader
from llm_gateway.audit.search import Filters
from llm_gateway.core.errors import Overloaded
from llm_gateway.stores.sql import SqlStore

CALLS = 20
LENGTH = 2 * CALLS + 1


@pytest.fixture
def url(database_url: str) -> str:
    SqlStore(database_url).close()
    store_trail(database_url, trail(CALLS))
    return database_url


@pytest.fixture
def reader(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrailReader]:
    monkeypatch.setattr(reading, "PIECE_ROWS", 7)
    store = SqlStore(url)
    yield TrailReader(store, KEY, asyncio.Lock())
    store.close()


async def test_pages_are_newest_first_without_gaps_or_repeats(reader: TrailReader) -> None:
    seen, after = [], None
    while rows := await reader.page(Filters(), after, 9):
        seen += rows
        after = rows[-1].at_us, rows[-1].chain, rows[-1].seq
    keys = [(row.at_us, row.chain, row.seq) for row in seen]
    assert keys == sorted(keys, reverse=True)
    assert len(set(keys)) == 2 * LENGTH


async def test_a_page_can_be_filtered(reader: TrailReader) -> None:
    rows = await reader.page(Filters(kind="outcome", correlation_id="gw-3", sensitive=False), None, 10)
    assert [(row.chain, row.call) for row in rows] == [(SECOND, 3), (FIRST, 3)]
    assert await reader.page(Filters(caller="x' OR '1'='1"), None, 10) == []


async def test_an_export_can_be_verified_offline(reader: TrailReader, tmp_path: Path) -> None:
    target = tmp_path / "audit.jsonl"
    target.write_bytes(b"".join([piece async for piece in reader.jsonl(Filters())]))
    with opened(target) as found:
        verdict = found.verify(KEY)
    assert verdict.intact
    assert not verdict.partial
    assert verdict.rows == 2 * LENGTH


async def test_csv_has_a_line_for_each_row(reader: TrailReader) -> None:
    text = b"".join([piece async for piece in reader.csv(Filters(kind="intent"))]).decode()
    assert text.count("\r\n") == 1 + 2 * CALLS


async def test_verification_goes_through_all_pieces(reader: TrailReader, url: str) -> None:
    verdict = await reader.verify()
    assert verdict.intact
    assert verdict.rows == 2 * LENGTH
    harm(url, "UPDATE audit SET caller = 'eve' WHERE chain = :chain AND seq = 30", chain=SECOND)
    verdict = await reader.verify()
    assert [(problem.chain, problem.seq) for problem in verdict.problems] == [(SECOND, 30)]


async def test_rows_that_were_removed_meanwhile_do_not_keep_it_for_ever(reader: TrailReader, url: str) -> None:
    harm(url, "DELETE FROM audit WHERE chain = :chain AND seq > 30", chain=SECOND)
    harm(url, "DELETE FROM audit WHERE chain = :chain AND seq = 17", chain=SECOND)
    assert [(problem.chain, problem.seq) for problem in (await reader.verify()).problems] == [(SECOND, 18)]


async def test_one_verification_at_a_time(url: str) -> None:
    store = SqlStore(url)
    busy = asyncio.Lock()
    async with busy:
        with pytest.raises(Overloaded):
            await TrailReader(store, KEY, busy).verify()
    await asyncio.to_thread(store.close)
