"""A trail in a file, without a gateway: found intact, found broken, and never written."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.llm_gateway.audit.files import database, harm
from tests.unit.llm_gateway.audit.trails import FIRST, KEY, SECOND, Trail, trail

from llm_gateway.audit.export import opening_lines, row_line
from llm_gateway.audit.offline import opened
from llm_gateway.audit.rows import COLUMNS
from llm_gateway.audit.search import Filters
from llm_gateway.audit.verification import Verdict
from llm_gateway.core.errors import ConfigurationError

CALLS = 4
LENGTH = 2 * CALLS + 1
ALL = Filters()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return database(tmp_path / "gateway.sqlite3", trail(CALLS))


def verify(path: Path) -> Verdict:
    with opened(path) as found:
        return found.verify(KEY)


def broken(path: Path) -> tuple[str, int | None]:
    (problem,) = verify(path).problems
    return problem.chain, problem.seq


def export(path: Path, made: Trail, filters: Filters = ALL) -> Path:
    rows = [row for rows in made.rows.values() for row in rows if filters.matches(row)]
    path.write_bytes(b"".join([*opening_lines(KEY.key_id, filters, made.heads.values(), made.checkpoints.values()), *map(row_line, rows)]))
    return path


def test_a_database_is_verified_and_left_as_it_is(path: Path) -> None:
    before = path.read_bytes()
    verdict = verify(path)
    assert verdict.intact
    assert verdict.rows == 2 * LENGTH
    assert path.read_bytes() == before


def test_one_with_many_pages_too(tmp_path: Path) -> None:
    verdict = verify(database(tmp_path / "gateway.sqlite3", trail(2_500)))
    assert verdict.intact
    assert verdict.rows == 2 * 5_001


def test_one_that_a_gateway_has_open_and_writes_to(path: Path) -> None:
    writing = sqlite3.connect(path)
    writing.execute("UPDATE audit_heads SET state = 'x'")  # not committed: not there
    assert verify(path).intact
    writing.close()


CHANGES = {
    "at_us": "at_us + 1",
    "kind": "'outcomf'",
    "call": "call + 1",
    "correlation_id": "correlation_id || ' '",
    "caller": "upper(caller)",
    "provider": "''",
    "sensitive": "1 - sensitive",
    "outcome": "'error'",
    "detail": "detail || ' '",
    "prev": "randomblob(32)",
    "mac": "zeroblob(32)",
}


@pytest.mark.parametrize("column", CHANGES)
def test_a_change_of_any_column_is_found(path: Path, column: str) -> None:
    assert set(CHANGES) == set(COLUMNS) - {"chain", "seq"}
    harm(path, f"UPDATE audit SET {column} = {CHANGES[column]} WHERE chain = :chain AND seq = 3", chain=FIRST)
    assert broken(path) == (FIRST, 3)


@pytest.mark.parametrize("value", ["CAST(x'c328' AS TEXT)", "x'00'", "1.5"])
@pytest.mark.parametrize("column", [name for name in COLUMNS if name not in {"chain", "seq", "at_us", "call", "sensitive"}])
def test_a_value_that_no_row_can_hold_is_found(path: Path, column: str, value: str) -> None:
    harm(path, f"UPDATE audit SET {column} = {value} WHERE chain = :chain AND seq = 2", chain=SECOND)
    assert broken(path) == (SECOND, 2)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([FIRST, SECOND]), st.integers(0, LENGTH - 1))
def test_a_deleted_row_is_found(tmp_path: Path, chain: str, seq: int) -> None:
    target = tmp_path / "harmed.sqlite3"
    target.unlink(missing_ok=True)
    database(target, trail(CALLS))
    harm(target, "DELETE FROM audit WHERE chain = :chain AND seq = :seq", chain=chain, seq=seq)
    assert broken(target) == (chain, min(seq + 1, LENGTH - 1))


def test_a_swapped_pair_is_found(path: Path) -> None:
    for old, new in ((2, 1002), (5, 2), (1002, 5)):
        harm(path, "UPDATE audit SET seq = :new WHERE chain = :chain AND seq = :old", chain=FIRST, old=old, new=new)
    assert broken(path) == (FIRST, 2)


def test_an_inserted_row_is_found(path: Path) -> None:
    columns = ", ".join(COLUMNS[2:])
    harm(path, f"INSERT INTO audit SELECT chain, {LENGTH}, {columns} FROM audit WHERE chain = :chain AND seq = 4", chain=SECOND)
    assert broken(path) == (SECOND, LENGTH)


def test_a_chain_of_somebody_else_is_found(path: Path) -> None:
    columns = ", ".join(COLUMNS[1:])
    harm(path, f"INSERT INTO audit SELECT '03FORGED', {columns} FROM audit WHERE chain = :chain", chain=FIRST)
    assert broken(path) == ("03FORGED", 0)


def test_a_truncated_tail_is_found(path: Path) -> None:
    harm(path, "DELETE FROM audit WHERE chain = :chain AND seq > 4", chain=SECOND)
    assert broken(path) == (SECOND, 5)


def test_a_removed_chain_is_found(path: Path) -> None:
    for table in ("audit", "audit_heads"):
        harm(path, f"DELETE FROM {table} WHERE chain = :chain", chain=FIRST)
    assert broken(path) == (FIRST, None)


def test_checkpoints_are_heeded(tmp_path: Path) -> None:
    made = trail(CALLS)
    made.remove_until(FIRST, 4)
    assert verify(database(tmp_path / "gateway.sqlite3", made)).intact


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**30))
def test_a_flipped_byte_anywhere_in_the_rows_of_the_file_is_never_taken_for_intact_content(path: Path, where: int) -> None:
    """A byte of the file itself: either the database notices, or the verifier, or it was a byte that holds nothing of the trail."""
    harm(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    place = where % len(data)
    data[place] ^= 0x20
    target = path.with_name("flipped.sqlite3")
    target.write_bytes(data)
    try:
        verdict = verify(target)
        with opened(target) as found:
            rows = list(found.rows(Filters()))
    except ConfigurationError:
        return
    made = trail(CALLS)
    assert not verdict.intact or rows == [row for rows in made.rows.values() for row in rows]


def test_an_export_is_verified_like_the_database(tmp_path: Path) -> None:
    made = trail(CALLS)
    made.remove_until(FIRST, 1)
    verdict = verify(export(tmp_path / "audit.jsonl", made))
    assert verdict.intact
    assert not verdict.partial
    assert verdict.rows == 2 * LENGTH - 2


@pytest.mark.parametrize("line", range(3, 3 + 2 * LENGTH))
def test_a_line_that_is_missing_in_an_export_is_found(tmp_path: Path, line: int) -> None:
    path = export(tmp_path / "audit.jsonl", trail(CALLS))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:line] + lines[line + 1 :]))
    chain, seq = (FIRST, line - 3) if line < 3 + LENGTH else (SECOND, line - 3 - LENGTH)
    assert broken(path) == (chain, min(seq + 1, LENGTH - 1))


def test_a_changed_detail_in_an_export_is_found(tmp_path: Path) -> None:
    path = export(tmp_path / "audit.jsonl", trail(CALLS))
    path.write_bytes(path.read_bytes().replace(b'{"number":1}', b'{"number":2}', 1))
    assert broken(path) == (FIRST, 1)


def test_an_extract_is_partial(tmp_path: Path) -> None:
    verdict = verify(export(tmp_path / "audit.jsonl", trail(CALLS), Filters(kind="outcome")))
    assert verdict.intact
    assert verdict.partial
    assert verdict.rows == 2 * CALLS


def test_rows_are_found_by_filter_in_either_format(tmp_path: Path) -> None:
    made = trail(CALLS)
    for path in (database(tmp_path / "gateway.sqlite3", made), export(tmp_path / "audit.jsonl", made)):
        with opened(path) as found:
            filters = Filters(correlation_id="gw-2", kind="outcome")
            assert [(row.chain, row.call) for row in found.rows(filters)] == [(FIRST, 2), (SECOND, 2)]
            assert [(row.chain, row.call) for row in found.newest(Filters(), 2)] == [(SECOND, CALLS), (SECOND, CALLS)]


def test_what_is_no_trail_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        verify(tmp_path / "nowhere")
    (tmp_path / "text").write_text("hello\n")
    with pytest.raises(ConfigurationError, match="text, line 1"):
        verify(tmp_path / "text")
    (tmp_path / "broken").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(ConfigurationError, match="broken"):
        verify(tmp_path / "broken")
    empty = tmp_path / "empty.sqlite3"
    sqlite3.connect(empty).executescript("CREATE TABLE t(x); VACUUM")
    with pytest.raises(ConfigurationError, match="no such table"):
        verify(empty)
