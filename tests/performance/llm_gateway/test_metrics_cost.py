"""Counting costs a caller next to nothing; `benchmarks/metrics.py` measures all of it."""

import asyncio

from benchmarks.metrics import hot

MOST_US = 10.0


def test_counting_costs_less_than_ten_microseconds_while_a_call_runs() -> None:
    assert min(asyncio.run(hot(2_000)) for _ in range(3)) < MOST_US
