import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.llm_gateway.routing.fakes import House, Script

from llm_gateway.core.errors import ConfigurationError, InvalidRequest, UnknownModel, UnknownProvider
from llm_gateway.routing.names import MAX_WISHES, Wish, check_aliases

ALIASES = {"fast": "quick", "quick": "openai/gpt-4o-mini", "smart": "claude-3.5-sonnet", "oai": "openai", "maze": "fast"}


def names(**kwargs):
    return House(**kwargs).router._decider.names


@pytest.fixture(scope="module")
def five():
    return names(settings={"aliases": ALIASES})


def test_nothing_and_auto_leave_it_open(five) -> None:
    assert {five.wish(provider, model) for provider in (None, "auto") for model in (None, "auto")} == {Wish()}


def test_a_provider_keeps_its_default_model(five) -> None:
    assert five.wish("openai", None) == five.wish(None, "openai/auto") == Wish("openai")
    assert five.wish("xai", None) == Wish("grok")


def test_a_prefixed_model(five) -> None:
    assert five.wish(None, "openai/gpt-4o") == Wish("openai", "gpt-4o", frozenset({"openai"}))
    assert five.wish("openai", "openai/gpt-4o") == Wish("openai", "gpt-4o", frozenset({"openai"}))
    assert five.wish(None, "oai/gpt-4o").provider == "openai"
    assert five.wish(None, "aws/amazon.nova-pro-v1:0").provider == "bedrock"


def test_a_slash_inside_a_model_s_own_name_stays() -> None:
    served = names(providers={"vllm": {"models": ["meta/llama"], "endpoint": "http://v.test"}, "router": {"endpoint": "http://r.test"}})
    assert served.wish(None, "meta/llama") == Wish("", "meta/llama", frozenset({"vllm"}))
    assert served.wish("router", "openai/gpt-4o").model == "openai/gpt-4o"


def test_aliases_may_lead_to_aliases(five) -> None:
    assert five.wish(None, "maze") == five.wish(None, "fast") == Wish("openai", "gpt-4o-mini", frozenset({"openai"}))
    assert five.wish("anthropic", "smart").model == "claude-3.5-sonnet"


def test_an_alias_of_one_provider_s_model_is_not_asked_of_another(five) -> None:
    with pytest.raises(InvalidRequest, match="'fast' is a model of openai"):
        five.wish("anthropic", "fast")


def test_aliases_in_a_circle_stop_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"aliases\.a"):
        check_aliases({"a": "b", "b": "c", "c": "a"})
    with pytest.raises(ConfigurationError, match="circle"):
        names(settings={"aliases": {"x": "x"}})


@given(st.dictionaries(st.sampled_from("abcde"), st.sampled_from("abcdexyz")))
def test_aliases_that_are_accepted_all_end(aliases: dict[str, str]) -> None:
    try:
        check_aliases(aliases)
    except ConfigurationError:
        return
    for name in aliases:
        meant = name
        for _ in aliases:
            meant = aliases.get(meant, meant)
        assert meant not in aliases


def test_a_bare_name_belongs_to_those_who_list_it_and_to_its_vendor() -> None:
    house = House(
        {
            "openai": {},
            "anthropic": {},
            "azure": {"endpoint": "http://a.test", "models": ["gpt-4o"]},
            "other": {"endpoint": "http://o.test"},
        }
    )
    assert house.router._decider.names.wish(None, "gpt-4o").serving == {"openai", "azure"}
    assert house.router._decider.names.wish(None, "claude-opus-4-1").serving == {"anthropic"}


async def test_a_bare_name_belongs_to_those_whose_health_check_lists_it() -> None:
    house = House()
    house.transport.probes = {"ollama": Script(pieces=(b"mistral:latest phi3:mini",))}
    with pytest.raises(UnknownModel):
        house.router._decider.names.wish(None, "mistral")
    await house.router.probe_all()
    assert house.router._decider.names.wish(None, "mistral").serving == {"ollama"}
    assert house.router._decider.names.wish("ollama", "phi3:mini").model == "phi3:mini"
    with pytest.raises(UnknownModel, match="ollama has not got"):
        house.router._decider.names.wish("ollama", "gemma")


def test_a_closed_list_is_closed() -> None:
    closed = names(providers={"openai": {"models": ["gpt-4o-mini"]}})
    with pytest.raises(UnknownModel, match="gpt-4o-mini"):
        closed.wish("openai", "gpt-5")


def test_an_open_provider_is_asked_for_models_that_nobody_lists(five) -> None:
    assert five.wish("openai", "ft:gpt-4o:us:1").provider == "openai"


def test_what_does_not_exist_is_named_with_what_does(five) -> None:
    with pytest.raises(UnknownProvider, match="ollama, openai, anthropic, bedrock, grok") as caught:
        five.wish("nobody", None)
    assert caught.value.param == "provider"
    with pytest.raises(UnknownModel, match=r"there are: llama3, ") as unknown:
        five.wish(None, "llama33")
    assert unknown.value.param == "model"


@given(st.one_of(st.none(), st.text(max_size=30)), st.one_of(st.none(), st.text(max_size=300)))
def test_any_text_gives_a_wish_or_a_clear_error(five, provider: str | None, model: str | None) -> None:
    try:
        wish = five.wish(provider, model)
    except (InvalidRequest, UnknownModel, UnknownProvider) as error:
        said = error.message
    else:
        said = wish.provider
        assert wish.provider in {"", *five._roster.names}
    assert len(said) < 1_000


def test_memory_of_names_is_bounded(five) -> None:
    for number in range(MAX_WISHES + 10):
        five.wish("openai", f"model-{number}")
    assert len(five._known) <= MAX_WISHES
