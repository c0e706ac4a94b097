"""Stored responses: their owner's alone, in order, for a time."""

import asyncio
from collections.abc import Iterator

import pytest

from llm_gateway.core.errors import InvalidRequest, NotFound
from llm_gateway.core.sealing import Sealer
from llm_gateway.stores.responses import ResponseStore, Stored
from llm_gateway.stores.sql import SqlStore

SEALER = Sealer(b"a secret of tests")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database_url: str, clock: Clock) -> Iterator[ResponseStore]:
    sql = SqlStore(database_url)
    yield ResponseStore(sql, clock, SEALER, days=2, max_turns=3)
    sql.close()


def stored(name: str, previous: str | None = None, owner: str = "ada", *, tainted: bool = False) -> Stored:
    return Stored(name, owner, previous, tainted, [{"role": "user", "content": name}], {"id": name, "output": [{"text": "ü"}]})


async def test_a_chain_is_read_from_its_beginning(store: ResponseStore) -> None:
    await store.add(stored("r1", tainted=True))
    await store.add(stored("r2", "r1"))
    assert await store.chain("r2", "ada") == [stored("r1", tainted=True), stored("r2", "r1")]
    assert await store.read("r2", None) == stored("r2", "r1")


async def test_others_have_none_of_it(store: ResponseStore) -> None:
    await store.add(stored("r1"))
    for ask in (store.read("r1", "bob"), store.chain("r1", "bob"), store.erase("r1", "bob"), store.read("none", "ada")):
        with pytest.raises(NotFound):
            await ask
    await store.add(stored("r2", "r1", "bob"))
    with pytest.raises(NotFound):
        await store.chain("r2", "bob")


async def test_an_erased_one_is_gone(store: ResponseStore) -> None:
    await asyncio.gather(store.add(stored("r1")), store.add(stored("r2", "r1")))
    await store.erase("r1", "ada")
    with pytest.raises(NotFound):
        await store.chain("r2", "ada")


async def test_a_chain_has_an_end(store: ResponseStore) -> None:
    previous = None
    for name in ("r1", "r2", "r3", "r4"):
        await store.add(stored(name, previous))
        previous = name
    assert len(await store.chain("r3", "ada")) == 3
    with pytest.raises(InvalidRequest, match="max_turns"):
        await store.chain("r4", "ada")


async def test_it_is_kept_for_a_time(store: ResponseStore, clock: Clock) -> None:
    await store.add(stored("r1"))
    clock.now_s += 2 * 86_400 - 1
    assert await store.read("r1", "ada")
    clock.now_s += 2
    with pytest.raises(NotFound):
        await store.read("r1", "ada")
    await store.add(stored("r2"))
    with pytest.raises(NotFound):  # and not only hidden
        await ResponseStore(store._store, clock, SEALER, days=99, max_turns=3).read("r1", "ada")
