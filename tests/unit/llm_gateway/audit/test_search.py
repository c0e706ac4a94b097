import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.audit.rows import NO_MAC, Row
from llm_gateway.audit.search import Filters, cursor_of, document, microseconds, position_of
from llm_gateway.core.errors import InvalidRequest

ROW = Row("c", 1, 2_500_000, "outcome", 3, "gw-1", "ann", "openai", 1, "ok", '{"a":1}', NO_MAC, b"m" * 32)


@pytest.mark.parametrize(
    ("written", "meant_s"),
    [
        ("0", 0),
        ("1800000000.5", 1_800_000_000.5),
        ("2026-11-01", 1_793_491_200),
        ("2026-11-01T00:00:00Z", 1_793_491_200),
        ("2026-11-01T01:00:00+01:00", 1_793_491_200),
    ],
)
def test_times_are_unix_seconds_or_iso_8601(written: str, meant_s: float) -> None:
    assert microseconds("since", written) == round(meant_s * 1e6)


@pytest.mark.parametrize("written", ["", "yesterday", "nan", "inf", "1e300", "2026-13-01"])
def test_a_time_that_is_none_names_its_field(written: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^since: ") as raised:
        microseconds("since", written)
    assert raised.value.param == "since"


@given(st.integers(0, 2**53), st.text(max_size=30), st.integers(0, 2**53))
def test_a_cursor_is_the_place_of_its_row(at_us: int, chain: str, seq: int) -> None:
    assert position_of(cursor_of(ROW._replace(at_us=at_us, chain=chain, seq=seq))) == (at_us, chain, seq)


@pytest.mark.parametrize("cursor", ["", "x", "nonsense", "AAAA", "é", cursor_of(ROW)[:-3], "kwE"])
def test_any_other_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor") as raised:
        position_of(cursor)
    assert raised.value.param == "cursor"


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        (Filters(), True),
        (Filters(since_us=2_500_000), True),
        (Filters(since_us=2_500_001), False),
        (Filters(until_us=2_500_000), False),
        (Filters(until_us=2_500_001), True),
        (Filters(sensitive=True), True),
        (Filters(sensitive=False), False),
        (Filters(caller="ann", provider="openai", outcome="ok", kind="outcome", correlation_id="gw-1"), True),
        (Filters(caller="bob"), False),
        (Filters(provider="grok"), False),
        (Filters(outcome="error"), False),
        (Filters(kind="intent"), False),
        (Filters(correlation_id="gw-2"), False),
    ],
)
def test_rows_must_have_all_of_what_is_asked(filters: Filters, matches: bool) -> None:
    assert filters.matches(ROW) is matches


@pytest.mark.parametrize("field", ["kind", "outcome"])
def test_a_value_outside_a_closed_set_is_refused(field: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field}: expected one of") as raised:
        Filters(**{field: "nonsense"})  # type: ignore[arg-type]
    assert raised.value.param == field


def test_a_row_for_people() -> None:
    shown = document(ROW)
    assert (shown["at"], shown["sensitive"], shown["detail"], shown["prev"]) == (2.5, True, {"a": 1}, "00" * 32)
    msgspec.json.encode(shown)


@pytest.mark.parametrize("harm", [{"at_us": "x"}, {"detail": "{"}, {"mac": None}])
def test_a_damaged_row_shows_where_it_stands(harm: dict[str, object]) -> None:
    assert document(ROW._replace(**harm)) == {"chain": "c", "seq": 1, "damaged": True}  # type: ignore[arg-type]
