"""Every endpoint is in the table, and the table is what is applied."""

import asyncio
from collections.abc import MutableMapping
from functools import cache
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from llm_gateway.api.access import ROUTES, Access, Guard, is_local, require_admin
from llm_gateway.api.credentials import bearer_token, credentials_of
from llm_gateway.api.management import management_app
from llm_gateway.app import App
from llm_gateway.authenticator import ADMIN
from llm_gateway.configuration import load
from llm_gateway.core.errors import Forbidden, RateLimited, Unauthenticated
from llm_gateway.core.exchange import Caller, Credentials
from llm_gateway.dashboard.door import PATH as DASHBOARD

Message = MutableMapping[str, Any]


def routes_of_the_application() -> set[tuple[str, str]]:
    app = App(load(None, {}, {}))
    calls = {("POST", path) for path in app._handlers}
    routes = iter_route_contexts(management_app(app.overview).router.routes)
    pages = {(method, str(route.path)) for route in routes for method in route.methods or ()}
    dialects = {("GET", path) for path in app._gets}
    # The dashboard signs people in by itself, at its own door: tests/integration/llm_gateway/dashboard.
    beginnings = {(method, beginning) for method, found in app._under.items() for beginning in found if beginning != DASHBOARD}
    under = {row for row in ROUTES if (row[0], row[1].partition("{")[0]) in beginnings and "{" in row[1]}
    assert {(method, path.partition("{")[0]) for method, path in under} == beginnings
    return calls | pages | dialects | under


def test_the_table_names_every_endpoint_and_no_other() -> None:
    there = routes_of_the_application()
    assert there - set(ROUTES) == set(), "endpoints without a row in llm_gateway.api.access.ROUTES"
    assert set(ROUTES) - there == set(), "rows of llm_gateway.api.access.ROUTES without an endpoint"


def test_what_is_open_is_a_short_list() -> None:
    assert {path for (_, path), access in ROUTES.items() if access is Access.OPEN} == {
        "/", "/health", "/health/ready", "/api/version",
    }  # fmt: skip
    assert all(access is Access.ADMIN for (_, path), access in ROUTES.items() if path.startswith(("/admin", "/audit")))
    assert {path for (_, path), access in ROUTES.items() if access is Access.LOCAL} <= {
        "/docs", "/docs/style.css", "/openapi.json", "/metrics", "/metrics/prometheus", "/dashboard",
    }  # fmt: skip


class Gate:
    """Lets in who shows `good`, as administrator who shows `admin`."""

    def identify(self, credentials: Credentials) -> Caller:
        if credentials.token not in {"good", "admin"}:
            raise Unauthenticated("who are you?")
        return Caller("acme")

    def identify_admin(self, credentials: Credentials) -> Caller:
        if credentials.token == "good":
            raise Forbidden("no administrator")
        if credentials.token == "guess":
            raise RateLimited("slowly", retry_after_s=7.2)
        if credentials.token != "admin":
            raise Unauthenticated("who are you?")
        return ADMIN


def scope_of(method: str, path: str, *headers: tuple[str, str], client: str | None = "203.0.113.5") -> Message:
    return {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "client": (client, 1) if client is not None else None, "state": {"correlation_id": "gw-1"},
    }  # fmt: skip


@cache
def guarded() -> Guard:
    async def serve() -> dict[str, bool]:
        return {"served": True}

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for method, path in ROUTES:
        app.add_api_route(path, serve, methods=[method])
    app.add_api_route("/forgotten", serve, methods=["GET"])
    return Guard(app, Gate())


def ask(guard: Guard, scope: Message) -> tuple[int, dict[str, str], bytes]:
    return asyncio.run(asked(guard, scope))


async def asked(guard: Guard, scope: Message) -> tuple[int, dict[str, str], bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        assert not sent
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await guard(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


def path_of(template: str) -> str:
    return "/".join("x" if step.startswith("{") else step for step in template.split("/"))


@pytest.mark.parametrize("token", ["", "bad", "good", "admin"])
@pytest.mark.parametrize("client", ["203.0.113.5", "127.0.0.1", "::1"])
async def test_each_endpoint_lets_in_whom_the_table_says(token: str, client: str) -> None:
    for (method, path), access in ROUTES.items():
        status, _, body = await asked(guarded(), scope_of(method, path_of(path), ("x-api-key", token), client=client))
        let_in = {
            Access.OPEN: True,
            Access.LOCAL: token in {"good", "admin"} or client != "203.0.113.5",
            Access.KEY: token in {"good", "admin"},
            Access.ADMIN: token == "admin",
        }[access]
        assert status == (200 if let_in else 403 if access is Access.ADMIN and token == "good" else 401), path
        assert (b"served" in body) == let_in, path


async def test_a_refused_request_is_not_read() -> None:
    async def receive() -> Message:
        raise AssertionError("it was read")

    statuses: list[int] = []

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    for method, path in (("POST", "/admin/keys"), ("POST", "/route/explain"), ("GET", "/providers")):
        await guarded()(scope_of(method, path), receive, send)
    assert statuses == [401, 0] * 3


def test_an_endpoint_that_the_table_forgot_is_for_administrators() -> None:
    guard = guarded()
    assert ask(guard, scope_of("GET", "/forgotten", ("x-api-key", "good")))[0] == 403
    assert ask(guard, scope_of("GET", "/forgotten"))[0] == 401
    assert ask(guard, scope_of("GET", "/forgotten", ("x-api-key", "admin")))[0] == 200


def test_what_is_no_endpoint_is_the_applications_to_say() -> None:
    assert ask(guarded(), scope_of("GET", "/nope"))[0] == 404
    assert ask(guarded(), scope_of("PUT", "/providers", ("x-api-key", "good")))[0] == 405


@pytest.mark.parametrize(
    "path", ["/admin/keys/", "//admin/keys", "/ADMIN/keys", "/admin/keys%2f", "/admin/./keys", "/providers/../admin/keys"]
)
def test_other_spellings_of_a_path_open_nothing(path: str) -> None:
    status, _, body = ask(guarded(), scope_of("GET", path))
    assert status in {401, 404, 307}
    assert b"served" not in body


def test_refusals_have_the_gateways_shape() -> None:
    status, headers, body = ask(guarded(), scope_of("GET", "/providers"))
    assert status == 401
    assert headers["www-authenticate"] == "Bearer"
    assert body == (b'{"error":{"type":"unauthenticated","message":"who are you?","param":null,"code":null},"correlation_id":"gw-1"}')
    status, headers, _ = ask(guarded(), scope_of("GET", "/admin/keys", ("authorization", "Bearer guess")))
    assert (status, headers["retry-after"]) == (429, "8")


@pytest.mark.parametrize("name", ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"])
def test_who_comes_through_a_proxy_on_this_machine_is_not_on_it(name: str) -> None:
    assert is_local(scope_of("GET", "/docs", client="127.0.0.1"))
    assert is_local(scope_of("GET", "/docs", client="::1"))
    assert not is_local(scope_of("GET", "/docs", (name, "x"), client="127.0.0.1"))


@pytest.mark.parametrize("host", ["localhost", "localhost:5055", "127.0.0.1:5055", "[::1]:5055", "[::1]"])
def test_names_of_this_machine(host: str) -> None:
    assert is_local(scope_of("GET", "/docs", ("host", host), client="127.0.0.1"))


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:5055", "localhost.evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", ""]
)
def test_a_browser_here_that_means_another_site_is_not_an_operator(host: str) -> None:
    assert not is_local(scope_of("GET", "/docs", ("host", host), client="127.0.0.1"))


@pytest.mark.parametrize("client", ["10.0.0.1", "192.168.1.1", "", "unix", None, "169.254.1.1"])
def test_other_addresses_are_not_this_machine(client: str | None) -> None:
    assert not is_local(scope_of("GET", "/docs", client=client))


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ([], ""),
        ([("authorization", "Bearer abc")], "abc"),
        ([("authorization", "bearer abc ")], "abc"),
        ([("x-api-key", "abc")], "abc"),
        ([("authorization", "Bearer abc"), ("x-api-key", "other")], "abc"),
        ([("authorization", "Basic YTpi"), ("x-api-key", "abc")], "abc"),
        ([("authorization", "Basic YTpi")], ""),
        ([("cookie", "authorization=Bearer abc; x-api-key=abc")], ""),
    ],
)
def test_where_a_key_is_looked_for(headers: list[tuple[str, str]], token: str) -> None:
    assert bearer_token(scope_of("GET", "/", *headers)) == token


def test_credentials_take_the_user_of_the_body_before_that_of_the_header() -> None:
    scope = scope_of("GET", "/", ("x-api-key", "k"), ("x-user-id", "header"))
    assert credentials_of(scope, "body") == Credentials("k", "body", "203.0.113.5")
    assert credentials_of(scope) == Credentials("k", "header", "203.0.113.5")
    assert credentials_of(scope_of("GET", "/", client=None)).address == ""


def test_the_dependency_gives_the_administrator() -> None:
    app = FastAPI()
    Guard(app, Gate())

    class Request:
        def __init__(self, scope: Message) -> None:
            self.scope, self.app = scope, app

    assert require_admin(Request(scope_of("GET", "/", ("x-api-key", "admin")))) is ADMIN  # type: ignore[arg-type]
    with pytest.raises(Forbidden):
        require_admin(Request(scope_of("GET", "/", ("x-api-key", "good"))))  # type: ignore[arg-type]
