"""Writes down every call: an intent before the bytes of an attempt leave, an outcome when the call is over.

`AuditLog` is the stage and the router's hook before each attempt; there is one for each configuration. What they write to
(`audit.trail`) outlives reloads.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeVar

import msgspec
import structlog

from llm_gateway.audit import tables
from llm_gateway.audit.content import MAX_CONTENT_CHARS, Answered, sealed
from llm_gateway.audit.rows import (
    CallFacts,
    Destined,
    Entry,
    IntentDetail,
    Outcome,
    OutcomeDetail,
    clean,
)
from llm_gateway.audit.trail import AuditTrail
from llm_gateway.core.clearance import digest
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import AuditUnavailable
from llm_gateway.core.exchange import Exchange, Next, Reply
from llm_gateway.core.routing import Attempt, Destination
from llm_gateway.core.sealing import Sealer
from llm_gateway.core.settings import AuditSettings
from llm_gateway.core.types import SecurityLevel, operation_name
from llm_gateway.stores.sql import metadata

_log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode
K = TypeVar("K")
T = TypeVar("T")

for _table in tables.metadata.tables.values():
    _table.to_metadata(metadata)

MOST_SHAPES: Final = 256
"""Pieces of JSON of each sort that are kept, because most calls have them in common."""
_BLOCKED: Final = frozenset({"sensitive_content_blocked", "no_eligible_provider"})


class _Eligible(msgspec.Struct, frozen=True):
    """A set of destinations as rows show it, and each provider's origin."""

    listed: msgspec.Raw
    origins: dict[str, str]


class _Common(NamedTuple):
    """What calls have in common: their facts as JSON up to the digest (up to the end where there is none), the caller's name, `clean`,
    and the origins of the providers that they may go to."""

    facts: str
    caller: str
    origins: Mapping[str, str]


class _OpenCall(msgspec.Struct):
    """What is known of a call between its rows. `facts` is its `CallFacts` as JSON; with `caller` and `origins` it is known from the
    first row on."""

    number: int
    answered: Answered
    facts: str = ""
    origins: Mapping[str, str] = {}
    caller: str = ""


class AuditLog:
    """The stage, and `before_attempt` for the router.

    In mode `strict` nothing is served that cannot be written down: a request is refused at the door while rows cannot be
    written, and an attempt whose intent is not committed in time does not happen. In mode `best_effort` that
    holds for sensitive content alone.
    """

    def __init__(
        self,
        trail: AuditTrail,
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
        self._common: dict[tuple[object, ...], _Common] = {}
        self._intents: dict[tuple[int, str, str, SecurityLevel, str], str] = {}

    async def __call__(self, exchange: Exchange, call_next: Next) -> Reply:
        if self._strict and not self._journal.writable:
            raise self._journal.turn_away()
        answered = self._open(exchange).answered
        return (await call_next(exchange)).through(answered)

    def _open(self, exchange: Exchange) -> _OpenCall:
        call = self._calls[exchange] = _OpenCall(next(self._journal.numbers), Answered(self._keep_chars))
        exchange.at_end(partial(self._end, exchange))
        return call

    def before_attempt(self, exchange: Exchange, attempt: Attempt) -> Awaitable[None] | None:
        """Commit the intent of an attempt; None: there is nothing to wait for.

        Raises:
            AuditUnavailable: at once or from what is awaited, it is not committed, so nothing may be sent.
        """
        call, provider = self._calls.get(exchange) or self._open(exchange), attempt.provider
        facts = call.facts or self._facts(exchange, call)
        shape = (len(exchange.attempts), provider, attempt.model, attempt.security_level, call.origins.get(provider, ""))
        entry = Entry(
            int(self._clock.wall_s() * 1e6), "intent", f"{self._intents.get(shape) or self._intent(shape)}{facts}}}", call.number,
            exchange.correlation_id, call.caller, provider, 1 if is_sensitive(exchange) else 0,
        )  # fmt: skip
        if self._strict:
            return self._journal.commit(entry)
        may_pass = is_harmless(exchange)
        if may_pass and not self._journal.writable:
            self._journal.add(entry)
            return None
        return self._try_to_commit(entry, may_pass=may_pass)

    async def _try_to_commit(self, entry: Entry, *, may_pass: bool) -> None:
        try:
            await self._journal.commit(entry)
        except AuditUnavailable:
            if not may_pass:
                raise

    def _intent(self, shape: tuple[int, str, str, SecurityLevel, str]) -> str:
        """An `IntentDetail` as JSON, up to the facts of the call."""
        number, provider, model, level, origin = shape
        said = _encode(IntentDetail(number, Destined(provider, model, level, origin), _HERE)).decode()
        return _kept(self._intents, shape, said.removesuffix("0}"))

    def _facts(self, exchange: Exchange, call: _OpenCall) -> str:
        caller, verdict, clearance = exchange.caller, exchange.sensitivity, exchange.clearance
        fingerprint = b""
        if clearance is not None:
            fingerprint = clearance.request_digest
        elif verdict is not None:
            fingerprint = digest(exchange.request)
        what = (
            exchange.ingress, operation_name(exchange.request), caller.id, caller.key_id, caller.tier, exchange.credentials.address,
            exchange.tainted, None if verdict is None else (verdict.score, verdict.kinds if verdict.findings else (), verdict.failed),
            None if clearance is None else (clearance.policy_version, clearance.eligible), not fingerprint,
        )  # fmt: skip
        common = self._common.get(what)
        if common is None:
            common = _kept(self._common, what, self._in_common(exchange, has_digest=bool(fingerprint)))
        facts = f'{common.facts}{self._key.content_digest(fingerprint)}"}}' if fingerprint else common.facts
        call.caller, call.origins = common.caller, common.origins
        if clearance is not None:
            call.facts = facts
        return facts

    def _in_common(self, exchange: Exchange, *, has_digest: bool) -> _Common:
        caller, verdict, clearance, eligible = exchange.caller, exchange.sensitivity, exchange.clearance, _NOWHERE
        if clearance is not None:
            eligible = self._shapes.get(clearance.eligible) or self._shape(clearance.eligible)
        facts = _encode(CallFacts(
            exchange.ingress,
            operation_name(exchange.request),
            clean(caller.key_id) if caller.key_id else "",
            caller.tier,
            clean(exchange.credentials.address),
            None if verdict is None else verdict.score and round(verdict.score, 4),
            verdict.kinds if verdict is not None and verdict.findings else (),
            verdict.failed if verdict is not None else "",
            exchange.tainted,
            clearance.policy_version if clearance is not None else "",
            eligible.listed,
            "-" if has_digest else "",
        )).decode()  # fmt: skip
        return _Common(facts.removesuffix('-"}') if has_digest else facts, clean(caller.id), eligible.origins)

    def _shape(self, eligible: frozenset[Destination]) -> _Eligible:
        places = sorted(eligible, key=lambda place: place.provider)
        listed = msgspec.Raw(_encode([f"{place.provider} {place.security_level} {place.origin}" for place in places]))
        return _kept(self._shapes, eligible, _Eligible(listed, {place.provider: place.origin for place in places}))

    def _end(self, exchange: Exchange) -> Awaitable[None] | None:
        call, ended_s = self._calls.pop(exchange), self._clock.monotonic_s()
        if self._sealer is not None:
            return self._end_with_content(exchange, call, ended_s, self._sealer)
        self._close(exchange, call, ended_s, "")
        return None

    async def _end_with_content(self, exchange: Exchange, call: _OpenCall, ended_s: float, sealer: Sealer) -> None:
        self._close(exchange, call, ended_s, await asyncio.to_thread(self._content, exchange, call.answered, sealer))

    def _close(self, exchange: Exchange, call: _OpenCall, ended_s: float, content: str) -> None:
        """Write the outcome."""
        failure, usage, attempts = exchange.failure, exchange.usage, exchange.attempts
        facts = call.facts or self._facts(exchange, call)
        said = call.answered.fingerprint
        detail = OutcomeDetail(
            _made(attempts, call.origins),
            msgspec.Raw(facts.encode()),
            failure.error_type if failure is not None else "",
            failure.http_status if failure is not None else 200,
            usage.input_tokens if usage is not None else None,
            usage.output_tokens if usage is not None else None,
            usage is not None and usage.estimated,
            exchange.cost_usd,
            exchange.finish_reason or "",
            exchange.cache_state,
            int((ended_s - exchange.received_s) * 1e6 + 0.5) / 1e3,
            int(exchange.upstream_s * 1e6 + 0.5) / 1e3,
            self._key.content_digest(said) if said else "",
            content,
        )  # fmt: skip
        provider = exchange.chosen.target.provider if exchange.chosen is not None else ""
        if not provider and attempts:
            provider = attempts[-1].provider
        self._journal.add(Entry(
            int(self._clock.wall_s() * 1e6), "outcome", _encode(detail).decode(), call.number, exchange.correlation_id, call.caller,
            provider, 1 if is_sensitive(exchange) else 0, outcome_of(exchange),
        ))  # fmt: skip

    def _content(self, exchange: Exchange, answered: Answered, sealer: Sealer) -> str:
        """Question and answer, sealed; nothing where any of it is sensitive, or was redacted and put back."""
        answer = answered.text
        if answer is None or exchange.redacted or not is_harmless(exchange) or self._is_sensitive(answer):
            return ""
        return sealed(exchange.request, answer, exchange.correlation_id, sealer)


def _made(attempts: Sequence[Attempt], origins: Mapping[str, str]) -> tuple[Destined, ...]:
    made: list[Destined] = []
    for attempt in attempts:
        usage, provider = attempt.usage, attempt.provider
        made.append(Destined(
            provider, attempt.model, attempt.security_level, origins.get(provider, ""), attempt.outcome, attempt.upstream_status,
            int(attempt.duration_s * 1e6 + 0.5) / 1e3, attempt.reached, usage.input_tokens if usage is not None else None,
            usage.output_tokens if usage is not None else None, attempt.cost_pico_usd,
        ))  # fmt: skip
    return tuple(made)


_NOWHERE: Final = _Eligible(msgspec.Raw(b"[]"), {})
_HERE: Final = msgspec.Raw(b"0")
"""Stands where another piece of JSON belongs."""


def _kept(pieces: dict[K, T], what: K, piece: T) -> T:
    """`piece`, kept for the next time; not for ever: some are only of use once."""
    if len(pieces) >= MOST_SHAPES:
        pieces.clear()
    pieces[what] = piece
    return piece


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
