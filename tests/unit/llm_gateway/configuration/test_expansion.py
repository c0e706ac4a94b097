import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.configuration.expansion import expand

ENVIRON = {"HOST": "ollama", "EMPTY": "", "NESTED": "${HOST}", "DOLLAR": "$"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${HOST}", "ollama"),
        ("http://${HOST}:11434/${HOST}", "http://ollama:11434/ollama"),
        ("${MISSING:-fallback}", "fallback"),
        ("${MISSING:-}", ""),
        ("${EMPTY:-fallback}", "fallback"),
        ("${HOST:-fallback}", "ollama"),
        ("${MISSING:-http://localhost:1/a-b:-c}", "http://localhost:1/a-b:-c"),
        ("$${HOST}", "${HOST}"),
        ("$$${HOST}", "$${HOST}"),
        ("${NESTED}", "${HOST}"),
        ("$HOST costs 5$", "$HOST costs 5$"),
        ("${DOLLAR}{HOST}", "${HOST}"),
    ],
)
def test_variables_are_filled_in_once(text: str, expanded: str) -> None:
    result = expand(text, ENVIRON)
    assert result.text == expanded
    assert not result.unset
    assert not result.malformed


def test_a_variable_without_value_or_default_is_named() -> None:
    assert expand("${MISSING}-${EMPTY}-${HOST}", ENVIRON).unset == ("MISSING", "EMPTY")


@pytest.mark.parametrize("text", ["${", "${}", "${HOST", "${1X}", "${HOST-x}", "${A:-${B}}", "${HO ST}"])
def test_what_is_no_reference_is_malformed(text: str) -> None:
    assert expand(text, ENVIRON).malformed


@given(st.text())
def test_escaping_gives_any_text_back(text: str) -> None:
    assert expand(text.replace("${", "$${"), {}).text == text
