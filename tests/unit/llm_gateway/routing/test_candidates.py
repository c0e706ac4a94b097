from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.llm_gateway.routing.fakes import FIVE, House, ask, embed

from llm_gateway.core.errors import InvalidRequest, LLMGatewayError, NoEligibleProvider, RateLimited, UnknownModel
from llm_gateway.core.settings import StrategyName
from llm_gateway.core.types import Document, Image, Message, ResponseFormat, Text, Tool, ToolResult
from llm_gateway.core.wire import Capabilities
from llm_gateway.provider_router import STRATEGIES
from llm_gateway.routing.candidates import needs_of
from llm_gateway.routing.health import Lane

NAMES = st.sampled_from(FIVE)


def refusal(house: House, request: Any, *names: str) -> LLMGatewayError:
    decision = house.router.decide(request, house.clearance(request, *names))
    assert not decision.ranked
    return house.router._decider.refusal(decision, house.router._moment())


def codes(house: House, request: Any, *names: str) -> dict[str, str]:
    return {rejection.provider: rejection.code for rejection in house.router.decide(request, house.clearance(request, *names)).rejected}


def open_circuit(lane: Lane, now_s: float) -> None:
    for _ in range(5):
        lane.failed(lane.admit(now_s), now_s)


class TestInvariants:
    @settings(max_examples=150, deadline=None)
    @given(
        eligible=st.sets(NAMES, min_size=1),
        missing=st.sets(NAMES),
        ill=st.sets(NAMES),
        limited=st.sets(NAMES),
        unwell=st.sets(NAMES),
        request_=st.sampled_from(
            [
                ask(), ask(stream=True), ask(provider="openai"), ask(model="gpt-4o"), ask(provider="ollama", model="auto"), embed(),
                ask(n=3), ask("x" * 2_000_000), ask(model="bedrock/amazon.nova-pro-v1:0"), embed(provider="bedrock"),
            ]
        ),
        strategy=st.sampled_from(sorted(STRATEGIES)),
        fallback=st.booleans(),
    )  # fmt: skip
    def test_everyone_is_ranked_or_rejected_and_nobody_outside_the_clearance(
        self, eligible, missing, ill, limited, unwell, request_, strategy: StrategyName, fallback: bool
    ) -> None:
        house = House(routing={"strategy": strategy, "explicit_fallback": fallback}, missing=dict.fromkeys(missing, "a key"))
        now_s = house.clock.now_s
        for seat in house.router._roster.seats:
            if seat.name in ill:
                open_circuit(seat.course(seat.chat_model).lane, now_s)
            if seat.name in limited:
                seat.house.limited(5.0, now_s)
            if seat.name in unwell:
                seat.house.alive = False
        clearance = house.clearance(request_, *eligible)
        try:
            decision = house.router.decide(request_, clearance)
        except (InvalidRequest, UnknownModel):  # embeddings of those who have none, a model that nobody usable serves
            return
        ranked = [candidate.target.provider for candidate in decision.ranked]
        rejected = [rejection.provider for rejection in decision.rejected]
        assert sorted(ranked + rejected) == sorted(FIVE)
        assert set(ranked) <= eligible - missing - limited
        assert all(0.0 <= candidate.score <= 1.0 and candidate.reasons and candidate.target.model for candidate in decision.ranked)
        assert decision == house.router.decide(request_, clearance)
        if not ranked:
            error = house.router._decider.refusal(decision, house.router._moment())
            assert error.http_status in {400, 429, 503}
            assert error.message
        elif request_.provider in ranked:
            assert ranked[0] == request_.provider

    def test_nothing_is_ranked_by_a_provider_of_the_same_name_at_another_origin(self) -> None:
        house, other = House({"openai": {}}), House({"openai": {"security_level": "high"}})
        assert house.router.decide(ask(), other.clearance(ask())).ranked == ()


class TestRejections:
    def test_each_says_why(self) -> None:
        house = House(missing={"grok": "an API key: set GROK_API_KEY"}, capabilities={"anthropic": Capabilities(tools=False)})
        house.seat("openai").house.limited(9.0, house.clock.now_s)
        open_circuit(house.seat("ollama").course("llama3").lane, house.clock.now_s)
        request = ask(tools=(Tool("f"),))
        assert codes(house, request, "openai", "anthropic", "ollama") == {
            "grok": "unconfigured",
            "bedrock": "security",
            "anthropic": "capability",
            "openai": "limit",
            "ollama": "health",
        }

    def test_others_than_the_one_named_when_fallback_is_off(self) -> None:
        house = House(routing={"explicit_fallback": False})
        assert set(codes(house, ask(provider="openai")).values()) == {"not_asked"}

    def test_a_named_model_rejects_those_who_do_not_serve_it(self) -> None:
        assert codes(House(), ask(model="gpt-4o")) == dict.fromkeys(("ollama", "anthropic", "bedrock", "grok"), "model")

    def test_a_request_larger_than_the_window(self) -> None:
        house = House({"openai": {"context_window": 1_000}, "anthropic": {}})
        assert codes(house, ask("x" * 4_400)) == {"openai": "context_window"}
        assert codes(house, ask("x" * 2_000)) == {}
        assert codes(house, ask("x" * 2_000, max_tokens=600)) == {"openai": "context_window"}

    def test_a_provider_at_its_own_limit(self) -> None:
        house = House({"openai": {}, "grok": {}}, limited=lambda name: 3.0 if name == "openai" else None)
        assert codes(house, ask()) == {"openai": "limit"}


class TestUnwell:
    def test_an_ejected_target_stands_back_while_there_are_others(self) -> None:
        house = House({"openai": {}, "grok": {}})
        for name in ("openai", "grok"):
            house.seat(name).course(house.seat(name).chat_model).lane.ejected_until_s = house.clock.now_s + 5
            ranked = house.router.decide(ask(), house.clearance(ask())).ranked
            assert {each.target.provider for each in ranked} == ({"grok"} if name == "openai" else {"openai", "grok"})


class TestRefusals:
    def test_secure_providers_down(self) -> None:
        house = House()
        for name in ("ollama", "bedrock"):
            open_circuit(house.seat(name).course(house.seat(name).chat_model).lane, house.clock.now_s)
        house.clock.now_s += 4
        error = refusal(house, ask(), "ollama", "bedrock")
        assert isinstance(error, NoEligibleProvider)
        assert error.retry_after_s == pytest.approx(6.0)
        assert not {"ollama", "bedrock"} & set(error.message.split())

    def test_nobody_may_get_it(self) -> None:
        house = House(missing={"ollama": "x", "bedrock": "x"})
        assert isinstance(refusal(house, ask(), "ollama"), NoEligibleProvider)

    def test_nobody_is_configured(self) -> None:
        assert isinstance(refusal(House(missing=dict.fromkeys(FIVE, "a key")), ask()), NoEligibleProvider)
        assert isinstance(refusal(House({}), ask()), NoEligibleProvider)

    def test_all_at_their_limit(self) -> None:
        house = House({"openai": {}, "grok": {}}, limited=lambda name: 3.0 if name == "openai" else 2.0)
        error = refusal(house, ask())
        assert isinstance(error, RateLimited)
        assert error.retry_after_s == 2.0

    def test_too_large_for_all(self) -> None:
        error = refusal(House({"openai": {"context_window": 10}}), ask("x" * 100))
        assert isinstance(error, InvalidRequest)
        assert error.code == "context_length_exceeded"

    def test_beyond_everybody_s_wire(self) -> None:
        error = refusal(House({"openai": {}}, capabilities={"openai": Capabilities(choices=False)}), ask(n=2))
        assert isinstance(error, InvalidRequest)
        assert "several answers" in error.message


class TestEmbeddings:
    def test_only_those_who_have_them_are_asked(self) -> None:
        house = House()
        ranked = house.router.decide(embed(), house.clearance(embed())).ranked
        assert {str(each.target) for each in ranked} == {
            "ollama/nomic-embed-text", "openai/text-embedding-3-small", "bedrock/amazon.titan-embed-text-v2:0",
        }  # fmt: skip

    def test_a_server_of_another_vendor_has_them_when_its_model_is_known(self) -> None:
        own = {"endpoint": "http://mine.test"}
        house = House({"mine": own, "yours": {**own, "embedding_model": "e5"}})
        ranked = house.router.decide(embed(), house.clearance(embed())).ranked
        assert [str(each.target) for each in ranked] == ["yours/e5"]
        asked = embed(provider="mine", model="bge")
        assert str(house.router.decide(asked, house.clearance(asked)).ranked[0].target) == "mine/bge"

    def test_one_without_is_refused_naming_those_with(self) -> None:
        house = House()
        with pytest.raises(InvalidRequest, match="these have: ollama, openai, bedrock") as caught:
            house.router.decide(embed(provider="anthropic"), house.clearance(embed()))
        assert caught.value.param == "provider"


def test_needs_are_read_off_the_whole_request() -> None:
    picture, page = Image("image/png", "AA=="), Document("text/plain", text="x")
    needs = needs_of(
        ask(
            messages=(Message("user", (Text("x"), picture)), Message("tool", (ToolResult("1", (page,)),))),
            tools=(Tool("f"),), n=2, logprobs=True, response_format=ResponseFormat("json_schema", "a", {}), max_tokens=30,
        )
    )  # fmt: skip
    assert set(needs.features) == {"tools", "json_schema", "logprobs", "choices", "images", "documents"}
    assert (needs.max_output_tokens, needs.output_tokens, needs.embeddings) == (30, 30, False)
    assert needs_of(embed("x")).embeddings


def test_only_the_first_is_explained_on_the_way_of_a_call() -> None:
    house = House()
    decider, strategy = house.router._decider, STRATEGIES["balanced"]
    decision = decider.decide(ask(), house.clearance(ask()), strategy, house.router._moment(), explain=False)
    assert [bool(each.reasons) for each in decision.ranked] == [True, False, False, False, False]
