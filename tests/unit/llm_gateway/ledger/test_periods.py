from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.ledger.periods import Calendar, day_of, iso, month_of

TIMES = st.integers(0, 4 * 10**15)


def us(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc, arg-type]


def test_months_end_when_they_should() -> None:
    assert month_of(us(2028, 2, 29, 23, 59, 59)) == (us(2028, 2, 1), us(2028, 3, 1))
    assert month_of(us(2026, 12, 31)) == (us(2026, 12, 1), us(2027, 1, 1))
    assert month_of(us(2027, 1, 1)) == (us(2027, 1, 1), us(2027, 2, 1))
    assert day_of(us(2026, 3, 29, 2, 30)) == (us(2026, 3, 29), us(2026, 3, 30))  # no summer time in UTC
    assert iso(us(2026, 12, 1)) == "2026-12-01T00:00:00Z"


@given(times=st.lists(TIMES, min_size=1, max_size=20), period=st.sampled_from(["day", "month"]))
def test_the_calendar_remembers_no_wrong_span(times: list[int], period: str) -> None:
    calendar = Calendar()
    for at_us in times:
        span = calendar.span(period, at_us)  # type: ignore[arg-type]
        assert span.start_us <= at_us < span.end_us
        assert span == (day_of(at_us) if period == "day" else month_of(at_us))
