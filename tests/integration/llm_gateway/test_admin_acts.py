"""What administrators do: each act in the audit trail with the request's correlation id, before it takes effect; tiers of callers."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import Answer, RunningGateway, running_gateway

from llm_gateway.core.clock import SystemClock
from llm_gateway.identity.tiers import CallerTiers
from llm_gateway.simulator import SimulatorProcess
from llm_gateway.stores.sql import SqlStore

ADMIN = "an-admin-token-for-tests-only"
BUDGET = {"name": "team", "limit_usd": "5"}


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    settings = {
        "auth.admin_token": ADMIN,
        "rate_limiting.premium_user.requests_per_minute": 77,
        "rate_limiting.default.requests_per_minute": 66,
    }
    with running_gateway(tmp_path, simulator, settings) as running:
        yield running


def act(gateway: RunningGateway, method: str, path: str, body: object = None, name: str = "act-1") -> Answer:
    return gateway.call(method, path, body, {"authorization": f"Bearer {ADMIN}", "x-correlation-id": name})


def acts(gateway: RunningGateway, name: str) -> list[dict[str, Any]]:
    found = act(gateway, "GET", f"/audit?correlation_id={name}", name="reading").json["rows"]
    return [record for record in found if record["kind"] == "admin"]


CASES = [
    ("POST", "/admin/keys", {"name": "ci"}, "key.create", {"owner": "ci", "tier": "default"}),
    ("POST", "/admin/budgets", BUDGET, "budget.create", {"name": "team", "limit_usd": "5", "scope": "global"}),
    ("POST", "/admin/reset-limits", {"user_id": "ann", "overall": True}, "limits.reset", {"caller": "ann", "overall": ""}),
    ("POST", "/cache/clear", {"pattern": "ann_*"}, "cache.clear", {"pattern": "ann_*", "user_id": None}),
    ("PUT", "/admin/tiers", {"user_id": "ann", "tier": "premium_user"}, "tier.assign", {"caller": "ann", "tier": "premium_user"}),
]


@pytest.mark.parametrize(("method", "path", "body", "action", "what"), CASES, ids=[case[3] for case in CASES])
def test_an_act_is_written_down_with_its_request(
    gateway: RunningGateway, method: str, path: str, body: object, action: str, what: dict[str, object]
) -> None:
    assert act(gateway, method, path, body, f"say-{action}").status < 300
    (record,) = acts(gateway, f"say-{action}")
    assert record["detail"]["action"] == action
    assert what.items() <= record["detail"]["what"].items()
    assert record["caller"]


def test_trusting_a_conversation_again(gateway: RunningGateway) -> None:
    said = {"prompt": "my password is Zx81!kqpTT", "conversation_id": "talk", "user_id": "ann"}
    assert gateway.post("/chat", **said).status == 200
    assert gateway.get("/conversations/talk?user_id=ann").json["tainted"]
    assert gateway.call("POST", "/admin/conversations/talk/trust").status == 401
    assert gateway.get("/conversations/talk?user_id=ann").json["tainted"]
    assert act(gateway, "POST", "/admin/conversations/talk/trust", name="trust").json["tainted"] is False
    assert not gateway.get("/conversations/talk?user_id=ann").json["tainted"]
    assert [record["detail"]["action"] for record in acts(gateway, "trust")] == ["conversation.trust"]
    assert act(gateway, "POST", "/admin/conversations/nowhere/trust").status == 404


def test_changing_and_removing_too(gateway: RunningGateway) -> None:
    key = act(gateway, "POST", "/admin/keys", {"name": "ci"}).json["id"]
    act(gateway, "POST", "/admin/budgets", BUDGET)
    assert act(gateway, "PATCH", "/admin/budgets/team", {"limit_usd": "7"}, "change").status == 200
    assert act(gateway, "DELETE", "/admin/budgets/team", name="remove").status == 204
    assert act(gateway, "DELETE", f"/admin/keys/{key}", name="revoke").status == 200
    assert [acts(gateway, name)[0]["detail"]["action"] for name in ("change", "remove", "revoke")] == [
        "budget.change", "budget.remove", "key.revoke",
    ]  # fmt: skip
    assert acts(gateway, "change")[0]["detail"]["what"]["limit_usd"] == "7"


def test_what_is_refused_is_no_act(gateway: RunningGateway) -> None:
    assert act(gateway, "POST", "/admin/reset-limits", {}, "none").status == 400
    assert act(gateway, "PUT", "/admin/tiers", {"user_id": "ann", "tier": "golden"}, "none").status == 400
    assert act(gateway, "PATCH", "/admin/budgets/nothing", {"limit_usd": "7"}, "none").status == 404
    assert gateway.call("PUT", "/admin/tiers", {"user_id": "ann", "tier": "default"}).status == 401
    assert acts(gateway, "none") == []


def test_nothing_is_done_that_cannot_be_written_down(gateway: RunningGateway) -> None:
    async def fails(*_: object) -> None:
        raise AssertionError("no audit")

    trail = gateway.app.gateway.shared.trail
    kept, trail.record = trail.record, fails  # type: ignore[method-assign]
    try:
        for method, path, body, _, _ in CASES:
            assert act(gateway, method, path, body).status == 500
    finally:
        trail.record = kept  # type: ignore[method-assign]
    assert act(gateway, "GET", "/admin/keys").json["keys"] == []
    assert act(gateway, "GET", "/admin/budgets").json["budgets"] == []
    assert act(gateway, "GET", "/admin/tiers").json["tiers"] == {}


def limit_of(gateway: RunningGateway, caller: str) -> tuple[str, int]:
    status = gateway.get(f"/rate-limit/status?user_id={caller}").json
    return status["tier"], status["requests_per_minute"]["limit"]


def test_a_tier_holds_at_once_is_kept_and_can_be_taken_back(gateway: RunningGateway, tmp_path: Path) -> None:
    assert limit_of(gateway, "ann") == ("default", 66)
    gateway.post("/query", prompt="remember my limits", user_id="ann")
    assert act(gateway, "PUT", "/admin/tiers", {"user_id": "ann", "tier": "premium_user"}).json["tiers"] == {"ann": "premium_user"}
    assert limit_of(gateway, "ann") == ("premium_user", 77)
    assert gateway.post("/query", prompt="hello there", user_id="ann").headers["x-ratelimit-limit-requests"] == "77"
    assert gateway.post("/query", prompt="hello there", user_id="ben").headers["x-ratelimit-limit-requests"] == "66"
    listed = act(gateway, "GET", "/admin/tiers").json
    assert listed == {"tiers": {"ann": "premium_user"}, "known": ["default", "premium_user"]}
    assert act(gateway, "PUT", "/admin/tiers", {"user_id": "ann", "tier": None}).json["tiers"] == {}
    assert limit_of(gateway, "ann") == ("default", 66)


async def test_another_process_sees_it_after_a_look(tmp_path: Path) -> None:
    store = await asyncio.to_thread(SqlStore.sqlite, tmp_path / "test.sqlite3")
    one, other = CallerTiers(store, SystemClock()), CallerTiers(store, SystemClock())
    for tier in ("a", "b", None, "c"):
        await one.assign("ann", tier)
        await other.refresh()
        assert dict(other.by_caller) == dict(one.by_caller) == ({"ann": tier} if tier else {})
    store.close()
