from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.routing.retries import BURST, RetryBudget, backoff_s


@given(st.floats(0, 1), st.lists(st.booleans(), max_size=400))
def test_no_stretch_of_time_has_more_retries_than_share_and_burst(share: float, calls: list[bool]) -> None:
    budget = RetryBudget(share)
    events: list[tuple[int, int]] = []
    for is_retry in calls:
        if is_retry:
            events.append((0, int(budget.spend())))
        else:
            budget.earn()
            events.append((1, 0))
    for start in range(0, len(events), 7):
        requests = sum(request for request, _ in events[start:])
        retries = sum(retry for _, retry in events[start:])
        assert retries <= share * requests + BURST + 1e-6


def test_a_long_calm_saves_up_no_more_than_the_burst() -> None:
    budget = RetryBudget(0.2)
    for _ in range(1_000):
        budget.earn()
    assert [budget.spend() for _ in range(8)] == [True] * int(BURST) + [False] * (8 - int(BURST))


def test_a_share_of_nothing_allows_nothing() -> None:
    budget = RetryBudget(0.0)
    budget.earn()
    assert not budget.spend()


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_waits_spread_below_a_bound_that_doubles_up_to_the_cap(retry: int, chance: float) -> None:
    assert 0 <= backoff_s(retry, 0.1, 5.0, lambda: chance) <= min(0.1 * 2 ** min(retry, 10), 5.0)


def test_jitter_is_full() -> None:
    assert backoff_s(3, 0.1, 5.0, lambda: 0.0) == 0.0
    assert backoff_s(3, 0.1, 5.0, lambda: 0.5) == 0.4
