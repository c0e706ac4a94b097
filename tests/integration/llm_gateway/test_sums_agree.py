"""One truth: `/metrics`, Prometheus, ledger, records and the upstreams' own books say the same, over two workers that share a store."""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.support import UNHURRIED, free_port
from tests.valkey import Valkey

from llm_gateway.cli.demo import environ_of
from llm_gateway.core.semconv import PROVIDERS
from llm_gateway.simulator import FaultRule, Latency, SimulatorProcess

REQUESTS = 10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 1_000
THREADS = 8


@contextmanager
def two_workers(folder: Path, simulator: SimulatorProcess, valkey: Valkey) -> Iterator[int]:
    """A gateway of two worker processes; gives its port."""
    port = free_port()
    settings: dict[str, Any] = {
        "server": {"port": port, "data_dir": str(folder), "workers": 2, "log_level": "error"},
        "storage": {"redis_url": valkey.url},
        "routing": {"retry_base_s": 0.01},
        "cache": {"secret": "the-same-secret-for-both-of-the-workers"},
        "auth": {"key_pepper": "the-same-pepper-for-both-of-the-workers", "admin_token": "an-admin-token-for-tests-only"},
        "rate_limiting": {"default": {name.rpartition(".")[2]: value for name, value in UNHURRIED.items()}},
    }
    config = folder / "config.yaml"
    config.write_text(json.dumps(settings))
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **environ_of(simulator.urls)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "llm_gateway", "serve", "--config", str(config)], env=environ, stderr=log)
    try:
        waiting = threading.Event()
        for _ in range(1000):
            try:
                if get(port, "/health/ready")[0] == 200:
                    break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
            waiting.wait(0.02)
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (folder / "log").read_text()
    finally:
        process.kill()
        process.wait()


def get(port: int, path: str, accept: str = "application/json") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"accept": accept, "authorization": "Bearer an-admin-token-for-tests-only"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def document(port: int, path: str) -> Any:
    status, body = get(port, path)
    assert status == 200, body
    return json.loads(body)


def one(port: int, number: int) -> str:
    """One request of the mix; gives what became of it: an HTTP status, or `left`."""
    dice = random.Random(number)
    kind = dice.choices(("fresh", "again", "stream", "leave", "wrong", "embed", "sensitive"), (30, 25, 20, 5, 5, 10, 5))[0]
    provider = dice.choice((None, None, "openai", "anthropic", "bedrock", "grok", "ollama"))
    body: dict[str, Any] = {"prompt": f"question {number}", "user_id": f"user{number % 7}", "provider": provider}
    path = "/query"
    if kind == "again":
        body["prompt"] = f"a common question {number % 5}"
    elif kind == "stream":
        path = "/stream"
    elif kind == "wrong":
        body["provider"] = "nobody"
    elif kind == "embed":
        path, body = "/embeddings", {"text": f"words {number}", "user_id": "embedder"}
    elif kind == "sensitive":
        body["prompt"] = f"My card is 4111 1111 1111 1111 and my password is Xk9#mPq2vL{number}"
    elif kind == "leave":
        return leave(port, body)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        response.read()
        return str(response.status)
    finally:
        connection.close()


def leave(port: int, body: dict[str, Any]) -> str:
    """Ask ollama for a stream and go away after its first bytes."""
    data = json.dumps(body | {"provider": "ollama", "prompt": body["prompt"] + " a long story please"}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"POST /stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        connection.recv(200)
    return "left"


def prometheus(port: int) -> tuple[dict[str, float], dict[str, float]]:
    """Sums by sample name, and the calls by provider."""
    status, body = get(port, "/metrics", "text/plain")
    assert status == 200
    sums: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    own = {name: mine for mine, name in PROVIDERS.items()}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            sums[sample.name] += sample.value  # type: ignore[assignment]
            if sample.name == "gen_ai_client_operation_duration_seconds_count":
                name = sample.labels["gen_ai_provider_name"]
                calls[own.get(name, name)] += int(sample.value)
    return dict(sums), dict(calls)


def settled(port: int) -> Any:
    """The figures once both workers have written theirs."""
    waiting = threading.Event()
    for _ in range(200):
        metrics = document(port, "/metrics")
        if metrics["total_requests"] >= REQUESTS and not metrics["requests_in_flight"]:
            return metrics
        waiting.wait(0.1)
    raise AssertionError(metrics)


def records(port: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    offset: int | None = 0
    while offset is not None:
        page = document(port, f"/requests?limit=1000&offset={offset}")
        found += page["requests"]
        offset = page["next_offset"]
    return found


def test_every_count_of_mixed_traffic_on_two_workers_is_the_same(tmp_path: Path, simulator: SimulatorProcess) -> None:
    simulator.set_latency({"ollama": Latency(per_chunk_s=0.002)})
    with Valkey() as valkey, two_workers(tmp_path, simulator, valkey) as port:
        simulator.clear_log()
        # What a lost connection costs nobody reports: ledger and metrics must take the same estimate.
        lost = FaultRule(kind="grok", method="POST", reset_before_headers=True, probability=0.2)
        simulator.add_faults(FaultRule(kind="anthropic", method="POST", status=503, probability=0.3), lost)
        with ThreadPoolExecutor(THREADS) as pool:
            became = Counter(pool.map(lambda number: one(port, number), range(REQUESTS)))
        metrics = settled(port)
        sums, calls = prometheus(port)
        ledger = document(port, "/metrics/costs")
        kept = records(port)
        upstream = simulator.counts()

        assert became["left"] > 10, became
        assert metrics["total_requests"] == REQUESTS == sum(became.values())
        assert sums["llm_gateway_requests_total"] == REQUESTS
        assert len(kept) == REQUESTS
        answered = sum(1 for each in kept if not each["error_type"])
        assert sums["gen_ai_server_request_duration_seconds_count"] == answered >= became["200"]
        assert metrics["cache_hits"] == sum(each["cache"] == "hit" for each in kept) > 50
        assert metrics["sensitive_requests"] == sum(each["sensitivity"]["sensitive"] for each in kept) > 10

        # Calls of providers: the upstreams' own books are the judge.
        received = Counter(str(entry["kind"]) for entry in simulator.log() if entry["method"] == "POST")  # health checks are GET
        by_ledger = {each["provider"]: each["attempts"] for each in ledger["by_provider"]}
        assert metrics["upstream_calls_by_provider"] == by_ledger == calls == received
        assert metrics["upstream_calls"] == ledger["total"]["attempts"] == sum(len(each["attempts"]) for each in kept)
        assert sum(each["outcome"] != "ok" for one_kept in kept for each in one_kept["attempts"]) > 10

        tokens = ledger["total"]["input_tokens"] + ledger["total"]["output_tokens"]
        assert metrics["total_tokens_used"] == tokens == sums["gen_ai_client_token_usage_sum"]
        assert tokens == sum(each["input_tokens"] + each["output_tokens"] for each in kept)
        reported = [each for each in ledger["by_provider"] if not each["estimated"]]
        assert {each["provider"] for each in reported} >= {"openai", "anthropic"}, "nobody left these in the middle of an answer"
        for each in reported:
            charged = sum(total.input_tokens + total.output_tokens for total in upstream[each["provider"]].models.values())
            assert charged == each["input_tokens"] + each["output_tokens"], each

        pico = int(Decimal(ledger["total"]["cost_usd"]).scaleb(12))
        assert metrics["total_cost_pico_usd"] == pico
        assert abs(sums["llm_gateway_cost_usd_total"] - pico / 1e12) < 1e-9

        # Whichever worker is asked gives the same answer.
        again = [document(port, "/metrics") for _ in range(6)]
        assert {each["total_requests"] for each in again} == {REQUESTS}
        points = document(port, "/metrics/timeseries?minutes=10")["points"]
        assert sum(point["all"]["requests"] for point in points) == REQUESTS
