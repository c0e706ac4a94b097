"""PostgreSQL crashes in the middle of a workflow: either engine goes on when it is back, and runs no step twice."""

import asyncio
import signal

import pytest
from tests.postgres import Postgres

from llm_gateway.core.clock import SystemClock
from llm_gateway.core.errors import Overloaded
from llm_gateway.core.exchange import Caller
from llm_gateway.core.settings import IntegrationSettings, StorageSettings
from llm_gateway.core.types import JsonObject
from llm_gateway.integrations.workflows.dbos_engine import DbosEngine
from llm_gateway.integrations.workflows.engine import WorkflowEngine
from llm_gateway.integrations.workflows.model import Step, Workflow
from llm_gateway.integrations.workflows.runs import Commission
from llm_gateway.stores.sql import SqlStore

STEPS = 5
CHAIN = Workflow(
    "chain", tuple(Step(f"s{n}", "doc_store", "search", {"query": f"q{n}"}, (f"s{n - 1}",) if n else ()) for n in range(STEPS))
)
BOUNDS = IntegrationSettings.model_validate({})


async def through_a_crash(postgres: Postgres, *, dbos: bool) -> tuple[str, list[str]]:
    """How a run ended during which the database crashed, and what was called."""
    called: list[str] = []
    reached, released = asyncio.Event(), asyncio.Event()

    async def call(service: str, operation: str, body: JsonObject, commission: Commission, deadline_s: float) -> JsonObject:
        called.append(str(body["query"]))
        if called[-1] == "q2":
            reached.set()
            await released.wait()
        return {"result": {}, "mode": "embedded"}

    store = SqlStore(postgres.url, migrate=True, busy_timeout_s=60)
    storage = StorageSettings.model_validate({"database_url": postgres.url, "auto_migrate": True})
    said = (store, SystemClock(), "one", lambda: BOUNDS, call, lambda _: True)
    engine = DbosEngine(*said, storage=storage) if dbos else WorkflowEngine(*said)
    try:
        async with asyncio.timeout(120):
            run_id = await engine.start(CHAIN, {}, Commission(Caller("ann"), "c1"))
            await reached.wait()
            await asyncio.to_thread(postgres.restart, signal.SIGQUIT)
            released.set()
            while True:
                await engine.wait(run_id, 120)
                try:
                    return (await engine.record(run_id, "ann")).status, called
                except Overloaded:  # it is not back yet
                    await asyncio.sleep(0.1)
    finally:
        await engine.stop()
        await asyncio.to_thread(store.close)


@pytest.mark.parametrize("dbos", [False, True], ids=["own engine", "DBOS"])
def test_a_crash_of_the_database_runs_no_step_twice(dbos: bool) -> None:
    with Postgres() as postgres:
        status, called = asyncio.run(through_a_crash(postgres, dbos=dbos))
    assert status == "succeeded"
    assert called == [f"q{n}" for n in range(STEPS)]
