"""`/admin/tiers`: which callers have which tier of limits. For who has the admin token."""

from typing import Any, Protocol

import msgspec
from fastapi import APIRouter, Request

from llm_gateway.api.access import Admin
from llm_gateway.api.admin import json_body
from llm_gateway.api.bodies import TierBody
from llm_gateway.api.documents import TiersDocument
from llm_gateway.core.exchange import Caller


class Tiers(Protocol):
    """The tiers, as these endpoints need them; what they raise goes to the caller."""

    def tiers(self) -> TiersDocument: ...
    async def assign_tier(self, asked: TierBody, by: Caller) -> TiersDocument: ...


_decoder = msgspec.json.Decoder(TierBody)
_SCHEMA: dict[str, Any] = msgspec.json.schema(TierBody)["$defs"]["TierBody"]
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _SCHEMA, "example": {"user_id": "user123", "tier": "premium_user"}}},
    },
}


def tiers_router(tiers: Tiers) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/admin", tags=["administration"])

    @routes.get("/tiers", summary="Tiers of callers that were given here")
    async def listed(admin: Admin) -> TiersDocument:
        return tiers.tiers()

    @routes.put("/tiers", summary="Give a caller a tier, or take it back; it holds at once", openapi_extra=_BODY)
    async def assign(request: Request, admin: Admin) -> TiersDocument:
        return await tiers.assign_tier(await json_body(request, _decoder, TierBody.__struct_fields__), admin)

    return routes
