"""API keys in SQL, and the table in memory that answers for every request.

Each change of a key takes the next number of one counter, in the same transaction. A process that has seen number n asks
for the rows above n, so keeping up costs one small query. The counter's row is written first, which lets only one
transaction at a time take a number: rows become visible in the order of their numbers, and none is missed.
"""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from math import inf
from os import urandom
from typing import Any, Final, cast

import msgspec
import structlog
from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    Text,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import ConfigurationError, LLMGatewayError, NotFound
from llm_gateway.core.exchange import Caller
from llm_gateway.core.ids import ulid
from llm_gateway.identity.keys import HINT_LENGTH, BudgetPeriod, Grant, Key, Pepper, new_key
from llm_gateway.stores.sql import SqlStore, metadata

_log = structlog.get_logger(__name__)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("revision", Integer, nullable=False, index=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("hint", String(16), nullable=False),
    Column("name", String(128), nullable=False),
    Column("owner", String(64), nullable=False, index=True),
    Column("tier", String(64), nullable=False),
    Column("allowed_providers", Text),
    Column("allowed_models", Text),
    Column("budget_usd", String(40)),
    Column("budget_period", String(8), nullable=False),
    Column("expires_s", Float),
    Column("created_s", Float, nullable=False),
    Column("last_used_s", Float),
    Column("revoked_s", Float),
)
api_key_state = Table(
    "api_key_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", Integer, nullable=False),
    Column("pepper_check", LargeBinary(32), nullable=False),
)
_STATE: Final = 1
"""The id of the one row of `api_key_state`."""


class Entry(msgspec.Struct, frozen=True):
    """What the table in memory holds of a key, ready for use: `expires_s` is infinite for a key that does not end."""

    key: Key
    caller: Caller
    expires_s: float

    @classmethod
    def of(cls, key: Key) -> "Entry":
        return cls(key, key.caller(), inf if key.grant.expires_s is None else key.grant.expires_s)


class KeyStore:
    """Keys that were made while the gateway runs. `table` maps the stored form of every key in force to its entry.

    Keys stay in the database when they are revoked, so `any_exist` stays true: a gateway that once needed keys does not
    open to everybody because the last one was taken back.
    """

    def __init__(self, store: SqlStore, clock: Clock, pepper: Pepper) -> None:
        self.pepper = pepper
        self.table: dict[bytes, Entry] = {}
        self.any_exist = False
        self.last_used_s: dict[str, float] = {}
        """Last use in this process by key id, Unix seconds."""
        self._store = store
        self._clock = clock
        self._by_id: dict[str, Entry] = {}
        self._unwritten: set[str] = set()
        self._revision = 0
        self._refreshing = asyncio.Lock()

    async def open(self) -> None:
        """Read all keys.

        Raises:
            ConfigurationError: those in the database were stored under another pepper.
        """
        check = self.pepper.check

        def work(connection: Connection) -> bool:
            # Writing first waits for whoever else is writing; what is read after it is theirs already.
            locked = update(api_key_state).where(api_key_state.c.id == _STATE).values(revision=api_key_state.c.revision)
            if connection.execute(locked).rowcount == 0:
                connection.execute(insert(api_key_state).values(id=_STATE, revision=0, pepper_check=check))
            elif bytes(connection.execute(select(api_key_state.c.pepper_check)).scalar_one()) != check:
                if connection.scalar(select(func.count()).select_from(api_keys)):
                    return False
                connection.execute(update(api_key_state).values(pepper_check=check))
            return True

        try:
            fits = await self._store.write(work)
        except IntegrityError:  # another process was faster to make the row: look at it
            fits = await self._store.write(work)
        if not fits:
            raise ConfigurationError(
                "auth.key_pepper: the API keys in the database were stored under another secret; expected that one, "
                "or the file `key_pepper` of the data folder that they were made with"
            )
        await self.refresh()

    async def refresh(self) -> None:
        """Take over what any process has changed since the last look."""
        async with self._refreshing:
            rows = await self._store.read(self._changed)
            for row in rows:
                key = _key(row)
                if key.revoked_s is None:
                    entry = Entry.of(key)
                    self.table[key.digest] = self._by_id[key.id] = entry
                else:
                    self.table.pop(key.digest, None)
                    self._by_id.pop(key.id, None)
                self._revision = row.revision
            self.any_exist = self.any_exist or bool(rows)

    def _changed(self, connection: Connection) -> list[Row[Any]]:
        newer = select(api_keys).where(api_keys.c.revision > self._revision).order_by(api_keys.c.revision)
        return list(connection.execute(newer))

    def by_id(self, key_id: str) -> Key | None:
        """A key in force."""
        entry = self._by_id.get(key_id)
        return None if entry is None else entry.key

    async def create(self, grant: Grant) -> tuple[str, Key]:
        """Make a key: what its holder must show, which is nowhere kept, and what is stored of it."""
        secret = new_key(urandom)
        now_s = self._clock.wall_s()
        key = Key("key_" + ulid(now_s, urandom), self.pepper.of(secret), grant, secret[:HINT_LENGTH], created_s=now_s)

        def work(connection: Connection) -> None:
            connection.execute(insert(api_keys).values(revision=_next_revision(connection), **_columns(key)))

        await self._store.write(work)
        await self.refresh()
        return secret, key

    async def revoke(self, key_id: str) -> Key:
        """Take a key back: at once here, and wherever else with the next look. A second time changes nothing.

        Raises:
            NotFound: there is no such key, or it stands in the configuration.
        """
        now_s = self._clock.wall_s()

        def work(connection: Connection) -> Key:
            revision = _next_revision(connection)
            where = api_keys.c.id == key_id
            connection.execute(update(api_keys).where(where, api_keys.c.revoked_s.is_(None)).values(revoked_s=now_s, revision=revision))
            row = connection.execute(select(api_keys).where(where)).first()
            if row is None:
                raise NotFound(f"no API key {key_id[:64]!r}", param="key_id")
            return _key(row)

        key = await self._store.write(work)
        await self.refresh()
        return key

    async def page(self, owner: str | None, after: str, limit: int) -> list[Key]:
        """Keys in the order they were made, those of `owner` (None: all), from the one that follows the id `after` on."""
        query: Select[Any] = select(api_keys).where(api_keys.c.id > after).order_by(api_keys.c.id).limit(limit)
        if owner is not None:
            query = query.where(api_keys.c.owner == owner)
        found = await self._store.read(lambda connection: [_key(row) for row in connection.execute(query)])
        return [self.with_use(key) for key in found]

    def with_use(self, key: Key) -> Key:
        """The key with its last use, where this process knows of a later one than the database."""
        used_s = self.last_used_s.get(key.id)
        return key if used_s is None or used_s <= (key.last_used_s or 0) else msgspec.structs.replace(key, last_used_s=used_s)

    def used(self, key_id: str, now_s: float) -> None:
        """A key was shown and accepted. Written with the next `write_uses`."""
        self.last_used_s[key_id] = now_s
        self._unwritten.add(key_id)

    async def write_uses(self) -> None:
        """Write the last uses that the database does not know yet."""
        if not self._unwritten:
            return
        ids, self._unwritten = self._unwritten, set()
        uses = [{"used_id": key_id, "used_s": self.last_used_s[key_id]} for key_id in sorted(ids)]
        later = or_(api_keys.c.last_used_s.is_(None), api_keys.c.last_used_s < bindparam("used_s"))
        change = update(api_keys).where(api_keys.c.id == bindparam("used_id"), later).values(last_used_s=bindparam("used_s"))
        try:
            await self._store.write(lambda connection: connection.execute(change, uses))
        except BaseException:
            self._unwritten |= ids
            raise

    async def tick(self) -> None:
        """Refresh and write uses; a database that does not answer is reported, and tried again the next time."""
        try:
            await self.refresh()
            await self.write_uses()
        except (SQLAlchemyError, LLMGatewayError) as failure:
            _log.error("API keys could not be refreshed: those known so far stay in force", problem=type(failure).__name__)


def _next_revision(connection: Connection) -> int:
    connection.execute(update(api_key_state).values(revision=api_key_state.c.revision + 1))
    return int(connection.execute(select(api_key_state.c.revision)).scalar_one())


def _columns(key: Key) -> Mapping[str, object]:
    grant = key.grant
    return {
        "id": key.id,
        "digest": key.digest,
        "hint": key.hint,
        "name": grant.name,
        "owner": grant.owner,
        "tier": grant.tier,
        "allowed_providers": _names_text(grant.allowed_providers),
        "allowed_models": _names_text(grant.allowed_models),
        "budget_usd": None if grant.budget_usd is None else str(grant.budget_usd),
        "budget_period": grant.budget_period,
        "expires_s": grant.expires_s,
        "created_s": key.created_s,
        "last_used_s": key.last_used_s,
        "revoked_s": key.revoked_s,
    }


def _key(row: Row[Any]) -> Key:
    grant = Grant(
        row.name,
        row.owner,
        row.tier,
        _names(row.allowed_providers),
        _names(row.allowed_models),
        None if row.budget_usd is None else Decimal(row.budget_usd),
        cast(BudgetPeriod, row.budget_period),
        row.expires_s,
    )
    return Key(row.id, bytes(row.digest), grant, row.hint, created_s=row.created_s, last_used_s=row.last_used_s, revoked_s=row.revoked_s)


def _names_text(names: frozenset[str] | None) -> str | None:
    return None if names is None else msgspec.json.encode(sorted(names)).decode()


def _names(text: str | None) -> frozenset[str] | None:
    return None if text is None else msgspec.json.decode(text, type=frozenset[str])
