"""`/metrics` in its forms, and `/requests`: what was measured, and what is on record of single requests."""

from typing import Annotated, Any, Literal, Protocol

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from llm_gateway.api.credentials import credentials_of
from llm_gateway.api.documents import Document, MetricsDocument
from llm_gateway.core.errors import NotFound
from llm_gateway.core.exchange import Caller, Credentials
from llm_gateway.ledger.desk import time_us
from llm_gateway.metrics.exposition import OPENMETRICS, TEXT, Gauges, accepts, families, render
from llm_gateway.metrics.performance import Performance, performance_of
from llm_gateway.metrics.records import Row
from llm_gateway.metrics.sketch import RELATIVE_ERROR
from llm_gateway.metrics.view import MOST_MINUTES, MetricsView, Record, Wanted

_encode = msgspec.json.Encoder().encode
_NO_STORE = {"cache-control": "no-store"}
Since = Annotated[str, Query(max_length=64, description="Unix seconds, ISO 8601, or an age like 30m, 24h or 7d.")]
Until = Annotated[str | None, Query(max_length=64, description="As since; default: now.")]
Scope = Annotated[
    Literal["instance", "all"], Query(description="The workers that share a data folder, or all processes that share the database.")
]
Text = Annotated[str | None, Query(max_length=256)]


class Measured(Protocol):
    """The gateway, as these endpoints need it."""

    @property
    def view(self) -> MetricsView: ...
    def gauges(self) -> Gauges: ...
    def identify(self, credentials: Credentials) -> Caller: ...
    def sees_all_costs(self, caller: Caller) -> bool:
        """Whether a caller may see what others did."""
        ...

    def with_reasons(self, record: Record) -> dict[str, Any]:
        """A record's route for people, with a reason for each candidate."""
        ...


class SpreadDocument(Document):
    count: int
    mean: float | None = Field(description="null: there is nothing to measure.")
    p50: float | None
    p90: float | None
    p99: float | None


class PaceDocument(Document):
    requests: int
    errors: int = Field(description="Requests that failed by our or a provider's fault.")
    calls: int = Field(description="Calls of providers.")
    failed_calls: int
    total_s: SpreadDocument = Field(description="Of answered requests.")
    first_token_s: SpreadDocument = Field(description="Of streams, from the request's arrival to their first content.")
    queue_s: SpreadDocument = Field(description="Of requests that waited for a place at a provider.")
    overhead_s: SpreadDocument = Field(description="The gateway's own time; of streams, up to their first content.")
    upstream_s: SpreadDocument = Field(description="Of the providers' calls.")
    upstream_first_s: SpreadDocument
    tokens_per_s: SpreadDocument = Field(description="Output tokens of the providers' answers.")


class ProviderPaceDocument(Document):
    provider: str
    pace: PaceDocument


class ModelPaceDocument(Document):
    provider: str
    model: str = Field(description="`other` stands for models that no provider lists.")
    pace: PaceDocument


class SlowDocument(Document):
    correlation_id: str
    at: float = Field(description="Unix seconds.")
    provider: str
    model: str
    duration_s: float
    first_token_s: float | None
    queued_s: float
    overhead_s: float
    attempts: int
    status: int


class PerformanceDocument(Document):
    since: float
    relative_error: float = Field(description="Of every percentile.")
    all: PaceDocument
    event_loop_lag_s: SpreadDocument
    by_provider: list[ProviderPaceDocument]
    by_model: list[ModelPaceDocument]
    slowest: list[SlowDocument] = Field(description="The caller's own; everybody's for administrators.")


class FiguresDocument(Document):
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


class PointDocument(Document):
    at: int = Field(description="The minute's beginning, Unix seconds.")
    all: FiguresDocument
    by_provider: dict[str, FiguresDocument] = Field(description='Requests that nobody answered are under "".')
    lag_p99_s: float | None


class SeriesDocument(Document):
    step_s: int
    points: list[PointDocument]


class RequestDocument(Document):
    """One request. The route says what was decided and what the ranking saw; times in it are seconds since the request's arrival."""

    correlation_id: str
    at: float = Field(description="Unix seconds.")
    caller: str
    owner: str
    key_id: str
    operation: str
    ingress: str
    streamed: bool
    asked: dict[str, str] = Field(description="provider and model as the request named them.")
    provider: str
    model: str
    strategy: str
    cache: str
    sensitivity: dict[str, Any] = Field(description="score, sensitive, kinds with their confidence, tainted, unjudged.")
    eligible: list[str]
    route: dict[str, Any] | None
    attempts: list[dict[str, Any]]
    status: int
    error_type: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    max_tokens: int | None
    cost_usd: float | None
    duration_s: float
    first_token_s: float | None
    queued_s: float
    overhead_s: float


class RequestsDocument(Document):
    requests: list[RequestDocument]
    next_offset: int | None = Field(description="Ask with it for those that follow; null: there are none.")


class RequestStoryDocument(Document):
    correlation_id: str
    requests: list[RequestDocument] = Field(description="Oldest first: a caller may use one id for several.")


def metrics_router(measured: Measured) -> APIRouter:
    """The routes of the figures."""
    routes = APIRouter(tags=["metrics"])

    @routes.get(
        "/metrics",
        summary="Usage, cost and error figures; Prometheus text where Accept prefers it",
        responses={200: {"model": MetricsDocument, "content": {"text/plain": {}, "application/openmetrics-text": {}}}},
    )
    async def metrics(request: Request) -> Response:
        wanted = accepts(request.headers.get("accept", ""))
        if wanted == "json":
            return _json(await measured.view.summary())
        return await _exposed(measured, openmetrics=wanted == "openmetrics", instance_only=True)

    @routes.get("/metrics/prometheus", summary="The figures for Prometheus", responses={200: {"content": {"text/plain": {}}}})
    async def prometheus(
        request: Request,
        scope: Scope = "instance",
    ) -> Response:
        openmetrics = accepts(request.headers.get("accept", "")) == "openmetrics"
        return await _exposed(measured, openmetrics=openmetrics, instance_only=scope == "instance")

    @routes.get("/metrics/timeseries", summary="The last minutes, one by one", responses={200: {"model": SeriesDocument}})
    async def timeseries(minutes: Annotated[int, Query(ge=1, le=MOST_MINUTES)] = 60) -> Response:
        return _json(await measured.view.series(minutes))

    @routes.get(
        "/metrics/performance",
        summary="Latencies by provider and model, and the slowest requests",
        responses={200: {"model": PerformanceDocument}},
    )
    async def performance(request: Request, since: Since = "1h", slowest: Annotated[int, Query(ge=0, le=100)] = 10) -> Response:
        since_us = time_us("since", since, int(measured.view.book.clock.wall_s() * 1_000_000))
        figures: Performance = performance_of(await measured.view.window(since_us / 1e6))
        wanted = Wanted(since_us=since_us, owner=_owner(measured, request), slowest=True)
        slow = await measured.view.records(wanted, slowest) if slowest else []
        return _json(
            {
                "since": since_us / 1e6,
                "relative_error": round(RELATIVE_ERROR, 4),
                **msgspec.structs.asdict(figures),
                "slowest": [_slow(each.row) for each in slow],
            }
        )

    return routes


def requests_router(measured: Measured) -> APIRouter:
    """The routes of the records. A caller sees its own tenant's; administrators, and everybody while the gateway has no keys, see all."""
    routes = APIRouter(tags=["requests"])

    @routes.get("/requests", summary="Requests on record, newest first", responses={200: {"model": RequestsDocument}})
    async def requests(
        request: Request,
        since: Since = "24h",
        until: Until = None,
        caller: Text = None,
        key_id: Text = None,
        provider: Text = None,
        model: Text = None,
        cache: Text = None,
        error_type: Text = None,
        sensitive: bool | None = None,
        failed: Annotated[bool | None, Query(description="true: those with an error; false: those without.")] = None,
        slowest: Annotated[bool, Query(description="The slowest first.")] = False,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> Response:
        now_us = int(measured.view.book.clock.wall_s() * 1_000_000)
        wanted = Wanted(
            since_us=time_us("since", since, now_us),
            until_us=time_us("until", until, now_us) if until else None,
            owner=_owner(measured, request),
            caller=caller,
            key_id=key_id,
            provider=provider,
            model=model,
            cache=cache,
            error_type=error_type,
            sensitive=sensitive,
            failed=failed,
            slowest=slowest,
        )
        found = await measured.view.records(wanted, limit + 1, offset)
        more = len(found) > limit
        page = [_request(measured, each) for each in found[:limit]]
        return _json({"requests": page, "next_offset": offset + limit if more else None})

    @routes.get(
        "/requests/{correlation_id}",
        summary="What became of a request, and why (its caller, or an administrator)",
        responses={200: {"model": RequestStoryDocument}},
    )
    async def story(correlation_id: str, request: Request) -> Response:
        wanted = Wanted(correlation_id=correlation_id, owner=_owner(measured, request))
        found = await measured.view.records(wanted, 100)
        if not found:
            raise NotFound(f"there is no request {correlation_id[:128]!r} on record", param="correlation_id")
        return _json({"correlation_id": correlation_id, "requests": [_request(measured, each) for each in reversed(found)]})

    return routes


def _json(document: object) -> Response:
    return Response(_encode(document), media_type="application/json", headers=_NO_STORE)


async def _exposed(measured: Measured, *, openmetrics: bool, instance_only: bool) -> Response:
    whole = await measured.view.book.totals(instance_only=instance_only)
    text = render(families(whole, measured.gauges()), openmetrics=openmetrics)
    return Response(text, headers={"content-type": OPENMETRICS if openmetrics else TEXT, **_NO_STORE})


def _owner(measured: Measured, request: Request) -> str | None:
    caller = measured.identify(credentials_of(request.scope))
    return None if measured.sees_all_costs(caller) else caller.owner or caller.id


def _slow(row: Row) -> dict[str, Any]:
    return {
        "correlation_id": row.correlation_id,
        "at": row.at_us / 1e6,
        "provider": row.provider,
        "model": row.model,
        "attempts": row.attempts,
        "status": row.status,
        **_times(row),
    }


def _times(row: Row) -> dict[str, float | None]:
    return {
        "duration_s": row.duration_us / 1e6,
        "first_token_s": None if row.first_us is None else row.first_us / 1e6,
        "queued_s": row.queued_us / 1e6,
        "overhead_s": row.overhead_us / 1e6,
    }


def _request(measured: Measured, record: Record) -> dict[str, Any]:
    row, detail = record.row, record.detail
    return {
        "correlation_id": row.correlation_id,
        "at": row.at_us / 1e6,
        "caller": row.caller,
        "owner": row.owner,
        "key_id": row.key_id,
        "operation": row.operation,
        "ingress": row.ingress,
        "streamed": bool(row.streamed),
        "asked": {"provider": detail.provider, "model": detail.model},
        "provider": row.provider,
        "model": row.model,
        "strategy": row.strategy,
        "cache": row.cache,
        "sensitivity": {
            "score": row.score,
            "sensitive": bool(row.sensitive),
            "kinds": detail.kinds,
            "tainted": detail.tainted,
            "unjudged": detail.unjudged,
        },
        "eligible": detail.eligible,
        "route": measured.with_reasons(record) if record.route is not None else None,
        "attempts": [
            {**msgspec.structs.asdict(each), "cost_usd": None if each.cost_pico_usd is None else each.cost_pico_usd / 1e12}
            for each in detail.attempts
        ],
        "status": row.status,
        "error_type": row.error_type,
        "finish_reason": detail.finish_reason,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "max_tokens": row.max_tokens,
        "cost_usd": None if row.cost_pico_usd is None else row.cost_pico_usd / 1e12,
        **_times(row),
    }
