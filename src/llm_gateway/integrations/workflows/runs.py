"""What is kept of workflows and their runs: the registered ones, each run, and each step that has ended."""

from collections.abc import Collection, Sequence
from typing import Final, Literal

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

from llm_gateway.core.exchange import Caller
from llm_gateway.core.types import Json, JsonObject, SecurityLevel
from llm_gateway.integrations.port import Result
from llm_gateway.integrations.workflows.model import Workflow
from llm_gateway.stores.sql import metadata

workflows = Table(
    "workflows",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("owner", String(256), nullable=False),
    Column("name", String(128), nullable=False),
    Column("document", Text, nullable=False),
    Column("created_s", Float, nullable=False),
    UniqueConstraint("owner", "name", name="workflows_by_owner"),
)
runs = Table(
    "workflow_runs",
    metadata,
    Column("run_id", String(40), primary_key=True),
    Column("owner", String(256), nullable=False),
    Column("name", String(128), nullable=False),
    Column("workflow", Text, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("commission", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("error", Text, nullable=False, default=""),
    Column("started_s", Float, nullable=False),
    Column("finished_s", Float),
    Column("holder", String(64), nullable=False),
    Column("lease_until_s", Float, nullable=False),
    Index("workflow_runs_by_owner", "owner", "run_id"),
    Index("workflow_runs_by_status", "status", "lease_until_s"),
)
steps = Table(
    "workflow_steps",
    metadata,
    Column("run_id", String(40), primary_key=True),
    Column("step_id", String(64), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("method", String(16), nullable=False),
    Column("result", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("started_s", Float, nullable=False),
    Column("took_s", Float, nullable=False),
)

RunStatus = Literal["running", "succeeded", "failed", "cancelled"]
StepStatus = Literal["waiting", "succeeded", "failed", "skipped"]
ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})

_encode = msgspec.json.Encoder().encode


class Commission(msgspec.Struct, frozen=True):
    """On whose behalf a run works: kept with it, so that it can go on after a restart. Holds no key and no token."""

    caller: Caller
    correlation_id: str
    minimum_level: SecurityLevel | None = None


class StepRecord(Result, frozen=True, kw_only=True):
    """A step of a run. `took` in seconds; `method` is `llm` or `rules` where the operation may ask a model."""

    id: str
    service: str
    operation: str
    status: StepStatus
    mode: str = ""
    method: str = ""
    result: Json = None
    error: str = ""
    started: float | None = None
    took: float = 0.0


class RunRecord(Result, frozen=True, kw_only=True):
    """A run. Times in Unix seconds, `took` in seconds (so far, while it runs)."""

    run_id: str
    name: str
    status: RunStatus
    error: str
    started: float
    finished: float | None
    took: float
    steps: tuple[StepRecord, ...]


class Run(msgspec.Struct, frozen=True):
    """A run as the engine takes it up."""

    run_id: str
    workflow: Workflow
    inputs: JsonObject
    commission: Commission


def register(connection: Connection, owner: str, workflow: Workflow, now_s: float) -> bool:
    """Keep a workflow under its name; whether it replaced another."""
    mine = (workflows.c.owner == owner) & (workflows.c.name == workflow.name)
    values = {"document": _encode(workflow).decode(), "created_s": now_s}
    if connection.execute(update(workflows).where(mine).values(**values)).rowcount:
        return True
    connection.execute(insert(workflows).values(owner=owner, name=workflow.name, **values))
    return False


def registered(connection: Connection, owner: str, name: str | None) -> list[Workflow]:
    """The caller's workflows, or the one of a name."""
    query = select(workflows.c.document).where(workflows.c.owner == owner).order_by(workflows.c.name)
    if name is not None:
        query = query.where(workflows.c.name == name)
    return [msgspec.json.decode(document, type=Workflow) for document in connection.scalars(query)]


def begin(connection: Connection, run: Run, now_s: float, holder: str, lease_until_s: float) -> None:
    """Write down that a run has begun."""
    connection.execute(
        insert(runs).values(
            run_id=run.run_id,
            owner=run.commission.caller.id,
            name=run.workflow.name,
            workflow=_encode(run.workflow).decode(),
            inputs=_encode(run.inputs).decode(),
            commission=_encode(run.commission).decode(),
            status="running",
            error="",
            started_s=now_s,
            holder=holder,
            lease_until_s=lease_until_s,
        )
    )


def note_steps(connection: Connection, run_id: str, records: Sequence[StepRecord]) -> None:
    """Write down how steps ended."""
    rows = [
        {
            "run_id": run_id,
            "step_id": record.id,
            "status": record.status,
            "mode": record.mode,
            "method": record.method,
            "result": _encode(record.result).decode(),
            "error": record.error,
            "started_s": record.started or 0.0,
            "took_s": record.took,
        }
        for record in records
    ]
    connection.execute(insert(steps), rows)


def finish(connection: Connection, run_id: str, status: RunStatus, error: str, now_s: float, holder: str | None = None) -> bool:
    """Write down how a run ended; False where it had ended already, or `holder` does not hold it any more."""
    open_run = (runs.c.run_id == run_id) & (runs.c.status == "running")
    if holder is not None:
        open_run &= runs.c.holder == holder
    return bool(connection.execute(update(runs).where(open_run).values(status=status, error=error, finished_s=now_s)).rowcount)


def ended_steps(connection: Connection, run_id: str) -> dict[str, tuple[StepStatus, Json]]:
    """Of a run, each step that has ended, with its result."""
    rows = connection.execute(select(steps.c.step_id, steps.c.status, steps.c.result).where(steps.c.run_id == run_id))
    return {row.step_id: (row.status, msgspec.json.decode(row.result)) for row in rows}


def stale(connection: Connection, here: Collection[str], now_s: float) -> bool:
    """Whether there are runs to take up, but for those that run `here`: asked often, so without a write."""
    return connection.scalar(select(runs.c.run_id).where(_stale(here, now_s)).limit(1)) is not None


def _stale(here: Collection[str], now_s: float) -> "ColumnElement[bool]":
    return (runs.c.status == "running") & (runs.c.lease_until_s < now_s) & runs.c.run_id.not_in(here)


def claim(connection: Connection, holder: str, here: Collection[str], now_s: float, lease_s: float, most: int) -> list[Run]:
    """Take up runs whose holder has let go of them, or has died: its lease is over."""
    taken, lease_until_s = [], now_s + lease_s
    for row in connection.execute(select(runs).where(_stale(here, now_s)).order_by(runs.c.run_id).limit(most)).all():
        # Another process may have been faster: only one of them finds the lease as it was.
        mine = (runs.c.run_id == row.run_id) & (runs.c.holder == row.holder) & (runs.c.lease_until_s == row.lease_until_s)
        if connection.execute(update(runs).where(mine).values(holder=holder, lease_until_s=lease_until_s)).rowcount:
            taken.append(_run(row))
    return taken


def renew(connection: Connection, holder: str, here: Collection[str], lease_until_s: float) -> list[str]:
    """Keep those of the runs `here` that are still this process's; their ids."""
    mine = (runs.c.status == "running") & (runs.c.holder == holder) & runs.c.run_id.in_(here)
    connection.execute(update(runs).where(mine).values(lease_until_s=lease_until_s))
    return list(connection.scalars(select(runs.c.run_id).where(mine)))


def hold(connection: Connection, run_id: str, holder: str, lease_until_s: float) -> Run | None:
    """Make an open run this process's, whoever held it; None: it has ended."""
    mine = (runs.c.run_id == run_id) & (runs.c.status == "running")
    if not connection.execute(update(runs).where(mine).values(holder=holder, lease_until_s=lease_until_s)).rowcount:
        return None
    return _run(connection.execute(select(runs).where(mine)).one())


def release(connection: Connection, holder: str) -> None:
    """Let go of the runs of this process: whoever starts next takes them up at once."""
    mine = (runs.c.status == "running") & (runs.c.holder == holder)
    connection.execute(update(runs).where(mine).values(holder="", lease_until_s=0.0))


def ended_before(connection: Connection, before_s: float) -> list[str]:
    """The runs that ended earlier."""
    return list(connection.scalars(select(runs.c.run_id).where(runs.c.finished_s < before_s)))


def forget_before(connection: Connection, before_s: float) -> int:
    """Erase the records of runs that ended earlier."""
    old = select(runs.c.run_id).where(runs.c.finished_s < before_s)
    connection.execute(delete(steps).where(steps.c.run_id.in_(old)))
    return int(connection.execute(delete(runs).where(runs.c.finished_s < before_s)).rowcount)


def records(connection: Connection, where: "ColumnElement[bool]", limit: int, now_s: float) -> list[RunRecord]:
    """Runs with their steps, the newest first."""
    found = connection.execute(select(runs).where(where).order_by(runs.c.run_id.desc()).limit(limit)).all()
    ids = [row.run_id for row in found]
    ended: dict[str, dict[str, Row[tuple[object, ...]]]] = {name: {} for name in ids}
    for step in connection.execute(select(steps).where(steps.c.run_id.in_(ids))):
        ended[step.run_id][step.step_id] = step
    return [_record(row, ended[row.run_id], now_s) for row in found]


def _run(row: "Row[tuple[object, ...]]") -> Run:
    kept = row._mapping
    return Run(
        kept["run_id"],
        msgspec.json.decode(kept["workflow"], type=Workflow),
        msgspec.json.decode(kept["inputs"], type=JsonObject),
        msgspec.json.decode(kept["commission"], type=Commission),
    )


def _record(row: "Row[tuple[object, ...]]", ended: "dict[str, Row[tuple[object, ...]]]", now_s: float) -> RunRecord:
    kept = row._mapping
    workflow = msgspec.json.decode(kept["workflow"], type=Workflow)
    over = kept["status"] in ENDED
    shown = []
    for step in workflow.steps:
        record = StepRecord(id=step.id, service=step.service, operation=step.operation, status="skipped" if over else "waiting")
        if step.id in ended:
            found = ended[step.id]._mapping
            record = msgspec.structs.replace(
                record,
                status=found["status"],
                mode=found["mode"],
                method=found["method"],
                result=msgspec.json.decode(found["result"]),
                error=found["error"],
                started=found["started_s"],
                took=found["took_s"],
            )
        shown.append(record)
    finished = kept["finished_s"]
    return RunRecord(
        run_id=kept["run_id"],
        name=kept["name"],
        status=kept["status"],
        error=kept["error"],
        started=kept["started_s"],
        finished=finished,
        took=round((finished if finished is not None else now_s) - kept["started_s"], 6),
        steps=tuple(shown),
    )
