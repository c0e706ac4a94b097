from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.counters import COARSE_US, HELD_BACK_US, MINUTE_US, SLOT_US, UNLIMITED, WINDOWS_US, Rules
from llm_gateway.limits.account import Account, widest

SECOND = 1_000_000
GAPS = st.one_of(
    st.integers(0, 3), st.integers(0, 2 * SECOND), st.sampled_from((SECOND, MINUTE_US, MINUTE_US - 1, MINUTE_US + 1, 3_600 * SECOND))
)


def asked(account: Account, rules: Rules, now_us: int, hold: int = 0) -> bool:
    account.advance(now_us)
    if account.wait(rules, hold, now_us)[0]:
        return False
    account.grant(now_us, rules.grain_us, hold)
    return True


def most_in(times: list[int], length_us: int) -> int:
    """The most grants that any window (t - length, t] holds."""
    return max((sum(1 for other in times if end - length_us < other <= end) for end in times), default=0)


@given(
    limits=st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(1, 12)),
    gaps=st.lists(GAPS, max_size=120),
)
def test_no_window_ever_holds_one_too_many_and_nobody_is_refused_without_need(limits: tuple[int, int, int], gaps: list[int]) -> None:
    account, rules, now_us = Account(), Rules(limits), 10**9
    granted: list[int] = []
    for gap in gaps:
        now_us += gap
        room = all(sum(1 for at_us in granted if at_us > now_us - length) < limit for limit, length in zip(limits, WINDOWS_US, strict=True))
        assert asked(account, rules, now_us) == room
        if room:
            granted.append(now_us)
    for limit, length in zip(limits, WINDOWS_US, strict=True):
        assert most_in(granted, length) <= limit


@given(limits=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 9)), gaps=st.lists(GAPS, min_size=5, max_size=60))
def test_the_wait_is_to_the_microsecond(limits: tuple[int, int, int], gaps: list[int]) -> None:
    account, rules, now_us = Account(), Rules(limits), 10**9
    for gap in gaps:
        now_us += gap
        account.advance(now_us)
        wait_us, _ = account.wait(rules, 0, now_us)
        if wait_us:
            account.advance(now_us + wait_us - 1)
            assert account.wait(rules, 0, now_us + wait_us - 1)[0] == 1
            now_us += wait_us
            account.advance(now_us)
            assert account.wait(rules, 0, now_us)[0] == 0
        account.grant(now_us, 0, 0)


@given(gaps=st.lists(st.integers(0, 40_000), min_size=1, max_size=300))
def test_large_limits_are_counted_in_steps_that_never_grant_early_and_need_little_memory(gaps: list[int]) -> None:
    rules = Rules((20, 1_000_000, UNLIMITED))
    assert rules.grain_us == COARSE_US
    account, now_us = Account(), 10**9
    granted: list[int] = []
    for gap in gaps:
        now_us += gap
        if asked(account, rules, now_us):
            granted.append(now_us)
    assert most_in(granted, WINDOWS_US[0]) <= 20
    assert len(account.since(0)[0]) <= (now_us - 10**9) // COARSE_US + 2
    assert account.gauge(now_us).counts[2] == len(granted)


@given(
    calls=st.lists(st.tuples(GAPS, st.integers(1, 60), st.integers(0, 60), st.booleans()), max_size=80),
)
def test_tokens_are_never_over_in_any_minute_by_start_or_by_end(calls: list[tuple[int, int, int, bool]]) -> None:
    """Where each call uses at most what was held: whether its tokens are counted when it starts or when it ends."""
    account, rules, now_us = Account(), Rules(tokens=100), 10**9
    running: list[tuple[int, int, int]] = []
    spent: list[tuple[int, int, int]] = []
    for gap, hold, used, keep in calls:
        now_us += gap
        if asked(account, rules, now_us, hold):
            running.append((now_us, hold, min(used, hold)))
        if running and not keep:
            start, held, tokens = running.pop(0)
            account.advance(now_us)
            account.settle(now_us, held, tokens)
            spent.append((start, now_us, tokens))
    for moment in (0, 1):
        for end in [call[moment] for call in spent]:
            assert sum(call[2] for call in spent if end - MINUTE_US < call[moment] <= end) <= 100
    assert account.held == sum(held for _, held, _ in running)


def test_used_tokens_come_back_within_a_slot_after_a_minute() -> None:
    account, rules = Account(), Rules(tokens=100)
    assert asked(account, rules, 0, 100)
    account.settle(0, 100, 80)
    assert account.wait(rules, 30, 0) == (MINUTE_US + SLOT_US, "tpm")
    assert account.wait(rules, 20, 0)[0] == 0
    account.advance(MINUTE_US + SLOT_US)
    assert account.wait(rules, 100, MINUTE_US + SLOT_US)[0] == 0


def test_where_only_running_calls_can_make_room_the_wait_is_a_guess() -> None:
    account, rules = Account(), Rules(tokens=100)
    assert asked(account, rules, 0, 90)
    assert account.wait(rules, 20, 5) == (HELD_BACK_US, "tpm")


def test_a_settlement_above_what_was_held_counts_and_held_is_never_negative() -> None:
    account, rules = Account(), Rules(tokens=100)
    assert asked(account, rules, 0, 10)
    account.settle(1, 10, 150)
    account.settle(1, 10, 0)
    assert (account.used, account.held) == (150, 0)
    assert not asked(account, rules, 2, 0)


def test_the_third_refusal_within_a_minute_begins_the_cooldown() -> None:
    account = Account()
    assert [account.refuse(at, 5 * SECOND) for at in (0, SECOND, MINUTE_US)] == [False, False, False]  # the first is a minute old
    assert account.blocked_until_us == 0
    assert account.refuse(MINUTE_US + 1, 5 * SECOND)
    assert account.blocked_until_us == MINUTE_US + 1 + 5 * SECOND
    assert not account.refuse(MINUTE_US + 2, 5 * SECOND)  # it begins anew


def test_a_lower_limit_after_a_reload_waits_for_as_many_as_are_too_many() -> None:
    account = Account()
    for at in range(10):
        assert asked(account, Rules((UNLIMITED, 10, UNLIMITED)), at)
    assert account.wait(Rules((UNLIMITED, 4, UNLIMITED)), 0, 20) == (6 + MINUTE_US - 20, "rpm")


def test_reset_forgets_all_but_what_is_held() -> None:
    account, rules = Account(), Rules((1, 1, 1), 100, 9)
    assert asked(account, rules, 0, 40)
    account.settle(0, 0, 30)
    account.refuse(0, 9)
    account.refuse(0, 9)
    assert account.refuse(0, 9)
    account.reset()
    assert (account.held, account.used, account.blocked_until_us) == (40, 0, 0)
    assert asked(account, rules, 0, 60)


@pytest.mark.parametrize("count", [1, 255, 256, 257, 5_000])
def test_what_has_left_every_window_is_let_go(count: int) -> None:
    account = Account()
    for at in range(count):
        account.advance(at)
        account.grant(at, 0, 0)
    account.advance(count + WINDOWS_US[2])
    account.advance(count + WINDOWS_US[2])
    assert account.gauge(count + WINDOWS_US[2]).counts == (0, 0, 0)
    assert len(account._times) < 300


def test_the_gauge_tells_when_the_oldest_leaves() -> None:
    account, rules = Account(), Rules((5, 5, 5), 100)
    assert asked(account, rules, 0, 7)
    assert asked(account, rules, SECOND // 2, 7)
    account.settle(SECOND // 2, 7, 3)
    gauge = account.gauge(SECOND // 2)
    assert (gauge.counts, gauge.used, gauge.held) == ((2, 2, 2), 3, 7)
    assert gauge.frees_us == (SECOND // 2, MINUTE_US - SECOND // 2, 3_600 * SECOND - SECOND // 2)
    assert gauge.tokens_free_us == MINUTE_US + SLOT_US


def test_shares_are_equal_and_at_least_one() -> None:
    assert Rules((10, 60, UNLIMITED), 50_000, 9).share(4) == Rules((2, 15, UNLIMITED), 12_500, 9)
    assert Rules((1, 2, 3)).share(5).requests == (1, 1, 1)
    assert all(a.requests >= b.requests for a, b in pairwise(Rules((9, 9, 9)).share(n) for n in range(1, 9)))


def test_the_longest_wait_is_the_one_that_is_told() -> None:
    assert widest([(0, "burst"), (7, "rpm"), (9, "rph"), (9, "tpm")]) == (2, 9, "rph")
    assert widest([(0, "burst")])[0] == -1
