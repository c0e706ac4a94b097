"""Whatever is done to a stored trail is found, and the first wrong row named."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.llm_gateway.audit.trails import AT_US, FIRST, KEY, OTHER_KEY, SECOND, Trail, anchor, intent, outcome, trail

from llm_gateway.audit.chain import Chain, make_checkpoint
from llm_gateway.audit.rows import COLUMNS, Row

INTACT = trail(4)
LENGTH = len(INTACT.rows[FIRST])
places = st.tuples(st.sampled_from([FIRST, SECOND]), st.integers(0, LENGTH - 1))


def test_a_trail_that_nobody_touched_is_intact() -> None:
    verdict = INTACT.verify()
    assert verdict.intact
    assert verdict.problems == ()
    assert verdict.rows == 2 * LENGTH
    assert [(chain.chain, chain.rows, chain.first, chain.last, chain.open_calls) for chain in verdict.chains] == [
        (FIRST, LENGTH, 0, LENGTH - 1, 0),
        (SECOND, LENGTH, 0, LENGTH - 1, 0),
    ]


def test_an_empty_trail_is_intact() -> None:
    assert Trail().verify().intact


def broken(harmed: Trail) -> tuple[str, int | None]:
    """Chain and row of the only problem."""
    verdict = harmed.verify()
    assert not verdict.intact
    (problem,) = verdict.problems
    assert str(problem.chain) in str(problem)
    return problem.chain, problem.seq


def flipped(value: object, bit: int) -> object:
    """A value of the same sort with one bit turned."""
    if isinstance(value, int):
        return value ^ (1 << bit % 40)
    if isinstance(value, bytes):
        return bytes([*value[: bit // 8 % len(value)], value[bit // 8 % len(value)] ^ (1 << bit % 8), *value[bit // 8 % len(value) + 1 :]])
    text = str(value) or "\0"
    return text[: bit % len(text)] + chr(ord(text[bit % len(text)]) ^ (1 << bit % 7)) + text[bit % len(text) + 1 :]


@given(places, st.sampled_from([name for name in COLUMNS if name not in {"chain", "seq"}]), st.integers(0, 2**16))
def test_a_flipped_bit_in_any_column_is_found_at_its_row(place: tuple[str, int], column: str, bit: int) -> None:
    chain, seq = place
    harmed = INTACT.copy()
    row = harmed.rows[chain][seq]
    harmed.rows[chain][seq] = row._replace(**{column: flipped(getattr(row, column), bit)})
    assert broken(harmed) == (chain, seq)


@pytest.mark.parametrize("value", [None, 1.5, "text", b"bytes", "half a \ud800 pair", 2**70])
@pytest.mark.parametrize("column", COLUMNS[2:])
def test_a_value_of_another_sort_is_found_at_its_row(column: str, value: object) -> None:
    harmed = INTACT.copy()
    harmed.rows[FIRST][3] = harmed.rows[FIRST][3]._replace(**{column: value})
    assert broken(harmed) == (FIRST, 3)


def test_a_row_whose_number_is_none_is_found() -> None:
    harmed = INTACT.copy()
    harmed.rows[FIRST][3] = harmed.rows[FIRST][3]._replace(seq="x")  # type: ignore[arg-type]
    assert broken(harmed)[0] == FIRST


@given(places)
def test_a_deleted_row_is_found_where_it_stood(place: tuple[str, int]) -> None:
    chain, seq = place
    harmed = INTACT.copy()
    del harmed.rows[chain][seq]
    # The last one is missed by the head record, any other by the row after it.
    assert broken(harmed) == (chain, seq if seq == LENGTH - 1 else seq + 1)


@given(st.sampled_from([FIRST, SECOND]), st.sets(st.integers(0, LENGTH - 1), min_size=2, max_size=2), st.booleans())
def test_a_swapped_pair_is_found_at_the_first_row_out_of_its_place(chain: str, pair: set[int], renumbered: bool) -> None:
    one, other = sorted(pair)
    harmed = INTACT.copy()
    rows = harmed.rows[chain]
    first, second = rows[one], rows[other]
    rows[one] = second._replace(seq=one) if renumbered else second
    rows[other] = first._replace(seq=other) if renumbered else first
    assert broken(harmed) == (chain, one if renumbered else other)


@given(places, places)
def test_an_inserted_copy_is_found_where_it_stands(place: tuple[str, int], source: tuple[str, int]) -> None:
    chain, seq = place
    harmed = INTACT.copy()
    copied = INTACT.rows[source[0]][source[1]]._replace(chain=chain, seq=seq)
    rows = harmed.rows[chain]
    harmed.rows[chain] = [*rows[:seq], copied, *[row._replace(seq=row.seq + 1) for row in rows[seq:]]]
    if copied == INTACT.rows[chain][seq]:  # the row itself, and a copy after it
        assert broken(harmed) == (chain, seq + 1)
    else:
        assert broken(harmed) == (chain, seq)


def test_a_row_that_stands_twice_in_a_file_is_found() -> None:
    harmed = INTACT.copy()
    harmed.rows[FIRST].insert(3, harmed.rows[FIRST][2])
    assert broken(harmed) == (FIRST, 2)


@given(st.sampled_from([FIRST, SECOND]), st.integers(0, LENGTH - 1))
def test_a_truncated_tail_is_found_at_its_first_missing_row(chain: str, keep: int) -> None:
    harmed = INTACT.copy()
    del harmed.rows[chain][keep:]
    assert broken(harmed) == (chain, keep)


@given(st.integers(1, LENGTH - 1))
def test_a_truncated_tail_with_a_head_from_before_is_found_by_the_next_chain_s_anchor(keep: int) -> None:
    harmed = INTACT.copy()
    del harmed.rows[FIRST][keep:]
    again = Chain(FIRST, KEY)
    rows = again.link([anchor([])] + [entry for call in range(1, 5) for entry in (intent(call), outcome(call))])
    harmed.heads[FIRST] = Chain.head(again, rows[keep - 1])
    assert broken(harmed) == (FIRST, LENGTH - 1)


@given(st.sampled_from([FIRST, SECOND]), st.integers(1, LENGTH - 1))
def test_a_beginning_cut_off_is_found(chain: str, cut: int) -> None:
    harmed = INTACT.copy()
    del harmed.rows[chain][:cut]
    assert broken(harmed) == (chain, cut)


def test_a_chain_that_was_removed_whole_is_named_by_the_next_one() -> None:
    harmed = INTACT.copy()
    del harmed.rows[FIRST], harmed.heads[FIRST]
    assert broken(harmed) == (FIRST, None)


def test_a_chain_without_rows_is_missed_by_its_head() -> None:
    harmed = INTACT.copy()
    harmed.rows[FIRST] = []
    assert broken(harmed) == (FIRST, 0)


def test_a_missing_head_is_found() -> None:
    harmed = INTACT.copy()
    del harmed.heads[SECOND]
    assert broken(harmed) == (SECOND, 0)


@given(st.sampled_from([FIRST, SECOND]), st.sampled_from(["seq", "mac", "at_us", "oldest_open", "state", "seal"]), st.integers(0, 2**16))
def test_a_changed_head_is_found(chain: str, column: str, bit: int) -> None:
    harmed = INTACT.copy()
    head = harmed.heads[chain]
    harmed.heads[chain] = head._replace(**{column: flipped(getattr(head, column), bit)})
    assert broken(harmed) == (chain, None)


def test_a_head_from_before_is_found() -> None:
    again = Chain(SECOND, KEY)
    rows = again.link([anchor([INTACT.heads[FIRST]]), intent(1)])
    harmed = INTACT.copy()
    harmed.heads[SECOND] = again.head(rows[-1])
    assert broken(harmed) == (SECOND, 2)


@given(st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1))
def test_what_retention_removed_leaves_the_rest_intact(first: int, second: int) -> None:
    kept = INTACT.copy()
    kept.remove_until(FIRST, first)
    kept.remove_until(SECOND, second)
    verdict = kept.verify()
    assert verdict.intact, verdict.problems
    assert verdict.rows == 2 * LENGTH - first - second - 2


def test_a_checkpoint_accounts_for_no_more_than_it_says() -> None:
    harmed = INTACT.copy()
    harmed.remove_until(FIRST, 3)
    del harmed.rows[FIRST][0]
    assert broken(harmed) == (FIRST, 5)


@pytest.mark.parametrize("harm", [lambda point: point._replace(seq=2), lambda point: point._replace(mac=b"x" * 32), None])
def test_a_changed_or_missing_checkpoint_is_found(harm: Callable[..., object] | None) -> None:
    harmed = INTACT.copy()
    harmed.remove_until(FIRST, 3)
    if harm is None:
        del harmed.checkpoints[FIRST]
        assert broken(harmed) == (FIRST, 4)
    else:
        harmed.checkpoints[FIRST] = harm(harmed.checkpoints[FIRST])  # type: ignore[assignment]
        assert broken(harmed) == (FIRST, None)


def test_a_checkpoint_cannot_be_made_without_the_key() -> None:
    harmed = INTACT.copy()
    last = harmed.rows[FIRST][3]
    harmed.checkpoints[FIRST] = make_checkpoint(OTHER_KEY, last, AT_US)
    del harmed.rows[FIRST][:4]
    assert broken(harmed) == (FIRST, None)


def test_another_key_finds_everything_wrong_and_says_that_it_may_be_the_key() -> None:
    verdict = INTACT.verify(OTHER_KEY)
    assert {problem.chain for problem in verdict.problems} == {FIRST, SECOND}
    assert "another key" in verdict.problems[0].what


def test_a_chain_must_begin_with_an_anchor() -> None:
    chain = Chain(FIRST, KEY)
    rows = chain.link([intent(1), outcome(1)])
    assert broken(Trail({FIRST: rows}, {FIRST: chain.head(rows[-1])})) == (FIRST, 0)


def test_calls_without_an_outcome_are_counted() -> None:
    chain = Chain(FIRST, KEY)
    rows = chain.link([anchor([]), intent(1), intent(1), intent(2), outcome(2), intent(3)])
    verdict = Trail({FIRST: rows}, {FIRST: chain.head(rows[-1])}).verify()
    assert verdict.intact
    assert verdict.chains[0].open_calls == 2


@settings(max_examples=50)
@given(st.sets(st.integers(0, LENGTH - 1), min_size=1), st.data())
def test_of_an_extract_each_row_is_checked_by_itself(kept: set[int], data: st.DataObject) -> None:
    extract = Trail({FIRST: [row for row in INTACT.rows[FIRST] if row.seq in kept]})
    verdict = extract.verify(partial=True)
    assert verdict.intact
    assert verdict.partial
    harmed = data.draw(st.sampled_from(sorted(kept)))
    extract.rows[FIRST] = [row._replace(caller="bob") if row.seq == harmed else row for row in extract.rows[FIRST]]
    (problem,) = extract.verify(partial=True).problems
    assert problem.seq == harmed


def test_a_forged_row_at_the_end_is_found() -> None:
    last = INTACT.rows[SECOND][-1]
    forged = Row(*last[:1], last.seq + 1, *last[2:11], last.mac, b"f" * 32)
    harmed = INTACT.copy()
    harmed.rows[SECOND].append(forged)
    assert broken(harmed) == (SECOND, LENGTH)


@given(st.integers(1, LENGTH - 2))
def test_two_histories_of_one_chain_cannot_be_spliced(splice: int) -> None:
    """Each row is authentic and at its place, but they were never one trail."""
    other = Chain(SECOND, KEY)
    rows = other.link([anchor([INTACT.heads[FIRST]], OTHER_KEY)])
    rows += [row for call in range(1, 5) for row in other.link([intent(call), outcome(call)])]
    spliced = INTACT.copy()
    spliced.rows[SECOND] = [*INTACT.rows[SECOND][:splice], *rows[splice:]]
    spliced.heads[SECOND] = other.head(rows[-1])
    assert broken(spliced) == (SECOND, splice)
