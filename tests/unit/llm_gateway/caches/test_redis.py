"""Redis's own: a server that is away, slow, or restarted, and calls that are given up."""

import asyncio
import re
import time
from collections.abc import AsyncIterator

import pytest
from tests.unit.llm_gateway.routing.fakes import FakeClock
from tests.valkey import Proxy, Valkey

from llm_gateway.caches.redis import REST_S, RedisStore
from llm_gateway.caching.store import StoreUnavailable


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def proxy(valkey: Valkey) -> AsyncIterator[Proxy]:
    async with Proxy(valkey.port) as proxy:
        yield proxy


@pytest.fixture
async def store(proxy: Proxy, clock: FakeClock) -> AsyncIterator[RedisStore]:
    store = RedisStore(proxy.url, "test", clock, 10, 100_000, timeout_s=20)
    yield store
    await store.aclose()


async def test_a_refused_connection_is_known_at_once_and_not_asked_again_for_a_while(clock: FakeClock) -> None:
    with Valkey() as server:
        server.kill()
        store = RedisStore(server.url, "test", clock, 10, 100_000, timeout_s=60)
        began_s = time.perf_counter()
        with pytest.raises(StoreUnavailable):
            await store.get("a_1")
        assert time.perf_counter() - began_s < 30
        assert not store.healthy
        server.start()
        with pytest.raises(StoreUnavailable):
            await store.get("a_1")
        clock.now_s += REST_S
        assert await store.get("a_1") is None
        assert store.healthy
        await store.aclose()


async def test_a_slow_server_costs_no_more_than_the_time_allowed(valkey: Valkey, clock: FakeClock) -> None:
    async with Proxy(valkey.port) as proxy:
        store = RedisStore(proxy.url, "test", clock, 10, 100_000)
        await store._redis.ping()  # the connection stands
        proxy.delay_s = 60
        began_s = time.perf_counter()
        with pytest.raises(StoreUnavailable):
            await store.get("a_1")
        assert time.perf_counter() - began_s < 30
        await store.aclose()


def scripts_run(valkey: Valkey) -> int:
    """How many scripts the server has run."""
    found = re.search(rb"cmdstat_evalsha:calls=(\d+)", valkey.command("INFO", "commandstats"))
    return int(found[1]) if found else 0


async def test_a_call_that_is_given_up_takes_nobody_else_s_answer(store: RedisStore, proxy: Proxy, valkey: Valkey) -> None:
    await store.put("a_1", b"of a", 60)
    await store.put("b_1", b"of b", 60)
    proxy.delay_s = 1
    before = scripts_run(valkey)
    asked = asyncio.ensure_future(store.get("a_1"))
    async with asyncio.timeout(30):
        while scripts_run(valkey) == before:
            await asyncio.sleep(0.001)
    asked.cancel()  # the server has answered, and the answer is on its way
    await asyncio.gather(asked, return_exceptions=True)
    assert asked.cancelled()
    proxy.delay_s = 0
    for _ in range(5):
        assert await store.get("b_1") == b"of b"
        assert await store.get("a_1") == b"of a"
    assert store.healthy


async def test_an_answer_that_is_cut_off_is_no_answer(store: RedisStore, proxy: Proxy, clock: FakeClock) -> None:
    await store.put("a_1", b"x" * 1000, 60)
    proxy.cut_after = 100
    with pytest.raises(StoreUnavailable):
        await store.get("a_1")
    proxy.cut_after = None
    clock.now_s += REST_S
    assert await store.get("a_1") == b"x" * 1000


async def test_a_server_that_lost_everything_serves_again(valkey: Valkey, clock: FakeClock) -> None:
    store = RedisStore(valkey.url, "test", clock, 10, 100_000, timeout_s=5)
    await store.put("a_1", b"entry", 60)
    valkey.command("FLUSHALL")
    valkey.command("SCRIPT", "FLUSH")
    assert await store.get("a_1") is None
    assert await store.put("a_1", b"entry", 60)
    assert store.size[0] == 1
    await store.aclose()


async def test_entries_that_the_server_evicted_are_forgotten_in_the_index(valkey: Valkey, clock: FakeClock) -> None:
    store = RedisStore(valkey.url, "test", clock, 10, 100_000, timeout_s=5)
    for number in range(10):
        await store.put(f"a_{number}", b"entry", 60)
    for number in range(10):
        await store._redis.delete(f"llmgw:{{test}}:e:a_{number}")
    for number in range(10, 20):
        assert await store.put(f"a_{number}", b"entry", 60)
    assert store.size == (10, sum([owned.bytes for owned in (await store.owners()).values()]))
    await store.aclose()


async def test_stores_of_other_names_and_foreign_keys_are_left_alone(valkey: Valkey, clock: FakeClock) -> None:
    one, other = (RedisStore(valkey.url, name, clock, 10, 100_000, timeout_s=5) for name in ("one", "other"))
    await one.put("a_1", b"one", 60)
    await other.put("a_1", b"other", 60)
    valkey.command("SET", "a_1", "foreign")
    assert await one.clear(lambda _: True) == 1
    assert await other.get("a_1") == b"other"
    assert b"foreign" in valkey.command("GET", "a_1")
    await one.aclose()
    await other.aclose()


async def test_many_at_once_share_the_connections(store: RedisStore, proxy: Proxy) -> None:
    store._timeout_s = 20
    await store.put("a_1", b"entry", 60)
    assert await asyncio.gather(*[store.get("a_1") for _ in range(300)]) == [b"entry"] * 300
    assert proxy.connections <= 32


async def test_valkey_s_own_scheme_is_taken(valkey: Valkey, clock: FakeClock) -> None:
    store = RedisStore(valkey.url.replace("redis://", "valkey://"), "test", clock, 10, 100_000, timeout_s=5)
    assert await store.put("a_1", b"entry", 60)
    await store.aclose()
