import pytest

from llm_gateway.configuration.shape import Path, expected, find, is_secret, leaves, path_text, unknown_key
from llm_gateway.core.settings import ServerSettings, Settings


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (("server", "port"), "a whole number from 0 to 65535"),
        (("server", "max_messages"), "a whole number from 1 on"),
        (("server", "drain_s"), "a number above 0 up to 86400"),
        (("server", "host"), "text that is not empty"),
        (("security", "auto_classification"), "true or false"),
        (("providers", "x", "cost_per_token"), "a number from 0 on"),
        (("providers", "x", "security_level"), "low, medium or high"),
        (("providers", "x", "models"), "a list of text"),
        (("providers", "x", "models", 0), "text"),
        (("providers", "x", "api_key"), "text"),
        (("providers", "x", "priority"), "a whole number"),
        (("services", "memory_agent", "routes", "x"), "a method and a path, like `POST /api/v1/search`"),
        (("cache",), "a section (indented lines of `key: value`)"),
    ],
)
def test_what_a_setting_takes_in_words(path: Path, words: str) -> None:
    place = find(path)
    assert place is not None
    assert expected(place) == words


@pytest.mark.parametrize("path", [("servr",), ("server", "prt"), ("server", "port", "x"), ("services", "nobody"), ("providers", "x", "y")])
def test_places_that_there_are_not(path: Path) -> None:
    assert find(path) is None


def test_names_with_other_signs_are_quoted() -> None:
    assert path_text(("providers", "a-b", "prices", "gpt-4.1", "input")) == 'providers.a-b.prices."gpt-4.1".input'


def test_an_unknown_key_is_told_the_likely_right_one() -> None:
    assert unknown_key(("server", "prt"), ServerSettings.model_fields) == "unknown key; did you mean `port`?"
    assert unknown_key(("server", "Data-Dir"), ServerSettings.model_fields) == "unknown key; did you mean `data_dir`?"
    assert unknown_key(("strategy",), Settings.model_fields) == "unknown key here; did you mean `routing.strategy`?"
    assert unknown_key(("zzz",), ("a", "b")) == "unknown key; there are a, b"


def test_every_setting_is_described() -> None:
    nameless = [
        path_text(path)
        for path, _ in leaves(Settings.model_validate({"providers": {"p": {}}, "services": {"doc_store": {}}}))
        if (place := find(path)) is None or place.field is None or not place.field.description
    ]
    assert nameless == []


def test_secret_places() -> None:
    assert is_secret(("providers", "x", "api_key"))
    assert is_secret(("providers", "x", "headers", "anything"))
    assert is_secret(("auth", "admin_token"))
    assert not is_secret(("providers", "x", "model"))
