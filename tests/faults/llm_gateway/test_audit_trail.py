"""The audit trail while its process is killed, its database is locked, its disk is full: nothing leaves that is not written down,
no row is lost, and it recovers unaided. The database, the locks and the processes are real.
"""

import asyncio
import json
import resource
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm_gateway.audit.keys import key_in
from llm_gateway.audit.offline import opened
from llm_gateway.audit.rows import Row
from llm_gateway.audit.search import Filters
from llm_gateway.audit.trail import AuditTrail
from llm_gateway.audit.verification import Verdict
from llm_gateway.audit_log import AuditLog
from llm_gateway.core.clock import SystemClock
from llm_gateway.core.errors import AuditUnavailable
from llm_gateway.core.exchange import Caller, Credentials, Exchange, Reply
from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.routing import Attempt, Destination
from llm_gateway.core.seal import seal
from llm_gateway.core.settings import AuditSettings
from llm_gateway.core.types import ChatRequest, Message, SecurityLevel
from llm_gateway.stores.sql import SqlStore

FILE = "gateway.sqlite3"
CLOCK = SystemClock()
SETTINGS = AuditSettings.model_validate({"commit_timeout_s": 0.3})
REQUEST = ChatRequest((Message("user", "hello"),))
CLEARANCE = seal(REQUEST, frozenset({Destination("openai", "https://openai.test", SecurityLevel.MEDIUM)}), "v1")


class Service:
    """Calls through the stage and the hook, to an upstream that notes what reached it (`sent`, one line a call)."""

    def __init__(self, trail: AuditTrail, sent: Path) -> None:
        self.log = AuditLog(trail, SETTINGS, CLOCK)
        self.trail = trail
        self.sent = sent

    async def call(self, name: str) -> None:
        now_s = CLOCK.monotonic_s()
        exchange = Exchange(
            REQUEST, correlation_id=name, credentials=Credentials(), ingress="native", received_s=now_s, deadline_s=now_s + 60
        )
        async with exchange:
            await self.log(exchange, self._serve)

    async def _serve(self, exchange: Exchange) -> Reply:
        exchange.caller, exchange.sensitivity, exchange.clearance = Caller("ann"), Sensitivity(0.0, False), CLEARANCE
        attempt = Attempt("openai", "gpt-4o", SecurityLevel.MEDIUM)
        exchange.attempts.append(attempt)
        try:
            if (waiting := self.log.before_attempt(exchange, attempt)) is not None:
                await waiting
        except AuditUnavailable as failure:
            attempt.outcome = failure.error_type
            raise
        with self.sent.open("ab") as sent:
            sent.write(exchange.correlation_id.encode() + b"\n")
        await asyncio.sleep(0.002)
        attempt.outcome = "ok"
        return Reply([])

    async def refused(self, name: str) -> bool:
        """Whether a call is refused because it cannot be written down."""
        try:
            await self.call(name)
        except AuditUnavailable:
            return True
        return False


def rows_in(folder: Path) -> list[Row]:
    with opened(folder / FILE) as trail:
        return list(trail.rows(Filters()))


def verdict_on(folder: Path) -> Verdict:
    with opened(folder / FILE) as trail:
        return trail.verify(key_in(folder))


def sent_in(folder: Path) -> list[str]:
    path = folder / "sent"
    return path.read_text().split() if path.exists() else []


def check(folder: Path) -> Counter[str]:
    """Whatever reached the upstream has its intent and exactly one end; what has an intent has exactly one end."""
    verdict = verdict_on(folder)
    assert verdict.intact, verdict.problems
    rows = rows_in(folder)
    intents = {row.correlation_id for row in rows if row.kind == "intent"}
    ends = Counter(row.correlation_id for row in rows if row.kind in {"outcome", "recovered"})
    assert set(sent_in(folder)) <= intents
    assert intents <= set(ends)
    assert set(ends.values()) <= {1}
    return Counter(row.kind for row in rows)


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.faults.llm_gateway.test_audit_trail import {function}
asyncio.run({function}(Path(sys.argv[1])))
"""


@contextmanager
def child(function: Callable[..., Any], folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """`function(folder)` of this file, run in a process of its own."""
    command = [sys.executable, "-c", CHILD.format(function=function.__name__), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def busy_service(folder: Path) -> None:
    """Calls without end, a few at once, until somebody kills the process."""
    trail = await AuditTrail.open(SqlStore.sqlite(folder / FILE), SETTINGS, folder, CLOCK)
    service = Service(trail, folder / "sent")

    async def caller(number: int) -> None:
        for count in range(1_000_000):
            await service.call(f"{trail.journal.chain}-{number}-{count}")

    await asyncio.gather(*(caller(number) for number in range(8)))


async def reached(folder: Path, calls: int) -> None:
    """Wait until so many calls have reached the upstream."""
    async with asyncio.timeout(20):
        for _ in iter(lambda: len(sent_in(folder)) >= calls, True):
            await asyncio.sleep(0.001)


async def test_a_process_killed_at_any_moment_leaves_no_call_without_an_end(tmp_path: Path) -> None:
    for round_number in range(3):
        before = len(sent_in(tmp_path))
        with child(busy_service, tmp_path) as process:
            await reached(tmp_path, before + 20 + 37 * round_number)
            process.kill()
            process.wait()
    store = SqlStore.sqlite(tmp_path / FILE)
    trail = await AuditTrail.open(store, SETTINGS, tmp_path, CLOCK)
    await trail.close()
    await asyncio.to_thread(store.close)
    kinds = check(tmp_path)
    assert kinds["anchor"] == 4
    assert kinds["recovered"] > 0
    heads = {chain.chain: chain for chain in verdict_on(tmp_path).chains}
    assert Counter(chain.state for chain in heads.values()) == {"recovered": 3, "closed": 1}
    assert [path.name for path in tmp_path.glob("audit-*.lock")] == []


async def test_a_locked_database_refuses_in_time_and_loses_nothing(tmp_path: Path) -> None:
    store = SqlStore.sqlite(tmp_path / FILE, busy_timeout_s=1.0)
    trail = await AuditTrail.open(store, SETTINGS, tmp_path, CLOCK)
    service = Service(trail, tmp_path / "sent")
    await service.call("before")
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    began_s = time.monotonic()
    outcomes = await asyncio.gather(*(service.refused(f"locked-{number}") for number in range(20)))
    assert outcomes == [True] * 20
    assert time.monotonic() - began_s < 2
    began_s = time.monotonic()
    assert all([await service.refused(f"door-{number}") for number in range(50)])  # at once, now that it is known
    assert time.monotonic() - began_s < 1
    assert sent_in(tmp_path) == ["before"]
    other.execute("ROLLBACK")
    other.close()
    await recovered(trail)
    await service.call("after")
    await trail.close()
    await asyncio.to_thread(store.close)
    kinds = check(tmp_path)
    assert sent_in(tmp_path) == ["before", "after"]
    assert kinds["outcome"] == 22
    (gap,) = [json.loads(row.detail) for row in rows_in(tmp_path) if row.kind == "gap"]
    assert (gap["turned_away"], gap["rows_lost"]) == (50, 0)


async def recovered(trail: AuditTrail) -> None:
    async with asyncio.timeout(10):
        for _ in iter(lambda: trail.journal.writable, True):
            await asyncio.sleep(0.005)


async def full_disk(folder: Path) -> None:
    """Calls before, while and after no file may grow; says what became of them."""
    store = SqlStore.sqlite(folder / FILE)
    trail = await AuditTrail.open(store, SETTINGS, folder, CLOCK)
    service = Service(trail, folder / "sent")
    await service.call("before")
    assert await trail.journal.drained(5)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    refused = [await service.refused(f"full-{number}") for number in range(30)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await recovered(trail)
    await service.call("after")
    await trail.close()
    await asyncio.to_thread(store.close)
    print(json.dumps(refused), flush=True)


def test_a_full_disk_fails_closed_and_recovers(tmp_path: Path) -> None:
    with child(full_disk, tmp_path) as process:
        said, _ = process.communicate(timeout=30)
    refused = json.loads(said.splitlines()[-1])
    assert refused[-1], "the disk was not full"
    sent = sent_in(tmp_path)
    assert sent == ["before", *[f"full-{number}" for number, was in enumerate(refused) if not was], "after"]
    check(tmp_path)


async def test_a_database_that_refuses_rows_fails_closed_and_recovers(tmp_path: Path) -> None:
    store = SqlStore.sqlite(tmp_path / FILE)
    trail = await AuditTrail.open(store, SETTINGS, tmp_path, CLOCK)
    service = Service(trail, tmp_path / "sent")
    await service.call("before")
    assert await trail.journal.drained(5)
    refuse = "CREATE TRIGGER refuse BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no more rows'); END"
    await store.write(lambda connection: connection.exec_driver_sql(refuse))
    assert [await service.refused(f"x-{number}") for number in range(5)] == [True] * 5
    await store.write(lambda connection: connection.exec_driver_sql("DROP TRIGGER refuse"))
    await recovered(trail)
    await service.call("after")
    await trail.close()
    await asyncio.to_thread(store.close)
    assert sent_in(tmp_path) == ["before", "after"]
    check(tmp_path)
