"""Every call is counted once, for what it was."""

import asyncio
from collections.abc import Sequence

import pytest

from llm_gateway.core.errors import ClientClosedRequest, InvalidRequest, LLMGatewayError, ProviderTimeout
from llm_gateway.core.exchange import Credentials, Exchange, Reply
from llm_gateway.core.routing import Candidate, Target
from llm_gateway.core.types import ChatRequest, Chunk, Message, Usage
from llm_gateway.metrics_collector import MetricsCollector


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s


async def call(
    metrics: MetricsCollector,
    clock: Clock,
    *,
    fails: BaseException | None = None,
    provider: str = "a",
    cost: float | None = 0.5,
    cache: str = "miss",
) -> None:
    exchange = Exchange(
        ChatRequest(messages=(Message("user", "x"),)),
        correlation_id="gw-1",
        credentials=Credentials(),
        ingress="native",
        received_s=clock.now_s,
        deadline_s=999,
    )

    async def upstream(asked: Exchange) -> Reply:
        clock.now_s += 2
        if fails is not None:
            raise fails
        asked.chosen = Candidate(Target(provider, "m"), 1.0)
        asked.usage, asked.cost_usd, asked.cache_state = Usage(10, 5), cost, cache
        return Reply([Chunk(text="x")])

    try:
        async with exchange:
            await (await metrics(exchange, upstream)).collect()
    except (LLMGatewayError, asyncio.CancelledError):
        return


async def test_the_specified_figures() -> None:
    clock = Clock()
    metrics = MetricsCollector(clock)
    await call(metrics, clock)
    await call(metrics, clock, provider="b", cost=0.25, cache="hit")
    await call(metrics, clock, fails=ProviderTimeout("late"))
    await call(metrics, clock, fails=InvalidRequest("wrong"))
    await call(metrics, clock, fails=asyncio.CancelledError())
    summary = metrics.summary()
    assert summary.total_requests == 5
    assert summary.requests_by_provider == {"a": 1, "b": 1}
    assert summary.average_response_time == pytest.approx(2)
    assert summary.cache_hit_rate == 0.5
    assert summary.error_rate == 25.0  # of the four that did not leave, one failed by our or a provider's fault
    assert summary.errors_by_type == {"provider_timeout": 1, "invalid_request": 1, ClientClosedRequest.error_type: 1}
    assert summary.requests_in_flight == 0


async def test_an_unknown_price_is_counted_and_not_taken_for_nothing() -> None:
    clock = Clock()
    metrics = MetricsCollector(clock)
    await call(metrics, clock, cost=None)
    assert (metrics.summary().total_cost, metrics.summary().unpriced_requests) == (0.0, 1)


def test_uptime_is_the_share_of_time_with_somebody_to_ask() -> None:
    clock = Clock()
    metrics = MetricsCollector(clock)
    assert metrics.summary().uptime_percentage == 100.0
    for available, seconds in ((True, 30), (False, 10), (True, 60)):
        metrics.observe_availability(available=available)
        clock.now_s += seconds
    assert metrics.summary().uptime_percentage == pytest.approx(90.0)


async def test_a_call_is_read_off_soon_by_itself() -> None:
    clock = Clock()
    metrics = MetricsCollector(clock)
    told: list[float] = []
    over = asyncio.Event()

    def tell(calls: Sequence[tuple[Exchange, float]]) -> None:
        told.extend(ended_s - each.received_s for each, ended_s in calls)
        over.set()

    metrics.ended.append(tell)
    for _ in range(100):
        await call(metrics, clock)
    async with asyncio.timeout(30):
        while len(told) < 100:
            over.clear()
            await over.wait()
    assert told == [2.0] * 100
    assert not metrics.rows, "without a recorder nothing is recorded"


async def test_the_lag_of_the_loop_is_measured() -> None:
    ticked = asyncio.Event()

    class Watched(Clock):
        def wall_s(self) -> float:
            ticked.set()
            return super().wall_s()

    metrics = MetricsCollector(Watched())
    ticked.clear()
    metrics.watch_loop()
    async with asyncio.timeout(30):
        await ticked.wait()
    assert metrics.now.lag.count == 1
    metrics.stop_watching()


async def test_waiting_for_the_last_call_ends_with_it_or_with_the_time() -> None:
    clock = Clock()
    metrics = MetricsCollector(clock)
    await metrics.all_ended(within_s=0.01)
    metrics.in_flight = 1
    await metrics.all_ended(within_s=0.01)
    assert metrics.in_flight == 1
