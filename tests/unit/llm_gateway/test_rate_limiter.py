import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.llm_gateway.counters.fakes import SECOND, FakeClock
from tests.unit.llm_gateway.routing import fakes as routing

from llm_gateway.core.errors import (
    ClientClosedRequest,
    Cooldown,
    Internal,
    LLMGatewayError,
    ProviderTimeout,
    RateLimited,
)
from llm_gateway.core.exchange import Caller, Credentials, Exchange, Reply
from llm_gateway.core.routing import Attempt
from llm_gateway.core.settings import Settings
from llm_gateway.core.types import ChatRequest, Chunk, Message, Request, SecurityLevel, Usage
from llm_gateway.counters.memory import MemoryCounters
from llm_gateway.rate_limiter import RateLimiter, spread

HEADERS = {
    "ratelimit",
    "ratelimit-policy",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
}


def ask(text: str = "hello", **fields: Any) -> ChatRequest:
    return ChatRequest((Message("user", text),), **fields)


class House:
    """The stage over counters in memory, and what comes after it: a provider that uses `usage`, or fails."""

    def __init__(self, **sections: Any) -> None:
        self.clock = FakeClock()
        self.counters = MemoryCounters(self.clock)
        self.limiter = self.stage(**sections)
        self.usage: Usage | None = Usage(10, 5)
        self.fails: BaseException | None = None
        self.served = 0

    def stage(self, **sections: Any) -> RateLimiter:
        return RateLimiter(Settings.model_validate(sections), self.counters, "run", uniform=lambda: 0.0)

    def exchange(self, request: Request | None = None, caller: Caller | None = None) -> Exchange:
        now_s = self.clock.monotonic_s()
        made = Exchange(
            request or ask(max_tokens=20), correlation_id="same", credentials=Credentials(), ingress="native", received_s=now_s,
            deadline_s=now_s + 60,
        )  # fmt: skip
        made.caller = caller or Caller("alice")
        return made

    async def _serve(self, exchange: Exchange) -> Reply:
        self.served += 1
        exchange.attempts.append(Attempt("openai", "m", SecurityLevel.MEDIUM, "ok", 200, duration_s=1.0))
        if self.fails is not None:
            exchange.attempts[-1].outcome = "cancelled" if isinstance(self.fails, asyncio.CancelledError) else "provider_timeout"
            exchange.attempts[-1].upstream_status = None
            raise self.fails
        exchange.usage = self.usage

        async def chunks() -> AsyncIterator[Chunk]:
            yield Chunk(text="x")

        return Reply(chunks())

    async def run(self, request: Request | None = None, caller: Caller | None = None) -> Exchange:
        exchange = self.exchange(request, caller)
        async with exchange:
            reply = await self.limiter(exchange, self._serve)
            assert [chunk.text async for chunk in reply] == ["x"]
        return exchange

    async def tried(self, who: str) -> "Exchange | LLMGatewayError":
        try:
            return await self.run(caller=Caller(who))
        except LLMGatewayError as refused:
            return refused

    async def refusal(self, request: Request | None = None, caller: Caller | None = None) -> LLMGatewayError:
        with pytest.raises(LLMGatewayError) as caught:
            await self.run(request, caller)
        return caught.value

    async def tokens(self, who: str = "caller:alice") -> tuple[int, int]:
        gauge = await self.counters.read(who)
        return gauge.used, gauge.held


def tier(**limits: Any) -> dict[str, Any]:
    return {"rate_limiting": {"default": limits}}


class TestRequests:
    async def test_of_five_hundred_at_once_exactly_sixty_pass(self) -> None:
        house = House(**tier(burst_limit=1_000))
        results = await asyncio.gather(*[house.run() for _ in range(500)], return_exceptions=True)
        assert sum(isinstance(result, Exchange) for result in results) == 60
        assert {type(result) for result in results} == {Exchange, RateLimited, Cooldown}
        assert house.served == 60

    @given(gaps=st.lists(st.integers(0, 30 * SECOND), min_size=20, max_size=150))
    async def test_no_window_of_a_random_schedule_holds_one_too_many(self, gaps: list[int]) -> None:
        house = House(**tier(burst_limit=3, requests_per_minute=7, requests_per_hour=20, cooldown_seconds=0))
        times: list[int] = []
        for gap in gaps:
            house.clock.us += gap
            try:
                await house.run()
            except RateLimited:
                continue
            times.append(house.clock.us)
        for limit, length in ((3, SECOND), (7, 60 * SECOND), (20, 3600 * SECOND)):
            assert all(sum(end - length < at <= end for at in times) <= limit for end in times)

    async def test_what_all_have_together_is_parted_by_the_weight_of_tiers(self) -> None:
        tiers = {"default": {"burst_limit": 99}, "gold": {"burst_limit": 99, "weight": 3}}
        house = House(rate_limiting=tiers, limits={"overall": {"burst_limit": 8}, "callers": {"ann": "gold"}})
        for _ in range(8):
            await house.run(caller=Caller("bob"))
        for _ in range(10):
            assert "the gateway's limit" in str(await house.refusal(caller=Caller("ann")))
        house.clock.us += SECOND
        served = [who for who in ("bob", "ann") * 8 if not isinstance(await house.tried(who), LLMGatewayError)]
        assert Counter(served) == {"ann": 6, "bob": 2}

    async def test_callers_do_not_touch_each_other(self) -> None:
        house = House(**tier(burst_limit=1))
        await house.run(caller=Caller("alice"))
        await house.run(caller=Caller("bob"))
        assert isinstance(await house.refusal(caller=Caller("alice")), RateLimited)

    async def test_users_of_one_key_are_counted_as_its_owner(self) -> None:
        house = House(**tier(burst_limit=2))
        for user in ("x", "y"):
            await house.run(caller=Caller(f"acme/{user}", key_id="k", owner="acme"))
        assert isinstance(await house.refusal(caller=Caller("acme/z", key_id="k", owner="acme")), RateLimited)

    async def test_a_key_has_limits_of_its_own_inside_its_owner_s(self) -> None:
        house = House(limits={"keys": {"k1": {"requests_per_minute": 1}}})
        await house.run(caller=Caller("acme", key_id="k1", owner="acme"))
        refusal = await house.refusal(caller=Caller("acme", key_id="k1", owner="acme"))
        assert refusal.message == "your key's limit is reached: 1 requests in a minute"
        await house.run(caller=Caller("acme", key_id="k2", owner="acme"))

    async def test_everything_together_has_a_limit(self) -> None:
        house = House(limits={"overall": {"requests_per_minute": 2}})
        await house.run(caller=Caller("a"))
        await house.run(caller=Caller("b"))
        refusal = await house.refusal(caller=Caller("c"))
        assert refusal.message.startswith("the gateway's limit")
        assert (await house.counters.read("caller:c")).counts[1] == 0

    async def test_tiers(self) -> None:
        house = House(rate_limiting={"default": {"burst_limit": 1}, "gold": {"burst_limit": 3}}, limits={"callers": {"carol": "gold"}})
        for caller, times in ((Caller("a"), 1), (Caller("b", tier="gold"), 3), (Caller("carol"), 3)):
            for _ in range(times):
                await house.run(caller=caller)
            assert isinstance(await house.refusal(caller=caller), RateLimited)

    async def test_the_third_refusal_within_a_minute_starts_the_cooldown(self) -> None:
        house = House(**tier(requests_per_minute=1, cooldown_seconds=30))
        await house.run()
        first, second, third = [await house.refusal() for _ in range(3)]
        assert [error.error_type for error in (first, second, third)] == ["rate_limited", "rate_limited", "cooldown"]
        assert (third.http_status, third.retry_after_s) == (429, 60.0)  # the minute is longer than the cooldown
        house.clock.us += 10 * SECOND
        assert (await house.refusal()).retry_after_s == 20.0
        house.clock.us += 50 * SECOND
        await house.run()

    async def test_the_wait_is_what_it_takes(self) -> None:
        house = House(**tier(requests_per_minute=1))
        await house.run()
        house.clock.us += 12_345_678
        error = await house.refusal()
        assert error.retry_after_s == pytest.approx(47.654322)
        assert error.message == "your limit is reached: 1 requests in a minute"
        house.clock.us += 47_654_322
        await house.run()

    async def test_a_reload_keeps_the_counts(self) -> None:
        house = House(**tier(requests_per_minute=2))
        await house.run()
        house.limiter = house.stage(**tier(requests_per_minute=1))
        assert isinstance(await house.refusal(), RateLimited)


class TestTokens:
    async def test_they_are_held_while_a_call_runs_and_charged_at_its_end(self) -> None:
        house = House()
        seen: list[tuple[int, int]] = []

        async def serve(exchange: Exchange) -> Reply:
            seen.append(await house.tokens())
            return await house._serve(exchange)

        exchange = house.exchange(ask("x" * 30, max_tokens=100))
        async with exchange:
            await house.limiter(exchange, serve)
        ((used, held),) = seen
        assert used == 0
        assert 130 <= held <= 180
        assert await house.tokens() == (15, 0)

    async def test_without_max_tokens_the_configured_number_is_held(self) -> None:
        house = House(limits={"answer_tokens": 777})
        exchange = house.exchange(ask(""))
        await house.limiter(exchange, house._serve)
        assert 777 <= (await house.tokens())[1] < 777 + 50

    async def test_never_over_when_the_reserve_is_a_bound(self) -> None:
        house = House(**tier(burst_limit=1_000, requests_per_minute=1_000, tokens_per_minute=1_000, cooldown_seconds=0))
        house.usage = Usage(20, 20)
        results = await asyncio.gather(*[house.run(ask("x", max_tokens=20)) for _ in range(200)], return_exceptions=True)
        done = sum(isinstance(result, Exchange) for result in results)
        assert done * 40 <= 1_000 + 40 * 0
        assert (await house.tokens())[1] == 0

    async def test_a_long_text_whose_bound_is_above_the_limit_gets_all_of_it(self) -> None:
        house = House(**tier(tokens_per_minute=10_000))
        exchange = house.exchange(ask("word " * 4_000, max_tokens=10))
        async with exchange:
            await house.limiter(exchange, house._serve)
            assert await house.tokens() == (0, 10_000)
            assert isinstance(await house.refusal(), RateLimited)
        await house.run()

    async def test_what_can_never_be_granted_is_refused_without_a_wait(self) -> None:
        house = House(**tier(tokens_per_minute=1_000))
        error = await house.refusal(ask(max_tokens=5_000))
        assert (error.http_status, error.code, error.retry_after_s) == (429, "larger_than_limit", None)
        assert "your limit is 1000 in a minute" in error.message
        assert (await house.counters.read("caller:alice")).counts == (0, 0, 0)

    @pytest.mark.parametrize(
        ("failure", "charged"),
        [(ProviderTimeout("late"), False), (asyncio.CancelledError(), True), (Internal("x"), False), (ValueError("x"), False)],
    )
    async def test_every_ending_settles(self, failure: BaseException, charged: bool) -> None:
        house = House()
        house.fails = failure
        with pytest.raises(type(failure)):
            await house.run()
        used, held = await house.tokens()
        assert held == 0
        assert bool(used) == charged

    async def test_a_caller_who_leaves_while_the_reservation_is_on_its_way_holds_nothing(self) -> None:
        house = House()
        granted, reserve = asyncio.Event(), house.counters.reserve_now

        async def slow(*args: Any) -> Any:
            verdict = reserve(*args)
            granted.set()
            await asyncio.Event().wait()
            return verdict

        house.counters.reserve_now = lambda *_: None  # type: ignore[method-assign]
        house.counters.reserve = slow  # type: ignore[method-assign]
        task = asyncio.create_task(house.run())
        await granted.wait()
        assert (await house.tokens())[1] > 0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await house.tokens())[1] == 0

    async def test_a_refused_call_is_not_settled(self) -> None:
        house = House(**tier(requests_per_minute=1))
        settled: list[str] = []
        settle = house.counters.settle

        def noted(name: str, tokens: int | None) -> None:
            settled.append(name)
            settle(name, tokens)

        house.counters.settle = noted  # type: ignore[method-assign]
        await house.run()
        with pytest.raises(RateLimited):
            await house.run()
        assert len(settled) == 1

    @given(
        calls=st.lists(st.tuples(st.sampled_from(["ok", "timeout", "gone", "fault", "nothing"]), st.integers(0, 3 * SECOND)), max_size=40)
    )
    async def test_after_any_mixture_of_endings_nothing_is_held(self, calls: list[tuple[str, int]]) -> None:
        endings: dict[str, BaseException] = {"timeout": ProviderTimeout("x"), "gone": asyncio.CancelledError(), "fault": ValueError("x")}
        house = House(**tier(requests_per_minute=30, burst_limit=5, cooldown_seconds=2))
        for ending, gap in calls:
            house.clock.us += gap
            house.fails, house.usage = endings.get(ending), Usage(3, 4) if ending == "ok" else None
            try:
                await house.run()
            except (LLMGatewayError, asyncio.CancelledError, ValueError):
                continue
        assert house.counters.held() == 0
        assert house.counters.running == 0

    async def test_an_answer_from_the_cache_costs_no_tokens(self) -> None:
        house = House()
        exchange = house.exchange()
        async with exchange:
            await house.limiter(exchange, house._serve)
            exchange.cache_state = "hit"
        assert await house.tokens() == (0, 0)


class TestHeaders:
    async def test_an_answer_says_where_the_caller_stands(self) -> None:
        house = House()
        exchange = await house.run(ask("", max_tokens=100))
        assert set(exchange.all_headers()) == HEADERS
        assert exchange.all_headers()["ratelimit"].startswith('"burst";r=9;t=1, "rpm";r=59;t=60, "rph";r=999;t=3600, "tpm";r=49')
        assert exchange.all_headers()["x-ratelimit-limit-requests"] == "60"
        assert exchange.all_headers()["x-ratelimit-remaining-requests"] == "59"
        assert exchange.all_headers()["x-ratelimit-reset-requests"] == "1m0s"

    async def test_a_refusal_does_too(self) -> None:
        house = House(**tier(requests_per_minute=1))
        await house.run()
        exchange = house.exchange()
        with pytest.raises(RateLimited):
            async with exchange:
                await house.limiter(exchange, house._serve)
        assert set(exchange.all_headers()) == HEADERS
        assert exchange.all_headers()["x-ratelimit-remaining-requests"] == "0"


class TestStatus:
    async def test_it_says_who_is_counted_and_how_far(self) -> None:
        house = House(rate_limiting={"default": {}, "gold": {"burst_limit": 3}})
        caller = Caller("acme/x", tier="gold", key_id="k", owner="acme")
        await house.run(caller=caller)
        status = await house.limiter.status(caller)
        assert (status.who, status.tier, status.rules.requests[0], status.gauge.counts) == ("acme", "gold", 3, (1, 1, 1))
        assert house.limiter.active_callers() == (1, 1)

    async def test_reset(self) -> None:
        house = House(**tier(burst_limit=1))
        await house.run()
        assert await house.limiter.reset("caller", "alice") == "caller:alice"
        await house.run()
        assert await house.limiter.reset("overall") == "overall"


TWO = {"openai": {"priority": 1}, "anthropic": {"priority": 2}}


class Routed:
    """The router with its providers' limits, over fakes."""

    def __init__(self, of: dict[str, dict[str, Any]], **sections: Any) -> None:
        providers = {name: {**TWO[name], "limits": of.get(name, {})} for name in TWO}
        self.admitted: Callable[..., Any]
        self.house = routing.House(providers, settings=sections, limited=self._limited, admit=self._admit)
        self.counters = MemoryCounters(self.house.clock)
        self.limiter = RateLimiter(self.house.settings, self.counters, "run", uniform=lambda: 0.0)

    def _limited(self, name: str) -> float | None:
        return self.limiter.limited(name)

    async def _admit(self, exchange: Exchange, target: Any) -> None:
        waiting = self.limiter.admit(exchange, target)
        if waiting is not None:
            await waiting

    async def provider(self, request: Request | None = None) -> str:
        exchange, _ = await self.house.run(request or routing.ask())
        assert exchange.chosen is not None
        return exchange.chosen.target.provider


class TestProviders:
    async def test_one_at_its_limit_is_passed_over(self) -> None:
        routed = Routed({"openai": {"requests_per_minute": 2}})
        assert [await routed.provider() for _ in range(4)] == ["openai", "openai", "anthropic", "anthropic"]
        routed.house.clock.now_s += 60
        assert await routed.provider() == "openai"

    async def test_the_caller_hears_of_it_only_when_all_are_and_how_long_the_first_takes(self) -> None:
        routed = Routed({"openai": {"requests_per_minute": 1}, "anthropic": {"requests_per_hour": 1}})
        assert [await routed.provider() for _ in range(2)] == ["openai", "anthropic"]
        routed.house.clock.now_s += 15
        with pytest.raises(RateLimited) as caught:
            await routed.provider()
        assert caught.value.retry_after_s == pytest.approx(45)
        assert caught.value.code == "provider_limit"
        assert routed.house.at_rest()

    async def test_never_one_over_though_many_decide_at_the_same_moment(self) -> None:
        routed = Routed({"openai": {"requests_per_minute": 7}, "anthropic": {"requests_per_minute": 5}})
        results = await asyncio.gather(*[routed.provider() for _ in range(50)], return_exceptions=True)
        answered = [result for result in results if isinstance(result, str)]
        assert sorted(answered) == ["anthropic"] * 5 + ["openai"] * 7
        assert all(isinstance(result, RateLimited) for result in results if not isinstance(result, str))
        assert len(routed.house.transport.sent) == 12
        assert routed.house.at_rest()

    async def test_a_limit_that_only_the_reservation_finds_is_another_s_turn_and_no_illness(self) -> None:
        routed = Routed({"openai": {"tokens_per_minute": 100}})
        assert await routed.provider(routing.ask(max_tokens=5_000)) == "anthropic"
        assert await routed.provider(routing.ask("hi", max_tokens=10)) == "openai"
        assert routed.house.at_rest()

    async def test_every_attempt_counts_and_its_tokens_are_settled(self) -> None:
        routed = Routed({"openai": {"requests_per_minute": 10, "tokens_per_minute": 10_000}, "anthropic": {"tokens_per_minute": 10_000}})
        routed.house.script("openai", routing.Script(status=503, pieces=(b"no",), takes_s=0.1))
        assert await routed.provider() == "anthropic"
        openai, anthropic = await routed.counters.read("provider:openai"), await routed.counters.read("provider:anthropic")
        sent = [name for name, _ in routed.house.transport.sent]
        assert (openai.counts[1], openai.used, openai.held) == (sent.count("openai"), 0, 0)
        assert sent.count("openai") == 2  # it got a second chance
        assert (anthropic.used, anthropic.held) == (15, 0)
        assert routed.counters.running == 0

    async def test_streams_are_settled_with_what_they_used(self) -> None:
        routed = Routed({"openai": {"tokens_per_minute": 10_000}})
        assert await routed.provider(routing.ask(stream=True)) == "openai"
        gauge = await routed.counters.read("provider:openai")
        assert (gauge.used, gauge.held) == (15, 0)

    async def test_a_caller_who_leaves_a_stream_pays_for_what_came(self) -> None:
        routed = Routed({"openai": {"tokens_per_minute": 10_000}})
        exchange = routed.house.exchange(routing.ask(stream=True))

        async def leave() -> None:
            async with exchange:
                await routed.house.router(exchange)
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await leave()
        assert isinstance(exchange.failure, ClientClosedRequest)
        gauge = await routed.counters.read("provider:openai")
        assert (gauge.used > 0, gauge.held) == (True, 0)
        assert routed.house.at_rest()

    async def test_models_have_limits_at_one_provider_or_wherever_they_are(self) -> None:
        models = {"openai/gpt-4o": {"requests_per_minute": 1}, "claude-3.5-sonnet": {"requests_per_minute": 2}}
        routed = Routed({}, limits={"models": models})
        assert [await routed.provider() for _ in range(3)] == ["openai", "anthropic", "anthropic"]
        with pytest.raises(RateLimited, match="the model"):
            await routed.provider()

    async def test_without_limits_nothing_is_counted(self) -> None:
        routed = Routed({})
        await routed.provider()
        assert not routed.counters.accounts
        assert routed.limiter.limited("openai") is None


class TestSpread:
    @pytest.mark.parametrize(
        ("wait_s", "uniform", "spread_s"), [(0.4, 0.99, 0.4), (9.5, 0.99, 9.5), (10.0, 0.49, 10.0), (10.0, 0.5, 11.0), (60.0, 0.999, 66.0)]
    )
    def test_callers_who_were_refused_together_do_not_come_back_together(self, wait_s: float, uniform: float, spread_s: float) -> None:
        assert spread(wait_s, lambda: uniform) == spread_s

    @given(st.floats(0, 4_000), st.floats(0, 1, exclude_max=True))
    def test_a_wait_is_never_shorter_and_at_most_a_tenth_longer(self, wait_s: float, uniform: float) -> None:
        assert ceil(wait_s) <= ceil(spread(wait_s, lambda: uniform)) <= ceil(wait_s) + wait_s / 10
