"""`/admin/budgets`: list, make, change and remove budgets. For who has the admin token."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Protocol

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response
from msgspec import UNSET, Meta, UnsetType
from pydantic import Field

from llm_gateway.api.access import Admin
from llm_gateway.api.admin import json_body
from llm_gateway.api.costs import ShareDocument, share_document
from llm_gateway.api.documents import Document
from llm_gateway.ledger.alerts import BudgetEvent
from llm_gateway.ledger.amounts import in_usd, pico
from llm_gateway.ledger.budgets import EACH, Budget
from llm_gateway.ledger.desk import Desk

_Amount = Annotated[Decimal, Meta(description='USD: a text keeps its decimals exact, like "12.50"; 0 leaves models that cost nothing.')]
_ScopeName = Literal["global", "caller", "key"]
_PeriodName = Literal["day", "month"]


class Books(Protocol):
    """The budgets, as these endpoints need them."""

    @property
    def desk(self) -> Desk: ...


class BudgetLimitBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /admin/budgets`."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    limit_usd: _Amount
    scope: _ScopeName = "global"
    subject: Annotated[str, Meta(min_length=1, max_length=256, description="Caller or key id; *: each of them.")] = EACH
    period: _PeriodName = "month"
    on_unknown_price: Literal["refuse", "flag"] = "refuse"
    caps_answers: bool = False


class BudgetChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`PATCH /admin/budgets/{name}`: what is to be another. Whose budget it is stays."""

    limit_usd: _Amount | UnsetType = UNSET
    period: _PeriodName | UnsetType = UNSET
    on_unknown_price: Literal["refuse", "flag"] | UnsetType = UNSET
    caps_answers: bool | UnsetType = UNSET


class BudgetEntryDocument(Document):
    """A budget. Amounts are exact decimals in USD."""

    name: str
    scope: _ScopeName
    subject: str
    period: _PeriodName
    limit_usd: str
    on_unknown_price: Literal["refuse", "flag"]
    caps_answers: bool
    source: Literal["config", "created", "key"] = Field(description="config: it stands in the configuration and changes with it.")
    shares: list[ShareDocument] = Field(description="Where it stands; of one that everybody has, those who spent most.")


class BudgetEventDocument(Document):
    """Something that a budget came to; see docs/budgets.md."""

    at: float = Field(description="Unix seconds.")
    kind: Literal["threshold", "refused", "unknown_price"]
    budget: str
    scope: _ScopeName
    subject: str
    period: _PeriodName
    period_start: float
    percent: int | None
    spent_usd: str | None
    limit_usd: str


class BudgetListDocument(Document):
    budgets: list[BudgetEntryDocument]
    events: list[BudgetEventDocument] = Field(description="The newest first.")


_decode_body = msgspec.json.Decoder(BudgetLimitBody)
_decode_change = msgspec.json.Decoder(BudgetChange)


def _body(name: str) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}}


def budgets_router(books: Books) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/admin", tags=["administration"])

    @routes.get("/budgets", summary="Budgets, where they stand, and what they came to")
    async def listed(admin: Admin) -> BudgetListDocument:
        desk = books.desk
        events = [_event(event) for event in await desk.events()]
        return BudgetListDocument(budgets=[await _document(desk, budget) for budget in desk.budgets()], events=events)

    @routes.post("/budgets", status_code=201, summary="Make a budget; it holds at once", openapi_extra=_body("BudgetLimitBody"))
    async def create(request: Request, admin: Admin) -> BudgetEntryDocument:
        asked = await json_body(request, _decode_body, BudgetLimitBody.__struct_fields__)
        budget = Budget(
            asked.name,
            asked.scope,
            asked.subject,
            asked.period,
            pico(asked.limit_usd),
            asked.on_unknown_price,
            asked.caps_answers,
            "created",
        )
        return await _document(books.desk, await books.desk.create(budget, admin))

    @routes.patch("/budgets/{name}", summary="Change a budget; it holds at once", openapi_extra=_body("BudgetChange"))
    async def change(name: str, request: Request, admin: Admin) -> BudgetEntryDocument:
        asked = await json_body(request, _decode_change, BudgetChange.__struct_fields__)
        changes: dict[str, Any] = {key: value for key, value in msgspec.structs.asdict(asked).items() if value is not UNSET}
        if "limit_usd" in changes:
            changes["limit_pico_usd"] = pico(changes.pop("limit_usd"))
        budget = msgspec.structs.replace(books.desk.made(name), **changes)
        return await _document(books.desk, await books.desk.change(budget, admin))

    @routes.delete("/budgets/{name}", status_code=204, summary="Remove a budget")
    async def remove(name: str, admin: Admin) -> Response:
        await books.desk.remove(name, admin)
        return Response(status_code=204)

    return routes


async def _document(desk: Desk, budget: Budget) -> BudgetEntryDocument:
    return BudgetEntryDocument(
        name=budget.name,
        scope=budget.scope,
        subject=budget.subject,
        period=budget.period,
        limit_usd=in_usd(budget.limit_pico_usd),
        on_unknown_price=budget.on_unknown_price,
        caps_answers=budget.caps_answers,
        source=budget.source,
        shares=[share_document(share) for share in await desk.shares(budget)],
    )


def _event(event: BudgetEvent) -> BudgetEventDocument:
    return BudgetEventDocument.model_validate(
        {
            "at": event.at_us / 1e6,
            "kind": event.kind,
            "budget": event.budget,
            "scope": event.scope,
            "subject": event.subject,
            "period": event.period,
            "period_start": event.period_start_us / 1e6,
            "percent": event.percent,
            "spent_usd": None if event.spent_pico_usd is None else in_usd(event.spent_pico_usd),
            "limit_usd": in_usd(event.limit_pico_usd),
        }
    )
