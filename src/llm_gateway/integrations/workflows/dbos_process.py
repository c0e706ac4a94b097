"""DBOS in this process: it sends runs off, keeps each step's outcome the moment it ends, and gives a run back after a crash.

DBOS (https://docs.dbos.dev/python) has one instance a process, and makes itself at home in the event loop that launches it. So it gets a
loop of its own, in a thread of its own: what it asks of PostgreSQL never keeps a request waiting. Steps themselves are run in the
gateway's loop. Nothing is pickled: what DBOS keeps is JSON. Loaded where it is used only.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextvars import copy_context
from threading import Lock, Thread
from typing import Any, Final, TypeVar

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, error
from sqlalchemy import make_url

from llm_gateway.core.errors import Internal
from llm_gateway.integrations.workflows.engine import HandedOn

T = TypeVar("T")
SCHEMA: Final = "llm_gateway_dbos"
"""DBOS's tables, apart from the gateway's and from any other application's."""
VERSION: Final = "1"
"""Of how a run is carried out: runs are given to processes of the same one only."""
CONNECTIONS: Final = 4
CLOSE_S: Final = 10.0

Attend = Callable[["Session"], Coroutine[Any, Any, str]]
"""Carries out a run, in the gateway's loop; what it gives is kept as the workflow's outcome. Cancelled: the run stays open."""


class Session:
    """A run that DBOS has given to this process: its steps, each carried out once and its outcome kept."""

    def __init__(self, run_id: str, steps: Iterable[str], gateway: asyncio.AbstractEventLoop) -> None:
        """Called in the workflow, in DBOS's loop."""
        self.run_id = run_id
        self._gateway = gateway
        self._own = asyncio.get_running_loop()
        # Drawn in the order of the workflow: whatever order they run in, each finds its own outcome again.
        self._reserved = {step: DBOS.reserve_step() for step in steps}
        self._workflow = copy_context()

    async def step(self, step: str, work: Callable[[], Coroutine[Any, Any, str]]) -> str:
        """What `work` gives, which runs in this loop; what it gave before, where DBOS has that.

        Raises:
            HandedOn: DBOS has given the run out again, to another process or to this one.
            Internal: the run was cancelled in DBOS.
        """
        caller = copy_context()

        async def carried_out() -> str:
            return await asyncio.wrap_future(caller.run(asyncio.run_coroutine_threadsafe, work(), self._gateway))

        async def kept() -> str:
            try:
                return await self._reserved[step].run_async({"name": step}, carried_out)
            except error.DBOSWorkflowCancelledError:
                raise Internal("it was cancelled in DBOS") from None
            except error.DBOSWorkflowConflictIDError:
                raise HandedOn from None

        return await asyncio.wrap_future(self._workflow.run(asyncio.run_coroutine_threadsafe, kept(), self._own))


class DbosProcess:
    """DBOS at one database, on behalf of the gateway whose loop is `gateway`."""

    def __init__(self, attend: Attend, gateway: asyncio.AbstractEventLoop) -> None:
        self._attend = attend
        self._gateway = gateway

    def open(self, url: str, executor: str, *, migrate: bool) -> None:
        """Launch it; takes a second the first time. `migrate`: make its tables where they are not there.

        Raises:
            Exception: it cannot be used: whatever it says.
        """
        _serving.begin(self)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="dbos", daemon=True)
        try:
            logging.getLogger("dbos").addHandler(logging.NullHandler())  # or it writes to the terminal by itself
            self._thread.start()
            asyncio.run_coroutine_threadsafe(self._launch(configuration(url, executor, migrate=migrate)), self._loop).result()
        except BaseException:
            self.close()
            raise

    async def _launch(self, config: DBOSConfig) -> None:
        DBOS(config=config)
        DBOS.launch()

    def close(self) -> None:
        """Let go of the runs that are open, for whoever starts next, and end."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end_all(), self._loop).result()
        DBOS.destroy()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_S)
        self._loop.close()
        _serving.end()

    async def _end_all(self) -> None:
        """Let workflows that the gateway has left write down how, and end the others."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            _, late = await asyncio.wait(others, timeout=CLOSE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def begin(self, run_id: str, steps: list[str]) -> None:
        """Send a run off; `attend` is called for it."""

        async def started() -> None:
            with SetWorkflowID(run_id):
                await DBOS.start_workflow_async(carry_out, run_id, steps)

        await self._there(started())

    async def status(self, run_id: str) -> str | None:
        """DBOS's word for how a run fares (PENDING, ENQUEUED, SUCCESS, ERROR, CANCELLED, ...); None: it does not know it."""
        found = await self._there(DBOS.get_workflow_status_async(run_id))
        return found.status if found is not None else None

    async def give_out(self, run_id: str) -> None:
        """Have DBOS give an open run to a process that takes runs: this one, or another."""
        await self._there(DBOS.resume_workflow_async(run_id))

    async def forget(self, run_ids: list[str]) -> None:
        """Erase what DBOS keeps of runs."""
        await self._there(DBOS.delete_workflows_async(run_ids))

    async def _there(self, what: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(what, self._loop))

    async def attend(self, run_id: str, steps: list[str]) -> str:
        """Have the gateway carry a run out; called in the workflow."""
        session = Session(run_id, steps, self._gateway)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._attend(session), self._gateway))


class _Serving:
    """Whom the one DBOS of this process serves."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.whom: DbosProcess | None = None

    def begin(self, process: DbosProcess) -> None:
        with self._lock:
            if self.whom is not None:
                raise Internal("DBOS serves another gateway in this process")
            self.whom = process

    def end(self) -> None:
        with self._lock:
            self.whom = None


_serving: Final = _Serving()


@DBOS.workflow(name="llm_gateway.workflow_run")
async def carry_out(run_id: str, steps: list[str]) -> str:
    """A run, as DBOS keeps it: its id and the names of its steps. What it is about is in the gateway's tables."""
    serving = _serving.whom
    if serving is None:  # it is closing: the run stays open
        raise asyncio.CancelledError
    return await serving.attend(run_id, steps)


def configuration(url: str, executor: str, *, migrate: bool) -> DBOSConfig:
    """How DBOS is set up at the gateway's database."""
    return {
        "name": "llm-gateway",
        "application_version": VERSION,
        "executor_id": executor,
        "system_database_url": address(url),
        "dbos_system_schema": SCHEMA,
        "run_migrations": migrate,
        "sys_db_pool_size": CONNECTIONS,
        # Errors of the database are logged without what was to be written.
        "db_engine_kwargs": {
            "hide_parameters": True,
            "pool_pre_ping": False,  # a connection that has died is found by using it, and DBOS tries again
            "connect_args": {"application_name": "llm-gateway-workflows"},
        },
        "serializer": DBOSPortableJSONSerializer(),
        "use_listen_notify": False,  # runs neither wait for each other nor for messages
        "log_level": "ERROR",
        "enable_otlp": False,
    }


def address(url: str) -> str:
    """The gateway's database URL as psycopg wants it."""
    made = make_url(url).set(drivername="postgresql")
    if "ssl" in made.query:  # asyncpg's word
        made = made.update_query_pairs([("sslmode", str(made.query["ssl"]))]).difference_update_query(["ssl"])
    return made.render_as_string(hide_password=False)


def make_tables(url: str) -> None:
    """Make DBOS's tables at a database, or bring them up to date."""
    logging.getLogger("dbos").addHandler(logging.NullHandler())
    DBOS.migrate(address(url), schema=SCHEMA)
