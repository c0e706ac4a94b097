"""What counting costs a request: while it runs, and afterwards in the background.

    python -m benchmarks.metrics [--requests 20000] [--json]

`hot` is what the caller waits for: the collector's stage and its end, minus the same exchange without it. `sums` is adding a finished
request to the aggregates, `record` making its record, `store` writing records to SQLite in a thread of its own, each in microseconds of
processor time a request. `log` is the line that `metrics.enable_detailed_logging` writes.
"""

import argparse
import asyncio
import gc
import io
import json
import tempfile
import time
from pathlib import Path

from llm_gateway.audit.chain import AuditKey
from llm_gateway.call_log import CallLog
from llm_gateway.core.clock import SystemClock
from llm_gateway.core.exchange import Caller, Credentials, Exchange, Next, Reply
from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.ranking import Option
from llm_gateway.core.routing import Attempt, Candidate, Decision, Destination, Rejection, Size, Target
from llm_gateway.core.seal import seal
from llm_gateway.core.types import ChatRequest, Chunk, FinishReason, Message, SecurityLevel, Usage
from llm_gateway.logs import configure_logs, hide
from llm_gateway.metrics import tables
from llm_gateway.metrics.facts import facts_of
from llm_gateway.metrics.recorder import Recorder
from llm_gateway.metrics.records import Row
from llm_gateway.metrics_collector import MetricsCollector
from llm_gateway.server import GC_ALLOCATIONS
from llm_gateway.stores.sql import SqlStore

REQUEST = ChatRequest((Message("user", "What is the capital of France? " * 8),))
NAMES = ("ollama", "openai", "anthropic", "bedrock", "grok")
CLEARANCE = seal(REQUEST, frozenset(Destination(name, f"https://{name}:443", SecurityLevel.MEDIUM) for name in NAMES), "f2df379e7e8fce19")
BATCH = 256
DECISIONS_PER_REQUESTS = 20
"""A busy router gives one decision to about so many requests."""


def exchange(number: int = 0) -> Exchange:
    """A finished call, as the stages leave it."""
    credentials, used, cost = Credentials(), Usage(60, 120), 1_350_000_000
    made = Exchange(
        REQUEST, correlation_id=f"gw-01KB{number:022d}", credentials=credentials, ingress="native", received_s=0.0, deadline_s=300.0
    )
    attempt = Attempt("openai", "gpt-4o", SecurityLevel.MEDIUM, "ok", 200, "", 0.8, 0.8, True, used, cost, "catalogue", 0.001)
    attempt.billed = used, cost
    made.attempts.append(attempt)
    made.sensitivity, made.clearance = Sensitivity(0.0, sensitive=False), CLEARANCE
    made.caller, made.finish_reason = Caller("ada", owner="acme", key_id="key_01KB0000000000000000000000"), FinishReason.STOP
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
        began_s = time.process_time()
        for _ in range(BATCH):
            one = Exchange(REQUEST, correlation_id="x", credentials=Credentials(), ingress="native", received_s=0.0, deadline_s=1.0)
            async with one:
                if way is None:
                    one.at_end(nothing)
                    await last(one)
                else:
                    await collector(one, last)
        spent_s = time.process_time() - began_s
        collector.fold_all()
        return spent_s / BATCH * 1e6

    turns = max(requests // BATCH, 1)
    await run(None)
    without, with_it = [], []
    for _ in range(turns):
        without.append(await run(None))
        with_it.append(await run(last))
    collector.stop_watching()
    return min(with_it) - min(without)


async def after(exchanges: list[Exchange], recorder: Recorder | None) -> float:
    """Microseconds of reading finished calls off, as the collector does it a moment later, with or without their records."""
    listed = (Target("openai", "openai-model"), Target("openai", "gpt-4o"))
    collector = MetricsCollector(SystemClock(), recorder, "p" * 24, lambda: listed)
    spent: list[float] = []

    async def last(_: Exchange) -> Reply:
        return Reply([])

    for start in range(0, len(exchanges), BATCH):
        part = exchanges[start : start + BATCH]
        for each in part:
            async with each:
                await collector(each, last)
        began_s = time.process_time()
        collector.fold_all()
        spent.append((time.process_time() - began_s) / len(part) * 1e6)
        collector.rows.clear()
    collector.stop_watching()
    return min(spent)


def stored(rows: list[Row]) -> float:
    """Microseconds of writing records to SQLite, all threads together."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore.sqlite(Path(folder) / "x.sqlite3")

        async def write() -> float:
            spent: list[float] = []
            for start in range(0, len(rows), BATCH):
                part = rows[start : start + BATCH]
                began_s = time.process_time()
                await store.write(lambda connection, part=part: tables.put_rows(connection, part))  # type: ignore[misc]
                spent.append((time.process_time() - began_s) / len(part) * 1e6)
            return min(spent)

        found = asyncio.run(write())
        store.close()
    return found


def logged(exchanges: list[Exchange]) -> float:
    """Microseconds of the line in the log."""
    configure_logs("info", io.StringIO())
    hide([f"a-secret-of-the-configuration-{place}" for place in range(12)])
    log = CallLog(lambda: True)
    spent: list[float] = []
    for start in range(0, len(exchanges), BATCH):
        began_s = time.process_time()
        log([(each, 0.9) for each in exchanges[start : start + BATCH]])
        spent.append((time.process_time() - began_s) / BATCH * 1e6)
    return min(spent)


def finished(requests: int) -> list[Exchange]:
    """So many finished calls, of which some share a decision."""
    exchanges = [exchange(number) for number in range(max(requests // BATCH, 1) * BATCH)]
    for place, each in enumerate(exchanges):
        each.decision = decision() if place % DECISIONS_PER_REQUESTS == 0 else exchanges[place - 1].decision
        assert each.decision is not None
        each.chosen = each.decision.ranked[1]
    return exchanges


def measure(requests: int) -> dict[str, float]:
    """Microseconds of processor time a request: the best of many batches, for others use this machine too."""
    recorder = Recorder(AuditKey.of_text("a key for a benchmark, thirty-two characters and more").content_digest)
    exchanges = finished(requests)
    start_us = 1_767_225_600_000_000
    rows = [recorder.row(each, facts_of(each, 0.9), ("p" * 24, number), start_us + number) for number, each in enumerate(exchanges)]
    sums = asyncio.run(after(exchanges, None))
    return {
        "hot": asyncio.run(hot(requests)),
        "sums": sums,
        "record": asyncio.run(after(exchanges, recorder)) - sums,
        "store": stored(rows),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, *gc.get_threshold()[1:])  # as the server does
    results = measure(asked.requests) | {"log": logged(finished(asked.requests))}
    print(
        json.dumps({name: round(value, 2) for name, value in results.items()})
        if asked.json
        else "\n".join(f"{name:6} {value:8.2f} us a request" for name, value in results.items())
    )


if __name__ == "__main__":
    main()
