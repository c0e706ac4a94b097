"""What a day and a month will have cost when they are over, with an interval.

The forecast is the spent so far and, for the rest, a level times the shape of a week: the level is what a day costs lately, newer
days counting more; the shape says what part of it falls on a weekday and an hour. Shapes are held back towards "all alike" while there
are few days to see them by, and today's own pace moves the rest of today.

The interval is measured, not assumed: the same forecast is made at every earlier day of the history, and how far it was off then
says how far it may be off now. Where the history is shorter than the time to come, that spread is widened. `benchmarks/forecast.py`
compares forecast and interval with what then came, over simulated months of several shapes; docs/costs.md has the result.

Pure: hours are counted from 1970-01-01 UTC, costs are in USD.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import exp, log, sqrt
from typing import Final, NamedTuple

HOURS: Final = 24
WEEK: Final = 7
NOTHING_USD: Final = 1e-9
"""Less than this is nothing."""
MIN_DAYS: Final = 3
"""Complete days with some cost, below which nothing is forecast."""
WEEKLY_DAYS: Final = 7
"""Complete days from which weekdays are told apart."""
HALF_LIFE_DAYS: Final = 7.0
"""A day counts half as much as one so much newer."""
TREND_DAYS: Final = 10
"""Complete days from which a trend is looked for."""
TREND_SEEN_DAYS: Final = 28
"""The newest of them, in which it is looked for."""
TREND_DOUBT: Final = 6.0
"""How many times its own squared error a squared slope must be, to be believed by a half."""
MOST_GROWTH: Final = 0.05
"""Steepest trend that is taken to go on, as a factor's logarithm a day."""
TELLING: Final = 0.3
"""Weekdays on which less than this part of a mean day happens say nothing of a trend."""
TREND_DAMPING: Final = 0.9
"""A trend of today is taken to weaken by this factor every day."""
SHRINK_DAYS: Final = 0.5
"""Days of the average kind that a weekday's or an hour's own days are mixed with."""
PACE_SHARE: Final = 0.5
"""Part of an ordinary day that today's pace is mixed with."""
COVERAGE: Final = 0.8
"""How often the interval should hold what then came."""
Z: Final = 1.2816
"""Of a normal distribution, for that coverage."""
LEAST_SPREAD: Final = 0.04
MOST_SPREAD: Final = 2.0
"""Bounds of the spread, as a ratio's logarithm: nothing is surer, and no interval wider than thirteen times."""
MOST_ORIGINS: Final = 21
"""Earlier days at which the forecast is made again; the newest."""


class Estimate(NamedTuple):
    """USD at the end of a period: `low` and `high` hold it about `COVERAGE` of the time. `spent` is there already."""

    spent: float
    expected: float
    low: float
    high: float


class Forecast(NamedTuple):
    """Of this day and this month; None where there is too little to go by. `days` complete days were seen; `why_not` says what is
    missing, `notes` what the forecast could not know."""

    day: Estimate | None
    month: Estimate | None
    days: int
    why_not: str
    notes: tuple[str, ...]


class Shape(NamedTuple):
    """A level (USD a day), its growth a day (a factor's logarithm), and what part of it falls where.

    `weekday` are factors around 1, `hour` 24 parts that add up to 1 by kind of day (weekday or weekend).
    """

    level: float
    growth: float
    weekday: tuple[float, ...]
    hour: tuple[tuple[float, ...], tuple[float, ...]]

    def of_day(self, day: int, ahead: int) -> float:
        """What a day is expected to cost, `ahead` days after the last one that was seen."""
        gathered = TREND_DAMPING * (1 - TREND_DAMPING**ahead) / (1 - TREND_DAMPING)
        return self.level * exp(self.growth * gathered) * self.weekday[weekday_of(day)]


def weekday_of(day: int) -> int:
    """Monday 0; 1970-01-01 was a Thursday."""
    return (day + 3) % WEEK


def _is_weekend(day: int) -> int:
    return int(weekday_of(day) >= 5)


def shape_of(first_day: int, days: Sequence[Sequence[float]]) -> Shape:
    """What complete days have in common, each given by its 24 hours' costs, the first being `first_day`. At least one day."""
    totals = [sum(hours) for hours in days]
    ages = range(len(days) - 1, -1, -1)
    weights = [0.5 ** (age / HALF_LIFE_DAYS) for age in ages]
    weekday = _weekdays(first_day, totals)
    factors = [weekday[weekday_of(first_day + place)] for place in range(len(days))]
    # A quotient of sums, not a sum of quotients: a weekday on which little happens says little.
    level = sum(w * each for w, each in zip(weights, totals, strict=True)) / sum(w * each for w, each in zip(weights, factors, strict=True))
    growth = _growth(
        [(place, total / factor) for place, (total, factor) in enumerate(zip(totals, factors, strict=True)) if factor >= TELLING]
    )
    # The weighted mean lies some days back: a trend has moved on since.
    lag = sum(w * age for w, age in zip(weights, ages, strict=True)) / sum(weights)
    return Shape(level * exp(growth * lag), growth, weekday, _hours(first_day, days))


def _weekdays(first_day: int, totals: Sequence[float]) -> tuple[float, ...]:
    """Factors of the weekdays: a weekday's days against the mean of the weeks they are in."""
    if len(totals) < WEEKLY_DAYS:
        return (1.0,) * WEEK
    sums, means = [0.0] * WEEK, [0.0] * WEEK
    for place, total in enumerate(totals):
        start = min(max(place - 3, 0), len(totals) - WEEK)
        around = sum(totals[start : start + WEEK]) / WEEK
        weekday = weekday_of(first_day + place)
        sums[weekday] += total
        means[weekday] += around
    mean = sum(totals) / len(totals)
    factors = [
        (own + SHRINK_DAYS * mean) / (around + SHRINK_DAYS * mean) if mean > NOTHING_USD else 1.0
        for own, around in zip(sums, means, strict=True)
    ]
    scale = sum(factors) / WEEK
    return tuple(factor / scale for factor in factors)


def _growth(flat: Sequence[tuple[int, float]]) -> float:
    """The growth a day as a factor's logarithm, as far as it stands out of the noise; 0 where it does not. `flat` are days with
    their totals, weekdays taken out."""
    recent = flat[-TREND_SEEN_DAYS:]
    count = len(recent)
    least = 0.02 * sum(total for _, total in recent) / max(count, 1)
    if count < TREND_DAYS or least < NOTHING_USD:
        return 0.0
    values = [(place, log(max(total, least))) for place, total in recent]
    middle, mean = sum(place for place, _ in values) / count, sum(value for _, value in values) / count
    spread = sum((place - middle) ** 2 for place, _ in values)
    slope = sum((place - middle) * (value - mean) for place, value in values) / spread
    noise = sum((value - mean - slope * (place - middle)) ** 2 for place, value in values) / max(count - 2, 1)
    # A slope of two and a half times its own error is believed by a half.
    trust = slope * slope / (slope * slope + TREND_DOUBT * noise / spread) if slope else 0.0
    return max(min(slope * trust, MOST_GROWTH), -MOST_GROWTH)


def _hours(first_day: int, days: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    overall = [sum(hours[hour] for hours in days) for hour in range(HOURS)]
    whole = sum(overall)
    if whole < NOTHING_USD:
        return ((1 / HOURS,) * HOURS, (1 / HOURS,) * HOURS)
    even = whole / len(days) / HOURS
    general = [(part + SHRINK_DAYS * even) / (whole + SHRINK_DAYS * even * HOURS) for part in overall]
    kinds: list[tuple[float, ...]] = []
    for kind in (0, 1):
        mine = [hours for place, hours in enumerate(days) if _is_weekend(first_day + place) == kind]
        own = [sum(hours[hour] for hours in mine) for hour in range(HOURS)]
        prior = SHRINK_DAYS * whole / len(days)
        total = sum(own) + prior
        kinds.append(tuple((part + prior * share) / total for part, share in zip(own, general, strict=True)))
    return kinds[0], kinds[1]


def _rest_of_day(shape: Shape, day: int, so_far: Sequence[float], hour: int, passed: float) -> float:
    """What today still brings: `so_far` its hours up to now, `hour` the one that runs, of which `passed` (0 to 1) is over."""
    ordinary = shape.of_day(day, 1)
    parts = shape.hour[_is_weekend(day)]
    due = ordinary * (sum(parts[:hour]) + parts[hour] * passed)
    prior = PACE_SHARE * ordinary
    pace = (sum(so_far) + prior) / (due + prior) if due + prior else 1.0
    return ordinary * (1 - sum(parts[:hour]) - parts[hour] * passed) * pace


def _spread(first_day: int, days: Sequence[Sequence[float]], ahead: int) -> float:
    """How far forecasts of `ahead` days were off at earlier days: the spread of the ratio's logarithm."""
    totals = [sum(hours) for hours in days]
    horizon = max(min(ahead, len(days) - MIN_DAYS), 1)
    origins = range(max(MIN_DAYS, len(days) - horizon - MOST_ORIGINS + 1), len(days) - horizon + 1)
    errors: list[float] = []
    for origin in origins:
        shape = shape_of(first_day, days[:origin])
        expected = sum(shape.of_day(first_day + origin + step, step + 1) for step in range(horizon))
        came = sum(totals[origin : origin + horizon])
        slack = 0.02 * shape.level * horizon + 1e-12
        errors.append(log((came + slack) / (expected + slack)))
    if not errors:
        return MOST_SPREAD
    # Overlapping stretches are not as many tries as they look.
    independent = max(len(errors) / horizon, 1.0)
    size = sqrt(sum(error * error for error in errors) / len(errors)) * (1 + 0.6 / independent)
    return min(max(size * sqrt(max(ahead / horizon, 1.0)), LEAST_SPREAD), MOST_SPREAD)


def forecast(costs: Mapping[int, float], first_hour: int | None, now_s: float) -> Forecast:
    """The forecast at `now_s` (Unix seconds). `costs` by hour since 1970, `first_hour` the first that was observed (None: none was);
    hours that are not in it cost nothing."""
    hour_now = int(now_s // 3600)
    today, hour = divmod(hour_now, HOURS)
    start_day = today if first_hour is None else -(-first_hour // HOURS)
    days = [[costs.get(day * HOURS + each, 0.0) for each in range(HOURS)] for day in range(start_day, today)]
    spending = sum(1 for hours in days if sum(hours) > NOTHING_USD)
    if spending < MIN_DAYS:
        why = f"too little data: {spending} of at least {MIN_DAYS} complete days (UTC) with any cost"
        return Forecast(None, None, len(days), why, ())
    shape = shape_of(start_day, days)
    so_far = [costs.get(today * HOURS + each, 0.0) for each in range(hour + 1)]
    rest = _rest_of_day(shape, today, so_far, hour, now_s / 3600 - hour_now)
    day_spread = _spread(start_day, days, 1)
    day = _estimate(sum(so_far), [(rest, day_spread)])
    month_first, month_last = _month(today)
    month_spent = sum(cost for each, cost in costs.items() if month_first * HOURS <= each <= hour_now)
    ahead = month_last - today
    parts = [(rest, day_spread)]
    if ahead:
        later = sum(shape.of_day(today + step, step + 1) for step in range(1, ahead + 1))
        parts.append((later, _spread(start_day, days, ahead)))
    notes = [] if len(days) >= WEEKLY_DAYS else [f"weekdays are not told apart yet: {len(days)} of {WEEKLY_DAYS} complete days"]
    if first_hour is not None and first_hour > month_first * HOURS:
        notes.append("the month's beginning is not on record: what it cost before is not in the sum")
    return Forecast(day, _estimate(month_spent, parts), len(days), "", tuple(notes))


def _estimate(spent: float, parts: Sequence[tuple[float, float]]) -> Estimate:
    """The sum of what is spent and what is to come, each part with the spread of its ratio's logarithm."""
    rest = sum(part for part, _ in parts)
    # Errors of today and of later days come from one level: they are taken to go together.
    low = sum(part * exp(-Z * spread) for part, spread in parts)
    high = sum(part * exp(Z * spread) for part, spread in parts)
    return Estimate(spent, spent + rest, spent + low, spent + high)


def _month(day: int) -> tuple[int, int]:
    """The first and the last day of the month that a day is in."""
    at = datetime.fromtimestamp(day * 86_400, UTC)
    following = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
    return day - at.day + 1, int(following.timestamp()) // 86_400 - 1
