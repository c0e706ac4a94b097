import json
from typing import Any

from llm_gateway.dashboard import curves

DAY_S = 86_400


def figures(**given: float | None) -> dict[str, Any]:
    blank: dict[str, Any] = dict.fromkeys(("requests", "errors", "cache_hits", "cacheable", "sensitive", "tokens", "cost_usd"), 0)
    return blank | {"p50_s": None, "p95_s": None, "first_p95_s": None} | given


def minutes(count: int, **given: float | None) -> list[dict[str, Any]]:
    return [{"at": 60 * at, "all": figures(**given), "by_provider": {"openai": figures(**given)}} for at in range(count)]


def series(made: curves.Curve) -> list[dict[str, Any]]:
    drawn = json.loads(made.data)
    assert all(len(each["values"]) == len(drawn["x"]) for each in drawn["series"])
    found: list[dict[str, Any]] = drawn["series"]
    return found


def test_minutes_are_put_together_and_none_is_lost() -> None:
    for count in (1, 15, 48, 49, 60, 360, 1440):
        cut = curves.steps(minutes(count))
        assert len(cut) <= curves.MOST_POINTS + 1
        assert [point for step in cut for point in step] == minutes(count)
        assert len({len(step) for step in cut[1:]}) <= 1


def test_traffic_shows_who_answered_and_puts_the_rest_together() -> None:
    points = minutes(2)
    for point in points:
        point["by_provider"] = {f"p{number}": figures(requests=number) for number in range(1, 9)} | {"": figures(requests=100)}
    made = curves.traffic(points)
    assert [line.name for line in made.lines] == ["nobody", "p8", "p7", "p6", "p5", "4 more"]
    assert [each["values"][0] for each in series(made)] == [100, 8, 7, 6, 5, 4 + 3 + 2 + 1]
    assert "nobody 200" in made.summary


def test_traffic_without_requests_is_a_line_at_zero() -> None:
    assert series(curves.traffic(minutes(3)))[0]["values"] == [0, 0, 0]


def test_latency_is_that_of_the_worst_minute_and_a_gap_where_nothing_was_measured() -> None:
    points = minutes(96)
    points[0]["all"]["p95_s"], points[1]["all"]["p95_s"] = 0.2, 0.5
    assert series(curves.latency(points))[1]["values"][:2] == [0.5, None]


def test_shares_are_of_what_could_have_been() -> None:
    hits, errors = series(curves.troubles(minutes(1, requests=10, errors=1, cacheable=4, cache_hits=1)))
    assert (hits["values"], errors["values"]) == ([25.0], [10.0])
    assert series(curves.troubles(minutes(1)))[0]["values"] == [None]


def test_lines_differ_without_colour() -> None:
    points = minutes(1)
    points[0]["by_provider"] = {f"p{number}": figures(requests=number) for number in range(1, 6)}
    assert len({line.dash for line in curves.traffic(points).lines}) == 5


def test_a_month_adds_up_and_ends_between_its_bounds() -> None:
    spent = [(0, 1.0), (DAY_S, 2.0), (2 * DAY_S, 0.5)]
    made = curves.month(spent, 5 * DAY_S, curves.Estimate(6.0, 5.0, 8.0), 10.0)
    so_far, forecast, high, low, budget = series(made)
    assert json.loads(made.data)["x"] == [DAY_S, 2 * DAY_S, 3 * DAY_S, 4 * DAY_S, 5 * DAY_S]
    assert so_far["values"] == [1.0, 3.0, 3.5, None, None]
    assert forecast["values"] == [None, None, 3.5, 4.75, 6.0]
    assert (high["values"][-1], low["values"][-1], budget["values"][0]) == (8.0, 5.0, 10.0)
    assert series(made)[high["band"] - 1] is not None
    assert high["band"] == 3
    assert "$6.00 ($5.00 to $8.00)" in made.lines[1].last


def test_a_month_without_a_forecast_is_what_was_spent() -> None:
    (so_far,) = series(curves.month([(0, 1.0)], 3 * DAY_S, None, 50.0))
    assert so_far["values"] == [1.0]
    assert len(series(curves.month([(29 * DAY_S, 1.0)], 30 * DAY_S, curves.Estimate(1, 1, 1), None))) == 1


def test_days_are_bars() -> None:
    assert json.loads(curves.days([(0, 1.0)]).data)["bars"] is True
