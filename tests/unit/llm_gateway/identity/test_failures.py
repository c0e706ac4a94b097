from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.identity.failures import FailureLimiter


def test_an_address_is_blocked_after_its_limit_and_free_when_the_first_failure_is_old() -> None:
    limiter = FailureLimiter(3, 60, 10)
    for now_s in (0.0, 10.0, 20.0):
        assert limiter.blocked_s("1.2.3.4", now_s) is None
        limiter.note("1.2.3.4", now_s)
    assert limiter.blocked_s("1.2.3.4", 20) == 40
    assert limiter.blocked_s("1.2.3.4", 59.9) is not None
    assert limiter.blocked_s("1.2.3.4", 60) is None
    assert limiter.blocked_s("1.2.3.5", 20) is None


def test_the_window_slides() -> None:
    limiter = FailureLimiter(2, 60, 10)
    for now_s in (0.0, 50.0, 61.0):
        limiter.note("a", now_s)
    assert limiter.blocked_s("a", 61) == 49


def test_an_ipv6_subscriber_is_one_address_and_a_mapped_one_is_ipv4() -> None:
    limiter = FailureLimiter(2, 60, 10)
    limiter.note("2001:db8:1:2::1", 0)
    limiter.note("2001:db8:1:2:ffff::9", 0)
    assert limiter.blocked_s("2001:db8:1:2:abcd::", 1) is not None
    assert limiter.blocked_s("2001:db8:1:3::1", 1) is None
    limiter.note("10.0.0.1", 0)
    limiter.note("::ffff:10.0.0.1", 0)
    assert limiter.blocked_s("10.0.0.1", 1) is not None


def test_what_is_no_address_counts_as_it_is() -> None:
    limiter = FailureLimiter(1, 60, 10)
    limiter.note("", 0)
    assert limiter.blocked_s("", 1) is not None
    assert limiter.blocked_s("unix", 1) is None


def test_the_memory_is_bounded_and_forgets_who_failed_longest_ago() -> None:
    limiter = FailureLimiter(1, 60, 3)
    for number, address in enumerate(("a", "b", "c", "a", "d")):
        limiter.note(address, number)
    assert len(limiter) == 3
    assert limiter.blocked_s("b", 5) is None
    assert limiter.blocked_s("a", 5) is not None


@given(st.lists(st.floats(0, 300), max_size=60).map(sorted), st.integers(1, 5))
def test_never_more_than_the_limit_in_any_window(times: list[float], limit: int) -> None:
    limiter = FailureLimiter(limit, 60, 10)
    tried: list[float] = []
    for now_s in times:
        if limiter.blocked_s("a", now_s) is None:
            limiter.note("a", now_s)
            tried.append(now_s)
    for first in range(len(tried) - limit):
        assert tried[first + limit] - tried[first] >= 60 - 1e-9
