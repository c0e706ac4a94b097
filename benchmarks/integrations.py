"""What the embedded services take: ingest and search of 10,000 documents, and what a workflow adds to its steps.

`python -m benchmarks.integrations [--documents N] [--database postgresql://...]` prints the figures and what they must not exceed; the exit
code says whether they hold. Without a database it is SQLite; an empty PostgreSQL measures both workflow engines there.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import msgspec

from llm_gateway.core.clock import SystemClock
from llm_gateway.core.exchange import Caller
from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.settings import IntegrationSettings, SecuritySettings, StorageSettings
from llm_gateway.core.types import JsonObject
from llm_gateway.detectors.inspector import Inspector
from llm_gateway.integrations.port import Work
from llm_gateway.integrations.registry import SERVICES
from llm_gateway.integrations.workflows.dbos_engine import DbosEngine
from llm_gateway.integrations.workflows.engine import WorkflowEngine
from llm_gateway.integrations.workflows.model import Step, Workflow
from llm_gateway.integrations.workflows.runs import Commission
from llm_gateway.stores.sql import SqlStore

DOCUMENTS = 10_000
SIDE_BY_SIDE = 16
"""Uploads under way at once."""
SEARCHES = 400
STEPS = 30
RUNS = 20
SEARCH_P95_MS = 50.0
INGEST_PER_S = 200.0
STEP_MS = 5.0
SEED = 7
BOUNDS = IntegrationSettings.model_validate({})


class _Work:
    """The work of one caller, with the gateway's own detector and no models."""

    def __init__(self, store: SqlStore) -> None:
        security = SecuritySettings.model_validate({})
        self.store = store
        self.owner = "benchmark"
        self.settings = BOUNDS
        self.now_s = 1_700_000_000.0
        self._inspector = Inspector(security.sensitive_keywords, security.rules, security.sensitivity_threshold)

    async def judge(self, text: str) -> Sensitivity:
        return self._inspector.judge([("/content", text)])

    async def embed(self, _: tuple[str, ...]) -> None:
        return None

    async def do(self, operation: str, **body: Any) -> Any:
        found = SERVICES["doc_store"].operations[operation]
        return (await found.handle(msgspec.convert(body, found.request), cast(Work, self))).result


def texts(count: int, seed: int) -> list[str]:
    """Documents of some 200 words each, their words as common as words are (Zipf's law over 20,000 of them)."""
    chance = random.Random(seed)
    letters = "etaoinshrdlu"
    words = ["".join(chance.choices(letters, k=3 + place % 7)) + str(place % 10) for place in range(20_000)]
    weights = [1 / (place + 1) for place in range(len(words))]
    stream = chance.choices(words, weights, k=count * 200)
    return [" ".join(stream[start : start + 200]) + "." for start in range(0, len(stream), 200)]


def percentile(figures: list[float], share: float) -> float:
    return sorted(figures)[min(len(figures) - 1, int(len(figures) * share))]


async def ingest(work: _Work, contents: list[str]) -> float:
    """Documents a second."""
    waiting = iter(contents)

    async def upload() -> None:
        for content in waiting:
            await work.do("store", content=content)

    began = perf_counter()
    await asyncio.gather(*(upload() for _ in range(SIDE_BY_SIDE)))
    return len(contents) / (perf_counter() - began)


async def search(work: _Work, contents: list[str]) -> list[float]:
    """Milliseconds of each search: half of them for common words, half for a phrase out of some document."""
    chance = random.Random(SEED + 1)
    took = []
    for number in range(SEARCHES):
        words = chance.choice(contents).split()
        start = chance.randrange(len(words) - 6)
        query = " ".join(words[start : start + 6] if number % 2 else chance.sample(words, 6))
        began = perf_counter()
        found = await work.do("search", query=query)
        took.append((perf_counter() - began) * 1000)
        assert found.hits
    return took


def engine_at(store: SqlStore, database: str) -> WorkflowEngine:
    """An engine whose steps do nothing: DBOS where a database is named, else the gateway's own."""

    async def nothing(service: str, operation: str, body: JsonObject, commission: Commission, deadline_s: float) -> JsonObject:
        return {"result": {"hits": []}, "mode": "embedded"}

    said = (store, SystemClock(), f"benchmark-{len(database)}", lambda: BOUNDS, nothing, lambda _: True)
    if not database:
        return WorkflowEngine(*said)
    return DbosEngine(*said, storage=StorageSettings.model_validate({"database_url": database, "auto_migrate": True}))


async def workflow(engine: WorkflowEngine, steps: list[Step]) -> float:
    """Milliseconds that a run adds to each of its steps, the median of some runs. The first is not counted: it may load what it needs."""
    took = []
    for _ in range(RUNS + 1):
        began = perf_counter()
        run_id = await engine.start(Workflow("bench", tuple(steps)), {}, Commission(Caller("benchmark"), "bench"))
        await engine.wait(run_id, 30)
        took.append((perf_counter() - began) * 1000 / len(steps))
        assert (await engine.record(run_id, "benchmark")).status == "succeeded"
    return percentile(took[1:], 0.5)


def chain() -> list[Step]:
    given: JsonObject = {"query": "x"}
    return [Step(f"s{n}", "doc_store", "search", given, (f"s{n - 1}",) if n else ()) for n in range(STEPS)]


def fan() -> list[Step]:
    return [Step(f"s{n}", "doc_store", "search", {"query": "x"}) for n in range(STEPS)]


async def workflows(store: SqlStore, database: str) -> list[tuple[str, float, str, bool, str]]:
    """The figures of each engine that there is at the database."""
    rows = []
    for name, url in [("", ""), (" on DBOS", database)] if database else [("", "")]:
        engine = engine_at(store, url)
        try:
            for how, steps in (("one after the other", chain()), ("side by side", fan())):
                took = await workflow(engine, steps)
                rows.append((f"a step of a {STEPS}-step workflow{name}, {how}", took, "ms", took <= STEP_MS, f"<= {STEP_MS:g}"))
        finally:
            await engine.stop()
    return rows


async def measure(documents: int, database: str) -> bool:
    """Print the figures; whether all hold."""
    with tempfile.TemporaryDirectory(prefix="llm-gateway-bench-") as folder:
        store = SqlStore(database, migrate=True) if database else SqlStore.sqlite(Path(folder) / "bench.sqlite3")
        try:
            work = _Work(store)
            contents = texts(documents, SEED)
            rate = await ingest(work, contents)
            took = await search(work, contents)
            of_workflows = await workflows(store, database)
        finally:
            store.close()
    p50, p95 = percentile(took, 0.5), percentile(took, 0.95)
    rows = [
        (f"ingest of {documents} documents", rate, "documents/s", rate >= INGEST_PER_S, f">= {INGEST_PER_S:g}"),
        ("search, p50", p50, "ms", True, ""),
        ("search, p95", p95, "ms", p95 <= SEARCH_P95_MS, f"<= {SEARCH_P95_MS:g}"),
        *of_workflows,
    ]
    for name, figure, unit, holds, bound in rows:
        sys.stdout.write(f"{name:62} {figure:10.2f} {unit:12} {bound:9} {'ok' if holds else 'TOO SLOW'}\n")
    return all(row[3] for row in rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--database", default="")
    given = parser.parse_args()
    sys.exit(not asyncio.run(measure(given.documents, given.database)))
