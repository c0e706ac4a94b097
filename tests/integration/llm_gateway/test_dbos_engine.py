"""Workflows on DBOS at a real PostgreSQL: what it has an outcome of is not run again, and what goes wrong with it stops no workflow."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from tests.postgres import command, fresh_database

from llm_gateway.cli.main import run
from llm_gateway.core.clock import SystemClock
from llm_gateway.core.errors import ConfigurationError, ProviderUnavailable
from llm_gateway.core.exchange import Caller
from llm_gateway.core.settings import IntegrationSettings, StorageSettings
from llm_gateway.core.types import JsonObject
from llm_gateway.integrations.workflows import runs
from llm_gateway.integrations.workflows.dbos_engine import DbosEngine, Session, dbos_carries_out
from llm_gateway.integrations.workflows.engine import WorkflowEngine
from llm_gateway.integrations.workflows.model import Step, Workflow
from llm_gateway.integrations.workflows.runs import Commission
from llm_gateway.stores.sql import SqlStore

COMMISSION = Commission(Caller("ann"), "c1")
WITHIN_S = 60.0
BOUNDS = IntegrationSettings.model_validate({"run_lease_s": 15})


def chain(count: int) -> Workflow:
    return Workflow(
        "chain",
        tuple(Step(f"s{n}", "doc_store", "search", {"query": f"q{n}"}, (f"s{n - 1}",) if n else ()) for n in range(count)),
    )


@pytest.fixture
def url(postgres_of_session: str) -> Iterator[str]:
    with fresh_database(postgres_of_session, template="gateway_template") as found:
        yield found


class Gateway:
    """What calls reach: each is told, and `hold` keeps one waiting."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = SqlStore(url)
        self.called: list[str] = []
        self.hold: dict[str, asyncio.Event] = {}
        self.reached = asyncio.Event()
        self.failing = ""

    async def call(self, service: str, operation: str, body: JsonObject, commission: Commission, deadline_s: float) -> JsonObject:
        query = str(body["query"])
        self.called.append(query)
        if query == self.failing:
            raise ProviderUnavailable("it is away")
        if query in self.hold:
            self.reached.set()
            await self.hold[query].wait()
        return {"result": {"found": query, "text": "ü\u0000✓"}, "mode": "embedded"}

    def engine(self, holder: str, kind: type[WorkflowEngine] = DbosEngine, *, migrate: bool = True) -> WorkflowEngine:
        said: dict[str, Any] = {}
        if kind is DbosEngine:
            said["storage"] = StorageSettings.model_validate({"database_url": self.url, "auto_migrate": migrate})
        return kind(self.store, SystemClock(), holder, lambda: BOUNDS, self.call, lambda _: True, **said)

    @asynccontextmanager
    async def serving(self, holder: str, kind: type[WorkflowEngine] = DbosEngine, *, migrate: bool = True) -> AsyncIterator[WorkflowEngine]:
        engine = self.engine(holder, kind, migrate=migrate)
        try:
            yield engine
        finally:
            await engine.stop()

    async def left_behind(self, kind: type[WorkflowEngine], workflow: Workflow, at: str) -> str:
        """A run whose process ended while that step was under way."""
        self.hold[at] = asyncio.Event()
        async with self.serving("first", kind) as engine:
            run_id = await engine.start(workflow, {}, COMMISSION)
            await asyncio.wait_for(self.reached.wait(), WITHIN_S)
        self.hold.clear()
        return run_id

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def on(url: str) -> Callable[[Callable[[Gateway], Coroutine[Any, Any, None]]], None]:
    """Runs a test's coroutine on a database of its own."""

    def through(test: Callable[[Gateway], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            gateway = Gateway(url)
            try:
                await test(gateway)
            finally:
                await asyncio.to_thread(gateway.store.close)

        asyncio.run(whole())

    return through


On = Callable[[Callable[[Gateway], Awaitable[None]]], None]


async def ended(engine: WorkflowEngine, run_id: str) -> runs.RunRecord:
    """The record of a run, when it has ended, whoever carries it out."""
    async with asyncio.timeout(WITHIN_S):
        while (record := await engine.record(run_id, "ann")).status == "running":
            await engine.wait(run_id, 1)
            await asyncio.sleep(0.02)
    return record


def test_dbos_keeps_each_outcome_of_a_run_that_it_carries_out(on: On) -> None:
    async def test(gateway: Gateway) -> None:
        async with gateway.serving("one") as engine:
            wide = Workflow("wide", (*chain(3).steps, Step("last", "doc_store", "search", {"query": "${steps.s0.result.found} again"})))
            run_id = await engine.start(wide, {}, COMMISSION)
            record = await ended(engine, run_id)
            assert [(step.id, step.status) for step in record.steps] == [(name, "succeeded") for name in ("s0", "s1", "s2", "last")]
            assert record.steps[3].result == {"found": "q0 again", "text": "ü\u0000✓"}
            assert sorted(gateway.called) == ["q0", "q0 again", "q1", "q2"]
        statuses = gateway.rows("SELECT workflow_uuid, status, executor_id FROM llm_gateway_dbos.workflow_status")
        assert statuses == [(run_id, "SUCCESS", "one")]
        given = gateway.rows("SELECT inputs FROM llm_gateway_dbos.workflow_input")
        assert given == [(f'{{"namedArgs":{{}},"positionalArgs":["{run_id}",["s0","s1","s2","last"]]}}',)], "not what it is about"
        kept = gateway.rows("SELECT function_name, serialization FROM llm_gateway_dbos.operation_outputs ORDER BY function_id")
        assert kept == [(name, "portable_json") for name in ("s0", "s1", "s2", "last")], "in the workflow's order, and nothing pickled"

    on(test)


def test_an_outcome_that_dbos_has_is_not_made_again(on: On) -> None:
    async def test(gateway: Gateway) -> None:
        run_id = await gateway.left_behind(DbosEngine, chain(4), "q2")
        # As if the process had died between DBOS's row and the gateway's.
        command(gateway.url, "DELETE FROM workflow_steps WHERE step_id = 's1'")
        async with gateway.serving("second") as engine:
            assert await engine.take_up() == 1
            record = await ended(engine, run_id)
        assert record.status == "succeeded", record
        assert [step.result["found"] for step in record.steps] == ["q0", "q1", "q2", "q3"]  # type: ignore[index,call-overload]
        assert gateway.called == ["q0", "q1", "q2", "q2", "q3"], "only the step that was under way is run again"

    on(test)


@pytest.mark.parametrize(("first", "second"), [(WorkflowEngine, DbosEngine), (DbosEngine, WorkflowEngine)], ids=["to DBOS", "from DBOS"])
def test_either_engine_goes_on_with_what_the_other_began(first: type[WorkflowEngine], second: type[WorkflowEngine], on: On) -> None:
    async def test(gateway: Gateway) -> None:
        run_id = await gateway.left_behind(first, chain(4), "q2")
        async with gateway.serving("second", second) as engine:
            assert await engine.take_up() == 1
            assert (await ended(engine, run_id)).status == "succeeded"
        assert gateway.called == ["q0", "q1", "q2", "q2", "q3"]

    on(test)


def test_failed_and_cancelled_runs(on: On) -> None:
    async def test(gateway: Gateway) -> None:
        async with gateway.serving("one") as engine:
            gateway.failing = "q1"
            failed = await ended(engine, await engine.start(chain(3), {}, COMMISSION))
            assert (failed.status, [step.status for step in failed.steps]) == ("failed", ["succeeded", "failed", "skipped"])
            assert failed.error == "step s1 failed: provider_bad_response: it is away"
            gateway.failing, gateway.hold["q1"] = "", asyncio.Event()
            run_id = await engine.start(chain(3), {}, COMMISSION)
            await asyncio.wait_for(gateway.reached.wait(), WITHIN_S)
            assert (await engine.cancel(run_id, "ann")).status == "cancelled"
            assert gateway.called[-2:] == ["q0", "q1"]

    on(test)


def test_a_run_that_is_cancelled_in_dbos_ends(on: On) -> None:
    async def test(gateway: Gateway) -> None:
        run_id = await gateway.left_behind(DbosEngine, chain(3), "q1")
        command(gateway.url, "UPDATE llm_gateway_dbos.workflow_status SET status = 'CANCELLED'")
        async with gateway.serving("second") as engine:
            await engine.take_up()
            assert (await ended(engine, run_id)).status == "cancelled"
        assert gateway.called == ["q0", "q1"]

    on(test)


def test_what_is_forgotten_is_forgotten_by_dbos(on: On) -> None:
    async def test(gateway: Gateway) -> None:
        async with gateway.serving("one") as engine:
            run_id = await engine.start(chain(2), {}, COMMISSION)
            await ended(engine, run_id)
            command(gateway.url, "UPDATE workflow_runs SET finished_s = 1")
            await engine._forget_before(2.0)
            assert await engine.records("ann") == []
        for table in ("workflow_status", "operation_outputs"):
            assert gateway.rows(f"SELECT count(*) FROM llm_gateway_dbos.{table}") == [(0,)]

    on(test)


def test_without_tables_of_its_own_dbos_is_gone_without(on: On) -> None:
    async def test(gateway: Gateway) -> None:
        async with gateway.serving("one", migrate=False) as engine:
            assert (await ended(engine, await engine.start(chain(2), {}, COMMISSION))).status == "succeeded"
        assert gateway.called == ["q0", "q1"]
        assert gateway.rows("SELECT count(*) FROM pg_namespace WHERE nspname = 'llm_gateway_dbos'") == [(0,)]

    on(test)


def test_a_run_that_arrives_too_late_stays_with_the_gateway(on: On, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_gateway.integrations.workflows.dbos_engine.ARRIVAL_S", 0.0)

    async def test(gateway: Gateway) -> None:
        gateway.hold["q1"] = asyncio.Event()
        async with gateway.serving("one") as engine:
            run_id = await engine.start(chain(2), {}, COMMISSION)
            await asyncio.wait_for(gateway.reached.wait(), WITHIN_S)
            assert isinstance(engine, DbosEngine)
            process = await engine._ready()
            assert process is not None
            # However far it came: now it arrives.
            if await process.status(run_id) is None:
                await process.begin(run_id, ["s0", "s1"])
            else:
                await process.give_out(run_id)
            async with asyncio.timeout(WITHIN_S):
                while await process.status(run_id) != "SUCCESS":
                    await asyncio.sleep(0.02)
            assert (await engine.record(run_id, "ann")).status == "running", "DBOS let go of it, and it goes on"
            gateway.hold["q1"].set()
            assert (await ended(engine, run_id)).status == "succeeded"
        assert gateway.called == ["q0", "q1"]

    on(test)


@pytest.mark.parametrize("slow", ["DBOS", "the gateway's database"])
def test_a_run_that_arrives_while_it_is_taken_up_again_is_not_given_out_again(slow: str, on: On, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(gateway: Gateway) -> None:
        run_id = await gateway.left_behind(DbosEngine, chain(4), "q2")
        gateway.reached.clear()
        gateway.hold["q2"] = asyncio.Event()
        async with gateway.serving("second") as engine:
            assert isinstance(engine, DbosEngine)
            process = await engine._ready()
            assert process is not None
            arrived, let_in = asyncio.Event(), asyncio.Event()

            async def adopted(session: Session, adopt: Callable[[Session], Awaitable[bool]] = engine._adopted) -> bool:
                arrived.set()
                await let_in.wait()
                return await adopt(session)

            async def status(run_id: str, asked: Callable[[str], Awaitable[str | None]] = process.status) -> str | None:
                await asyncio.wait_for(gateway.reached.wait(), WITHIN_S)
                return await asked(run_id)

            if slow == "DBOS":
                let_in.set()
            monkeypatch.setattr(engine, "_adopted", adopted)
            assert await engine.take_up() == 1
            if slow == "DBOS":
                monkeypatch.setattr(process, "status", status)  # it answers when the run is under way
            else:
                await asyncio.wait_for(arrived.wait(), WITHIN_S)
            command(gateway.url, "UPDATE workflow_runs SET lease_until_s = 0")  # it was longer on its way than its lease
            assert await engine.take_up() == 1
            let_in.set()
            gateway.hold["q2"].set()
            record = await ended(engine, run_id)
        assert record.status == "succeeded", record
        assert gateway.called == ["q0", "q1", "q2", "q2", "q3"], "only the step that was under way is run again"

    on(test)


def test_a_run_that_dbos_gives_out_while_it_runs_goes_on_where_it_arrives(on: On) -> None:
    async def test(gateway: Gateway) -> None:
        held = gateway.hold["q1"] = asyncio.Event()
        async with gateway.serving("one") as engine:
            run_id = await engine.start(chain(3), {}, COMMISSION)
            await asyncio.wait_for(gateway.reached.wait(), WITHIN_S)
            assert isinstance(engine, DbosEngine)
            process = await engine._ready()
            assert process is not None
            await process.give_out(run_id)  # as a process does that takes this one for dead
            held.set()
            record = await ended(engine, run_id)
        assert record.status == "succeeded", record
        assert gateway.called == ["q0", "q1", "q1", "q2"], "what DBOS did not keep is run again, and nothing else"

    on(test)


def test_a_run_that_arrives_where_it_still_runs_goes_on_from_there(on: On) -> None:
    async def test(gateway: Gateway) -> None:
        gateway.hold["q1"] = asyncio.Event()
        async with gateway.serving("one") as engine:
            run_id = await engine.start(chain(3), {}, COMMISSION)
            await asyncio.wait_for(gateway.reached.wait(), WITHIN_S)
            gateway.hold.clear()  # the step that is under way stays so
            assert isinstance(engine, DbosEngine)
            process = await engine._ready()
            assert process is not None
            await process.give_out(run_id)
            record = await ended(engine, run_id)
        assert record.status == "succeeded", record
        assert gateway.called == ["q0", "q1", "q1", "q2"]
        assert gateway.rows("SELECT status FROM llm_gateway_dbos.workflow_status") == [("SUCCESS",)]

    on(test)


def test_a_run_that_somebody_else_holds_by_now_is_not_given_out(on: On, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.left_behind(DbosEngine, chain(3), "q1")
        async with gateway.serving("second") as engine:
            assert isinstance(engine, DbosEngine)
            process = await engine._ready()
            assert process is not None
            given: list[str] = []

            async def late(run_id: str, asked: Callable[[str], Awaitable[str | None]] = process.status) -> str | None:
                """DBOS's answer, which is so long in coming that another process takes the run up."""
                command(gateway.url, "UPDATE workflow_runs SET holder = 'third'")
                return await asked(run_id)

            async def give_out(run_id: str) -> None:
                given.append(run_id)

            monkeypatch.setattr(process, "status", late)
            monkeypatch.setattr(process, "give_out", give_out)
            await engine.take_up()
            assert given == []

    on(test)


def test_migrate_makes_the_tables_of_dbos(on: On, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert [run(["migrate"]) for _ in range(2)] == [0, 0]
    assert "DBOS" in capsys.readouterr().out

    async def test(gateway: Gateway) -> None:
        async with gateway.serving("one", migrate=False) as engine:
            assert (await ended(engine, await engine.start(chain(2), {}, COMMISSION))).status == "succeeded"
        assert gateway.rows("SELECT count(*) FROM llm_gateway_dbos.workflow_status") == [(1,)]

    on(test)


def test_a_second_gateway_of_the_same_process_goes_without_dbos(on: On) -> None:
    async def test(gateway: Gateway) -> None:
        async with gateway.serving("one") as one, gateway.serving("two") as two:
            assert (await ended(one, await one.start(chain(1), {}, COMMISSION))).status == "succeeded"
            assert (await ended(two, await two.start(chain(1), {}, COMMISSION))).status == "succeeded"
        assert gateway.rows("SELECT count(*) FROM llm_gateway_dbos.workflow_status") == [(1,)]

    on(test)


@pytest.mark.parametrize(
    ("engine", "database", "dbos"),
    [("auto", "postgresql://u@h/d", True), ("auto", "", False), ("own", "postgresql://u@h/d", False), ("dbos", "postgres://u@h/d", True)],
)
def test_who_carries_out(engine: str, database: str, dbos: bool) -> None:
    settings = IntegrationSettings.model_validate({"workflow_engine": engine})
    assert dbos_carries_out(settings, StorageSettings.model_validate({"database_url": SecretStr(database)})) is dbos


def test_dbos_that_is_asked_for_and_cannot_be_had_stops_the_start() -> None:
    settings = IntegrationSettings.model_validate({"workflow_engine": "dbos"})
    with pytest.raises(ConfigurationError, match=r"integrations\.workflow_engine: dbos needs PostgreSQL"):
        dbos_carries_out(settings, StorageSettings.model_validate({}))
