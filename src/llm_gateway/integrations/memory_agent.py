"""memory_agent: what was said before, remembered by caller: recent and fitting things first, old ones that nobody asks for fade."""

from math import log1p
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta
from sqlalchemy import Boolean, Column, Connection, Float, Index, Integer, Row, String, Table, Text, delete, func, insert, select, update

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import Json, JsonObject
from llm_gateway.integrations.full_text import full_text, scope_of
from llm_gateway.integrations.port import Asking, Limit, Operation, Outcome, Query, Remote, Result, Work, plain, service
from llm_gateway.stores.sql import metadata

memories = Table(
    "memories",
    metadata,
    Column("entry_id", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(256), nullable=False),
    Column("conversation_id", String(128), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("response", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("sensitive", Boolean, nullable=False),
    Column("created_s", Float, nullable=False),
    Column("recalled_s", Float, nullable=False),
    Column("recalls", Integer, nullable=False),
    Index("memories_by_owner", "owner", "entry_id"),
    Index("memories_by_conversation", "owner", "conversation_id", "entry_id"),
)

RECENT: Final = 40
"""Memories that are looked at because they are new, beside those that fit the query."""
FITTING: Final = 40
RELEVANCE_SHARE: Final = 0.7
"""What fitting the query counts beside being recent."""
DAY_S: Final = 86_400.0

ConversationId: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]
Said: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200_000)]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(JsonObject).decode


class StoreInteractionRequest(Asking, frozen=True, kw_only=True):
    """A question and its answer, to be remembered."""

    prompt: Said
    response: Annotated[str, Meta(max_length=1_000_000)] = ""
    conversation_id: ConversationId | None = None
    metadata: JsonObject = msgspec.field(default_factory=dict)


class StoreInteractionResult(Result, frozen=True, kw_only=True):
    memory_id: str
    conversation_id: str | None
    sensitive: bool
    created: float


class RetrieveContextRequest(Asking, frozen=True, kw_only=True):
    """What to remember: of one conversation or of all but one, fitting a query where there is one, else the newest."""

    conversation_id: ConversationId | None = None
    except_conversation_id: ConversationId | None = None
    query: Query | None = None
    limit: Limit = 5


class Memory(Result, frozen=True, kw_only=True):
    """An interaction. `score` in [0, 1] orders the memories of one answer; times in Unix seconds."""

    memory_id: str
    conversation_id: str | None
    prompt: str
    response: str
    metadata: JsonObject
    sensitive: bool
    created: float
    score: float


class ContextResult(Result, frozen=True, kw_only=True):
    memories: tuple[Memory, ...]


class HistoryRequest(Asking, frozen=True, kw_only=True):
    """The newest interactions of a conversation, in the order in which they happened."""

    conversation_id: ConversationId
    limit: Limit = 50


class HistoryResult(Result, frozen=True, kw_only=True):
    conversation_id: str
    interactions: tuple[Memory, ...]


class ForgetRequest(Asking, frozen=True, kw_only=True):
    """What to forget: one memory, one conversation, what is older than a time (Unix seconds), or, with `all`, everything."""

    memory_id: Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")] | None = None
    conversation_id: ConversationId | None = None
    before: float | None = None
    all: bool = False


class ForgetResult(Result, frozen=True, kw_only=True):
    forgotten: int


async def store_interaction(asked: StoreInteractionRequest, work: Work) -> Outcome:
    """Remember an interaction; beyond the bound the oldest one makes room."""
    sensitive = (await work.judge(f"{asked.prompt}\n{asked.response}")).sensitive
    owner, now_s, most = work.owner, work.now_s, work.settings.max_interactions
    text = f"{asked.prompt}\n\n{asked.response}"

    def keep(connection: Connection) -> int:
        index = full_text(connection)
        (name,) = index.add(connection, scope_of("m", owner), [text])
        connection.execute(
            insert(memories).values(
                entry_id=name,
                owner=owner,
                conversation_id=asked.conversation_id or "",
                prompt=asked.prompt,
                response=asked.response,
                metadata=_encode(asked.metadata).decode(),
                sensitive=sensitive,
                created_s=now_s,
                recalled_s=now_s,
                recalls=0,
            )
        )
        mine = memories.c.owner == owner
        surplus = (connection.scalar(select(func.count()).select_from(memories).where(mine)) or 0) - most
        if surplus > 0:
            oldest = list(connection.scalars(select(memories.c.entry_id).where(mine).order_by(memories.c.entry_id).limit(surplus)))
            _erase(connection, oldest)
        return name

    name = await work.store.write(keep)
    return plain(
        StoreInteractionResult(memory_id=str(name), conversation_id=asked.conversation_id, sensitive=sensitive, created=now_s)
    )  # fmt: skip


def _erase(connection: Connection, names: list[int]) -> None:
    full_text(connection).remove(connection, names)
    for start in range(0, len(names), 500):
        connection.execute(delete(memories).where(memories.c.entry_id.in_(names[start : start + 500])))


async def retrieve_context(asked: RetrieveContextRequest, work: Work) -> Outcome:
    """What fits best of what is remembered. Being recalled keeps a memory alive for longer."""
    owner, now_s, half_life_s = work.owner, work.now_s, work.settings.memory_half_life_days * DAY_S

    def find(connection: Connection) -> list[Memory]:
        relevance: dict[int, float] = {}
        if asked.query is not None:
            found = full_text(connection).search(connection, scope_of("m", owner), asked.query, FITTING)
            best = max((entry.score for entry in found), default=0.0)
            relevance = {entry.id: entry.score / best if best > 0 else 0.0 for entry in found}
        where = memories.c.owner == owner
        if asked.conversation_id is not None:
            where &= memories.c.conversation_id == asked.conversation_id
        if asked.except_conversation_id is not None:
            where &= memories.c.conversation_id != asked.except_conversation_id
        newest = select(memories).where(where).order_by(memories.c.entry_id.desc()).limit(RECENT)
        rows = {row.entry_id: row for row in connection.execute(newest)} if asked.query is None or asked.conversation_id else {}
        missing = [name for name in relevance if name not in rows]
        if missing:
            rows |= {row.entry_id: row for row in connection.execute(select(memories).where(where & memories.c.entry_id.in_(missing)))}
        scored = [(_score(row.recalled_s, row.recalls, relevance.get(name), now_s, half_life_s), row) for name, row in rows.items()]
        scored.sort(key=lambda pair: (-pair[0], -pair[1].entry_id))
        return [_memory(row, score) for score, row in scored[: asked.limit]]

    kept = await work.store.read(find)
    if kept and asked.query is not None:
        await work.store.write(lambda connection: _note_recall(connection, kept, now_s))
    return plain(ContextResult(memories=tuple(kept)))


def _score(recalled_s: float, recalls: int, relevance: float | None, now_s: float, half_life_s: float) -> float:
    """How much a memory counts now, in [0, 1]: how new it is (each recall makes it fade more slowly), and how well it fits."""
    recency: float = 0.5 ** (max(0.0, now_s - recalled_s) / (half_life_s * (1.0 + log1p(recalls))))
    return recency if relevance is None else RELEVANCE_SHARE * relevance + (1.0 - RELEVANCE_SHARE) * recency


def _note_recall(connection: Connection, kept: list[Memory], now_s: float) -> None:
    names = [int(memory.memory_id) for memory in kept]
    connection.execute(
        update(memories).where(memories.c.entry_id.in_(names)).values(recalls=memories.c.recalls + 1, recalled_s=now_s)
    )  # fmt: skip


def _memory(row: "Row[tuple[object, ...]]", score: float = 1.0) -> Memory:
    kept = row._mapping
    return Memory(
        memory_id=str(kept["entry_id"]),
        conversation_id=kept["conversation_id"] or None,
        prompt=kept["prompt"],
        response=kept["response"],
        metadata=_decode(kept["metadata"]),
        sensitive=bool(kept["sensitive"]),
        created=kept["created_s"],
        score=round(score, 6),
    )


async def get_conversation_history(asked: HistoryRequest, work: Work) -> Outcome:
    """A conversation of the caller's; one that nobody had is empty."""
    owner = work.owner

    def find(connection: Connection) -> list[Memory]:
        mine = (memories.c.owner == owner) & (memories.c.conversation_id == asked.conversation_id)
        newest = select(memories).where(mine).order_by(memories.c.entry_id.desc()).limit(asked.limit)
        return [_memory(row) for row in connection.execute(newest)][::-1]

    return plain(HistoryResult(conversation_id=asked.conversation_id, interactions=tuple(await work.store.read(find))))


async def forget(asked: ForgetRequest, work: Work) -> Outcome:
    """Erase memories of the caller's."""
    owner = work.owner
    where = memories.c.owner == owner
    if not (asked.all or asked.memory_id or asked.conversation_id or asked.before is not None):
        raise InvalidRequest("expected one of memory_id, conversation_id, before, all: what to forget", param="memory_id")
    if asked.memory_id:
        where &= memories.c.entry_id == int(asked.memory_id)
    if asked.conversation_id:
        where &= memories.c.conversation_id == asked.conversation_id
    if asked.before is not None:
        where &= memories.c.created_s < asked.before

    def erase(connection: Connection) -> int:
        names = list(connection.scalars(select(memories.c.entry_id).where(where)))
        _erase(connection, names)
        return len(names)

    return plain(ForgetResult(forgotten=await work.store.write(erase)))


def _remote_key(asked: StoreInteractionRequest | RetrieveContextRequest | HistoryRequest) -> str:
    """Where a remote agent keeps a caller's memories: by caller (`user_id` is who is counted), and conversation where there is one."""
    caller = asked.user_id or "anonymous"
    return f"{caller}:{asked.conversation_id}" if asked.conversation_id else caller


def _remote_put(asked: StoreInteractionRequest) -> JsonObject:
    value: JsonObject = {"prompt": asked.prompt, "response": asked.response}
    about: JsonObject = {**asked.metadata, "user_id": asked.user_id, "conversation_id": asked.conversation_id}
    return {"item": {"type": "llm_interaction", "key": _remote_key(asked), "value": value, "metadata": about}}


def _remote_list(asked: RetrieveContextRequest | HistoryRequest) -> JsonObject:
    return {"type": "llm_interaction", "key": _remote_key(asked), "limit": asked.limit}


class _RemoteValue(msgspec.Struct):
    prompt: str = ""
    response: str = ""


class _RemoteItem(msgspec.Struct):
    id: str | int = ""
    key: str = ""
    value: _RemoteValue | str = ""
    metadata: JsonObject = msgspec.field(default_factory=dict)
    created: float = 0.0


def _remote_memories(answer: Json) -> tuple[Memory, ...]:
    """The items of an answer: a list, or an object that holds one as `items`, `memories` or `results`."""
    found: Json = answer
    if isinstance(answer, dict):
        found = next((answer[key] for key in ("items", "memories", "results") if isinstance(answer.get(key), list)), None)
    if not isinstance(found, list):
        raise ValueError("expected a list of items")
    items = [msgspec.convert(item, _RemoteItem, strict=False) for item in found]
    return tuple(_of_remote(item) for item in items)


def _of_remote(item: _RemoteItem) -> Memory:
    value = item.value if isinstance(item.value, _RemoteValue) else _RemoteValue(prompt=item.value)
    return Memory(
        memory_id=str(item.id),
        conversation_id=item.key.partition(":")[2] or None,
        prompt=value.prompt,
        response=value.response,
        metadata=item.metadata,
        sensitive=False,
        created=item.created,
        score=1.0,
    )


def _remote_context(answer: Json, asked: RetrieveContextRequest) -> ContextResult:
    return ContextResult(memories=_remote_memories(answer)[: asked.limit])


def _remote_history(answer: Json, asked: HistoryRequest) -> HistoryResult:
    return HistoryResult(conversation_id=asked.conversation_id, interactions=_remote_memories(answer)[: asked.limit])


SERVICE = service(
    "memory_agent",
    "What was said before, by caller and conversation.",
    Operation(
        "store_interaction", "Remember a question and its answer", StoreInteractionRequest, StoreInteractionResult, store_interaction,
        stateful=True, remote=Remote("POST /memory/put", _remote_put),
    ),
    Operation(
        "retrieve_context", "What fits best of what is remembered", RetrieveContextRequest, ContextResult, retrieve_context,
        stateful=True, remote=Remote("GET /memory/list", _remote_list, _remote_context),
    ),
    Operation(
        "get_conversation_history", "A conversation in its order", HistoryRequest, HistoryResult, get_conversation_history,
        stateful=True, remote=Remote("GET /memory/list", _remote_list, _remote_history),
    ),
    Operation("forget", "Erase memories", ForgetRequest, ForgetResult, forget, stateful=True),
)  # fmt: skip
