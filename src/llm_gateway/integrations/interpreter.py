"""interpreter: what a query means: its intent, what it names, and the prompt or the workflow that would serve it."""

from typing import Annotated, Final, Literal, cast

import msgspec
from msgspec import Meta

from llm_gateway.core.types import Json, JsonObject
from llm_gateway.integrations.full_text import terms_of
from llm_gateway.integrations.language_rules import ENTITY_TYPES, INTENTS, entities_of, intents_of, rule_of
from llm_gateway.integrations.port import Asking, Operation, Outcome, Query, Remote, Result, Work, by_model, by_rules, service
from llm_gateway.integrations.prompt_rules import optimized
from llm_gateway.integrations.workflows.planning import Plan, planned

Share = Annotated[float, Meta(ge=0, le=1)]
Context = JsonObject | str
_encode = msgspec.json.Encoder().encode
MOST_KEYWORDS: Final = 12


class InterpretRequest(Asking, frozen=True, kw_only=True):
    """A query, and what is known around it."""

    query: Query
    context: Context = ""


class Entity(Result, frozen=True, kw_only=True):
    """A thing that a text names. `start` and `end` are its place in the text, in characters; -1: a model named it, without a place."""

    type: str
    value: str
    start: int = -1
    end: int = -1


class Interpretation(Result, frozen=True, kw_only=True):
    """What a query means. `task_type` is what prompt_store calls such a task, `services` are those that can serve it."""

    intent: str
    confidence: float
    entities: tuple[Entity, ...]
    response_text: str
    keywords: tuple[str, ...]
    task_type: str
    services: tuple[str, ...]


class EntitiesRequest(Asking, frozen=True, kw_only=True):
    """A text; `types`: only entities of these."""

    text: Query
    types: tuple[str, ...] = ()


class EntitiesResult(Result, frozen=True, kw_only=True):
    entities: tuple[Entity, ...]


class IntentRequest(Asking, frozen=True, kw_only=True):
    """A query; `intents`: the ones to choose among, else the interpreter's own."""

    query: Query
    intents: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    context: Context = ""


class Likely(Result, frozen=True, kw_only=True):
    intent: str
    confidence: float


class IntentResult(Result, frozen=True, kw_only=True):
    intent: str
    confidence: float
    alternatives: tuple[Likely, ...]


class OptimizePromptRequest(Asking, frozen=True, kw_only=True):
    prompt: Query
    task_type: Annotated[str, Meta(min_length=1, max_length=128)] = "general"
    context: Context = ""


class OptimizePromptResult(Result, frozen=True, kw_only=True):
    """The better prompt, and what was changed."""

    optimized_prompt: str
    changes: tuple[str, ...]
    task_type: str


class TranslateRequest(Asking, frozen=True, kw_only=True):
    """A query to be served by a workflow; `available_services`: only steps of these."""

    query: Query
    available_services: tuple[str, ...] = ()
    context: Context = ""


class _Named(msgspec.Struct):
    type: str
    value: str


class _Meaning(msgspec.Struct):
    intent: Literal[INTENTS]  # type: ignore[valid-type]  # one of the names that the rules know
    confidence: Share
    entities: list[_Named]
    response_text: str


class _Entities(msgspec.Struct):
    entities: list[_Named]


class _Intent(msgspec.Struct):
    intent: str
    confidence: Share


class _Prompt(msgspec.Struct):
    optimized_prompt: Annotated[str, Meta(min_length=1)]
    changes: list[str]


def _asked(**fields: Json) -> str:
    return _encode({name: value for name, value in fields.items() if value}).decode()


def _entities(text: str, named: list[_Named]) -> tuple[Entity, ...]:
    """A model's entities, each with its place in the text; one that does not stand there was made up, and is left out."""
    found = []
    for entity in named:
        start = text.find(entity.value) if entity.value else -1
        if start >= 0:
            found.append(Entity(type=entity.type, value=entity.value, start=start, end=start + len(entity.value)))
    return tuple(found)


def _by_form(text: str, types: tuple[str, ...] = ()) -> tuple[Entity, ...]:
    return tuple(Entity(type=e.type, value=e.value, start=e.start, end=e.end) for e in entities_of(text, types))


def interpreted(query: str) -> Interpretation:
    """What a query means, by rules."""
    best = intents_of(query)[0]
    rule = rule_of(best.intent)
    return Interpretation(
        intent=best.intent,
        confidence=best.confidence,
        entities=_by_form(query),
        response_text=rule.says,
        keywords=tuple(terms_of(query)[:MOST_KEYWORDS]),
        task_type=rule.task_type,
        services=rule.services,
    )


async def interpret_query(asked: InterpretRequest, work: Work) -> Outcome:
    """What a query means."""
    system = (
        "You interpret requests to a documentation system; you do not carry them out. Choose `intent` from: "
        f"{', '.join(INTENTS)}. List the entities that the request names, as they stand in it. Say in `response_text` in one sentence"
        " what is asked for."
    )
    answer = await work.ask(system, _asked(query=asked.query, context=asked.context), _Meaning)
    rules = interpreted(asked.query)
    if answer is None:
        return by_rules(rules)
    meaning, rule = answer.value, rule_of(answer.value.intent)
    result = msgspec.structs.replace(
        rules,
        intent=meaning.intent,
        confidence=meaning.confidence,
        entities=_entities(asked.query, meaning.entities) or rules.entities,
        response_text=meaning.response_text or rules.response_text,
        task_type=rule.task_type,
        services=rule.services,
    )
    return by_model(result, answer)


async def extract_entities(asked: EntitiesRequest, work: Work) -> Outcome:
    """What a text names."""
    types = asked.types or ENTITY_TYPES
    system = f"You list what a text names, exactly as it stands in the text. Types: {', '.join(types)}. Add nothing."
    answer = await work.ask(system, asked.text, _Entities)
    if answer is None:
        return by_rules(EntitiesResult(entities=_by_form(asked.text, asked.types)))
    named = [entity for entity in answer.value.entities if not asked.types or entity.type in asked.types]
    return by_model(EntitiesResult(entities=_entities(asked.text, named)), answer)


async def classify_intent(asked: IntentRequest, work: Work) -> Outcome:
    """The intent of a query among some."""
    among = asked.intents or INTENTS
    kind = cast(type[_Intent], msgspec.defstruct("Intent", [("intent", Literal[among])], bases=(_Intent,)))
    likely = intents_of(asked.query, asked.intents)
    system = f"You classify requests; you do not carry them out. Choose `intent` from: {', '.join(among)}."
    answer = await work.ask(system, _asked(query=asked.query, context=asked.context), kind, max_tokens=256)
    first = likely[0] if answer is None else answer.value
    others = tuple(Likely(intent=other.intent, confidence=other.confidence) for other in likely if other.intent != first.intent)
    result = IntentResult(intent=first.intent, confidence=first.confidence, alternatives=others[:5])
    return by_rules(result) if answer is None else by_model(result, answer)


async def optimize_prompt(asked: OptimizePromptRequest, work: Work) -> Outcome:
    """A better prompt for a task."""
    system = (
        "You improve prompts for language models. Keep the task and every fact; do not carry the task out."
        " Say in `changes` what you changed, in a few words each."
    )
    answer = await work.ask(
        system, _asked(prompt=asked.prompt, task_type=asked.task_type, context=asked.context), _Prompt, max_tokens=2048
    )  # fmt: skip
    if answer is not None:
        better = answer.value
        result = OptimizePromptResult(
            optimized_prompt=better.optimized_prompt, changes=tuple(better.changes), task_type=asked.task_type
        )  # fmt: skip
        return by_model(result, answer)
    context = asked.context if isinstance(asked.context, str) else _encode(asked.context).decode()
    task_type = rule_of(intents_of(asked.prompt)[0].intent).task_type if asked.task_type == "general" else asked.task_type
    text, changes = optimized(asked.prompt, task_type, context)
    return by_rules(OptimizePromptResult(optimized_prompt=text, changes=changes, task_type=task_type))


async def translate_to_workflow(asked: TranslateRequest, work: Work) -> Outcome:
    """The workflow that would serve a query; it is not run."""
    return await planned(asked.query, asked.available_services, work)


def _remote_meaning(answer: Json, asked: InterpretRequest) -> Interpretation:
    """An interpretation as interpreters of the ecosystem write it, completed by rules."""
    given = msgspec.convert(answer, _RemoteMeaning, strict=False)
    rules, rule = interpreted(asked.query), rule_of(given.intent)
    return msgspec.structs.replace(
        rules,
        intent=given.intent,
        confidence=min(1.0, max(0.0, given.confidence)),
        entities=_remote_entities(asked.query, given.entities) or rules.entities,
        response_text=given.response_text or rules.response_text,
        task_type=rule.task_type,
        services=rule.services,
    )


class _RemoteMeaning(msgspec.Struct):
    intent: str
    confidence: float = 0.0
    entities: Json = None
    response_text: str = ""


def _remote_entities(text: str, given: Json) -> tuple[Entity, ...]:
    """Entities as a list of objects, or as an object of lists by type."""
    pairs: list[_Named] = []
    if isinstance(given, dict):
        for kind, values in given.items():
            pairs += [_Named(kind, str(value)) for value in (values if isinstance(values, list) else [values])]
    elif isinstance(given, list):
        for item in given:
            if isinstance(item, dict):
                pairs.append(_Named(str(item.get("type", "entity")), str(item.get("value", item.get("text", "")))))
            elif isinstance(item, str):
                pairs.append(_Named("entity", item))
    return _entities(text, pairs)


def _remote_query(asked: InterpretRequest) -> JsonObject:
    return {"query": asked.query, "user_id": asked.user_id, "context": asked.context}


SERVICE = service(
    "interpreter",
    "What a query means.",
    Operation(
        "interpret_query", "Intent, entities and keywords of a query", InterpretRequest, Interpretation, interpret_query,
        asks_model=True, remote=Remote("POST /interpret", _remote_query, _remote_meaning),
    ),
    Operation("extract_entities", "What a text names", EntitiesRequest, EntitiesResult, extract_entities, asks_model=True),
    Operation("classify_intent", "The intent of a query among some", IntentRequest, IntentResult, classify_intent, asks_model=True),
    Operation(
        "optimize_prompt", "Make a prompt better for its task", OptimizePromptRequest, OptimizePromptResult, optimize_prompt,
        asks_model=True,
    ),
    Operation(
        "translate_to_workflow", "The workflow that would serve a query", TranslateRequest, Plan, translate_to_workflow,
        asks_model=True, remote=Remote("POST /workflows/discover"),
    ),
)  # fmt: skip
