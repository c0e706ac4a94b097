"""Limits under load: not how fast they are counted, but that they are, from the socket to the store.

Speeds are measured by benchmarks/limits.py.
"""

import json
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from tests.support import Answer, RunningGateway, running_gateway
from tests.valkey import Valkey

from llm_gateway.counters.memory import MemoryCounters
from llm_gateway.simulator import SimulatorProcess

SIXTY = {"rate_limiting.default.requests_per_minute": 60, "rate_limiting.default.burst_limit": 1_000, "cache.max_size": 0}
QUERY = {"prompt": "hello", "max_tokens": 5, "provider": "openai"}


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


def flood(gateway: RunningGateway, times: int, **body: object) -> Counter[int]:
    with ThreadPoolExecutor(50) as pool:
        answers: list[Answer] = list(pool.map(lambda _: gateway.post("/query", **QUERY, **body), range(times)))
    return Counter(answer.status for answer in answers)


@pytest.mark.parametrize("shared", [False, True])
def test_of_five_hundred_parallel_requests_at_sixty_a_minute_exactly_sixty_pass(
    shared: bool, tmp_path: Path, simulator: SimulatorProcess, valkey: Valkey
) -> None:
    valkey.command("FLUSHALL")
    settings = {**SIXTY, **({"storage.redis_url": valkey.url} if shared else {})}
    with running_gateway(tmp_path, simulator, settings) as gateway:
        assert flood(gateway, 500, user_id="u") == {200: 60, 429: 440}


def test_after_any_mixture_of_answers_failures_and_callers_who_leave_nothing_is_held(tmp_path: Path, simulator: SimulatorProcess) -> None:
    limits = {f"providers.{name}.limits.tokens_per_minute": 10**9 for name in ("openai", "anthropic", "ollama")}
    with running_gateway(tmp_path, simulator, {**limits, "routing.breaker_open_s": 0.05}) as gateway:
        random = Random(7)

        def one(number: int) -> None:
            path = random.choice(("/query", "/stream", "/chat"))
            provider = random.choice(("openai", "anthropic", "ollama"))
            body = json.dumps({"prompt": f"tell {number}", "provider": provider, "user_id": f"u{number % 5}"}).encode()
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
                connection.sendall(head + body)
                if random.random() < 0.6:  # otherwise: gone, at whatever moment that is
                    connection.recv(random.choice((1, 300, 65_536)))

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(one, range(200)))
        shared, waiting = gateway.app.gateway.shared, threading.Event()
        for _ in range(2_000):
            if not shared.metrics.in_flight:
                break
            waiting.wait(0.01)
        assert shared.metrics.in_flight == 0
        counters = shared.counters
        assert isinstance(counters, MemoryCounters)
        assert sum(account.gauge(counters.now_us()).counts[2] for account in counters.accounts.values()) > 200
        assert counters.running == 0
        assert counters.held() == 0


def test_four_processes_on_one_store_grant_exactly_the_limit(valkey: Valkey) -> None:
    valkey.command("FLUSHALL")
    words = [sys.executable, "-c", WORKER, valkey.url]
    workers = [subprocess.Popen([*words, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for number in range(4)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    reports = [json.loads(worker.communicate(timeout=60)[0]) for worker in workers]
    assert all(report["losses"] == 0 for report in reports), reports
    assert sum(report["granted"] for report in reports) == 60
    assert all(report["asked"] == 200 for report in reports)


WORKER = """
import asyncio, json, sys
from llm_gateway.core.clock import SystemClock
from llm_gateway.core.counters import Demand, Rules
from llm_gateway.counters.redis import RedisCounters

RULES = Rules((1_000, 60, 1_000), 10**6)

async def main(url, name):
    counters = RedisCounters(url, SystemClock(), replicas=4, timeout_s=20)
    await counters.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)

    async def one(number):
        verdict = await counters.reserve(f"{name}-{number}", [Demand("caller:a", RULES, 5), Demand("overall", RULES, 5)], 10**7)
        counters.settle(f"{name}-{number}", 5)
        return verdict.granted

    results = await asyncio.gather(*[one(number) for number in range(200)])
    await counters.aclose()
    print(json.dumps({"granted": sum(results), "asked": len(results), "losses": counters.line.losses}))

asyncio.run(main(*sys.argv[1:]))
"""


def test_with_the_store_killed_frozen_and_back_no_request_hangs_and_the_limit_holds(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with Valkey() as own, running_gateway(tmp_path, simulator, {**SIXTY, "storage.redis_url": own.url}) as gateway:
        answered = flood(gateway, 20, user_id="u")
        assert answered == {200: 20}
        own.pause()
        frozen = flood(gateway, 20, user_id="u")
        assert frozen == {200: 20}
        own.resume()
        own.kill()
        killed = flood(gateway, 10, user_id="u")
        assert killed == {200: 10}
        own.start()
        assert flood(gateway, 40, user_id="u") == {200: 10, 429: 30}


def test_a_limit_that_is_reached_tells_the_caller_when_to_come_back(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {**SIXTY, "rate_limiting.default.requests_per_minute": 1}) as gateway:
        first, second = gateway.post("/query", **QUERY), gateway.post("/query", **QUERY)
        assert (first.status, second.status) == (200, 429)
        assert first.headers["x-ratelimit-remaining-requests"] == second.headers["x-ratelimit-remaining-requests"] == "0"
        assert 50 <= int(second.headers["retry-after"]) <= 67  # up to a tenth more, so that not all come back at once
        assert second.json["error"]["type"] == "rate_limited"
        assert '"rpm";r=0;t=' in second.headers["ratelimit"]
