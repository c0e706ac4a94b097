import csv
import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.llm_gateway.audit.trails import FIRST, trail

from llm_gateway.audit.export import Export, csv_header, csv_line, format_of, opening_lines, parse, row_line
from llm_gateway.audit.rows import NO_MAC, Row
from llm_gateway.audit.search import Filters

ROW = Row("c", 1, 2, "outcome", 3, "gw-1", "ann", "openai", 1, "ok", "{}", NO_MAC, b"m" * 32)
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text()
JSON = st.recursive(LEAVES, st.lists, max_leaves=5)


@given(st.dictionaries(st.text(), JSON), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_row_comes_back_byte_for_byte(detail: dict[str, object], caller: str) -> None:
    row = ROW._replace(detail=msgspec.json.encode(detail).decode(), caller=caller)
    line = row_line(row)
    assert line.count(b"\n") == 1
    assert parse(line) == row


def test_heads_and_checkpoints_come_back() -> None:
    made = trail()
    made.remove_until(FIRST, 2)
    opening, *records = [parse(line) for line in opening_lines("id", Filters(), made.heads.values(), made.checkpoints.values())]
    assert isinstance(opening, Export)
    assert (opening.complete, opening.key_id, opening.version) == (True, "id", 1)
    assert records == [*made.heads.values(), *made.checkpoints.values()]


def test_an_extract_says_so_and_has_no_records() -> None:
    made = trail()
    (opening,) = [parse(line) for line in opening_lines("id", Filters(caller="ann"), made.heads.values(), [])]
    assert isinstance(opening, Export)
    assert not opening.complete
    assert opening.filters == Filters(caller="ann")


@pytest.mark.parametrize("line", [b"", b"{", b"{}", b'{"type":"row"}', b'{"type":"other"}', b"[1]"])
def test_other_lines_are_refused(line: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        parse(line)


def cells(row: Row) -> dict[str, str]:
    ((names), (values)) = csv.reader(io.StringIO(csv_header().decode() + csv_line(row).decode()))
    return dict(zip(names, values, strict=True))


def test_csv_has_the_columns_and_the_figures() -> None:
    outcome = {"attempts": [{"model": "a"}, {"model": "b"}], "input_tokens": 3, "cost_usd": 0.5, "error": "x"}
    shown = cells(ROW._replace(detail=msgspec.json.encode(outcome).decode()))
    names = ("caller", "model", "input_tokens", "output_tokens", "cost_usd")
    assert [shown[name] for name in names] == ["ann", "b", "3", "", "0.5"]
    assert cells(ROW._replace(detail='{"attempt":{"model":"m"}}'))["model"] == "m"
    assert cells(ROW._replace(detail="{"))["model"] == ""


@pytest.mark.parametrize("caller", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_a_spreadsheet_runs_no_caller_s_formula(caller: str) -> None:
    assert cells(ROW._replace(caller=caller))["caller"] == "'" + caller


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_caller_is_one_cell(caller: str) -> None:
    text = csv_line(ROW._replace(caller=caller)).decode()
    (values,) = csv.reader(io.StringIO(text, newline=""))
    assert values[6] in {caller, "'" + caller}


@pytest.mark.parametrize(
    ("asked", "accept", "answer"),
    [
        (None, "", "json"),
        (None, "*/*", "json"),
        (None, "text/html, application/json;q=0.9", "json"),
        (None, "text/csv", "csv"),
        (None, "application/x-ndjson;q=0.5, text/csv", "jsonl"),
        ("csv", "application/jsonl", "csv"),
        ("jsonl", "", "jsonl"),
    ],
)
def test_the_format_is_what_was_asked_for(asked: str | None, accept: str, answer: str) -> None:
    assert format_of(asked, accept) == answer
