"""What the manifests of deploy/ describe, without an engine: three gateways behind one port, on one Valkey and one PostgreSQL."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.postgres import fresh_database
from tests.processes import EPOCHS, Door, GatewayProcess, Gateways, Reply, ask
from tests.valkey import Valkey

from llm_gateway.ledger.rows import COLUMNS, OPEN, Row
from llm_gateway.ledger.verification import reconcile
from llm_gateway.simulator import Latency, SimulatorProcess
from llm_gateway.stores.sql import SqlStore

MANY = 1_000_000
LIMIT = 150
UNLIMITED = {"requests_per_minute": MANY, "requests_per_hour": MANY, "tokens_per_minute": 10**9, "burst_limit": MANY, "cooldown_seconds": 0}
SETTINGS = {
    "rate_limiting": {"default": UNLIMITED, "limited": {**UNLIMITED, "requests_per_hour": LIMIT}},
    "limits": {"callers": {"limited": "limited"}, "replicas": 3},
    "budgets": {"everything": {"limit_usd": 100}},
    "routing": {"explicit_fallback": False, "retry_budget": 0},
    "cache": {"max_size": 0},
    "audit": {"key": "a-key-for-all-replicas-long-enough-to-be-one"},
    "storage": {"encryption_key": "an-encryption-key-for-all-replicas-of-it"},
    "auth": {"admin_token": "an-admin-token-for-tests-only", "key_pepper": "a-pepper-for-all-replicas-long-enough"},
}
CALLERS = 12
EACH = 40


@pytest.fixture
def stores(postgres_of_session: str) -> Iterator[dict[str, str]]:
    with Valkey() as valkey, fresh_database(postgres_of_session) as url:
        for epoch in EPOCHS:
            valkey.command("SET", epoch, "1")
        SqlStore(url, migrate=True).close()
        yield {"REDIS_URL": valkey.url, "DATABASE_URL": url}


class Outcome:
    """What the callers saw. `in_flight`: how many calls the killed one was answering."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.lost = 0
        self.in_flight = 0


async def one_is_killed_and_one_restarted(gateways: tuple[GatewayProcess, ...]) -> Outcome:
    outcome = Outcome()

    async def call(name: int) -> None:
        for number in range(EACH):
            body = {"prompt": f"hello {name} {number}", "max_tokens": 5, "provider": "openai"}
            who = "limited" if number % 2 else f"user-{name}"
            try:
                outcome.replies.append(await ask(door.port, **body, user_id=who))
            except OSError:
                outcome.lost += 1

    async with Door(each.port for each in gateways) as door:
        asking = [asyncio.ensure_future(call(name)) for name in range(CALLERS)]
        while len(outcome.replies) < CALLERS * EACH // 6:
            await asyncio.sleep(0.01)
        victim = gateways[0]
        outcome.in_flight = door.through[victim.port]
        victim.kill()
        victim.launch()
        await asyncio.to_thread(victim.wait)
        await door.leave(gateways[1].port)  # as a rolling update does it: no new calls, then SIGTERM; nothing may be lost
        assert await asyncio.to_thread(gateways[1].stop) == 0
        await asyncio.gather(*asking)
    return outcome


def test_one_killed_and_one_restarted_under_load(stores: dict[str, str], simulator: SimulatorProcess, tmp_path: Path) -> None:
    simulator.set_latency({"openai": Latency(first_byte_s=0.15)})
    three = tuple(GatewayProcess(tmp_path / f"gateway-{number}", simulator, SETTINGS, stores) for number in range(3))
    with Gateways(*three):
        simulator.clear_log()
        outcome = asyncio.run(one_is_killed_and_one_restarted(three))
    statuses = Counter(reply.status for reply in outcome.replies)
    assert len(outcome.replies) + outcome.lost == CALLERS * EACH
    assert outcome.lost <= outcome.in_flight
    assert statuses.keys() <= {200, 429}, [reply for reply in outcome.replies if reply.status not in {200, 429}][:2]

    with psycopg.connect(stores["DATABASE_URL"]) as connection:
        rows = [Row(*found) for found in connection.execute(f"SELECT {', '.join(COLUMNS)} FROM ledger")]  # type: ignore[call-overload]
        chains = connection.execute("SELECT count(DISTINCT chain) FROM audit").fetchone()
    sent = [entry for entry in simulator.log("openai") if entry["method"] == "POST"]

    # The limit: 240 were asked for within an hour, 150 were let in, whoever they were lost with. Where a machine is so busy that Valkey
    # did not answer somebody in time, the bound for that case holds.
    limited = [entry for entry in sent if number_of(entry) % 2]
    if any("limit store is away" in each.log() for each in three):
        assert len(limited) <= 2 * LIMIT
    else:
        assert LIMIT - outcome.lost <= len(limited) <= LIMIT
        assert abs(CALLERS * EACH // 2 - LIMIT - statuses[429]) <= outcome.lost

    # The ledger: each call that was answered has one row, to the token; the killed process's last ones stand as they were announced.
    ended = [row for row in rows if row.outcome != OPEN]
    names = Counter(row.correlation_id for row in rows)
    answered = {reply.headers["x-correlation-id"] for reply in outcome.replies if reply.status == 200}
    assert {name: names[name] for name in answered} == dict.fromkeys(answered, 1)
    assert set(names.values()) == {1}
    assert len({row.process for row in rows if row.outcome == OPEN}) <= 1
    # Of a call that was killed, its row may stand there before its bytes were out, or its bytes have left before its row was written.
    assert len(ended) <= len(sent)
    assert len(rows) - outcome.in_flight <= len(sent) <= len(rows) + outcome.in_flight
    verdict = reconcile(ended, {"openai": simulator.counts()["openai"].models})
    assert not verdict.duplicates
    unsettled = len(sent) - len(ended)
    for difference in verdict.differences:
        most = max(int(str(entry["input_tokens" if "input" in difference.figure else "output_tokens"])) for entry in sent)
        assert 0 <= difference.upstream - difference.reported <= unsettled * most, str(difference)
    assert chains is not None
    assert chains[0] == 4  # three gateways, and one that took a place


def number_of(entry: dict[str, object]) -> int:
    """The number of the call that an upstream was asked for."""
    asked = json.loads(base64.b64decode(str(entry["body"])))
    return int(asked["messages"][-1]["content"].split()[-1])
