"""PostgreSQL is restarted and killed while calls are made: no row is lost, none is there twice, and nobody has to help."""

import asyncio
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.postgres import Postgres
from tests.processes import Reply, ask
from tests.support import running_gateway

from llm_gateway.simulator import SimulatorProcess
from llm_gateway.stores.sql import SqlStore

CALLERS = 8
ANSWERS = 10 * CALLERS
"""How many there are before it happens, and after."""


async def load(port: int, postgres: Postgres, how: signal.Signals) -> list[Reply]:
    replies: list[Reply] = []
    stop = asyncio.Event()

    async def one(name: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            body: dict[str, Any] = {"prompt": f"hello {name} {number}", "max_tokens": 5, "provider": "openai"}
            headers = {"x-correlation-id": f"gw-{name}-{number}"}
            if number % 2:
                replies.append(await ask(port, "/query", headers, **body))
            else:
                replies.append(await ask(port, "/chat", headers, **body, conversation_id=f"c{name}"))
            await asyncio.sleep(0.005)

    asking = [asyncio.ensure_future(one(name)) for name in range(CALLERS)]

    def answered() -> int:
        return sum(reply.status == 200 for reply in replies)

    async with asyncio.timeout(60):
        while answered() < ANSWERS:
            await asyncio.sleep(0.05)
    await asyncio.to_thread(postgres.restart, how)
    so_far = answered()
    async with asyncio.timeout(60):  # it comes back by itself
        while answered() < so_far + ANSWERS:
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*asking)
    return replies


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restarted", "crashed"])
def test_every_answer_has_its_rows_once(how: signal.Signals, tmp_path: Path, simulator: SimulatorProcess) -> None:
    with Postgres() as postgres:
        SqlStore(postgres.url, migrate=True).close()
        settings = {"cache.max_size": 0, "routing.explicit_fallback": False}
        with running_gateway(tmp_path, simulator, settings, {"DATABASE_URL": postgres.url}) as gateway:
            simulator.clear_log()
            replies = asyncio.run(load(gateway.port, postgres, how))
            verdict = gateway.get("/audit/verify", {"authorization": f"Bearer {(tmp_path / 'admin_token').read_text().strip()}"})
        statuses = Counter(reply.status for reply in replies)
        assert statuses.keys() <= {200, 503}, [reply for reply in replies if reply.status not in {200, 503}][:2]
        assert max(reply.took_s for reply in replies) < 30
        answered = {reply.headers["x-correlation-id"] for reply in replies if reply.status == 200}
        assert verdict.json["intact"], verdict.json
        with psycopg.connect(postgres.url) as connection:
            rows = Counter(name for (name,) in connection.execute("SELECT correlation_id FROM ledger"))
            audited = Counter(connection.execute("SELECT correlation_id, kind FROM audit WHERE kind IN ('intent', 'outcome')").fetchall())
            turns = Counter(connection.execute("SELECT conversation_id, content FROM conversation_turns WHERE role = 'user'").fetchall())
        assert {name: rows[name] for name in answered} == dict.fromkeys(answered, 1)
        assert set(rows.values()) == {1}
        for kind in ("intent", "outcome"):
            assert {name: audited[name, kind] for name in answered} == dict.fromkeys(answered, 1)
        assert set(turns.values()) == {1}
        # What an upstream was asked is in the ledger, answered or not.
        sent = [entry for entry in simulator.log("openai") if entry["method"] == "POST"]
        assert sum(rows.values()) == len(sent)
