import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.caching.pattern import matcher
from llm_gateway.core.errors import InvalidRequest


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("user123_*", "user123_0af3", True),
        ("user123_*", "user1234_0af3", False),
        ("user123_*", "xuser123_0af3", False),
        ("*", "", True),
        ("?", "ä", True),
        ("?", "", False),
        ("a*c*e", "abcde", True),
        ("a*c*e", "abde", False),
        ("a.c", "abc", False),
        ("(a|b)[x]+", "(a|b)[x]+", True),
        ("*\n*", "a\nb", True),
        ("a*", "a\nb", True),
        ("user\\*", "user\\x", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_patterns(pattern: str, name: str, matches: bool) -> None:
    assert matcher(pattern)(name) is matches


@given(st.text("ab*?._", max_size=8), st.text("ab._", max_size=12))
def test_stars_and_question_marks_mean_what_they_do_elsewhere(pattern: str, name: str) -> None:
    assert matcher(pattern)(name) == fnmatch.fnmatchcase(name, pattern)


def test_no_pattern_is_slow() -> None:
    matches = matcher("*a" * 250 + "b")
    began_s = time.perf_counter()
    assert not matches("a" * 20_000)
    assert time.perf_counter() - began_s < 2


def test_a_long_pattern_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="at most 512"):
        matcher("*" * 513)
