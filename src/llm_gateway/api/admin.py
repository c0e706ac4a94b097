"""`/admin/keys`: make, list and revoke API keys. For who has the admin token."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, Protocol, TypeVar

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from msgspec import Meta
from pydantic import Field

from llm_gateway.api.access import Admin
from llm_gateway.api.asgi import check_depth, read_body
from llm_gateway.api.documents import Document
from llm_gateway.api.errors import invalid_body
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.exchange import Caller
from llm_gateway.identity.keys import Grant, Key, owner_fault

MAX_BODY_BYTES = 64 << 10
MAX_BODY_DEPTH = 8
MAX_BUDGET_USD = 1_000_000_000
BodyType = TypeVar("BodyType", bound=msgspec.Struct)
_JSON_TYPE = re.compile(r"application/json\s*(;.*)?", re.IGNORECASE)
_Names = Annotated[frozenset[Annotated[str, Meta(min_length=1, max_length=256)]], Meta(min_length=1, max_length=256)]


class Keys(Protocol):
    """The gateway's keys, as these endpoints need them; what they raise goes to the caller."""

    clock: Clock

    async def create_key(self, grant: Grant, by: Caller) -> tuple[str, Key]: ...
    async def keys(self, owner: str | None, after: str, limit: int) -> list[Key]: ...
    async def revoke_key(self, key_id: str, by: Caller) -> Key: ...


class BudgetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be spent with a key. A text keeps its decimals exact: `"12.50"`."""

    amount_usd: Annotated[Decimal, Meta(description="USD, above 0: a text, or a number.")]
    period: Literal["day", "month"] = "month"


class KeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /admin/keys`."""

    name: Annotated[str, Meta(min_length=1, max_length=128, description="What the key is for.")]
    owner: Annotated[str | None, Meta(description="Tenant that everything done with it belongs to; default: the name.")] = None
    tier: Annotated[str, Meta(min_length=1, max_length=64, description="Tier of limits, one of `rate_limiting`.")] = "default"
    allowed_providers: Annotated[_Names | None, Meta(description="Absent: all.")] = None
    allowed_models: Annotated[_Names | None, Meta(description="`model` or `provider/model`; absent: all.")] = None
    budget: BudgetBody | None = None
    expires: Annotated[float, Meta(gt=0, description="Unix seconds.")] | None = None
    expires_in_s: Annotated[float, Meta(gt=0, le=3_153_600_000, description="Seconds from now, in place of `expires`.")] | None = None


class BudgetDocument(Document):
    amount_usd: str = Field(description="An exact decimal.")
    period: Literal["day", "month"]


class KeyDocument(Document):
    """A key, without what makes it one. Times are Unix seconds."""

    id: str
    name: str
    hint: str = Field(description="How the key begins.")
    owner: str
    tier: str
    allowed_providers: list[str] | None = Field(description="null: all.")
    allowed_models: list[str] | None = Field(description="null: all.")
    budget: BudgetDocument | None
    status: Literal["active", "expired", "revoked"]
    source: Literal["created", "config"] = Field(description="config: it stands in the configuration and goes with it.")
    created: float | None
    expires: float | None
    last_used: float | None
    revoked: float | None


class NewKeyDocument(KeyDocument):
    key: str = Field(description="The key itself. Nobody can show it again.")


class KeysDocument(Document):
    keys: list[KeyDocument] = Field(description="Those of the configuration first, then in the order they were made.")
    next: str | None = Field(description="Ask with `after` for the keys that follow; null: there are none.")


_decoder = msgspec.json.Decoder(KeyBody)
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/KeyBody"}}}},
}


def admin_router(keys: Keys) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/admin", tags=["administration"])

    @routes.post("/keys", status_code=201, summary="Make an API key; it is shown this once", openapi_extra=_BODY)
    async def create(request: Request, response: Response, admin: Admin) -> NewKeyDocument:
        asked = await json_body(request, _decoder, KeyBody.__struct_fields__)
        now_s = keys.clock.wall_s()
        secret, key = await keys.create_key(_grant(asked, now_s), admin)
        response.headers["cache-control"] = "no-store"
        return NewKeyDocument(key=secret, **_fields(key, now_s))

    @routes.get("/keys", summary="List API keys")
    async def listed(
        admin: Admin,
        owner: Annotated[str | None, Query(max_length=256, description="Those of this owner only.")] = None,
        after: Annotated[str, Query(max_length=64, description="The `next` of the page before.")] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> KeysDocument:
        found = await keys.keys(owner, after, limit + 1)
        now_s = keys.clock.wall_s()
        made = [key for key in found if key.source == "created"]
        more = len(made) > limit
        shown = [key for key in found if key.source == "config"] + made[:limit]
        documents = [KeyDocument(**_fields(key, now_s)) for key in shown]
        return KeysDocument(keys=documents, next=made[limit - 1].id if more else None)

    @routes.delete("/keys/{key_id}", summary="Revoke an API key, for good")
    async def revoke(key_id: str, admin: Admin) -> KeyDocument:
        return KeyDocument(**_fields(await keys.revoke_key(key_id, admin), keys.clock.wall_s()))

    return routes


async def json_body(request: Request, decoder: msgspec.json.Decoder[BodyType], fields: tuple[str, ...]) -> BodyType:
    """The body of an admin endpoint, which must say that it is JSON; `fields` are the names offered for an unknown one.

    Raises:
        InvalidRequest: it is of another type, or not what `decoder` expects.
    """
    if not _JSON_TYPE.fullmatch(request.headers.get("content-type", "")):
        raise InvalidRequest("content-type: expected application/json", param="content-type")
    body = await read_body(request.scope, request.receive, MAX_BODY_BYTES)
    check_depth(body, MAX_BODY_DEPTH)
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as failure:
        raise invalid_body(failure, body, fields) from None


def _grant(asked: KeyBody, now_s: float) -> Grant:
    owner = asked.owner if asked.owner is not None else asked.name
    if fault := owner_fault(owner):
        raise InvalidRequest(f"owner: {fault}", param="owner")
    if asked.expires is not None and asked.expires_in_s is not None:
        raise InvalidRequest("expires: give this or expires_in_s, not both", param="expires")
    expires_s = asked.expires if asked.expires_in_s is None else now_s + asked.expires_in_s
    if expires_s is not None and expires_s <= now_s:
        raise InvalidRequest("expires: expected a time to come, in Unix seconds", param="expires")
    budget = asked.budget
    if budget is not None and not (budget.amount_usd.is_finite() and 0 < budget.amount_usd <= MAX_BUDGET_USD):
        raise InvalidRequest(f"budget.amount_usd: expected an amount above 0, up to {MAX_BUDGET_USD}", param="budget.amount_usd")
    return Grant(
        asked.name,
        owner,
        asked.tier,
        asked.allowed_providers,
        asked.allowed_models,
        budget.amount_usd if budget else None,
        budget.period if budget else "month",
        expires_s,
    )


def _fields(key: Key, now_s: float) -> dict[str, Any]:
    grant = key.grant
    is_over = grant.expires_s is not None and grant.expires_s <= now_s
    budget = None if grant.budget_usd is None else BudgetDocument(amount_usd=str(grant.budget_usd), period=grant.budget_period)
    return {
        "id": key.id,
        "name": grant.name,
        "hint": key.hint,
        "owner": grant.owner,
        "tier": grant.tier,
        "allowed_providers": None if grant.allowed_providers is None else sorted(grant.allowed_providers),
        "allowed_models": None if grant.allowed_models is None else sorted(grant.allowed_models),
        "budget": budget,
        "status": "revoked" if key.revoked_s is not None else "expired" if is_over else "active",
        "source": key.source,
        "created": key.created_s,
        "expires": grant.expires_s,
        "last_used": key.last_used_s,
        "revoked": key.revoked_s,
    }
