"""Pages to look at: traffic, requests, providers, costs, security."""

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from llm_gateway.api.asgi import header
from llm_gateway.dashboard import curves
from llm_gateway.dashboard.asking import Reply
from llm_gateway.dashboard.visit import REQUESTS, WINDOWS, Html, Notice, Response, Visit

PAGE_SIZE: Final = 50
SAMPLE: Final = 1000
"""Newest requests on record that are read to say why providers were not chosen, and where sensitive content went."""
_COST_WINDOWS: Final = ("24h", "7d", "30d", "90d")
_PLAIN: Final = "Summarise the plot of Hamlet in two sentences."
_SENSITIVE: Final = "Which bank is this account at? IBAN DE89 3704 0044 0532 0130 00"
"""What the providers page asks the router about; neither is sent anywhere. The number is the well-known example."""
VERIFIES_S: Final = 120.0
_NUMBERED: Final = re.compile(r"; [^;]*\d+(\.\d+)? s\b[^;]*")
"""The part of a reason that says for how long: it would make every reason another one."""
_DONE: Final = {
    "budget": Notice("The budget holds from now on."),
    "budget-removed": Notice("The budget is removed."),
}


async def overview(visit: Visit) -> Response:
    """Traffic, latency, cost, cache and errors of the last minutes or hours."""
    window = visit.window()
    metrics, series, pace, providers, recent = await asyncio.gather(
        visit.see.get("/metrics"),
        visit.see.get("/metrics/timeseries", minutes=WINDOWS[window]),
        visit.see.get("/metrics/performance", since=f"{WINDOWS[window]}m", slowest=5),
        visit.see.get("/providers"),
        visit.see.get("/requests", limit=8),
    )
    points: list[dict[str, Any]] = series.document.get("points", [])
    drawn = {}
    if points:
        drawn = {
            "traffic": curves.traffic(points),
            "latency": curves.latency(points),
            "spending": curves.spending(points),
            "troubles": curves.troubles(points),
        }
    names = ("requests", "errors", "tokens", "cost_usd", "cache_hits", "cacheable", "sensitive")
    return Html(
        "overview.html",
        {
            "window": window,
            "windows": WINDOWS,
            "metrics": metrics,
            "series": series,
            "sums": {name: curves.total(points, name) for name in names},
            "pace": pace,
            "providers": providers,
            "recent": recent,
            "curves": drawn,
            "host": header(visit.scope, b"host") or "localhost:5055",
        },
    )


async def requests(visit: Visit) -> Response:
    """Requests on record, by what the visitor looks for."""
    since = visit.asked("since") or "24h"
    filters = {name: visit.asked(name) for name in ("caller", "provider", "model", "error_type", "cache")}
    only = visit.asked("only") or ""
    offset = int(visit.query.get("offset", "0")) if visit.query.get("offset", "0").isdecimal() else 0
    if wanted := visit.asked("id"):
        return await _story(visit, wanted.strip())
    found = await visit.see.get(
        "/requests",
        since=since,
        limit=PAGE_SIZE,
        offset=offset,
        failed="true" if only == "failed" else None,
        sensitive="true" if only == "sensitive" else None,
        slowest="true" if only == "slowest" else None,
        **filters,
    )
    kept = {name: value for name, value in {**filters, "since": since, "only": only}.items() if value}
    more = found.document.get("next_offset")
    context = {"found": found, "filters": filters, "since": since, "only": only, "offset": offset}
    context["next_page"] = None if more is None else f"{REQUESTS.path}?{urlencode(kept | {'offset': more})}"
    return Html("requests.html", context)


async def one_request(visit: Visit) -> Response:
    """Every decision about one request, in the order in which it was made."""
    return await _story(visit, visit.name)


async def _story(visit: Visit, name: str) -> Response:
    story = await visit.see.get(f"/requests/{name}")
    trail = await visit.see.get("/audit", correlation_id=name, limit=100)
    rows = sorted(trail.document.get("rows", []), key=lambda row: row.get("at", 0.0))
    return Html("request.html", {"name": name, "story": story, "trail": trail, "rows": rows}, 200 if story.ok or rows else 404)


async def providers(visit: Visit) -> Response:
    """Providers, their circuits and limits, and why one is not chosen: now, and by what is on record."""
    listed, plain, sensitive, recent = await asyncio.gather(
        visit.see.get("/providers"),
        visit.act.post("/route/explain", {"prompt": _PLAIN}),
        visit.act.post("/route/explain", {"prompt": _SENSITIVE}),
        visit.see.get("/requests", since="24h", limit=SAMPLE),
    )
    names = [each["name"] for each in listed.document.get("providers", [])]
    limits = await asyncio.gather(*[visit.see.get(f"/providers/{name}/limits") for name in names])
    return Html(
        "providers.html",
        {
            "providers": listed,
            "limits": {name: found for name, found in zip(names, limits, strict=True) if found.ok},
            "explained": [("An ordinary prompt", plain), ("A prompt with an account number", sensitive)],
            "recent": recent,
            "passed_over": _passed_over(recent.document.get("requests", [])),
        },
    )


def _passed_over(records: list[dict[str, Any]]) -> list[tuple[str, str, str, int]]:
    """Provider, code, reason and how often, most frequent first."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for record in records:
        for refused in (record["route"] or {}).get("rejected", []):
            counts[refused["provider"], refused["code"], _NUMBERED.sub("", refused["reason"])] += 1
    return [(*each, count) for each, count in counts.most_common(20)]


async def costs(visit: Visit) -> Response:
    """Sums from the ledger, where the month will end, what could be saved, and budgets."""
    window = visit.query.get("window", "30d")
    window = window if window in _COST_WINDOWS else "30d"
    today = datetime.fromtimestamp(visit.now_s, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found, so_far, budgets, usage = await asyncio.gather(
        visit.see.get("/metrics/costs", since=window, limit=200),
        visit.see.get("/metrics/costs", since=today.replace(day=1).isoformat(), limit=31),
        visit.see.get("/admin/budgets"),
        visit.see.get("/usage", since=window, limit=1),
    )
    days = sorted((_midnight(each["day"]), float(each["cost"])) for each in found.document.get("by_day", []))
    return Html(
        "costs.html",
        {
            "window": window,
            "windows": _COST_WINDOWS,
            "costs": found,
            "curve": curves.days(days) if days else None,
            "month": _month(so_far, budgets, today) if so_far.ok and so_far["total"]["attempts"] else None,
            "forecast": found.document.get("forecast"),
            "advice": found.document.get("recommendations", []),
            "budgets": budgets,
            "usage": usage,
            "notice": _DONE.get(visit.query.get("done", "")),
        },
    )


def _month(so_far: Reply, budgets: Reply, today: datetime) -> curves.Curve:
    """The month day by day, with its forecast, and the budget of everything where there is one."""
    known = {_midnight(each["day"]): float(each["cost"]) for each in so_far["by_day"]}
    first = today.replace(day=1)
    spent = [(at, known.get(at, 0.0)) for at in range(int(first.timestamp()), int(today.timestamp()) + 1, curves.DAY_S)]
    end = (first + timedelta(days=32)).replace(day=1)
    estimate = (so_far["forecast"] or {}).get("month")
    forecast = None if estimate is None else curves.Estimate(estimate["expected"], estimate["low"], estimate["high"])
    limits = [
        float(each["limit_usd"]) for each in budgets.document.get("budgets", []) if (each["scope"], each["period"]) == ("global", "month")
    ]
    return curves.month(spent, int(end.timestamp()), forecast, min(limits, default=None))


def _midnight(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


async def security(visit: Visit) -> Response:
    """The share of sensitive requests, what was found in them, and where they went."""
    window = visit.window("24h")
    series, sensitive, blocked, listed, health = await asyncio.gather(
        visit.see.get("/metrics/timeseries", minutes=WINDOWS[window]),
        visit.see.get("/requests", since=f"{WINDOWS[window]}m", sensitive="true", limit=SAMPLE),
        visit.see.get("/requests", since=f"{WINDOWS[window]}m", error_type="sensitive_content_blocked", limit=SAMPLE),
        visit.see.get("/providers"),
        visit.see.get("/health/detailed"),
    )
    points = series.document.get("points", [])
    records = sensitive.document.get("requests", [])
    levels = {each["name"]: each["security_level"] for each in listed.document.get("providers", [])}
    kinds: Counter[str] = Counter(kind for record in records for kind in record["sensitivity"]["kinds"])
    went = Counter(record["provider"] or ("the cache" if record["cache"] in {"hit", "semantic"} else "") for record in records)
    rerouted = [record for record in records if _was_rerouted(record)]
    return Html(
        "security.html",
        {
            "window": window,
            "windows": WINDOWS,
            "series": series,
            "sums": {name: curves.total(points, name) for name in ("requests", "sensitive")},
            "curve": curves.sensitivity(points) if points else None,
            "records": sensitive,
            "kinds": kinds.most_common(12),
            "went": [(name, levels.get(name, ""), count) for name, count in went.most_common()],
            "rerouted": rerouted,
            "blocked": blocked.document.get("requests", []),
            "sample": SAMPLE,
            "health": health,
        },
    )


def _was_rerouted(record: dict[str, Any]) -> bool:
    """Whether a provider was asked for that the content may not go to."""
    asked = record["asked"]["provider"]
    return bool(asked) and asked not in record["eligible"] and record["provider"] != asked


async def verification(visit: Visit) -> Response:
    """The state of the audit trail, every row checked now."""
    return Html("verification.html", {"verdict": await visit.see.get_patiently("/audit/verify", VERIFIES_S)})
