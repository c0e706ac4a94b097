"""The dashboard's doors: who is let in, what other sites can make it do, what goes out with every page."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.browsing import PAGES
from tests.support import Answer, RunningGateway, running_gateway

from llm_gateway.simulator import SimulatorProcess

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
PROXIED = {"x-forwarded-for": "203.0.113.9"}


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path, simulator) as running:
        yield running


@pytest.fixture
def token(gateway: RunningGateway, tmp_path: Path) -> str:
    return (tmp_path / "admin_token").read_text().strip()


def post(gateway: RunningGateway, path: str, headers: dict[str, str] | None = None, **form: str) -> Answer:
    """A form as a browser sends it from one of our pages."""
    sent = {"content-type": "application/x-www-form-urlencoded", "origin": gateway.url, "sec-fetch-site": "same-origin"} | (headers or {})
    kept = {name: value for name, value in sent.items() if value}
    return gateway.call("POST", f"/dashboard{path}", urlencode(form).encode(), kept)


def signed_in(gateway: RunningGateway, token: str) -> dict[str, str]:
    answer = post(gateway, "/login", token=token)
    assert (answer.status, answer.headers["location"]) == (303, "/dashboard")
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def csrf(gateway: RunningGateway, headers: dict[str, str] | None = None) -> str:
    found = re.search(rb'name="csrf" value="(\w+)"', gateway.get("/dashboard/cache", headers).body)
    assert found is not None
    return found[1].decode()


def key(gateway: RunningGateway, token: str, **fields: object) -> dict[str, str]:
    answer = gateway.post("/admin/keys", {"authorization": f"Bearer {token}"}, name="test", **fields)
    assert answer.status == 201, answer.body
    made: dict[str, str] = answer.json
    return made


def test_every_answer_forbids_what_is_not_ours(gateway: RunningGateway) -> None:
    style = re.search(rb'href="(/dashboard/static/dashboard.css\?\w+)"', gateway.get("/dashboard").body)
    assert style is not None
    assert "immutable" in gateway.get(style[1].decode()).headers["cache-control"]
    for path in (*PAGES.values(), "/dashboard/login", "/dashboard/nowhere", style[1].decode(), "/dashboard/static/nothing.js"):
        headers = gateway.get(path).headers
        assert headers["content-security-policy"] == POLICY, path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["cross-origin-resource-policy"] == "same-origin", path
        assert path.startswith("/dashboard/static") or headers["cache-control"] == "no-store", path
    assert "unsafe" not in POLICY


def test_no_page_has_inline_code_or_foreign_addresses(gateway: RunningGateway) -> None:
    for path in (*PAGES.values(), "/dashboard/login"):
        body = gateway.get(path).body.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", body), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|javascript:", body), path
        assert not [found for found in re.findall(r'(?:src|href|action)="([^"]+)"', body) if not found.startswith(("/", "#"))], path


def test_it_is_open_to_this_machine_alone_and_without_keys(gateway: RunningGateway, token: str) -> None:
    assert gateway.get("/dashboard").status == 200
    away = gateway.get("/dashboard", PROXIED)
    assert (away.status, away.headers["location"]) == (303, "/dashboard/login?next=%2Fdashboard")
    assert gateway.get("/dashboard", {"host": "evil.example"}).status == 303
    assert gateway.get("/dashboard/login", PROXIED).status == 200
    key(gateway, token)
    for path in (*PAGES.values(), "/dashboard/security/verification", "/dashboard/requests/x", "/dashboard/conversations/x"):
        assert gateway.get(path).status == 303, path
    refused = gateway.get("/dashboard", {"hx-request": "true"})
    assert (refused.status, refused.headers["hx-redirect"]) == (401, "/dashboard/login")
    for path in PAGES.values():
        assert gateway.get(path, signed_in(gateway, token) | PROXIED).status == 200, path


def test_an_onlooker_changes_nothing_that_takes_the_admin_token(gateway: RunningGateway, tmp_path: Path) -> None:
    shown = csrf(gateway)
    forms = {
        "/keys": {"name": "mine"},
        "/keys/revoke": {"key_id": "key_1"},
        "/limits/reset": {"user_id": "ada"},
        "/costs/budgets": {"name": "b", "limit_usd": "1"},
        "/costs/budgets/remove": {"name": "b"},
    }
    for path, form in forms.items():
        answer = post(gateway, path, csrf=shown, **form)
        assert b"takes the admin token" in answer.body, path
    assert str(tmp_path / "admin_token") in gateway.get("/dashboard/keys").body.decode()
    assert str(tmp_path) not in gateway.get("/dashboard/login", PROXIED).body.decode()
    assert b"No keys: the gateway is open" in gateway.get("/dashboard/keys").body


def test_the_cookie_is_closed_to_scripts_other_sites_and_the_api(gateway: RunningGateway, token: str) -> None:
    answer = post(gateway, "/login", token=token, next="/dashboard/keys?x=1")
    assert answer.headers["location"] == "/dashboard/keys?x=1"
    attributes = set(answer.headers["set-cookie"].split("; ")[1:])
    assert attributes == {"Path=/dashboard", "HttpOnly", "SameSite=Strict", "Max-Age=43200"}
    over_tls = post(gateway, "/login", {"origin": "https://gateway.example"}, token=token)
    assert "Secure" in over_tls.headers["set-cookie"].split("; ")
    cookie = signed_in(gateway, token)
    assert token not in cookie["cookie"]
    assert gateway.get("/admin/keys", cookie).status == 401
    assert gateway.get("/audit", cookie).status == 401
    for path in ("https://evil.example/", "//evil.example", "/admin/keys", "/dashboardx"):
        assert post(gateway, "/login", token=token, next=path).headers["location"] == "/dashboard"


@pytest.mark.parametrize("change", ["", "x", "0.x", "session"])
def test_a_made_up_cookie_opens_nothing(gateway: RunningGateway, token: str, change: str) -> None:
    name, _, value = signed_in(gateway, token)["cookie"].partition("=")
    key(gateway, token)
    body, _, mac = value.partition(".")
    forged = {"": "", "x": f"{body}.{mac[:-1]}x", "0.x": f"{body}", "session": f"{body[:-2]}AA.{mac}"}[change]
    assert gateway.get("/dashboard", {"cookie": f"{name}={forged}"}).status == 303


def test_a_session_ends_with_its_time_its_token_and_its_key(tmp_path: Path, simulator: SimulatorProcess) -> None:
    class Clock:
        now_s = 1_800_000_000.0

        def monotonic_s(self) -> float:
            return self.now_s

        def wall_s(self) -> float:
            return self.now_s

    clock, first, second = Clock(), "first-3f9c2b7e81d4a650", "second-b81d4a6503f9c2b7e"
    environ = {"ADMIN_TOKEN": first}
    with running_gateway(tmp_path, simulator, {"auth.required": True}, environ, clock) as gateway:
        cookie = signed_in(gateway, first)
        made = key(gateway, first, owner="acme", expires_in_s=3600)
        of_key = signed_in(gateway, made["key"])
        assert gateway.get("/dashboard", cookie).status == gateway.get("/dashboard", of_key).status == 200
        clock.now_s += 3601
        assert (gateway.get("/dashboard", cookie).status, gateway.get("/dashboard", of_key).status) == (200, 303)
        clock.now_s += 12 * 3600 - 3601
        assert gateway.get("/dashboard", cookie).status == 303
        cookie = signed_in(gateway, first)
        again = key(gateway, first, owner="acme")
        of_key = signed_in(gateway, again["key"])
        assert gateway.call("DELETE", f"/admin/keys/{again['id']}", None, {"authorization": f"Bearer {first}"}).status == 200
        assert gateway.get("/dashboard", of_key).status == 303
        left = post(gateway, "/logout", cookie, csrf=csrf(gateway, cookie))
        assert "Max-Age=0" in left.headers["set-cookie"]
    with running_gateway(tmp_path, simulator, {"auth.required": True}, environ, clock) as gateway:
        assert gateway.get("/dashboard", cookie).status == 200
    with running_gateway(tmp_path, simulator, {"auth.required": True}, {"ADMIN_TOKEN": second}, clock) as gateway:
        assert gateway.get("/dashboard", cookie).status == 303


def test_wrong_tokens_are_braked(gateway: RunningGateway, token: str) -> None:
    wrong = [post(gateway, "/login", token=f"wrong-{turn}").status for turn in range(22)]
    assert wrong[:20] == [401] * 20
    assert wrong[-1] == 429
    assert post(gateway, "/login", token=token).status == 429


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site", "origin": "http://localhost:1"},
        {"sec-fetch-site": "", "origin": "https://evil.example"},
        {"sec-fetch-site": "", "origin": "null"},
        {"sec-fetch-site": "", "origin": ""},
        {"sec-fetch-site": "none"},
    ],
)
def test_other_sites_send_no_forms(gateway: RunningGateway, token: str, headers: dict[str, str]) -> None:
    cookie = signed_in(gateway, token)
    shown = csrf(gateway, cookie)
    assert post(gateway, "/keys", cookie | headers, csrf=shown, name="theirs").status == 403
    assert post(gateway, "/login", headers, token=token).status == 403
    assert post(gateway, "/logout", cookie | headers, csrf=shown).status == 403
    assert gateway.get("/admin/keys", {"authorization": f"Bearer {token}"}).json["keys"] == []


def test_a_form_needs_the_mark_of_its_own_session(gateway: RunningGateway, token: str) -> None:
    one, other = signed_in(gateway, token), signed_in(gateway, token)
    for wrong in ("", "x", csrf(gateway), csrf(gateway, other)):
        assert post(gateway, "/keys", one, csrf=wrong, name="theirs").status == 403
    assert post(gateway, "/keys", one, csrf=csrf(gateway, one), name="mine").status == 201
    old = {"sec-fetch-site": ""}
    assert post(gateway, "/cache/clear", one | old, csrf=csrf(gateway, one)).status == 303


def test_who_follows_a_link_from_elsewhere_is_asked_again_from_here(gateway: RunningGateway, token: str) -> None:
    key(gateway, token)
    answer = gateway.get("/dashboard/keys", {"sec-fetch-site": "cross-site"})
    assert answer.status == 200
    assert b'http-equiv="refresh"' in answer.body
    assert b"API keys" not in answer.body


def test_a_key_shows_its_own_and_no_more(gateway: RunningGateway, token: str) -> None:
    acme, rival = key(gateway, token, owner="acme"), key(gateway, token, owner="rival")
    for made, name in ((acme, "c-acme"), (rival, "c-rival")):
        gateway.post("/chat", {"authorization": f"Bearer {made['key']}"}, prompt=f"I am {name}", conversation_id=name)
    cookie = signed_in(gateway, acme["key"])
    for path in PAGES.values():
        body = gateway.get(path, cookie).body
        assert b"rival" not in body, path
        assert acme["key"].encode() not in body
        assert b"/admin_token" not in body, path
    assert b"c-acme" in gateway.get("/dashboard/conversations", cookie).body
    assert b"I am c-acme" in gateway.get("/dashboard/conversations/c-acme", cookie).body
    assert gateway.get("/dashboard/conversations/c-rival", cookie).status == 404
    assert b"is for the administrator" in gateway.get("/dashboard/keys", cookie).body
    assert b"is for the administrator" in gateway.get("/dashboard/security/verification", cookie).body
    shown = csrf(gateway, cookie)
    assert b"takes the admin token" in post(gateway, "/keys", cookie, csrf=shown, name="more").body
    assert post(gateway, "/conversations/erase", cookie, csrf=shown, conversation_id="c-rival").status == 200
    assert gateway.get("/conversations/c-rival", {"authorization": f"Bearer {rival['key']}"}).status == 200
    assert post(gateway, "/conversations/erase", cookie, csrf=shown, conversation_id="c-acme").status == 303


def test_the_playground_streams_what_the_api_streams(gateway: RunningGateway) -> None:
    answer = post(gateway, "/playground/stream", csrf=csrf(gateway), prompt="Say hello", provider="openai", max_tokens="20")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.body.rstrip().endswith(b"data: [DONE]")
    name = answer.headers["x-correlation-id"]
    page = gateway.get(f"/dashboard/requests/{name}").body.decode()
    assert "It was answered" in page
    assert "playground" in page
    refused = post(gateway, "/playground/stream", csrf=csrf(gateway), prompt="Say hello", temperature="hot")
    assert (refused.status, refused.json["error"]["param"]) == (400, "temperature")
    explained = post(
        gateway, "/playground/explain", csrf=csrf(gateway), prompt="Analyze this internal API key: sk-1234567890abcdef", provider="openai"
    ).body
    assert b"may not go to openai" in explained
    assert b"1234567890" not in explained


def test_the_figures_are_those_of_the_api(gateway: RunningGateway) -> None:
    for turn in range(5):
        gateway.post("/query", prompt=f"hello {turn}", user_id="ada", provider="openai")
    costs = gateway.get("/metrics/costs").json
    page = gateway.get("/dashboard/costs").body.decode()
    assert f"exactly ${costs['total']['cost_usd']}" in page
    assert f"<dd>{costs['total']['attempts']}</dd>" in page
    listed = gateway.get("/requests").json["requests"]
    shown = gateway.get("/dashboard/requests").body.decode()
    assert all(each["correlation_id"] in shown for each in listed)
    assert len(listed) == 5


def test_a_page_that_does_not_exist_says_so(gateway: RunningGateway) -> None:
    for path in ("/dashboard/nowhere", "/dashboard/requests/none", "/dashboard/conversations/none", "/dashboard/static/../site.py"):
        assert gateway.get(path).status == 404, path
    assert gateway.get("/dashboardx").status == 404
    assert gateway.get("/dashboard/").status == 200
