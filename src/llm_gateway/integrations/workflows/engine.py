"""Runs workflows: steps as soon as what they need has ended, side by side where they may, each finished one stored.

A run belongs to the process that holds its lease. A process that dies leaves the lease to end; then another process, or the same
one started again, takes the run up after its last stored step. A step that was under way when the process died is run again: one
that was stored never is.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from os import urandom
from typing import Final

import msgspec
import structlog

from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import InvalidRequest, LLMGatewayError, NotFound, Overloaded
from llm_gateway.core.exchange import Caller
from llm_gateway.core.ids import ulid
from llm_gateway.core.settings import IntegrationSettings
from llm_gateway.core.types import Json, JsonObject
from llm_gateway.integrations.workflows import runs
from llm_gateway.integrations.workflows.model import Step, Workflow, filled, needs_of
from llm_gateway.integrations.workflows.runs import Commission, Run, RunRecord, RunStatus, StepRecord
from llm_gateway.stores.sql import SqlStore

_log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode

MAX_RESULT_BYTES: Final = 1 << 20
"""Largest result of a step that is stored; a larger one fails the step."""
HOUSEKEEPING: Final = 3
"""How many times within a lease it is renewed."""
DAY_S: Final = 86_400.0

StepCall = Callable[[str, str, JsonObject, Commission, float], Awaitable[JsonObject]]
"""Runs one operation for a commission, until a deadline (monotonic seconds); gives its reply document."""
Vouch = Callable[[Caller], bool]
"""Whether the caller behind an old commission may still call."""
Progress = asyncio.Queue[StepRecord | None]
"""Steps as they end; None: the run has ended."""


class HandedOn(Exception):
    """A run is not this carrier's any more: how it ends is for the one to say that has it now."""


class WorkflowEngine:
    """One for each process; outlives reloads. `holder` names this process as no other is named."""

    def __init__(
        self,
        store: SqlStore,
        clock: Clock,
        holder: str,
        settings: Callable[[], IntegrationSettings],
        call: StepCall,
        vouch: Vouch,
    ) -> None:
        self._store = store
        self._clock = clock
        self._holder = holder
        self._settings = settings
        self._call = call
        self._vouch = vouch
        self._running: dict[str, asyncio.Task[None]] = {}
        self._listeners: dict[str, list[Progress]] = {}
        self._handed_on: set[str] = set()
        """Runs whose task is cancelled because another one goes on with them."""
        self._stopping = False

    async def start(self, workflow: Workflow, inputs: JsonObject, commission: Commission) -> str:
        """Begin a run of a workflow that was checked; its id.

        Raises:
            Overloaded: as many run as may.
        """
        settings = self._settings()
        if self._stopping or len(self._running) >= settings.max_runs:
            raise Overloaded("as many workflows run as may run at once (integrations.max_runs)", retry_after_s=1)
        now_s = self._clock.wall_s()
        run = Run(ulid(now_s, urandom), workflow, inputs, commission)
        lease = now_s + settings.run_lease_s
        await self._store.write(lambda connection: runs.begin(connection, run, now_s, self._holder, lease))
        self._launch(run)
        return run.run_id

    def listen(self, run_id: str) -> Progress:
        """The steps of a running run as they end. A run that is not running here has ended for the listener."""
        queue: Progress = asyncio.Queue()
        if run_id in self._running:
            self._listeners.setdefault(run_id, []).append(queue)
        else:
            queue.put_nowait(None)
        return queue

    async def progress(self, run_id: str, left_s: Callable[[], float]) -> AsyncIterator[StepRecord]:
        """The steps of a running run as they end, until it ends or no time is left."""
        queue = self.listen(run_id)
        while (wait_s := left_s()) > 0:
            try:
                async with asyncio.timeout(wait_s):
                    record = await queue.get()
            except TimeoutError:
                return
            if record is None:
                return
            yield record

    async def wait(self, run_id: str, within_s: float) -> None:
        """Wait until a run ends, or the time is up; the run goes on either way."""
        task = self._running.get(run_id)
        if task is not None:
            await asyncio.wait([task], timeout=within_s)

    async def record(self, run_id: str, owner: str) -> RunRecord:
        """A run of the owner's.

        Raises:
            NotFound: there is none.
        """
        found = await self.records(owner, run_id=run_id, limit=1)
        if not found:
            raise NotFound(f"no run {run_id!r}", param="run_id")
        return found[0]

    async def records(self, owner: str, *, run_id: str | None = None, name: str | None = None, limit: int = 50) -> list[RunRecord]:
        """The owner's runs, the newest first."""
        where = runs.runs.c.owner == owner
        if run_id is not None:
            where &= runs.runs.c.run_id == run_id
        if name is not None:
            where &= runs.runs.c.name == name
        now_s = self._clock.wall_s()
        return await self._store.read(lambda connection: runs.records(connection, where, limit, now_s))

    async def cancel(self, run_id: str, owner: str) -> RunRecord:
        """End a run of the owner's; one that has ended stays as it ended.

        Raises:
            NotFound: there is none.
        """
        await self.record(run_id, owner)
        now_s = self._clock.wall_s()
        await self._store.write(lambda connection: runs.finish(connection, run_id, "cancelled", "cancelled by its caller", now_s))
        task = self._running.get(run_id)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        return await self.record(run_id, owner)

    async def keep_house(self) -> None:
        """Renew leases, take up what was left behind, erase what is old. Runs until it is cancelled."""
        erased_s = float("-inf")
        while True:
            settings = self._settings()
            now_s = self._clock.wall_s()
            try:
                await self._renew(now_s + settings.run_lease_s)
                await self.take_up()
                if now_s - erased_s > DAY_S / 24:
                    erased_s = now_s
                    await self._forget_before(now_s - settings.run_days * DAY_S)
            except Exception:  # the next round may find the database again; runs go on meanwhile
                _log.exception("keeping workflow runs failed; it is tried again")
            await asyncio.sleep(settings.run_lease_s / HOUSEKEEPING)

    async def _renew(self, lease_until_s: float) -> None:
        if not self._running:
            return
        here = dict(self._running)
        held = set(await self._store.write(lambda connection: runs.renew(connection, self._holder, here, lease_until_s)))
        for run_id, task in here.items():
            if run_id not in held:  # cancelled through another process, or another process's by now
                task.cancel()

    async def take_up(self) -> int:
        """Go on with runs whose process died; how many."""
        settings = self._settings()
        room = settings.max_runs - len(self._running)
        now_s = self._clock.wall_s()
        if room <= 0 or self._stopping:
            return 0
        here, lease_s = list(self._running), settings.run_lease_s
        if not await self._store.read(lambda connection: runs.stale(connection, here, now_s)):
            return 0
        taken = await self._store.write(lambda connection: runs.claim(connection, self._holder, here, now_s, lease_s, room))
        for run in taken:
            _log.info("a workflow run is taken up again", run_id=run.run_id, workflow=run.workflow.name)
            await self._go_on(run)
        return len(taken)

    async def _go_on(self, run: Run) -> None:
        """Go on with a run that is this process's now."""
        self._launch(run)

    async def _forget_before(self, before_s: float) -> None:
        await self._store.write(lambda connection: runs.forget_before(connection, before_s))

    async def stop(self) -> None:
        """Give up what runs here, so that whoever starts next goes on with it."""
        self._stopping = True
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._close()
        if tasks:
            await self._store.write(lambda connection: runs.release(connection, self._holder))

    async def _close(self) -> None:
        """Nothing runs any more, and nobody else may take it up yet."""

    def _launch(self, run: Run) -> None:
        if run.run_id in self._running:  # taken up while it was on its way here: one task a run
            return
        task = asyncio.create_task(self._run(run), name=f"workflow {run.run_id}")
        self._running[run.run_id] = task
        task.add_done_callback(lambda _: self._over(run.run_id))

    def _over(self, run_id: str) -> None:
        self._running.pop(run_id, None)
        for queue in self._listeners.pop(run_id, []):
            queue.put_nowait(None)

    async def _run(self, run: Run) -> None:
        status: RunStatus = "failed"
        error = ""
        try:
            if not self._vouch(run.commission.caller):
                raise InvalidRequest("the caller who started it may not call any more")
            async with asyncio.timeout(self._settings().run_timeout_s):
                error = await self._steps(run)
            status = "failed" if error else "succeeded"
        except TimeoutError:
            error = f"it took longer than {self._settings().run_timeout_s:g} s (integrations.run_timeout_s)"
        except LLMGatewayError as failure:
            error = failure.message
        except asyncio.CancelledError:
            if self._stopping or run.run_id in self._handed_on:  # it goes on where it is taken up
                raise
            status, error = "cancelled", "cancelled by its caller"
        except HandedOn:
            _log.info("a workflow run goes on elsewhere", run_id=run.run_id, workflow=run.workflow.name)
            raise asyncio.CancelledError from None
        except Exception:
            _log.exception("a workflow run failed", run_id=run.run_id)
            error = "the gateway failed while running it"
        now_s = self._clock.wall_s()
        await self._store.write(lambda connection: runs.finish(connection, run.run_id, status, error, now_s, self._holder))

    async def _steps(self, run: Run) -> str:
        """Run what has not ended yet. What went wrong, "" for nothing."""
        ended = await self._store.read(lambda connection: runs.ended_steps(connection, run.run_id))
        results: dict[str, Json] = {name: result for name, (_, result) in ended.items()}
        broken = next((s.id for s in run.workflow.steps if s.id in ended and ended[s.id][0] == "failed" and s.on_failure == "stop"), "")
        if broken:
            return f"step {broken} failed"
        waiting = {step.id: step for step in run.workflow.steps if step.id not in ended}
        under_way: dict[asyncio.Task[StepRecord], Step] = {}
        deadline_s = self._clock.monotonic_s() + self._settings().run_timeout_s
        try:
            while waiting or under_way:
                self._begin_ready(run, waiting, under_way, results, deadline_s)
                done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                records = [(under_way.pop(task), task.result()) for task in done]
                await self._note(run.run_id, [record for _, record in records])
                for step, record in records:
                    results[step.id] = record.result
                    if record.status == "failed" and step.on_failure == "stop":
                        return f"step {step.id} failed: {record.error}"
        finally:
            for task in under_way:
                task.cancel()
            if under_way:
                await asyncio.gather(*under_way, return_exceptions=True)
        return ""

    def _begin_ready(
        self,
        run: Run,
        waiting: dict[str, Step],
        under_way: "dict[asyncio.Task[StepRecord], Step]",
        results: dict[str, Json],
        deadline_s: float,
    ) -> None:
        room = self._settings().step_concurrency - len(under_way)
        ready = [step for step in waiting.values() if needs_of(step) <= results.keys()]
        for step in ready[: max(0, room)]:
            del waiting[step.id]
            under_way[asyncio.create_task(self._step(run, step, dict(results), deadline_s))] = step

    async def _note(self, run_id: str, records: list[StepRecord]) -> None:
        """Write down how steps ended, and tell who listens."""
        await self._store.write(lambda connection: runs.note_steps(connection, run_id, records))
        self._tell(run_id, records)

    def _tell(self, run_id: str, records: list[StepRecord]) -> None:
        for queue in self._listeners.get(run_id, ()):
            for record in records:
                queue.put_nowait(record)

    async def _step(self, run: Run, step: Step, results: dict[str, Json], deadline_s: float) -> StepRecord:
        started_s, from_s = self._clock.wall_s(), self._clock.monotonic_s()
        record = StepRecord(id=step.id, service=step.service, operation=step.operation, status="succeeded", started=started_s)
        try:
            body = filled(step.input, run.inputs, results, f"steps.{step.id}.input")
            assert isinstance(body, dict)
            reply = await self._call(step.service, step.operation, body, run.commission, deadline_s)
            if len(_encode(reply["result"])) > MAX_RESULT_BYTES:
                raise InvalidRequest(f"its result is larger than {MAX_RESULT_BYTES} bytes")
            record = msgspec.structs.replace(
                record, result=reply["result"], mode=str(reply["mode"]), method=str(reply.get("method") or "")
            )  # fmt: skip
        except LLMGatewayError as failure:
            record = msgspec.structs.replace(record, status="failed", error=f"{failure.error_type}: {failure.message}")
        except Exception:
            _log.exception("a step failed", run_id=run.run_id, step=step.id)
            record = msgspec.structs.replace(record, status="failed", error="internal: the gateway failed while running it")
        return msgspec.structs.replace(record, took=round(self._clock.monotonic_s() - from_s, 6))
