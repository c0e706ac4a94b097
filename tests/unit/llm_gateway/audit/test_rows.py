import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.audit.rows import COLUMNS, MAX_TEXT, NO_MAC, Row, canonical, clean

ROW = Row("c", 1, 2, "intent", 3, "gw-1", "ann", "openai", 0, "", "{}", NO_MAC, b"m" * 32)
TEXTS, NUMBERS = st.text(max_size=8), st.integers(0, 2**40)
ROWS = st.builds(
    Row, TEXTS, NUMBERS, NUMBERS, TEXTS, NUMBERS, TEXTS, TEXTS, TEXTS, st.integers(0, 1), TEXTS, TEXTS, st.binary(max_size=32), st.just(b"")
)


def test_the_canonical_bytes_are_a_messagepack_array_of_the_version_and_every_column_but_the_mac() -> None:
    assert msgspec.msgpack.decode(canonical(ROW)) == [1, *ROW[:-1]]
    assert canonical(ROW) == canonical(ROW[:-1]) == canonical(ROW._replace(mac=b"other"))


@given(ROWS, ROWS)
def test_two_rows_have_the_same_bytes_only_if_they_are_the_same(one: Row, other: Row) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


@pytest.mark.parametrize("column", COLUMNS[:-1])
def test_every_column_counts(column: str) -> None:
    other = {str: "x", int: 99, bytes: b"x"}[type(getattr(ROW, column))]
    assert canonical(ROW._replace(**{column: other})) != canonical(ROW)


@given(st.text())
def test_any_name_a_caller_chooses_can_be_stored_everywhere(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) <= MAX_TEXT
    assert "\0" not in cleaned
    assert cleaned.encode().decode() == cleaned
    if "\0" not in text and len(text) <= MAX_TEXT:
        assert cleaned == text


def test_half_a_surrogate_pair_is_no_text_a_database_takes() -> None:
    assert clean("a\ud800b") == "a?b"
