"""Which endpoint needs what of its caller: one table, and the guard that applies it before anything else is done.

Model calls and what belongs to their dialects do not pass the guard: there the authenticator is a stage of the way, or is asked
by the handler, and refuses in the words of the dialect. A test calls every endpoint and compares it with the table.

The guard asks the application which of its routes a request belongs to, so the table and the routes cannot differ in
what they match. A route that the table does not name is for administrators alone; a test compares the two.
"""

import re
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Final, Protocol

from fastapi import Depends, FastAPI, Request
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import Match

from llm_gateway.api.asgi import Receive, Scope, Send, header, respond
from llm_gateway.api.credentials import credentials_of
from llm_gateway.api.errors import error_body, error_headers
from llm_gateway.core.errors import LLMGatewayError
from llm_gateway.core.exchange import Caller, Credentials


class Access(StrEnum):
    """Who is let in. While the gateway is open (no keys), KEY and LOCAL endpoints let everybody in."""

    OPEN = "open"
    """Everybody, always: probes and signposts, which show nothing of what the gateway does."""
    LOCAL = "local"
    """A key, or a caller on this machine: pages and figures that an operator looks at."""
    KEY = "key"
    """A key, or the admin token."""
    ADMIN = "admin"
    """The admin token, always."""


ROUTES: Final[dict[tuple[str, str], Access]] = {
    ("POST", "/query"): Access.KEY,
    ("POST", "/chat"): Access.KEY,
    ("POST", "/enhanced-query"): Access.KEY,
    ("POST", "/contextual-query"): Access.KEY,
    ("POST", "/workflow-query"): Access.KEY,
    ("POST", "/integrations/{service}/{operation}"): Access.KEY,
    ("GET", "/integrations"): Access.KEY,
    ("POST", "/documents"): Access.KEY,
    ("GET", "/services/status"): Access.KEY,
    ("POST", "/stream"): Access.KEY,
    ("POST", "/embeddings"): Access.KEY,
    ("POST", "/v1/chat/completions"): Access.KEY,
    ("POST", "/v1/completions"): Access.KEY,
    ("POST", "/v1/embeddings"): Access.KEY,
    ("POST", "/v1/moderations"): Access.KEY,
    ("POST", "/v1/responses"): Access.KEY,
    ("GET", "/v1/responses/{response_id}"): Access.KEY,
    ("DELETE", "/v1/responses/{response_id}"): Access.KEY,
    ("GET", "/v1/models"): Access.KEY,
    ("GET", "/v1/models/{model}"): Access.KEY,
    ("POST", "/v1/messages"): Access.KEY,
    ("POST", "/v1/messages/count_tokens"): Access.KEY,
    ("POST", "/api/chat"): Access.KEY,
    ("POST", "/api/generate"): Access.KEY,
    ("POST", "/api/embed"): Access.KEY,
    ("POST", "/api/embeddings"): Access.KEY,
    ("POST", "/api/show"): Access.KEY,
    ("POST", "/api/pull"): Access.KEY,
    ("POST", "/api/push"): Access.KEY,
    ("POST", "/api/create"): Access.KEY,
    ("POST", "/api/copy"): Access.KEY,
    ("GET", "/api/tags"): Access.KEY,
    ("GET", "/api/ps"): Access.KEY,
    ("GET", "/api/version"): Access.OPEN,
    **{
        (method, f"/{provider}/{{path}}"): Access.KEY
        for provider in ("openai", "anthropic")
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    },
    ("GET", "/"): Access.OPEN,
    ("GET", "/health"): Access.OPEN,
    ("GET", "/health/ready"): Access.OPEN,
    ("GET", "/health/detailed"): Access.KEY,
    ("GET", "/providers"): Access.KEY,
    ("GET", "/models"): Access.KEY,
    ("GET", "/metrics"): Access.LOCAL,
    ("GET", "/metrics/prometheus"): Access.LOCAL,
    ("GET", "/metrics/timeseries"): Access.KEY,
    ("GET", "/metrics/performance"): Access.KEY,
    ("GET", "/requests"): Access.KEY,
    ("GET", "/requests/{correlation_id}"): Access.KEY,
    ("POST", "/route/explain"): Access.KEY,
    ("GET", "/providers/{provider}/limits"): Access.KEY,
    ("GET", "/conversations"): Access.KEY,
    ("GET", "/conversations/{conversation_id}"): Access.KEY,
    ("DELETE", "/conversations/{conversation_id}"): Access.KEY,
    ("GET", "/openapi.json"): Access.LOCAL,
    ("GET", "/docs"): Access.LOCAL,
    ("GET", "/docs/style.css"): Access.LOCAL,
    ("GET", "/rate-limit/status"): Access.KEY,
    ("GET", "/cache/status"): Access.KEY,
    ("POST", "/cache/clear"): Access.KEY,
    ("POST", "/admin/reset-limits"): Access.ADMIN,
    ("GET", "/metrics/costs"): Access.KEY,
    ("GET", "/usage"): Access.KEY,
    ("GET", "/admin/tiers"): Access.ADMIN,
    ("PUT", "/admin/tiers"): Access.ADMIN,
    ("POST", "/admin/conversations/{conversation_id}/trust"): Access.ADMIN,
    ("GET", "/admin/budgets"): Access.ADMIN,
    ("POST", "/admin/budgets"): Access.ADMIN,
    ("PATCH", "/admin/budgets/{name}"): Access.ADMIN,
    ("DELETE", "/admin/budgets/{name}"): Access.ADMIN,
    ("GET", "/audit"): Access.ADMIN,
    ("GET", "/audit/verify"): Access.ADMIN,
    ("POST", "/admin/keys"): Access.ADMIN,
    ("GET", "/admin/keys"): Access.ADMIN,
    ("DELETE", "/admin/keys/{key_id}"): Access.ADMIN,
}

_FORWARDED: Final = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via")
"""Headers of a proxy: who speaks through one on this machine is not on this machine."""

_PORT: Final = re.compile(r":\d*$")


class Gate(Protocol):
    """Who says who a caller is; both raise `Unauthenticated`, `Forbidden` or `RateLimited`."""

    def identify(self, credentials: Credentials) -> Caller: ...
    def identify_admin(self, credentials: Credentials) -> Caller: ...


def is_local(scope: Scope) -> bool:
    """Whether a request comes from this machine, not through a proxy on it, and was meant for this machine.

    The last guards against pages of other sites that a browser here has open, whose name was made to lead here (DNS rebinding).
    """
    client = scope.get("client")
    if client is None or not _is_loopback(client[0]) or any(name in _FORWARDED for name, _ in scope["headers"]):
        return False
    host = header(scope, b"host")
    return host is None or _is_loopback(_PORT.sub("", host).strip("[]"))


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def require_admin(request: Request) -> Caller:
    """The administrator who asks. For endpoints that want to know, or guard themselves beside the table.

    Raises:
        Unauthenticated, Forbidden, RateLimited: nobody who has the admin token.
    """
    gate: Gate = request.app.state.gate
    return gate.identify_admin(credentials_of(request.scope))


Admin = Annotated[Caller, Depends(require_admin)]
"""A parameter of an endpoint: the administrator who asks."""


class Guard:
    """The ASGI application in front of `app`."""

    def __init__(self, app: FastAPI, gate: Gate) -> None:
        self.app = app
        self._gate = gate
        self._routes: list[RouteContext] = []
        app.state.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope)
        except LLMGatewayError as failure:
            name = str(scope.get("state", {}).get("correlation_id", ""))
            await respond(send, failure.http_status, error_headers(failure), error_body(failure, name))
            return
        await self.app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        access = self._access(scope)
        if access is Access.ADMIN:
            self._gate.identify_admin(credentials_of(scope))
        elif access is Access.KEY or (access is Access.LOCAL and not is_local(scope)):
            self._gate.identify(credentials_of(scope))

    def serves(self, scope: Scope) -> bool:
        """Whether the application has an endpoint of that path, for whatever method."""
        return any(route.matches(scope)[0] is not Match.NONE for route in self._all_routes())

    def _access(self, scope: Scope) -> Access:
        for route in self._all_routes():
            if route.matches(scope)[0] is Match.FULL:
                return ROUTES.get((scope["method"], route.path or ""), Access.ADMIN)
        return Access.OPEN  # no endpoint: the application says so

    def _all_routes(self) -> list[RouteContext]:
        if not self._routes:
            self._routes = list(iter_route_contexts(self.app.router.routes))
        return self._routes
