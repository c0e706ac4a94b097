"""A workflow is checked before it runs, and its references mean what they say."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.integrations.port import ServiceFacts
from llm_gateway.integrations.registry import SERVICES
from llm_gateway.integrations.workflows.built_in import BUILT_IN
from llm_gateway.integrations.workflows.history import PastRun, PastStep, critical_path, figures_of, improved
from llm_gateway.integrations.workflows.model import Step, Workflow, check, filled, inputs_of, needs_of
from llm_gateway.integrations.workflows.planning import drawn_by_rules


def step(name: str, **fields: Any) -> Step:
    return msgspec.convert({"id": name, "service": "doc_store", "operation": "search", "input": {"query": "x"}, **fields}, Step)


@pytest.mark.parametrize(
    ("steps", "param"),
    [
        ([step("a", service="nobody")], "steps[0].service"),
        ([step("a", operation="burn")], "steps[0].operation"),
        ([step("a", input={"query": "x", "colour": 1})], "steps[0].input.colour"),
        ([step("a", input={})], "steps[0].input.query"),
        ([step("a", input={"query": 3})], "steps[0].input.query"),
        ([step("a", depends_on=["b"])], "steps[0].depends_on"),
        ([step("a"), step("a")], "steps[1].id"),
        ([step("a", input={"query": "${steps.b.result}"})], "steps[0].input"),
        ([step("a", input={"query": "${secrets.x}"})], "steps[0].input.query"),
        ([step("a", input={"query": "${steps.a.result.hits}"})], "steps"),
        ([step("a", depends_on=["b"]), step("b", input={"query": "${steps.a.result}"})], "steps"),
        ([step("a", service="orchestrator", operation="execute_workflow", input={})], "steps[0].operation"),
        ([step(f"s{n}") for n in range(4)], "steps"),
    ],
)
def test_what_cannot_run_is_refused_by_name(steps: list[Step], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check(Workflow("w", tuple(steps)), SERVICES, 3)
    assert refused.value.param == param


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_workflow_type_can_run(name: str) -> None:
    check(BUILT_IN[name], SERVICES, 100)
    assert set(inputs_of(BUILT_IN[name])) <= {"query", "content"}


def test_references() -> None:
    results = {"a": {"hits": [{"id": 7, "tags": ["x"]}], "text": "${inputs.secret}"}, "gone": None}
    inputs = {"q": "hello", "secret": "s"}

    def fill(value: Any) -> Any:
        return filled(value, inputs, results, "input")

    assert fill("${steps.a.result.hits.0.id}") == 7, "alone it is the value itself"
    assert fill("no ${steps.a.result.hits.0.id} of ${inputs.q}") == "no 7 of hello"
    assert fill({"deep": ["${steps.a.result.hits.0.tags}"]}) == {"deep": [["x"]]}
    assert fill("${steps.a.result.text}") == "${inputs.secret}", "what is put in is not looked at again"
    assert fill("${steps.gone.result.anything}") is None
    assert fill("$5 and {x}") == "$5 and {x}"
    for wrong in ("${steps.a.result.hits.9}", "${steps.a.result.nope}", "${inputs.absent}"):
        with pytest.raises(InvalidRequest):
            fill(wrong)


@given(st.permutations(list("abcdef")), st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_a_graph_is_refused_exactly_when_it_has_a_cycle(order: list[str], edges: set[tuple[int, int]]) -> None:
    needs = {name: [order[later] for earlier, later in edges if order[earlier] == name] for name in order}
    workflow = Workflow("w", tuple(step(name, depends_on=needs[name]) for name in order))

    def reaches(start: str, goal: str, seen: frozenset[str] = frozenset()) -> bool:
        return any(need == goal or (need not in seen and reaches(need, goal, seen | {need})) for need in needs[start])

    cyclic = any(reaches(name, name) for name in order)
    try:
        check(workflow, SERVICES, 10)
        assert not cyclic
    except InvalidRequest:
        assert cyclic


def test_rules_plan_what_can_run() -> None:
    catalogue = [ServiceFacts(n, "embedded", s.summary, {op: o.summary for op, o in s.operations.items()}) for n, s in SERVICES.items()]
    for request in (
        "summarize the report",
        "build and deploy a microservice",
        "why does it crash?",
        "",
        "draw the architecture",
        "review code",
    ):
        workflow, confidence = drawn_by_rules(request, catalogue, "planned")
        assert workflow is not None
        check(workflow, SERVICES, 100)
        assert 0 < confidence <= 1
    only = [facts for facts in catalogue if facts.name == "doc_store"]
    workflow, _ = drawn_by_rules("summarize the report", only, "planned")
    assert workflow is not None
    assert {each.service for each in workflow.steps} == {"doc_store"}
    assert drawn_by_rules("x", [], "planned")[0] is None


def test_improving_keeps_the_work_and_drops_the_waiting() -> None:
    workflow = Workflow(
        "w",
        (
            step("a"),
            step("twin", depends_on=["a"]),
            step("b", depends_on=["a"], input={"query": "y"}),
            step("c", input={"query": "${steps.twin.result.hits.0.title}"}),
            step("keep", service="memory_agent", operation="store_interaction", input={"prompt": "x"}, depends_on=["a"]),
            step("flaky", input={"query": "z"}),
        ),
    )
    past = [PastRun("failed", 4, (PastStep("a", "succeeded", 2), PastStep("b", "succeeded", 1), PastStep("flaky", "failed", 1)))] * 4
    better, changes = improved(workflow, figures_of(past), frozenset({("memory_agent", "store_interaction")}))
    check(better, SERVICES, 100)
    found = {each.id: each for each in better.steps}
    assert "twin" not in found
    assert found["c"].input == {"query": "${steps.a.result.hits.0.title}"}
    assert found["b"].depends_on == ()
    assert found["keep"].depends_on == ("a",), "what changes something keeps its place"
    assert found["flaky"].on_failure == "continue"
    assert len(changes) == 3
    assert critical_path(workflow, figures_of(past))[0] == ("a", "b")
    assert needs_of(found["c"]) == {"a"}


def test_figures() -> None:
    figures = figures_of([PastRun("succeeded", 1, (PastStep("a", took=1),)), PastRun("failed", 3, (PastStep("a", "failed", 3),))])
    assert (figures.runs, figures.failure_rate, figures.mean, figures.bottleneck) == (2, 0.5, 2.0, "a")
    assert (figures.steps[0].mean, figures.steps[0].failure_rate, figures.steps[0].share) == (2.0, 0.5, 1.0)
    assert figures_of([]).bottleneck is None
