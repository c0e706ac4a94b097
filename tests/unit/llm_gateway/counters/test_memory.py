from hypothesis import given
from hypothesis import strategies as st
from tests.unit.llm_gateway.counters.fakes import LEASE, SECOND, TIER, FakeClock, demand

from llm_gateway.core.counters import MINUTE_US, WINDOWS_US, Demand, Rules
from llm_gateway.counters.memory import LOOKED_AT, MemoryCounters


def crowd(counters: MemoryCounters, clock: FakeClock, size: int, start: int = 0) -> None:
    """One request each of callers with made-up names."""
    for number in range(start, start + size):
        clock.us += 100
        verdict = counters.reserve_now(f"crowd{number}", [Demand(f"caller:x{number}", TIER)], LEASE)
        counters.settle(f"crowd{number}", 0)
        assert verdict.granted


def test_names_made_up_by_the_million_do_not_grow_the_memory_and_reset_nobody_who_used_more() -> None:
    clock = FakeClock()
    counters = MemoryCounters(clock, max_accounts=200)
    for number in range(3):
        counters.reserve_now(f"v{number}", [demand("caller:a")], LEASE)
        counters.settle(f"v{number}", 0)
    crowd(counters, clock, 10_000)
    assert len(counters.accounts) == 200
    gauge = counters.read_now("caller:a")
    assert gauge.counts[2] == 3


def test_to_forget_an_account_every_other_must_have_counted_more() -> None:
    clock = FakeClock()
    counters = MemoryCounters(clock, max_accounts=100)
    rules = Rules((10**6, 10**6, 10**6))
    for number in range(10):
        counters.reserve_now(f"v{number}", [Demand("caller:victim", rules)], LEASE)
        counters.settle(f"v{number}", 0)
    spent = 0
    while "caller:victim" in counters.accounts and spent < 20_000:
        spent += 1
        counters.reserve_now(f"x{spent}", [Demand(f"caller:x{spent % 3_000}", rules)], LEASE)
        counters.settle(f"x{spent}", 0)
    assert spent == 20_000


def test_running_calls_and_cooldowns_keep_their_accounts() -> None:
    clock = FakeClock()
    counters = MemoryCounters(clock, max_accounts=100)
    counters.reserve_now("running", [demand("caller:a", 10)], 10 * WINDOWS_US[2])
    for number in range(6):
        counters.reserve_now(f"c{number}", [demand("caller:b")], LEASE)
        counters.settle(f"c{number}", 0)
    assert counters.read_now("caller:b").cooldown_us
    crowd(counters, clock, 5_000)
    assert counters.read_now("caller:a").held == 10
    assert counters.read_now("caller:b").cooldown_us


def test_idle_accounts_go_first() -> None:
    clock = FakeClock()
    counters = MemoryCounters(clock, max_accounts=100)
    crowd(counters, clock, 100)
    clock.us += WINDOWS_US[2]
    crowd(counters, clock, 50, start=1_000)
    counters.reserve_now("one", [demand("caller:a")], LEASE)
    assert sum(scope.startswith("caller:x10") and len(scope) == len("caller:x1000") for scope in counters.accounts) == 50


def test_when_all_that_are_looked_at_are_running_the_oldest_makes_room_and_its_call_still_settles() -> None:
    clock = FakeClock()
    counters = MemoryCounters(clock, max_accounts=100)
    for number in range(100 + LOOKED_AT):
        assert counters.reserve_now(f"r{number}", [Demand(f"caller:r{number}", TIER, 10)], LEASE).granted
    assert len(counters.accounts) == 100
    for number in range(100 + LOOKED_AT):
        counters.settle(f"r{number}", 3)
    assert counters.held() == 0
    assert counters.running == 0


def test_settled_leases_are_not_piled_up() -> None:
    clock = FakeClock()
    counters = MemoryCounters(clock)
    for number in range(10_000):
        clock.us += 20
        counters.reserve_now(f"n{number}", [Demand("caller:q", Rules((10**6,) * 3))], 10 * MINUTE_US)
        counters.settle(f"n{number}", 1)
    assert len(counters._leases) <= 4_098


def test_a_clock_that_goes_back_stands_still() -> None:
    clock = FakeClock()
    counters = MemoryCounters(clock)
    for number in range(3):
        assert counters.reserve_now(f"a{number}", [demand()], LEASE).granted
    clock.us -= 10 * MINUTE_US
    verdict = counters.reserve_now("b", [demand()], LEASE)
    assert (verdict.granted, verdict.wait_us) == (False, SECOND)


@given(ends=st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.integers(0, 40 * SECOND)), max_size=60))
def test_after_every_end_nothing_is_held(ends: list[tuple[int, bool, int]]) -> None:
    """Whatever mixture of settled, left to its lease, and settled twice."""
    clock = FakeClock()
    counters = MemoryCounters(clock)
    for number, (hold, settled, gap) in enumerate(ends):
        clock.us += gap
        counters.reserve_now(f"n{number}", [demand("caller:a", hold), demand("overall", hold)], LEASE)
        if settled:
            counters.settle(f"n{number}", hold // 2)
    for _ in range(len(ends)):
        clock.us += LEASE
        counters.reserve_now("last", [demand("provider:p")], 0)
    assert counters.held() == 0
