"""`GET /rate-limit/status` and `POST /admin/reset-limits`: where a caller stands, and a fresh start."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, Protocol

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from llm_gateway.api.asgi import check_depth, read_body
from llm_gateway.api.bodies import ResetBody
from llm_gateway.api.credentials import credentials_of
from llm_gateway.api.documents import Document, LimitStatusDocument
from llm_gateway.api.errors import invalid_body
from llm_gateway.core.exchange import Caller, Credentials

MAX_BODY_BYTES = 16 << 10
MAX_BODY_DEPTH = 4

RequireAdmin = Callable[[Request], Caller | Awaitable[Caller]]
"""Says who asks, or raises `Unauthenticated` or `Forbidden`."""


class ResetDocument(Document):
    status: Literal["reset"] = "reset"
    reset: list[str] = Field(description="The accounts that begin anew, like `caller:user123`.")


class Limits(Protocol):
    """The limits, as these endpoints need them; what they raise goes to the caller."""

    async def limit_status(self, credentials: Credentials) -> LimitStatusDocument: ...
    async def reset_limits(self, asked: ResetBody, by: Caller) -> list[str]: ...


_decoder = msgspec.json.Decoder(ResetBody)
_SCHEMA: dict[str, Any] = msgspec.json.schema(ResetBody)["$defs"]["ResetBody"]
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA, "example": {"user_id": "user123"}}}},
}


def limits_router(limits: Limits, require_admin: RequireAdmin) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["limits"])

    @routes.get("/rate-limit/status", summary="Where a caller stands: limits, what is used, and when there is more")
    async def status(
        request: Request, user_id: Annotated[str | None, Query(max_length=256, description="Default: who asks.")] = None
    ) -> LimitStatusDocument:
        return await limits.limit_status(credentials_of(request.scope, user_id))

    # Any content type is read: curl sends -d as a form. It takes a bearer token, so no page of another origin can send it.
    @routes.post("/admin/reset-limits", summary="Forget what a caller has used", openapi_extra=_BODY)
    async def reset(request: Request, admin: Annotated[Caller, Depends(require_admin)]) -> ResetDocument:
        body = await read_body(request.scope, request.receive, MAX_BODY_BYTES)
        check_depth(body, MAX_BODY_DEPTH)
        try:
            asked = _decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as failure:
            raise invalid_body(failure, body, ResetBody.__struct_fields__) from None
        return ResetDocument(reset=await limits.reset_limits(asked, admin))

    return routes
