"""Who may and can answer a request, in which order, and why not the others. Pure: a function of what is known now.

Every configured provider is either ranked, with one model, or rejected with a reason; none is ranked that the
clearance does not allow.
"""

from collections.abc import Callable

import msgspec

from llm_gateway.core.clearance import Clearance, Granted
from llm_gateway.core.errors import (
    Forbidden,
    InvalidRequest,
    LLMGatewayError,
    NoEligibleProvider,
    RateLimited,
    SensitiveContentBlocked,
)
from llm_gateway.core.pricing import PICO_PER_USD
from llm_gateway.core.ranking import Option, Strategy
from llm_gateway.core.routing import Candidate, Decision, Rejection, Size
from llm_gateway.core.tokens import estimate_input_tokens
from llm_gateway.core.types import PASSTHROUGH, ChatRequest, Document, Image, Passthrough, Request, ToolResult, Usage
from llm_gateway.core.wire import Capabilities
from llm_gateway.routing.names import ANYTHING, Names, Wish, serves
from llm_gateway.routing.seats import Course, Roster, Seat

EXPECTED_OUTPUT_TOKENS = 256
"""Length that an answer is taken to have when costs and durations are predicted; the same for every target."""

Limited = Callable[[str], float | None]
"""Seconds until a provider's own limit lets another call through; None: now."""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """When a decision is made: monotonic seconds, Unix seconds, and how many were made before it."""

    monotonic_s: float
    wall_s: float
    turn: int = 0


class Needs(msgspec.Struct, frozen=True, gc=False):
    """What a request asks of a target. `features` are names of `Capabilities` fields."""

    embeddings: bool
    stream: bool
    features: tuple[str, ...]
    input_tokens: int
    max_output_tokens: int
    output_tokens: int
    own_protocol: str = ""
    own_words: str = ""
    """The only protocol that can carry the request, where there is one, and what in it that is."""
    confined_to: str = ""
    """The only provider that may be asked: nobody else could stand in."""


_IN_WORDS = {
    "tools": "tools",
    "images": "images",
    "documents": "documents",
    "json_schema": "answers by JSON schema",
    "logprobs": "logprobs",
    "choices": "several answers at once (n)",
    PASSTHROUGH: "operations that are passed through",
}


def needs_of(request: Request) -> Needs:
    """Read off a request what a target must be able to do, and about how large it is."""
    input_tokens = estimate_input_tokens(request)
    native = request.native
    own = (native.protocol, native.only) if native is not None and native.only else ("", "")
    if not isinstance(request, ChatRequest):
        if isinstance(request, Passthrough):
            return Needs(False, True, (PASSTHROUGH,), input_tokens, 0, 0, confined_to=request.provider)
        return Needs(True, False, (), input_tokens, 0, 0, *own)
    features: list[str] = []
    if request.tools:
        features.append("tools")
    if request.response_format is not None and request.response_format.type == "json_schema":
        features.append("json_schema")
    if request.logprobs:
        features.append("logprobs")
    if request.n > 1:
        features.append("choices")
    for message in request.messages:
        if not isinstance(message.content, str):
            features += _media(message.content)
    wanted = request.max_tokens or 0
    expected = min(wanted, EXPECTED_OUTPUT_TOKENS) if wanted else EXPECTED_OUTPUT_TOKENS
    return Needs(False, request.stream, tuple(dict.fromkeys(features)), input_tokens, wanted, expected, *own)


def _media(parts: tuple[object, ...]) -> list[str]:
    found: list[str] = []
    for part in parts:
        if isinstance(part, Image):
            found.append("images")
        elif isinstance(part, Document):
            found.append("documents")
        elif isinstance(part, ToolResult):
            found += _media(part.content)
    return found


class Question(msgspec.Struct, frozen=True):
    """One request as the decision sees it."""

    wish: Wish
    needs: Needs
    clearance: Clearance
    note: str = ""
    """What the decision's reason must begin with."""


class Decider:
    """Decides over a roster. Holds no state of its own but what names mean."""

    def __init__(self, roster: Roster, limited: Limited | None = None) -> None:
        self.roster = roster
        self.names = Names(roster)
        self._limited = limited
        self._explicit_fallback = roster.settings.routing.explicit_fallback
        self._unconfigured = [Rejection(name, "unconfigured", f"it is not usable: {what}") for name, what in roster.missing.items()]

    def decide(
        self,
        request: Request,
        clearance: Clearance,
        strategy: Strategy,
        moment: Moment,
        *,
        needs: Needs | None = None,
        explain: bool = True,
    ) -> Decision:
        """Rank the targets for a request. Sends nothing, changes nothing; `ranked` may be empty (see `refusal`).

        Without `explain` only the first candidate carries its reasons: words cost more than the ranking. `needs` are the
        request's, where the caller has read them off already.

        Raises:
            UnknownProvider, UnknownModel, InvalidRequest: what was asked for does not exist, or cannot do it.
            Forbidden: what was asked for is not the caller's key's to use.
            SensitiveContentBlocked: what was asked for may not get this content, and the policy is to refuse then.
        """
        question = self._question(request, clearance, needs or needs_of(request))
        courses: list[tuple[Seat, Course]] = []
        spare: list[tuple[Seat, Course, str]] = []
        rejected = self._unconfigured.copy()
        for seat in self.roster.seats:
            model = self._model(seat, question)
            if isinstance(model, Rejection):
                rejected.append(model)
                continue
            course = seat.course(model)
            refusal = _too_small(seat, course, question.needs) or self._unwell(seat, course, moment.monotonic_s)
            if refusal is not None:
                rejected.append(refusal)
            elif trouble := _trouble(seat, course, moment.monotonic_s):
                spare.append((seat, course, trouble))
            else:
                courses.append((seat, course))
        if courses:
            rejected += [Rejection(seat.name, "health", trouble, spare=True) for seat, _, trouble in spare]
        else:  # better an unwell target than none
            courses = [(seat, course) for seat, course, _ in spare]
        ranked = self._rank(courses, question, strategy, moment, explain=explain)
        reason = _reason(ranked, question, strategy, len(courses))
        return Decision(strategy.name, ranked, tuple(rejected), reason, _size(question.needs), moment.turn)

    def _question(self, request: Request, clearance: Clearance, needs: Needs) -> Question:
        wish = ANYTHING if request.provider is None and request.model is None else self.names.wish(request.provider, request.model)
        note = ""
        if not wish.is_open:
            _check_granted(request, wish, clearance)
            self._check_embeddings(wish, needs)
            forbidden = self._forbidden(wish, clearance)
            if forbidden:
                if needs.confined_to or self.roster.settings.security.on_forbidden_provider == "block":
                    raise SensitiveContentBlocked(f"this content may not go to {forbidden}, which the request names")
                note = f"{wish} was asked for, but this content may not go to {forbidden}: rerouted. "
                wish = ANYTHING
        return Question(wish, needs, clearance, note)

    def _forbidden(self, wish: Wish, clearance: Clearance) -> str:
        """The usable providers that were asked for, if policy keeps this content from every one of them."""
        seats = self.roster.by_name
        asked = [seats[name] for name in ((wish.provider,) if wish.provider else sorted(wish.serving)) if name in seats]
        if not asked or any(clearance.allows(seat.destination) for seat in asked):
            return ""
        return ", ".join(seat.name for seat in asked)

    def _check_embeddings(self, wish: Wish, needs: Needs) -> None:
        seat = self.roster.by_name.get(wish.provider)
        if needs.embeddings and seat is not None and not _embeds(seat, wish.model):
            raise InvalidRequest(f"provider: {seat.name} has no embeddings; {self._those_with_embeddings()}", param="provider")

    def _those_with_embeddings(self) -> str:
        names = ", ".join(seat.name for seat in self.roster.seats if _embeds(seat, ""))
        return f"these have: {names}" if names else "no usable provider has"

    def _model(self, seat: Seat, question: Question) -> str | Rejection:
        """The model to ask this provider for, if policy, the caller's wish and its wire allow one."""
        wish, needs, granted = question.wish, question.needs, question.clearance.granted
        if not granted.provider(seat.name):
            return Rejection(seat.name, "forbidden", "the caller's key does not cover it")
        if not question.clearance.allows(seat.destination):
            return Rejection(seat.name, "security", f"its level ({seat.destination.security_level}) does not allow this content")
        is_asked = seat.name == wish.provider
        if wish.provider and not is_asked and (needs.confined_to or not self._explicit_fallback):
            return Rejection(seat.name, "not_asked", f"the request names {wish.provider}")
        if needs.embeddings and not _embeds(seat, wish.model):
            return Rejection(seat.name, "capability", "it has no embeddings")
        if needs.own_protocol and needs.own_protocol != seat.provider.protocol:
            return Rejection(seat.name, "capability", f"its wire does not carry {needs.own_words}")
        missing = _cannot(seat.capabilities, needs)
        if missing:
            return Rejection(seat.name, "capability", f"its wire does not carry {missing}")
        if wish.model:
            if not granted.model(seat.name, wish.model):
                return Rejection(seat.name, "forbidden", f"the caller's key does not cover {wish.model} there")
            if is_asked or seat.name in wish.serving:
                return wish.model
            return Rejection(seat.name, "model", f"it does not serve {wish.model}")
        default = seat.default_model(embeddings=needs.embeddings)
        if granted.models is not None and not granted.model(seat.name, default):
            granted_model = _granted_model(seat, granted, embeddings=needs.embeddings)
            return granted_model or Rejection(seat.name, "forbidden", "the caller's key covers none of its models")
        return default or Rejection(seat.name, "model", f"it has no default model: set providers.{seat.name}.model")

    def _unwell(self, seat: Seat, course: Course, now_s: float) -> Rejection | None:
        house, lane = seat.house, course.lane
        if house.quarantine and house.quarantined(now_s):
            return Rejection(seat.name, "health", house.quarantine)
        if now_s < house.cooled_until_s:
            code = "limit" if house.at_limit else "health"
            return Rejection(seat.name, code, f"it asked to be left alone for another {house.cooled_until_s - now_s:.1f} s")
        if lane.open_until_s is not None:
            rest_s = lane.closed_to(now_s)
            if rest_s is not None:
                when = f"in {rest_s:.1f} s" if rest_s else "when the trial call that is out has ended"
                return Rejection(seat.name, "health", f"its calls kept failing; it is tried again {when}")
        if self._limited is not None and self._limited(seat.name) is not None:
            return Rejection(seat.name, "limit", "it is at the limit that is configured for it")
        return None

    def _rank(
        self, courses: list[tuple[Seat, Course]], question: Question, strategy: Strategy, moment: Moment, *, explain: bool
    ) -> tuple[Candidate, ...]:
        if not courses:
            return ()
        options = self._options(courses, question.needs, moment)
        asked = question.wish.provider
        rows = [
            (option.provider != asked, -score, option.priority, option.provider, course.target, option)
            for (_, course), option, score in zip(courses, options, strategy.scores(options, moment.turn), strict=True)
        ]
        rows.sort()  # no two have the same provider: what follows it is never compared
        ranked: list[Candidate] = []
        for _, score, _, _, target, option in rows:
            reasons = () if ranked and not explain else strategy.reasons(option)
            ranked.append(Candidate(target, -score, reasons, option.cost_usd, option.latency_s, option))
        return tuple(ranked)

    def _options(self, courses: list[tuple[Seat, Course]], needs: Needs, moment: Moment) -> list[Option]:
        now_s, wall_s = moment.monotonic_s, moment.wall_s
        price_of = self.roster.prices.price_of
        predicted = Usage(needs.input_tokens, needs.output_tokens)
        options: list[Option] = []
        for seat, course in courses:
            price = price_of(seat.name, course.target.model, wall_s)
            cost_usd = None if price is None else 0.0 if price.is_free else price.pico_usd(predicted) / PICO_PER_USD
            latency_s, error_rate = _latency_s(course, needs, now_s), course.lane.error_rate(now_s)
            in_flight = seat.slots.in_flight
            options.append(Option(seat.name, seat.priority, course.facts.quality, cost_usd, latency_s, error_rate, in_flight))
        return options

    def refusal(self, decision: Decision, moment: Moment) -> LLMGatewayError:
        """Why a decision ranks nobody, as the error to answer with."""
        codes = {rejection.code for rejection in decision.rejected}
        wait_s = self._soonest_s(decision, moment.monotonic_s)
        if "health" in codes:
            whose = "that may get this content " if "security" in codes else ""
            return NoEligibleProvider(f"every provider {whose}is unavailable at the moment", retry_after_s=wait_s)
        if "limit" in codes:
            return RateLimited("every provider that could answer is at its limit", retry_after_s=wait_s, code="provider_limit")
        if "security" in codes:
            return NoEligibleProvider("no provider that could answer may get this content")
        if "context_window" in codes:
            return InvalidRequest(
                "messages: the request is larger than the context window of every model that could answer",
                param="messages", code="context_length_exceeded",
            )  # fmt: skip
        if "capability" in codes:
            why = "; ".join(f"{each.provider}: {each.reason}" for each in decision.rejected if each.code == "capability")
            return InvalidRequest(f"no provider that could be asked can do what the request needs ({why})", code="unsupported")
        why = "; ".join(f"{each.provider}: {each.reason}" for each in decision.rejected)
        return NoEligibleProvider(f"no provider is usable ({why or 'none is configured'})")

    def _soonest_s(self, decision: Decision, now_s: float) -> float | None:
        """Seconds until the first of the rejected may be well again; None when nobody can say."""
        waits: list[float] = []
        for rejection in decision.rejected:
            if rejection.code not in {"health", "limit"}:
                continue
            seat = self.roster.by_name[rejection.provider]
            waits += [seat.house.cooled_until_s - now_s] if now_s < seat.house.cooled_until_s else []
            if seat.house.quarantined(now_s):
                continue
            waits += [rest_s for lane in seat.lanes() if (rest_s := lane.closed_to(now_s)) is not None]
            if self._limited is not None and (rest_s := self._limited(seat.name)) is not None:
                waits.append(rest_s)
        return max(min(waits), 1.0) if waits else None


def _check_granted(request: Request, wish: Wish, clearance: Clearance) -> None:
    """Refuse a request that names what its caller's key does not cover, rather than send it elsewhere."""
    granted = clearance.granted
    if wish.provider and not granted.provider(wish.provider):
        param = "provider" if request.provider else "model"
        raise Forbidden(f"{param}: this key does not cover the provider {wish.provider}", param=param)
    asked = (wish.provider,) if wish.provider else wish.serving
    if wish.model and not any(granted.provider(name) and granted.model(name, wish.model) for name in asked):
        raise Forbidden(f"model: this key does not cover the model {wish.model[:64]!r}", param="model")


def _granted_model(seat: Seat, granted: Granted, *, embeddings: bool) -> str:
    """The first model by name that a key covers and this provider serves, for callers who name none; "" for none."""
    for name in sorted(model.removeprefix(seat.name + "/") for model in granted.models or ()):
        if granted.model(seat.name, name) and ("embed" in name.lower()) == embeddings and serves(seat, name):
            return name
    return ""


def _embeds(seat: Seat, model: str) -> bool:
    return seat.capabilities.embeddings and bool(model or seat.embedding_model)


def _cannot(capabilities: Capabilities, needs: Needs) -> str:
    if not needs.embeddings and not capabilities.chat:
        return "chat"
    if not needs.features:
        return ""
    return ", ".join([_IN_WORDS[feature] for feature in needs.features if not getattr(capabilities, feature)])


def _too_small(seat: Seat, course: Course, needs: Needs) -> Rejection | None:
    window = course.facts.context_window_tokens
    if window is None or needs.input_tokens + needs.max_output_tokens <= window:
        return None
    wanted = f"{needs.input_tokens} tokens in and {needs.max_output_tokens} out"
    return Rejection(seat.name, "context_window", f"{course.target.model} holds {window} tokens, the request needs about {wanted}")


def _trouble(seat: Seat, course: Course, now_s: float) -> str:
    """What speaks against asking a target while there are others; "" for nothing."""
    if now_s < course.lane.ejected_until_s:
        return f"it answers far worse than usual; it sits out another {course.lane.ejected_until_s - now_s:.1f} s"
    return "its last health check failed" if seat.house.alive is False else ""


def _latency_s(course: Course, needs: Needs, now_s: float) -> float | None:
    """The wait that a caller feels: to the first content of a stream, to the end of anything else."""
    lane = course.lane
    if needs.stream:
        return lane.first_chunk.predict_s(needs.input_tokens, now_s)
    return lane.total.predict_s(needs.input_tokens if needs.embeddings else needs.output_tokens, now_s)


def _size(needs: Needs) -> Size:
    return Size(
        needs.input_tokens, needs.output_tokens, needs.max_output_tokens, needs.embeddings, needs.stream, needs.features, needs.own_protocol
    )


def _reason(ranked: tuple[Candidate, ...], question: Question, strategy: Strategy, count: int) -> str:
    if not ranked:
        return question.note + "no target can answer"
    first = ranked[0]
    asked = question.wish.provider
    if asked and first.target.provider == asked:
        return f"{question.note}{first.target} was asked for"
    if asked:
        return f"{question.note}{asked} was asked for, but cannot answer now; {strategy.name} prefers {first.target}"
    if count == 1:
        return f"{question.note}{first.target} is the only target that can answer"
    return f"{question.note}{strategy.name} prefers {first.target} of {count} targets: {', '.join(first.reasons)}"
