"""A provider that turned one process away is left alone by all, for as long as it said, and no longer."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
from redis.exceptions import RedisError
from tests.unit.llm_gateway.counters.fakes import FakeClock
from tests.valkey import Valkey

from llm_gateway.counters.rests import PREFIX, SharedRests
from llm_gateway.routing.health import House, Policy

NAMES = ("openai", "grok")


class Process:
    """What one process knows of its providers."""

    def __init__(self, valkey: Valkey) -> None:
        self.clock = FakeClock()
        self.houses = {name: House(Policy()) for name in NAMES}
        self.rests = SharedRests(valkey.url.replace("redis://", "valkey://"), self.clock, lambda: self.houses)

    @property
    def now_s(self) -> float:
        return self.clock.monotonic_s()

    def rest_s(self, name: str = "openai") -> float:
        return max(0.0, self.houses[name].cooled_until_s - self.now_s)


@pytest.fixture
async def three(valkey: Valkey) -> AsyncIterator[tuple[Process, Process, Process]]:
    made = (Process(valkey), Process(valkey), Process(valkey))
    made[1].clock.us += 10**9  # clocks of machines have nothing in common
    yield made
    for each in made:
        await each.rests.aclose()


async def test_what_one_was_told_all_know(three: tuple[Process, Process, Process]) -> None:
    one, other, third = three
    one.houses["openai"].limited(40.0, one.now_s)
    third.houses["grok"].cool(20.0, third.now_s)
    for process in (one, third, other):
        await process.rests.exchange()
    assert 30 < other.rest_s() <= 40.1
    assert (other.houses["openai"].at_limit, other.houses["grok"].at_limit) == (True, False)
    assert 10 < other.rest_s("grok") <= 20.1
    # A longer rest replaces a shorter one, and never the other way round.
    other.houses["openai"].limited(10.0, other.now_s)
    third.houses["openai"].limited(55.0, third.now_s)
    for process in (other, third, one):
        await process.rests.exchange()
    assert 45 < one.rest_s() <= 55.1


async def test_hearing_of_a_rest_does_not_make_it_longer(three: tuple[Process, Process, Process], valkey: Valkey) -> None:
    one, other, _ = three
    one.houses["openai"].limited(30.0, one.now_s)
    await one.rests.exchange()
    for _ in range(5):  # the processes' clocks stand still: whoever told it again would tell of a later end
        await other.rests.exchange()
        await one.rests.exchange()
        await asyncio.sleep(0.02)
    assert int(valkey.command("PTTL", f"{PREFIX}openai")[1:]) < 30_000 - 50
    assert other.rest_s() <= 30.1
    one.clock.us += 31 * 10**6
    valkey.command("DEL", f"{PREFIX}openai")
    await one.rests.exchange()
    assert valkey.command("EXISTS", f"{PREFIX}openai") == b":0\r\n"
    one.houses["openai"].limited(5.0, one.now_s)
    await one.rests.exchange()
    assert valkey.command("EXISTS", f"{PREFIX}openai") == b":1\r\n"


async def test_a_store_that_is_away_is_found_again(capsys: pytest.CaptureFixture[str]) -> None:
    with Valkey() as server:
        process, heard = Process(server), Process(server)
        server.kill()
        with pytest.raises((RedisError, OSError)):
            await process.rests.exchange()
        process.houses["openai"].limited(40.0, process.now_s)
        turns = 0

        async def turn(_: float) -> None:
            nonlocal turns
            turns += 1
            if turns == 3:
                server.start()
            if turns == 6:
                raise asyncio.CancelledError

        process.rests._sleep = turn
        with pytest.raises(asyncio.CancelledError):
            await process.rests.run()
        assert capsys.readouterr().out.count("rests of providers are not shared") == 1
        await heard.rests.exchange()
        await heard.rests.aclose()
        assert 30 < heard.rest_s() <= 40.1


async def test_it_ends_at_whatever_moment_it_is_cancelled(valkey: Valkey) -> None:
    for moments in range(60):
        process = Process(valkey)
        process.rests._sleep = lambda _: asyncio.sleep(0)
        await process.rests.exchange()
        running = asyncio.create_task(process.rests.run())
        for _ in range(moments):
            await asyncio.sleep(0)
        running.cancel()
        ended, _ = await asyncio.wait([running], timeout=5)
        running.cancel()
        assert ended, f"cancelled after {moments} turns of the loop, it went on"
        await process.rests.aclose()  # as `run` does, if it ever began
    gc.collect()  # what was left open says so here, and not in a later test
