"""Writes down every call: an intent before the bytes of an attempt leave, an outcome when the call is over.

`AuditLog` is the stage and the router's hook before each attempt; there is one for each configuration. `AuditTrail` is what they
write to, and outlives reloads: this process's chain, what killed processes left behind, the removal of what is old.
"""

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
from llm_gateway.audit.content import MAX_CONTENT_CHARS, Answered, sealed
from llm_gateway.audit.journal import Journal
from llm_gateway.audit.keys import key_in
from llm_gateway.audit.liveness import Liveness
from llm_gateway.audit.reading import TrailReader
from llm_gateway.audit.rows import (
    AdminDetail,
    AnchorDetail,
    CallFacts,
    Destined,
    Entry,
    IntentDetail,
    Outcome,
    OutcomeDetail,
    RecoveredDetail,
    Row,
    clean,
)
from llm_gateway.audit.verification import ChainCheck
from llm_gateway.core.clearance import digest
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import AuditUnavailable, ConfigurationError
from llm_gateway.core.exchange import Caller, Exchange, Next, Reply
from llm_gateway.core.ids import ulid
from llm_gateway.core.routing import Attempt, Destination
from llm_gateway.core.sealing import Sealer
from llm_gateway.core.settings import AuditSettings
from llm_gateway.core.types import Json, operation_name
from llm_gateway.stores.sql import metadata

_log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode
T = TypeVar("T")

for _table in tables.metadata.tables.values():
    _table.to_metadata(metadata)

DAY_US: Final = 86_400 * 1_000_000
FOREIGN_LEASE_US: Final = 600 * 1_000_000
"""A chain of another data folder counts as dead when its head is older; a living one renews it at every housekeeping."""
HOUSEKEEPING_S: Final = 120.0
CLOSE_S: Final = 5.0
MOST_SHAPES: Final = 256
"""Sets of eligible destinations whose JSON is kept."""
_BLOCKED: Final = frozenset({"sensitive_content_blocked", "no_eligible_provider"})


class Store(Protocol):
    """The database, off the event loop: `read` at once, `write` through its one writer, done when committed."""

    def read(self, work: Callable[[Connection], T]) -> Awaitable[T]: ...
    def write(self, work: Callable[[Connection], T]) -> Awaitable[T]: ...


class _Eligible(msgspec.Struct, frozen=True):
    """A set of destinations as rows show it, and each provider's origin."""

    listed: msgspec.Raw
    origins: dict[str, str]


class _OpenCall:
    """What is known of a call between its rows."""

    __slots__ = ("answered", "facts", "number", "origins")

    def __init__(self, number: int, keep_chars: int) -> None:
        self.number = number
        self.answered = Answered(keep_chars)
        self.facts: msgspec.Raw | None = None
        self.origins: Mapping[str, str] = {}


class AuditLog:
    """The stage, and `before_attempt` for the router.

    In mode `strict` nothing is served that cannot be written down: a request is refused at the door while rows cannot be
    written, and an attempt whose intent is not committed in time does not happen. In mode `best_effort` that
    holds for sensitive content alone.
    """

    def __init__(
        self,
        trail: "AuditTrail",
        settings: AuditSettings,
        clock: Clock,
        sealer: Sealer | None = None,
        is_sensitive: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`sealer` seals what `audit.store_content` keeps; `is_sensitive` judges answers before that."""
        self._sealer = sealer if settings.store_content else None
        self._is_sensitive = is_sensitive
        self._keep_chars = MAX_CONTENT_CHARS if self._sealer is not None else 0
        self._journal = trail.journal
        self._key = trail.key
        self._strict = settings.mode == "strict"
        self._clock = clock
        self._calls: dict[Exchange, _OpenCall] = {}
        self._shapes: dict[frozenset[Destination], _Eligible] = {}

    async def __call__(self, exchange: Exchange, call_next: Next) -> Reply:
        if self._strict and not self._journal.writable:
            raise self._journal.turn_away()
        answered = self._open(exchange).answered
        return (await call_next(exchange)).through(answered)

    def _open(self, exchange: Exchange) -> _OpenCall:
        call = self._calls[exchange] = _OpenCall(self._journal.next_call(), self._keep_chars)
        exchange.at_end(partial(self._end, exchange))
        return call

    async def before_attempt(self, exchange: Exchange, attempt: Attempt) -> None:
        """Commit the intent of an attempt.

        Raises:
            AuditUnavailable: it is not committed, so nothing may be sent.
        """
        call = self._calls.get(exchange) or self._open(exchange)
        may_pass = not self._strict and is_harmless(exchange)
        entry = self._intent(exchange, attempt, call)
        if may_pass and not self._journal.writable:
            self._journal.add(entry)
            return
        try:
            await self._journal.commit(entry)
        except AuditUnavailable:
            if not may_pass:
                raise

    def _intent(self, exchange: Exchange, attempt: Attempt, call: _OpenCall) -> Entry:
        facts = self._facts(exchange, call)
        target = Destined(attempt.provider, attempt.model, attempt.security_level, call.origins.get(attempt.provider, ""))
        detail = _encode(IntentDetail(len(exchange.attempts), target, facts)).decode()
        return self._entry(exchange, call, detail, attempt.provider)

    def _entry(self, exchange: Exchange, call: _OpenCall, detail: str, provider: str, outcome: Outcome = "") -> Entry:
        return Entry(
            self._journal.now_us(), "outcome" if outcome else "intent", detail, call.number, exchange.correlation_id,
            clean(exchange.caller.id), provider, int(is_sensitive(exchange)), outcome,
        )  # fmt: skip

    def _facts(self, exchange: Exchange, call: _OpenCall) -> msgspec.Raw:
        if call.facts is not None:
            return call.facts
        caller, verdict, clearance = exchange.caller, exchange.sensitivity, exchange.clearance
        eligible, fingerprint = _NOWHERE, b""
        if clearance is not None:
            eligible, fingerprint = self._shape(clearance.eligible), clearance.request_digest
        elif verdict is not None:
            fingerprint = digest(exchange.request)
        call.origins = eligible.origins
        facts = msgspec.Raw(_encode(CallFacts(
            exchange.ingress,
            operation_name(exchange.request),
            clean(caller.key_id),
            caller.tier,
            clean(exchange.credentials.address),
            None if verdict is None else round(verdict.score, 4),
            verdict.kinds if verdict is not None and verdict.findings else (),
            verdict.failed if verdict is not None else "",
            exchange.tainted,
            clearance.policy_version if clearance is not None else "",
            eligible.listed,
            self._key.content_digest(fingerprint) if fingerprint else "",
        )))  # fmt: skip
        if clearance is not None:
            call.facts = facts
        return facts

    def _shape(self, eligible: frozenset[Destination]) -> _Eligible:
        shape = self._shapes.get(eligible)
        if shape is None:
            places = sorted(eligible, key=lambda place: place.provider)
            listed = msgspec.Raw(_encode([f"{place.provider} {place.security_level} {place.origin}" for place in places]))
            shape = _Eligible(listed, {place.provider: place.origin for place in places})
            if len(self._shapes) < MOST_SHAPES:
                self._shapes[eligible] = shape
        return shape

    async def _end(self, exchange: Exchange) -> None:
        call = self._calls.pop(exchange)
        failure, usage, facts = exchange.failure, exchange.usage, self._facts(exchange, call)
        attempts = exchange.attempts
        answered_by = exchange.chosen.target.provider if exchange.chosen is not None else ""
        provider = answered_by or (attempts[-1].provider if attempts else "")
        detail = OutcomeDetail(
            tuple([_made(attempt, call.origins) for attempt in attempts]),
            facts,
            failure.error_type if failure is not None else "",
            failure.http_status if failure is not None else 200,
            usage.input_tokens if usage is not None else None,
            usage.output_tokens if usage is not None else None,
            usage is not None and usage.estimated,
            exchange.cost_usd,
            exchange.finish_reason or "",
            exchange.cache_state,
            round((self._clock.monotonic_s() - exchange.received_s) * 1000, 3),
            round(exchange.upstream_s * 1000, 3),
            self._key.content_digest(said) if (said := call.answered.fingerprint) else "",
            await asyncio.to_thread(self._content, exchange, call.answered, self._sealer) if self._sealer is not None else "",
        )  # fmt: skip
        self._journal.add(self._entry(exchange, call, _encode(detail).decode(), provider, outcome_of(exchange)))

    def _content(self, exchange: Exchange, answered: Answered, sealer: Sealer) -> str:
        """Question and answer, sealed; nothing where any of it is sensitive (what was redacted and put back included)."""
        answer = answered.text
        if answer is None or not is_harmless(exchange) or self._is_sensitive(answer):
            return ""
        return sealed(exchange.request, answer, exchange.correlation_id, sealer)


def _made(attempt: Attempt, origins: Mapping[str, str]) -> Destined:
    usage = attempt.usage
    return Destined(
        attempt.provider, attempt.model, attempt.security_level, origins.get(attempt.provider, ""), attempt.outcome,
        attempt.upstream_status, round(attempt.duration_s * 1000, 3), attempt.reached,
        usage.input_tokens if usage is not None else None, usage.output_tokens if usage is not None else None, attempt.cost_pico_usd,
    )  # fmt: skip


_NOWHERE: Final = _Eligible(msgspec.Raw(b"[]"), {})


def is_sensitive(exchange: Exchange) -> bool:
    """Whether a call is marked as sensitive: judged so, impossible to judge, or in a tainted conversation."""
    verdict = exchange.sensitivity
    return exchange.tainted or (verdict is not None and (verdict.sensitive or bool(verdict.failed)))


def is_harmless(exchange: Exchange) -> bool:
    """Whether a call was judged to be free of sensitive matter, and nobody asked for more care."""
    return exchange.sensitivity is not None and exchange.minimum_level is None and not is_sensitive(exchange)


def outcome_of(exchange: Exchange) -> Outcome:
    """What a call came to: `blocked` when policy left nobody to ask, `aborted` when its reader left."""
    failure = exchange.failure
    if failure is None:
        left = bool(exchange.attempts) and exchange.attempts[-1].outcome == "cancelled"
        return "aborted" if left else "ok"
    if failure.error_type == "client_closed_request":
        return "aborted"
    return "blocked" if failure.error_type in _BLOCKED and not exchange.attempts else "error"


class AuditTrail:
    """This process's chain in the database, with what surrounds it.

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
        detail = _encode(AnchorDetail(self.key.key_id, __version__, previous)).decode()
        rows = self._chain.link([Entry(self.journal.now_us(), "anchor", detail)])
        tables.begin_chain(connection, rows, self._chain.head(rows[-1]))

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
