"""Keys, tenants and the admin token, from socket to socket."""

import hashlib
import json
import re
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import Answer, RunningGateway, running_gateway

from llm_gateway.api.access import ROUTES, Access
from llm_gateway.cli.main import run
from llm_gateway.identity.keys import new_key
from llm_gateway.simulator import SimulatorProcess

MODEL_CALLS: dict[str, dict[str, object]] = {
    "/query": {"prompt": "hello"},
    "/chat": {"prompt": "hello"},
    "/stream": {"prompt": "hello"},
    "/embeddings": {"text": "hello"},
}
HELLO: list[dict[str, object]] = [{"role": "user", "content": "hello"}]
DIALECT_CALLS: dict[str, dict[str, object]] = {
    "/v1/chat/completions": {"model": "auto", "messages": HELLO},
    "/v1/completions": {"model": "auto", "prompt": "hello"},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": "hello"},
    "/v1/moderations": {"input": "hello"},
    "/v1/responses": {"model": "auto", "input": "hello"},
    "/v1/messages": {"model": "auto", "max_tokens": 16, "messages": HELLO},
    "/v1/messages/count_tokens": {"model": "auto", "messages": HELLO},
    "/api/chat": {"model": "auto", "messages": HELLO},
    "/api/generate": {"model": "auto", "prompt": "hello"},
    "/api/embed": {"model": "nomic-embed-text", "input": "hello"},
    "/api/embeddings": {"model": "nomic-embed-text", "prompt": "hello"},
    "/api/show": {"model": "gpt-4o"},
}


class Admin:
    """The administrator of a running gateway, with the token from its data folder."""

    def __init__(self, gateway: RunningGateway, folder: Path) -> None:
        self.gateway = gateway
        self.token = (folder / "admin_token").read_text().strip()
        self.headers = {"authorization": f"Bearer {self.token}"}

    def key(self, **fields: object) -> str:
        return str(self.made(**fields)["key"])

    def made(self, **fields: object) -> dict[str, object]:
        answer = self.gateway.post("/admin/keys", self.headers, **{"name": "test", **fields})
        assert answer.status == 201, answer.body
        assert answer.headers["cache-control"] == "no-store"
        made: dict[str, object] = answer.json
        return made

    def listed(self, query: str = "") -> list[dict[str, object]]:
        answer = self.gateway.get(f"/admin/keys{query}", self.headers)
        assert answer.status == 200, answer.body
        keys: list[dict[str, object]] = answer.json["keys"]
        return keys


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path, simulator, {"auth.failures_per_minute": 200}) as running:
        yield running


@pytest.fixture
def admin(gateway: RunningGateway, tmp_path: Path) -> Admin:
    return Admin(gateway, tmp_path)


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def is_refused(answer: Answer) -> bool:
    if answer.status != 401:
        return False
    error = answer.json["error"]
    assert error == {
        "type": "unauthenticated",
        "message": "a valid API key is needed: Authorization: Bearer, or x-api-key",
        "param": None,
        "code": None,
    }
    assert answer.headers["www-authenticate"] == "Bearer"
    return True


def test_the_first_key_closes_the_gateway_and_the_last_revoked_one_does_not_open_it(gateway: RunningGateway, admin: Admin) -> None:
    assert gateway.post("/query", prompt="hello", user_id="u1").status == 200
    made = admin.made(owner="acme")
    assert is_refused(gateway.post("/query", prompt="hello", user_id="u1"))
    answer = gateway.post("/query", bearer(str(made["key"])), prompt="hello", user_id="u1")
    assert answer.status == 200
    assert gateway.call("DELETE", f"/admin/keys/{made['id']}", headers=admin.headers).json["status"] == "revoked"
    assert is_refused(gateway.post("/query", bearer(str(made["key"])), prompt="hello"))
    assert is_refused(gateway.post("/query", prompt="hello"))


def test_every_endpoint_asks_for_what_the_table_says(gateway: RunningGateway, admin: Admin) -> None:
    key = admin.key(owner="acme")
    for (method, template), access in ROUTES.items():
        path = re.sub(r"\{\w+\}", "some", template)
        body = None if method != "POST" else (MODEL_CALLS | DIALECT_CALLS).get(path, {"prompt": "hello"})
        bare = gateway.call(method, path, body, {"via": "1.1 proxy"})
        wrong = gateway.call(method, path, body, {"via": "1.1 proxy", **bearer(f"sk-{template}")})
        shown = gateway.call(method, path, body, bearer(key))
        if access is Access.OPEN:
            assert bare.status in {200, 503}, template
        else:
            assert (bare.status, wrong.status) == (401, 401), template
            needed = b"the admin token is needed" if access is Access.ADMIN else b"valid API key is needed"
            assert needed in bare.body, template
            assert needed in wrong.body, template
        assert (shown.status == 403) == (access is Access.ADMIN), template
        assert shown.status != 401, template
        if template in MODEL_CALLS | DIALECT_CALLS:
            assert shown.status == 200, (template, shown.body)


def test_a_key_is_taken_from_either_header_and_from_nowhere_else(gateway: RunningGateway, admin: Admin) -> None:
    key = admin.key(owner="acme")
    for path, body in MODEL_CALLS.items():
        assert gateway.call("POST", path, body, bearer(key)).status == 200
        assert gateway.call("POST", path, body, {"x-api-key": key}).status == 200
        assert is_refused(gateway.call("POST", path, body, {"cookie": f"x-api-key={key}"}))
        assert is_refused(gateway.call("POST", path, body, {"authorization": f"Basic {key}"}))
        assert gateway.call("POST", f"{path}?x-api-key={key}&api_key={key}", body).status == 401


def test_a_key_reaches_no_other_owners_conversations(gateway: RunningGateway, admin: Admin) -> None:
    acme, rival = admin.key(owner="acme"), admin.key(owner="rival")
    assert gateway.post("/chat", bearer(acme), prompt="My name is Ada.", conversation_id="c1").status == 200
    assert gateway.post("/chat", bearer(acme), prompt="I am user one.", conversation_id="c2", user_id="u1").status == 200
    for user in ("", "?user_id=acme", "?user_id=u1", "?user_id=acme/u1", "?user_id=../acme", "?user_id=admin"):
        for name in ("c1", "c2"):
            assert gateway.get(f"/conversations/{name}{user}", bearer(rival)).status == 404
            assert gateway.call("DELETE", f"/conversations/{name}{user}", None, bearer(rival)).status == 404
    for user_id in ("acme", "u1", "acme/u1"):
        headers = bearer(rival) | {"x-user-id": user_id}
        assert gateway.post("/chat", headers, prompt="What is my name?", conversation_id="c1").status == 404
        assert gateway.post("/route/explain", headers, prompt="What is my name?", conversation_id="c1", user_id=user_id).status == 404
    # Users are labels inside the tenant, and kept apart there.
    assert gateway.get("/conversations/c2", bearer(acme)).status == 404
    assert gateway.get("/conversations/c1?user_id=u1", bearer(acme)).status == 404
    mine = gateway.get("/conversations/c1", bearer(acme)).json
    assert mine["owner"] == "acme"
    assert len(mine["turns"]) == 2
    assert gateway.get("/conversations/c2?user_id=u1", bearer(acme)).json["owner"] == "acme/u1"
    # The administrator reads and erases anybody's.
    assert gateway.get("/conversations/c2", admin.headers).json["owner"] == "acme/u1"
    assert gateway.call("DELETE", "/conversations/c2", None, admin.headers).status == 204
    assert gateway.get("/conversations/c2?user_id=u1", bearer(acme)).status == 404


def test_two_keys_of_one_owner_are_one_tenant(gateway: RunningGateway, admin: Admin) -> None:
    one, two = admin.key(owner="acme", name="laptop"), admin.key(owner="acme", name="server")
    gateway.post("/chat", bearer(one), prompt="hello", conversation_id="c1")
    assert gateway.get("/conversations/c1", bearer(two)).status == 200


def test_unknown_revoked_expired_and_mistyped_keys_get_one_answer(gateway: RunningGateway, admin: Admin) -> None:
    good = admin.key(owner="acme")
    revoked, expired = admin.made(owner="acme"), admin.made(owner="acme", expires_in_s=0.05)
    gateway.call("DELETE", f"/admin/keys/{revoked['id']}", headers=admin.headers)
    while admin.listed()[2]["status"] != "expired":
        time.sleep(0.01)
    unknown = new_key(lambda count: hashlib.sha256(b"unknown").digest()[:count])
    mistyped = good[:20] + ("A" if good[20] != "A" else "B") + good[21:]
    answers = [gateway.post("/query", bearer(str(key)), prompt="x") for key in (unknown, revoked["key"], expired["key"], mistyped, "sk-x")]
    for answer in answers:
        assert is_refused(answer)
        assert good[3:10] not in answer.body.decode()
    assert len({frozenset(answer.headers) for answer in answers}) == 1


def test_too_many_failures_from_an_address_are_429_and_a_good_key_still_works(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {"auth.failures_per_minute": 5}) as gateway:
        admin = Admin(gateway, tmp_path)
        key = admin.key(owner="acme")
        for number in range(5):
            assert is_refused(gateway.post("/query", bearer(f"sk-{number}"), prompt="x"))
        for path in ("/query", "/providers", "/admin/keys"):
            answer = gateway.call("POST" if path == "/query" else "GET", path, {"prompt": "x"}, bearer("sk-5"))
            assert (answer.status, answer.json["error"]["code"]) == (429, "too_many_failures")
            assert 0 < int(answer.headers["retry-after"]) <= 60
        assert gateway.post("/query", bearer(key), prompt="x").status == 200
        assert gateway.get("/admin/keys", admin.headers).status == 429


def test_a_revoked_key_ends_in_another_process_within_five_seconds(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator) as one, running_gateway(tmp_path, simulator) as two:
        admin = Admin(one, tmp_path)
        made = admin.made(owner="acme")
        headers = bearer(str(made["key"]))
        assert one.get("/providers", headers).status == 200
        assert within(5, lambda: two.get("/providers", headers).status == 200 and two.get("/providers").status == 401)
        assert one.call("DELETE", f"/admin/keys/{made['id']}", headers=admin.headers).status == 200
        assert one.get("/providers", headers).status == 401
        assert within(5, lambda: two.get("/providers", headers).status == 401)
        assert two.get("/admin/keys", admin.headers).status == 200  # one token for both


def within(seconds: float, holds: "object") -> bool:
    end_s, waiting = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < end_s:
        if holds():  # type: ignore[operator]
            return True
        waiting.wait(0.05)
    return False


def test_a_key_for_some_providers_and_models_gets_no_others(gateway: RunningGateway, admin: Admin, simulator: SimulatorProcess) -> None:
    headers = bearer(admin.key(owner="acme", allowed_providers=["openai", "ollama"], allowed_models=["gpt-4o-mini", "ollama/llama3"]))
    for named, param in (
        ({"provider": "anthropic"}, "provider"),
        ({"provider": "claude"}, "provider"),
        ({"model": "anthropic/claude-3-5-sonnet-latest"}, "model"),
        ({"model": "gpt-4o"}, "model"),
        ({"model": "openai/gpt-4o"}, "model"),
        ({"provider": "openai", "model": "gpt-4o"}, "model"),
    ):
        for path in ("/query", "/chat", "/stream", "/route/explain"):
            answer = gateway.post(path, headers, prompt="hello", **named)
            assert (answer.status, answer.json["error"]["type"], answer.json["error"]["param"]) == (403, "forbidden", param), (path, named)
    assert gateway.post("/query", headers, prompt="hello", model="gpt-4o-mini").json["provider"] == "openai"
    assert gateway.post("/query", headers, prompt="hello", provider="openai").json["model"] == "gpt-4o-mini"
    for strategy in ("cost", "quality", "latency", "priority", "round_robin"):
        for _ in range(3):
            answer = gateway.post("/query", headers | {"x-gateway-strategy": strategy}, prompt="hello")
            target = f"{answer.headers['x-gateway-provider']}/{answer.headers['x-gateway-model']}"
            assert target in {"openai/gpt-4o-mini", "ollama/llama3"}
    simulator.stop("openai")
    simulator.stop("ollama")
    for _ in range(3):
        assert gateway.post("/query", headers, prompt="hello").status in {502, 503}
    explained = gateway.post("/route/explain", headers, prompt="hello").json
    forbidden = {no["provider"] for no in explained["rejected"] if no["code"] == "forbidden"}
    assert {"anthropic", "grok", "bedrock"} <= forbidden
    assert {place["provider"] for place in explained["eligible"]} <= {"openai", "ollama"}


def test_a_key_for_a_medium_provider_sends_no_secret_there(gateway: RunningGateway, admin: Admin) -> None:
    headers = bearer(admin.key(owner="acme", allowed_providers=["openai"]))
    for named in ({}, {"provider": "openai"}):
        answer = gateway.post("/query", headers, prompt="Analyze this internal API key: sk-1234567890abcdef", **named)
        assert (answer.status, answer.json["error"]["type"]) == (503, "no_eligible_provider")


def test_what_a_key_is_made_with_is_listed_without_the_key(gateway: RunningGateway, admin: Admin, tmp_path: Path) -> None:
    made = admin.made(
        name="ci", owner="acme", allowed_providers=["openai", "ollama"], allowed_models=["gpt-4o"],
        budget={"amount_usd": "12.50", "period": "day"}, expires_in_s=3600,
    )  # fmt: skip
    key = str(made.pop("key"))
    (listed,) = admin.listed()
    assert listed == made
    assert listed["budget"] == {"amount_usd": "12.50", "period": "day"}
    assert listed["allowed_providers"] == ["ollama", "openai"]
    assert listed["status"] == "active"
    assert listed["last_used"] is None
    assert key.startswith(str(listed["hint"]))
    gateway.get("/providers", bearer(key))
    assert admin.listed()[0]["last_used"] == pytest.approx(time.time(), abs=30)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key.encode() not in stored


def test_keys_are_listed_in_pages_and_by_owner(gateway: RunningGateway, admin: Admin) -> None:
    ids = [admin.made(owner="acme" if number % 2 else "rival")["id"] for number in range(5)]
    first = gateway.get("/admin/keys?limit=2", admin.headers).json
    second = gateway.get(f"/admin/keys?limit=2&after={first['next']}", admin.headers).json
    third = gateway.get(f"/admin/keys?limit=2&after={second['next']}", admin.headers).json
    assert [key["id"] for page in (first, second, third) for key in page["keys"]] == sorted(str(name) for name in ids)
    assert third["next"] is None
    assert {key["owner"] for key in admin.listed("?owner=acme")} == {"acme"}


WRONG: tuple[tuple[dict[str, object], str], ...] = (
    ({"name": ""}, "name"),
    ({"owner": "a/b"}, "owner"),
    ({"owner": "admin"}, "owner"),
    ({"name": "has a space"}, "owner"),
    ({"tier": "none"}, "tier"),
    ({"allowed_providers": ["opneai"]}, "allowed_providers"),
    ({"allowed_providers": []}, "allowed_providers"),
    ({"allowed_models": "gpt-4o"}, "allowed_models"),
    ({"budget": {"amount_usd": "-1"}}, "budget.amount_usd"),
    ({"budget": {"amount_usd": "NaN"}}, "budget.amount_usd"),
    ({"budget": {"amount_usd": "1", "period": "year"}}, "budget.period"),
    ({"expires": 1}, "expires"),
    ({"expires_in_s": 0}, "expires_in_s"),
    ({"expires": 9e9, "expires_in_s": 1}, "expires"),
    ({"is_admin": True}, "is_admin"),
)


def test_a_wrong_field_is_named_and_no_key_is_made(gateway: RunningGateway, admin: Admin) -> None:
    for fields, param in WRONG:
        answer = gateway.post("/admin/keys", admin.headers, **{"name": "test", **fields})
        assert (answer.status, answer.json["error"]["param"]) == (400, param), (fields, answer.body)
    assert admin.listed() == []
    assert gateway.get("/providers").status == 200  # and nothing is closed


def test_admin_endpoints_want_json_and_ask_who_it_is_first(gateway: RunningGateway, admin: Admin) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"):
        answer = gateway.call("POST", "/admin/keys", b'{"name": "x"}', admin.headers | {"content-type": content_type})
        assert (answer.status, answer.json["error"]["param"]) == (400, "content-type")
    for body in (b"{", b'{"name": 1}', b"x" * (1 << 20)):
        assert gateway.call("POST", "/admin/keys", body).status == 401
    assert gateway.call("POST", "/admin/keys", b'{"name": "' + b"x" * (1 << 20) + b'"}', admin.headers).status == 413
    assert gateway.call("DELETE", "/admin/keys/key_nothing", None, admin.headers).status == 404
    assert admin.listed() == []


def test_the_admin_token_is_made_once_and_is_a_caller_of_model_calls(gateway: RunningGateway, admin: Admin, tmp_path: Path) -> None:
    for name in ("admin_token", "key_pepper"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    admin.key(owner="acme")
    assert gateway.post("/chat", admin.headers, prompt="hello", conversation_id="c9").status == 200
    assert gateway.get("/conversations/c9", admin.headers).json["owner"] == "admin"
    assert gateway.post("/query", {"x-api-key": admin.token}, prompt="hello", user_id="someone").status == 200


def test_keys_outlive_a_restart(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator) as gateway:
        admin = Admin(gateway, tmp_path)
        key = admin.key(owner="acme")
        gateway.get("/providers", bearer(key))
    with running_gateway(tmp_path, simulator) as gateway:
        assert Admin(gateway, tmp_path).token == admin.token
        assert gateway.get("/providers", bearer(key)).status == 200
        assert gateway.get("/providers").status == 401
        assert Admin(gateway, tmp_path).listed()[0]["last_used"] is not None


def test_keys_of_the_configuration(tmp_path: Path, simulator: SimulatorProcess) -> None:
    one, two = (new_key(lambda count, seed=seed: hashlib.sha256(seed).digest()[:count]) for seed in (b"1", b"2"))
    settings = {"auth.keys.two.key_sha256": hashlib.sha256(two.encode()).hexdigest(), "auth.keys.two.owner": "acme"}
    with running_gateway(tmp_path, simulator, settings, {"LLM_GATEWAY__AUTH__KEYS__ONE__KEY": one}) as gateway:
        assert gateway.get("/providers").status == 401
        assert gateway.post("/chat", bearer(one), prompt="hello", conversation_id="c1").status == 200
        assert gateway.get("/conversations/c1", bearer(one)).json["owner"] == "one"
        assert gateway.get("/conversations/c1", bearer(two)).status == 404
        listed = Admin(gateway, tmp_path).listed()
        found = {(key["id"], key["owner"], key["source"]) for key in listed}
        assert found == {("config:two", "acme", "config"), ("config:one", "one", "config")}
        assert all(key["last_used"] for key in listed)
        assert gateway.call("DELETE", "/admin/keys/config:one", None, Admin(gateway, tmp_path).headers).status == 404


def test_a_required_key_can_be_made_when_there_is_none(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {"auth.required": True}) as gateway:
        assert gateway.post("/query", prompt="hello").status == 401
        key = Admin(gateway, tmp_path).key(owner="acme")
        assert gateway.post("/query", bearer(key), prompt="hello").status == 200


def test_keys_from_a_terminal(
    gateway: RunningGateway, admin: Admin, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ADMIN_TOKEN", raising=False)
    where = ["--url", gateway.url, "--data-dir", str(tmp_path)]
    assert run(["keys", "create", "ci", "--owner", "acme", "--provider", "openai", "--budget-usd", "5", "--expires-in", "90d", *where]) == 0
    key = capsys.readouterr().out.split()[-1]
    assert gateway.post("/query", bearer(key), prompt="hello", provider="openai").status == 200
    assert run(["keys", "list", "--json", *where]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["keys"]
    assert (listed["owner"], listed["allowed_providers"], listed["budget"]) == ("acme", ["openai"], {"amount_usd": "5", "period": "month"})
    assert listed["expires"] == pytest.approx(time.time() + 90 * 86_400, abs=60)
    assert run(["keys", "list", *where]) == 0
    assert key not in capsys.readouterr().out
    assert run(["keys", "revoke", listed["id"], "--url", gateway.url, "--admin-token", admin.token]) == 0
    assert gateway.get("/providers", bearer(key)).status == 401
    assert run(["keys", "list", "--url", gateway.url, "--admin-token", "wrong"]) == 4
    assert run(["keys", "revoke", "key_none", *where]) == 1
    assert run(["keys", "list", "--url", gateway.url, "--data-dir", str(tmp_path / "elsewhere")]) == 2
    assert "no admin token" in capsys.readouterr().err


def test_a_refused_call_is_answered_on_a_connection_that_stays_usable(gateway: RunningGateway, admin: Admin) -> None:
    admin.key(owner="acme")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
        for _ in range(2):
            client.sendall(b"GET /providers HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"401" in client.recv(65_536).split(b"\r\n", 1)[0]
