"""Ledger and budgets from socket to socket: what upstreams say they charged, and what callers were allowed to spend."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support import RunningGateway, running_gateway

from llm_gateway.cli.main import run
from llm_gateway.ledger.rows import COLUMNS, Row
from llm_gateway.ledger.verification import Reconciliation, reconcile
from llm_gateway.simulator import FaultRule, Latency, SimulatorProcess

ADMIN = "an-admin-token-for-tests-only"
AS_ADMIN = {"authorization": f"Bearer {ADMIN}"}
KINDS = ("ollama", "openai", "anthropic", "bedrock", "grok")
PRICE = {f"providers.{kind}.prices": {"priced": {"input": 2.5, "output": 10}} for kind in KINDS}
INPUT_USD, OUTPUT_USD = Decimal("0.0000025"), Decimal("0.00001")


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    settings = {"routing.retry_base_s": 0.01, "auth.admin_token": ADMIN, **PRICE}
    with running_gateway(tmp_path, simulator, settings) as running:
        simulator.clear_log()
        yield running


def rows_in(folder: Path) -> list[Row]:
    with closing(sqlite3.connect(folder / "gateway.sqlite3")) as connection:
        return [Row(*found) for found in connection.execute(f"SELECT {', '.join(COLUMNS)} FROM ledger ORDER BY at_us")]


def compared(folder: Path, simulator: SimulatorProcess) -> Reconciliation:
    upstream = {kind: {model: totals for model, totals in counts.models.items() if model} for kind, counts in simulator.counts().items()}
    return reconcile(rows_in(folder), upstream)


async def parallel(port: int, count: int, **body: object) -> list[tuple[int, Any]]:
    data = json.dumps(body).encode()

    async def one() -> tuple[int, Any]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /query HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        answer = await reader.read()
        writer.close()
        head, _, content = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(content)

    return await asyncio.gather(*(one() for _ in range(count)))


def test_after_mixed_traffic_the_books_agree_to_the_token(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {"routing.explicit_fallback": False, **PRICE}) as gateway:
        simulator.clear_log()
        for kind in KINDS:
            assert gateway.post("/query", prompt=f"Tell {kind} of qubits", provider=kind, max_tokens=50).status == 200
            assert gateway.frames(prompt=f"Stream {kind} of quarks", provider=kind)[1]
            assert gateway.post("/chat", prompt="And then?", provider=kind, user_id="ada").status == 200
        for kind in ("ollama", "openai"):
            assert gateway.post("/embeddings", text=["one", "two words"], provider=kind).status == 200
        assert gateway.post("/query", prompt="hello", provider="openai", user_id="ada", model="gpt-4o-mini").status == 200
    result = compared(tmp_path, simulator)
    assert result.agrees
    # The Bedrock proxy tells nobody what it used; everybody else does.
    assert {difference.provider for difference in result.differences} <= {"bedrock"}
    assert (result.rows, result.estimated_rows) == (18, 3)
    assert {row.provider for row in rows_in(tmp_path) if row.estimated} == {"bedrock"}
    assert {row.operation for row in rows_in(tmp_path)} == {"chat", "embeddings"}
    assert all(row.outcome == "ok" for row in rows_in(tmp_path))


def test_with_faults_they_differ_only_where_the_ledger_says_that_it_guessed(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {"routing.retry_base_s": 0.01, **PRICE}) as gateway:
        simulator.clear_log()
        simulator.add_faults(
            FaultRule(kind="openai", method="POST", reset_after_chunks=5, nth=(2, 5)),
            FaultRule(kind="openai", method="POST", status=500, nth=1),
            FaultRule(kind="anthropic", method="POST", quirks=("omit_usage",), nth=1),
            FaultRule(kind="grok", method="POST", reset_before_headers=True, nth=1),
            FaultRule(kind="bedrock", method="POST", status=429, nth=(1, 2)),
        )
        for round_ in range(4):
            for kind in KINDS:
                gateway.post("/query", prompt=f"Tell {kind} a story, {round_}", provider=kind)
                gateway.call("POST", "/stream", {"prompt": f"Stream a story, {round_}", "provider": kind})
    result = compared(tmp_path, simulator)
    assert result.agrees, [str(each) for each in result.differences if not each.explained]
    assert 0 < result.estimated_rows < result.rows / 2
    assert result.open_rows == 0
    failed = [row for row in rows_in(tmp_path) if row.outcome != "ok"]
    assert failed
    assert all(row.estimated or row.cost_pico_usd == 0 for row in failed)


def test_of_200_at_once_as_many_are_served_as_there_is_money_for(tmp_path: Path, simulator: SimulatorProcess) -> None:
    # Only output costs, and every answer is as long as it may be: a call costs exactly what is held for it.
    settings = {
        "budgets": {"all": {"scope": "global", "limit_usd": 0.002, "period": "day"}},
        "routing.explicit_fallback": False,
        "cache.max_size": 0,
        "providers.openai.prices": {"by-output": {"input": 0, "output": 10}},
    }
    body = {"prompt": "Tell me a story.", "max_tokens": 20, "provider": "openai", "model": "openai/by-output"}
    simulator.set_latency({"openai": Latency(first_byte_s=0.5)})
    with running_gateway(tmp_path, simulator, settings) as gateway:
        answers = asyncio.run(parallel(gateway.port, 200, **body))
        assert [status for status, _ in answers].count(200) == 10
        refused = [content["error"] for status, content in answers if status == 402]
        assert len(refused) == 190
        assert {(error["type"], error["code"]) for error in refused} == {("budget_exceeded", "budget_exhausted")}
        assert gateway.post("/query", **body).status == 402
        assert gateway.app.gateway.shared.ledger.accounts.held() == 0
    rows = rows_in(tmp_path)
    assert [row.output_tokens for row in rows] == [20] * 10
    assert sum(row.cost_pico_usd or 0 for row in rows) == 2 * 10**9
    assert len([entry for entry in simulator.log("openai") if entry["method"] == "POST"]) == 10


def test_budgets_are_kept_by_administrators_and_hold_at_once(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    body = {"name": "ada", "scope": "caller", "subject": "ada", "limit_usd": "0.000000000001", "period": "day"}
    assert gateway.call("POST", "/admin/budgets", body).status == 401
    made = gateway.call("POST", "/admin/budgets", body, AS_ADMIN)
    assert (made.status, made.json["limit_usd"], made.json["source"]) == (201, "0.000000000001", "created")
    ask = {"prompt": "hello", "provider": "openai", "model": "openai/priced", "user_id": "ada", "max_tokens": 20}
    refused = gateway.post("/query", **ask)
    assert (refused.status, refused.json["error"]["code"]) == (402, "budget_insufficient")
    assert "retry-after" not in refused.headers
    assert [entry for entry in simulator.log("openai") if entry["method"] == "POST"] == []
    assert gateway.post("/query", **{**ask, "user_id": "bob"}).status == 200
    assert gateway.post("/query", prompt="hello", user_id="ada", provider="ollama").status == 200  # it costs nothing
    (listed,) = gateway.get("/admin/budgets", AS_ADMIN).json["budgets"]
    assert listed["shares"][0]["subject"] == "ada"
    assert gateway.get("/admin/budgets", AS_ADMIN).json["events"][0]["kind"] == "refused"
    changed = gateway.call("PATCH", "/admin/budgets/ada", {"limit_usd": 1.5}, AS_ADMIN)
    assert (changed.status, changed.json["limit_usd"], changed.json["period"]) == (200, "1.5", "day")
    assert gateway.post("/query", **ask).status == 200
    assert gateway.call("PATCH", "/admin/budgets/ada", {"limit_usd": -1}, AS_ADMIN).json["error"]["param"] == "limit_usd"
    assert gateway.call("PATCH", "/admin/budgets/eve", {"limit_usd": 1}, AS_ADMIN).status == 404
    assert gateway.call("DELETE", "/admin/budgets/ada", None, AS_ADMIN).status == 204
    assert gateway.get("/admin/budgets", AS_ADMIN).json["budgets"] == []


def test_the_budget_of_an_api_key(gateway: RunningGateway) -> None:
    limit = INPUT_USD * (5 + 16) + OUTPUT_USD * 20
    key = {"name": "ci", "owner": "acme", "budget": {"amount_usd": str(limit), "period": "day"}}
    made = gateway.call("POST", "/admin/keys", key, AS_ADMIN).json
    auth = {"authorization": f"Bearer {made['key']}"}
    ask = {"prompt": "hello", "provider": "openai", "model": "openai/priced", "max_tokens": 20}
    assert gateway.post("/query", auth, **ask).status == 200
    refused = gateway.post("/query", auth, **ask)
    assert (refused.status, "this API key" in refused.json["error"]["message"]) == (402, True)
    usage = gateway.get("/usage", auth).json
    (share,) = usage["budgets"]
    assert (share["scope"], share["subject"], share["held_usd"]) == ("key", made["id"], "0")
    assert Decimal(share["spent_usd"]) == Decimal(usage["total"]["cost_usd"]) > 0
    other = gateway.call("POST", "/admin/keys", {"name": "other"}, AS_ADMIN).json["key"]
    theirs = gateway.get("/metrics/costs", {"authorization": f"Bearer {other}"}).json
    assert (theirs["whose"], theirs["total"]["attempts"]) == ("other", 0)
    assert gateway.get("/metrics/costs", AS_ADMIN).json["by_key"][0]["key_id"] == made["id"]


def test_costs_by_everything(gateway: RunningGateway) -> None:
    for kind in ("openai", "grok"):
        answer = gateway.post("/query", prompt="hello", provider=kind, model=f"{kind}/priced", user_id="ada", max_tokens=9).json
        usage = answer["usage"]
        cost = INPUT_USD * usage["input_tokens"] + OUTPUT_USD * usage["output_tokens"]
        document = gateway.get("/metrics/costs?since=1h").json
        (by_provider,) = [group for group in document["by_provider"] if group["provider"] == kind]
        if kind == "openai":
            assert Decimal(by_provider["cost_usd"]) == cost
            assert by_provider["cost"] == answer["cost"] == pytest.approx(float(cost))
    assert document["total"]["attempts"] == 2
    assert [group["caller"] for group in document["by_caller"]] == ["ada"]
    assert {(group["provider"], group["model"]) for group in document["by_model"]} == {("openai", "priced"), ("grok", "priced")}
    assert len(document["by_day"]) in {1, 2}
    assert document["by_key"] == []
    assert gateway.get("/metrics/costs?since=soon").json["error"]["param"] == "since"
    assert gateway.get("/usage?user_id=ada").json["total"] == document["total"]
    assert gateway.get("/usage?user_id=eve").json["total"]["attempts"] == 0


def test_usage_in_a_terminal(gateway: RunningGateway, capsys: pytest.CaptureFixture[str]) -> None:
    body = {"name": "each", "scope": "caller", "limit_usd": 5}
    assert gateway.call("POST", "/admin/budgets", body, AS_ADMIN).status == 201
    gateway.post("/query", prompt="hello", provider="openai", model="openai/priced", max_tokens=9)
    assert run(["usage", "--by", "provider", "--since", "1h", "--url", gateway.url]) == 0
    shown = capsys.readouterr().out
    assert "openai" in shown
    assert "each" in shown
    assert run(["usage", "--since", "1h", "--json", "--url", gateway.url]) == 0
    document = json.loads(capsys.readouterr().out)
    assert Decimal(document["total"]["cost_usd"]) == Decimal(document["budgets"][0]["spent_usd"]) > 0
    assert run(["usage", "--since", "soon", "--url", gateway.url]) == 1
    assert "since" in capsys.readouterr().err


def test_nothing_is_lost_when_the_gateway_stops(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator) as gateway:
        answers = asyncio.run(parallel(gateway.port, 40, prompt="hello", provider="ollama", force_refresh=True))
    assert [status for status, _ in answers].count(200) == len(rows_in(tmp_path)) > 0
