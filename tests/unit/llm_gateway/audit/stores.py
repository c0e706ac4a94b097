"""A database whose commits happen, or fail, when a test says so."""

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool
from tests.unit.llm_gateway.audit.trails import Trail

from llm_gateway.audit import tables
from llm_gateway.audit.rows import Row
from llm_gateway.core.errors import Overloaded


class Clock:
    def monotonic_s(self) -> float:
        return 0.0

    def wall_s(self) -> float:
        return 1_800_000_000.0


class HandStore:
    """A database whose commits happen when the test says so. `fault`, if set, is what becomes of the next ones."""

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        tables.metadata.create_all(self.engine)
        self.asked: list[tuple[Callable[[Connection], Any], asyncio.Future[Any]]] = []
        self.held = False
        self.batches = 0
        self.fault: Exception | None = None
        self.fault_after_commit: Exception | None = None
        self.full = False

    async def read(self, work: Callable[[Connection], Any]) -> Any:
        with self.engine.connect() as connection:
            return work(connection)

    def write(self, work: Callable[[Connection], Any]) -> "asyncio.Future[Any]":
        if self.full:
            raise Overloaded("full")
        done = asyncio.get_running_loop().create_future()
        self.asked.append((work, done))
        if not self.held:
            asyncio.get_running_loop().call_soon(self.commit)
        return done

    def commit(self) -> None:
        """Do what was asked."""
        asked, self.asked = self.asked, []
        for work, done in asked:
            self.batches += 1
            try:
                if self.fault is not None:
                    raise self.fault
                with self.engine.begin() as connection:
                    result = work(connection)
                if self.fault_after_commit is not None:
                    raise self.fault_after_commit
            except Exception as failure:
                done.set_exception(failure)
            else:
                done.set_result(result)

    def rows(self) -> list[Row]:
        with self.engine.connect() as connection:
            return tables.oldest(connection, (), None, 100_000)

    def trail(self) -> Trail:
        with self.engine.connect() as connection:
            outline = tables.outline(connection)
        made = Trail({}, {head.chain: head for head in outline.heads}, {point.chain: point for point in outline.checkpoints})
        for row in self.rows():
            made.rows.setdefault(row.chain, []).append(row)
        return made


def kinds(store: HandStore) -> list[str]:
    return [row.kind for row in store.rows()]


async def until(condition: Callable[[], bool], patience_s: float = 5) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(patience_s):
        for _ in iter(condition, True):
            await asyncio.sleep(0.001)
