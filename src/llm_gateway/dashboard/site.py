"""The pages: which path is whose, who is let in, and what goes out with every answer. Loaded with the first visit."""

import hmac
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from os import urandom
from secrets import token_urlsafe
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from llm_gateway.api.asgi import Handler as AsgiHandler
from llm_gateway.api.asgi import Headers, Receive, Scope, Send, header, read_body, respond
from llm_gateway.core.errors import LLMGatewayError, RateLimited, Unauthenticated
from llm_gateway.core.ids import correlation_id
from llm_gateway.dashboard import managing, playground, visit, watching, words
from llm_gateway.dashboard.asking import Api
from llm_gateway.dashboard.door import PATH, Served
from llm_gateway.dashboard.sessions import Sessions, Visitor, is_from_here, set_cookie, sign_in
from llm_gateway.dashboard.visit import LOGIN, MENU, Handler, Html, Notice, Page, Redirect, Streamed, Visit

_log = structlog.get_logger(__name__)

POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final[Headers] = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
MAX_FORM_BYTES: Final = 4 << 20
MAX_FIELDS: Final = 256
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "LICENSE": "text/plain"}
_STATIC: Final = f"{PATH}/static/"
_AGAIN: Final = b'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0"><title>LLM Gateway</title>'
"""Whoever follows a link from elsewhere comes without the cookie (SameSite=Strict); asked from here, the same page comes with it."""

PAGES: Final[dict[str, tuple[Page, Handler]]] = {
    page.path: (page, handler)
    for page, handler in (
        (visit.OVERVIEW, watching.overview),
        (visit.REQUESTS, watching.requests),
        (visit.PROVIDERS, watching.providers),
        (visit.COSTS, watching.costs),
        (visit.SECURITY, watching.security),
        (visit.CACHE, managing.cache),
        (visit.LIMITS, managing.limits),
        (visit.KEYS, managing.keys),
        (visit.CONVERSATIONS, managing.conversations),
        (visit.SERVICES, managing.services),
        (visit.PLAYGROUND, playground.show),
    )
}
PARTS: Final[dict[str, tuple[Page, Handler]]] = {f"{PATH}/security/verification": (visit.SECURITY, watching.verification)}
ABOUT_ONE: Final[dict[str, tuple[Page, Handler]]] = {
    f"{PATH}/requests/": (visit.REQUESTS, watching.one_request),
    f"{PATH}/conversations/": (visit.CONVERSATIONS, managing.one_conversation),
}
FORMS: Final[dict[str, tuple[Page, Handler]]] = {
    f"{PATH}/cache/clear": (visit.CACHE, managing.clear_cache),
    f"{PATH}/limits/reset": (visit.LIMITS, managing.reset_limits),
    f"{PATH}/keys": (visit.KEYS, managing.create_key),
    f"{PATH}/keys/revoke": (visit.KEYS, managing.revoke_key),
    f"{PATH}/costs/budgets": (visit.COSTS, managing.create_budget),
    f"{PATH}/costs/budgets/remove": (visit.COSTS, managing.remove_budget),
    f"{PATH}/conversations/erase": (visit.CONVERSATIONS, managing.erase_conversation),
    f"{PATH}/conversations/trust": (visit.CONVERSATIONS, managing.trust_conversation),
    f"{PATH}/playground/explain": (visit.PLAYGROUND, playground.explain),
    f"{PATH}/playground/stream": (visit.PLAYGROUND, playground.stream),
}


class Asset:
    """A static file. Its address carries its digest, so browsers may keep it."""

    def __init__(self, name: str, content: bytes) -> None:
        self.content = content
        self.type = _TYPES[name.rpartition(".")[2]]
        self.address = f"{_STATIC}{name}?{sha256(content).hexdigest()[:12]}"


def _assets() -> dict[str, Asset]:
    folder = files("llm_gateway.dashboard") / "static"
    found = {each.name: each for each in folder.iterdir() if each.is_file()}
    found |= {f"vendor/{each.name}": each for each in (folder / "vendor").iterdir() if each.is_file()}
    return {name: Asset(name, each.read_bytes()) for name, each in found.items() if name.rpartition(".")[2] in _TYPES}


def _environment(assets: dict[str, Asset]) -> Environment:
    environment = Environment(
        loader=PackageLoader("llm_gateway.dashboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    named: dict[str, Callable[..., str]] = {
        "number": words.number, "compact": words.compact, "usd": words.usd, "percent": words.percent, "share": words.share,
        "seconds": words.seconds, "age": words.age, "bytes": words.size, "iso": words.iso,
        "clock": words.clock, "short": words.short, "ago": _ago,
    }  # fmt: skip
    environment.filters.update(named)
    environment.globals.update(asset=lambda name: assets[name].address, pages=MENU)
    return environment


@pass_context
def _ago(context: Context, unix_s: float) -> str:
    return words.ago(unix_s, context["now_s"])


def site(app: Served) -> AsgiHandler:
    """The handler of all pages of `app`."""
    return Site(app).handle


class Site:
    """All pages of one gateway."""

    def __init__(self, app: Served) -> None:
        self._app = app
        self._assets = _assets()
        self._environment = _environment(self._assets)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path: str = scope["path"]
        if path.startswith(_STATIC):
            await self._static(path.removeprefix(_STATIC), send)
            return
        path = path.rstrip("/") or path
        visitor = Sessions(self._app.gateway, self._app.clock).visitor(scope)
        try:
            if path in {LOGIN.path, f"{PATH}/logout"}:
                await self._door(scope, receive, send, visitor)
            elif visitor is None:
                await self._turn_away(scope, send)
            else:
                await self._page(path, visitor, scope, receive, send)
        except LLMGatewayError as failure:
            await self._fail(send, visitor, failure.http_status, failure.message)
        except Exception:
            name = correlation_id(None, self._app.clock.wall_s(), urandom)
            _log.exception("a page of the dashboard failed", path=path[:128], correlation_id=name)
            await self._fail(send, visitor, 500, "The gateway failed while making this page; its log says why.", name)

    async def _page(self, path: str, visitor: Visitor, scope: Scope, receive: Receive, send: Send) -> None:
        is_form = scope["method"] == "POST"
        page, handler, name = _find(path, is_form=is_form)
        if handler is None:
            await self._fail(send, visitor, 404, "There is no such page. The menu lists those that there are.")
            return
        now_s = self._app.clock.wall_s()
        visiting = Visit(scope, visitor, Api(self._app, scope, visitor.reading), Api(self._app, scope, visitor.acting), now_s)
        visiting.name = name
        visiting.query = dict(_pairs(scope["query_string"]))
        if is_form:
            visiting.form = _grouped(_pairs(await read_body(scope, receive, MAX_FORM_BYTES)))
            if not _may_post(scope, visiting.given("csrf"), visitor.csrf):
                await self._fail(
                    send, visitor, 403, "This form did not come from a page of this dashboard, or the session is over. Reload the page."
                )
                return
        response = await handler(visiting)
        match response:
            case Html():
                given = {"page": page, "visitor": visitor, "now_s": now_s, "here": _here(scope), "notice": None, **response.context}
                await self._render(send, response.template, given, response.status, response.headers)
            case Redirect():
                await _redirect(send, response.path, response.headers)
            case Streamed():
                await response.run(_with_security_headers(send))

    async def _render(self, send: Send, template: str, given: dict[str, Any], status: int = 200, headers: Headers | None = None) -> None:
        path = self._app.gateway.authenticator.admin.path
        given.setdefault("token_path", "ADMIN_TOKEN" if path is None else str(path))
        body = self._environment.get_template(template).render(given).encode()
        kept = [*SECURITY_HEADERS, (b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store"), *(headers or [])]
        await respond(send, status, kept, body)

    async def _fail(self, send: Send, visitor: Visitor | None, status: int, text: str, name: str = "") -> None:
        given = {
            "page": LOGIN, "visitor": visitor or _NOBODY, "now_s": self._app.clock.wall_s(), "here": PATH, "notice": None,
            "heading": _HEADINGS.get(status, "That did not work"), "text": text, "back": PATH, "correlation_id": name,
        }  # fmt: skip
        await self._render(send, "failure.html", given, status)

    async def _static(self, name: str, send: Send) -> None:
        asset = self._assets.get(name)
        if asset is None:
            await respond(send, 404, [*SECURITY_HEADERS, (b"content-type", b"text/plain")], b"there is no such file\n")
            return
        kept = [(b"content-type", f"{asset.type}; charset=utf-8".encode()), (b"cache-control", b"public, max-age=31536000, immutable")]
        await respond(send, 200, [*SECURITY_HEADERS, *kept], asset.content)

    async def _turn_away(self, scope: Scope, send: Send) -> None:
        if header(scope, b"hx-request") is not None:
            await respond(send, 401, [*SECURITY_HEADERS, (b"hx-redirect", LOGIN.path.encode())], b"")
        elif header(scope, b"sec-fetch-site") in {"cross-site", "same-site"} and header(scope, b"cookie") is None:
            await respond(send, 200, [*SECURITY_HEADERS, (b"content-type", b"text/html"), (b"cache-control", b"no-store")], _AGAIN)
        else:
            await _redirect(send, f"{LOGIN.path}?next={quote(_here(scope), safe='')}")

    async def _door(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor | None) -> None:
        sessions = Sessions(self._app.gateway, self._app.clock)
        if scope["method"] == "GET":
            next_path = dict(_pairs(scope["query_string"])).get("next", PATH)
            await self._show_door(send, _inside(next_path))
            return
        form = dict(_pairs(await read_body(scope, receive, MAX_FORM_BYTES)))
        if scope["path"] == f"{PATH}/logout":
            if visitor is None or _may_post(scope, form.get("csrf", ""), visitor.csrf):
                await _redirect(send, LOGIN.path, [(b"set-cookie", set_cookie("", scope).encode())])
                return
            await self._fail(send, visitor, 403, "This form did not come from a page of this dashboard.")
            return
        next_path = _inside(form.get("next", PATH))
        if not is_from_here(scope):
            await self._show_door(send, next_path, Notice("The form came from another site. Sign in here.", "bad"), 403)
            return
        client = scope.get("client")
        try:
            caller = sign_in(self._app.gateway.authenticator, form.get("token", "").strip(), client[0] if client else "")
        except Unauthenticated:
            await self._show_door(send, next_path, Notice("That is neither the admin token nor a key in force.", "bad"), 401)
        except RateLimited as failure:
            await self._show_door(send, next_path, Notice(f"{failure.message}; wait a minute.", "bad"), 429)
        else:
            _log.info("somebody signed in to the dashboard", caller=caller.id)
            cookie = set_cookie(sessions.cookie(caller, token_urlsafe(12)), scope)
            await _redirect(send, next_path, [(b"set-cookie", cookie.encode())])

    async def _show_door(self, send: Send, next_path: str, notice: Notice | None = None, status: int = 200) -> None:
        given = {
            "page": LOGIN, "visitor": _NOBODY, "now_s": self._app.clock.wall_s(), "here": LOGIN.path, "notice": notice, "next": next_path,
            "token_path": "admin_token",
        }  # fmt: skip
        await self._render(send, "login.html", given, status)


_NOBODY: Final = Visitor(visit.NOBODY, None, "", False)
_HEADINGS: Final = {403: "That is not allowed", 404: "Not here", 413: "That is too large", 500: "This page failed"}


def _find(path: str, *, is_form: bool) -> tuple[Page, Handler | None, str]:
    """The page of a path, its handler, and what stands behind it."""
    found = (FORMS if is_form else PAGES | PARTS).get(path)
    if found is not None:
        return (*found, "")
    for beginning, (page, handler) in ABOUT_ONE.items():
        if not is_form and path.startswith(beginning):
            return page, handler, path.removeprefix(beginning)
    return LOGIN, None, ""


def _pairs(text: bytes) -> list[tuple[str, str]]:
    return parse_qsl(text.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _may_post(scope: Scope, shown: str, csrf: str) -> bool:
    return is_from_here(scope) and hmac.compare_digest(shown.encode(), csrf.encode())


def _here(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return quote(scope["path"]) + (f"?{query}" if query else "")


def _inside(path: str) -> str:
    """A path of the dashboard: nobody is sent elsewhere after signing in."""
    return path if path == PATH or path.startswith((f"{PATH}/", f"{PATH}?")) else PATH


async def _redirect(send: Send, path: str, headers: Headers | None = None) -> None:
    await respond(send, 303, [*SECURITY_HEADERS, (b"location", path.encode()), (b"cache-control", b"no-store"), *(headers or [])], b"")


def _with_security_headers(send: Send) -> Send:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *SECURITY_HEADERS]}
        await send(message)

    return sending
