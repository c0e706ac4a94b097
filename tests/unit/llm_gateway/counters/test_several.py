"""Four processes on one store: no window of any schedule has one request too many, and nobody is refused who has room."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from random import Random

import pytest
from tests.valkey import Valkey

from llm_gateway.core.counters import Demand, Rules
from llm_gateway.counters.redis import RedisCounters

MINUTE_US = 60_000_000
LIMIT = 60
RULES = Rules((10**6, LIMIT, 10**6), 10**9)
REQUESTS = 1_500


class Clock:
    """The store's time, and that of all processes."""

    def __init__(self) -> None:
        self.us = 10**12

    def monotonic_s(self) -> float:
        return self.us / 1e6

    def wall_s(self) -> float:
        return self.us / 1e6


@pytest.fixture
async def four(valkey: Valkey) -> AsyncIterator[tuple[Clock, list[RedisCounters]]]:
    clock = Clock()
    made = [RedisCounters(valkey.url, clock, replicas=4, timeout_s=5, server_now_us=lambda: clock.us) for _ in range(4)]
    for each in made:
        await each.start()
    yield clock, made
    for each in made:
        await each.aclose()


@pytest.mark.parametrize("seed", range(3))
async def test_never_61_in_any_minute_of_a_random_schedule(four: tuple[Clock, list[RedisCounters]], seed: int) -> None:
    clock, processes = four
    random = Random(seed)
    granted: deque[int] = deque()
    grants = number = 0
    while number < REQUESTS:
        clock.us += random.choice([0, 1, 1_000, 300_000, 2_000_000, random.randrange(20_000_000)])
        while granted and granted[0] <= clock.us - MINUTE_US:
            granted.popleft()
        crowd = random.choice([1, 1, 2, 5, 25])
        asking = [
            random.choice(processes).reserve(f"{seed}-{number + each}", [Demand("caller:a", RULES, 0)], MINUTE_US) for each in range(crowd)
        ]
        verdicts = await asyncio.gather(*asking)
        number += crowd
        let_in = sum(verdict.granted for verdict in verdicts)
        # Exactly as many as the window of a minute that ends now has room for: never one more, and never one less.
        assert let_in == min(crowd, LIMIT - len(granted))
        granted.extend([clock.us] * let_in)
        grants += let_in
    assert LIMIT < grants < REQUESTS
    assert all(each.line.losses == 0 for each in processes)
