"""Conversations: their turns are stored, and come back as history before a request is judged and priced."""

from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Iterable

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import NotFound
from llm_gateway.core.exchange import Exchange, Next, Reply
from llm_gateway.core.sealing import Sealer
from llm_gateway.core.tokens import estimate_tokens
from llm_gateway.core.types import ChatRequest, Chunk, FinishReason, Message
from llm_gateway.stores.sql import SqlStore, metadata

conversations = Table(
    "conversations",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("owner", String(256), nullable=False, index=True),
    Column("created_s", Float, nullable=False),
    Column("updated_s", Float, nullable=False),
    Column("tainted", Boolean, nullable=False, default=False),
)
turns = Table(
    "conversation_turns",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("conversation_id", String(128), ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("role", String(16), nullable=False),
    Column("content", Text, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("created_s", Float, nullable=False),
    Column("provider", String(128), nullable=False, default=""),
    Column("model", String(256), nullable=False, default=""),
    Index("conversation_turns_by_conversation", "conversation_id", "id"),
)


class Turn(msgspec.Struct, frozen=True):
    """One stored turn. `created_s` is Unix time; `provider` and `model` say who answered."""

    role: str
    content: str
    tokens: int
    created_s: float
    provider: str = ""
    model: str = ""


class Conversation(msgspec.Struct, frozen=True):
    """A conversation as its owner may read it. `tainted`: it once held sensitive content and stays at secure providers."""

    id: str
    owner: str
    created_s: float
    updated_s: float
    tainted: bool
    turns: tuple[Turn, ...]


class ConversationStore:
    """Conversations in SQL, their words sealed by `sealer`.

    A conversation is visible to its owner and to administrators; to others it does not exist.
    """

    def __init__(self, store: SqlStore, clock: Clock, max_turns: int, sealer: Sealer) -> None:
        self._sealer = sealer
        self._store = store
        self._clock = clock
        self._max_turns = max_turns

    async def read(self, conversation_id: str, owner: str | None) -> Conversation | None:
        """The conversation, or None when it does not exist. `owner` None reads anybody's.

        Raises:
            NotFound: it belongs to somebody else.
        """

        def work(connection: Connection) -> Conversation | None:
            row = connection.execute(select(conversations).where(conversations.c.id == conversation_id)).first()
            if row is None:
                return None
            if owner is not None and row.owner != owner:
                raise NotFound(f"no conversation {conversation_id!r}", param="conversation_id")
            newest = select(turns).where(turns.c.conversation_id == conversation_id).order_by(turns.c.id.desc()).limit(self._max_turns)
            found = [
                Turn(t.role, self._opened(conversation_id, t.content), t.tokens, t.created_s, t.provider, t.model)
                for t in connection.execute(newest)
            ]
            return Conversation(row.id, row.owner, row.created_s, row.updated_s, bool(row.tainted), tuple(reversed(found)))

        return await self._store.read(work)

    async def newest(self, owner: str | None, before_s: float | None, limit: int) -> list[tuple[Conversation, int]]:
        """Conversations without their turns, and how many turns each has; last spoken in first, before a time if one is given.

        `owner` None lists everybody's.
        """
        count = select(func.count()).where(turns.c.conversation_id == conversations.c.id).scalar_subquery()
        query = select(conversations, count.label("turns")).order_by(conversations.c.updated_s.desc(), conversations.c.id).limit(limit)
        if owner is not None:
            query = query.where(conversations.c.owner == owner)
        if before_s is not None:
            query = query.where(conversations.c.updated_s < before_s)

        def work(connection: Connection) -> list[tuple[Conversation, int]]:
            return [
                (Conversation(row.id, row.owner, row.created_s, row.updated_s, bool(row.tainted), ()), row.turns)
                for row in connection.execute(query)
            ]

        return await self._store.read(work)

    async def append(self, conversation_id: str, owner: str, new: Iterable[Turn], *, tainted: bool) -> None:
        """Store turns, making the conversation when it is new. A taint, once set, stays."""
        now_s = self._clock.wall_s()
        rows = [
            {**msgspec.structs.asdict(turn), "conversation_id": conversation_id, "content": self._sealed(conversation_id, turn.content)}
            for turn in new
        ]

        def work(connection: Connection) -> None:
            known = connection.execute(select(conversations.c.owner).where(conversations.c.id == conversation_id)).first()
            if known is None:
                connection.execute(
                    insert(conversations).values(id=conversation_id, owner=owner, created_s=now_s, updated_s=now_s, tainted=tainted)
                )
            elif known.owner != owner:
                raise NotFound(f"no conversation {conversation_id!r}", param="conversation_id")
            else:
                values: dict[str, float | bool] = {"updated_s": now_s}
                if tainted:
                    values["tainted"] = True
                connection.execute(update(conversations).where(conversations.c.id == conversation_id).values(**values))
            if rows:
                connection.execute(insert(turns), rows)
            self._drop_oldest(connection, conversation_id)

        await self._store.write(work)

    def _sealed(self, conversation_id: str, content: str) -> str:
        return b64encode(self._sealer.seal(content.encode("utf-8", "surrogatepass"), f"turn of {conversation_id}")).decode()

    def _opened(self, conversation_id: str, sealed: str) -> str:
        return self._sealer.open(b64decode(sealed), f"turn of {conversation_id}").decode("utf-8", "surrogatepass")

    def _drop_oldest(self, connection: Connection, conversation_id: str) -> None:
        mine = turns.c.conversation_id == conversation_id
        surplus = (connection.scalar(select(func.count()).select_from(turns).where(mine)) or 0) - self._max_turns
        if surplus > 0:
            oldest = select(turns.c.id).where(mine).order_by(turns.c.id).limit(surplus)
            connection.execute(delete(turns).where(turns.c.id.in_(oldest)))

    async def clear_taint(self, conversation_id: str) -> None:
        """Forget that a conversation held sensitive content. What still stands in it is judged anew with the next turn.

        Raises:
            NotFound: there is none of that name.
        """
        change = update(conversations).where(conversations.c.id == conversation_id).values(tainted=False)

        def work(connection: Connection) -> None:
            if connection.execute(change).rowcount == 0:
                raise NotFound(f"no conversation {conversation_id!r}", param="conversation_id")

        await self._store.write(work)

    async def erase(self, conversation_id: str, owner: str | None) -> None:
        """Delete a conversation with its turns.

        Raises:
            NotFound: there is none of that name for this owner.
        """

        def work(connection: Connection) -> None:
            where = conversations.c.id == conversation_id
            if owner is not None:
                where &= conversations.c.owner == owner
            # Turns first: not every database is told to cascade.
            mine = select(conversations.c.id).where(where)
            connection.execute(delete(turns).where(turns.c.conversation_id.in_(mine)))
            if connection.execute(delete(conversations).where(where)).rowcount == 0:
                raise NotFound(f"no conversation {conversation_id!r}", param="conversation_id")

        await self._store.write(work)


class ConversationMemory:
    """The stage: puts history before the new turn, and stores both sides when the answer is complete.

    `history_tokens(request)` says how many tokens of history may be sent with a request.
    """

    def __init__(self, store: ConversationStore, clock: Clock, history_tokens: Callable[[ChatRequest], int]) -> None:
        self._store = store
        self._clock = clock
        self._history_tokens = history_tokens

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[Reply]:
        request = exchange.request
        if exchange.conversation_id is None or not isinstance(request, ChatRequest):
            return call_next(exchange)
        return self._continue(exchange, request, call_next)

    async def _continue(self, exchange: Exchange, request: ChatRequest, call_next: Next) -> Reply:
        asked_s = self._clock.wall_s()
        owner = await self.recall(exchange)
        listener = _Listener()
        exchange.at_end(lambda: self._remember(exchange, owner, request, listener, asked_s))
        reply = await call_next(exchange)
        return reply.through(listener)

    async def recall(self, exchange: Exchange) -> str:
        """Put the history of the exchange's conversation before its new turn; nothing is stored. Returns whose it is."""
        request = exchange.request
        if exchange.conversation_id is None or not isinstance(request, ChatRequest):
            return exchange.caller.id
        known = await self._store.read(exchange.conversation_id, None if exchange.caller.is_admin else exchange.caller.id)
        if known is not None:
            exchange.tainted = known.tainted
            history = _newest_that_fit(known.turns, self._history_tokens(request))
            exchange.request = msgspec.structs.replace(request, messages=(*history, *request.messages))
        return exchange.caller.id if known is None else known.owner

    async def _remember(self, exchange: Exchange, owner: str, request: ChatRequest, listener: "_Listener", asked_s: float) -> None:
        sensitive = exchange.tainted or (exchange.sensitivity is not None and exchange.sensitivity.sensitive)
        new: list[Turn] = []
        if exchange.failure is None and listener.finished and exchange.conversation_id is not None:
            chosen = exchange.chosen.target if exchange.chosen else None
            new = [Turn(m.role, m.text(), estimate_tokens(m.text()), asked_s) for m in request.messages]
            answer = "".join(listener.pieces)
            provider, model = (chosen.provider, chosen.model) if chosen else ("", "")
            new.append(Turn("assistant", answer, estimate_tokens(answer), self._clock.wall_s(), provider, model))
        if exchange.conversation_id is not None and (new or sensitive):
            await self._store.append(exchange.conversation_id, owner, new, tainted=sensitive)


class _Listener:
    """Notes the text of the first answer as it passes."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.finished = False

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        if chunk.choice == 0 and chunk.text:
            self.pieces.append(chunk.text)
        self.finished = self.finished or chunk.finish_reason in {FinishReason.STOP, FinishReason.LENGTH, FinishReason.TOOL_CALLS}
        return (chunk,)

    def finish(self) -> Iterable[Chunk]:
        return ()


def _newest_that_fit(stored: tuple[Turn, ...], budget_tokens: int) -> tuple[Message, ...]:
    kept: list[Message] = []
    left = budget_tokens
    for turn in reversed(stored):
        left -= turn.tokens
        if left < 0:
            break
        kept.append(Message("assistant" if turn.role == "assistant" else "user", turn.content))
    # A history that opens with an answer has lost its question; some wires refuse it.
    while kept and kept[-1].role == "assistant":
        kept.pop()
    return tuple(reversed(kept))
