"""SIGKILL while a call runs: the next process counts what was held for it, once, and sends nothing again."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.support import free_port, running_gateway

from llm_gateway.cli.demo import environ_of
from llm_gateway.simulator import Latency, SimulatorProcess

BUDGET = {"all": {"scope": "global", "limit_usd": 0.0003, "period": "month"}}
PRICES = {"by-output": {"input": 0, "output": 10}}
BODY = {"prompt": "Tell me a story.", "max_tokens": 20, "provider": "openai", "model": "openai/by-output"}


def ledger_in(folder: Path) -> list[tuple[str, int]]:
    try:
        with closing(sqlite3.connect(folder / "gateway.sqlite3")) as connection:
            return connection.execute("SELECT outcome, cost_pico_usd FROM ledger").fetchall()
    except sqlite3.OperationalError:  # not made yet
        return []


async def killed_while_a_call_runs(folder: Path, simulator: SimulatorProcess) -> None:
    port = free_port()
    config = folder / "config.yaml"
    settings = {
        "server": {"port": port, "host": "127.0.0.1", "data_dir": str(folder)},
        "budgets": BUDGET,
        "providers": {"openai": {"prices": PRICES}},
    }
    config.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "llm_gateway", "serve", "--config", str(config)]
    process = subprocess.Popen(command, env={"PATH": os.defpath, **environ_of(simulator.urls)}, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        writer = None
        async with asyncio.timeout(60):
            while writer is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
            data = json.dumps(BODY).encode()
            writer.write(b"POST /query HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            while not ledger_in(folder):
                await asyncio.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        writer.close()
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


def test_what_a_killed_process_had_reserved_counts_as_spent(tmp_path: Path, simulator: SimulatorProcess) -> None:
    simulator.set_latency({"openai": Latency(first_byte_s=120)})
    asyncio.run(killed_while_a_call_runs(tmp_path, simulator))
    assert ledger_in(tmp_path) == [("open", 2 * 10**8)]
    simulator.clear_log()
    simulator.set_latency("none")
    again = {"budgets": BUDGET, "providers.openai.prices": PRICES, "routing.explicit_fallback": False}
    with running_gateway(tmp_path, simulator, again) as gateway:
        # 0.0001 of 0.0003 is left: half of what a second call needs.
        refused = gateway.post("/query", **BODY)
        assert (refused.status, refused.json["error"]["code"]) == (402, "budget_insufficient")
        assert gateway.post("/query", **{**BODY, "max_tokens": 10}).status == 200
    assert sorted(ledger_in(tmp_path)) == [("ok", 10**8), ("open", 2 * 10**8)]
    assert len([entry for entry in simulator.log("openai") if entry["method"] == "POST"]) == 1
