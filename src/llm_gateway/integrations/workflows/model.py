"""A workflow as data, and the checks it must pass before it runs. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import Json, JsonObject
from llm_gateway.integrations.port import Operation, Service

StepId: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
WorkflowName: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,127}$")]
NOT_AS_STEPS: Final = frozenset({("orchestrator", "execute_workflow"), ("orchestrator", "cancel_run")})
"""What a workflow may not do: start or stop workflows."""

_REFERENCE: Final = re.compile(r"\$\{([^${}]{1,256})\}")
_encode = msgspec.json.Encoder().encode


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One operation of one service. `input` may hold `${steps.ID.result.PATH}` and `${inputs.NAME}`; naming a step waits for it.

    `on_failure`: whether the run ends when the step fails, or goes on without its result (null where it is named).
    """

    id: StepId
    service: str
    operation: str
    input: JsonObject = msgspec.field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    on_failure: Literal["stop", "continue"] = "stop"


class Workflow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Steps that depend on each other; those that do not run side by side."""

    name: WorkflowName
    steps: Annotated[tuple[Step, ...], Meta(min_length=1)]
    description: Annotated[str, Meta(max_length=2_000)] = ""


class Reference(msgspec.Struct, frozen=True):
    """`${steps.ID.result.PATH}` (`root` is the step's id) or `${inputs.NAME.PATH}` (`root` is the input's name)."""

    kind: Literal["steps", "inputs"]
    root: str
    path: tuple[str, ...]
    text: str


def reference(inside: str, where: str) -> Reference:
    """The reference between `${` and `}`.

    Raises:
        InvalidRequest: it is none.
    """
    parts = inside.strip().split(".")
    if len(parts) >= 3 and parts[0] == "steps" and parts[2] == "result":
        return Reference("steps", parts[1], tuple(parts[3:]), inside)
    if len(parts) >= 2 and parts[0] == "inputs":
        return Reference("inputs", parts[1], tuple(parts[2:]), inside)
    raise InvalidRequest(f"{where}: ${{{inside}}} is no reference; expected ${{steps.ID.result.PATH}} or ${{inputs.NAME}}", param=where)


def references(value: Json, where: str) -> Iterator[Reference]:
    """Every reference in a step's input."""
    if isinstance(value, str):
        for match in _REFERENCE.finditer(value):
            yield reference(match[1], where)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from references(item, f"{where}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from references(item, f"{where}[{index}]")


def needs_of(step: Step) -> frozenset[str]:
    """The steps that must have ended before this one begins."""
    return frozenset(step.depends_on) | {found.root for found in references(step.input, "input") if found.kind == "steps"}


def inputs_of(workflow: Workflow) -> tuple[str, ...]:
    """The names of the inputs that a workflow asks for, in order."""
    found = (name.root for step in workflow.steps for name in references(step.input, "input") if name.kind == "inputs")
    return tuple(dict.fromkeys(found))


def check(workflow: Workflow, services: Mapping[str, Service], max_steps: int) -> None:
    """Whether a workflow can run.

    Raises:
        InvalidRequest: names the step and what is wrong: an unknown service, operation, field or step, a reference that leads
            nowhere, a cycle, or too many steps.
    """
    if len(workflow.steps) > max_steps:
        raise InvalidRequest(f"steps: at most {max_steps} (integrations.max_steps)", param="steps")
    ids = [step.id for step in workflow.steps]
    for index, step in enumerate(workflow.steps):
        if step.id in ids[:index]:
            raise InvalidRequest(f"steps[{index}].id: there is another step {step.id!r}", param=f"steps[{index}].id")
    for index, step in enumerate(workflow.steps):
        _check_step(step, f"steps[{index}]", services, ids)
    _check_acyclic(workflow)


def _check_step(step: Step, where: str, services: Mapping[str, Service], ids: list[str]) -> None:
    service = services.get(step.service)
    if service is None:
        raise InvalidRequest(f"{where}.service: there is no {step.service!r}; there are {', '.join(services)}", param=f"{where}.service")
    operation = service.operations.get(step.operation)
    if operation is None:
        there = ", ".join(service.operations)
        raise InvalidRequest(f"{where}.operation: {step.service} has no {step.operation!r}; it has {there}", param=f"{where}.operation")
    if (step.service, step.operation) in NOT_AS_STEPS:
        raise InvalidRequest(f"{where}.operation: a workflow cannot start or stop workflows", param=f"{where}.operation")
    for need in step.depends_on:
        if need not in ids:
            raise InvalidRequest(f"{where}.depends_on: there is no step {need!r}", param=f"{where}.depends_on")
    for found in references(step.input, f"{where}.input"):
        if found.kind == "steps" and found.root not in ids:
            raise InvalidRequest(f"{where}.input: ${{{found.text}}} names a step that is not there", param=f"{where}.input")
    _check_input(step, f"{where}.input", operation)


def _check_input(step: Step, where: str, operation: Operation) -> None:
    """What can be known before it runs: that no field is unknown or missing, and that fields without references fit."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(operation.request)}
    for name, value in step.input.items():
        if name not in fields:
            known = ", ".join(field for field in fields if field != "user_id")
            raise InvalidRequest(f"{where}.{name}: {step.operation} has no such field; it has {known}", param=f"{where}.{name}")
        if any(references(value, where)):
            continue
        try:
            msgspec.convert(value, fields[name].type)
        except msgspec.ValidationError as failure:
            raise InvalidRequest(f"{where}.{name}: {failure}", param=f"{where}.{name}") from None
    for name, field in fields.items():
        if field.required and name not in step.input:
            raise InvalidRequest(f"{where}.{name}: {step.operation} needs it", param=f"{where}.{name}")


def _check_acyclic(workflow: Workflow) -> None:
    waiting = {step.id: set(needs_of(step)) for step in workflow.steps}
    while waiting:
        ready = [name for name, needs in waiting.items() if not needs]
        if not ready:
            raise InvalidRequest(f"steps: these wait for each other: {', '.join(sorted(waiting))}", param="steps")
        for name in ready:
            del waiting[name]
        for needs in waiting.values():
            needs.difference_update(ready)


def filled(value: Json, inputs: Mapping[str, Json], results: Mapping[str, Json], where: str) -> Json:
    """A step's input with its references replaced: one that stands alone by the value itself, one inside a text by its text.

    What is put in is not looked at again. The result of a step that failed is null.

    Raises:
        InvalidRequest: a reference leads nowhere in what is there now.
    """
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        if whole is not None:
            return _value_of(reference(whole[1], where), inputs, results, where)
        return _REFERENCE.sub(lambda match: _text(_value_of(reference(match[1], where), inputs, results, where)), value)
    if isinstance(value, dict):
        return {key: filled(item, inputs, results, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, inputs, results, f"{where}[{index}]") for index, item in enumerate(value)]
    return value


def _text(value: Json) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


def _value_of(found: Reference, inputs: Mapping[str, Json], results: Mapping[str, Json], where: str) -> Json:
    source = results if found.kind == "steps" else inputs
    if found.root not in source:
        raise InvalidRequest(f"{where}: ${{{found.text}}} has no value: give it in `inputs`", param=f"inputs.{found.root}")
    value = source[found.root]
    if value is None and found.kind == "steps":
        return None
    for step in found.path:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise InvalidRequest(f"{where}: ${{{found.text}}} leads nowhere: there is no {step!r}", param=where)
    return value
