"""Counting costs a caller next to nothing; `benchmarks/metrics.py` measures all of it."""

import asyncio

from benchmarks.metrics import hot, measure

MOST_US = 10.0
SLOW = 4.0
"""So many times slower than here may the machine be that runs this."""


def test_counting_costs_less_than_ten_microseconds_while_a_call_runs() -> None:
    assert min(asyncio.run(hot(2_000)) for _ in range(3)) < MOST_US


def test_all_of_it_costs_the_event_loop_about_ten_microseconds() -> None:
    found = measure(2_048)
    assert found["hot"] + found["sums"] + found["record"] < MOST_US * SLOW, found
