"""Limits as a caller and an operator meet them."""

import json
import threading
from pathlib import Path

import pytest
from tests.support import RunningGateway, running_gateway
from tests.valkey import Valkey

from llm_gateway.simulator import FaultRule, SimulatorProcess

QUERY = {"prompt": "hello", "max_tokens": 5}
HEADERS = {"ratelimit", "ratelimit-policy"} | {
    f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")
}
DEFAULT = {
    "rate_limiting.default.requests_per_minute": 60,
    "rate_limiting.default.requests_per_hour": 1000,
    "rate_limiting.default.tokens_per_minute": 50_000,
    "rate_limiting.default.burst_limit": 10,
}
SLOW_MINUTE = {**DEFAULT, "rate_limiting.default.requests_per_minute": 2}


def admin(folder: Path) -> dict[str, str]:
    return {"authorization": f"Bearer {(folder / 'admin_token').read_text().strip()}"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/query", QUERY),
        ("/chat", QUERY),
        ("/stream", QUERY),
        ("/embeddings", {"text": "hello"}),
        ("/v1/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}),
        ("/v1/messages", {"model": "auto", "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]}),
    ],
)
def test_every_model_call_says_where_its_caller_stands(
    path: str, body: dict[str, object], tmp_path: Path, simulator: SimulatorProcess
) -> None:
    with running_gateway(tmp_path, simulator, {**DEFAULT, "rate_limiting.default.requests_per_minute": 1}) as gateway:
        answer, refused = gateway.post(path, **body), gateway.post(path, **body)
    assert (answer.status, refused.status) == (200, 429), (answer, refused)
    for each in (answer, refused):
        assert each.headers.keys() >= HEADERS
        assert each.headers["ratelimit-policy"] == '"burst";q=10;w=1, "rpm";q=1;w=60, "rph";q=1000;w=3600, "tpm";q=50000;w=60;qu="tokens"'
        assert each.headers["x-ratelimit-remaining-requests"] == "0"
    assert 30 <= int(refused.headers["retry-after"]) <= 66  # a tenth is added at random


def test_a_failure_after_the_limits_says_it_too(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, DEFAULT) as gateway:
        answer = gateway.post("/query", **QUERY, provider="nobody")
    assert answer.status == 404
    assert answer.headers.keys() >= HEADERS


def test_the_status_of_a_caller(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, DEFAULT) as gateway:
        used = gateway.post("/query", **QUERY, user_id="user123").json["tokens_used"]
        status = gateway.get("/rate-limit/status?user_id=user123").json
        nobody = gateway.get("/rate-limit/status").json
        health = gateway.get("/health/detailed").json["rate_limiter"]
        explained = gateway.post("/route/explain", **QUERY, user_id="user123").json["limits"]
    assert status["user_id"] == "user123"
    assert status["tier"] == "default"
    assert status["requests_per_minute"] == {
        "limit": 60, "used": 1, "remaining": 59, "window_seconds": 60, "resets_in": pytest.approx(60, abs=10),
    }  # fmt: skip
    assert status["tokens_per_minute"]["used"] == used
    assert (status["tokens_held"], status["cooldown_seconds"]) == (0, 0)
    assert health == {"status": "healthy", "active_users": 1, "global_requests_last_minute": 1}
    assert explained["requests_per_hour"]["used"] == 1
    assert (nobody["user_id"], nobody["requests_per_hour"]["used"]) == ("anonymous", 0)


def test_the_specification_s_lines_for_status_and_reset(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, SLOW_MINUTE) as gateway:
        statuses = [gateway.post("/query", **QUERY, user_id="user123").status for _ in range(6)]
        assert statuses == [200, 200, 429, 429, 429, 429]
        assert gateway.post("/query", **QUERY, user_id="user123").json["error"]["type"] == "cooldown"
        assert gateway.get("/rate-limit/status?user_id=user123").json["cooldown_seconds"] > 50
        body = b'{"user_id": "user123"}'
        form = {"content-type": "application/x-www-form-urlencoded"}  # as curl -d sends it
        assert gateway.call("POST", "/admin/reset-limits", body, form).status == 401
        reset = gateway.call("POST", "/admin/reset-limits", body, {**form, **admin(tmp_path)})
        assert (reset.status, reset.json) == (200, {"status": "reset", "reset": ["caller:user123"]})
        assert gateway.post("/query", **QUERY, user_id="user123").status == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [(b"{}", "user_id"), (b'{"user": "x"}', "user"), (b'{"user_id": 7}', "user_id"), (b"nonsense", None), (b'{"user_id": ""}', "user_id")],
)
def test_a_wrong_reset_names_the_field(body: bytes, param: str | None, tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator) as gateway:
        answer = gateway.call("POST", "/admin/reset-limits", body, admin(tmp_path))
    assert answer.status == 400
    assert answer.json["error"]["param"] == param


def test_with_keys_a_caller_sees_its_owner_s_limits_and_an_administrator_everybody_s(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, DEFAULT) as gateway:
        key = gateway.post("/admin/keys", admin(tmp_path), name="k", owner="acme").json["key"]
        shown = {"authorization": f"Bearer {key}"}
        for user in ("a", "b"):
            assert gateway.post("/query", shown, **QUERY, user_id=user).status == 200
        assert gateway.get("/rate-limit/status?user_id=a", shown).json["requests_per_hour"]["used"] == 2
        assert gateway.get("/rate-limit/status?user_id=acme", admin(tmp_path)).json["requests_per_hour"]["used"] == 2
        assert gateway.get("/rate-limit/status?user_id=acme").status == 401


def test_a_provider_at_its_limit_is_passed_over(tmp_path: Path, simulator: SimulatorProcess) -> None:
    settings = {"providers.openai.limits.requests_per_minute": 2, "cache.max_size": 0}
    with running_gateway(tmp_path, simulator, settings) as gateway:
        answered = [gateway.post("/query", **QUERY, provider="openai").json["provider"] for _ in range(4)]
        assert answered[:2] == ["openai", "openai"]
        assert "openai" not in answered[2:]
        explained = gateway.post("/route/explain", **QUERY).json
        assert {"provider": "openai", "code": "limit", "reason": "it is at the limit that is configured for it"} in explained["rejected"]


def test_a_provider_alone_at_its_limit_is_told(tmp_path: Path, simulator: SimulatorProcess) -> None:
    settings = {f"providers.{name}.limits.requests_per_minute": 1 for name in ("ollama", "openai", "anthropic", "bedrock", "grok")}
    with running_gateway(tmp_path, simulator, {**settings, "cache.max_size": 0}) as gateway:
        answers = [gateway.post("/query", **QUERY) for _ in range(6)]
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert answers[-1].json["error"]["type"] == "rate_limited"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 66, "a minute, and up to a tenth more, so that not all come back at once"


def test_a_reload_keeps_what_was_counted(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, SLOW_MINUTE) as gateway:
        reload(gateway)
        assert gateway.post("/query", **QUERY).status == 200
        reload(gateway)
        assert [gateway.post("/query", **QUERY).status for _ in range(2)] == [200, 429]


def reload(gateway: RunningGateway) -> None:
    """As the reloader does when the file has changed."""
    app = gateway.app
    app.gateway = type(app.gateway)(app.gateway.settings, app.gateway.shared, app.gateway)
    assert json.loads(gateway.get("/health").body)["status"]


def test_a_provider_that_says_it_has_nothing_left_is_passed_over(tmp_path: Path, simulator: SimulatorProcess) -> None:
    none_left = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30s", "x-ratelimit-limit-requests": "1"}
    settings = {"routing.strategy": "priority", "providers.openai.priority": -2, "providers.anthropic.priority": -1, "cache.max_size": 0}
    with running_gateway(tmp_path, simulator, settings) as gateway:
        assert [gateway.post("/query", prompt="Who is there?").json["provider"] for _ in range(2)] == ["openai", "openai"]
        simulator.add_faults(FaultRule(kind="openai", path="/v1/chat", headers=none_left))
        assert [gateway.post("/query", prompt="Who is there?").json["provider"] for _ in range(3)] == ["openai", "anthropic", "anthropic"]
        rejected = gateway.post("/route/explain", prompt="Who is there?").json["rejected"]
        assert [(no["provider"], no["code"]) for no in rejected if no["provider"] == "openai"] == [("openai", "limit")]


def test_a_provider_that_turned_one_replica_away_is_left_alone_by_all(tmp_path: Path, simulator: SimulatorProcess) -> None:
    settings = {"routing.strategy": "priority", "providers.openai.priority": -2, "cache.max_size": 0}
    with Valkey() as server:
        shared = {**settings, "storage.redis_url": server.url}
        with (
            running_gateway(tmp_path / "one", simulator, shared) as one,
            running_gateway(tmp_path / "other", simulator, shared) as other,
        ):
            assert [each.post("/query", prompt="Who is there?").json["provider"] for each in (one, other)] == ["openai", "openai"]
            simulator.add_faults(FaultRule(kind="openai", path="/v1/chat", status=429, retry_after=50))
            assert one.post("/query", prompt="Who is there?").json["provider"] != "openai"
            simulator.clear_faults()
            simulator.clear_log()
            waiting = threading.Event()
            for _ in range(3_000):
                rejected = other.post("/route/explain", prompt="Who is there?").json["rejected"]
                if ("openai", "limit") in [(no["provider"], no["code"]) for no in rejected]:
                    break
                waiting.wait(0.01)
            assert [each.post("/query", prompt="Who is there?").json["provider"] != "openai" for each in (one, other)] == [True, True]
            assert not [entry for entry in simulator.log("openai") if entry["method"] == "POST"]
