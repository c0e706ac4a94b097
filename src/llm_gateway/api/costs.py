"""`/metrics/costs` and `/usage`: what was used and what it cost, from the ledger."""

from typing import Annotated, Any, Literal, Protocol

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import Field

from llm_gateway.api.credentials import credentials_of
from llm_gateway.api.documents import Document
from llm_gateway.core.exchange import Caller, Credentials
from llm_gateway.core.pricing import CATALOGUE_VERSION
from llm_gateway.costs.forecast import Forecast
from llm_gateway.costs.outlook import Outlook
from llm_gateway.ledger.amounts import in_usd
from llm_gateway.ledger.desk import Desk, Report, Share
from llm_gateway.ledger.sums import SHOWN, Dimension, Group, Sums, Window

MOST_GROUPS = 1000
Since = Annotated[str | None, Query(max_length=64, description="Unix seconds, ISO 8601, or an age like 24h or 7d; default: 30d.")]
Until = Annotated[str | None, Query(max_length=64, description="As since; default: now.")]
Limit = Annotated[int, Query(ge=1, le=MOST_GROUPS, description="Groups of each kind; those that cost most.")]
Shown = Literal["provider", "model", "caller", "key", "day"]


class Books(Protocol):
    """The ledger, as these endpoints need it."""

    @property
    def desk(self) -> Desk: ...
    @property
    def outlook(self) -> Outlook: ...
    def identify(self, credentials: Credentials) -> Caller: ...
    def sees_all_costs(self, caller: Caller) -> bool:
        """Whether a caller may see what others cost."""
        ...


class SumsDocument(Document):
    attempts: int = Field(description="Calls of a provider; retries and fallbacks count each.")
    answered: int = Field(description="Those that came to a good end.")
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = Field(description="Part of the input tokens.")
    cache_write_tokens: int = Field(description="Part of the input tokens.")
    reasoning_tokens: int = Field(description="Part of the output tokens.")
    cost: float = Field(description="USD.")
    cost_usd: str = Field(description="USD, an exact decimal.")
    estimated: int = Field(description="Attempts whose usage the provider did not report.")
    unpriced: int = Field(description="Attempts whose price nobody knows; they are in no amount.")


class ProviderCosts(SumsDocument):
    provider: str


class ModelCosts(SumsDocument):
    provider: str
    model: str


class CallerCosts(SumsDocument):
    caller: str


class KeyCosts(SumsDocument):
    key_id: str


class DayCosts(SumsDocument):
    day: str = Field(description="A date, UTC.")


class EstimateDocument(Document):
    """USD at the end of a period."""

    spent: float = Field(description="Up to now.")
    expected: float
    low: float = Field(description="low and high hold what comes about 80 % of the time, by how far earlier forecasts were off.")
    high: float


class ForecastDocument(Document):
    day: EstimateDocument | None = Field(description="This day (UTC); null: too little data, see why_not.")
    month: EstimateDocument | None
    days_seen: int = Field(description="Complete days that it rests on.")
    why_not: str
    notes: list[str]


class AdviceDocument(Document):
    """A recommendation and what it rests on."""

    kind: str = Field(description="cheaper_model, cache_off, cache_scope, cache_ttl, prompt_caching or max_tokens.")
    title: str
    saving_usd_per_month: float | None = Field(description="null: it saves no money by itself.")
    evidence: dict[str, Any]
    query: str = Field(description="SQL that shows the requests behind it.")
    verify: str


class CostsDocument(Document):
    """What a time has cost. A group that is not there is beyond `limit`; the total has all."""

    since: float = Field(description="Unix seconds.")
    until: float
    whose: str = Field(description="The caller whose calls these are; *: everybody's.")
    price_catalogue: str
    total: SumsDocument
    by_provider: list[ProviderCosts]
    by_model: list[ModelCosts]
    by_caller: list[CallerCosts]
    by_key: list[KeyCosts]
    by_day: list[DayCosts]
    forecast: ForecastDocument
    recommendations: list[AdviceDocument] = Field(description="The greatest saving first; none where data are thin.")


class ShareDocument(Document):
    """Where a budget stands for one of those that it covers. Amounts are exact decimals in USD, times Unix seconds."""

    budget: str
    scope: Literal["global", "caller", "key"]
    subject: str
    period: Literal["day", "month"]
    period_start: float
    period_end: float
    limit_usd: str
    spent_usd: str
    held_usd: str = Field(description="Held for calls that are running.")
    left_usd: str
    percent: float = Field(description="Spent, of the limit.")


class UsageDocument(Document):
    caller: str
    since: float
    until: float
    total: SumsDocument
    by_model: list[ModelCosts]
    by_day: list[DayCosts]
    budgets: list[ShareDocument] = Field(description="The caller's own, and its key's.")


def costs_router(books: Books) -> APIRouter:
    """The routes. A caller sees its own tenant's costs; administrators, and everybody while the gateway has no keys, see all."""
    routes = APIRouter(tags=["costs"])

    @routes.get("/metrics/costs", summary="Usage and cost by provider, model, caller, key and day")
    async def costs(request: Request, since: Since = None, until: Until = None, limit: Limit = 100) -> CostsDocument:
        caller = books.identify(credentials_of(request.scope))
        owner = None if books.sees_all_costs(caller) else Window(0, 1, "caller", caller.owner or caller.id)
        report = await books.desk.report(since, until, SHOWN, limit, owner)
        return CostsDocument(
            **_window(report),
            whose="*" if owner is None else owner.subject,
            price_catalogue=CATALOGUE_VERSION,
            total=SumsDocument(**_figures(report.total)),
            by_provider=[ProviderCosts(provider=group.names[0], **_figures(group.sums)) for group in report.groups["provider"]],
            by_model=_models(report.groups["model"]),
            by_caller=[CallerCosts(caller=group.names[0], **_figures(group.sums)) for group in report.groups["caller"]],
            by_key=[KeyCosts(key_id=group.names[0], **_figures(group.sums)) for group in report.groups["key"]],
            by_day=_days(report.groups["day"]),
            forecast=forecast_document(await books.outlook.forecast(owner)),
            recommendations=[
                AdviceDocument(**msgspec.structs.asdict(each))
                for each in await books.outlook.advice(owner.subject if owner is not None else None)
            ],
        )

    @routes.get("/usage", summary="What the caller used and what its budgets have left")
    async def usage(
        request: Request,
        since: Since = None,
        until: Until = None,
        user_id: Annotated[str | None, Query(max_length=256)] = None,
        limit: Limit = 100,
    ) -> UsageDocument:
        caller = books.identify(credentials_of(request.scope, user_id))
        by: tuple[Dimension, ...] = ("model", "day")
        report = await books.desk.report(since, until, by, limit, Window(0, 1, "caller", caller.id))
        return UsageDocument(
            caller=caller.id,
            **_window(report),
            total=SumsDocument(**_figures(report.total)),
            by_model=_models(report.groups["model"]),
            by_day=_days(report.groups["day"]),
            budgets=[share_document(share) for share in await books.desk.own_shares(caller)],
        )

    return routes


def forecast_document(found: Forecast) -> ForecastDocument:
    """A forecast, for people."""
    day, month = (None if each is None else EstimateDocument(**each._asdict()) for each in (found.day, found.month))
    return ForecastDocument(day=day, month=month, days_seen=found.days, why_not=found.why_not, notes=list(found.notes))


def _window(report: Report) -> dict[str, float]:
    return {"since": report.window.since_us / 1e6, "until": report.window.until_us / 1e6}


def _figures(sums: Sums) -> dict[str, Any]:
    return {
        "attempts": sums.attempts,
        "answered": sums.answered,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "cache_read_tokens": sums.cache_read_tokens,
        "cache_write_tokens": sums.cache_write_tokens,
        "reasoning_tokens": sums.reasoning_tokens,
        "cost": sums.cost_pico_usd / 1e12,
        "cost_usd": in_usd(sums.cost_pico_usd),
        "estimated": sums.estimated,
        "unpriced": sums.unpriced,
    }


def _models(groups: list[Group]) -> list[ModelCosts]:
    return [ModelCosts(provider=group.names[0], model=group.names[1], **_figures(group.sums)) for group in groups]


def _days(groups: list[Group]) -> list[DayCosts]:
    return [DayCosts(day=group.names[0], **_figures(group.sums)) for group in groups]


def share_document(share: Share) -> ShareDocument:
    """Where a budget stands, for people."""
    budget, key, (spent, held) = share
    limit = budget.limit_pico_usd
    return ShareDocument(
        budget=budget.name,
        scope=budget.scope,
        subject=key.subject,
        period=budget.period,
        period_start=key.start_us / 1e6,
        period_end=key.end_us / 1e6,
        limit_usd=in_usd(limit),
        spent_usd=in_usd(spent),
        held_usd=in_usd(held),
        left_usd=in_usd(max(limit - spent - held, 0)),
        percent=round(100 * spent / limit, 2) if limit else 100.0,
    )
