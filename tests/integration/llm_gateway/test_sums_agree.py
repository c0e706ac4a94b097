"""One truth: dashboard, `/metrics`, Prometheus, ledger, records and the upstreams' own books say the same of ten thousand mixed calls.

They go to two worker processes that share a store: plain, streamed and abandoned answers, cache hits, embeddings, conversations,
OpenAI's and Anthropic's dialects, sensitive content that is rerouted, callers' mistakes, providers that fail and are retried or replaced.
"""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.processes import AS_ADMIN, GatewayProcess, Gateways, ask
from tests.support import UNHURRIED
from tests.valkey import Valkey

from llm_gateway.core.semconv import PROVIDERS
from llm_gateway.simulator import FaultRule, Latency, SimulatorProcess

REQUESTS = 10_000
AT_ONCE = 16
SETTLES_S = 60.0


@contextmanager
def two_workers(folder: Path, simulator: SimulatorProcess, valkey: Valkey) -> Iterator[int]:
    """A gateway of two worker processes; gives its port."""
    settings: dict[str, Any] = {
        "server": {"workers": 2, "log_level": "error"},
        "storage": {"redis_url": valkey.url},
        "routing": {"retry_base_s": 0.01},
        "cache": {"secret": "the-same-secret-for-both-of-the-workers"},
        "auth": {"key_pepper": "the-same-pepper-for-both-of-the-workers", "admin_token": AS_ADMIN["authorization"].removeprefix("Bearer ")},
        "rate_limiting": {"default": {name.rpartition(".")[2]: value for name, value in UNHURRIED.items()}},
    }
    process = GatewayProcess(folder, simulator, settings, {})
    with Gateways(process):
        yield process.port
        assert process.stop() == 0, process.log()


KINDS = {
    "fresh": 24, "again": 22, "stream": 15, "leave": 4, "wrong": 4, "embed": 10, "sensitive": 5, "chat": 4, "openai": 6, "anthropic": 6,
}  # fmt: skip


async def one(port: int, number: int) -> str:
    """One call of the mix; gives what became of it: an HTTP status, or `left`."""
    dice = random.Random(number)
    (kind,) = dice.choices(tuple(KINDS), tuple(KINDS.values()))
    provider = dice.choice((None, None, "openai", "anthropic", "bedrock", "grok", "ollama"))
    prompt, caller = f"question {number}", f"user{number % 7}"
    said = [{"role": "user", "content": prompt}]
    path, body = "/query", {"prompt": prompt, "user_id": caller, "provider": provider}
    match kind:
        case "again":
            body["prompt"] = f"a common question {number % 5}"
        case "stream":
            path = "/stream"
        case "wrong":
            body["provider"] = "nobody"
        case "embed":
            path, body = "/embeddings", {"text": f"words {number % 3000}", "user_id": "embedder"}
        case "sensitive":
            body["prompt"] = f"My card is 4111 1111 1111 1111 and my password is Xk9#mPq2vL{number}"
        case "chat":
            path, body["conversation_id"] = "/chat", f"conversation-{number % 50}"
        case "openai":
            path, body = "/v1/chat/completions", {"model": "openai/gpt-4o", "messages": said, "user": caller, "stream": number % 2 == 0}
        case "anthropic":
            path, body = (
                "/v1/messages",
                {"model": "anthropic/claude-3.5-sonnet", "messages": said, "max_tokens": 50, "stream": number % 2 == 0},
            )
        case "leave":
            return await leave(port, body)
    return str((await ask(port, path, **body)).status)


async def leave(port: int, body: dict[str, Any]) -> str:
    """Ask ollama for a stream and go away after its first bytes."""
    data = json.dumps(body | {"provider": "ollama", "prompt": body["prompt"] + " a long story please"}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
    await reader.read(200)
    writer.transport.abort()
    return "left"


async def mixed(port: int) -> Counter[str]:
    """All calls, so many at a time; gives what became of them."""
    numbers = iter(range(REQUESTS))
    became: Counter[str] = Counter()

    async def some() -> None:
        for number in numbers:
            became[await one(port, number)] += 1

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return became


async def document(port: int, path: str) -> Any:
    reply = await ask(port, path, AS_ADMIN, "GET")
    assert reply.status == 200, reply
    return reply.json


async def settled(port: int) -> Any:
    """The figures once both workers have written theirs."""
    async with asyncio.timeout(SETTLES_S):
        while True:
            metrics = await document(port, "/metrics")
            if metrics["total_requests"] >= REQUESTS and not metrics["requests_in_flight"]:
                return metrics
            await asyncio.sleep(0.1)


async def prometheus(port: int) -> tuple[dict[str, float], dict[str, float]]:
    """Sums by sample name, and the calls by provider."""
    reply = await ask(port, "/metrics", AS_ADMIN | {"accept": "text/plain"}, "GET")
    sums: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    own = {name: mine for mine, name in PROVIDERS.items()}
    for family in text_string_to_metric_families(reply.body.decode()):
        for sample in family.samples:
            sums[sample.name] += sample.value  # type: ignore[assignment]
            if sample.name == "gen_ai_client_operation_duration_seconds_count":
                name = sample.labels["gen_ai_provider_name"]
                calls[own.get(name, name)] += int(sample.value)
    return dict(sums), dict(calls)


async def tiles(port: int, path: str) -> dict[str, tuple[str, str]]:
    """The figures at the top of a page of the dashboard: what stands large, and the line below it."""
    page = (await ask(port, path, {"accept": "text/html"}, "GET")).body.decode()
    return {name: (large, small) for name, large, small in re.findall(r"<dt>([^<]+)</dt><dd>([^<]*)</dd>(?:<dd>([^<]*)</dd>)?", page)}


async def records(port: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    offset: int | None = 0
    while offset is not None:
        page = await document(port, f"/requests?limit=1000&offset={offset}")
        found += page["requests"]
        offset = page["next_offset"]
    return found


class Books:
    """What every place that counts has counted."""

    @classmethod
    async def read(cls, port: int) -> "Books":
        made = cls()
        made.metrics = await settled(port)
        made.sums, made.calls = await prometheus(port)
        made.ledger = await document(port, "/metrics/costs")
        made.kept = await records(port)
        made.overview = await tiles(port, "/dashboard?window=1h")
        made.costs = await tiles(port, "/dashboard/costs")
        return made

    metrics: dict[str, Any]
    sums: dict[str, float]
    calls: dict[str, float]
    ledger: dict[str, Any]
    kept: list[dict[str, Any]]
    overview: dict[str, tuple[str, str]]
    costs: dict[str, tuple[str, str]]


def the_mix_was_mixed(became: Counter[str], kept: list[dict[str, Any]]) -> None:
    """Everything that is to be counted was there."""
    assert became["left"] > 100, became
    assert became["200"] > REQUESTS * 0.8, became
    assert became["404"] + became["400"] > 100, became
    made = [[each["provider"] for each in record["attempts"]] for record in kept]
    assert sum(len(set(providers)) > 1 for providers in made) > 5, "another provider answered"
    assert sum(len(providers) > len(set(providers)) for providers in made) > 5, "the same one was asked again"
    assert sum(each["outcome"] not in {"ok", "cancelled"} for record in kept for each in record["attempts"]) > 100
    assert {each["operation"] for each in kept} >= {"chat", "embeddings"}
    assert {each["ingress"] for each in kept} >= {"native", "openai", "anthropic"}
    assert sum(each["streamed"] for each in kept) > 1000


def test_every_count_of_ten_thousand_mixed_calls_on_two_workers_is_the_same(tmp_path: Path, simulator: SimulatorProcess) -> None:
    simulator.set_latency({"ollama": Latency(per_chunk_s=0.002)})
    with Valkey() as valkey, two_workers(tmp_path, simulator, valkey) as port:
        simulator.clear_log()
        # What a lost connection costs nobody reports: ledger and metrics must take the same estimate.
        lost = FaultRule(kind="grok", method="POST", reset_before_headers=True, probability=0.2)
        simulator.add_faults(FaultRule(kind="anthropic", method="POST", status=503, probability=0.3), lost)
        became = asyncio.run(mixed(port))
        books = asyncio.run(Books.read(port))
        upstream = simulator.counts()
        received = Counter(str(entry["kind"]) for entry in simulator.log() if entry["method"] == "POST")  # health checks are GET
        metrics, sums, ledger, kept, total = books.metrics, books.sums, books.ledger, books.kept, books.ledger["total"]
        the_mix_was_mixed(became, kept)

        # Requests.
        assert metrics["total_requests"] == REQUESTS == sum(became.values()) == len(kept)
        assert sums["llm_gateway_requests_total"] == REQUESTS
        assert books.overview["Requests"] == (f"{REQUESTS:,}", "10.0k in all")
        answered = sum(1 for each in kept if not each["error_type"])
        assert sums["gen_ai_server_request_duration_seconds_count"] == answered >= became["200"]
        assert metrics["cache_hits"] == sum(each["cache"] == "hit" for each in kept) > 1000
        assert books.overview["Cache hits"][1].startswith(f"{metrics['cache_hits']:,} of ")
        assert metrics["sensitive_requests"] == sum(each["sensitivity"]["sensitive"] for each in kept) > 100
        points = asyncio.run(document(port, "/metrics/timeseries?minutes=30"))["points"]
        assert sum(point["all"]["requests"] for point in points) == REQUESTS

        # Calls of providers: the upstreams' own books are the judge.
        by_ledger = {each["provider"]: each["attempts"] for each in ledger["by_provider"]}
        assert metrics["upstream_calls_by_provider"] == by_ledger == books.calls == received
        assert metrics["upstream_calls"] == total["attempts"] == sum(len(each["attempts"]) for each in kept)
        assert books.costs["Calls"][0] == f"{total['attempts']:,}"

        # Tokens.
        tokens = total["input_tokens"] + total["output_tokens"]
        assert metrics["total_tokens_used"] == tokens == sums["gen_ai_client_token_usage_sum"]
        assert tokens == sum(each["input_tokens"] + each["output_tokens"] for each in kept)
        reported = [each for each in ledger["by_provider"] if not each["estimated"]]
        assert {each["provider"] for each in reported} >= {"openai", "anthropic"}, "nobody left these in the middle of an answer"
        for each in reported:
            charged = sum(model.input_tokens + model.output_tokens for model in upstream[each["provider"]].models.values())
            assert charged == each["input_tokens"] + each["output_tokens"], each

        # Money, to the last 10^-12 of a dollar.
        pico = int(Decimal(total["cost_usd"]).scaleb(12))
        assert metrics["total_cost_pico_usd"] == pico > 0
        assert abs(sums["llm_gateway_cost_usd_total"] - pico / 1e12) < 1e-9
        assert books.costs["Cost"][1] == f"exactly ${total['cost_usd']}"

        # Whichever worker is asked gives the same answer.
        again = [asyncio.run(document(port, "/metrics")) for _ in range(6)]
        assert {each["total_requests"] for each in again} == {REQUESTS}
