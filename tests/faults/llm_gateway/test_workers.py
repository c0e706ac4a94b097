"""`serve` with four worker processes on one port and one Valkey: exact limits and budgets, deaths, reloads, the end."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.processes import EPOCHS, GatewayProcess, Gateways, Reply, ask
from tests.valkey import Valkey

from llm_gateway.simulator import Latency, SimulatorProcess

MANY = 1_000_000
UNLIMITED = {"requests_per_minute": MANY, "requests_per_hour": MANY, "tokens_per_minute": 10**9, "burst_limit": MANY, "cooldown_seconds": 0}
BUDGET_USD = 0.002
SETTINGS = {
    "server": {"workers": 4},
    "rate_limiting": {"default": UNLIMITED, "sixty": {**UNLIMITED, "requests_per_minute": 60}},
    "limits": {"callers": {"limited": "sixty"}},
    "budgets": {"ten": {"scope": "caller", "subject": "saver", "limit_usd": BUDGET_USD}},
    "cache": {"max_size": 0},
    "routing": {"explicit_fallback": False},
    "providers": {"openai": {"prices": {"by-output": {"input": 0, "output": 10}}}},
}
PICO = 10**12


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        for epoch in EPOCHS:
            server.command("SET", epoch, "1")
        yield server


@pytest.fixture(scope="module")
def gateway(valkey: Valkey, simulator_of_session: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    made = GatewayProcess(tmp_path_factory.mktemp("workers"), simulator_of_session, SETTINGS, {"REDIS_URL": valkey.url})
    with Gateways(made):
        until(lambda: (made.folder / "log").read_text().count("a worker serves") == 4)
        yield made


def until(true: Callable[[], object], within_s: float = 30) -> None:
    waiting = threading.Event()
    for _ in range(int(within_s / 0.02)):
        if true():
            return
        waiting.wait(0.02)
    raise AssertionError("it did not come about in time")


async def at_once(port: int, count: int, **body: object) -> list[Reply]:
    return await asyncio.gather(*(ask(port, **body) for _ in range(count)))


def test_of_500_at_once_exactly_60_pass(gateway: GatewayProcess, simulator: SimulatorProcess) -> None:
    replies = asyncio.run(at_once(gateway.port, 500, prompt="hello", max_tokens=5, provider="openai", user_id="limited"))
    assert Counter(reply.status for reply in replies) == {200: 60, 429: 440}
    assert len([entry for entry in simulator.log("openai") if entry["method"] == "POST"]) == 60


def test_of_200_at_once_a_budget_for_ten_lets_ten_in(gateway: GatewayProcess, simulator: SimulatorProcess) -> None:
    simulator.set_latency({"openai": Latency(first_byte_s=6)})  # nobody is done, and gives back what it did not use, before all have asked
    body = {"prompt": "Tell me a story.", "max_tokens": 20, "provider": "openai", "model": "openai/by-output", "user_id": "saver"}
    replies = asyncio.run(at_once(gateway.port, 200, **body))
    assert Counter(reply.status for reply in replies) == {200: 10, 402: 190}
    assert {reply.json["error"]["code"] for reply in replies if reply.status == 402} <= {"budget_exhausted", "budget_insufficient"}
    simulator.set_latency("none")
    # What they did not use is there for others, to the last of it.
    asyncio.run(at_once(gateway.port, 60, **body))

    def spent() -> tuple[int, int]:
        with closing(sqlite3.connect(gateway.folder / "gateway.sqlite3")) as connection:
            query = "SELECT count(*), sum(cost_pico_usd) FROM ledger WHERE caller = 'saver' AND outcome = 'ok'"
            rows, cost = connection.execute(query).fetchone()
            return int(rows), int(cost or 0)

    sent = [entry for entry in simulator.log("openai") if entry["model"] == "by-output"]
    until(lambda: spent()[0] == len(sent))
    assert len(sent) >= 10
    assert spent()[1] <= BUDGET_USD * PICO


def test_a_worker_that_dies_takes_only_its_own_calls_with_it(gateway: GatewayProcess, simulator: SimulatorProcess) -> None:
    simulator.set_latency({"openai": Latency(first_byte_s=0.1)})
    before = gateway.workers()

    async def load() -> tuple[int, int]:
        answered = lost = 0

        async def one() -> None:
            nonlocal answered, lost
            for _ in range(25):
                try:
                    reply = await ask(gateway.port, prompt="hello", max_tokens=5, provider="openai", user_id="u")
                    assert reply.status == 200, reply
                    answered += 1
                except OSError:
                    lost += 1

        async def kill() -> None:
            await asyncio.sleep(0.7)
            os.kill(before[0], signal.SIGKILL)

        await asyncio.gather(kill(), *(one() for _ in range(16)))
        return answered, lost

    answered, lost = asyncio.run(load())
    assert answered + lost == 16 * 25
    assert lost <= 16  # nobody has more than one call under way
    until(lambda: len(gateway.workers()) == 4)
    assert set(gateway.workers()) & set(before) == set(before[1:])
    until(lambda: (gateway.folder / "log").read_text().count("a worker serves") == 5)


def test_a_reload_reaches_all(gateway: GatewayProcess) -> None:
    changed = json.loads(gateway.config.read_text())
    changed["rate_limiting"]["default"]["requests_per_minute"] = 777_777
    gateway.config.write_text(json.dumps(changed))
    assert gateway.process is not None
    gateway.process.send_signal(signal.SIGHUP)

    def limits() -> set[str]:
        replies = asyncio.run(at_once(gateway.port, 40, prompt="hello", max_tokens=5, user_id="r"))
        return {reply.headers["x-ratelimit-limit-requests"] for reply in replies}

    until(lambda: limits() == {"777777"})
    assert (gateway.folder / "log").read_text().count("configuration reloaded") >= 4


def test_when_asked_to_stop_all_finish_what_they_do(gateway: GatewayProcess, simulator: SimulatorProcess) -> None:
    simulator.set_latency({"openai": Latency(first_byte_s=1)})
    workers = gateway.workers()

    async def run() -> list[Reply]:
        asking = [asyncio.ensure_future(ask(gateway.port, prompt="hello", max_tokens=5, provider="openai", user_id="u")) for _ in range(20)]
        while len([entry for entry in simulator.log("openai") if entry["method"] == "POST"]) < 20:
            await asyncio.sleep(0.02)
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGTERM)
        return await asyncio.gather(*asking)

    assert {reply.status for reply in asyncio.run(run())} == {200}
    assert gateway.process is not None
    assert gateway.process.wait(20) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_workers_end_when_their_supervisor_is_killed(valkey: Valkey, simulator: SimulatorProcess, tmp_path: Path) -> None:
    settings = {**SETTINGS, "server": {"workers": 2, "drain_s": 1}}
    gateway = GatewayProcess(tmp_path, simulator, settings, {"REDIS_URL": valkey.url})
    with Gateways(gateway):
        until(lambda: (tmp_path / "log").read_text().count("a worker serves") == 2)
        workers = gateway.workers()
        gateway.kill()
        try:
            until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
        finally:
            for pid in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def test_without_redis_they_are_refused(simulator: SimulatorProcess, tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, simulator, SETTINGS, {})
    gateway.launch()
    assert gateway.process is not None
    assert gateway.process.wait(30) == 2
    assert "more than one worker needs storage.redis_url (REDIS_URL)" in (tmp_path / "log").read_text()


def test_workers_that_cannot_start_end_it(valkey: Valkey, simulator: SimulatorProcess, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = {**SETTINGS, "server": {"workers": 2, "data_dir": str(tmp_path / "file")}}
    gateway = GatewayProcess(tmp_path, simulator, settings, {"REDIS_URL": valkey.url})
    gateway.launch()
    assert gateway.process is not None
    assert gateway.process.wait(30) == 1
    assert "no worker could be started" in (tmp_path / "log").read_text()
