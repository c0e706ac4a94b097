"""The endpoints beside the model calls: what is here, how it fares, what it would do."""

from typing import Annotated, Any, Protocol

import msgspec
from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from llm_gateway import __version__
from llm_gateway.api import documents as doc
from llm_gateway.api.access import Admin, Gate, Guard, require_admin
from llm_gateway.api.admin import Keys, admin_router
from llm_gateway.api.asgi import check_depth
from llm_gateway.api.audit import AuditView, audit_router
from llm_gateway.api.budgets import budgets_router
from llm_gateway.api.cache import CacheView, cache_router
from llm_gateway.api.costs import Books, costs_router
from llm_gateway.api.credentials import credentials_of
from llm_gateway.api.docs_page import STYLE, docs_page
from llm_gateway.api.errors import error_body, error_headers, invalid_body
from llm_gateway.api.limits import Limits, limits_router
from llm_gateway.api.metrics import Measured, metrics_router, requests_router
from llm_gateway.api.native_schema import ChatBody
from llm_gateway.api.openapi import with_model_calls
from llm_gateway.api.services import Services, integrations_router
from llm_gateway.api.tiers import Tiers, tiers_router
from llm_gateway.api.uploads import Keeping, uploads_router
from llm_gateway.core.errors import Internal, InvalidRequest, LLMGatewayError, NotFound, RequestTooLarge
from llm_gateway.core.exchange import Caller, Credentials

_chat_decoder = msgspec.json.Decoder(ChatBody)


class View(Keys, Limits, CacheView, Books, AuditView, Measured, Services, Keeping, Tiers, Gate, Protocol):
    """What these endpoints show of the gateway; asked anew for each request."""

    def health(self) -> doc.HealthDocument: ...
    def ready(self) -> tuple[bool, str]: ...
    def detailed_health(self) -> doc.DetailedHealthDocument: ...
    def providers(self) -> doc.ProvidersDocument: ...
    def models(self) -> doc.ModelsDocument: ...
    def max_body_bytes(self) -> int: ...
    def max_json_depth(self) -> int: ...
    async def explain(self, body: ChatBody, credentials: Credentials, strategy: str | None) -> doc.ExplainDocument: ...
    async def provider_limits(self, provider: str) -> doc.ProviderLimitsDocument: ...
    async def conversations(self, credentials: Credentials, after: float | None, limit: int) -> doc.ConversationsDocument: ...
    async def conversation(self, conversation_id: str, credentials: Credentials) -> doc.ConversationDocument: ...
    async def trust_conversation(self, conversation_id: str, by: Caller) -> doc.ConversationDocument: ...
    async def erase_conversation(self, conversation_id: str, credentials: Credentials) -> None: ...


def guarded(view: View) -> Guard:
    """The endpoints, behind the guard that asks `view` who a caller is."""
    return Guard(management_app(view), view)


def management_app(view: View) -> FastAPI:
    """The FastAPI application that serves them."""
    app = FastAPI(title="LLM Gateway", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(_routes(view, app))
    app.include_router(admin_router(view), responses={"default": {"model": doc.ErrorDocument, "description": "Any failure."}})
    app.include_router(
        limits_router(view, require_admin), responses={"default": {"model": doc.ErrorDocument, "description": "Any failure."}}
    )
    app.include_router(costs_router(view), responses={"default": {"model": doc.ErrorDocument, "description": "Any failure."}})
    app.include_router(metrics_router(view), responses={"default": {"model": doc.ErrorDocument, "description": "Any failure."}})
    app.include_router(requests_router(view), responses={"default": {"model": doc.ErrorDocument, "description": "Any failure."}})
    app.include_router(tiers_router(view), responses={"default": {"model": doc.ErrorDocument, "description": "Any failure."}})
    app.include_router(budgets_router(view), responses={"default": {"model": doc.ErrorDocument, "description": "Any failure."}})
    app.include_router(
        audit_router(view, require_admin), responses={"default": {"model": doc.ErrorDocument, "description": "Any failure."}}
    )
    app.include_router(integrations_router(view), responses={"default": {"model": doc.ErrorDocument, "description": "Any failure."}})
    app.include_router(uploads_router(view), responses={"default": {"model": doc.ErrorDocument, "description": "Any failure."}})
    app.include_router(cache_router(view), responses={"default": {"model": doc.ErrorDocument, "description": "Any failure."}})
    app.add_exception_handler(LLMGatewayError, _on_gateway_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(Exception, _on_fault)
    return app


def _routes(view: View, app: FastAPI) -> APIRouter:
    routes = APIRouter(responses={"default": {"model": doc.ErrorDocument, "description": "Any failure."}})

    @routes.get("/", summary="What this is, and its endpoints")
    async def root() -> dict[str, Any]:
        return {"service": "llm-gateway", "version": __version__, "docs": "/docs", "endpoints": endpoints(openapi())}

    @routes.get("/health", summary="Whether the process lives")
    async def health() -> doc.HealthDocument:
        return view.health()

    @routes.get("/health/ready", summary="Whether it can take traffic: some provider can answer")
    async def ready() -> Response:
        is_ready, reason = view.ready()
        return Response(msgspec.json.encode({"ready": is_ready, "reason": reason}), 200 if is_ready else 503, media_type="application/json")

    @routes.get("/health/detailed", summary="Health with every provider")
    async def detailed() -> doc.DetailedHealthDocument:
        return view.detailed_health()

    @routes.get("/providers", summary="The configured providers and their state")
    async def providers() -> doc.ProvidersDocument:
        return view.providers()

    @routes.get("/providers/{provider}/limits", summary="Where a provider stands with its own limits")
    async def provider_limits(provider: str) -> doc.ProviderLimitsDocument:
        return await view.provider_limits(provider)

    @routes.get("/models", summary="The models that can be asked for by name")
    async def models() -> doc.ModelsDocument:
        return view.models()

    @routes.post("/route/explain", summary="What would happen to this request, and why; nothing is sent", openapi_extra=_EXPLAIN_BODY)
    async def explain(request: Request) -> doc.ExplainDocument:
        body = await _body(request, view)
        try:
            asked = _chat_decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as failure:
            raise invalid_body(failure, body, ChatBody.__struct_fields__) from None
        credentials = credentials_of(request.scope, asked.user_id)
        return await view.explain(asked, credentials, request.headers.get("x-gateway-strategy"))

    @routes.get("/conversations", summary="List conversations: the caller's, or for an administrator those of `user_id`, or all")
    async def conversations(
        request: Request,
        user_id: str | None = None,
        before: Annotated[float | None, Query(description="The `next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> doc.ConversationsDocument:
        return await view.conversations(credentials_of(request.scope, user_id), before, limit)

    @routes.get("/conversations/{conversation_id}", summary="Read a conversation (its owner)")
    async def conversation(conversation_id: str, request: Request, user_id: str | None = None) -> doc.ConversationDocument:
        return await view.conversation(conversation_id, credentials_of(request.scope, user_id))

    @routes.post("/admin/conversations/{conversation_id}/trust", summary="Take the mark of sensitive content off a conversation")
    async def trust(conversation_id: str, admin: Admin) -> doc.ConversationDocument:
        return await view.trust_conversation(conversation_id, admin)

    @routes.delete("/conversations/{conversation_id}", status_code=204, summary="Erase a conversation (its owner)")
    async def erase(conversation_id: str, request: Request, user_id: str | None = None) -> Response:
        await view.erase_conversation(conversation_id, credentials_of(request.scope, user_id))
        return Response(status_code=204)

    @routes.get("/openapi.json", include_in_schema=False)
    async def openapi_json() -> Response:
        return Response(msgspec.json.encode(openapi()), media_type="application/json")

    @routes.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(openapi()), headers={"content-security-policy": "default-src 'none'; style-src 'self'"})

    @routes.get("/docs/style.css", include_in_schema=False)
    async def style() -> Response:
        return Response(STYLE, media_type="text/css")

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = with_model_calls(app.openapi())
        return app.openapi_schema

    return routes


_EXPLAIN_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChatBody"}}}},
}


def endpoints(openapi: dict[str, Any]) -> dict[str, str]:
    """`METHOD /path` -> what it is for, from the OpenAPI document."""
    return {
        f"{method.upper()} {path}": operation.get("summary", "")
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    }


async def _body(request: Request, view: View) -> bytes:
    pieces = bytearray()
    async for piece in request.stream():
        pieces += piece
        if len(pieces) > view.max_body_bytes():
            raise RequestTooLarge(f"the body is larger than {view.max_body_bytes()} bytes (server.max_body_bytes)")
    check_depth(bytes(pieces), view.max_json_depth())
    return bytes(pieces)


def _respond(failure: LLMGatewayError, request: Request) -> Response:
    correlation_id = str(request.scope.get("state", {}).get("correlation_id", ""))
    headers = {name.decode(): value.decode() for name, value in error_headers(failure)}
    return Response(error_body(failure, correlation_id), failure.http_status, headers)


async def _on_gateway_error(request: Request, failure: Exception) -> Response:
    return _respond(failure if isinstance(failure, LLMGatewayError) else Internal("the gateway failed"), request)


async def _on_http_error(request: Request, failure: Exception) -> Response:
    status = failure.status_code if isinstance(failure, HTTPException) else 500
    if status == 404:
        return _respond(NotFound(f"no endpoint {request.method} {request.url.path}: GET / lists those that exist"), request)
    error = InvalidRequest(f"{request.method} is not for {request.url.path}: GET / lists what is", code="method_not_allowed")
    response = _respond(error, request)
    response.status_code = status
    return response


async def _on_validation_error(request: Request, failure: Exception) -> Response:
    problems = failure.errors() if isinstance(failure, RequestValidationError) else []
    first = problems[0] if problems else {"loc": ("body",), "msg": "it is not valid"}
    name = ".".join(str(step) for step in first["loc"][1:]) or str(first["loc"][0])
    return _respond(InvalidRequest(f"{name}: {first['msg']}", param=name), request)


async def _on_fault(request: Request, _: Exception) -> Response:
    return _respond(Internal("the gateway failed while serving this request"), request)
