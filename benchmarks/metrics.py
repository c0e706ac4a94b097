"""What counting costs a request: while it runs, and afterwards in the background.

    python -m benchmarks.metrics [--requests 20000] [--json]

`hot` is what the caller waits for: the collector's stage and its end, minus the same exchange without it. `fold` is adding a finished
request to the aggregates, `row` making its record, `store` writing records to SQLite, each in microseconds a request. `log` is the
line that `metrics.enable_detailed_logging` writes.
"""

import argparse
import asyncio
import io
import json
import tempfile
import time
from pathlib import Path

from llm_gateway.call_log import CallLog
from llm_gateway.core.clock import SystemClock
from llm_gateway.core.exchange import Credentials, Exchange, Next, Reply
from llm_gateway.core.ranking import Option
from llm_gateway.core.routing import Attempt, Candidate, Decision, Rejection, Size, Target
from llm_gateway.core.types import ChatRequest, Chunk, Message, SecurityLevel, Usage
from llm_gateway.logs import configure_logs, hide
from llm_gateway.metrics import counting, tables
from llm_gateway.metrics.aggregate import Aggregate
from llm_gateway.metrics.records import Recorder, times_of
from llm_gateway.metrics_collector import MetricsCollector
from llm_gateway.stores.sql import SqlStore

REQUEST = ChatRequest((Message("user", "What is the capital of France? " * 8),))
NAMES = ("ollama", "openai", "anthropic", "bedrock", "grok")
DECISIONS_PER_REQUESTS = 20
"""A busy router gives one decision to about so many requests."""


def exchange() -> Exchange:
    """A finished call, as the router leaves it."""
    credentials, used, cost = Credentials(), Usage(60, 120), 1_350_000_000
    made = Exchange(REQUEST, correlation_id="gw-01KB", credentials=credentials, ingress="native", received_s=0.0, deadline_s=300.0)
    attempt = Attempt("openai", "gpt-4o", SecurityLevel.MEDIUM, "ok", 200, "", 0.8, 0.8, True, used, cost, "catalogue", 0.001)
    attempt.billed = used, cost
    made.attempts.append(attempt)
    made.usage, made.cost_usd, made.cache_state, made.upstream_s = Usage(60, 120), 0.00135, "miss", 0.8
    return made


def decision() -> Decision:
    """A ranking of five, one of them rejected."""
    ranked = tuple(
        Candidate(Target(name, f"{name}-model"), 0.7, (), 0.001, 0.8, Option(name, 0, 0.8, 0.001, 0.8, 0.01, 3)) for name in NAMES[:-1]
    )
    rejected = (Rejection("grok", "health", "its calls kept failing; it is tried again in 3.2 s"),)
    return Decision("balanced", ranked, rejected, "balanced prefers openai/gpt-4o of 4 targets: costs about $0.001350", Size(60, 256, 0))


async def hot(requests: int) -> float:
    """Microseconds of stage and end."""
    collector = MetricsCollector(SystemClock())

    async def last(_: Exchange) -> Reply:
        return Reply([Chunk(text="x")])

    async def nothing() -> None:
        return None

    async def run(way: Next | None) -> float:
        began_s = time.perf_counter()
        for _ in range(requests):
            one = Exchange(REQUEST, correlation_id="x", credentials=Credentials(), ingress="native", received_s=0.0, deadline_s=1.0)
            async with one:
                if way is None:
                    one.at_end(nothing)
                    await last(one)
                else:
                    await collector(one, last)
        return (time.perf_counter() - began_s) / requests * 1e6

    await run(None)
    without = min([await run(None) for _ in range(5)])
    with_it = min([await run(last) for _ in range(5)])
    collector.stop_watching()
    return with_it - without


def measure(requests: int) -> dict[str, float]:
    """Every figure, in microseconds a request."""
    recorder = Recorder(lambda fingerprint: fingerprint.hex()[:24])
    exchanges = [exchange() for _ in range(requests)]
    for place, each in enumerate(exchanges):
        each.decision = decision() if place % DECISIONS_PER_REQUESTS == 0 else exchanges[place - 1].decision
        assert each.decision is not None
        each.chosen = each.decision.ranked[1]
    results = {"hot": asyncio.run(hot(requests))}
    listed = frozenset({("openai", "openai-model"), ("openai", "gpt-4o")})
    into = Aggregate()
    began_s = time.perf_counter()
    for each in exchanges:
        counting.add(into, each, times_of(each, 0.9), listed)
    results["fold"] = (time.perf_counter() - began_s) / requests * 1e6
    began_s = time.perf_counter()
    rows = [recorder.row(each, times_of(each, 0.9), ("p", number), 1_767_225_600_000_000 + number) for number, each in enumerate(exchanges)]
    results["row"] = (time.perf_counter() - began_s) / requests * 1e6
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore.sqlite(Path(folder) / "x.sqlite3")

        async def write() -> float:
            began_s = time.perf_counter()
            for start in range(0, requests, 500):
                part = rows[start : start + 500]
                await store.write(lambda connection, part=part: tables.put_rows(connection, part))  # type: ignore[misc]
            return (time.perf_counter() - began_s) / requests * 1e6

        results["store"] = asyncio.run(write())
        store.close()
    configure_logs("info", io.StringIO())
    hide([f"a-secret-of-the-configuration-{place}" for place in range(12)])
    log = CallLog(lambda: True)
    began_s = time.perf_counter()
    for each in exchanges:
        log(each, 0.9)
    results["log"] = (time.perf_counter() - began_s) / requests * 1e6
    return {name: round(value, 2) for name, value in results.items()}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    results = measure(asked.requests)
    print(json.dumps(results) if asked.json else "\n".join(f"{name:6} {value:8.2f} us a request" for name, value in results.items()))


if __name__ == "__main__":
    main()
