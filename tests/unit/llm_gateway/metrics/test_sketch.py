"""Distributions: percentiles within the stated error, and merging loses nothing."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.metrics.sketch import COUNTS, RELATIVE_ERROR, SECONDS, Sketch, counts

values = st.lists(st.floats(1e-6, 1e5), min_size=1, max_size=300)


def of(numbers: list[float], base: float = SECONDS) -> Sketch:
    sketch = Sketch(base)
    for number in numbers:
        sketch.add(number)
    return sketch


@given(values, st.floats(0, 1))
def test_a_quantile_is_near_a_value_that_was_there(numbers: list[float], share: float) -> None:
    exact = sorted(numbers)[max(ceil(share * len(numbers)), 1) - 1]
    found = of(numbers).quantile(share)
    assert found is not None
    assert abs(found - exact) <= exact * (RELATIVE_ERROR + 1e-9)


def test_the_stated_error_is_about_one_percent() -> None:
    assert 0.01 < RELATIVE_ERROR < 0.011


@given(values, values)
def test_merging_is_adding_all_values(left: list[float], right: list[float]) -> None:
    merged = of(left)
    merged.merge(of(right))
    whole = of(left + right)
    assert (merged.count, merged.bins) == (whole.count, whole.bins)
    assert merged.total == pytest.approx(whole.total)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=200), st.integers(0, 12))
def test_counts_up_to_a_power_of_two_are_exact(numbers: list[int], power: int) -> None:
    assert of([float(number) for number in numbers], COUNTS).up_to(2.0**power) == sum(number <= 2**power for number in numbers)


def test_what_is_no_measure_does_not_break_it() -> None:
    sketch = of([0.0, -1.0, 1e-30, 1e300])
    assert sketch.count == 4
    assert sketch.quantile(0.25) == 0.0
    assert len(sketch.bins) == 2
    assert counts().quantile(0.5) is None
    assert counts().mean is None


@given(
    st.lists(
        st.one_of(st.floats(-1, 1e30), st.just(0.0), st.integers(0, 10**40), st.just(float("inf")), st.just(float("nan"))), max_size=80
    )
)
def test_many_at_once_are_the_same_as_one_at_a_time(numbers: list[float]) -> None:
    at_once = Sketch()
    at_once.take(numbers)
    one_by_one = of(numbers)
    assert (at_once.count, at_once.bins) == (one_by_one.count, one_by_one.bins)
    assert at_once.total == pytest.approx(one_by_one.total)
    assert sum(at_once.bins.values()) == len(numbers)
