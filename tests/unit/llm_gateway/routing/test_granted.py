"""A key for some providers and models: what routing makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.llm_gateway.routing.fakes import FIVE, MODELS, House, ask, embed

from llm_gateway.core.errors import Forbidden, LLMGatewayError
from llm_gateway.core.routing import Decision
from llm_gateway.core.seal import seal
from llm_gateway.core.types import ChatRequest, EmbeddingRequest


def decide(
    house: House, request: ChatRequest | EmbeddingRequest, providers: set[str] | None = None, models: set[str] | None = None
) -> Decision:
    places = frozenset(upstream.destination for upstream in house.upstreams.values())
    granted = (None if found is None else frozenset(found) for found in (providers, models))
    return house.router.decide(request, seal(request, places, "v1", *granted))


@given(
    st.sets(st.sampled_from(FIVE)),
    st.none() | st.sets(st.sampled_from(["gpt-4o", "gpt-4o-mini", "openai/gpt-4o", "ollama/llama3", "grok-1", "nonsense"])),
    st.sampled_from([ask(), ask(stream=True), embed(), ask(provider="openai"), ask(model="gpt-4o"), ask(provider="xai")]),
)
def test_nobody_and_nothing_beyond_the_key_is_ranked(
    providers: set[str], models: set[str] | None, request_: ChatRequest | EmbeddingRequest
) -> None:
    house = House()
    try:
        decision = decide(house, request_, providers, models)
    except LLMGatewayError as refused:
        assert isinstance(refused, Forbidden)  # noqa: PT017 - either outcome is fine, and each has its rule
        return
    for candidate in decision.ranked:
        target = candidate.target
        assert target.provider in providers
        assert models is None or target.model in models or str(target) in models
        assert models is None or "/" not in target.model or str(target) in models
    assert {no.provider for no in decision.rejected} | {each.target.provider for each in decision.ranked} == set(FIVE)


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (ask(provider="anthropic"), "provider"),
        (ask(provider="claude"), "provider"),
        (ask(model="anthropic/claude-3-5-sonnet-latest"), "model"),
        (ask(provider="openai", model="gpt-4o"), "model"),
        (ask(model="openai/gpt-4o"), "model"),
        (ask(model="gpt-4o"), "model"),
        (ask(model="the-big-one"), "model"),
        (embed(provider="bedrock"), "provider"),
    ],
)
def test_what_a_key_does_not_cover_is_refused_by_name(request_: ChatRequest | EmbeddingRequest, param: str) -> None:
    house = House(settings={"aliases": {"the-big-one": "gpt-4o"}})
    with pytest.raises(Forbidden) as caught:
        decide(house, request_, {"openai", "ollama"}, {"gpt-4o-mini", "ollama/llama3"})
    assert caught.value.param == param


def test_a_provider_without_a_default_that_is_covered_is_asked_for_a_model_that_is() -> None:
    house = House()
    assert MODELS["openai"] != "gpt-4o-mini"
    (first,) = decide(house, ask(), {"openai"}, {"gpt-4o-mini", "text-embedding-3-small"}).ranked
    assert str(first.target) == "openai/gpt-4o-mini"
    (first,) = decide(house, embed(), {"openai"}, {"gpt-4o-mini", "text-embedding-3-large"}).ranked
    assert str(first.target) == "openai/text-embedding-3-large"
    decision = decide(house, ask(), {"openai"}, {"openai/nonsense"})
    assert not decision.ranked
    assert {no.provider: no.code for no in decision.rejected} == dict.fromkeys(FIVE, "forbidden")


def test_a_fallback_stays_within_the_key() -> None:
    house = House()
    decision = decide(house, ask(provider="openai"), {"openai", "ollama"})
    assert {each.target.provider for each in decision.ranked} == {"openai", "ollama"}


def test_a_model_with_a_slash_in_its_name_is_covered_with_its_provider_only() -> None:
    house = House({"openai": {}, "openrouter": {"model": "openai/gpt-4o", "models": ["openai/gpt-4o"]}})
    assert [str(each.target) for each in decide(house, ask(), None, {"openai/gpt-4o"}).ranked] == ["openai/gpt-4o"]
    assert [str(each.target) for each in decide(house, ask(), None, {"openrouter/openai/gpt-4o"}).ranked] == ["openrouter/openai/gpt-4o"]


def test_a_model_covered_at_one_provider_is_not_asked_of_another_that_has_it() -> None:
    house = House({"openai": {"model": "gpt-4o"}, "second": {"model": "gpt-4o"}})
    assert {each.target.provider for each in decide(house, ask(model="gpt-4o")).ranked} == {"openai", "second"}
    decision = decide(house, ask(model="gpt-4o"), None, {"openai/gpt-4o"})
    assert [str(each.target) for each in decision.ranked] == ["openai/gpt-4o"]
    assert [(no.provider, no.code) for no in decision.rejected] == [("second", "forbidden")]
