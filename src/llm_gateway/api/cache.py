"""`/cache/clear` and `/cache/status`. Who shows an API key sees and clears what belongs to the key's owner, an administrator everything."""

import re
from typing import Any, Protocol

import msgspec
from fastapi import APIRouter, Request

from llm_gateway.api.asgi import check_depth, read_body
from llm_gateway.api.bodies import CacheClearBody
from llm_gateway.api.credentials import credentials_of
from llm_gateway.api.documents import CacheClearDocument, CacheStatusDocument
from llm_gateway.api.errors import invalid_body
from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.exchange import Credentials

MAX_BODY_BYTES = 64 << 10
MAX_BODY_DEPTH = 8
_JSON_TYPE = re.compile(r"application/json\s*(;.*)?", re.IGNORECASE)


class CacheView(Protocol):
    """The cache, as these endpoints need it."""

    async def cache_status(self, credentials: Credentials) -> CacheStatusDocument: ...
    async def clear_cache(self, asked: CacheClearBody, credentials: Credentials) -> int: ...


_decoder = msgspec.json.Decoder(CacheClearBody)
_BODY: dict[str, Any] = {
    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/CacheClearBody"}}}},
}


def cache_router(view: CacheView) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/cache", tags=["cache"])

    @routes.post("/clear", summary="Clear cached answers", openapi_extra=_BODY)
    async def clear(request: Request) -> CacheClearDocument:
        asked = await _asked(request)
        return CacheClearDocument(entries_cleared=await view.clear_cache(asked, credentials_of(request.scope)), pattern=asked.pattern)

    @routes.get("/status", summary="What the cache holds, and what it has saved")
    async def status(request: Request) -> CacheStatusDocument:
        return await view.cache_status(credentials_of(request.scope))

    return routes


async def _asked(request: Request) -> CacheClearBody:
    body = await read_body(request.scope, request.receive, MAX_BODY_BYTES)
    if not body.strip():
        return CacheClearBody()
    if not _JSON_TYPE.fullmatch(request.headers.get("content-type", "")):
        raise InvalidRequest("content-type: expected application/json", param="content-type")
    check_depth(body, MAX_BODY_DEPTH)
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as failure:
        raise invalid_body(failure, body, CacheClearBody.__struct_fields__) from None
