"""prompt_store: prompts of a caller by name, every change a version, rendered without logic; and built-in ones by task."""

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta
from sqlalchemy import Column, Connection, Float, Integer, Row, String, Table, Text, UniqueConstraint, func, insert, select

from llm_gateway.core.errors import InvalidRequest, NotFound
from llm_gateway.core.types import Json, JsonObject
from llm_gateway.integrations.port import Asking, Limit, Operation, Outcome, Remote, Result, Work, by_model, by_rules, plain, service
from llm_gateway.integrations.prompt_rules import TASKS, optimized, task_of
from llm_gateway.integrations.render import names_in, rendered
from llm_gateway.stores.sql import metadata

prompts = Table(
    "prompts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("owner", String(256), nullable=False),
    Column("name", String(128), nullable=False),
    Column("version", Integer, nullable=False),
    Column("category", String(128), nullable=False),
    Column("content", Text, nullable=False),
    Column("created_s", Float, nullable=False),
    UniqueConstraint("owner", "name", "version", name="prompts_by_owner"),
)

PromptName: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:/-]{1,128}$")]
Category: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]
Template: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100_000)]
BUILT_IN: Final = 0
"""The version of prompts that come with the gateway."""

_encode = msgspec.json.Encoder().encode


class StorePromptRequest(Asking, frozen=True, kw_only=True):
    """A prompt; `{{name}}` in it stands for a variable. `variables`, where given, must be exactly those that stand in it."""

    name: PromptName
    category: Category = "general"
    content: Template
    variables: tuple[str, ...] | None = None


class PromptResult(Result, frozen=True, kw_only=True):
    """A version of a prompt; version 0 comes with the gateway. `created` in Unix seconds."""

    name: str
    version: int
    category: str
    content: str
    variables: tuple[str, ...]
    created: float


class GetPromptsRequest(Asking, frozen=True, kw_only=True):
    """The newest version of each prompt of a category, or of all; `name` gives every version of one."""

    category: Category | None = None
    name: PromptName | None = None
    limit: Limit = 50


class PromptsResult(Result, frozen=True, kw_only=True):
    prompts: tuple[PromptResult, ...]


class GetOptimizedRequest(Asking, frozen=True, kw_only=True):
    """The best prompt for a task: the caller's own newest one of that category, else the built-in one. `context` fills its variables."""

    task_type: Category
    context: JsonObject | str = ""
    name: PromptName | None = None


class OptimizedResult(Result, frozen=True, kw_only=True):
    """`missing` names variables that the context has no value for; they stay in the prompt as they stand."""

    name: str
    version: int
    category: str
    prompt: str
    missing: tuple[str, ...]


class RenderRequest(Asking, frozen=True, kw_only=True):
    """A prompt with its variables put in; without `version` the newest."""

    name: PromptName
    variables: JsonObject = msgspec.field(default_factory=dict)
    version: Annotated[int, Meta(ge=0)] | None = None


class RenderResult(Result, frozen=True, kw_only=True):
    name: str
    version: int
    prompt: str


class OptimizeRequest(Asking, frozen=True, kw_only=True):
    """A prompt to make better: its text, or the name of one that is kept."""

    prompt: Template | None = None
    name: PromptName | None = None
    task_type: Category = "general"
    context: str = ""


class OptimizeResult(Result, frozen=True, kw_only=True):
    """The better prompt, and what was changed. It is not stored: `store_prompt` makes a version of it."""

    optimized_prompt: str
    changes: tuple[str, ...]


def _built_in(task: str) -> PromptResult:
    role, needs = TASKS[task]
    content = f"{role}\n\n{needs}"
    return PromptResult(name=f"built-in/{task}", version=BUILT_IN, category=task, content=content, variables=(), created=0.0)


def _prompt(row: "Row[tuple[object, ...]]") -> PromptResult:
    kept = row._mapping
    return PromptResult(
        name=kept["name"],
        version=kept["version"],
        category=kept["category"],
        content=kept["content"],
        variables=names_in(kept["content"]),
        created=kept["created_s"],
    )


async def store_prompt(asked: StorePromptRequest, work: Work) -> Outcome:
    """Keep a new version of a prompt."""
    used = names_in(asked.content)
    if asked.name.startswith("built-in/"):
        raise InvalidRequest("name: built-in/ is the beginning of the names that come with the gateway", param="name")
    if asked.variables is not None and set(asked.variables) != set(used):
        raise InvalidRequest(
            f"variables: the content has {', '.join(used) or 'none'}, and they were said to be {', '.join(asked.variables) or 'none'}",
            param="variables",
        )
    owner, now_s, most = work.owner, work.now_s, work.settings.max_prompts

    def keep(connection: Connection) -> int:
        held = connection.scalar(select(func.count()).select_from(prompts).where(prompts.c.owner == owner)) or 0
        if held >= most:
            raise InvalidRequest(f"there are {held} prompts already, as many as may be kept (integrations.max_prompts)", code="full")
        mine = (prompts.c.owner == owner) & (prompts.c.name == asked.name)
        version = int(connection.scalar(select(func.coalesce(func.max(prompts.c.version), 0)).where(mine)) or 0) + 1
        row = {"owner": owner, "name": asked.name, "version": version, "category": asked.category, "content": asked.content}
        connection.execute(insert(prompts).values(**row, created_s=now_s))
        return version

    version = await work.store.write(keep)
    return plain(
        PromptResult(
            name=asked.name, version=version, category=asked.category, content=asked.content, variables=used, created=now_s
        )
    )  # fmt: skip


async def get_prompts(asked: GetPromptsRequest, work: Work) -> Outcome:
    """The caller's prompts, then the built-in ones."""
    owner = work.owner

    def find(connection: Connection) -> list[PromptResult]:
        query = select(prompts).where(prompts.c.owner == owner)
        if asked.name is not None:
            query = query.where(prompts.c.name == asked.name)
        else:
            newest = select(func.max(prompts.c.id)).where(prompts.c.owner == owner).group_by(prompts.c.name)
            query = query.where(prompts.c.id.in_(newest))
        if asked.category is not None:
            query = query.where(prompts.c.category == asked.category)
        return [_prompt(row) for row in connection.execute(query.order_by(prompts.c.id.desc()).limit(asked.limit))]

    found = await work.store.read(find)
    fitting = [_built_in(task) for task in TASKS if asked.category in {None, task} and asked.name in {None, f"built-in/{task}"}]
    return plain(PromptsResult(prompts=tuple([*found, *fitting][: asked.limit])))


async def _named(name: str, version: int | None, work: Work) -> PromptResult:
    task = name.removeprefix("built-in/")
    if task != name and task in TASKS and version in {None, BUILT_IN}:
        return _built_in(task)
    owner = work.owner

    def find(connection: Connection) -> PromptResult | None:
        query = select(prompts).where((prompts.c.owner == owner) & (prompts.c.name == name))
        if version is not None:
            query = query.where(prompts.c.version == version)
        row = connection.execute(query.order_by(prompts.c.version.desc()).limit(1)).first()
        return None if row is None else _prompt(row)

    found = await work.store.read(find)
    if found is None:
        of_version = f" of version {version}" if version is not None else ""
        raise NotFound(f"no prompt {name!r}{of_version}", param="name")
    return found


async def get_optimized(asked: GetOptimizedRequest, work: Work) -> Outcome:
    """The best prompt for a task, with the context put in."""
    owner = work.owner

    def find(connection: Connection) -> PromptResult | None:
        mine = (prompts.c.owner == owner) & (prompts.c.category == asked.task_type)
        row = connection.execute(select(prompts).where(mine).order_by(prompts.c.id.desc()).limit(1)).first()
        return None if row is None else _prompt(row)

    if asked.name is not None:
        found = await _named(asked.name, None, work)
    else:
        own = await work.store.read(find)
        found = own or _built_in(task_of(asked.task_type))
    values: JsonObject = {"context": asked.context} if isinstance(asked.context, str) else {"context": asked.context, **asked.context}
    prompt, missing = rendered(found.content, values)
    return plain(OptimizedResult(name=found.name, version=found.version, category=found.category, prompt=prompt, missing=missing))


async def render(asked: RenderRequest, work: Work) -> Outcome:
    """A prompt with its variables put in."""
    found = await _named(asked.name, asked.version, work)
    prompt, missing = rendered(found.content, asked.variables)
    if missing:
        raise InvalidRequest(f"variables.{missing[0]}: the prompt {found.name!r} needs a value for it", param=f"variables.{missing[0]}")
    return plain(RenderResult(name=found.name, version=found.version, prompt=prompt))


class _Better(msgspec.Struct):
    optimized_prompt: Annotated[str, Meta(min_length=1)]
    changes: list[str]


SYSTEM: Final = (
    "You improve prompts for language models. Keep the task, every fact, and every {{variable}} of the prompt exactly; do not carry the"
    " task out. Say in `changes` what you changed, in a few words each."
)


async def optimize(asked: OptimizeRequest, work: Work) -> Outcome:
    """A better prompt for a task."""
    if (asked.prompt is None) == (asked.name is None):
        raise InvalidRequest("prompt: expected either a prompt, or the name of one that is kept", param="prompt")
    prompt = asked.prompt if asked.prompt is not None else (await _named(asked.name or "", None, work)).content
    kept = set(names_in(prompt))

    def fault(better: _Better) -> str:
        lost = kept - set(names_in(better.optimized_prompt))
        return f"optimized_prompt: the variables {', '.join(sorted(lost))} are gone" if lost else ""

    question = _encode({"task_type": asked.task_type, "context": asked.context, "prompt": prompt}).decode()
    answer = await work.ask(SYSTEM, question, _Better, max_tokens=2048, allow=fault)
    if answer is not None:
        better = answer.value
        return by_model(OptimizeResult(optimized_prompt=better.optimized_prompt, changes=tuple(better.changes)), answer)
    text, changes = optimized(prompt, asked.task_type, asked.context)
    return by_rules(OptimizeResult(optimized_prompt=text, changes=changes))


def _remote_optimized(answer: Json, asked: GetOptimizedRequest) -> OptimizedResult:
    """A prompt as prompt stores of the ecosystem write it."""
    found = answer[0] if isinstance(answer, list) and answer else answer
    if isinstance(found, dict) and isinstance(found.get("prompts"), list) and found["prompts"]:
        found = found["prompts"][0]  # type: ignore[index]
    kept = msgspec.convert(found, _RemotePrompt, strict=False)
    values: JsonObject = {"context": asked.context} if isinstance(asked.context, str) else {"context": asked.context, **asked.context}
    prompt, missing = rendered(kept.content or kept.prompt, values)
    if not prompt:
        raise ValueError("expected a prompt with content")
    return OptimizedResult(
        name=kept.name or asked.task_type, version=kept.version, category=kept.category or asked.task_type, prompt=prompt, missing=missing
    )


class _RemotePrompt(msgspec.Struct):
    name: str = ""
    content: str = ""
    prompt: str = ""
    category: str = ""
    version: int = 0


def _remote_names(asked: GetOptimizedRequest) -> JsonObject:
    """`category` and `name` of the route are the task and, where none is named, `default`."""
    return {"category": asked.task_type, "name": asked.name or "default"}


def _remote_category(asked: GetPromptsRequest) -> JsonObject:
    return {"category": asked.category or "general", "limit": asked.limit}


SERVICE = service(
    "prompt_store",
    "Prompts by name and task, every change a version.",
    Operation(
        "get_optimized", "The best prompt for a task, with the context put in", GetOptimizedRequest, OptimizedResult, get_optimized,
        stateful=True, remote=Remote("GET /api/v1/prompts/search/{category}/{name}", _remote_names, _remote_optimized),
    ),
    Operation(
        "store_prompt", "Keep a new version of a prompt", StorePromptRequest, PromptResult, store_prompt,
        stateful=True, remote=Remote("POST /api/v1/prompts"),
    ),
    Operation(
        "get_prompts", "The prompts of a category, or every version of one", GetPromptsRequest, PromptsResult, get_prompts,
        stateful=True, remote=Remote("GET /api/v1/prompts/category/{category}", _remote_category),
    ),
    Operation("render", "A prompt with its variables put in", RenderRequest, RenderResult, render, stateful=True),
    Operation("optimize", "Make a prompt better for its task", OptimizeRequest, OptimizeResult, optimize, asks_model=True),
)  # fmt: skip
