"""How the configured providers fare, for people and health checks."""

from typing import Literal

import msgspec

from llm_gateway.core.pricing import PICO_PER_USD
from llm_gateway.core.types import SecurityLevel
from llm_gateway.routing.candidates import Moment
from llm_gateway.routing.health import Status, status_of, why_not
from llm_gateway.routing.seats import Course, Roster, Seat, Upstream


class Circuit(msgspec.Struct, frozen=True):
    """How the calls of one model stand: `closed` (they are sent), `open` (none is, for another `rests_s` seconds), `half_open` (one
    call decides), `resting` (it answered far worse than usual and is asked again in `rests_s` seconds)."""

    model: str
    state: Literal["closed", "open", "half_open", "resting"]
    rests_s: float = 0.0


class ProviderState(msgspec.Struct, frozen=True):
    """One provider. Durations in seconds; `checked_wall_s` is the last health check, in Unix seconds.

    Of the default model: `usd_per_token` (output; None: unknown), the running averages `first_chunk_s` (streams),
    `total_s` (other answers) and `per_output_token_s`, and `error_rate` in [0, 1].
    """

    name: str
    kind: str
    status: Status
    reason: str
    model: str
    security_level: SecurityLevel
    models: tuple[str, ...]
    checked_wall_s: float | None = None
    usd_per_token: float | None = None
    first_chunk_s: float | None = None
    total_s: float | None = None
    per_output_token_s: float | None = None
    error_rate: float = 0.0
    in_flight: int = 0
    queued: int = 0
    circuits: tuple[Circuit, ...] = ()


def state_of(upstream: Upstream, roster: Roster, moment: Moment) -> ProviderState:
    """The state of one configured provider."""
    seat = roster.by_name.get(upstream.name)
    model = upstream.settings.model if seat is None else seat.chat_model
    price = roster.prices.price_of(upstream.name, model, moment.wall_s)
    per_token = None if price is None else price.base.output / PICO_PER_USD
    level = upstream.destination.security_level
    if seat is None:
        models = upstream.settings.models
        reason = upstream.missing or "it is not configured"
        return ProviderState(upstream.name, upstream.kind, "unconfigured", reason, model, level, models, usd_per_token=per_token)
    now_s = moment.monotonic_s
    lane, lanes = seat.course(model).lane, seat.lanes()
    return ProviderState(
        seat.name, seat.kind, status_of(seat.house, lanes, now_s), why_not(seat.house, lanes, now_s), model, level, tuple(seat.listed()),
        seat.house.checked_wall_s, per_token,
        lane.first_chunk.mean_s if lane.first_chunk.calls else None, lane.total.mean_s if lane.total.calls else None,
        lane.per_output_token_s, lane.error_rate(now_s), seat.slots.in_flight, seat.slots.queued,
        tuple(_circuit(course, now_s) for course in seat.courses()),
    )  # fmt: skip


def _circuit(course: Course, now_s: float) -> Circuit:
    lane, model = course.lane, course.target.model
    if lane.open_until_s is not None:
        rests_s = lane.open_until_s - now_s
        return Circuit(model, "open", rests_s) if rests_s > 0 else Circuit(model, "half_open")
    if now_s < lane.ejected_until_s:
        return Circuit(model, "resting", lane.ejected_until_s - now_s)
    return Circuit(model, "closed")


def can_answer(seat: Seat, now_s: float) -> bool:
    """Whether anything can be sent to a provider now."""
    return status_of(seat.house, seat.lanes(), now_s) != "unavailable"
