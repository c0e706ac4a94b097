import asyncio
import random

import pytest

from llm_gateway.core.errors import Overloaded
from llm_gateway.routing.concurrency import Slots


async def test_those_who_wait_are_served_in_order_and_newcomers_do_not_overtake() -> None:
    slots, order = Slots("openai", 1, 5), []

    async def use(name: str) -> None:
        await slots.wait(10)
        order.append(name)
        await asyncio.sleep(0)
        slots.give()

    assert slots.take()
    waiting = [asyncio.create_task(use(name)) for name in "abc"]
    await asyncio.sleep(0)
    assert slots.queued == 3
    slots.give()
    assert not slots.take()
    await asyncio.gather(*waiting)
    assert order == ["a", "b", "c"]
    assert (slots.in_flight, slots.queued) == (0, 0)


async def test_a_full_queue_and_a_long_wait_are_refused() -> None:
    slots = Slots("openai", 1, 1)
    assert slots.take()
    first = asyncio.create_task(slots.wait(0.01))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="wait for openai"):
        await slots.wait(10)
    with pytest.raises(Overloaded, match="in time"):
        await first
    slots.give()
    assert (slots.in_flight, slots.queued) == (0, 0)


async def test_a_place_handed_to_one_who_is_cancelled_in_that_moment_is_not_lost() -> None:
    slots = Slots("openai", 1, 5)
    assert slots.take()
    waiting = asyncio.create_task(slots.wait(10))
    await asyncio.sleep(0)
    slots.give()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (slots.in_flight, slots.queued) == (0, 0)


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_is_cancelled_no_place_is_lost_or_made(seed: int) -> None:
    chance = random.Random(seed)
    slots, most = Slots("openai", 3, 10), 0

    async def use() -> None:
        nonlocal most
        await slots.wait(10)
        try:
            most = max(most, slots.in_flight)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        finally:
            slots.give()

    tasks = []
    for _ in range(40):
        tasks.append(asyncio.create_task(use()))
        if chance.random() < 0.5:
            await asyncio.sleep(0)
        if chance.random() < 0.4:
            chance.choice(tasks).cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (slots.in_flight, slots.queued) == (0, 0)
    assert 0 < most <= 3
