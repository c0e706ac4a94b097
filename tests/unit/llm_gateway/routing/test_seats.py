import pytest
from tests.unit.llm_gateway.routing.fakes import FakeProvider, FakeUpstream, House, ask, destination

from llm_gateway.core.errors import ConfigurationError
from llm_gateway.provider_router import ProviderRouter
from llm_gateway.routing.seats import MAX_LANES


def test_remembered_models_are_bounded_and_the_default_one_stays() -> None:
    house = House({"openai": {}})
    seat = house.seat("openai")
    first = seat.course("gpt-4o")
    for number in range(3 * MAX_LANES):
        seat.course(f"m{number}")
    assert len(seat.lanes()) <= MAX_LANES
    assert seat.course("gpt-4o") is first


def test_ollama_s_latest_is_the_bare_name() -> None:
    seat = House().seat("ollama")
    seat.house.models = ("mistral:latest", "phi3:mini")
    assert (seat.lists("mistral"), seat.lists("phi3"), seat.lists("phi3:mini")) == (True, False, True)
    assert seat.listed() == ["llama3", "mistral:latest", "phi3:mini", "nomic-embed-text"]


def test_a_provider_without_a_model_takes_what_its_server_lists_first() -> None:
    house = House({"mine": {"model": ""}})
    assert house.router.decide(ask(), house.clearance(ask())).ranked == ()
    house.seat("mine").house.models = ("one", "two")
    assert str(house.router.decide(ask(), house.clearance(ask())).ranked[0].target) == "mine/one"


def test_a_translation_for_another_origin_is_refused() -> None:
    house = House({"openai": {}})
    upstream = house.upstreams["openai"]
    wrong = FakeUpstream("openai", "openai", upstream.settings, upstream.destination, FakeProvider("openai", destination("elsewhere")))
    with pytest.raises(ConfigurationError, match="another origin"):
        ProviderRouter(house.settings, {"openai": wrong}, house)
