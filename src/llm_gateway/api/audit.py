"""The audit trail over HTTP, for administrators: search, export, verification."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Protocol

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from llm_gateway.api.documents import Document
from llm_gateway.audit.export import Format, format_of
from llm_gateway.audit.rows import Row
from llm_gateway.audit.search import Filters, Position, cursor_of, document, microseconds, position_of
from llm_gateway.audit.verification import Verdict
from llm_gateway.core.exchange import Caller

_encode = msgspec.json.Encoder().encode
_MEDIA_TYPES = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}

RequireAdmin = Callable[[Request], Caller]
"""The administrator who asks; raises for everybody else. A FastAPI dependency."""


class Trail(Protocol):
    """The trail, as these endpoints need it."""

    async def page(self, filters: Filters, after: Position | None, limit: int) -> list[Row]: ...
    def jsonl(self, filters: Filters) -> AsyncIterator[bytes]: ...
    def csv(self, filters: Filters) -> AsyncIterator[bytes]: ...
    async def verify(self) -> Verdict: ...


class AuditView(Protocol):
    """The gateway, as these endpoints need it: the trail that is written now."""

    def audit(self) -> Trail: ...


class AuditRowDocument(Document):
    """One row. `detail` depends on `kind`; see docs/audit.md."""

    chain: str
    seq: int
    at: float = Field(description="Unix seconds.")
    kind: str
    call: int
    correlation_id: str
    caller: str
    provider: str
    sensitive: bool
    outcome: str
    detail: dict[str, Any]
    prev: str
    mac: str


class AuditPageDocument(Document):
    rows: list[AuditRowDocument] = Field(description="Newest first.")
    next_cursor: str | None = Field(description="Ask with it for the rows that follow; null: there are none.")


class ProblemDocument(Document):
    chain: str
    seq: int | None = Field(description="The first row that is wrong; null: it is not about one row.")
    what: str


class ChainDocument(Document):
    chain: str
    rows: int
    first: int | None
    last: int | None
    state: str = Field(description="open, closed or recovered.")
    open_calls: int = Field(description="Calls without an outcome: running now, or not yet recovered.")
    problem: ProblemDocument | None


class VerdictDocument(Document):
    intact: bool
    rows: int
    chains: list[ChainDocument]
    problems: list[ProblemDocument]


def audit_router(view: AuditView, require_admin: RequireAdmin) -> APIRouter:
    """The routes; `require_admin` is asked before anything is read."""
    routes = APIRouter(tags=["audit"], dependencies=[Depends(require_admin)])

    @routes.get(
        "/audit",
        summary="Search the audit trail (administrators)",
        responses={200: {"model": AuditPageDocument, "content": {"application/jsonl": {}, "text/csv": {}}}},
    )
    async def search(
        request: Request,
        since: Annotated[str | None, Query(description="Unix seconds or ISO 8601; rows from then on.")] = None,
        until: Annotated[str | None, Query(description="Unix seconds or ISO 8601; rows before then.")] = None,
        kind: str | None = None,
        caller: str | None = None,
        provider: str | None = None,
        sensitive: bool | None = None,
        outcome: str | None = None,
        correlation_id: str | None = None,
        format: Annotated[Format | None, Query(description="jsonl or csv: all rows that match; else by Accept.")] = None,
        cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        filters = Filters(
            since_us=microseconds("since", since),
            until_us=microseconds("until", until),
            kind=kind,
            caller=caller,
            provider=provider,
            sensitive=sensitive,
            outcome=outcome,
            correlation_id=correlation_id,
        )
        wanted = format_of(format, request.headers.get("accept", ""))
        if wanted != "json":
            pieces = view.audit().csv(filters) if wanted == "csv" else view.audit().jsonl(filters)
            headers = {"content-disposition": f'attachment; filename="audit.{wanted}"', "cache-control": "no-store"}
            return StreamingResponse(pieces, headers=headers, media_type=_MEDIA_TYPES[wanted])
        found = await view.audit().page(filters, position_of(cursor), limit + 1)
        more = len(found) > limit
        page = {"rows": [document(row) for row in found[:limit]], "next_cursor": cursor_of(found[limit - 1]) if more else None}
        return Response(_encode(page), media_type="application/json", headers={"cache-control": "no-store"})

    @routes.get(
        "/audit/verify",
        summary="Verify the audit trail (administrators)",
        responses={200: {"model": VerdictDocument}},
    )
    async def verify() -> Response:
        verdict = await view.audit().verify()
        return Response(_encode(verdict), media_type="application/json", headers={"cache-control": "no-store"})

    return routes
