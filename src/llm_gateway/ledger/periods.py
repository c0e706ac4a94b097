"""Days and months in UTC, as half-open spans of microseconds of Unix time."""

from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

Period = Literal["day", "month"]
DAY_US: Final = 86_400 * 1_000_000


class Span(NamedTuple):
    """From `start_us` up to and without `end_us`."""

    start_us: int
    end_us: int


def day_of(at_us: int) -> Span:
    """The day that a time is in."""
    start_us = at_us - at_us % DAY_US
    return Span(start_us, start_us + DAY_US)


def month_of(at_us: int) -> Span:
    """The month that a time is in."""
    at = datetime.fromtimestamp(at_us // 1_000_000, UTC)
    year, month = (at.year, at.month + 1) if at.month < 12 else (at.year + 1, 1)
    return Span(_midnight_us(at.year, at.month), _midnight_us(year, month))


def _midnight_us(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1_000_000


class Calendar:
    """Says which span a time is in; the last ones are remembered, so that asking costs a comparison."""

    __slots__ = ("_day", "_month")

    def __init__(self) -> None:
        self._day = self._month = Span(0, 0)

    def span(self, period: Period, at_us: int) -> Span:
        """The day or month that a time is in."""
        if period == "day":
            if not self._day.start_us <= at_us < self._day.end_us:
                self._day = day_of(at_us)
            return self._day
        if not self._month.start_us <= at_us < self._month.end_us:
            self._month = month_of(at_us)
        return self._month


def iso(at_us: int) -> str:
    """A time as `2026-12-01T00:00:00Z`."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
