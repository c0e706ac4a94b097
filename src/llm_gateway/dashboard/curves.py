"""What the curves show: points of `/metrics/timeseries` and days of `/metrics/costs`, made into series that a browser draws. Pure.

Every curve has a sentence for who cannot see it, and a colour and a dash of its own for who cannot tell colours apart.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from llm_gateway.dashboard import words

MOST_POINTS: Final = 48
DAY_S: Final = 86_400
DASHES: Final = ("", "6 3", "2 3", "9 3 2 3", "1 4", "12 4")
"""By colour, as SVG writes them; a line and its legend have the same."""
MOST_LINES: Final = len(DASHES)
Step = dict[str, Any]
_encode = msgspec.json.Encoder().encode


class Line(msgspec.Struct, frozen=True):
    """A line as the legend names it; `last` is its newest value or its sum, for people."""

    name: str
    colour: int
    dash: str
    last: str


class Curve(msgspec.Struct, frozen=True):
    """`data` is JSON for the browser, `summary` the sentence."""

    data: str
    summary: str
    lines: list[Line]


class Estimate(msgspec.Struct, frozen=True):
    """What a month will have cost at its end, in USD, and between which bounds most likely."""

    expected: float
    low: float
    high: float


def steps(points: list[Step]) -> list[list[Step]]:
    """Minutes put together so that not more than `MOST_POINTS` are left."""
    width = max(1, -(-len(points) // MOST_POINTS))
    first = len(points) % width
    cut = ([points[:first]] if first else []) + [points[at : at + width] for at in range(first, len(points), width)]
    return [step for step in cut if step]


def curve(title: str, unit: str, x: list[int], named: Iterable[tuple[str, list[float | None], str]], *, fill: bool = False) -> Curve:
    """A curve of lines: name, values, and what the legend says of them."""
    lines, series = [], []
    for place, (name, values, last) in enumerate(named):
        colour = place % MOST_LINES
        dash = DASHES[colour]
        lines.append(Line(name, colour, dash, last))
        drawn = {"name": name, "values": values, "colour": colour, "fill": fill and place == 0}
        series.append(drawn | ({"dash": [int(each) for each in dash.split()]} if dash else {}))
    said = "; ".join(f"{line.name} {line.last}" for line in lines) or "nothing yet"
    return Curve(_encode({"x": x, "series": series, "unit": unit}).decode(), f"{title}: {said}", lines)


def total(points: Iterable[Step], name: str) -> float:
    """The sum of a figure over minutes."""
    return sum([float(point["all"][name] or 0) for point in points])


def worst(points: Iterable[Step], name: str) -> float | None:
    """The greatest value of a figure among minutes that have one."""
    values = [float(point["all"][name]) for point in points if point["all"][name] is not None]
    return max(values, default=None)


def traffic(points: list[Step]) -> Curve:
    """Requests a minute, by who answered; those who answered most come first, the rest is one line."""
    cut = steps(points)
    sums: dict[str, float] = {}
    for point in points:
        for name, figures in point["by_provider"].items():
            sums[name] = sums.get(name, 0) + figures["requests"]
    names = sorted((name for name, requests in sums.items() if requests), key=lambda name: (-sums[name], name))
    shown, rest = names[: MOST_LINES - 1], names[MOST_LINES - 1 :]

    def of(some: list[str]) -> list[float | None]:
        return [sum(point["by_provider"].get(name, _NOTHING)["requests"] for point in step for name in some) / len(step) for step in cut]

    named = [(name or "nobody", of([name]), words.number(sums[name])) for name in shown]
    named += [(f"{len(rest)} more", of(rest), words.number(sum(sums[name] for name in rest)))] if rest else []
    return curve("Requests a minute by provider", "count", _times(cut), named or [("requests", [0.0] * len(cut), "0")], fill=True)


_NOTHING: Final = {"requests": 0}


def latency(points: list[Step]) -> Curve:
    """Time to the whole answer, and to the first word of streams."""
    cut = steps(points)
    named = [
        (name, [worst(step, field) for step in cut], words.seconds(worst(points[-5:], field)))
        for name, field in (("median", "p50_s"), ("95 %", "p95_s"), ("first word, 95 %", "first_p95_s"))
    ]
    return curve("Latency, the worst minute of each step", "seconds", _times(cut), named)


def spending(points: list[Step]) -> Curve:
    """What providers' calls cost in each step."""
    cut = steps(points)
    values: list[float | None] = [total(step, "cost_usd") for step in cut]
    return curve("Cost", "usd", _times(cut), [("cost", values, words.usd(total(points, "cost_usd")))], fill=True)


def troubles(points: list[Step]) -> Curve:
    """Errors and cache hits as shares of the requests of each step."""
    cut = steps(points)

    def shares(part: str, whole: str) -> tuple[list[float | None], str]:
        def of(some: Iterable[Step]) -> float | None:
            kept = list(some)
            return 100 * total(kept, part) / count if (count := total(kept, whole)) else None

        return [of(step) for step in cut], words.percent(of(points))

    named = [
        (name, *shares(part, whole)) for name, part, whole in (("cache hits", "cache_hits", "cacheable"), ("errors", "errors", "requests"))
    ]
    return curve("Shares of the requests", "percent", _times(cut), named)


def sensitivity(points: list[Step]) -> Curve:
    """Sensitive requests beside all of them."""
    cut = steps(points)
    named: list[tuple[str, list[float | None], str]] = [
        (name, [total(step, field) for step in cut], words.number(total(points, field)))
        for name, field in (("all requests", "requests"), ("sensitive", "sensitive"))
    ]
    return curve("Requests, and those with sensitive content", "count", _times(cut), named, fill=True)


def _times(cut: list[list[Step]]) -> list[int]:
    return [step[0]["at"] for step in cut]


def days(costs: list[tuple[int, float]]) -> Curve:
    """Cost a day: the beginning of each (Unix seconds), and USD."""
    values: list[float | None] = [usd for _, usd in costs]
    made = curve("Cost a day", "usd", [at for at, _ in costs], [("cost a day", values, words.usd(sum(usd for _, usd in costs)))])
    return _with(made, days=True, bars=True)


def month(spent: list[tuple[int, float]], end_s: int, forecast: Estimate | None, budget_usd: float | None) -> Curve:
    """What a month has cost by the end of each day up to now, and the fan in which it will end: between `low` and `high` at `end_s`.

    `spent` are the days (the beginning, Unix seconds) and their USD. A budget is drawn where it is not far above everything else.
    """
    sums: list[float | None] = []
    for _, usd in spent:
        sums.append((sums[-1] or 0.0 if sums else 0.0) + usd)
    now = sums[-1] or 0.0 if sums else 0.0
    x = [at + DAY_S for at, _ in spent]
    ahead = list(range(x[-1] + DAY_S, end_s + 1, DAY_S)) if forecast is not None else []
    named: list[tuple[str, list[float | None], str]] = [("spent", [*sums, *[None] * len(ahead)], words.usd(now))]
    made = curve("This month", "usd", [*x, *ahead], named, fill=True)
    data, lines, said = msgspec.json.decode(made.data), list(made.lines), made.summary
    if forecast is not None and ahead:

        def fan(at_end: float) -> list[float | None]:
            return [*[None] * (len(x) - 1), now, *[now + (at_end - now) * (step + 1) / len(ahead) for step in range(len(ahead))]]

        bounds = f"{words.usd(forecast.low)} to {words.usd(forecast.high)}"
        data["series"] += [
            {"name": "forecast", "values": fan(forecast.expected), "colour": 1, "dash": [6, 3]},
            {"name": "high", "values": fan(forecast.high), "colour": 1, "edge": True, "band": 3},
            {"name": "low", "values": fan(forecast.low), "colour": 1, "edge": True},
        ]
        lines.append(Line("forecast", 1, DASHES[1], f"{words.usd(forecast.expected)} ({bounds})"))
        said += f"; forecast {words.usd(forecast.expected)}, {bounds}"
    if budget_usd is not None and budget_usd <= 2 * max(now, forecast.high if forecast is not None else 0.0):
        data["series"].append({"name": "budget", "values": [budget_usd] * (len(x) + len(ahead)), "colour": 5, "dash": [12, 4]})
        lines.append(Line("budget", 5, DASHES[5], words.usd(budget_usd)))
    return _with(Curve(_encode(data).decode(), said, lines), days=True)


def _with(made: Curve, **options: bool) -> Curve:
    return msgspec.structs.replace(made, data=_encode(msgspec.json.decode(made.data) | options).decode())
