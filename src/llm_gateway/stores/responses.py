"""Responses of `/v1/responses`, kept so that a later one can go on from them (`previous_response_id`)."""

from typing import Final

import msgspec
from sqlalchemy import Boolean, Column, Connection, Float, Index, LargeBinary, String, Table, delete, insert, select

from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import InvalidRequest, NotFound
from llm_gateway.core.sealing import Sealer
from llm_gateway.core.types import Json, JsonObject
from llm_gateway.stores.sql import SqlStore, metadata

DAY_S: Final = 86_400.0

responses = Table(
    "responses",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(256), nullable=False),
    Column("previous_id", String(64), nullable=True),
    Column("created_s", Float, nullable=False),
    Column("tainted", Boolean, nullable=False, default=False),
    Column("input", LargeBinary, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Index("responses_by_age", "created_s"),
)
_encode = msgspec.json.Encoder().encode
_items = msgspec.json.Decoder(list[Json])
_object = msgspec.json.Decoder(JsonObject)


class Stored(msgspec.Struct, frozen=True):
    """One response: the items that were asked with it, and its document. `tainted`: it or one before it was sensitive."""

    id: str
    owner: str
    previous_id: str | None
    tainted: bool
    input: list[Json]
    response: JsonObject


class ResponseStore:
    """Responses in SQL, for `days` days, their words sealed by `sealer`. One is visible to its owner; to others it does not exist.

    `max_turns` bounds the chain of responses that one goes on from.
    """

    def __init__(self, store: SqlStore, clock: Clock, sealer: Sealer, *, days: float, max_turns: int) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._days = days
        self._max_turns = max_turns

    async def read(self, response_id: str, owner: str | None) -> Stored:
        """One response. `owner` None reads anybody's.

        Raises:
            NotFound: there is none of that name for this owner.
        """
        return await self._store.read(lambda connection: self._one(connection, response_id, owner, "response_id"))

    async def chain(self, response_id: str, owner: str | None) -> list[Stored]:
        """The response and those that it went on from, the oldest first.

        Raises:
            NotFound: one of them is not there (any more) for this owner.
            InvalidRequest: there are too many.
        """

        def work(connection: Connection) -> list[Stored]:
            found: list[Stored] = []
            name: str | None = response_id
            while name is not None:
                if len(found) >= self._max_turns:
                    most = f"{self._max_turns} (conversations.max_turns)"
                    raise InvalidRequest(f"previous_response_id: the conversation is longer than {most}", param="previous_response_id")
                found.append(self._one(connection, name, owner, "previous_response_id"))
                name = found[-1].previous_id
            return found[::-1]

        return await self._store.read(work)

    def _one(self, connection: Connection, response_id: str, owner: str | None, param: str) -> Stored:
        row = connection.execute(select(responses).where(responses.c.id == response_id)).first()
        if row is None or (owner is not None and row.owner != owner) or row.created_s < self._oldest_s():
            raise NotFound(f"there is no response {response_id[:64]!r}", param=param)
        asked, answered = self._sealer.open(row.input, f"input of {row.id}"), self._sealer.open(row.response, f"response {row.id}")
        return Stored(row.id, row.owner, row.previous_id, bool(row.tainted), _items.decode(asked), _object.decode(answered))

    def _oldest_s(self) -> float:
        return self._clock.wall_s() - self._days * DAY_S

    async def add(self, stored: Stored) -> None:
        """Keep a response; those that are too old go."""
        row = {
            "id": stored.id,
            "owner": stored.owner,
            "previous_id": stored.previous_id,
            "created_s": self._clock.wall_s(),
            "tainted": stored.tainted,
            "input": self._sealer.seal(_encode(stored.input), f"input of {stored.id}"),
            "response": self._sealer.seal(_encode(stored.response), f"response {stored.id}"),
        }
        oldest_s = self._oldest_s()

        def work(connection: Connection) -> None:
            connection.execute(delete(responses).where(responses.c.created_s < oldest_s))
            connection.execute(insert(responses).values(**row))

        await self._store.write(work)

    async def erase(self, response_id: str, owner: str | None) -> None:
        """Delete a response; others that went on from it cannot be gone on from any more.

        Raises:
            NotFound: there is none of that name for this owner.
        """

        def work(connection: Connection) -> None:
            where = responses.c.id == response_id
            if owner is not None:
                where &= responses.c.owner == owner
            if connection.execute(delete(responses).where(where)).rowcount == 0:
                raise NotFound(f"there is no response {response_id[:64]!r}", param="response_id")

        await self._store.write(work)
