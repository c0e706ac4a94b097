"""How good the cost forecast is: simulated months of several shapes, forecast at many moments, beside what then came.

    python -m benchmarks.forecast [--months 40] [--json] [--show SHAPE]

Every shape is simulated over and over with other dice. At moments throughout the last month the end of the month is forecast, by the
gateway's method and by four naive ones, and compared with what the simulation then brings. The error is the absolute
difference to what came, in percent of what came; `inside` is how often the interval held it (80 % is the aim).
"""

import argparse
import json
import random
from collections.abc import Callable
from math import exp, pi, sin
from statistics import median

from llm_gateway.costs.forecast import forecast, weekday_of

HISTORY_DAYS = 30
FIRST_DAY = 20_454  # 2026-01-01
MONTH_DAYS = 31
MOMENTS = tuple(day + hour / 24 for day in (3, 7, 11, 15, 19, 23, 27) for hour in (2, 11, 19))

Naive = Callable[[dict[int, float], int, float, int], float]


def office(day: int, hour: int, weekend: float = 0.15) -> float:
    """The working week: busy from 8 to 18, little at night and at weekends."""
    busy = max(sin(pi * (hour - 6) / 14), 0.0) if 6 <= hour <= 20 else 0.0
    return (0.05 + busy) * (weekend if weekday_of(day) >= 5 else 1.0)


SHAPES: dict[str, Callable[[int, int], float]] = {
    "steady, day and night": lambda day, hour: 1.0,
    "working week": office,
    "working week, growing 2 % a day": lambda day, hour: office(day, hour) * exp(0.02 * (day - FIRST_DAY)),
    "working week, shrinking 2 % a day": lambda day, hour: office(day, hour) * exp(-0.02 * (day - FIRST_DAY)),
    "a step: three times as much from the 10th on": lambda day, hour: office(day, hour) * (3.0 if day >= FIRST_DAY + 9 else 1.0),
    "nightly batches, and the week": lambda day, hour: office(day, hour) + (6.0 if hour == 2 else 0.0),
    "weekends alone": lambda day, hour: 1.0 if weekday_of(day) >= 5 else 0.02,
}
"""What an hour is expected to cost, before the dice."""


def simulated(shape: Callable[[int, int], float], dice: random.Random, noise: float) -> dict[int, float]:
    """Costs by hour of the history and the month: each day and each hour with its own luck, now and then a burst."""
    costs: dict[int, float] = {}
    for day in range(FIRST_DAY - HISTORY_DAYS, FIRST_DAY + MONTH_DAYS):
        luck = exp(dice.gauss(0, noise))
        for hour in range(24):
            burst = 4.0 if dice.random() < 0.01 else 1.0
            costs[day * 24 + hour] = shape(day, hour) * luck * exp(dice.gauss(0, 0.5)) * burst
    return costs


def _days(known: dict[int, float], today: int, back: int) -> list[float]:
    return [sum(known.get(day * 24 + hour, 0.0) for hour in range(24)) for day in range(today - back, today)]


def month_to_date(known: dict[int, float], today: int, now_h: float, end_day: int) -> float:
    """What the month has cost so far, at the same pace to its end."""
    spent = sum(cost for hour, cost in known.items() if hour >= FIRST_DAY * 24)
    return spent * MONTH_DAYS * 24 / (now_h - FIRST_DAY * 24)


def yesterday(known: dict[int, float], today: int, now_h: float, end_day: int) -> float:
    """Every hour to come costs what the mean hour of yesterday did."""
    return _extended(known, now_h, end_day, _days(known, today, 1)[0] / 24)


def last_week(known: dict[int, float], today: int, now_h: float, end_day: int) -> float:
    """Every hour to come costs what the mean hour of the last seven days did."""
    return _extended(known, now_h, end_day, sum(_days(known, today, 7)) / 168)


def week_before(known: dict[int, float], today: int, now_h: float, end_day: int) -> float:
    """Every hour to come costs what it did in the last complete week."""
    rest = 0.0
    for hour in range(int(now_h), end_day * 24):
        same = hour
        while same >= today * 24:
            same -= 168
        rest += known.get(same, 0.0) * (1 - (now_h - hour) if hour == int(now_h) else 1.0)
    return sum(cost for hour, cost in known.items() if hour >= FIRST_DAY * 24) + rest


def _extended(known: dict[int, float], now_h: float, end_day: int, rate: float) -> float:
    return sum(cost for hour, cost in known.items() if hour >= FIRST_DAY * 24) + rate * (end_day * 24 - now_h)


NAIVE: dict[str, Naive] = {
    "month to date": month_to_date,
    "yesterday's rate": yesterday,
    "last 7 days' rate": last_week,
    "the week before again": week_before,
}


def measure(shape: Callable[[int, int], float], months: int, history_days: int, noise: float = 0.2) -> dict[str, float]:
    """Median errors in percent by method, and the share of intervals that held."""
    errors: dict[str, list[float]] = {name: [] for name in ("forecast", *NAIVE)}
    inside = tries = 0
    end_day = FIRST_DAY + MONTH_DAYS
    for month in range(months):
        costs = simulated(shape, random.Random(month), noise)
        came = sum(cost for hour, cost in costs.items() if hour >= FIRST_DAY * 24)
        first_hour = (FIRST_DAY - history_days) * 24
        for moment in MOMENTS:
            now_h = (FIRST_DAY + moment) * 24
            known = {hour: cost for hour, cost in costs.items() if first_hour <= hour < int(now_h)}
            found = forecast(known, first_hour, now_h * 3600)
            if found.month is None:
                continue
            tries += 1
            inside += found.month.low <= came <= found.month.high
            errors["forecast"].append(100 * abs(found.month.expected - came) / came)
            for name, method in NAIVE.items():
                errors[name].append(100 * abs(method(known, FIRST_DAY + int(moment), now_h, end_day) - came) / came)
    return {**{name: median(each) for name, each in errors.items()}, "inside": 100 * inside / tries}


def month_beside_what_came(name: str) -> str:
    """One simulated month: what was forecast for its end at noon of every third day, beside what then came."""
    costs = simulated(SHAPES[name], random.Random(0), 0.2)
    came = sum(cost for hour, cost in costs.items() if hour >= FIRST_DAY * 24)
    lines = [
        f"{name}: the month came to {came:.0f}",
        "",
        "| noon of day | spent | expected | interval | off by |",
        "|---:|---:|---:|---:|---:|",
    ]
    for day in range(0, MONTH_DAYS, 3):
        now_h = (FIRST_DAY + day) * 24 + 12
        known = {hour: cost for hour, cost in costs.items() if hour < now_h}
        found = forecast(known, min(costs), now_h * 3600).month
        if found is not None:
            off = 100 * (found.expected - came) / came
            lines.append(f"| {day + 1} | {found.spent:.0f} | {found.expected:.0f} | {found.low:.0f} to {found.high:.0f} | {off:+.1f} % |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--show", choices=sorted(SHAPES), help="one simulated month, day by day, beside what then came")
    asked = parser.parse_args()
    if asked.show:
        print(month_beside_what_came(asked.show))
        return
    rows = {
        f"{name}; {history} days before": measure(shape, asked.months, history)
        for name, shape in SHAPES.items()
        for history in (HISTORY_DAYS, 0)
    }
    if asked.json:
        print(json.dumps(rows, indent=2))
        return
    columns = ["forecast", *NAIVE, "inside"]
    print("| shape | " + " | ".join(columns) + " |\n|---|" + "---:|" * len(columns))
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(f"{row[column]:.1f}" for column in columns) + " |")


if __name__ == "__main__":
    main()
