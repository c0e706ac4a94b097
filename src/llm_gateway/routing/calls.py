"""One call of one target, from its admission to its account: what it came to, and what that says of the target."""

import asyncio
from collections.abc import Iterable
from typing import Final

import msgspec

from llm_gateway.core.errors import LLMGatewayError, ProviderError
from llm_gateway.core.exchange import Exchange
from llm_gateway.core.pricing import PICO_PER_USD, Price
from llm_gateway.core.routing import Attempt, Candidate
from llm_gateway.core.tokens import estimate_input_tokens, weigh_tokens
from llm_gateway.core.types import Chunk, FinishReason, Usage
from llm_gateway.routing.health import TRIAL, Admission, settle_failure
from llm_gateway.routing.seats import Course, Seat

UNREACHED: Final = frozenset({"connect", "dns", "tls", "address"})
"""Codes of failures before a provider got a single byte of the request."""


class Tally:
    """What the chunks of an answer add up to, while they pass."""

    __slots__ = ("cost_usd", "delivered_tokens", "finish_reason", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        """As last reported: usage is cumulative."""
        self.cost_usd: float | None = None
        self.finish_reason: FinishReason | None = None
        self.delivered_tokens = 0.0
        """An estimate of what a reader has got."""

    def add(self, chunk: Chunk) -> None:
        """Take in one chunk."""
        if chunk.text:
            self.delivered_tokens += weigh_tokens(chunk.text)
        if chunk.usage is not None:
            self.usage = chunk.usage
        if chunk.cost_usd is not None:
            self.cost_usd = chunk.cost_usd
        if chunk.finish_reason is not None:
            self.finish_reason = chunk.finish_reason
        if chunk.thinking is not None:
            self.delivered_tokens += weigh_tokens(chunk.thinking.text)
        for piece in chunk.tool_calls:
            self.delivered_tokens += weigh_tokens(piece.name) + weigh_tokens(piece.arguments)

    def total(self, exchange: Exchange, *, whole: bool) -> Usage:
        """The answer's usage: as reported when it came to its end; else at least what was delivered, marked as estimated.

        A report in the middle of a stream (Anthropic opens with output 1) is a lower bound, not an account.
        """
        reported = self.usage
        if reported is None:
            return Usage(estimate_input_tokens(exchange.request), -int(-self.delivered_tokens // 1), estimated=True)
        if whole or reported.output_tokens >= self.delivered_tokens:
            return reported
        return Usage(
            reported.input_tokens, -int(-self.delivered_tokens // 1), reported.cache_read_tokens, reported.cache_write_tokens,
            reported.reasoning_tokens, estimated=True,
        )  # fmt: skip


class Call(msgspec.Struct, eq=False):
    """A call that was admitted and has its place. Exactly one of `end_whole`, `end_streamed`, `end_failed`,
    `end_without_verdict` closes it.

    Whatever closes it gives the place back, tells the target's health, and completes the `Attempt`.
    """

    exchange: Exchange
    candidate: Candidate
    seat: Seat
    course: Course
    admission: Admission
    attempt: Attempt
    price: Price | None = None
    """What it costs, as known when it was sent."""
    ended: bool = False

    def answered(self, now_s: float) -> None:
        """The first content is here: from now on nobody else may answer."""
        attempt = self.attempt
        attempt.first_chunk_s = now_s - attempt.started_s
        if self.admission is TRIAL:
            self.course.lane.answered(TRIAL)
        self.exchange.chosen = self.candidate

    def end_whole(self, chunks: list[Chunk], now_s: float) -> None:
        """It came in full: account for what its chunks add up to. What was delivered is weighed only where nobody reported it."""
        attempt = self.attempt
        duration_s = attempt.first_chunk_s = now_s - attempt.started_s
        self.exchange.chosen = self.candidate
        usage: Usage | None = None
        cost_usd: float | None = None
        finish_reason: FinishReason | None = None
        for chunk in chunks:
            if chunk.usage is not None:
                usage = chunk.usage
            if chunk.cost_usd is not None:
                cost_usd = chunk.cost_usd
            if chunk.finish_reason is not None:
                finish_reason = chunk.finish_reason
        if usage is None:
            tally = Tally()
            for chunk in chunks:
                tally.add(chunk)
            usage = tally.total(self.exchange, whole=True)
        self.account(usage, cost_usd, finish_reason)
        if self._close("ok", now_s):
            output_tokens, lane = usage.output_tokens, self.course.lane
            lane.succeeded(self.admission, now_s)
            if output_tokens:
                lane.measured(lane.total, duration_s, output_tokens, now_s, duration_s / output_tokens)
            else:
                lane.measured(lane.total, duration_s, usage.input_tokens, now_s)
            self.seat.house.served()

    def account(self, usage: Usage, cost_usd: float | None, finish_reason: FinishReason | None) -> None:
        """Write usage, cost and finish reason to the exchange and the attempt; `cost_usd` is the provider's own word, where it has one."""
        exchange, attempt, price = self.exchange, self.attempt, self.price
        exchange.usage = attempt.usage = usage
        exchange.finish_reason = finish_reason
        if cost_usd is not None:
            exchange.cost_usd = cost_usd
            attempt.cost_pico_usd, attempt.price_source = round(cost_usd * PICO_PER_USD), "provider"
        elif price is not None:
            cost_pico_usd = attempt.cost_pico_usd = price.pico_usd(usage)
            attempt.price_source = price.source
            exchange.cost_usd = cost_pico_usd / PICO_PER_USD
        else:
            exchange.cost_usd = None

    def end_streamed(self, now_s: float) -> None:
        """Its stream came to its end, and is accounted for."""
        if self._close("ok", now_s):
            lane, usage, attempt = self.course.lane, self.exchange.usage or Usage(), self.attempt
            first_chunk_s, more_tokens = attempt.first_chunk_s or 0.0, usage.output_tokens - 1
            per_token_s = (attempt.duration_s - first_chunk_s) / more_tokens if more_tokens > 0 else None
            lane.succeeded(self.admission, now_s)
            lane.measured(lane.first_chunk, first_chunk_s, usage.input_tokens, now_s, per_token_s)
            self.seat.house.served()

    def end_by(self, error: BaseException, now_s: float) -> None:
        """It came to nothing: the provider failed, nothing was sent, the caller went away, or a fault of ours came between."""
        if isinstance(error, ProviderError):
            self.end_failed(error, now_s)
        elif isinstance(error, LLMGatewayError):
            self.end_without_verdict(error.error_type, now_s)
        else:
            gone = isinstance(error, asyncio.CancelledError | GeneratorExit)
            self.end_without_verdict("cancelled" if gone else "internal", now_s)

    def end_failed(self, error: ProviderError, now_s: float) -> None:
        """The provider failed."""
        error.provider = error.provider or self.seat.name
        if self._close(error.error_type, now_s):
            self.attempt.upstream_status = error.upstream_status
            self.attempt.message = error.message
            self.attempt.reached = self.attempt.reached and error.code not in UNREACHED
            settle_failure(self.course.lane, self.seat.house, self.admission, error, now_s, has_probe=self.seat.has_probe)

    def end_without_verdict(self, outcome: str, now_s: float) -> None:
        """It was given up, or failed through no fault of the provider; one that had answered counts as having worked."""
        if self._close(outcome, now_s):
            if self.attempt.first_chunk_s is None:
                self.course.lane.released(self.admission)
            else:
                self.course.lane.succeeded(self.admission, now_s)

    def _close(self, outcome: str, now_s: float) -> bool:
        if self.ended:
            return False
        self.ended = True
        attempt = self.attempt
        attempt.outcome = outcome
        if attempt.started_s:
            attempt.duration_s = now_s - attempt.started_s
        self.seat.slots.give()
        return True


def most_telling(failures: Iterable[LLMGatewayError]) -> LLMGatewayError | None:
    """Of all that went wrong, what the caller should hear: the last outage; a time-out or a refused key only when there
    was no other outage; a rate limit, which asks the caller to wait, only when it was the answer of all."""
    best: LLMGatewayError | None = None
    for failure in failures:
        if best is None or _weight(failure) >= _weight(best):
            best = failure
    return best


def _weight(failure: LLMGatewayError) -> int:
    if not isinstance(failure, ProviderError):
        return 0
    return {429: 1, 504: 3}.get(failure.http_status, 2 if failure.error_type == "provider_rejected" else 4)
