import asyncio
from types import SimpleNamespace
from typing import Any, cast

from llm_gateway.core.exchange import Caller
from llm_gateway.core.settings import IntegrationSettings, StorageSettings
from llm_gateway.integrations.workflows.dbos_engine import ARRIVAL_S, DbosEngine
from llm_gateway.integrations.workflows.model import Workflow
from llm_gateway.integrations.workflows.runs import Commission, Run

RUN = Run("r1", Workflow("notes", ()), {}, Commission(Caller("ann"), "c1"))


class Clock:
    now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s


class Dbos:
    """A DBOS that knows the run, and notes what it is told to give out."""

    def __init__(self) -> None:
        self.word = "PENDING"
        self.given: list[str] = []

    async def status(self, run_id: str) -> str:
        return self.word

    async def give_out(self, run_id: str) -> None:
        self.given.append(run_id)


class Store:
    """Where this process holds the run, whatever is asked; `busy` keeps who asks waiting."""

    busy: asyncio.Event | None = None

    async def write(self, work: object) -> list[str]:
        if self.busy is not None:
            await self.busy.wait()
        return [RUN.run_id]


def engine_of(clock: Clock, dbos: Dbos, store: Store) -> DbosEngine:
    nothing = cast(Any, None)
    storage = StorageSettings.model_validate({})
    engine = DbosEngine(cast(Any, store), clock, "one", IntegrationSettings, nothing, nothing, storage=storage)
    engine._process = cast(Any, dbos)
    return engine


async def test_a_run_that_is_on_its_way_is_not_given_out_again() -> None:
    clock, dbos = Clock(), Dbos()
    engine = engine_of(clock, dbos, Store())
    for _ in range(3):  # its lease is over again and again before it comes
        await engine._go_on(RUN)
    assert dbos.given == ["r1"]
    clock.now_s += ARRIVAL_S
    dbos.word = "ENQUEUED"
    await engine._go_on(RUN)
    assert dbos.given == ["r1"], "DBOS says that it waits to be taken"
    dbos.word = "PENDING"
    await engine._go_on(RUN)
    assert dbos.given == ["r1", "r1"], "whoever took it has died"


async def test_a_run_that_has_just_come_here_is_not_given_out() -> None:
    dbos, store = Dbos(), Store()
    engine = engine_of(Clock(), dbos, store)
    store.busy = asyncio.Event()
    coming = asyncio.create_task(engine._adopted(cast(Any, SimpleNamespace(run_id=RUN.run_id))))
    await asyncio.sleep(0)
    store.busy = None
    await engine._go_on(RUN)
    assert dbos.given == [], "another process gave it out, and this one does not have it in its own table yet"
    coming.cancel()
    await asyncio.wait([coming])
