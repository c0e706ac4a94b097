"""What is read off the figures and records: typed snapshots for the endpoints, the dashboard and the command line.

`MetricsView` answers from the database, after what this process has counted up to now is stored, so every worker gives the same
answer; what other processes counted within the last second may be missing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, or_, select

from llm_gateway.core.pricing import PICO_PER_USD
from llm_gateway.core.ranking import Option, Strategy
from llm_gateway.metrics.aggregate import LEFT, NOBODY, Aggregate, merged
from llm_gateway.metrics.book import Book
from llm_gateway.metrics.records import COLUMNS, Detail, Ranked, Route, Row, completed
from llm_gateway.metrics.summary import Summary, summary_of
from llm_gateway.metrics.tables import MINUTE_S, grounds, read_spans, requests

MOST_MINUTES: Final = 1_440
_detail_decoder = msgspec.json.Decoder(Detail)
_route_decoder = msgspec.json.Decoder(Route | None)
_NOTHING_KNOWN: Final = (Detail(), None)
"""Of grounds that could not be stored."""
AT_ONCE: Final = 500
"""Grounds that are asked for in one statement."""


class Figures(msgspec.Struct, frozen=True):
    """Requests of some time. Seconds; None: nothing to measure. `errors` failed by our or a provider's fault; `calls`, `tokens` and
    `cost_usd` are of the calls of providers that were made."""

    requests: int
    errors: int
    cancelled: int
    cache_hits: int
    cacheable: int
    sensitive: int
    calls: int
    tokens: int
    cost_usd: float
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    first_p50_s: float | None
    first_p95_s: float | None


class Point(msgspec.Struct, frozen=True):
    """A minute: `at` is its beginning in Unix seconds, `by_provider` those that answered ("": nobody did). `lag_p99_s` is how late the
    event loop ran what was due."""

    at: int
    all: Figures
    by_provider: dict[str, Figures]
    lag_p99_s: float | None


class Series(msgspec.Struct, frozen=True):
    """Minutes without a gap, oldest first; the last one is not over yet."""

    step_s: int
    points: list[Point]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which records: those that have all of what is given. Times in Unix microseconds, from `since_us`, before `until_us`; `owner` is
    the tenant or caller whose they are; `failed` True: those with an error, False: those without."""

    since_us: int | None = None
    until_us: int | None = None
    owner: str | None = None
    caller: str | None = None
    key_id: str | None = None
    provider: str | None = None
    model: str | None = None
    cache: str | None = None
    error_type: str | None = None
    sensitive: bool | None = None
    failed: bool | None = None
    correlation_id: str | None = None
    slowest: bool = False

    def where(self) -> ColumnElement[bool]:
        """As SQL."""
        columns = requests.c
        parts: list[ColumnElement[bool]] = [columns.at_us >= (self.since_us or 0)]
        if self.until_us is not None:
            parts.append(columns.at_us < self.until_us)
        if self.owner is not None:
            parts.append(or_(columns.owner == self.owner, columns.caller == self.owner))
        if self.sensitive is not None:
            parts.append(columns.sensitive == int(self.sensitive))
        if self.failed is not None:
            parts.append(columns.error_type != "" if self.failed else columns.error_type == "")
        for name in ("caller", "key_id", "provider", "model", "cache", "error_type", "correlation_id"):
            value = getattr(self, name)
            if value is not None:
                parts.append(columns[name] == value)
        return and_(*parts)


class Record(msgspec.Struct, frozen=True):
    """A request with what was decided: the row as it is stored, and its detail."""

    row: Row
    detail: Detail
    route: Route | None

    @property
    def candidates(self) -> Sequence[Ranked]:
        return self.route.ranked if self.route is not None else ()


def record_of(row: Row, grounds: str = "{}") -> Record:
    """A stored row, read; `grounds` are those that it rests on, as they are stored."""
    return _record(row, _read(row.detail if row.grounds is None else grounds))


def _record(row: Row, known: tuple[Detail, Route | None]) -> Record:
    detail, route = known
    return Record(row, detail if row.grounds is None else completed(detail, row), route)


def _read(detail: str) -> tuple[Detail, Route | None]:
    found = _detail_decoder.decode(detail)
    return found, _route_decoder.decode(found.route)


def shown_route(record: Record, strategies: Mapping[str, Strategy]) -> dict[str, Any]:
    """A record's route for people: each candidate with the reasons that its strategy gives for the figures it saw."""
    route = record.route
    if route is None:
        return {}
    strategy = strategies.get(route.strategy)
    ranked: list[dict[str, Any]] = []
    for each in route.ranked:
        option = Option(each.provider, each.priority, each.quality, each.cost_usd, each.latency_s, each.error_rate, each.in_flight)
        reasons = strategy.reasons(option) if strategy is not None and route.size is not None else ()
        ranked.append({**msgspec.structs.asdict(each), "reasons": list(reasons)})
    return {
        "strategy": route.strategy,
        "reason": route.reason,
        "turn": route.turn,
        "size": None if route.size is None else msgspec.structs.asdict(route.size),
        "ranked": ranked,
        "rejected": [msgspec.structs.asdict(each) for each in route.rejected],
    }


def figures_of(whole: Aggregate, provider: str | None = None) -> Figures:
    """The figures of an aggregate, of one provider's requests and calls where one is named."""
    part = whole
    if provider is not None:
        part = Aggregate(
            requests={key: cell for key, cell in whole.requests.items() if key[1] == provider},
            attempts={key: cell for key, cell in whole.attempts.items() if key[1] == provider},
        )
    totals = part.totals()
    request, attempt = totals.request, totals.attempt
    return Figures(
        request.requests,
        request.served_errors,
        request.outcomes.get(LEFT, 0),
        request.hits,
        request.cacheable,
        request.sensitive,
        attempt.attempts,
        attempt.input_tokens + attempt.output_tokens,
        attempt.cost_pico_usd / PICO_PER_USD,
        request.total.quantile(0.5),
        request.total.quantile(0.95),
        request.total.quantile(0.99),
        request.first.quantile(0.5),
        request.first.quantile(0.95),
    )


def providers_of(whole: Aggregate) -> list[str]:
    """The providers that an aggregate has figures of; "" stands for requests that nobody answered."""
    return sorted({key[1] for key in whole.requests} | {key[1] for key in whole.attempts} - {NOBODY})


class MetricsView:
    """The figures and records of all processes that share the database."""

    def __init__(self, book: Book) -> None:
        self.book = book

    async def summary(self) -> Summary:
        """The figures of `GET /metrics`."""
        return summary_of(await self.book.totals())

    async def series(self, minutes: int) -> Series:
        """The last `minutes` (1 to 1,440), this one included."""
        last_s = int(self.book.clock.wall_s()) // MINUTE_S * MINUTE_S
        first_s = last_s - (min(max(minutes, 1), MOST_MINUTES) - 1) * MINUTE_S

        # Off the event loop: a day of minutes is work for a second.
        def work(connection: Connection) -> list[Point]:
            known = {at_s: each for at_s, width_s, each in read_spans(connection, first_s, last_s + MINUTE_S) if width_s == MINUTE_S}
            empty = Aggregate()
            return [_point(at_s, known.get(at_s, empty)) for at_s in range(first_s, last_s + MINUTE_S, MINUTE_S)]

        return Series(MINUTE_S, await self.book.read(work))

    async def window(self, since_s: float) -> Aggregate:
        """Everything counted since (Unix seconds), to the minute; to the hour or day for what was summed up already."""
        until_s = self.book.clock.wall_s() + MINUTE_S

        def work(connection: Connection) -> Aggregate:
            return merged(each for _, _, each in read_spans(connection, since_s - since_s % MINUTE_S, until_s))

        return await self.book.read(work)

    async def records(self, wanted: Wanted, limit: int, offset: int = 0) -> list[Record]:
        """The newest requests first, or the slowest."""

        def work(connection: Connection) -> list[Record]:
            return read_records(connection, wanted, limit, offset)

        return await self.book.read(work)


def _point(at_s: int, minute: Aggregate) -> Point:
    by_provider = {name: figures_of(minute, name) for name in providers_of(minute)}
    return Point(at_s, figures_of(minute), by_provider, minute.lag.quantile(0.99))


def read_records(connection: Connection, wanted: Wanted, limit: int, offset: int = 0) -> list[Record]:
    """Records of requests, newest or slowest first."""
    rows = _rows(connection, wanted, limit, offset)
    rest_on: dict[str, set[int]] = {}
    for row in rows:
        if row.grounds is not None:
            rest_on.setdefault(row.process, set()).add(row.grounds)
    known: dict[tuple[str, int], tuple[Detail, Route | None]] = {}
    for process, numbers in rest_on.items():
        these = sorted(numbers)
        for start in range(0, len(these), AT_ONCE):
            part = these[start : start + AT_ONCE]
            query = select(grounds.c.number, grounds.c.detail).where(grounds.c.process == process, grounds.c.number.in_(part))
            known.update({(process, number): _read(detail) for number, detail in connection.execute(query)})
    return [
        _record(row, _read(row.detail) if row.grounds is None else known.get((row.process, row.grounds), _NOTHING_KNOWN)) for row in rows
    ]


def _rows(connection: Connection, wanted: Wanted, limit: int, offset: int = 0) -> list[Row]:
    columns = requests.c
    order: tuple[ColumnElement[Any], ...] = (columns.at_us.desc(), columns.process, columns.number.desc())
    if wanted.slowest:
        order = (columns.duration_us.desc(), *order)
    query = select(*[columns[name] for name in COLUMNS]).where(wanted.where()).order_by(*order).limit(limit).offset(offset)
    return [Row(*found) for found in connection.execute(query)]
