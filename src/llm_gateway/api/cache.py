"""`/cache/clear` and `/cache/status`. Who shows an API key sees and clears what belongs to the key's owner, an administrator everything."""

import re
from typing import Annotated, Any, Literal, Protocol

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from pydantic import Field

from llm_gateway.api.asgi import check_depth, read_body
from llm_gateway.api.credentials import credentials_of
from llm_gateway.api.documents import Document
from llm_gateway.api.errors import invalid_body
from llm_gateway.cache_manager import CacheManager
from llm_gateway.caching.cache import CacheStatus
from llm_gateway.caching.figures import Tally
from llm_gateway.caching.store import Owned
from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.exchange import Credentials

MAX_BODY_BYTES = 64 << 10
MAX_BODY_DEPTH = 8
_Pattern = Annotated[str, Meta(min_length=1, max_length=512)]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_JSON_TYPE = re.compile(r"application/json\s*(;.*)?", re.IGNORECASE)


class CacheClearBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /cache/clear`; without a body, or with an empty one, everything that is the asker's to clear."""

    pattern: Annotated[_Pattern | None, Meta(description="Names to clear, `<caller>_<digest>`: `*` any characters, `?` one.")] = None
    user_id: Annotated[_Name | None, Meta(description="Clear the entries of this caller.")] = None


class CacheClearDocument(Document):
    entries_cleared: int
    pattern: str | None = Field(description="As it was asked.")


class CacheTallyDocument(Document):
    """Counts since the process began, of this process."""

    hits: int
    misses: int = Field(description="Always 0 by model: which model would have answered is known of hits alone.")
    hit_rate: float = Field(description="A fraction.")
    saved_tokens: int
    saved_cost: float = Field(description="USD that hits cost when they were made.")
    unpriced_hits: int = Field(description="Hits whose price nobody knows; they are not in `saved_cost`.")


class CacheCallerDocument(CacheTallyDocument):
    entries: int
    bytes: int


class CacheSemanticDocument(Document):
    """Answers to other wordings of a question. Counts are of all callers of this process, since it began."""

    enabled: bool
    embeddings: str = Field(description="Where vectors come from: `offline`, or a provider.")
    threshold: float
    questions: int = Field(description="Questions that this process remembers.")
    hits: int = Field(description="They are among `hits`.")


class CacheStatusDocument(CacheTallyDocument):
    status: Literal["healthy", "degraded", "disabled"] = Field(description="degraded: its store does not answer, every request is a miss.")
    store: Literal["memory", "redis"]
    scope: Literal["caller", "shared"]
    total_entries: int
    total_bytes: int
    total_size_mb: float
    max_entries: int
    max_bytes: int
    default_ttl: float = Field(description="Seconds.")
    semantic: CacheSemanticDocument
    by_caller: dict[str, CacheCallerDocument] = Field(description="The hundred with the most hits, then with the most bytes.")
    by_model: dict[str, CacheTallyDocument] = Field(description="By `provider/model`.")


MOST_CALLERS = 100


def cache_status_document(found: CacheStatus, manager: CacheManager) -> CacheStatusDocument:
    """The figures as the endpoint shows them."""
    settings = manager.settings
    callers = {name: found.callers.get(name, Tally()) for name in {**found.owners, **found.callers}}
    owned = {name: found.owners.get(name, Owned()) for name in callers}
    first = sorted(callers, key=lambda name: (-callers[name].hits, -owned[name].bytes, name))[:MOST_CALLERS]
    total_bytes = sum([owner.bytes for owner in found.owners.values()])
    return CacheStatusDocument(
        status=manager.state,
        store="redis" if manager.cache.store.shared else "memory",
        scope=settings.scope,
        total_entries=sum([owner.entries for owner in found.owners.values()]),
        total_bytes=total_bytes,
        total_size_mb=round(total_bytes / 1e6, 3),
        max_entries=settings.max_size,
        max_bytes=settings.max_bytes,
        default_ttl=settings.default_ttl,
        semantic=CacheSemanticDocument(
            enabled=settings.semantic.enabled,
            embeddings=settings.semantic.embeddings.provider,
            threshold=settings.semantic.threshold,
            questions=len(manager.cache.questions or ()),
            hits=manager.cache.figures.semantic_hits,
        ),
        by_caller={
            name: CacheCallerDocument(**_tally(callers[name]), entries=owned[name].entries, bytes=owned[name].bytes) for name in first
        },
        by_model={name: CacheTallyDocument(**_tally(tally)) for name, tally in sorted(found.models.items())},
        **_tally(found.total),
    )


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "hits": tally.hits,
        "misses": tally.misses,
        "hit_rate": round(tally.hit_rate, 4),
        "saved_tokens": tally.saved_tokens,
        "saved_cost": round(tally.saved_usd, 10),
        "unpriced_hits": tally.unpriced_hits,
    }


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
