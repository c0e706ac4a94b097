"""The engine of a gateway at PostgreSQL with the extra `workflows`: DBOS carries the runs out.

DBOS says which process carries out a run, keeps the outcome of each step the moment it ends, and gives a run on after a crash; a step whose
outcome it has is not run again. What callers see of a run stays in the gateway's tables, whichever engine carries it out, so either can
go on with what the other began. That a process died shows by the leases there: DBOS itself leaves that to its Conductor.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Protocol, cast

import msgspec
import structlog

from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.core.settings import IntegrationSettings, StorageSettings
from llm_gateway.core.types import Json
from llm_gateway.integrations.workflows import runs
from llm_gateway.integrations.workflows.engine import StepCall, Vouch, WorkflowEngine
from llm_gateway.integrations.workflows.model import Step
from llm_gateway.integrations.workflows.runs import Run, StepRecord
from llm_gateway.stores.sql import SqlStore

_log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode
_record_decoder: Final = msgspec.json.Decoder(StepRecord)
OVER: Final = frozenset({"SUCCESS", "ERROR"})
"""DBOS's words for a run that it will not carry out again."""
ARRIVAL_S: Final = 30.0
"""How long a run that was sent off may take to arrive."""
NOTE_EVERY_S: Final = 0.1
"""How late the record of a running run may be."""


class Session(Protocol):
    """A run that DBOS has given to this process."""

    run_id: str

    async def step(self, step: str, work: Callable[[], Coroutine[Any, Any, str]]) -> str: ...


class Process(Protocol):
    """DBOS in this process."""

    def open(self, url: str, executor: str, *, migrate: bool) -> None: ...
    def close(self) -> None: ...
    def begin(self, run_id: str, steps: list[str]) -> Awaitable[None]: ...
    def status(self, run_id: str) -> Awaitable[str | None]: ...
    def give_out(self, run_id: str) -> Awaitable[None]: ...
    def forget(self, run_ids: list[str]) -> Awaitable[None]: ...


class _Notes:
    """How the steps of a run ended, written down some at a time: DBOS has it already, so nothing but the run's end waits for it."""

    def __init__(self, store: SqlStore, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._pending: list[StepRecord] = []
        self._over = asyncio.Event()
        self._task = asyncio.create_task(self._write())

    def add(self, records: list[StepRecord]) -> None:
        self._pending += records

    async def _write(self) -> None:
        over = False
        while not over:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NOTE_EVERY_S):
                    over = await self._over.wait()
            records, self._pending = self._pending, []
            if records:
                await self._store.write(lambda connection, records=records: runs.note_steps(connection, self._run_id, records))  # type: ignore[misc]

    async def close(self) -> None:
        """Write the rest, at once."""
        self._over.set()
        await self._task


class DbosEngine(WorkflowEngine):
    """The workflow engine on DBOS, which is loaded with the first run. Where it cannot be used, runs are carried out without it."""

    def __init__(
        self,
        store: SqlStore,
        clock: Clock,
        holder: str,
        settings: Callable[[], IntegrationSettings],
        call: StepCall,
        vouch: Vouch,
        *,
        storage: StorageSettings,
    ) -> None:
        super().__init__(store, clock, holder, settings, call, vouch)
        self._storage = storage
        self._opening = asyncio.Lock()
        self._process: Process | None = None
        self._unusable = False
        self._expected: dict[str, asyncio.Future[Session]] = {}
        """Runs that were sent off here and have not arrived yet."""
        self._sessions: dict[str, Session | None] = {}
        """Of the runs that run here; None: DBOS has no part in it."""
        self._notes: dict[str, _Notes] = {}
        self._arrives_by_s: dict[str, float] = {}
        """Runs that this process has given out and that do not run in it yet, and until when they are waited for (monotonic seconds)."""
        self._attending: set[asyncio.Task[Any]] = set()

    async def _close(self) -> None:
        if self._attending:
            await asyncio.wait(self._attending)
        async with self._opening:
            if self._process is not None:
                await asyncio.to_thread(self._process.close)

    async def _ready(self) -> Process | None:
        """DBOS, launched; None: it cannot be used."""
        async with self._opening:
            if self._process is None and not self._unusable and not self._stopping:
                try:
                    self._process = await asyncio.to_thread(self._open, asyncio.get_running_loop())
                except Exception as failure:  # whatever it is, workflows run without it
                    self._unusable = True
                    _log.error(
                        "DBOS cannot be used, and the gateway runs workflows by itself: `llm-gateway migrate` makes DBOS's tables",
                        problem=f"{type(failure).__name__}: {failure}".splitlines()[0],
                    )
            return self._process

    def _open(self, loop: asyncio.AbstractEventLoop) -> Process:
        module = import_module("llm_gateway.integrations.workflows.dbos_process")
        process = cast(Process, module.DbosProcess(self._attend, loop))
        process.open(self._storage.database_url.get_secret_value(), self._holder, migrate=self._storage.auto_migrate)
        return process

    async def _go_on(self, run: Run) -> None:
        process = await self._ready()
        known = await process.status(run.run_id) if process is not None else None
        if not await self._is_left(run.run_id):
            return
        if process is None or known in OVER:
            self._sessions[run.run_id] = None
            self._launch(run)
        elif known is None:
            self._launch(run)
        elif known == "CANCELLED":
            now_s = self._clock.wall_s()
            await self._store.write(lambda connection: runs.finish(connection, run.run_id, "cancelled", "cancelled in DBOS", now_s))
        elif known != "ENQUEUED" and self._is_overdue(run.run_id):
            await process.give_out(run.run_id)

    async def _is_left(self, run_id: str) -> bool:
        """Whether a run that was taken up still waits for somebody: while DBOS answered, it may have come to a process."""
        lease_until_s = self._clock.wall_s() + self._settings().run_lease_s
        held = await self._store.write(lambda connection: runs.renew(connection, self._holder, [run_id], lease_until_s))
        return bool(held) and run_id not in self._running

    def _is_overdue(self, run_id: str) -> bool:
        """Whether to give a run out (again): while it is on its way from the last time, it would be carried out twice at once."""
        now_s = self._clock.monotonic_s()
        self._arrives_by_s = {each: due_s for each, due_s in self._arrives_by_s.items() if due_s > now_s}
        if run_id in self._arrives_by_s:
            return False
        self._arrives_by_s[run_id] = now_s + ARRIVAL_S
        return True

    async def _attend(self, session: Session) -> str:
        """Carry out a run that DBOS gave to this process. Cancelled where the run is to stay open."""
        task = asyncio.current_task()
        assert task is not None
        self._attending.add(task)
        task.add_done_callback(self._attending.discard)
        expected = self._expected.get(session.run_id)
        if expected is not None and not expected.done():
            expected.set_result(session)
        elif self._stopping:
            raise asyncio.CancelledError
        elif self._sessions.get(session.run_id, session) is None:
            return "carried out without DBOS"
        elif not await self._adopted(session):
            return "it had ended"
        running = self._running.get(session.run_id)
        if running is not None:
            await asyncio.wait([running])
            if running.cancelled():
                raise asyncio.CancelledError
        return "ended"

    async def _adopted(self, session: Session) -> bool:
        """Go on with a run that another process left behind; False: it has ended."""
        # On its way until it runs: its lease may be over meanwhile, and it is not to be given out again.
        self._arrives_by_s[session.run_id] = self._clock.monotonic_s() + ARRIVAL_S
        try:
            while True:
                await self._hand_on(session.run_id)
                lease_until_s = self._clock.wall_s() + self._settings().run_lease_s
                run = await self._store.write(partial(runs.hold, run_id=session.run_id, holder=self._holder, lease_until_s=lease_until_s))
                if run is None:
                    return False
                if run.run_id not in self._running:  # or it came here twice, at once
                    self._sessions[run.run_id] = session
                    self._launch(run)
                    return True
        finally:
            self._arrives_by_s.pop(session.run_id, None)

    async def _hand_on(self, run_id: str) -> None:
        """End what this process still does for a run that DBOS has given out again, and leave the run open."""
        stale = self._running.get(run_id)
        if stale is None:
            return
        self._handed_on.add(run_id)
        try:
            stale.cancel()
            await asyncio.wait([stale])
        finally:
            self._handed_on.discard(run_id)

    async def _run(self, run: Run) -> None:
        try:
            if run.run_id not in self._sessions:
                self._sessions[run.run_id] = await self._sent_off(run)
            await super()._run(run)
        finally:
            self._sessions.pop(run.run_id, None)

    async def _sent_off(self, run: Run) -> Session | None:
        """Have DBOS carry out a new run; None: it does not."""
        process = await self._ready()
        if process is None:
            return None
        arrival: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self._expected[run.run_id] = arrival
        try:
            async with asyncio.timeout(ARRIVAL_S):
                await process.begin(run.run_id, [step.id for step in run.workflow.steps])
                return await arrival
        except Exception as failure:
            _log.error("DBOS did not take a run, and the gateway runs it by itself", run_id=run.run_id, problem=type(failure).__name__)
            return None
        finally:
            del self._expected[run.run_id]

    async def _steps(self, run: Run) -> str:
        if self._sessions[run.run_id] is None:
            return await super()._steps(run)
        notes = self._notes[run.run_id] = _Notes(self._store, run.run_id)
        try:
            return await super()._steps(run)
        finally:
            del self._notes[run.run_id]
            await notes.close()

    async def _note(self, run_id: str, records: list[StepRecord]) -> None:
        notes = self._notes.get(run_id)
        if notes is None:
            await super()._note(run_id, records)
        else:
            notes.add(records)
            self._tell(run_id, records)

    async def _step(self, run: Run, step: Step, results: dict[str, Json], deadline_s: float) -> StepRecord:
        session = self._sessions.get(run.run_id)
        if session is None:
            return await super()._step(run, step, results, deadline_s)

        async def work() -> str:
            return _encode(await WorkflowEngine._step(self, run, step, results, deadline_s)).decode()

        return _record_decoder.decode(await session.step(step.id, work))

    async def _forget_before(self, before_s: float) -> None:
        old = await self._store.read(lambda connection: runs.ended_before(connection, before_s))
        process = await self._ready() if old else None
        if process is not None:
            await process.forget(old)
        await super()._forget_before(before_s)


def dbos_carries_out(settings: IntegrationSettings, storage: StorageSettings) -> bool:
    """Whether DBOS is to be the engine: as configured, else where there is PostgreSQL and DBOS.

    Raises:
        ConfigurationError: it is to be, and cannot.
    """
    if settings.workflow_engine == "own":
        return False
    postgres = storage.database_url.get_secret_value().startswith("postgres")
    installed = find_spec("dbos") is not None
    if settings.workflow_engine == "dbos" and not (postgres and installed):
        lacks = "the extra `workflows` (pip install 'llm-gateway[workflows]')" if postgres else "PostgreSQL (storage.database_url)"
        raise ConfigurationError(f"integrations.workflow_engine: dbos needs {lacks}")
    return postgres and installed
