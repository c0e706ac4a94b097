"""Two gateways on one PostgreSQL and one Valkey: what is changed at one holds at the other."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest
from tests.processes import EPOCHS
from tests.support import RunningGateway, running_gateway
from tests.valkey import Valkey

from llm_gateway.caches.redis import RedisStore
from llm_gateway.simulator import SimulatorProcess

QUERY = {"prompt": "hello", "max_tokens": 5}
ADMIN = {"authorization": "Bearer an-admin-token-for-tests-only"}
SETTINGS = {
    "auth.admin_token": "an-admin-token-for-tests-only",
    "auth.key_pepper": "p" * 32,
    "audit.key": "a" * 32,
    "storage.encryption_key": "e" * 32,
}
WITHIN_S = 30.0


@pytest.fixture
def two(
    postgres_url: str, simulator: SimulatorProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[RunningGateway, RunningGateway]]:
    # A machine that is busy with other tests makes misses of what should be hits.
    monkeypatch.setitem(RedisStore.__init__.__kwdefaults__, "timeout_s", WITHIN_S)
    with Valkey() as valkey:
        for epoch in EPOCHS:
            valkey.command("SET", epoch, "1")
        environ = {"DATABASE_URL": postgres_url, "REDIS_URL": valkey.url}
        with (
            running_gateway(tmp_path / "a", simulator, SETTINGS, environ) as one,
            running_gateway(tmp_path / "b", simulator, SETTINGS, environ) as other,
        ):
            yield one, other


def within(seconds: float, true: Callable[[], bool]) -> None:
    waiting, started_s = threading.Event(), monotonic()
    while not true():
        assert monotonic() - started_s < seconds, "it took too long"
        waiting.wait(0.05)


def test_what_is_changed_at_one_holds_at_the_other(two: tuple[RunningGateway, RunningGateway]) -> None:
    one, other = two
    made = one.post("/admin/keys", ADMIN, name="k", owner="acme").json
    shown = {"authorization": f"Bearer {made['key']}"}
    within(WITHIN_S, lambda: other.post("/query", shown, **QUERY).status == 200)

    # A conversation goes on at the other one, and the answer to a question that was asked here comes from its cache there.
    first = one.post("/chat", shown, **QUERY, conversation_id="c1")
    assert first.status == 200
    within(WITHIN_S, lambda: len(other.get("/conversations/c1", shown).json.get("turns", ())) == 2)
    again = {"prompt": "Say it once more.", "max_tokens": 4000}
    assert one.post("/query", shown, **again).json["cached"] is False
    within(WITHIN_S, lambda: other.get("/cache/status", ADMIN).json["total_entries"] == 1)  # an answer is stored after it was given
    assert other.post("/query", shown, **again).json["cached"] is True

    # A budget that is made here holds there.
    budget = {"name": "none-left", "scope": "caller", "subject": "acme", "limit_usd": "0"}
    assert one.call("POST", "/admin/budgets", budget, ADMIN).status in {200, 201}
    dear = {"prompt": "A dear one?", "max_tokens": 5, "model": "openai/gpt-4o"}  # cut short, so never kept
    within(WITHIN_S, lambda: other.post("/query", shown, **dear).status == 402)

    assert one.call("DELETE", f"/admin/keys/{made['id']}", None, ADMIN).status in {200, 204}
    assert one.post("/query", shown, **QUERY).status == 401
    within(WITHIN_S, lambda: other.post("/query", shown, **QUERY).status == 401)
    chains = {row["chain"] for gateway in two for row in gateway.get("/audit?limit=100", ADMIN).json["rows"]}
    assert len(chains) == 2
    assert one.get("/audit/verify", ADMIN).json["intact"] is True
