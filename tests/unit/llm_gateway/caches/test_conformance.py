"""What every kind of store does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from tests.unit.llm_gateway.routing.fakes import FakeClock
from tests.valkey import Valkey

from llm_gateway.caches.memory import MemoryStore
from llm_gateway.caches.redis import RedisStore
from llm_gateway.caching.store import Claimed, Owned, Store
from llm_gateway.core.clock import SystemClock

TTL_S = 100.0


@dataclass
class House:
    """A store, another one that shares its entries if the kind can, and a way to let `BRIEF_S` pass."""

    store: Store
    other: Store
    pass_time: Callable[[], Awaitable[None]]


BRIEF_S = 0.02


@pytest.fixture(params=["memory", "redis"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    if request.param == "memory":
        clock = FakeClock()
        store = MemoryStore(clock, 10, 100_000)

        async def turn() -> None:
            clock.now_s += BRIEF_S

        yield House(store, store, turn)
        return
    server: Valkey = request.getfixturevalue("valkey")
    stores = [RedisStore(server.url, "test", SystemClock(), 10, 100_000, timeout_s=5) for _ in range(2)]

    async def wait() -> None:
        """Until something put now for that long has gone from the server by itself."""
        await stores[0]._redis.set("brief", b"", px=int(BRIEF_S * 1000) + 1)
        for _ in range(1000):
            if not await stores[0]._redis.exists("brief"):
                return
            await asyncio.sleep(0.002)
        raise AssertionError("the server's time stands still")

    yield House(stores[0], stores[1], wait)
    for each in stores:
        await each.aclose()


async def names(store: Store) -> set[str]:
    """All names, by the one way there is to see them: a selection that selects nothing."""
    seen: set[str] = set()

    def look(name: str) -> bool:
        seen.add(name)
        return False

    await store.clear(look)
    return seen


async def test_entries_come_back(house: House) -> None:
    store = house.store
    assert await store.get("a_1") is None
    assert await store.put("a_1", b"\x00\xff entry", TTL_S)
    assert await store.put("ä b*_2", b"", TTL_S)
    assert await house.other.get("a_1") == b"\x00\xff entry"
    assert await house.other.get("ä b*_2") == b""
    assert await store.put("a_1", b"new", TTL_S)
    assert await store.get("a_1") == b"new"
    assert store.size[0] == 2
    assert store.healthy


async def test_an_entry_ends(house: House) -> None:
    store = house.store
    await store.put("a_1", b"entry", BRIEF_S / 2)
    await store.put("a_2", b"entry", TTL_S)
    await house.pass_time()
    assert await store.get("a_1") is None
    assert await store.claim("a_1", b"mine", TTL_S) is None
    await store.sweep()
    assert store.size[0] == 1
    assert await names(store) == {"a_2"}


async def test_sweeping_drops_what_has_ended_and_nothing_else(house: House) -> None:
    store = house.store
    for number in range(4):
        await store.put(f"a_{number}", b"entry", BRIEF_S / 2 if number % 2 else TTL_S)
    assert await store.sweep() <= 2  # some may have ended while others were put
    await house.pass_time()
    await store.sweep()
    entries, taken = store.size
    assert entries == 2
    assert taken == sum([owned.bytes for owned in (await store.owners()).values()])
    assert await names(store) == {"a_0", "a_2"}


async def test_a_removed_entry_is_gone(house: House) -> None:
    store = house.store
    await store.put("a_1", b"entry", TTL_S)
    await store.remove("a_1")
    await store.remove("a_1")
    assert await store.get("a_1") is None
    assert store.size == (0, 0)


async def test_the_least_recently_used_makes_room(house: House) -> None:
    store = house.store
    for number in range(10):
        await store.put(f"a_{number}", b"entry", TTL_S)
    await store.get("a_0")
    await store.claim("a_1", b"mine", TTL_S)  # a look at an entry is a use, too
    for number in range(10, 13):
        await store.put(f"a_{number}", b"entry", TTL_S)
    assert await names(store) == {f"a_{number}" for number in range(13)} - {"a_2", "a_3", "a_4"}
    assert store.size[0] == 10


async def test_bytes_are_bounded_like_entries(house: House) -> None:
    store = house.store
    for number in range(5):
        await store.put(f"a_{number}", b"x" * 24_000, TTL_S)
    assert await names(store) == {"a_1", "a_2", "a_3", "a_4"}
    assert 96_000 < store.size[1] <= 100_000
    assert not await store.put("a_4", b"x" * 100_000, TTL_S)
    assert await names(store) == {"a_1", "a_2", "a_3"}  # what was there of that name is out of date


async def test_new_limits_hold(house: House) -> None:
    store = house.store
    for number in range(6):
        await store.put(f"a_{number}", b"entry", TTL_S)
    store.resize(3, 100_000)
    await store.put("a_6", b"entry", TTL_S)
    assert await names(store) == {"a_4", "a_5", "a_6"}
    store.resize(0, 100_000)
    assert not await store.put("a_7", b"entry", TTL_S)
    assert await store.get("a_7") is None


async def test_a_name_is_claimed_once(house: House) -> None:
    claims = [f"claim {number}".encode() for number in range(20)]
    asked = [(house.store if number % 2 else house.other).claim("a_1", claim, TTL_S) for number, claim in enumerate(claims)]
    answers = await asyncio.gather(*asked)
    assert answers.count(None) == 1
    winner = Claimed(claims[answers.index(None)])
    assert [answer for answer in answers if answer is not None] == [winner] * 19
    assert await house.store.get("a_1") is None
    assert house.store.size == (0, 0)


async def test_a_claim_ends_with_its_entry_its_release_or_its_lease(house: House) -> None:
    store, other = house.store, house.other
    assert await store.claim("a_1", b"mine", TTL_S) is None
    await store.put("a_1", b"entry", TTL_S)
    assert await other.claim("a_1", b"theirs", TTL_S) == b"entry"
    await store.remove("a_1")
    assert await other.claim("a_1", b"theirs", TTL_S) is None
    await store.release("a_1", b"mine")
    assert await store.claim("a_1", b"mine", TTL_S) == Claimed(b"theirs")
    await other.release("a_1", b"theirs")
    assert await store.claim("a_1", b"mine", BRIEF_S / 2) is None
    await house.pass_time()
    assert await other.claim("a_1", b"theirs", TTL_S) is None


async def test_clearing_drops_what_is_selected(house: House) -> None:
    store = house.store
    store.resize(5_000, 100_000_000)
    for number in range(1_200):
        await store.put(f"{'ab'[number % 2]}_{number}", b"entry", TTL_S)
    await store.claim("c_1", b"mine", TTL_S)
    assert await store.clear(lambda name: name.startswith("a_")) == 600
    assert await store.get("a_0") is None
    assert await house.other.get("b_1") == b"entry"
    assert store.size[0] == 600
    assert await store.clear(lambda _: True) == 600
    assert store.size == (0, 0)
    assert await store.claim("c_1", b"theirs", TTL_S) == Claimed(b"mine")


async def test_owners_are_told_apart(house: House) -> None:
    store = house.store
    await store.put("user_1_aa", b"xx", TTL_S)
    await store.put("user_1_bb", b"xx", TTL_S)
    await store.put("user_aa", b"xxx", TTL_S)
    owners = await store.owners()
    assert {name: owned.entries for name, owned in owners.items()} == {"user_1": 2, "user": 1}
    assert sum([owned.bytes for owned in owners.values()]) == store.size[1]
    assert owners["user"] == Owned(1, store.size[1] - owners["user_1"].bytes)
