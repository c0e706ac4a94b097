"""This process's chain in the database, with what surrounds it: what killed processes left behind, and the removal of what is old."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from os import urandom
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from llm_gateway import __version__
from llm_gateway.audit import tables
from llm_gateway.audit.chain import AuditKey, Chain, Head, TamperedRecord, make_checkpoint, named, resealed
from llm_gateway.audit.journal import Journal
from llm_gateway.audit.keys import key_in
from llm_gateway.audit.liveness import Liveness
from llm_gateway.audit.reading import TrailReader
from llm_gateway.audit.rows import AdminDetail, AnchorDetail, Entry, RecoveredDetail, Row, clean
from llm_gateway.audit.verification import ChainCheck
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.core.exchange import Caller
from llm_gateway.core.ids import ulid
from llm_gateway.core.settings import AuditSettings
from llm_gateway.core.types import Json

_log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode
T = TypeVar("T")

DAY_US: Final = 86_400 * 1_000_000
FOREIGN_LEASE_US: Final = 600 * 1_000_000
"""A chain of another data folder counts as dead when its head is older; a living one renews it at every housekeeping."""
HOUSEKEEPING_S: Final = 120.0
CLOSE_S: Final = 5.0


class Store(Protocol):
    """The database, off the event loop: `read` at once, `write` through its one writer, done when committed."""

    def read(self, work: Callable[[Connection], T]) -> Awaitable[T]: ...
    def write(self, work: Callable[[Connection], T]) -> Awaitable[T]: ...


class AuditTrail:
    """The trail, as one process writes and tends it.

    Make it with `AuditTrail.open` when the event loop runs; `close` it before the database.
    """

    def __init__(self, store: Store, key: AuditKey, chain: Chain, clock: Clock, settings: AuditSettings, liveness: Liveness) -> None:
        self.key = key
        self.store = store
        self.journal = Journal(store, chain, clock, settings.commit_timeout_s)
        self.busy = asyncio.Lock()
        """Held while the whole trail is read or old rows are removed: one at a time."""
        self.reader = TrailReader(store, key, self.busy)
        self._chain = chain
        self._liveness = liveness
        self._first: list[Row] = []
        """The anchor, once it is linked."""
        self._queued: set[str] = set()
        """Dead chains whose `recovered` rows wait to be committed."""

    @classmethod
    async def open(cls, store: Store, settings: AuditSettings, data_dir: Path, clock: Clock) -> "AuditTrail":
        """Begin a chain: anchor it to those that are there, and end the calls that killed processes left open.

        Raises:
            ConfigurationError: there is no key and none can be made, or the data folder or the database cannot be written.
        """
        key = await asyncio.to_thread(key_in, data_dir, settings.key.get_secret_value())
        chain = Chain(ulid(clock.wall_s(), urandom), key)
        liveness = Liveness(data_dir)
        try:
            liveness.hold(chain.name)
        except OSError as failure:
            raise ConfigurationError(f"server.data_dir: {data_dir} cannot be written ({failure.strerror})") from None
        trail = cls(store, key, chain, clock, settings, liveness)
        try:
            await store.write(trail._begin)
        except SQLAlchemyError as failure:
            liveness.release(chain.name, settled=True)
            raise ConfigurationError(f"the audit trail cannot be begun: {type(failure).__name__} from the database") from failure
        await trail.recover()
        return trail

    def _begin(self, connection: Connection) -> None:
        tables.lock(connection)
        removed = {point.chain: point.seq for point in tables.read_checkpoints(connection)}
        # A chain whose rows are all gone need not be named again; its checkpoint stays.
        previous = tuple(named(head) for head in tables.read_heads(connection) if removed.get(head.chain, -1) < head.seq)
        if not self._first:  # the database may run this again
            detail = _encode(AnchorDetail(self.key.key_id, __version__, previous)).decode()
            self._first = self._chain.link([Entry(self.journal.now_us(), "anchor", detail)])
        tables.begin_chain(connection, self._first, self._chain.head(self._first[-1]))

    async def recover(self) -> int:
        """End the open calls of processes that are dead, one `recovered` row each. Gives their number."""
        calls = 0
        for head in await self.store.read(tables.read_heads):
            if head.state != "open" or head.chain == self.journal.chain:
                continue
            found = self._liveness.take(head.chain)
            old = self.journal.now_us() - head.at_us > FOREIGN_LEASE_US
            if found == "taken" or (found == "unknown" and (old or head.chain in self._queued)):
                try:
                    calls += await self._recover_chain(head)
                except TamperedRecord as failure:
                    _log.error("a killed process's calls cannot be closed", problem=failure.message)
        return calls

    async def _recover_chain(self, head: Head) -> int:
        settled = False
        by_call: dict[int, list[Row]] = {}
        try:
            # Renewing the head claims it: of two processes on different folders one finds it changed.
            claimed = resealed(self.key, head, at_us=self.journal.now_us())
            if not await self.store.write(partial(tables.replace_head, head, claimed)):
                return 0
            if head.chain not in self._queued:
                for row in await self.store.read(lambda connection: list(tables.open_intents(connection, head))):
                    by_call.setdefault(row.call, []).append(row)
                self._queued.add(head.chain)
                for rows in by_call.values():
                    self.journal.add(self._recovered(head.chain, rows))
            # The head says so last: a process killed before leaves the rest to the next one, which sees what is there already.
            if await self.journal.drained(CLOSE_S):
                recovered = resealed(self.key, claimed, state="recovered")
                settled = await self.store.write(partial(tables.replace_head, claimed, recovered))
                self._queued.discard(head.chain)
        finally:
            self._liveness.release(head.chain, settled=settled)
        if by_call:
            _log.warning("calls of a process that was killed were closed", chain=head.chain, calls=len(by_call))
        return len(by_call)

    def _recovered(self, chain: str, intents: list[Row]) -> Entry:
        last = intents[-1]
        detail = _encode(RecoveredDetail(chain, tuple(row.seq for row in intents))).decode()
        return Entry(
            self.journal.now_us(), "recovered", detail, last.call, last.correlation_id, last.caller, last.provider, last.sensitive,
            "recovered",
        )  # fmt: skip

    async def record(self, action: str, caller: Caller, correlation_id: str, what: Mapping[str, Json] | None = None) -> None:
        """Write down an operator's act, before it takes effect. `what` holds names and numbers, never a secret.

        Raises:
            AuditUnavailable: it could not be committed, so the act must not happen.
        """
        detail = _encode(AdminDetail(action, dict(what or {}))).decode()
        now_us = self.journal.now_us()
        await self.journal.commit(Entry(now_us, "admin", detail, correlation_id=clean(correlation_id), caller=clean(caller.id)))

    async def remove_before(self, before_us: int) -> int:
        """Remove the beginnings of chains that are older, leaving checkpoints. Gives the number of rows."""
        removed = 0
        async with self.busy:
            for head in await self.store.read(tables.read_heads):
                while count := await self.store.write(partial(self._remove_some, head, before_us)):
                    removed += count
        return removed

    def _remove_some(self, head: Head, before_us: int, connection: Connection) -> int:
        tables.lock(connection)
        rows = tables.removable(connection, head, before_us)
        check = ChainCheck(head.chain, self.key, None, tables.checkpoint_of(connection, head.chain))
        for row in rows:
            check.feed(row)
        if check.problem is not None:
            _log.error("old audit rows are not removed: they are not as they were written", problem=str(check.problem))
            return 0
        if not rows:
            return 0
        return tables.remove_until(connection, rows[-1], make_checkpoint(self.key, rows[-1], self.journal.now_us()))

    async def housekeep(self, retention_days: int) -> None:
        """Renew the head's time, recover what others left, remove what is older than `retention_days`."""
        await self.store.write(self._renew)
        await self.recover()
        await self.remove_before(self.journal.now_us() - retention_days * DAY_US)

    def _renew(self, connection: Connection, **changes: object) -> None:
        tables.lock(connection)
        mine = next(head for head in tables.read_heads(connection) if head.chain == self.journal.chain)
        tables.put_head(connection, resealed(self.key, mine, at_us=self.journal.now_us(), **changes))

    async def keep_house(self, retention_days: Callable[[], int]) -> None:
        """Housekeeping for ever; a failing one is logged, and tried again the next time."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            try:
                await self.housekeep(retention_days())
            except Exception:
                _log.exception("the audit trail's housekeeping failed")

    async def close(self) -> None:
        """Write what is queued, and that this was an orderly stop."""
        settled = await self.journal.drained(CLOSE_S)
        if settled:
            self.journal.add(Entry(self.journal.now_us(), "close", "{}"))
            settled = await self.journal.drained(CLOSE_S)
        if settled:
            await self.store.write(partial(self._renew, state="closed"))
        self._liveness.release(self.journal.chain, settled=settled)
