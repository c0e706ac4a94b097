from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.counters import MINUTE_US, SLOT_US, WINDOWS_US
from llm_gateway.counters.missed import MAX_ACCOUNTS, STEP_US, Missed

HOUR_US = WINDOWS_US[2]


@given(notes=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("RT"), st.integers(0, 5_000_000), st.integers(1, 9)), max_size=60))
def test_nothing_that_still_counts_is_lost_or_counted_early(notes: list[tuple[str, str, int, int]]) -> None:
    missed, now_us = Missed(), 10**10
    sums: dict[tuple[str, str], int] = {}
    for scope, letter, gap, amount in notes:
        now_us += gap
        missed.note(scope, letter, now_us, amount)
        sums[scope, letter] = sums.get((scope, letter), 0) + amount
    if now_us - 10**10 >= MINUTE_US:
        return
    told: dict[tuple[str, str], int] = {}
    for scope, entries in missed.take(now_us):
        for letter, at_us, amount in entries:
            told[scope, letter] = told.get((scope, letter), 0) + amount
            assert at_us - now_us < SLOT_US
    assert told == sums
    assert not missed


def test_a_note_counts_from_its_step_s_end() -> None:
    missed = Missed()
    missed.note("a", "R", 7, 1)
    missed.note("a", "R", STEP_US - 1, 1)
    missed.note("a", "T", 7, 5)
    assert dict(missed.take(8)) == {"a": [("R", STEP_US - 1, 2), ("T", SLOT_US - 1, 5)]}


def test_what_no_longer_counts_is_not_told() -> None:
    missed = Missed()
    missed.note("a", "R", 0, 1)
    missed.note("a", "T", 0, 1)
    missed.note("b", "R", HOUR_US, 1)
    assert dict(missed.take(HOUR_US + STEP_US)) == {"b": [("R", HOUR_US + STEP_US - 1, 1)]}


def test_a_long_absence_needs_bounded_memory() -> None:
    missed = Missed()
    for step in range(100_000):
        missed.note("a", "R", step * STEP_US, 1)
    assert len(missed._accounts["a"]) <= 2 * HOUR_US // STEP_US + 1
    for number in range(MAX_ACCOUNTS + 5):
        missed.note(f"c{number}", "R", 0, 1)
    assert len(missed._accounts) == MAX_ACCOUNTS


def test_a_reset_account_is_forgotten() -> None:
    missed = Missed()
    missed.note("a", "R", 0, 1)
    missed.forget("a")
    missed.forget("b")
    assert not missed
