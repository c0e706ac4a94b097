"""What the embedded services keep, on both databases: found by words, owned, versioned; and a workflow's lease held by one process."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from tests.unit.llm_gateway.integrations.working import DAY_S, TestWork

from llm_gateway.core.exchange import Caller
from llm_gateway.core.types import JsonObject
from llm_gateway.integrations.full_text import MOST_RANKED, full_text, scope_of
from llm_gateway.integrations.workflows import runs
from llm_gateway.integrations.workflows.engine import WorkflowEngine
from llm_gateway.integrations.workflows.model import Step, Workflow
from llm_gateway.integrations.workflows.runs import Commission, Run
from llm_gateway.stores.sql import SqlStore


@pytest.fixture
def run_on(database_url: str) -> Callable[[Callable[[TestWork], Coroutine[Any, Any, None]]], None]:
    """Runs a test's coroutine on a database of its own kind."""

    def run(test: Callable[[TestWork], Coroutine[Any, Any, None]]) -> None:
        store = SqlStore(database_url, migrate=True)
        try:
            asyncio.run(test(TestWork(store)))
        finally:
            store.close()

    return run


Runner = Callable[[Callable[[TestWork], Coroutine[Any, Any, None]]], None]


def test_documents(run_on: Runner) -> None:
    async def test(work: TestWork) -> None:
        await work.do("doc_store", "store", content="Tokens expire after an hour.", doc_id="a", metadata={"team": "auth"})
        await work.do("doc_store", "store", content="Cats sleep all day; a token of affection.", doc_id="b")
        found = await work.do("doc_store", "search", query="when does a token expire?")
        assert [hit.doc_id for hit in found.hits] == ["a", "b"]
        for query in ('"', "AND OR NOT", "a & b | !c", "a*", "'; DROP TABLE documents; --", "🎉", "<->"):
            await work.do("doc_store", "search", query=query)
        await work.do("doc_store", "store", content="Herons wade.", doc_id="a")
        assert [hit.doc_id for hit in (await work.do("doc_store", "search", query="expire")).hits] == []
        other = TestWork(work.store, "bob")
        assert (await other.do("doc_store", "search", query="herons")).hits == ()
        await work.do("doc_store", "delete", doc_id="a")
        assert (await work.do("doc_store", "list")).total == 1
        await work.do("doc_store", "store", content="トークンは一時間で失効します。", doc_id="c")
        assert [hit.doc_id for hit in (await work.do("doc_store", "search", query="失効")).hits] == ["c"]

    run_on(test)


def test_words_that_stand_everywhere_are_left_out_where_rarer_ones_are_there(run_on: Runner) -> None:
    async def test(work: TestWork) -> None:
        many = MOST_RANKED + 100
        texts = [f"The common heron number{place} stands." for place in range(many)]
        texts[50] = "The common heron is a kingfisher."

        def keep(connection: Connection) -> tuple[list[int], list[int]]:
            full_text(connection).add(connection, scope_of("d", "bob"), ["A kingfisher of somebody else."])
            ids = full_text(connection).add(connection, scope_of("d", "ann"), texts)
            found = [
                full_text(connection).search(connection, scope_of("d", "ann"), query, 10) for query in ("common heron kingfisher", "heron")
            ]
            assert len(found[1]) == 10
            assert {each.id for each in found[1]} <= set(ids[-MOST_RANKED:]), "of what is everywhere the newest"
            return ids, [each.id for each in found[0]]

        ids, found = await work.store.write(keep)
        assert ids == sorted(ids)
        assert len(set(ids)) == many
        assert found == [ids[50]]

    run_on(test)


def test_many_documents_at_once(run_on: Runner) -> None:
    async def test(work: TestWork) -> None:
        await asyncio.gather(*(work.do("doc_store", "store", content=f"Falcon number{n}.", doc_id=f"d{n % 20}") for n in range(60)))
        assert (await work.do("doc_store", "list", limit=100)).total == 20
        assert len((await work.do("doc_store", "search", query="falcon", limit=100)).hits) == 20

    run_on(test)


def test_prompts_and_memories(run_on: Runner) -> None:
    async def test(work: TestWork) -> None:
        versions = [(await work.do("prompt_store", "store_prompt", name="p", content=f"v{n} {{{{x}}}}")).version for n in range(3)]
        assert versions == [1, 2, 3]
        assert (await work.do("prompt_store", "render", name="p", variables={"x": "y"}, version=2)).prompt == "v1 y"
        await work.do("memory_agent", "store_interaction", prompt="the falcon was grey", conversation_id="talk")
        work.now_s += 60 * DAY_S
        await work.do("memory_agent", "store_interaction", prompt="the falcon was white")
        recalled = (await work.do("memory_agent", "retrieve_context", query="falcons")).memories
        assert [memory.prompt for memory in recalled] == ["the falcon was white", "the falcon was grey"]
        assert (await work.do("memory_agent", "forget", conversation_id="talk")).forgotten == 1

    run_on(test)


ONE = Workflow("one", (Step("a", "doc_store", "search", {"query": "x"}),))
COMMISSION = Commission(Caller("ann"), "c1")


class Clock:
    """Wall time to set; monotonic time is the loop's."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def wall_s(self) -> float:
        return self.now_s

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


def engine(work: TestWork, clock: Clock, holder: str, called: list[str], until: asyncio.Event | None = None) -> WorkflowEngine:
    async def call(service: str, operation: str, body: JsonObject, commission: Commission, deadline_s: float) -> JsonObject:
        called.append(f"{holder} {body['query']}")
        if until is not None:
            await until.wait()
        return {"result": {"found": body["query"]}, "mode": "embedded"}

    return WorkflowEngine(work.store, clock, holder, lambda: work.settings, call, lambda caller: caller.id != "gone")


def test_a_run_whose_process_died_is_taken_up_by_one_other(run_on: Runner) -> None:
    async def test(work: TestWork) -> None:
        clock, called = Clock(), list[str]()
        run = Run("01" + "A" * 24, ONE, {}, COMMISSION)
        await work.store.write(lambda connection: runs.begin(connection, run, clock.now_s, "dead", clock.now_s + 15))
        living = [engine(work, clock, name, called) for name in ("left", "right")]
        assert [await each.take_up() for each in living] == [0, 0], "its lease is not over yet"
        clock.now_s += 16
        assert sum(await asyncio.gather(*(each.take_up() for each in living))) == 1
        await asyncio.gather(*(each.wait(run.run_id, 60) for each in living))
        assert len(called) == 1
        assert (await living[0].record(run.run_id, "ann")).status == "succeeded"

    run_on(test)


def test_a_run_of_ones_own_that_does_not_run_is_taken_up_again(run_on: Runner) -> None:
    async def test(work: TestWork) -> None:
        clock, called, until = Clock(), list[str](), asyncio.Event()
        run = Run("01" + "D" * 24, ONE, {}, COMMISSION)
        await work.store.write(lambda connection: runs.begin(connection, run, clock.now_s, "me", clock.now_s + 15))
        living = engine(work, clock, "me", called, until)
        other = await living.start(ONE, {}, COMMISSION)
        await living._renew(clock.now_s + 100)
        clock.now_s += 16
        assert await living.take_up() == 1
        assert await living.take_up() == 0, "both run"
        until.set()
        for run_id in (run.run_id, other):
            await living.wait(run_id, 60)
            assert (await living.record(run_id, "ann")).status == "succeeded"
        assert len(called) == 2

    run_on(test)


def test_a_stored_step_is_not_run_again(run_on: Runner) -> None:
    async def test(work: TestWork) -> None:
        clock, called = Clock(), list[str]()
        two = Workflow("two", (*ONE.steps, Step("b", "doc_store", "search", {"query": "${steps.a.result.found}"})))
        run = Run("01" + "B" * 24, two, {}, COMMISSION)
        done = runs.StepRecord(id="a", service="doc_store", operation="search", status="succeeded", result={"found": "kept"})
        await work.store.write(lambda connection: runs.begin(connection, run, clock.now_s, "dead", 0.0))
        await work.store.write(lambda connection: runs.note_steps(connection, run.run_id, [done]))
        living = engine(work, clock, "me", called)
        assert await living.take_up() == 1
        await living.wait(run.run_id, 60)
        assert called == ["me kept"]

    run_on(test)


def test_a_failure_of_the_database_does_not_repeat_what_was_to_be_stored(run_on: Runner) -> None:
    async def test(work: TestWork) -> None:
        step = runs.StepRecord(id="a", service="doc_store", operation="search", status="succeeded", result="plumtrace")
        await work.store.write(lambda connection: runs.note_steps(connection, "r", [step]))
        with pytest.raises(IntegrityError) as failure:
            await work.store.write(lambda connection: runs.note_steps(connection, "r", [step]))
        assert "plumtrace" not in str(failure.value)

    run_on(test)


def test_who_may_not_call_any_more_has_nothing_run(run_on: Runner) -> None:
    async def test(work: TestWork) -> None:
        clock, called = Clock(), list[str]()
        run = Run("01" + "C" * 24, ONE, {}, Commission(Caller("gone"), "c1"))
        await work.store.write(lambda connection: runs.begin(connection, run, clock.now_s, "dead", 0.0))
        living = engine(work, clock, "me", called)
        await living.take_up()
        await living.wait(run.run_id, 60)
        assert called == []
        assert (await living.record(run.run_id, "gone")).status == "failed"

    run_on(test)


def test_cancelling_and_stopping(run_on: Runner) -> None:
    async def test(work: TestWork) -> None:
        clock, called, never = Clock(), list[str](), asyncio.Event()
        living = engine(work, clock, "me", called, never)
        cancelled, left = [await living.start(ONE, {}, COMMISSION) for _ in range(2)]
        assert (await living.cancel(cancelled, "ann")).status == "cancelled"
        assert (await living.record(left, "ann")).status == "running"
        await living.stop()
        assert (await living.record(left, "ann")).status == "running", "who starts next goes on with it"
        heir = engine(work, clock, "heir", called)
        assert await heir.take_up() == 1, "at once: the lease was given back"
        await heir.wait(left, 60)
        assert (await heir.record(left, "ann")).status == "succeeded"
        clock.now_s += 31 * DAY_S
        assert await work.store.write(lambda connection: runs.forget_before(connection, clock.now_s - 30 * DAY_S)) == 2
        assert await heir.records("ann") == []

    run_on(test)
