"""The store away, slow, cut, emptied: what is promised then, against a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter, sleep

import pytest
from tests.unit.llm_gateway.counters.fakes import LEASE, SECOND, FakeClock, demand
from tests.valkey import Proxy, Valkey

from llm_gateway.core.clock import SystemClock
from llm_gateway.core.counters import MINUTE_US, Demand, Rules
from llm_gateway.counters.redis import PREFIX, RedisCounters

RULES = Rules((1_000, 40, 1_000), 10**6)
NO_HANG_S = 30.0
"""Far above the 50 ms that an operation may take: this machine may be busy."""


@pytest.fixture
def server() -> AsyncIterator[Valkey]:
    with Valkey() as own:
        yield own  # type: ignore[misc]


@asynccontextmanager
async def counters(
    url: str, clock: object | None = None, *, replicas: int = 1, timeout_s: float = 2, **more: object
) -> AsyncIterator[RedisCounters]:
    made = RedisCounters(url, clock or SystemClock(), replicas=replicas, timeout_s=timeout_s, sleep=quickly, **more)  # type: ignore[arg-type]
    await made.start()
    try:
        yield made
    finally:
        await made.aclose()


async def quickly(seconds: float) -> None:
    await asyncio.sleep(seconds / 50)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def ask(store: RedisCounters, name: str, scope: str = "caller:a", rules: Rules = RULES, hold: int = 0) -> bool:
    begun = perf_counter()
    verdict = await store.reserve(name, [Demand(scope, rules, hold)], LEASE)
    assert perf_counter() - begun < NO_HANG_S
    return verdict.granted


async def flood(store: RedisCounters, prefix: str, times: int = 100, hold: int = 0) -> int:
    return sum(await asyncio.gather(*[ask(store, f"{prefix}{number}", hold=hold) for number in range(times)]))


async def test_the_server_s_own_time_is_used(valkey: Valkey) -> None:
    async with counters(valkey.url, timeout_s=5) as store:
        assert await flood(store, "a") == 40
        gauge = await store.read("caller:a")
        assert 0 < gauge.frees_us[1] <= MINUTE_US


async def test_replicas_share_one_count(valkey: Valkey) -> None:
    async with counters(valkey.url, timeout_s=5) as one, counters(valkey.url, timeout_s=5) as two:
        assert await flood(one, "first", 25) == 25
        granted = await asyncio.gather(flood(one, "one"), flood(two, "two"))
        assert sum(granted) == 15
        assert (await one.read("caller:a")).counts == (await two.read("caller:a")).counts


@pytest.mark.parametrize("replicas", [1, 4])
async def test_killed_it_is_done_without_by_the_share_and_known_grants_count(server: Valkey, replicas: int) -> None:
    async with counters(server.url, replicas=replicas) as store:
        before = await flood(store, "before", 4)
        assert before == 4
        server.kill()
        during = await flood(store, "during")
        assert not store.line.up
        assert before + during == 40 // replicas
        server.start()
        await until(lambda: store.line.up)
        assert await flood(store, "after") == 40 - before - during  # the new store was told what the old one knew


async def test_without_a_store_at_the_start_the_share_counts_until_it_comes(server: Valkey) -> None:
    server.kill()
    async with counters(server.url, replicas=2) as store:
        assert not store.line.up
        assert await flood(store, "alone") == 20
        assert store.line.losses == 1
        server.start()
        await until(lambda: store.line.up)
        await until(lambda: store.line.idle)
        assert await flood(store, "after") == 20


async def test_frozen_it_costs_one_timeout_and_then_nothing(server: Valkey) -> None:
    async with counters(server.url) as store:
        assert await flood(store, "before", 10, hold=7) == 10
        store.line._timeout_s = 0.05
        server.pause()
        begun = perf_counter()
        assert await flood(store, "during", 20, hold=7) == 20
        first_s = perf_counter() - begun
        assert not store.line.up
        assert await flood(store, "later", 5, hold=7) == 5
        assert first_s < NO_HANG_S
        assert store.line.losses == 1
        store.line._timeout_s = 20
        server.resume()
        await until(lambda: store.line.up)
        await until(lambda: store.line.idle)
        # What the frozen server found in its socket may have been counted too: it can be too few then, never too many.
        assert await flood(store, "after") <= 5
        for name in ["before", "during", "later", "after"]:
            for number in range(20):
                store.settle(f"{name}{number}", 0)
        await until(lambda: store.line.idle)
        assert (await store.read("caller:a")).held == 0
        assert server.command("ZCARD", f"{PREFIX}leases") == b":0\r\n"


async def test_emptied_it_is_told_what_was_granted_here(server: Valkey) -> None:
    async with counters(server.url, timeout_s=2) as store:
        assert await flood(store, "before", 30) == 30
        server.command("FLUSHALL")
        assert await ask(store, "notices")
        await until(lambda: store.line.idle)
        assert await flood(store, "after") == 9
        assert (await store.read("caller:a")).counts[1] == 40


async def test_tokens_used_while_it_was_away_are_told(server: Valkey) -> None:
    rules = Rules(tokens=1_000)
    async with counters(server.url) as store:
        assert await ask(store, "held", rules=rules, hold=400)
        server.kill()
        assert await ask(store, "alone", rules=rules, hold=300)
        assert not await ask(store, "more", rules=rules, hold=400)
        store.settle("alone", 250)
        server.start()
        await until(lambda: store.line.up)
        await until(lambda: store.line.idle)
        gauge = await store.read("caller:a")
        assert (gauge.used, gauge.counts[1]) == (250, 2)
        store.settle("held", 100)
        assert store.local.held() == 0


async def test_settled_while_it_is_away_it_is_told_later(server: Valkey) -> None:
    async with counters(server.url) as store:
        assert await ask(store, "a", hold=500)
        store.line._timeout_s = 0.05
        server.pause()
        store.settle("a", 70)
        await until(lambda: not store.line.up)
        store.line._timeout_s = 20
        server.resume()
        await until(lambda: store.line.up)
        await until(lambda: store.line.idle)
        gauge = await store.read("caller:a")
        assert (gauge.used, gauge.held) == (70, 0)


async def test_a_late_answer_costs_the_connection_and_reaches_nobody(valkey: Valkey) -> None:
    async with Proxy(valkey.port) as proxy, counters(proxy.url, timeout_s=0.1) as store:
        assert await ask(store, "a")
        proxy.delay_s = 0.4
        assert await flood(store, "slow", 30) == 30
        assert not store.line.up
        proxy.delay_s = 0.0
        await until(lambda: store.line.up)
        assert proxy.connections >= 2
        # An answer meant for somebody else would be of another account.
        for number in range(20):
            gauge = (await store.reserve(f"f{number}", [Demand(f"caller:f{number}", RULES, number)], LEASE)).gauge
            assert (gauge.counts[1], gauge.held) == (1, number)


async def test_cut_in_the_middle_of_an_answer_it_is_lost(valkey: Valkey) -> None:
    async with Proxy(valkey.port) as proxy, counters(proxy.url) as store:
        proxy.cut_after = 7
        assert await flood(store, "cut", 10) == 10
        assert not store.line.up
        proxy.cut_after = None
        await until(lambda: store.line.up)
        assert await ask(store, "whole", "caller:b")


async def test_who_leaves_while_waiting_disturbs_nobody_and_holds_nothing(valkey: Valkey) -> None:
    async with counters(valkey.url, timeout_s=5) as store:

        async def one(number: int) -> None:
            name = f"n{number}"
            try:
                gauge = (await store.reserve(name, [Demand(f"caller:{number}", RULES, 10)], LEASE)).gauge
                assert (gauge.counts[1], gauge.held) == (1, 10)
            finally:
                store.settle(name, 0)

        tasks = [asyncio.create_task(one(number)) for number in range(300)]
        for turn in range(4):
            await asyncio.sleep(0)
            for task in tasks[turn::7]:
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} == {asyncio.CancelledError, type(None)}
        assert store.line.losses == 0
        for number in range(300):
            assert (await store.read(f"caller:{number}")).held == 0
        assert valkey.command("ZCARD", f"{PREFIX}leases") == b":0\r\n"


async def test_a_reservation_that_arrives_after_its_end_finds_a_tombstone(valkey: Valkey) -> None:
    async with counters(valkey.url, timeout_s=5) as store:
        await store.line.ask((b"settle", "late", 0, 1), ())
        assert not await ask(store, "late", hold=50)
        assert (await store.read("caller:a")).held == 0


async def test_the_server_s_clock_set_back_neither_grants_more_nor_locks_for_longer_than_a_window(valkey: Valkey) -> None:
    clock = FakeClock()
    async with counters(valkey.url, clock, timeout_s=5, server_now_us=lambda: clock.us) as store:
        for number in range(5):
            assert (await store.reserve(f"a{number}", [demand("caller:a", 10)], LEASE)).granted
            store.settle(f"a{number}", 10)
            clock.us += SECOND
        for number in range(3):
            await store.reserve(f"r{number}", [demand()], LEASE)
        assert (await store.read("caller:a")).cooldown_us == 20 * SECOND
        clock.us -= 3_600 * SECOND
        gauge = await store.read("caller:a")
        assert gauge.counts == (5, 5, 5)
        assert gauge.cooldown_us == 20 * SECOND
        assert gauge.used == 50
        clock.us += MINUTE_US
        assert (await store.reserve("later", [demand()], LEASE)).granted
        assert (await store.read("caller:a")).used in {0, 50}  # in the slot that ends a quarter of a second later


async def test_a_store_that_takes_no_writes_is_done_without(server: Valkey) -> None:
    async with counters(server.url, timeout_s=2) as store:
        assert await ask(store, "a")
        server.command("REPLICAOF", "127.0.0.1", "1")
        assert await flood(store, "readonly") == 39
        assert not store.line.up
        losses = store.line.losses
        await asyncio.sleep(0.05)
        assert (store.line.up, store.line.losses) == (False, losses)
        server.command("REPLICAOF", "NO", "ONE")
        await until(lambda: store.line.up)
        assert not await ask(store, "b")


async def test_its_keys_expire(valkey: Valkey) -> None:
    async with counters(valkey.url, timeout_s=5) as store:
        await ask(store, "a", hold=10)
        store.settle("a", 5)
        await ask(store, "b", hold=10)
        for key in ("caller:a:a", "caller:a:q", "caller:a:u", "r:b"):
            (line,) = valkey.command("PTTL", PREFIX + key).splitlines()
            assert 0 < int(line[1:]) <= 4_000_000, key


async def test_a_password_in_the_url_stands_in_no_log_and_no_repr(capsys: pytest.CaptureFixture[str]) -> None:
    async with counters("redis://:hunter2@127.0.0.1:1/0") as store:
        assert await ask(store, "a")
        assert "hunter2" not in repr(store) + repr(store.line._pool)
    assert "hunter2" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("steps", [0, 1, 3])
async def test_a_loop_that_is_busy_is_not_held_against_the_store(valkey: Valkey, steps: int) -> None:
    async with counters(valkey.url, timeout_s=0.3) as store:
        for number in range(2):
            asking = asyncio.ensure_future(ask(store, f"{steps}-{number}"))
            for _ in range(steps):
                await asyncio.sleep(0)
            sleep(0.5)  # noqa: ASYNC251 - what keeps the loop from turning
            assert await asking
        assert (store.line.losses, store.line.up) == (0, True)
