"""What is kept of each request: who asked, what was decided and on what ground, what came of it. Metadata only, never text.

The columns are what people search and sum by; `detail` holds the rest as JSON. The exact money is the ledger's, the proof is the
audit trail's: a record is for looking into one request, and for asking what another policy would have done.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from llm_gateway.core.exchange import Exchange
from llm_gateway.core.routing import Attempt, Candidate, Decision, Rejection, Size
from llm_gateway.core.tokens import estimate_tokens
from llm_gateway.core.types import ChatRequest, Request, operation_name

MIN_PREFIX_TOKENS: Final = 1_024
"""The shortest prompt that providers cache (OpenAI and Anthropic document 1,024 tokens for most of their models)."""
DIGEST_DIGITS: Final = 24
MOST_KEPT: Final = 64
MAX_TEXT: Final = 256
MAX_INTEGER: Final = 2**62
_encode = msgspec.json.Encoder().encode
_NO_PREFIX: Final = ("", 0)
_named = tuple.__new__
"""Makes a named tuple of a tuple; by its own name it costs twice as much."""


class Ranked(msgspec.Struct, frozen=True, array_like=True):
    """A target in its place, with what the strategy saw of it (see `core.ranking.Option`)."""

    provider: str
    model: str
    score: float
    cost_usd: float | None
    latency_s: float | None
    error_rate: float = 0.0
    in_flight: int = 0
    quality: float = 0.0
    priority: int = 0


class Refused(msgspec.Struct, frozen=True, array_like=True):
    """A provider that was not ranked. `spare`: it would have been asked all the same, had nobody been better."""

    provider: str
    code: str
    reason: str
    spare: bool = False


class Route(msgspec.Struct, frozen=True, omit_defaults=True):
    """A decision and what it rested on. `ranked` is the order of preference; `turn` counts the decisions made before."""

    strategy: str
    reason: str
    ranked: tuple[Ranked, ...] = ()
    rejected: tuple[Refused, ...] = ()
    size: Size | None = None
    turn: int = 0


class Made(msgspec.Struct, frozen=True, omit_defaults=True):
    """An attempt. Times in seconds, `after_s` since the request arrived; tokens and cost (10^-12 USD) as the ledger has them."""

    provider: str
    model: str
    level: str
    outcome: str
    after_s: float = 0.0
    duration_s: float = 0.0
    first_s: float | None = None
    status: int | None = None
    reached: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    cost_pico_usd: int | None = None


class Detail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a record holds beside its columns.

    `provider` and `model` are what was asked for (""; open), `granted_*` what the caller's key covers (None: anything), `minimum_level`
    and `strategy` what the caller demanded, `kinds` of sensitive matter with their greatest confidence, `unjudged` why there was no
    verdict, `eligible` the providers that the content may go to.
    """

    provider: str = ""
    model: str = ""
    granted_providers: tuple[str, ...] | None = None
    granted_models: tuple[str, ...] | None = None
    minimum_level: str = ""
    strategy: str = ""
    kinds: dict[str, float] = {}
    unjudged: str = ""
    tainted: bool = False
    policy: str = ""
    eligible: tuple[str, ...] = ()
    finish_reason: str = ""
    route: msgspec.Raw = msgspec.Raw(b"null")
    attempts: tuple[Made, ...] = ()


class Row(NamedTuple):
    """One request. (`process`, `number`) is unique. Times in microseconds: `at_us` Unix time, the others durations (None: there
    is none). `status` is the HTTP status, `cost_pico_usd` None where a price is unknown, `max_tokens` the caller's own limit. `digest` is a
    keyed digest of the whole request, `prefix` of a long system prompt, which has about `prefix_tokens`.
    """

    process: str
    number: int
    at_us: int
    correlation_id: str
    caller: str
    owner: str
    key_id: str
    operation: str
    ingress: str
    provider: str
    model: str
    strategy: str
    streamed: int
    cache: str
    sensitive: int
    score: float | None
    status: int
    error_type: str
    attempts: int
    input_tokens: int
    output_tokens: int
    cost_pico_usd: int | None
    duration_us: int
    first_us: int | None
    queued_us: int
    overhead_us: int
    max_tokens: int | None
    digest: str
    prefix: str
    prefix_tokens: int
    detail: str


COLUMNS: Final = Row._fields


class Times(NamedTuple):
    """Seconds of one request: all of it, to the first content (None: there was no stream), waiting for a place, the gateway's own."""

    total_s: float
    first_s: float | None
    queued_s: float
    overhead_s: float


def is_stream(request: Request) -> bool:
    """Whether the answer was asked for piece by piece."""
    return isinstance(request, ChatRequest) and request.stream


def times_of(exchange: Exchange, ended_s: float) -> Times:
    """How the time of a finished exchange was spent. Of a stream, the gateway's own time is counted to the first content: what follows
    goes at the pace of its reader. Pauses before a retry count as the gateway's own."""
    total_s, queued_s, attempts = ended_s - exchange.received_s, exchange.queued_s, exchange.attempts
    last = attempts[-1] if attempts else None
    if last is None or last.first_chunk_s is None or not is_stream(exchange.request):
        own_s = total_s - exchange.upstream_s - queued_s
        return _named(Times, (total_s, None, queued_s, own_s if own_s > 0.0 else 0.0))
    before_s = last.started_s - exchange.received_s
    earlier_s = sum([attempt.duration_s for attempt in attempts[:-1]]) if len(attempts) > 1 else 0.0
    return Times(total_s, before_s + last.first_chunk_s, queued_s, max(before_s - earlier_s - queued_s, 0.0))


def is_sensitive(exchange: Exchange) -> bool:
    """Whether a request counted as sensitive: judged so, impossible to judge, or in a tainted conversation."""
    verdict = exchange.sensitivity
    return exchange.tainted or (verdict is not None and (verdict.sensitive or bool(verdict.failed)))


class Recorder:
    """Makes rows of finished exchanges. `content_digest` is a keyed digest of a fingerprint, so that nobody can guess content by it."""

    def __init__(self, content_digest: Callable[[bytes], str]) -> None:
        self._content_digest = content_digest
        self._heads: dict[tuple[object, ...], tuple[Decision | None, bytes]] = {}

    def row(self, exchange: Exchange, times: Times, place: tuple[str, int], at_us: int) -> Row:
        """The row of an exchange that arrived at `at_us`; `place` is (process, number)."""
        request, caller, chosen, failure = exchange.request, exchange.caller, exchange.chosen, exchange.failure
        verdict, clearance, decision = exchange.sensitivity, exchange.clearance, exchange.decision
        made, sent, given, cost = _made(exchange.attempts, exchange.received_s)
        chat = request if isinstance(request, ChatRequest) else None
        prefix, prefix_tokens = _NO_PREFIX if chat is None else self._prefix(chat)
        name = clean(caller.id)
        total_s, first_s, queued_s, overhead_s = times
        return _named(Row, (
            place[0],
            place[1],
            at_us,
            exchange.correlation_id,
            name,
            clean(caller.owner) if caller.owner else name,
            caller.key_id,
            operation_name(request),
            exchange.ingress,
            chosen.target.provider if chosen is not None else "",
            clean(chosen.target.model) if chosen is not None else "",
            decision.strategy if decision is not None else "",
            int(chat.stream) if chat is not None else 0,
            exchange.cache_state,
            int(is_sensitive(exchange)),
            int(verdict.score * 10_000 + 0.5) / 10_000 if verdict is not None else None,
            200 if failure is None else failure.http_status,
            "" if failure is None else failure.error_type,
            len(made),
            sent,
            given,
            cost,
            int(total_s * 1_000_000) if total_s > 0 else 0,
            None if first_s is None else int(first_s * 1_000_000) if first_s > 0 else 0,
            int(queued_s * 1_000_000) if queued_s else 0,
            int(overhead_s * 1_000_000),
            chat.max_tokens if chat is not None else None,
            self._content_digest(clearance.request_digest)[:DIGEST_DIGITS] if clearance is not None else "",
            prefix,
            prefix_tokens,
            self._detail(exchange, made),
        ))  # fmt: skip

    def _detail(self, exchange: Exchange, made: list[Made]) -> str:
        """A `Detail` as JSON. Many calls differ in their attempts alone: what comes before these is kept as it was encoded."""
        request, caller, verdict = exchange.request, exchange.caller, exchange.sensitivity
        clearance, decision = exchange.clearance, exchange.decision
        if verdict is not None and verdict.findings:
            head = self._head(exchange)
        else:
            what = (
                id(decision), request.provider, request.model, caller.allowed_providers, caller.allowed_models, exchange.minimum_level,
                exchange.strategy, exchange.tainted, exchange.finish_reason, verdict.failed if verdict is not None else "",
                None if clearance is None else (clearance.policy_version, clearance.eligible),
            )  # fmt: skip
            known = self._heads.get(what)
            if known is None:
                if len(self._heads) >= MOST_KEPT:
                    self._heads.clear()
                known = self._heads[what] = decision, self._head(exchange)  # with the decision, so that its id belongs to no other
            head = known[1]
        return (head + _encode(made) + b"}").decode()

    def _head(self, exchange: Exchange) -> bytes:
        request, caller, verdict, clearance = exchange.request, exchange.caller, exchange.sensitivity, exchange.clearance
        kinds: dict[str, float] = {}
        if verdict is not None:
            for finding in verdict.findings:
                kinds[finding.kind] = max(finding.confidence, kinds.get(finding.kind, 0.0))
        providers, models = caller.allowed_providers, caller.allowed_models
        # What named nothing that there is may be anything, a piece of a prompt in the wrong field as well: it is not kept.
        is_decided = exchange.decision is not None
        detail = Detail(
            clean(request.provider or "") if is_decided else "",
            clean(request.model or "") if is_decided else "",
            None if providers is None else tuple(sorted(providers)),
            None if models is None else tuple(sorted(models)),
            exchange.minimum_level or "",
            exchange.strategy or "",
            kinds,
            verdict.failed if verdict is not None else "",
            exchange.tainted,
            clearance.policy_version if clearance is not None else "",
            tuple(sorted(place.provider for place in clearance.eligible)) if clearance is not None else (),
            exchange.finish_reason or "",
            _route(exchange.decision),
        )
        encoded = _encode(detail)
        return encoded[:-1] + (b',"attempts":' if len(encoded) > len(b"{}") else b'"attempts":')

    def _prefix(self, request: ChatRequest) -> tuple[str, int]:
        """A keyed digest of the system prompt and about how many tokens it has, where it is long enough for a provider's prompt cache."""
        if not request.messages or request.messages[0].role != "system":
            return _NO_PREFIX
        text = request.messages[0].text()
        if len(text) < MIN_PREFIX_TOKENS:  # no text has more tokens than bytes, and hardly one more than characters
            return _NO_PREFIX
        tokens = estimate_tokens(text)
        if tokens < MIN_PREFIX_TOKENS:
            return _NO_PREFIX
        fingerprint = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).digest()
        return self._content_digest(fingerprint)[:DIGEST_DIGITS], tokens


def _route(decision: Decision | None) -> msgspec.Raw:
    if decision is None:
        return msgspec.Raw(b"null")
    ranked, rejected = tuple([_ranked(each) for each in decision.ranked]), tuple([_refused(each) for each in decision.rejected])
    return msgspec.Raw(_encode(Route(decision.strategy, decision.reason, ranked, rejected, decision.size, decision.turn)))


def _ranked(each: Candidate) -> Ranked:
    seen, target = each.option, each.target
    if seen is None:
        return Ranked(target.provider, clean(target.model), each.score, each.predicted_cost_usd, each.predicted_latency_s)
    return Ranked(
        target.provider, clean(target.model), each.score, seen.cost_usd, seen.latency_s, seen.error_rate, seen.in_flight, seen.quality,
        seen.priority,
    )  # fmt: skip


def _refused(each: Rejection) -> Refused:
    return Refused(each.provider, each.code, each.reason, each.spare)


def _made(attempts: list[Attempt], received_s: float) -> tuple[list[Made], int, int, int | None]:
    """The attempts; tokens in and out, and the cost of all of them; None: one that used something has no known price."""
    made: list[Made] = []
    sent = given = 0
    total: int | None = 0
    for attempt in attempts:
        usage, cost = attempt.billed if attempt.billed is not None else (attempt.usage, attempt.cost_pico_usd)
        asked = answered = 0
        if usage is not None:
            asked, answered = usage.input_tokens, usage.output_tokens
            sent += asked
            given += answered
            total = None if total is None or cost is None else total + cost
        first_s = attempt.first_chunk_s
        made.append(Made(
            attempt.provider,
            clean(attempt.model),
            attempt.security_level,
            attempt.outcome,
            _to_us(attempt.started_s - received_s) if attempt.started_s else 0.0,
            _to_us(attempt.duration_s),
            None if first_s is None else _to_us(first_s),
            attempt.upstream_status,
            attempt.reached,
            asked,
            answered,
            cost,
        ))  # fmt: skip
    return made, _whole(sent), _whole(given), None if total is None else _whole(total)


def _to_us(seconds: float) -> float:
    """Seconds, rounded to microseconds; `round` costs four times as much."""
    return int(seconds * 1_000_000 + 0.5) / 1_000_000 if seconds > 0 else 0.0


def _whole(figure: int) -> int:
    return figure if 0 <= figure <= MAX_INTEGER else min(max(figure, 0), MAX_INTEGER)


def clean(text: str) -> str:
    """A caller's text as every database takes it: short, and without what cannot be encoded."""
    if text.isascii() and text.isprintable():
        return text[:MAX_TEXT]
    return text[:MAX_TEXT].encode("utf-8", "replace").decode().replace("\0", "?")
