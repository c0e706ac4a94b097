"""Decides recorded requests again, under any configuration, with what the ranking saw at the time.

The filter's policy, the names, the capabilities, the strategies are the gateway's own code, over the other configuration. What was
known of a target then (pace, error rate, calls in flight, whether it was well) comes from the record. A target that was no
candidate then is taken as it was last seen before; one that was never seen is unmeasured, as it would have been.

Nothing can be sent from here: the requests that are decided hold no content.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from pydantic import SecretStr

from llm_gateway.core.clearance import Clearance
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import Internal, LLMGatewayError
from llm_gateway.core.exchange import Caller, Credentials, Exchange
from llm_gateway.core.findings import Finding, Sensitivity, combined
from llm_gateway.core.pricing import PICO_PER_USD
from llm_gateway.core.ranking import Option
from llm_gateway.core.routing import Decision, Destination, Rejection, Size
from llm_gateway.core.settings import ProviderSettings, Settings
from llm_gateway.core.types import ChatRequest, EmbeddingRequest, Message, Request, SecurityLevel, Usage
from llm_gateway.detectors.inspector import Inspector
from llm_gateway.gateway import Upstream, upstream
from llm_gateway.metrics.records import Ranked, Refused, Route
from llm_gateway.metrics.view import Record
from llm_gateway.provider_router import STRATEGIES
from llm_gateway.routing.candidates import Decider, Moment, Needs
from llm_gateway.routing.seats import Course, Roster, Seat
from llm_gateway.security_filter import SecurityFilter

_STAND_IN: Final = SecretStr("not-a-key-nothing-is-sent")
"""In place of a key that the other configuration has not got here: whether a provider can be used is read off the record."""
_UNWELL: Final = frozenset({"health", "limit"})


class RecordedFilter(SecurityFilter):
    """The filter's policy over verdicts that were recorded."""

    def __init__(self, settings: Settings, destinations: "list[Destination]") -> None:
        security = settings.security
        super().__init__(security, destinations, Inspector(security.sensitive_keywords, {}, security.sensitivity_threshold))
        self.verdict = Sensitivity(0.0, False)

    def judged_at_once(self, request: Request) -> Sensitivity:
        return self.verdict

    def read(self, record: Record) -> None:
        """Take the verdict of a record: the kinds that were found then, weighed by this policy."""
        detail, security = record.detail, self._settings
        if not security.auto_classification:
            self.verdict = Sensitivity(1.0, True, failed="classification is switched off")
        elif detail.unjudged:
            self.verdict = Sensitivity(1.0, True, failed=detail.unjudged)
        else:
            found = [Finding(kind, "", confidence) for kind, confidence in detail.kinds.items()]
            kept = [each for each in found if self._policy_of(each.kind).action != "allow"]
            self.verdict = combined(kept, security.sensitivity_threshold)


class _Then(msgspec.Struct):
    """What was known when a record was decided."""

    options: dict[tuple[str, str], Ranked]
    refused: dict[str, Refused]


class RecordedDecider(Decider):
    """Decides with what was known of the targets then."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._then = _Then({}, {})
        self._seen: dict[tuple[str, str, bool], Ranked] = {}

    def read(self, route: Route) -> None:
        """Take what was known of the targets from a record; what it does not say is as it was last."""
        streamed = route.size is not None and route.size.stream
        self._then = _Then({(each.provider, each.model): each for each in route.ranked}, {each.provider: each for each in route.rejected})
        for each in route.ranked:
            self._seen[each.provider, each.model, streamed] = each
        for seat in self.roster.seats:
            refused = self._then.refused.get(seat.name)
            seat.house.alive = False if refused is not None and refused.spare else None

    def _unwell(self, seat: Seat, course: Course, now_s: float) -> Rejection | None:
        refused = self._then.refused.get(seat.name)
        if refused is None or refused.spare or refused.code not in _UNWELL:
            return None
        return Rejection(seat.name, refused.code, refused.reason)

    def _options(self, courses: list[tuple[Seat, Course]], needs: Needs, moment: Moment) -> list[Option]:
        options: list[Option] = []
        for seat, course in courses:
            target = course.target
            price = self.roster.prices.price_of(seat.name, target.model, moment.wall_s)
            predicted = Usage(needs.input_tokens, needs.output_tokens)
            cost_usd = None if price is None else 0.0 if price.is_free else price.pico_usd(predicted) / PICO_PER_USD
            then = self._then.options.get((seat.name, target.model)) or self._seen.get((seat.name, target.model, needs.stream))
            latency_s, error_rate, in_flight = (then.latency_s, then.error_rate, then.in_flight) if then is not None else (None, 0.0, 0)
            options.append(Option(seat.name, seat.priority, course.facts.quality, cost_usd, latency_s, error_rate, in_flight))
        return options


class Stopped(Clock):
    """A clock that stands: nothing here takes time."""

    def monotonic_s(self) -> float:
        return 0.0

    def wall_s(self) -> float:
        return 0.0


class Policy:
    """A configuration, ready to decide. `models` are those that providers were seen with, the ones they chose themselves first: what a
    health check would have listed.
    """

    def __init__(self, settings: Settings, models: Mapping[str, tuple[str, ...]]) -> None:
        self.settings = settings
        self.notes: list[str] = []
        self.upstreams = {name: self._upstream(name, each, name in models) for name, each in settings.providers.items()}
        self.roster = Roster(settings, self.upstreams)
        for seat in self.roster.seats:
            seat.house.models = models.get(seat.name, ())
        usable = [found.destination for found in self.upstreams.values() if found.provider is not None]
        self._filter = RecordedFilter(settings, usable)
        self._decider = RecordedDecider(self.roster)

    def _upstream(self, name: str, settings: ProviderSettings, was_used: bool) -> Upstream:
        found = upstream(name, settings)
        if found.provider is not None or not settings.enabled or not was_used:
            return found
        keys = {"api_key": _STAND_IN, "aws_access_key_id": _STAND_IN, "aws_secret_access_key": _STAND_IN}
        again = upstream(name, settings.model_copy(update=keys))
        if again.provider is None:
            self.notes.append(f"{name} cannot be used as configured here ({found.missing}), though it was then")
        return again

    async def decide(self, record: Record) -> tuple[frozenset[str], Decision]:
        """Where a record's request may go, and the decision about it.

        Raises:
            LLMGatewayError: it would be refused.
        """
        route = record.route
        if route is None or route.size is None:
            raise Internal("a record without a decision cannot be decided again")
        self._filter.read(record)
        self._decider.read(route)
        request = _request(record, route.size)
        clearance = await self._clearance(record, request)
        strategy = STRATEGIES[record.detail.strategy or self.settings.routing.strategy]
        moment = Moment(0.0, record.row.at_us / 1e6, route.turn)
        decision = self._decider.decide(request, clearance, strategy, moment, needs=_needs(route.size), explain=False)
        return frozenset(place.provider for place in clearance.eligible), decision

    async def _clearance(self, record: Record, request: Request) -> Clearance:
        row, detail = record.row, record.detail
        exchange = Exchange(
            request, correlation_id=row.correlation_id, credentials=Credentials(), ingress=row.ingress, received_s=0.0, deadline_s=1.0
        )
        exchange.caller = Caller(
            row.caller,
            key_id=row.key_id,
            owner=row.owner,
            allowed_providers=None if detail.granted_providers is None else frozenset(detail.granted_providers),
            allowed_models=None if detail.granted_models is None else frozenset(detail.granted_models),
        )
        exchange.tainted = detail.tainted
        exchange.minimum_level = SecurityLevel(detail.minimum_level) if detail.minimum_level else None
        await self._filter.clear(exchange)
        if exchange.clearance is None:
            raise Internal("the security filter gave no verdict")
        return exchange.clearance


def _request(record: Record, size: Size) -> Request:
    """A request without content that names what the recorded one named."""
    provider, model = record.detail.provider or None, record.detail.model or None
    if size.embeddings:
        return EmbeddingRequest((), model=model, provider=provider)
    return ChatRequest((Message("user", ""),), model=model, provider=provider, stream=size.stream)


def _needs(size: Size) -> Needs:
    return Needs(
        size.embeddings, size.stream, size.features, size.input_tokens, size.max_output_tokens, size.output_tokens, size.own_protocol
    )


def difference(route: Route, eligible_then: tuple[str, ...], eligible: frozenset[str], decision: Decision) -> str:
    """Why a decision came out otherwise than the recorded one, in words; "" when it did not."""
    then = [(each.provider, each.model) for each in route.ranked]
    now = [(each.target.provider, each.target.model) for each in decision.ranked]
    if then == now:
        return ""
    if set(eligible_then) != eligible:
        lost, won = sorted(set(eligible_then) - eligible), sorted(eligible - set(eligible_then))
        parts = [f"no longer eligible: {', '.join(lost)}"] if lost else []
        parts += [f"newly eligible: {', '.join(won)}"] if won else []
        return "; ".join(parts)
    if set(then) != set(now):
        refused = {each.provider: each.reason for each in decision.rejected}
        refused_then = {each.provider: each.reason for each in route.rejected}
        lost_targets = [
            f"{name}/{model} left out: {refused.get(name, 'another model there')}" for name, model in then if (name, model) not in now
        ]
        won_targets = [
            f"{name}/{model} ranked, then: {refused_then.get(name, 'unknown')}" for name, model in now if (name, model) not in then
        ]
        return "; ".join([*lost_targets, *won_targets])
    if decision.strategy != route.strategy:
        return f"{decision.strategy} prefers another order than {route.strategy}"
    seen = {(each.provider, each.model): each for each in route.ranked}
    moved = [_moved(each.option, seen[each.target.provider, each.target.model]) for each in decision.ranked if each.option is not None]
    return "; ".join(filter(None, moved)) or "the scores are equal, or nearly so"


def _moved(now: Option, then: Ranked) -> str:
    changed = [
        f"{name} {was} is {value}"
        for name, was, value in (
            ("cost", then.cost_usd, now.cost_usd),
            ("quality", then.quality, now.quality),
            ("priority", then.priority, now.priority),
        )
        if was != value
    ]
    return f"{now.provider}: {', '.join(changed)}" if changed else ""


def refusal_of(failure: LLMGatewayError) -> str:
    """Why a request would be refused, by type and words."""
    return f"{failure.error_type}: {failure.message}"
