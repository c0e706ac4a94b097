"""Makes the records of requests that are over."""

from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

import msgspec

from llm_gateway.core.exchange import Exchange
from llm_gateway.core.routing import Attempt, Candidate, Decision, Rejection
from llm_gateway.core.tokens import estimate_tokens
from llm_gateway.core.types import ChatRequest, SecurityLevel
from llm_gateway.metrics.facts import Facts
from llm_gateway.metrics.records import RENEWED_AFTER_US, Detail, Grounds, Made, Own, Ranked, Refused, Route, Row, clean

MIN_PREFIX_TOKENS: Final = 1_024
"""The shortest prompt that providers cache (OpenAI and Anthropic document 1,024 tokens for most of their models)."""
DIGEST_DIGITS: Final = 24
MOST_KEPT: Final = 64
MOST_NAMES: Final = 1_024
"""Names of callers and models that are known to be clean."""
MOST_GROUNDS: Final = 20_000
"""Grounds that wait for the database; the oldest are given up with the rows that rest on them."""
MAX_INTEGER: Final = 2**62
_encode = msgspec.json.Encoder().encode
_NO_PREFIX: Final = ("", 0)
_named = tuple.__new__
"""Makes a named tuple of a tuple; by its own name it costs twice as much."""
_Shape = tuple[str, str, SecurityLevel, str, int | None, bool]
"""Provider, model, level, outcome, HTTP status, whether it was reached: what an attempt has in common with others."""


class Recorder:
    """Makes rows of finished exchanges. `content_digest` is a keyed digest of a fingerprint, so that nobody can guess content by it."""

    def __init__(self, content_digest: Callable[[bytes], str]) -> None:
        self.grounds: deque[Grounds] = deque()
        """Those that are not stored yet; to be stored before the rows that rest on them."""
        self._content_digest = content_digest
        self._known: dict[tuple[object, ...], tuple[Decision | None, str, int, int]] = {}
        """Decision, process, number, and until when (Unix microseconds) rows rest on it, of grounds, by all that they say. With the
        decision, so that its id belongs to no other."""
        self._names: dict[str, str] = {"": ""}

    def row(self, exchange: Exchange, facts: Facts, place: tuple[str, int], at_us: int) -> Row:
        """The row of an exchange that arrived at `at_us`; `place` is (process, number)."""
        request, caller, chosen, failure = exchange.request, exchange.caller, exchange.chosen, exchange.failure
        verdict, clearance, decision, names = exchange.sensitivity, exchange.clearance, exchange.decision, self._names
        operation, _, _, sensitive, _, cache, total_s, first_s, queued_s, overhead_s = facts
        chat = request if isinstance(request, ChatRequest) else None
        prefix, prefix_tokens = _NO_PREFIX if chat is None or chat.messages[0].role != "system" else self._prefix(chat)
        made, sent, given, cost, detail = _made(exchange)
        grounds = self._grounds(exchange, made, place, at_us)
        target = chosen.target if chosen is not None else None
        return _named(Row, (
            place[0],
            place[1],
            at_us,
            exchange.correlation_id,
            names.get(caller.id) or self._name(caller.id),
            names.get(caller.owner or caller.id) or self._name(caller.owner),
            caller.key_id,
            exchange.ingress,
            "" if target is None else target.provider,
            "" if target is None else names.get(target.model) or self._name(target.model),
            "" if decision is None else decision.strategy,
            cache,
            sent,
            given,
            cost,
            int(total_s * 1_000_000) if total_s > 0 else 0,
            int(overhead_s * 1_000_000),
            None if chat is None else chat.max_tokens,
            "" if clearance is None else self._content_digest(clearance.request_digest)[:DIGEST_DIGITS],
            detail,
            grounds,
            operation,
            None if verdict is None else int(verdict.score * 10_000 + 0.5) / 10_000,
            1 if chat is not None and chat.stream else 0,
            1 if sensitive else 0,
            200 if failure is None else failure.http_status,
            "" if failure is None else failure.error_type,
            len(exchange.attempts),
            None if first_s is None else int(first_s * 1_000_000) if first_s > 0 else 0,
            int(queued_s * 1_000_000) if queued_s else 0,
            prefix,
            prefix_tokens,
        ))  # fmt: skip

    def _name(self, name: str) -> str:
        """`clean`, remembered."""
        if len(self._names) >= MOST_NAMES:
            self._names = {"": ""}
        kept = self._names[name] = clean(name)
        return kept

    def _grounds(self, exchange: Exchange, made: _Shape | None, place: tuple[str, int], at_us: int) -> int:
        """The number of an exchange's grounds, made and kept to be stored where there are none yet."""
        request, caller, verdict, clearance = exchange.request, exchange.caller, exchange.sensitivity, exchange.clearance
        process, number = place
        what = (
            id(exchange.decision), request.provider, request.model, caller.allowed_providers, caller.allowed_models,
            exchange.minimum_level, exchange.strategy, exchange.tainted, exchange.finish_reason,
            "" if verdict is None else verdict.failed, None if clearance is None else (clearance.policy_version, clearance.eligible), made,
        )  # fmt: skip
        known = self._known.get(what)
        if known is not None and at_us < known[3] and known[1] == process:
            return known[2]
        if len(self._known) >= MOST_KEPT:
            self._known.clear()
        self.grounds.append(Grounds(process, number, at_us, _encode(_shared(exchange, made)).decode()))
        if len(self.grounds) > MOST_GROUNDS + MOST_KEPT:
            self.grounds.popleft()
        self._known[what] = exchange.decision, process, number, at_us + RENEWED_AFTER_US
        return number

    def _prefix(self, request: ChatRequest) -> tuple[str, int]:
        """A keyed digest of the system prompt and about how many tokens it has, where it is long enough for a provider's prompt cache."""
        text = request.messages[0].text()
        if len(text) < MIN_PREFIX_TOKENS:  # no text has more tokens than bytes, and hardly one more than characters
            return _NO_PREFIX
        tokens = estimate_tokens(text)
        if tokens < MIN_PREFIX_TOKENS:
            return _NO_PREFIX
        fingerprint = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).digest()
        return self._content_digest(fingerprint)[:DIGEST_DIGITS], tokens


def _shared(exchange: Exchange, made: _Shape | None) -> Detail:
    """What an exchange has in common with others."""
    request, caller, verdict, clearance = exchange.request, exchange.caller, exchange.sensitivity, exchange.clearance
    providers, models = caller.allowed_providers, caller.allowed_models
    # What named nothing that there is may be anything, a piece of a prompt in the wrong field as well: it is not kept.
    is_decided = exchange.decision is not None
    return Detail(
        clean(request.provider or "") if is_decided else "",
        clean(request.model or "") if is_decided else "",
        None if providers is None else tuple(sorted(providers)),
        None if models is None else tuple(sorted(models)),
        exchange.minimum_level or "",
        exchange.strategy or "",
        {},
        verdict.failed if verdict is not None else "",
        exchange.tainted,
        clearance.policy_version if clearance is not None else "",
        tuple(sorted(place.provider for place in clearance.eligible)) if clearance is not None else (),
        exchange.finish_reason or "",
        _route(exchange.decision),
        () if made is None else (_template(*made),),
    )


def _template(provider: str, model: str, level: str, outcome: str, status: int | None, reached: bool) -> Made:
    return Made(provider, clean(model), level, outcome, status=status, reached=reached)


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


def _made(exchange: Exchange) -> tuple[_Shape | None, int, int, int | None, str]:
    """What attempts have in common with others', tokens in and out, the cost of all of them (None: one that used something has no
    known price), and the `detail` of a row on grounds."""
    attempts, verdict, received_s = exchange.attempts, exchange.sensitivity, exchange.received_s
    if len(attempts) == 1 and (verdict is None or not verdict.findings):
        (only,) = attempts
        usage, cost = only.billed or (only.usage, only.cost_pico_usd)
        # Whether all of them are within `MAX_INTEGER`, and none is below 0.
        if usage is not None and not ((sent := usage.input_tokens) | (given := usage.output_tokens) | (cost or 0)) >> 62:
            started_s, first_s, duration_us = only.started_s, only.first_chunk_s, int(only.duration_s * 1_000_000 + 0.5)
            after_us = int((started_s - received_s) * 1_000_000 + 0.5) if started_s > received_s else 0
            first = "null" if first_s is None else duration_us if first_s == only.duration_s else int(first_s * 1_000_000 + 0.5)
            shape = (only.provider, only.model, only.security_level, only.outcome, only.upstream_status, only.reached)
            return shape, sent, given, cost, f"[{after_us},{duration_us},{first}]"
    kinds: dict[str, float] = {}
    if verdict is not None:
        for finding in verdict.findings:
            kinds[finding.kind] = max(finding.confidence, kinds.get(finding.kind, 0.0))
    made, sent, given, total = _all_made(attempts, received_s)
    return None, sent, given, total, _encode(Own(kinds, tuple(made))).decode() if made or kinds else ""


def _all_made(attempts: list[Attempt], received_s: float) -> tuple[list[Made], int, int, int | None]:
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
