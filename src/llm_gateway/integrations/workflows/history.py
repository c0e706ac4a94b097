"""What past runs say of a workflow: where the time goes, what fails, and what could be done side by side. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from llm_gateway.core.types import JsonObject
from llm_gateway.integrations.workflows.model import Step, Workflow, needs_of, references

FLAKY: Final = 0.2
"""Share of failures from which a step counts as one that cannot be relied on."""
_encode = msgspec.json.Encoder(order="deterministic").encode


class PastStep(msgspec.Struct, frozen=True):
    """A step of a past run, as callers may hand it over. `took` in seconds."""

    id: str
    status: str = "succeeded"
    took: float = 0.0


class PastRun(msgspec.Struct, frozen=True):
    """A past run. Fields that are not named here are passed over: callers hand over what they kept."""

    status: str = "succeeded"
    took: float = 0.0
    steps: tuple[PastStep, ...] = ()


class StepFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One step over all runs. Times in seconds; `failure_rate` and `share` (of the time of all steps) are fractions."""

    id: str
    runs: int
    mean: float
    p95: float
    failure_rate: float
    share: float


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """All runs together."""

    runs: int
    failure_rate: float
    mean: float
    p95: float
    bottleneck: str | None
    steps: tuple[StepFigures, ...]


def figures_of(past: Sequence[PastRun]) -> RunFigures:
    """What the runs add up to; the bottleneck is the step that took the most time."""
    by_step: dict[str, list[PastStep]] = {}
    for run in past:
        for step in run.steps:
            if step.status in {"succeeded", "failed"}:
                by_step.setdefault(step.id, []).append(step)
    total = sum(step.took for found in by_step.values() for step in found) or 1.0
    steps = tuple(
        StepFigures(
            id=name,
            runs=len(found),
            mean=round(sum(step.took for step in found) / len(found), 6),
            p95=round(_p95([step.took for step in found]), 6),
            failure_rate=round(sum(step.status == "failed" for step in found) / len(found), 4),
            share=round(sum(step.took for step in found) / total, 4),
        )
        for name, found in by_step.items()
    )
    times = [run.took for run in past]
    return RunFigures(
        runs=len(past),
        failure_rate=round(sum(run.status == "failed" for run in past) / len(past), 4) if past else 0.0,
        mean=round(sum(times) / len(times), 6) if times else 0.0,
        p95=round(_p95(times), 6) if times else 0.0,
        bottleneck=max(steps, key=lambda step: step.share).id if steps else None,
        steps=steps,
    )


def _p95(times: list[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.95))]


def critical_path(workflow: Workflow, figures: RunFigures) -> tuple[tuple[str, ...], float]:
    """The steps that decide how long a run takes, in order, and their mean time together."""
    took = {step.id: step.mean for step in figures.steps}
    best: dict[str, tuple[float, tuple[str, ...]]] = {}
    waiting = {step.id: needs_of(step) for step in workflow.steps}
    while waiting:
        ready = [name for name, needs in waiting.items() if needs <= best.keys()]
        for name in ready:
            before = max((best[need] for need in waiting.pop(name)), default=(0.0, ()))
            best[name] = (before[0] + took.get(name, 0.0), (*before[1], name))
    length, path = max(best.values(), default=(0.0, ()))
    return path, length


def improved(workflow: Workflow, figures: RunFigures, stateful: frozenset[tuple[str, str]]) -> tuple[Workflow, tuple[str, ...]]:
    """The same work in less time, and what was changed, in words.

    Waiting for a step whose result is not used is dropped where neither changes anything, equal steps become one, and a step that
    often fails and whose result nobody needs no longer ends the run.
    """
    changes: list[str] = []
    kept: dict[bytes, Step] = {}
    renamed: dict[str, str] = {}
    for step in workflow.steps:
        key = _encode((step.service, step.operation, step.input))
        twin = kept.get(key)
        if twin is not None and (step.service, step.operation) not in stateful:
            renamed[step.id] = twin.id
            changes.append(f"{step.id} does what {twin.id} does: one step does it for both")
        else:
            kept[key if twin is None else key + step.id.encode()] = step
    harmless = {step.id for step in kept.values() if (step.service, step.operation) not in stateful}
    rates = {step.id: step.failure_rate for step in figures.steps}
    steps = [_with_names(step, renamed) for step in kept.values()]
    needed = {need for step in steps for need in needs_of(step)}
    better = []
    for old in steps:
        step = old
        used = {found.root for found in references(step.input, "input") if found.kind == "steps"}
        idle = [need for need in step.depends_on if need in harmless and step.id in harmless and need not in used]
        if idle:
            changes.append(f"{step.id} no longer waits for {', '.join(idle)}, whose result it does not use")
            step = msgspec.structs.replace(step, depends_on=tuple(need for need in step.depends_on if need not in idle))
        if rates.get(step.id, 0.0) >= FLAKY and step.on_failure == "stop" and step.id not in needed:
            changes.append(f"{step.id} failed in {rates[step.id]:.0%} of its runs and nothing needs it: it no longer ends the run")
            step = msgspec.structs.replace(step, on_failure="continue")
        better.append(step)
    return msgspec.structs.replace(workflow, steps=tuple(better)), tuple(changes)


def _with_names(step: Step, renamed: dict[str, str]) -> Step:
    if not renamed:
        return step
    text = _encode(step.input).decode()
    for old, new in renamed.items():
        text = text.replace(f"${{steps.{old}.", f"${{steps.{new}.")
    depends_on = tuple(dict.fromkeys(renamed.get(need, need) for need in step.depends_on if renamed.get(need, need) != step.id))
    return msgspec.structs.replace(step, input=msgspec.json.decode(text, type=JsonObject), depends_on=depends_on)
