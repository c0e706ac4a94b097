import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.dashboard import words


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "unknown"),
        (0, "$0"),
        (0.0000042, "$0.000004"),
        (0.0042, "$0.0042"),
        (0.42, "$0.42"),
        (42, "$42.00"),
        (4200.4, "$4,200"),
        ("0.42", "$0.42"),
    ],
)
def test_an_amount_has_the_decimals_that_say_something(value: "float | str | None", said: str) -> None:
    assert words.usd(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (0.0, "0.0 ms"), (0.0123, "12.3 ms"), (0.5, "500 ms"), (2.345, "2.35 s"), (61, "1 min 1 s"), (7300, "2 h 1 min")],
)
def test_a_duration_has_the_unit_that_fits(value: float | None, said: str) -> None:
    assert words.seconds(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0"), (999, "999"), (12_345, "12.3k"), (9_999, "9,999"), (12_000_000, "12.0M"), (1.5, "1.50"), (None, "–")]
)
def test_a_count_is_short(value: float | None, said: str) -> None:
    assert words.compact(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0 %"), (0.004, "0.00 %"), (0.5, "0.50 %"), (12.34, "12.3 %"), (99.5, "99.50 %"), (100, "100 %"), (None, "–")]
)
def test_a_share_never_rounds_up_to_all(value: float | None, said: str) -> None:
    assert words.percent(value) == said


def test_times_are_said_from_now() -> None:
    assert words.ago(1000, 1000.4) == "now"
    assert words.ago(1000, 1061) == "1 min 1 s ago"
    assert words.ago(1000 + 90_000, 1000) == "in 1 d 1 h"
    assert words.iso(0) == "1970-01-01T00:00:00Z"
    assert words.clock(3661.5) == "01:01:01.500"


def test_an_id_is_shown_by_its_ends() -> None:
    assert words.short("gw-01M83W4KFG13GVVYVYVQMZCHAV") == "gw-…VQMZCHAV"
    assert words.short("mine") == "mine"


@given(st.floats(min_value=0, max_value=1e12))
def test_every_number_is_said(value: float) -> None:
    for say in (words.number, words.compact, words.usd, words.percent, words.share, words.seconds, words.size):
        assert say(value)
        assert len(say(value)) < 24
