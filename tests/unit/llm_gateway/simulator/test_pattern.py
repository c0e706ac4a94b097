import re

import pytest

from llm_gateway.simulator.pattern import example_of


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{2}-\d{4}$",
        r"^(foo|bar)+$",
        r"\d{3}-\d{2}-\d{4}",
        r"^#[0-9a-fA-F]{6}$",
        r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
        r"^(?:19|20)\d\d-(?:0[1-9]|1[0-2])$",
        r"^(?P<year>\d{4})(?P<rest>[-/]\d\d){2}$",
        r"^v\d+\.\d+\.\d+$",
        r"^[]x]{3}$",
        r"^\+?[1-9]\d{1,14}$",
        r"",
    ],
)
def test_the_example_matches(pattern: str) -> None:
    assert re.search(pattern, example_of(pattern, "simulated"))


def test_a_wish_that_matches_is_kept() -> None:
    assert example_of(r"^[a-z]+$", "paris") == "paris"


@pytest.mark.parametrize("pattern", ["(", "[", r"(?=unreadable)^$x"])
def test_a_pattern_beyond_it_gives_the_wish(pattern: str) -> None:
    assert example_of(pattern, "wish") == "wish"
