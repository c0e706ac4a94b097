"""Sends a judged request to the best provider that may get it, and to the next when that one fails.

The last of the stages. What it decides is in `routing.candidates`, what it learns in `routing.health`; here is only the way
of a call. A target is asked as long as nothing of an answer has been passed on: after the first content no
other may answer, and a failure goes to the caller as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from math import inf
from random import random
from typing import Final, NoReturn, Protocol

from llm_gateway.core.clearance import Clearance, WireBytes, probe_wire
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import (
    BudgetExceeded,
    Internal,
    InvalidRequest,
    LLMGatewayError,
    NoEligibleProvider,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    RateLimited,
)
from llm_gateway.core.exchange import Exchange, Next, Reply
from llm_gateway.core.models import ModelFacts
from llm_gateway.core.pricing import Price
from llm_gateway.core.ranking import Strategy
from llm_gateway.core.routing import Attempt, Candidate, Decision, Target
from llm_gateway.core.settings import Settings
from llm_gateway.core.tokens import estimate_input_tokens
from llm_gateway.core.types import ChatRequest, EmbeddingRequest, Passthrough, Request
from llm_gateway.limits.upstream import rest_s
from llm_gateway.protocols.passthrough import REPEATABLE, Bytes, refusal
from llm_gateway.routing.calls import Call, most_telling
from llm_gateway.routing.candidates import Decider, Limited, Moment, needs_of
from llm_gateway.routing.health import KEY_REFUSED, NORMAL, REFUSED, House
from llm_gateway.routing.recent import Key, RecentDecisions, rounded
from llm_gateway.routing.retries import backoff_s
from llm_gateway.routing.seats import Roster, Seat, Upstream
from llm_gateway.routing.states import ProviderState, can_answer, state_of
from llm_gateway.routing.streaming import Body, Live, beginning
from llm_gateway.strategies.balanced import Balanced
from llm_gateway.strategies.cost import Cost
from llm_gateway.strategies.latency import Latency
from llm_gateway.strategies.priority import Priority
from llm_gateway.strategies.quality import Quality
from llm_gateway.strategies.round_robin import RoundRobin
from llm_gateway.transport import Deadlines

STRATEGIES: Final[Mapping[str, Strategy]] = {
    strategy.name: strategy for strategy in (Balanced(), Cost(), Latency(), Quality(), Priority(), RoundRobin())
}
MAX_ERROR_BODY_BYTES: Final = 64 << 10
MAX_PROBE_BODY_BYTES: Final = 4 << 20
_KEY_REFUSED: Final = frozenset({401, 403})
_UNREACHED: Final = frozenset({"connect", "dns", "tls"})
HISTORY_SHARE: Final = 0.75
"""Share of a context window that history may fill: token counts are estimates."""
_SHORTEST_S: Final = 0.001
_LATE: Final = "the time for this request was over before a provider could answer"
ANSWER_TOKENS: Final = 1_024
"""Room kept for an answer whose length the caller did not limit."""

BeforeAttempt = Callable[[Exchange, Attempt], Awaitable[None] | None]
"""Called before an attempt's bytes leave; what it raises ends the call with nothing sent. None: there is nothing to wait for."""
Admit = Callable[[Exchange, Target], Awaitable[None] | None]
"""Called before an attempt is made of a target; RateLimited says that it is another's turn. None: there is nothing to wait for."""
Afford = Callable[[Exchange, Attempt, Price | None], Awaitable[None] | None]
"""Called before an attempt is made, with its price; BudgetExceeded says that it is too dear, and another's turn. None: there is
nothing to wait for."""


class Answering(Body, Protocol):
    """An answer whose headers (lower-case names) have arrived."""

    status: int
    headers: Mapping[str, str]


class Door(Protocol):
    """The way out, as this module needs it. Both methods raise `ProviderError`."""

    async def open(self, wire: WireBytes, deadlines: Deadlines, max_response_bytes: int, *, local: bool) -> Answering: ...
    async def fetch(
        self, wire: WireBytes, deadlines: Deadlines, max_response_bytes: int, *, local: bool
    ) -> tuple[int, Mapping[str, str], bytes]: ...


class Ports(Protocol):
    """Time and the way out."""

    @property
    def clock(self) -> Clock: ...
    @property
    def transport(self) -> Door: ...


class ProviderRouter:
    """The stage. One for each configuration; `before` is the one it replaces, whose knowledge of unchanged providers it takes over.

    `uniform` gives random numbers in [0, 1), `sleep` waits, `limited` says how long a provider's own limit lasts yet, as far as that is
    known at once, `admit` counts an attempt against it, and `afford` holds the money for one.
    """

    def __init__(
        self,
        settings: Settings,
        upstreams: Mapping[str, Upstream],
        ports: Ports,
        before: "ProviderRouter | None" = None,
        *,
        before_attempt: BeforeAttempt | None = None,
        limited: Limited | None = None,
        admit: Admit | None = None,
        afford: Afford | None = None,
        uniform: Callable[[], float] = random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._rules = settings.routing
        self._usual_strategy = STRATEGIES[settings.routing.strategy]
        self._upstreams = dict(upstreams)
        self._clock = ports.clock
        self._now_s, self._wall_s = ports.clock.monotonic_s, ports.clock.wall_s
        self._door = ports.transport
        self._roster: Roster = Roster(settings, upstreams, before._roster if before is not None else None)
        self._price_of = self._roster.prices.price_of
        self._decider = Decider(self._roster, limited)
        self._recent = RecentDecisions(self._roster.tokens_that_fit())
        self._usual = {seat.name: _deadlines_of(seat) for seat in self._roster.seats}
        self._before_attempt: BeforeAttempt = before_attempt or _nothing_to_wait_for
        self._admit: Admit = admit or _nothing_to_wait_for
        self._afford: Afford = afford or _nothing_to_wait_for
        self._uniform = uniform
        self._sleep = sleep
        self._turn: int = before._turn if before is not None else 0
        for seat in self._roster.seats:  # so that the catalogue is loaded before the first request
            self._roster.prices.price_of(seat.name, seat.chat_model, self._clock.wall_s())

    def decide(self, request: Request, clearance: Clearance, strategy: str | None = None) -> Decision:
        """What would happen to a request now. Sends and changes nothing; errors as in `Decider.decide`.

        Raises:
            InvalidRequest: there is no such strategy.
        """
        return self._decider.decide(request, clearance, self._strategy(strategy), self._moment())

    def _strategy(self, name: str | None) -> Strategy:
        chosen = STRATEGIES.get(name) if name else self._usual_strategy
        if chosen is None:
            raise InvalidRequest(f"strategy: expected one of {', '.join(STRATEGIES)}", param="strategy")
        return chosen

    def _moment(self) -> Moment:
        return Moment(self._now_s(), self._clock.wall_s(), self._turn)

    def __call__(self, exchange: Exchange, call_next: Next | None = None) -> Coroutine[None, None, Reply]:
        """Answer, or raise the error that tells the caller most. `call_next` is never asked: this is the last stage."""
        clearance = exchange.clearance
        if clearance is None:
            raise Internal("a request reached the router without a clearance")
        strategy = self._strategy(exchange.strategy) if exchange.strategy else self._usual_strategy
        key = self._recent.key(exchange.request, clearance, strategy.name)
        decision = self._recent.get(key, self._now_s()) or self._decide_anew(exchange.request, clearance, strategy, key)
        exchange.decision = decision
        self._turn += 1
        if not decision.ranked:
            raise self._decider.refusal(decision, self._moment())
        return self._ask_in_turn(exchange, decision, clearance)

    async def _ask_in_turn(  # noqa: PLR0915  # in pieces, each would be a coroutine of its own
        self, exchange: Exchange, decision: Decision, clearance: Clearance
    ) -> Reply:
        """Ask the targets of a decision, each perhaps again, until one answers. Raises the error that tells the caller most.

        An attempt ends when it is answered in full, or a stream has begun to say something. It is made here, not in a coroutine of its
        own: whatever a call waits for resumes each that is open.
        """
        failures: list[LLMGatewayError] = []  # without their tracebacks, which would know this list
        ranked, read_s = decision.ranked, self._now_s
        for place, candidate in enumerate(ranked, 1):
            target = candidate.target
            seat, retry = self._roster.by_name[target.provider], 0
            while True:
                now_s = read_s()
                if now_s >= exchange.deadline_s:
                    raise most_telling(failures) or ProviderTimeout(_LATE, code="total")
                if not seat.slots.take():
                    if not await self._wait_for_place(exchange, seat, failures, ranked[place:]):
                        break
                    now_s = read_s()
                call = self._admitted(exchange, candidate, seat, now_s)
                if call is None:
                    break
                if not retry:
                    seat.budget.earn()
                attempt = call.attempt
                try:
                    request, wall_s = exchange.request, self._wall_s()
                    wire = clearance.wire(request, seat.provider, target.model, wall_s)
                    price = call.price = self._price_of(target.provider, target.model, wall_s)
                    if (waiting := self._afford(exchange, attempt, price)) is not None:
                        await waiting
                    if (waiting := self._admit(exchange, target)) is not None:
                        await waiting
                    exchange.attempts.append(attempt)
                    if (waiting := self._before_attempt(exchange, attempt)) is not None:
                        await waiting
                    if exchange.trace is not None:
                        parent = exchange.trace.attempt(attempt)
                        wire = wire.traced(parent) if parent else wire
                    sent_s = attempt.started_s = read_s()
                    attempt.reached = True
                    left_s, deadlines = exchange.deadline_s - sent_s, self._usual[seat.name]
                    if not isinstance(request, EmbeddingRequest) and request.stream:
                        return await self._stream(call, wire, _within(left_s, deadlines, longest_s=inf), sent_s)
                    if left_s < deadlines.total_s:
                        deadlines = _within(left_s, deadlines, longest_s=deadlines.total_s)
                    try:
                        status, headers, body = await self._door.fetch(wire, deadlines, seat.max_response_bytes, local=seat.local)
                    finally:
                        now_s = read_s()
                        exchange.upstream_s += now_s - sent_s
                    return self._whole(call, status, headers, body, now_s)
                except LLMGatewayError as error:
                    call.end_by(error, read_s())
                    wait_s = self._again_in_s(error, call, retry, place < len(ranked))
                    if wait_s is None and not _is_anothers_turn(error):
                        raise
                    failures.append(error.with_traceback(None))
                    if wait_s is None:
                        break
                except BaseException as error:
                    call.end_by(error, read_s())
                    raise
                retry += 1
                await self._sleep(wait_s)
            if len(exchange.attempts) >= self._rules.max_attempts and place < len(ranked):
                break
        self._give_up(decision, failures)

    def _admitted(self, exchange: Exchange, candidate: Candidate, seat: Seat, now_s: float) -> Call | None:
        """The call of a target whose provider has given a place for it. None, and the place is free again: it is somebody else's turn."""
        model = candidate.target.model
        course = seat.course(model)
        lane, admission = course.lane, NORMAL
        if now_s < seat.house.cooled_until_s:
            admission = REFUSED
        elif lane.open_until_s is not None:
            admission = lane.admit(now_s)
        if admission is REFUSED:  # others were faster to find it ill, or to try it
            seat.slots.give()
            return None
        return Call(exchange, candidate, seat, course, admission, Attempt(seat.name, model, seat.destination.security_level))

    def _decide_anew(self, request: Request, clearance: Clearance, strategy: Strategy, key: Key | None) -> Decision:
        moment = self._moment()
        needs = None if key is None else rounded(needs_of(request))
        decision = self._decider.decide(request, clearance, strategy, moment, needs=needs, explain=False)
        self._recent.put(key, decision, moment.monotonic_s)
        return decision

    def _give_up(self, decision: Decision, failures: list[LLMGatewayError]) -> NoReturn:
        telling = most_telling(failures)
        if isinstance(telling, RateLimited):  # the limit that ends first is the one to wait for
            waits = [failure.retry_after_s for failure in failures if failure.retry_after_s is not None]
            telling.retry_after_s = min(waits, default=None)
        if telling is not None:
            raise telling
        error = self._decider.refusal(decision, self._moment())
        raise error if isinstance(error, NoEligibleProvider) else NoEligibleProvider("every provider is unavailable at the moment")

    async def _wait_for_place(self, exchange: Exchange, seat: Seat, failures: list[LLMGatewayError], others: tuple[Candidate, ...]) -> bool:
        """Wait for a place at a provider that has none free, unless somebody else has."""
        if any(self._roster.by_name[other.target.provider].slots.has_room for other in others):
            return False
        began_s = self._now_s()
        try:
            await seat.slots.wait(exchange.deadline_s - began_s)
        except Overloaded as error:
            failures.append(error.with_traceback(None))
            return False
        finally:
            exchange.queued_s += self._now_s() - began_s
        return True

    def _again_in_s(self, error: LLMGatewayError, call: Call, retry: int, others: bool) -> float | None:
        """Seconds until the same target should be asked once more; None: it should not.

        While there are others, it gets a second chance only if it was reached, and did not say that it is at its limit.
        """
        if not isinstance(error, ProviderError):
            return None
        self._recent.forget()
        rules, seat = self._rules, call.seat
        if _is_done_once(call.exchange.request) and error.code not in _UNREACHED:
            return None
        if not error.same_again or len(call.exchange.attempts) >= rules.max_attempts or call.course.lane.open_until_s is not None:
            return None
        if others and (retry or error.http_status == 429 or error.code in _UNREACHED):
            return None
        now_s = self._now_s()
        wait_s = max(backoff_s(retry, rules.retry_base_s, rules.retry_max_s, self._uniform), seat.house.cooled_until_s - now_s)
        if wait_s > rules.retry_max_s or now_s + wait_s >= call.exchange.deadline_s:
            return None
        return wait_s if seat.budget.spend() else None

    def _whole(self, call: Call, status: int, headers: Mapping[str, str], body: bytes, now_s: float) -> Reply:
        """What an answer comes to that is there in full."""
        exchange, seat, attempt = call.exchange, call.seat, call.attempt
        exchange.upstream_headers = headers
        if not 200 <= status < 300:
            raise seat.provider.error(status, headers, body)
        attempt.upstream_status = status
        wait_s = rest_s(headers)
        if wait_s is not None:
            self._heed(seat, wait_s)
        request = exchange.request
        decoder = Bytes() if isinstance(request, Passthrough) else seat.provider.decoder(request, attempt.model)
        chunks = decoder.feed(body)
        chunks += decoder.finish()
        call.end_whole(chunks, now_s)
        return Reply(chunks)

    async def _stream(self, call: Call, wire: WireBytes, deadlines: Deadlines, sent_s: float) -> Reply:
        seat = call.seat
        try:
            response = await self._door.open(wire, deadlines, seat.max_response_bytes, local=seat.local)
        finally:
            call.exchange.upstream_s += self._now_s() - sent_s
        call.attempt.upstream_status = response.status
        call.exchange.upstream_headers = response.headers
        try:
            if not 200 <= response.status < 300:
                refused = seat.provider.error(response.status, response.headers, await beginning(response, MAX_ERROR_BODY_BYTES))
                raise refusal(refused, response.status) if isinstance(call.exchange.request, Passthrough) else refused
            wait_s = rest_s(response.headers)
            if wait_s is not None:
                self._heed(seat, wait_s)
            request = call.exchange.request
            decoder = Bytes() if isinstance(request, Passthrough) else seat.provider.decoder(request, call.attempt.model)
            live = Live(call, response, decoder, self._now_s)
            await live.until_content()
        except BaseException:
            await response.aclose()
            raise
        call.answered(self._now_s())
        call.exchange.at_end(live.end)
        return Reply(live)

    def _heed(self, seat: Seat, wait_s: float) -> None:
        """Pass a provider over that says, on a good answer, that it has nothing left for the next call."""
        seat.house.cool(wait_s, self._now_s())
        seat.house.at_limit = True
        self._recent.forget()

    async def probe_all(self) -> None:
        """Ask every provider at once whether it lives, each within `health_timeout_s`. Costs nothing; learns their models.

        Raises:
            ExceptionGroup: the checks that failed through a fault of ours, when the others are done.
        """
        results = await asyncio.gather(*map(self._probe, self._roster.seats), return_exceptions=True)
        self._decider.names.forget()
        self._recent.forget()
        faults = [result for result in results if isinstance(result, Exception)]
        if faults:
            raise ExceptionGroup("health checks failed inside the gateway", faults)

    async def _probe(self, seat: Seat) -> None:
        wire = probe_wire(seat.provider)
        if wire is None:
            return
        timeout_s = self._rules.health_timeout_s
        deadlines = Deadlines(timeout_s, timeout_s, timeout_s, timeout_s)
        models: list[str] = []
        alive, refused = False, ""
        try:
            status, _, body = await self._door.fetch(wire, deadlines, MAX_PROBE_BODY_BYTES, local=seat.local)
            # A server that limits us, or does not know the path, is there; one whose key check fails is of no use.
            alive = status < 500 and status not in _KEY_REFUSED
            refused = KEY_REFUSED if status in _KEY_REFUSED else ""
            models = seat.provider.models(body) if 200 <= status < 300 else []
        except (ProviderError, Overloaded):
            alive = False
        came_back = seat.house.checked(alive=alive, wall_s=self._clock.wall_s(), models=tuple(models), refused=refused)
        if came_back:
            now_s = self._now_s()
            for lane in seat.lanes():
                lane.reopen_early(now_s)

    def states(self) -> list[ProviderState]:
        """Every configured provider and how it fares, in the order of the configuration."""
        moment = self._moment()
        return [state_of(upstream, self._roster, moment) for upstream in self._upstreams.values()]

    def any_available(self) -> bool:
        """Whether some provider can answer now."""
        now_s = self._now_s()
        return any(can_answer(seat, now_s) for seat in self._roster.seats)

    def houses(self) -> dict[str, House]:
        """What concerns all models of a provider, by the provider's name."""
        return {seat.name: seat.house for seat in self._roster.seats}

    def models(self) -> list[Target]:
        """Every model that can be asked for by name, each provider's default one first."""
        return [Target(seat.name, model) for seat in self._roster.seats for model in seat.listed()]

    def facts(self, target: Target) -> tuple[ModelFacts, Price | None]:
        """What is known of one of `models()`, and its price now."""
        price = self._roster.prices.price_of(target.provider, target.model, self._clock.wall_s())
        return self._roster.by_name[target.provider].course(target.model).facts, price

    def meant(self, request: Request) -> Target:
        """The provider and model that a request's names mean, aliases and default models resolved; "" where they leave it open.

        Raises:
            UnknownProvider, UnknownModel, InvalidRequest: what was asked for does not exist.
        """
        wish = self._decider.names.wish(request.provider, request.model)
        seat = self._roster.by_name.get(wish.provider)
        model = wish.model or (seat.default_model(embeddings=not isinstance(request, ChatRequest)) if seat is not None else "")
        return Target(wish.provider, model)

    def prices_asked(self, request: Request) -> list[Price | None]:
        """The prices of what a request could be sent to, as far as its `provider` and `model` tell; policy and health are not asked.

        Raises:
            UnknownProvider, UnknownModel, InvalidRequest: what was asked for does not exist.
        """
        wish = self._decider.names.wish(request.provider, request.model)
        embeddings = not isinstance(request, ChatRequest)
        prices: list[Price | None] = []
        for seat in self._roster.seats:
            is_asked = seat.name == wish.provider
            if not is_asked and ((wish.provider and not self._rules.explicit_fallback) or (wish.model and seat.name not in wish.serving)):
                continue
            model = wish.model or seat.default_model(embeddings=embeddings)
            if model:
                prices.append(self._roster.prices.price_of(seat.name, model, self._clock.wall_s()))
        return prices

    def history_tokens(self, request: ChatRequest) -> int:
        """How many tokens of history may be sent with `request`, so that it fits whichever provider it may go to.

        Models whose window nobody knows get `conversations.max_history_tokens`.
        """
        wish = self._decider.names.wish(request.provider, request.model)
        asked = [wish.provider] if wish.provider in self._roster.by_name else wish.serving or self._roster.by_name
        need = estimate_input_tokens(request) + (request.max_tokens or ANSWER_TOKENS)
        rooms = [self._settings.conversations.max_history_tokens] if not asked else []
        for name in asked:
            seat = self._roster.by_name[name]
            window = seat.course(wish.model or seat.chat_model).facts.context_window_tokens
            room = self._settings.conversations.max_history_tokens if window is None else int(window * HISTORY_SHARE) - need
            rooms.append(room)
        return max(min(rooms), 0)


def _nothing_to_wait_for(*_: object) -> None:
    """What is done before an attempt where nobody wants to do anything."""


def _deadlines_of(seat: Seat) -> Deadlines:
    """A whole answer's deadlines, for a call that has time enough."""
    settings = seat.settings
    longest_s = settings.timeout
    first_byte_s = settings.first_byte_timeout_s or longest_s
    return Deadlines(settings.connect_timeout_s, first_byte_s, settings.idle_timeout_s, longest_s)


def _within(left_s: float, usual: Deadlines, *, longest_s: float) -> Deadlines:
    """The deadlines of a call with `left_s` to go."""
    left_s = max(left_s, _SHORTEST_S)
    return Deadlines(min(usual.connect_s, left_s), min(usual.first_byte_s, left_s), min(usual.idle_s, left_s), min(longest_s, left_s))


def _is_anothers_turn(error: LLMGatewayError) -> bool:
    """Whether the next target may be asked: this one failed, its wire cannot say the request, it is at our limit, or it is too dear."""
    return error.try_next if isinstance(error, ProviderError) else isinstance(error, InvalidRequest | RateLimited | BudgetExceeded)


def _is_done_once(request: Request) -> bool:
    """Whether an operation may not be sent twice: nobody here knows what a second one would do."""
    return isinstance(request, Passthrough) and request.method not in REPEATABLE
