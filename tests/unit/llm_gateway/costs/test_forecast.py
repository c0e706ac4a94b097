"""Forecasts: right where the future is like the past, silent where there is no past, honest about how sure they are."""

import random

import pytest
from benchmarks.forecast import FIRST_DAY, MONTH_DAYS, NAIVE, SHAPES, measure, simulated
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.costs.forecast import MIN_DAYS, forecast, weekday_of

END_H = (FIRST_DAY + MONTH_DAYS) * 24


def known(costs: dict[int, float], now_h: int) -> dict[int, float]:
    return {hour: cost for hour, cost in costs.items() if hour < now_h}


def test_weekdays_are_those_of_the_calendar() -> None:
    assert weekday_of(0) == 3  # 1970-01-01 was a Thursday
    assert weekday_of(FIRST_DAY) == 3  # and so was 2026-01-01


def test_a_steady_cost_goes_on() -> None:
    now_h = (FIRST_DAY + 10) * 24 + 12
    costs = dict.fromkeys(range((FIRST_DAY - 20) * 24, now_h), 2.0)
    found = forecast(costs, min(costs), now_h * 3600)
    assert found.month is not None
    assert found.day is not None
    assert found.month.expected == pytest.approx(MONTH_DAYS * 48, rel=0.02)
    assert found.day.expected == pytest.approx(48, rel=0.02)
    assert found.day.spent == 24
    assert found.month.low < found.month.expected < found.month.high
    assert found.notes == ()


def test_a_working_week_is_seen() -> None:
    shape = SHAPES["working week"]
    friday = FIRST_DAY + 8
    now_h = friday * 24 + 20
    costs = {hour: shape(hour // 24, hour % 24) for hour in range((FIRST_DAY - 25) * 24, END_H)}
    came = sum(cost for hour, cost in costs.items() if hour >= FIRST_DAY * 24)
    found = forecast(known(costs, now_h), (FIRST_DAY - 25) * 24, now_h * 3600)
    assert found.month is not None
    assert found.month.expected == pytest.approx(came, rel=0.05)


def test_too_little_data_is_said_to_be_too_little() -> None:
    for days in range(MIN_DAYS):
        now_h = FIRST_DAY * 24 + days * 24 + 5
        found = forecast(dict.fromkeys(range(FIRST_DAY * 24, now_h), 1.0), FIRST_DAY * 24, now_h * 3600)
        assert (found.day, found.month) == (None, None)
        assert "too little data" in found.why_not
    assert forecast({}, None, 1e9).why_not.startswith("too little data: 0 of")
    nothing_spent = forecast({}, FIRST_DAY * 24, (FIRST_DAY + 20) * 86_400.0)
    assert nothing_spent.month is None


def test_a_short_past_is_noted_and_makes_the_interval_wide() -> None:
    dice = random.Random(1)
    costs = simulated(SHAPES["working week"], dice, 0.2)
    now_h = (FIRST_DAY + 5) * 24
    short = forecast({h: c for h, c in costs.items() if FIRST_DAY * 24 <= h < now_h}, FIRST_DAY * 24, now_h * 3600)
    long = forecast(known(costs, now_h), min(costs), now_h * 3600)
    assert short.month is not None
    assert long.month is not None
    assert "weekdays" in short.notes[0]
    assert (short.month.high - short.month.low) / short.month.expected > (long.month.high - long.month.low) / long.month.expected


def test_a_month_whose_beginning_is_not_on_record_says_so() -> None:
    now_h = (FIRST_DAY + 12) * 24
    first = (FIRST_DAY + 4) * 24
    found = forecast(dict.fromkeys(range(first, now_h), 1.0), first, now_h * 3600)
    assert any("beginning" in note for note in found.notes)


@given(
    st.dictionaries(st.integers((FIRST_DAY - 30) * 24, (FIRST_DAY + 20) * 24), st.floats(0, 1e6), max_size=80),
    st.integers(0, 20 * 24 - 1),
    st.floats(0, 0.999),
)
def test_whatever_the_past_the_figures_are_in_order(costs: dict[int, float], hours: int, passed: float) -> None:
    now_h = FIRST_DAY * 24 + hours
    past = {hour: cost for hour, cost in costs.items() if hour <= now_h}
    found = forecast(past, min(past, default=None), (now_h + passed) * 3600)
    for estimate in (found.day, found.month):
        if estimate is not None:
            assert 0 <= estimate.spent <= estimate.low <= estimate.expected <= estimate.high
            assert estimate.high < 1e12


def test_it_is_better_than_what_people_do_without_it() -> None:
    """A small part of `benchmarks/forecast.py`: docs/costs.md has all of it."""
    found = measure(SHAPES["working week, shrinking 2 % a day"], 2, 30)
    assert found["forecast"] < min(found[name] for name in NAIVE)
    assert found["inside"] >= 60
