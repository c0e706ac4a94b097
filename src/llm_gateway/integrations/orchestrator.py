"""orchestrator: workflows of the services' operations: planned, checked, registered, run, and measured."""

from typing import Annotated, Final, Literal, Protocol, cast

import msgspec
from msgspec import Meta

from llm_gateway.core.errors import InvalidRequest, NotFound
from llm_gateway.core.types import Json, JsonObject
from llm_gateway.integrations.language_rules import intents_of, rule_of
from llm_gateway.integrations.port import Asking, Limit, Operation, Outcome, Query, Remote, Result, Work, by_model, by_rules, plain, service
from llm_gateway.integrations.workflows import runs
from llm_gateway.integrations.workflows.built_in import BUILT_IN
from llm_gateway.integrations.workflows.history import PastRun, PastStep, RunFigures, critical_path, figures_of, improved
from llm_gateway.integrations.workflows.model import Workflow, WorkflowName, inputs_of
from llm_gateway.integrations.workflows.planning import Plan, planned, usable
from llm_gateway.integrations.workflows.runs import Commission, RunRecord

_encode = msgspec.json.Encoder().encode
PAST_RUNS: Final = 100
"""Past runs that are looked at."""
STATEFUL: Final = frozenset(
    {("doc_store", "store"), ("doc_store", "delete"), ("prompt_store", "store_prompt"), ("memory_agent", "store_interaction"),
     ("memory_agent", "forget"), ("orchestrator", "register_workflow")}
)  # fmt: skip
"""Operations that change something: their order, and how often they happen, is kept."""
WAIT_S: Final = 25.0
"""How long a call waits for the run that it started, at most."""

RunId = Annotated[str, Meta(pattern=r"^[0-9A-Z]{26}$")]


class Engine(Protocol):
    """What runs workflows."""

    async def start(self, workflow: Workflow, inputs: JsonObject, commission: Commission) -> str: ...
    async def wait(self, run_id: str, within_s: float) -> None: ...
    async def record(self, run_id: str, owner: str) -> RunRecord: ...
    async def records(self, owner: str, *, run_id: str | None = None, name: str | None = None, limit: int = 50) -> list[RunRecord]: ...
    async def cancel(self, run_id: str, owner: str) -> RunRecord: ...


class GenerateRequest(Asking, frozen=True, kw_only=True):
    """What is to be done, in words. `available_services`: only steps of these; names that are no service's are reported."""

    request: Query
    available_services: tuple[str, ...] = ()


class RegisterRequest(Asking, frozen=True, kw_only=True):
    """A workflow to keep under its name; one of the same name is replaced."""

    workflow: Workflow


class Registered(Result, frozen=True, kw_only=True):
    name: str
    steps: int
    inputs: tuple[str, ...]
    replaced: bool


class ExecuteRequest(Asking, frozen=True, kw_only=True):
    """A workflow to run: one that is registered or built in, by name, or one that is given. `wait`: answer when it has ended."""

    name: WorkflowName | None = None
    workflow: Workflow | None = None
    inputs: JsonObject = msgspec.field(default_factory=dict)
    wait: bool = True


class GetWorkflowRequest(Asking, frozen=True, kw_only=True):
    """A run by its id, a workflow by its name, or, with neither, every workflow and the newest runs."""

    run_id: RunId | None = None
    name: WorkflowName | None = None
    limit: Limit = 20


class Workflows(Result, frozen=True, kw_only=True):
    """The workflows that fit, the caller's own first, and their runs, the newest first."""

    workflows: tuple[Workflow, ...]
    runs: tuple[RunRecord, ...]


class RunRequest(Asking, frozen=True, kw_only=True):
    run_id: RunId


class OptimizeRequest(Asking, frozen=True, kw_only=True):
    """A workflow to make faster: by name or as given. `execution_history`: past runs, else those that are stored under its name."""

    name: WorkflowName | None = None
    workflow: Workflow | None = None
    execution_history: Annotated[tuple[PastRun, ...], Meta(max_length=1000)] = ()


class Optimized(Result, frozen=True, kw_only=True):
    """The better workflow (not registered), what was changed, and advice. `saves` is in seconds a run, by the past ones."""

    workflow: Workflow
    changes: tuple[str, ...]
    advice: tuple[str, ...]
    runs_considered: int
    saves: float


class SelectRequest(Asking, frozen=True, kw_only=True):
    """A task; `available_services`: only these."""

    task: Query
    available_services: tuple[str, ...] = ()
    limit: Limit = 5


class Selected(Result, frozen=True, kw_only=True):
    """A service that fits; `score` in [0, 1]."""

    service: str
    operations: tuple[str, ...]
    score: float
    reason: str


class Selection(Result, frozen=True, kw_only=True):
    services: tuple[Selected, ...]
    unavailable: tuple[str, ...]


class AnalyzeRequest(Asking, frozen=True, kw_only=True):
    """Whose runs to look at: of one workflow, of all, or those that are given."""

    name: WorkflowName | None = None
    execution_history: Annotated[tuple[PastRun, ...], Meta(max_length=1000)] = ()


class Analysis(Result, frozen=True, kw_only=True):
    """Figures of past runs; `findings` says what stands out, in words."""

    figures: RunFigures
    critical_path: tuple[str, ...]
    findings: tuple[str, ...]


class StatusRequest(Asking, frozen=True, kw_only=True):
    pass


class Statuses(Result, frozen=True, kw_only=True):
    services: tuple[JsonObject, ...]


def _engine(work: Work) -> Engine:
    return cast(Engine, work.workflows)


async def workflow_named(name: str, work: Work) -> Workflow:
    """The caller's workflow of a name, else the built-in one.

    Raises:
        NotFound: there is none; names those that exist.
    """
    own = await work.store.read(lambda connection: runs.registered(connection, work.owner, None))
    found = next((workflow for workflow in own if workflow.name == name), None) or BUILT_IN.get(name)
    if found is None:
        there = ", ".join([*(workflow.name for workflow in own), *BUILT_IN])
        raise NotFound(f"no workflow {name!r}; there are {there}", param="name")
    return found


async def _meant(name: str | None, given: Workflow | None, work: Work) -> Workflow:
    if (name is None) == (given is None):
        raise InvalidRequest("workflow: expected either a workflow, or the name of one", param="workflow")
    workflow = given if given is not None else await workflow_named(name or "", work)
    work.check_workflow(workflow)
    return workflow


async def generate_workflow(asked: GenerateRequest, work: Work) -> Outcome:
    """A workflow for a request; it is neither registered nor run."""
    return await planned(asked.request, asked.available_services, work)


async def register_workflow(asked: RegisterRequest, work: Work) -> Outcome:
    """Keep a workflow under its name."""
    workflow, owner, now_s = asked.workflow, work.owner, work.now_s
    work.check_workflow(workflow)
    replaced = await work.store.write(lambda connection: runs.register(connection, owner, workflow, now_s))
    return plain(Registered(name=workflow.name, steps=len(workflow.steps), inputs=inputs_of(workflow), replaced=replaced))


async def execute_workflow(asked: ExecuteRequest, work: Work) -> Outcome:
    """Run a workflow. It goes on when the caller leaves or the wait is over: get_workflow shows how it ended."""
    workflow = await _meant(asked.name, asked.workflow, work)
    missing = [name for name in inputs_of(workflow) if name not in asked.inputs]
    if missing:
        raise InvalidRequest(f"inputs.{missing[0]}: the workflow {workflow.name!r} needs it", param=f"inputs.{missing[0]}")
    engine = _engine(work)
    run_id = await engine.start(workflow, asked.inputs, cast(Commission, work.commission()))
    if asked.wait:
        await engine.wait(run_id, min(work.left_s, WAIT_S))
    return plain(await engine.record(run_id, work.owner))


async def get_workflow(asked: GetWorkflowRequest, work: Work) -> Outcome:
    """Workflows and runs."""
    engine = _engine(work)
    if asked.run_id is not None:
        return plain(Workflows(workflows=(), runs=(await engine.record(asked.run_id, work.owner),)))
    if asked.name is not None:
        found = (await workflow_named(asked.name, work),)
    else:
        own = await work.store.read(lambda connection: runs.registered(connection, work.owner, None))
        found = (*own, *(workflow for name, workflow in BUILT_IN.items() if name not in {kept.name for kept in own}))  # type: ignore[assignment]
    past = await engine.records(work.owner, name=asked.name, limit=asked.limit)
    return plain(Workflows(workflows=found, runs=tuple(past)))


async def cancel_run(asked: RunRequest, work: Work) -> Outcome:
    """End a run."""
    return plain(await _engine(work).cancel(asked.run_id, work.owner))


async def _past(name: str | None, given: tuple[PastRun, ...], work: Work) -> tuple[PastRun, ...]:
    if given:
        return given
    found = await _engine(work).records(work.owner, name=name, limit=PAST_RUNS)
    return tuple(
        PastRun(run.status, run.took, tuple(PastStep(step.id, step.status, step.took) for step in run.steps))
        for run in found
        if run.status != "running"
    )


class _Advice(msgspec.Struct):
    advice: list[str]


async def optimize_workflow(asked: OptimizeRequest, work: Work) -> Outcome:
    """The same work in less time. The steps are changed by rules; a model adds advice."""
    workflow = await _meant(asked.name, asked.workflow, work)
    past = await _past(workflow.name, asked.execution_history, work)
    figures = figures_of(past)
    better, changes = improved(workflow, figures, STATEFUL)
    work.check_workflow(better)
    saves = max(0.0, critical_path(workflow, figures)[1] - critical_path(better, figures)[1])
    result = Optimized(workflow=better, changes=changes, advice=(), runs_considered=len(past), saves=round(saves, 6))
    question = _encode({"workflow": workflow, "figures": figures, "changes_already_made": changes}).decode()
    answer = await work.ask(
        "You advise on workflows. Say in short sentences what else would make this one faster or safer.", question, _Advice
    )
    if answer is None:
        return by_rules(msgspec.structs.replace(result, advice=_findings(workflow, figures)))
    return by_model(msgspec.structs.replace(result, advice=tuple(answer.value.advice)), answer)


class _Chosen(msgspec.Struct):
    service: str
    reason: str


class _Choice(msgspec.Struct):
    services: list[_Chosen]


async def select_services(asked: SelectRequest, work: Work) -> Outcome:
    """The services that fit a task."""
    catalogue, unavailable = usable(work.catalogue(), asked.available_services)
    names = {facts.name: facts for facts in catalogue}
    scores: dict[str, tuple[float, str]] = {}
    for intent in intents_of(asked.task):
        for place, name in enumerate(rule_of(intent.intent).services):
            score = intent.confidence / (1 + place)
            if name in names and score > scores.get(name, (0.0, ""))[0]:
                scores[name] = (score, rule_of(intent.intent).says)
    ranked = sorted(scores.items(), key=lambda item: -item[1][0])[: asked.limit]
    by_hand = tuple(
        Selected(service=name, operations=tuple(names[name].operations), score=round(score, 4), reason=reason)
        for name, (score, reason) in ranked
    )

    chosen_kind = msgspec.defstruct("Chosen", [("service", Literal[tuple(names)] if names else str)], bases=(_Chosen,))
    kind = cast(type[_Choice], msgspec.defstruct("Choice", [("services", list[chosen_kind])], bases=(_Choice,)))  # type: ignore[valid-type]
    system = "You choose the services that a task needs, the most important first; you do not carry it out. There are:\n" + "\n".join(
        f"- {facts.name}: {facts.summary}" for facts in catalogue
    )
    answer = await work.ask(system, asked.task, kind, max_tokens=512)
    if answer is None or not answer.value.services:
        return by_rules(Selection(services=by_hand, unavailable=unavailable))
    chosen = {choice.service: choice.reason for choice in reversed(answer.value.services)}
    order = list(dict.fromkeys(choice.service for choice in answer.value.services))[: asked.limit]
    selected = tuple(
        Selected(service=name, operations=tuple(names[name].operations), score=round(1 / (1 + place), 4), reason=chosen[name])
        for place, name in enumerate(order)
    )
    return by_model(Selection(services=selected, unavailable=unavailable), answer)


async def analyze_performance(asked: AnalyzeRequest, work: Work) -> Outcome:
    """Where the time of past runs went, and what failed."""
    figures = figures_of(await _past(asked.name, asked.execution_history, work))
    workflow = None if asked.name is None else await workflow_named(asked.name, work)
    path = () if workflow is None else critical_path(workflow, figures)[0]
    return plain(Analysis(figures=figures, critical_path=path, findings=_findings(workflow, figures)))


def _findings(workflow: Workflow | None, figures: RunFigures) -> tuple[str, ...]:
    if not figures.runs:
        return ("there are no past runs to judge by",)
    findings = []
    slowest = next((step for step in figures.steps if step.id == figures.bottleneck), None)
    if slowest is not None and len(figures.steps) > 1:
        findings.append(f"{slowest.id} takes {slowest.share:.0%} of the time of all steps ({slowest.mean:.3f} s on average)")
    findings += [f"{step.id} failed in {step.failure_rate:.0%} of its runs" for step in figures.steps if step.failure_rate > 0]
    if workflow is not None and len(workflow.steps) > 1:
        path, length_s = critical_path(workflow, figures)
        findings.append(f"a run cannot be shorter than {' → '.join(path)}: {length_s:.3f} s")
    return tuple(findings)


async def get_service_status(asked: StatusRequest, work: Work) -> Outcome:
    """How every integrated service fares."""
    return plain(Statuses(services=tuple(await work.service_status())))


def _remote_run(asked: ExecuteRequest) -> JsonObject:
    named: JsonObject = {"name": asked.name} if asked.name is not None else {}
    given: JsonObject = {"workflow": msgspec.to_builtins(asked.workflow)} if asked.workflow is not None else {}
    return {**named, **given, "inputs": asked.inputs}


def _remote_services(answer: Json, _: StatusRequest) -> Statuses:
    found = answer.get("services") if isinstance(answer, dict) else answer
    if isinstance(found, dict):
        found = [{"service": name, **(value if isinstance(value, dict) else {"status": value})} for name, value in found.items()]
    return Statuses(services=msgspec.convert(found, tuple[JsonObject, ...]))


SERVICE = service(
    "orchestrator",
    "Workflows of the services' operations.",
    Operation("generate_workflow", "Plan a workflow for a request in words", GenerateRequest, Plan, generate_workflow, asks_model=True),
    Operation("register_workflow", "Keep a workflow under its name", RegisterRequest, Registered, register_workflow, stateful=True),
    Operation(
        "execute_workflow", "Run a workflow", ExecuteRequest, RunRecord, execute_workflow,
        stateful=True, remote=Remote("POST /workflows/run", _remote_run),
    ),
    Operation("get_workflow", "Workflows and runs, by name or id", GetWorkflowRequest, Workflows, get_workflow, stateful=True),
    Operation("cancel_run", "End a run", RunRequest, RunRecord, cancel_run, stateful=True),
    Operation(
        "optimize_workflow", "The same work in less time, by past runs", OptimizeRequest, Optimized, optimize_workflow, asks_model=True
    ),
    Operation("select_services", "The services that fit a task", SelectRequest, Selection, select_services, asks_model=True),
    Operation("analyze_performance", "Where the time of past runs went", AnalyzeRequest, Analysis, analyze_performance, stateful=True),
    Operation(
        "get_service_status", "How every integrated service fares", StatusRequest, Statuses, get_service_status,
        remote=Remote("GET /services", None, _remote_services),
    ),
)  # fmt: skip
