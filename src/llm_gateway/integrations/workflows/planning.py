"""Making a workflow of words: by a model that knows the catalogue, else by what the words stand for."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import JsonObject
from llm_gateway.integrations.full_text import terms_of
from llm_gateway.integrations.language_rules import Intent, intents_of, rule_of
from llm_gateway.integrations.port import Outcome, Result, ServiceFacts, Work, by_model, by_rules
from llm_gateway.integrations.workflows.model import Step, Workflow, inputs_of

_CONTENT: Final = "${inputs.content}"
_QUERY: Final = "${inputs.query}"
_encode = msgspec.json.Encoder().encode

_STEPS: Final[Mapping[str, tuple[tuple[str, str, JsonObject], ...]]] = {
    "summarize": (("summarizer_hub", "summarize", {"content": _CONTENT}), ("summarizer_hub", "generate_metadata", {"text": _CONTENT})),
    "analyze_code": (
        ("code_analyzer", "analyze_code", {"content": _CONTENT}),
        ("secure_analyzer", "analyze_security", {"content": _CONTENT}),
    ),
    "analyze_security": (("secure_analyzer", "analyze_security", {"content": _CONTENT}),),
    "create_documentation": (
        ("code_analyzer", "analyze_code", {"content": _CONTENT}),
        ("code_analyzer", "extract_endpoints", {"content": _CONTENT}),
        ("doc_store", "search", {"query": _QUERY}),
        ("prompt_store", "get_optimized", {"task_type": "documentation"}),
    ),
    "analyze_architecture": (("architecture_digitizer", "digitize_architecture", {"content": _CONTENT}),),
    "check_consistency": (("analysis_service", "analyze_quality", {"content": _CONTENT}), ("doc_store", "search", {"query": _QUERY})),
    "troubleshoot": (
        ("interpreter", "extract_entities", {"text": _QUERY}),
        ("doc_store", "search", {"query": _QUERY}),
        ("memory_agent", "retrieve_context", {"query": _QUERY}),
    ),
    "run_workflow": (("interpreter", "interpret_query", {"query": _QUERY}), ("doc_store", "search", {"query": _QUERY})),
    "create": (("prompt_store", "get_optimized", {"task_type": "generation"}), ("doc_store", "search", {"query": _QUERY})),
    "search": (("doc_store", "search", {"query": _QUERY}),),
    "remember": (("memory_agent", "retrieve_context", {"query": _QUERY}),),
    "explain": (("doc_store", "search", {"query": _QUERY}), ("memory_agent", "retrieve_context", {"query": _QUERY})),
    "general": (("interpreter", "interpret_query", {"query": _QUERY}), ("doc_store", "search", {"query": _QUERY})),
}  # fmt: skip
"""By intent, the steps that serve it."""
SHARE: Final = 0.5
"""An intent counts beside the likeliest one when it is at least so much as likely."""
MOST_INTENTS: Final = 3


class Plan(Result, frozen=True, kw_only=True):
    """A workflow that would serve a request. `inputs` names what it must be given, `unavailable` services that there are not."""

    workflow: Workflow
    explanation: str
    confidence: float
    inputs: tuple[str, ...]
    unavailable: tuple[str, ...]


class _Drawn(msgspec.Struct):
    steps: list[Step]
    explanation: str


def usable(catalogue: Sequence[ServiceFacts], available: Sequence[str]) -> tuple[list[ServiceFacts], tuple[str, ...]]:
    """The services among those that are available (none named: all), and the names that are no service's."""
    wanted = [name.replace("-", "_") for name in available]
    there = {facts.name for facts in catalogue}
    unavailable = tuple(name for name, plain in zip(available, wanted, strict=True) if plain not in there)
    chosen = [facts for facts in catalogue if not wanted or facts.name in wanted]
    return chosen, unavailable


def drawn_by_rules(request: str, catalogue: Sequence[ServiceFacts], name: str) -> tuple[Workflow | None, float]:
    """A workflow of the steps that the likeliest intents stand for, as far as their services are there."""
    likely: list[Intent] = intents_of(request)
    chosen = [intent for intent in likely if intent.confidence >= SHARE * likely[0].confidence][:MOST_INTENTS]
    operations = {facts.name: facts.operations for facts in catalogue}
    steps: dict[tuple[str, str], Step] = {}
    for intent in chosen:
        for service, operation, given in _STEPS[intent.intent]:
            if operation in operations.get(service, ()):
                steps.setdefault((service, operation), Step(f"{service}_{operation}", service, operation, given))
    if not steps:
        for facts in catalogue:
            step = next((s for known in _STEPS.values() for s in known if s[0] == facts.name and s[1] in facts.operations), None)
            if step is not None:
                steps[step[0], step[1]] = Step(f"{step[0]}_{step[1]}", *step)
    if not steps:
        return None, 0.0
    return Workflow(name, tuple(steps.values()), request[:2_000]), likely[0].confidence


def name_of(request: str) -> str:
    """A name for the workflow of a request: its first few words that matter."""
    return "-".join(term for term in terms_of(request)[:5] if term.isascii())[:100] or "workflow"


async def planned(request: str, available: Sequence[str], work: Work) -> Outcome:
    """A workflow for a request.

    Raises:
        InvalidRequest: none of the services that are available is one.
    """
    catalogue, unavailable = usable(work.catalogue(), available)
    name = name_of(request)
    by_hand, confidence = drawn_by_rules(request, catalogue, name)
    if by_hand is None:
        there = ", ".join(facts.name for facts in work.catalogue())
        raise InvalidRequest(f"available_services: none of them is here; there are {there}", param="available_services")

    def fault(found: _Drawn) -> str:
        try:
            work.check_workflow(Workflow(name, tuple(found.steps)), [facts.name for facts in catalogue])
        except InvalidRequest as failure:
            return failure.message
        return "" if found.steps else "steps: expected at least one"

    system = (
        "You plan workflows; you do not carry them out. Use only these services and operations:\n"
        + "\n".join(f"- {facts.name}: " + "; ".join(f"{n} ({says})" for n, says in facts.operations.items()) for facts in catalogue)
        + "\nEach step's `input` holds the operation's fields. `${inputs.query}` is the user's request, `${inputs.content}` the text it is"
        " about, and `${steps.ID.result}` what an earlier step gave. An example that is valid:\n" + _encode(by_hand.steps).decode()
    )
    answer = await work.ask(system, request, _Drawn, max_tokens=2048, allow=fault)
    if answer is not None:
        workflow = Workflow(name, tuple(answer.value.steps), request[:2_000])
        plan = Plan(
            workflow=workflow,
            explanation=answer.value.explanation,
            confidence=confidence,
            inputs=inputs_of(workflow),
            unavailable=unavailable,
        )
        return by_model(plan, answer)
    says = " ".join(rule_of(intent.intent).says for intent in intents_of(request)[:MOST_INTENTS])
    explanation = f"Steps for: {says}" + (f" There is no service named {', '.join(unavailable)}." if unavailable else "")
    return by_rules(
        Plan(workflow=by_hand, explanation=explanation, confidence=confidence, inputs=inputs_of(by_hand), unavailable=unavailable)
    )  # fmt: skip
