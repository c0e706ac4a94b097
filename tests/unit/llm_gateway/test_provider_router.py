import asyncio

import pytest
from tests.unit.llm_gateway.routing.fakes import House, Script, ask, embed, until

from llm_gateway.core.errors import (
    AuditUnavailable,
    Internal,
    InvalidRequest,
    LLMGatewayError,
    NoEligibleProvider,
    Overloaded,
    ProviderBadResponse,
    ProviderInvalidRequest,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    SensitiveContentBlocked,
)
from llm_gateway.core.types import FinishReason, Usage

LOST = ProviderUnavailable("lost", same_again=True, code="connection_lost")
TWO = {"openai": {"priority": 1}, "anthropic": {"priority": 2}}


def down() -> ProviderUnavailable:
    return ProviderUnavailable("down", code="connect", same_again=True)


def late() -> ProviderTimeout:
    return ProviderTimeout("late", code="first_byte")


def outcomes(exchange) -> list[tuple[str, str]]:
    return [(attempt.provider, attempt.outcome) for attempt in exchange.attempts]


class TestWholeAnswers:
    async def test_an_answer_is_passed_on_and_accounted_for(self) -> None:
        house = House(TWO)
        house.script("openai", Script(takes_s=0.5))
        exchange, chunks = await house.run(ask())
        assert "".join(chunk.text for chunk in chunks) == "hello"
        assert exchange.usage == Usage(10, 5)
        assert exchange.cost_usd == pytest.approx(10 * 2.5e-6 + 5 * 10e-6)
        assert exchange.finish_reason is FinishReason.STOP
        assert exchange.chosen is not None
        assert str(exchange.chosen.target) == "openai/gpt-4o"
        assert exchange.upstream_s == pytest.approx(0.5)
        (attempt,) = exchange.attempts
        assert (attempt.outcome, attempt.upstream_status, attempt.duration_s) == ("ok", 200, pytest.approx(0.5))
        assert house.at_rest()

    async def test_the_provider_s_own_cost_counts(self) -> None:
        house = House(TWO)
        house.script("openai", Script(pieces=(b"t hi\nu 10 5\nc 0.25\nend\n",)))
        assert (await house.run(ask()))[0].cost_usd == 0.25

    async def test_an_unknown_price_is_no_price(self) -> None:
        house = House({"mine": {"endpoint": "http://mine.test"}})
        assert (await house.run(ask()))[0].cost_usd is None

    async def test_usage_that_was_not_reported_is_estimated_and_a_reported_nought_stays(self) -> None:
        house = House(TWO)
        house.script("openai", Script(pieces=(b"t 12345678\nend\n",)), Script(pieces=(b"t 12345678\nu 0 0\nend\n",)))
        usage = (await house.run(ask("x" * 40)))[0].usage
        assert usage == Usage(10 + 4, 2, estimated=True)
        assert (await house.run(ask()))[0].usage == Usage(0, 0)

    async def test_embeddings_use_their_own_model(self) -> None:
        house = House(TWO)
        house.script("openai", Script(pieces=(b"e\nu 3 0\nend\n",)))
        _, chunks = await house.run(embed("a"))
        assert house.transport.sent == [("openai", "text-embedding-3-small")]
        assert chunks[0].embeddings == [[1.0]]

    async def test_without_a_clearance_nothing_is_sent(self) -> None:
        house = House(TWO)
        exchange = house.exchange(ask())
        exchange.clearance = None
        with pytest.raises(Internal):
            await house.router(exchange)
        assert house.transport.sent == []

    async def test_a_request_that_changed_after_judgement_is_not_sent_to_anybody(self) -> None:
        house = House(TWO)
        exchange = house.exchange(ask())
        exchange.request = ask("something else")
        with pytest.raises(Internal, match="changed"):
            await house.router(exchange)
        assert house.transport.sent == []
        assert house.at_rest()

    async def test_deadlines_come_from_the_settings_and_never_exceed_what_is_left(self) -> None:
        house = House({"openai": {"timeout": 20, "idle_timeout_s": 7, "connect_timeout_s": 2, "first_byte_timeout_s": 9}})
        await house.run(ask())
        await house.run(ask(stream=True))
        await house.run(ask(), left_s=1.5)
        shapes = [(each.connect_s, each.first_byte_s, each.idle_s, each.total_s) for each in house.transport.deadlines]
        assert shapes == [(2, 9, 7, 20), (2, 9, 7, 60), (1.5, 1.5, 1.5, 1.5)]


class TestFallback:
    async def test_the_next_is_asked_at_once_when_one_cannot_be_reached(self) -> None:
        house = House(TWO)
        house.script("openai", down())
        exchange, _ = await house.run(ask())
        assert outcomes(exchange) == [("openai", "provider_bad_response"), ("anthropic", "ok")]
        assert house.slept == []
        assert house.at_rest()

    async def test_a_named_provider_falls_back_to_the_default_models_of_others(self) -> None:
        house = House(TWO)
        house.script("anthropic", down())
        exchange, _ = await house.run(ask(provider="anthropic"))
        assert house.transport.sent == [("anthropic", "claude-3.5-sonnet"), ("openai", "gpt-4o")]
        assert exchange.decision is not None
        assert "asked for" in exchange.decision.reason

    async def test_not_when_that_is_switched_off(self) -> None:
        house = House(TWO, routing={"explicit_fallback": False})
        house.script("anthropic", late())
        with pytest.raises(ProviderTimeout):
            await house.run(ask(provider="anthropic"))
        assert {name for name, _ in house.transport.sent} == {"anthropic"}

    async def test_a_named_model_falls_back_only_to_those_who_serve_it(self) -> None:
        house = House({"openai": {}, "azure": {"models": ["gpt-4o"], "endpoint": "https://azure.test"}, "anthropic": {}})
        for name in ("openai", "azure"):
            house.script(name, late())
        with pytest.raises(ProviderTimeout):
            await house.run(ask(model="gpt-4o"))
        assert sorted(house.transport.sent) == [("azure", "gpt-4o"), ("openai", "gpt-4o")]

    async def test_no_fallback_leaves_the_clearance(self) -> None:
        house = House()
        for name in ("ollama", "bedrock"):
            house.script(name, late())
        with pytest.raises(ProviderTimeout):
            await house.run(ask(), "ollama", "bedrock")
        assert {name for name, _ in house.transport.sent} == {"ollama", "bedrock"}

    async def test_refused_content_goes_to_the_caller_and_harms_nobody(self) -> None:
        house = House(TWO)
        house.script("openai", Script(400, (b"too rude",)))
        for _ in range(6):
            with pytest.raises(ProviderInvalidRequest, match="too rude"):
                await house.run(ask())
        assert {name for name, _ in house.transport.sent} == {"openai"}
        assert house.router.states()[0].status == "available"

    async def test_a_wire_that_cannot_say_it_is_passed_over_without_an_attempt(self) -> None:
        house = House(TWO)
        house.upstreams["openai"].provider.refuses = InvalidRequest("n: not on this wire", param="n")
        exchange, _ = await house.run(ask())
        assert outcomes(exchange) == [("anthropic", "ok")]
        with pytest.raises(InvalidRequest, match="not on this wire"):
            await house.run(ask(), "openai")
        assert house.at_rest()

    async def test_malformed_answers_are_tried_elsewhere_and_cost_nothing(self) -> None:
        house = House(TWO)
        house.script("openai", Script(pieces=(b"<html>\n",)))
        exchange, _ = await house.run(ask())
        assert outcomes(exchange) == [("openai", "provider_bad_response"), ("anthropic", "ok")]

    async def test_the_most_telling_error_is_raised(self) -> None:
        house = House(TWO)
        cases: list[tuple[LLMGatewayError, LLMGatewayError, type[LLMGatewayError]]] = [
            (late(), late(), ProviderTimeout),
            (late(), ProviderRateLimited("limit"), ProviderTimeout),
            (ProviderBadResponse("bad"), late(), ProviderBadResponse),
            (ProviderRateLimited("limit"), ProviderRateLimited("limit"), ProviderRateLimited),
        ]
        for first, second, expected in cases:
            house = House(TWO)
            house.script("openai", first)
            house.script("anthropic", second)
            with pytest.raises(expected):
                await house.run(ask())
            assert house.at_rest()

    async def test_attempts_are_limited(self) -> None:
        house = House(routing={"max_attempts": 2})
        for name in house.upstreams:
            house.script(name, late())
        with pytest.raises(ProviderTimeout):
            await house.run(ask())
        assert len(house.transport.sent) == 2

    async def test_nothing_is_sent_when_the_time_is_over(self) -> None:
        house = House(TWO)
        with pytest.raises(ProviderTimeout) as caught:
            await house.run(ask(), left_s=0.0)
        assert (caught.value.code, house.transport.sent) == ("total", [])
        house.script("openai", Script(500, (b"",), takes_s=61.0))
        with pytest.raises(ProviderUnavailable):
            await house.run(ask())
        assert [name for name, _ in house.transport.sent] == ["openai"]


class TestRetries:
    async def test_a_failed_call_is_tried_once_more_before_others_are(self) -> None:
        house = House(TWO)
        house.script("openai", Script(500, (b"",)))
        await house.run(ask())
        assert [name for name, _ in house.transport.sent] == ["openai", "openai", "anthropic"]
        assert house.slept == [pytest.approx(0.05)]

    async def test_the_only_target_is_tried_as_often_as_attempts_allow_with_growing_waits(self) -> None:
        house = House({"openai": {}})
        house.script("openai", LOST)
        with pytest.raises(ProviderUnavailable):
            await house.run(ask())
        assert len(house.transport.sent) == 4
        assert house.slept == [pytest.approx(0.05), pytest.approx(0.1), pytest.approx(0.2)]

    async def test_timeouts_are_not_repeated(self) -> None:
        house = House({"openai": {}})
        house.script("openai", late())
        with pytest.raises(ProviderTimeout):
            await house.run(ask())
        assert len(house.transport.sent) == 1

    async def test_a_storm_is_not_amplified_by_more_than_the_budget(self) -> None:
        house = House({"openai": {}}, routing={"breaker_failures": 1_000_000})
        house.script("openai", Script(503, (b"",)))
        requests = 200
        for _ in range(requests):
            with pytest.raises(ProviderUnavailable):
                await house.run(ask())
        assert len(house.transport.sent) <= requests * 1.2 + 5
        assert len(house.transport.sent) > requests

    async def test_no_wait_reaches_beyond_the_deadline(self) -> None:
        house = House({"openai": {}})
        house.script("openai", LOST)
        with pytest.raises(ProviderUnavailable):
            await house.run(ask(), left_s=0.04)
        assert (len(house.transport.sent), house.slept) == (1, [])

    async def test_one_that_came_to_its_limit_in_the_meantime_is_left_alone(self) -> None:
        house = House(TWO)

        async def limit_the_next() -> None:
            house.seat("anthropic").house.limited(20.0, house.clock.now_s)

        house.script("openai", Script(408, (b"",), meanwhile=limit_the_next))
        with pytest.raises(ProviderTimeout):
            await house.run(ask())
        assert [name for name, _ in house.transport.sent] == ["openai"]

    async def test_retry_after_is_waited_for_when_there_is_nobody_else(self) -> None:
        house = House({"openai": {}})
        house.script("openai", Script(429, (b"",), {"retry-after": "3"}), Script())
        await house.run(ask())
        assert house.slept == [pytest.approx(3.0)]

    async def test_a_long_retry_after_is_not_waited_for_and_the_provider_left_alone(self) -> None:
        house = House(TWO)
        house.script("openai", Script(429, (b"",), {"retry-after": "36000"}), Script())
        house.script("anthropic", Script(429, (b"",), {"retry-after": "30"}), Script())
        with pytest.raises(ProviderRateLimited):
            await house.run(ask())
        assert len(house.transport.sent) == 2
        with pytest.raises(RateLimited) as caught:
            await house.run(ask())
        assert caught.value.retry_after_s == pytest.approx(30.0)
        assert len(house.transport.sent) == 2
        house.clock.now_s += 31.0
        exchange, _ = await house.run(ask())
        assert outcomes(exchange) == [("anthropic", "ok")]
        house.clock.now_s += 31.0  # ten hours were asked for; a minute is the most
        exchange, _ = await house.run(ask())
        assert outcomes(exchange) == [("openai", "ok")]


class TestStreams:
    async def test_chunks_come_as_they_are_with_those_before_the_first_content(self) -> None:
        house = House(TWO)
        house.script("openai", Script(pieces=(b"p\n", b"t he\nt l", b"lo\n", b"u 10 5\n", b"end\n")))
        exchange, chunks = await house.run(ask(stream=True))
        assert [chunk.text for chunk in chunks if chunk.text] == ["he", "llo"]
        assert chunks[0].response_id == "made"
        assert (exchange.usage, exchange.finish_reason) == (Usage(10, 5), FinishReason.STOP)
        assert exchange.cost_usd == pytest.approx(10 * 2.5e-6 + 5 * 10e-6)
        assert outcomes(exchange) == [("openai", "ok")]
        assert house.transport.responses[0].closed == 1
        assert house.at_rest()

    async def test_the_account_is_there_when_the_last_chunk_was_read(self) -> None:
        house = House(TWO)
        exchange = house.exchange(ask(stream=True))
        async with exchange:
            async for _ in await house.router(exchange):
                pass
            assert exchange.usage == Usage(10, 5)

    async def test_before_the_first_content_another_answers(self) -> None:
        house = House(TWO)
        house.script("openai", Script(pieces=(b"p\n", late())))
        exchange, chunks = await house.run(ask(stream=True))
        assert outcomes(exchange) == [("openai", "provider_timeout"), ("anthropic", "ok")]
        assert all(not chunk.response_id for chunk in chunks)
        assert house.transport.responses[0].closed == 1
        assert house.at_rest()

    async def test_an_error_status_is_read_and_passed_over(self) -> None:
        house = House(TWO)
        house.script("openai", Script(403, (b"no key",)))
        exchange, _ = await house.run(ask(stream=True))
        assert exchange.attempts[0].upstream_status == 403
        assert house.transport.responses[0].closed == 1

    @pytest.mark.parametrize("cut", [(b"t one two\n", ProviderBadResponse("reset")), (b"t one two\n",)])
    async def test_after_the_first_content_nobody_else_is_asked(self, cut) -> None:
        house = House(TWO)
        house.script("openai", Script(pieces=cut))
        exchange = house.exchange(ask(stream=True))
        got: list[str] = []

        async def read() -> None:
            async with exchange:
                async for chunk in await house.router(exchange):
                    got.append(chunk.text)

        with pytest.raises(ProviderBadResponse):
            await read()
        assert got == ["one two"]
        assert [name for name, _ in house.transport.sent] == ["openai"]
        assert outcomes(exchange) == [("openai", "provider_bad_response")]
        assert exchange.usage is not None
        assert exchange.usage.estimated
        assert exchange.usage.output_tokens == 2
        assert house.transport.responses[0].closed == 1
        assert house.at_rest()

    async def test_a_reader_who_leaves_pays_for_what_was_delivered(self) -> None:
        house = House(TWO)
        house.script("openai", Script(pieces=(b"u 50 1\n", b"t 0123456789abcdef\n", b"t 0123456789abcdef\n", b"end\n")))
        exchange = house.exchange(ask(stream=True))

        async def leave() -> None:
            async with exchange:
                async for chunk in await house.router(exchange):
                    if chunk.text:
                        raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await leave()
        assert exchange.usage == Usage(50, 4, estimated=True)
        assert exchange.cost_usd == pytest.approx(50 * 2.5e-6 + 4 * 10e-6)
        assert outcomes(exchange) == [("openai", "cancelled")]
        assert house.transport.responses[0].closed == 1
        assert house.at_rest()

    async def test_a_reply_that_nobody_reads_is_closed_and_settled(self) -> None:
        house = House(TWO)
        exchange = house.exchange(ask(stream=True))
        async with exchange:
            await house.router(exchange)
        assert outcomes(exchange) == [("openai", "cancelled")]
        assert house.transport.responses[0].closed == 1
        assert house.at_rest()

    async def test_a_provider_that_always_breaks_off_loses_its_circuit(self) -> None:
        house = House({"openai": {}}, routing={"breaker_failures": 3})
        house.script("openai", Script(pieces=(b"t one\n", ProviderBadResponse("reset"))))
        for _ in range(3):
            with pytest.raises(ProviderBadResponse):
                await house.run(ask(stream=True))
        with pytest.raises(NoEligibleProvider):
            await house.run(ask(stream=True))

    async def test_time_to_the_first_content_is_measured(self) -> None:
        house = House(TWO)
        house.script("openai", Script(takes_s=0.3))
        exchange, _ = await house.run(ask(stream=True))
        assert exchange.attempts[0].first_chunk_s == pytest.approx(0.3)
        assert house.router.states()[0].first_chunk_s == pytest.approx(0.3)


class TestHealth:
    async def test_a_circuit_opens_tries_one_call_and_closes(self) -> None:
        house = House({"openai": {}}, routing={"breaker_failures": 3, "breaker_open_s": 10})
        house.script("openai", late(), late(), late(), Script())
        for _ in range(3):
            with pytest.raises(ProviderTimeout):
                await house.run(ask())
        with pytest.raises(NoEligibleProvider) as caught:
            await house.run(ask())
        assert caught.value.retry_after_s == pytest.approx(10.0)
        assert len(house.transport.sent) == 3
        house.clock.now_s += 10.0
        await house.run(ask())
        assert house.router.states()[0].status == "available"

    async def test_only_one_call_tries_a_half_open_circuit(self) -> None:
        house = House({"openai": {}}, routing={"breaker_failures": 1})
        gate = asyncio.Event()
        house.script("openai", late(), Script(meanwhile=gate.wait))
        with pytest.raises(ProviderTimeout):
            await house.run(ask())
        house.clock.now_s += 10.0
        calls = [asyncio.create_task(house.run(ask())) for _ in range(5)]
        await until(lambda: len(house.transport.sent) >= 2)
        gate.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(result, NoEligibleProvider) for result in results) == 4
        assert len(house.transport.sent) == 2
        assert house.at_rest()

    async def test_a_trial_call_that_is_cancelled_lets_another_one_try(self) -> None:
        house = House({"openai": {}}, routing={"breaker_failures": 1})
        house.script("openai", late(), Script(meanwhile=asyncio.Event().wait), Script())
        with pytest.raises(ProviderTimeout):
            await house.run(ask())
        house.clock.now_s += 10.0
        exchange = house.exchange(ask())
        task = asyncio.create_task(house.router(exchange))
        await until(lambda: len(house.transport.sent) >= 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert outcomes(exchange) == [("openai", "cancelled")]
        await house.run(ask())

    async def test_a_refused_key_quarantines_until_a_health_check_succeeds(self) -> None:
        house = House(TWO)
        house.script("openai", Script(401, (b"who are you",)), Script())
        await house.run(ask())
        house.clock.now_s += 3600
        exchange, _ = await house.run(ask())
        assert outcomes(exchange) == [("anthropic", "ok")]
        assert house.router.states()[0].status == "unavailable"
        house.transport.probes["openai"] = Script(401)
        await house.router.probe_all()
        assert house.router.states()[0].status == "unavailable"
        del house.transport.probes["openai"]
        await house.router.probe_all()
        exchange, _ = await house.run(ask())
        assert outcomes(exchange) == [("openai", "ok")]

    async def test_health_checks_find_the_dead_and_the_models(self) -> None:
        house = House({"ollama": {"priority": 1}, "openai": {"priority": 2}})
        house.transport.probes = {"ollama": down(), "openai": Script(pieces=(b"gpt-4o fancy",))}
        await house.router.probe_all()
        first, second = house.router.states()
        assert (first.status, first.checked_wall_s) == ("unavailable", house.clock.wall_s())
        assert second.models[:2] == ("gpt-4o", "fancy")
        assert house.router.any_available()
        exchange, _ = await house.run(ask())
        assert outcomes(exchange) == [("openai", "ok")]
        exchange, _ = await house.run(ask(), "ollama")  # a failed check is no verdict where there is nobody else
        assert outcomes(exchange) == [("ollama", "ok")]
        await house.run(ask(model="fancy"))
        assert house.transport.sent[-1] == ("openai", "fancy")

    async def test_a_provider_that_comes_back_is_tried_before_its_rest_is_over(self) -> None:
        house = House({"openai": {}}, routing={"breaker_failures": 1})
        house.transport.probes["openai"] = down()
        house.script("openai", late(), Script())
        with pytest.raises(ProviderTimeout):
            await house.run(ask())
        await house.router.probe_all()
        with pytest.raises(NoEligibleProvider):
            await house.run(ask())
        del house.transport.probes["openai"]
        await house.router.probe_all()
        await house.run(ask())

    async def test_a_model_that_a_check_finds_at_another_provider_is_found_there(self) -> None:
        house = House({"openai": {}, "mine": {"endpoint": "http://mine.test"}})
        await house.run(ask(model="gpt-4o"))
        house.transport.probes["mine"] = Script(pieces=(b"gpt-4o",))
        await house.router.probe_all()
        exchange, _ = await house.run(ask(model="gpt-4o"))
        assert exchange.decision is not None
        assert {candidate.target.provider for candidate in exchange.decision.ranked} == {"openai", "mine"}

    async def test_a_fault_of_ours_in_one_check_does_not_stop_the_others(self) -> None:
        house = House(TWO)
        house.transport.probes = {"openai": Internal("oops")}
        with pytest.raises(ExceptionGroup):
            await house.router.probe_all()
        assert house.router.states()[1].checked_wall_s is not None

    async def test_a_brown_out_is_ejected_and_asked_again_where_nobody_else_is_left(self) -> None:
        house = House(TWO)
        house.script("openai", Script(takes_s=0.1))
        for _ in range(20):
            await house.run(ask())
        house.script("openai", Script(takes_s=2.0))
        for _ in range(3):
            await house.run(ask())
        exchange, _ = await house.run(ask())
        assert outcomes(exchange) == [("anthropic", "ok")]
        exchange, _ = await house.run(ask(), "openai")
        assert outcomes(exchange) == [("openai", "ok")]

    async def test_what_was_learnt_outlives_a_reload_of_unchanged_settings(self) -> None:
        house = House(TWO, routing={"breaker_failures": 1})
        house.script("openai", late())
        await house.run(ask())
        same = type(house.router)(house.settings, house.upstreams, house, house.router)
        assert {"openai"} == {rejection.provider for rejection in same.decide(ask(), house.clearance(ask())).rejected}
        changed = House({**TWO, "openai": {"priority": 1, "timeout": 7}}, routing={"breaker_failures": 1})
        fresh = type(house.router)(changed.settings, changed.upstreams, house, house.router)
        assert fresh.decide(ask(), changed.clearance(ask())).rejected == ()


class TestPlaces:
    async def test_a_full_provider_is_passed_over_for_one_with_room(self) -> None:
        house = House({"openai": {"priority": 1, "max_concurrency": 1}, "anthropic": {"priority": 2}})
        gate = asyncio.Event()
        house.script("openai", Script(meanwhile=gate.wait))
        first = asyncio.create_task(house.run(ask()))
        await until(lambda: bool(house.transport.sent))
        exchange, _ = await asyncio.wait_for(house.run(ask()), 5)
        assert outcomes(exchange) == [("anthropic", "ok")]
        gate.set()
        await first
        assert house.at_rest()

    async def test_where_nobody_has_room_calls_wait_and_too_many_are_refused(self) -> None:
        house = House({"openai": {"max_concurrency": 1, "max_queue": 1}})
        gate = asyncio.Event()
        house.script("openai", Script(meanwhile=gate.wait))
        running = [asyncio.create_task(house.run(ask())) for _ in range(2)]
        await until(lambda: house.seat("openai").slots.queued == 1)
        with pytest.raises(Overloaded):
            await house.run(ask())
        gate.set()
        await asyncio.gather(*running)
        assert len(house.transport.sent) == 2
        assert house.at_rest()


class TestPolicy:
    async def test_a_forbidden_provider_is_rerouted_and_the_reason_says_so(self) -> None:
        house = House()
        exchange, _ = await house.run(ask(provider="openai", model="gpt-4o"), "ollama")
        assert house.transport.sent == [("ollama", "llama3")]
        assert exchange.decision is not None
        assert "rerouted" in exchange.decision.reason

    async def test_or_refused(self) -> None:
        house = House(settings={"security": {"on_forbidden_provider": "block"}})
        with pytest.raises(SensitiveContentBlocked):
            await house.run(ask(provider="openai"), "ollama")
        with pytest.raises(SensitiveContentBlocked):
            await house.run(ask(model="gpt-4o"), "ollama")
        assert house.transport.sent == []

    @pytest.mark.parametrize("stream", [False, True])
    async def test_sensitive_content_with_every_secure_provider_down_goes_nowhere(self, stream: bool) -> None:
        house = House(routing={"breaker_failures": 1})
        for name in ("ollama", "bedrock"):
            house.script(name, late())
        with pytest.raises(ProviderTimeout):
            await house.run(ask(stream=stream), "ollama", "bedrock")
        with pytest.raises(NoEligibleProvider, match="that may get this content"):
            await house.run(ask(stream=stream), "ollama", "bedrock")
        assert {name for name, _ in house.transport.sent} == {"ollama", "bedrock"}


class TestHook:
    async def test_it_is_called_before_each_attempt_s_bytes_leave(self) -> None:
        seen: list[tuple[str, int]] = []

        async def note(exchange, attempt) -> None:
            seen.append((attempt.provider, len(house.transport.sent)))

        house = House(TWO, before_attempt=note)
        house.script("openai", down())
        await house.run(ask())
        assert seen == [("openai", 0), ("anthropic", 1)]

    async def test_when_it_fails_nothing_leaves(self) -> None:
        async def fail(exchange, attempt) -> None:
            raise AuditUnavailable("the audit log cannot be written")

        house = House(TWO, before_attempt=fail)
        with pytest.raises(AuditUnavailable):
            await house.run(ask())
        assert house.transport.sent == []
        assert house.at_rest()


class TestViews:
    async def test_round_robin_turns_with_each_call_and_not_with_explanations(self) -> None:
        house = House({"a": {}, "b": {}, "c": {}}, routing={"strategy": "round_robin"})
        for _ in range(6):
            house.router.decide(ask(), house.clearance(ask()))
            await house.run(ask())
        assert [name for name, _ in house.transport.sent] == ["a", "b", "c", "a", "b", "c"]

    def test_an_unknown_strategy_is_refused(self) -> None:
        house = House(TWO)
        with pytest.raises(InvalidRequest, match="balanced"):
            house.router.decide(ask(), house.clearance(ask()), "best")

    def test_history_fits_the_smallest_window_that_may_be_asked(self) -> None:
        house = House({"openai": {"context_window": 10_000}, "small": {"context_window": 4_000, "endpoint": "http://s.test"}})
        request = ask("x" * 400, max_tokens=100)
        assert house.router.history_tokens(request) == 3_000 - 104 - 100
        assert house.router.history_tokens(ask("x" * 400, max_tokens=100, provider="openai")) == 7_500 - 104 - 100
        assert house.router.history_tokens(ask(max_tokens=9_000)) == 0

    def test_what_is_not_configured_says_what_it_lacks(self) -> None:
        house = House(TWO, missing={"openai": "an API key: set OPENAI_API_KEY"})
        first, second = house.router.states()
        assert (first.status, first.reason) == ("unconfigured", "an API key: set OPENAI_API_KEY")
        assert second.usd_per_token == pytest.approx(15e-6)
        assert [str(target) for target in house.router.models()] == ["anthropic/claude-3.5-sonnet"]
