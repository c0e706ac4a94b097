"""Which targets are well: circuit breaker, pace, outlier ejection, quarantine. Pure: time comes in, in seconds.

A **lane** is one model at one provider, a **house** is the provider around its lanes. What concerns the key or the
account (a refused key, a rate limit, a failed health check) is the house's; what a model does is the lane's.

The circuit of a lane: `breaker_failures` failures in a row open it. After a rest that doubles with every opening (up to
a cap) one call, and only one, is let through; its answer closes the circuit, its failure opens it again.

An outlier is a lane that answers, but badly: several calls in a row far slower than its own pace for such
sizes, or a third of its calls failing without ever failing often enough in a row. It sits out one window. Ejection is
a preference, not a verdict: where nobody else is left, the router asks ejected lanes all the same.
"""

from enum import IntEnum
from typing import Final, Literal

import msgspec

from llm_gateway.core.errors import ProviderError, ProviderInvalidRequest, ProviderRateLimited, ProviderRejected
from llm_gateway.core.settings import RoutingSettings

Status = Literal["available", "degraded", "unavailable", "unconfigured"]

PACE_MEMORY: Final = 0.2
"""Weight of the newest call in the running averages."""
FIT_MEMORY: Final = 0.98
"""What a past call still counts after each newer one, in the fit of duration to size: about 50 calls."""
STALE_S: Final = 300.0
"""A pace that nobody measured for so long counts as unknown, so that a lane once slow is tried again."""
ERRORS_HALVE_S: Final = 60.0
SLOW_FACTOR: Final = 3.0
SLOW_SLACK_S: Final = 0.1
"""A call is slow beyond `SLOW_FACTOR` times what its size lets expect, and this much more."""
SLOW_IN_A_ROW: Final = 3
SHORTEST_S: Final = 0.001
MAX_RATIO: Final = 100.0
"""Bounds on what one call can say: no expectation counts as shorter, no call as further off."""
MIN_CALLS: Final = 10
"""Calls a lane must have had, since it was last ejected, to be judged by its error rate; and ever, by its pace."""
ERROR_RATE_LIMIT: Final = 0.35
MAX_COOLDOWN_S: Final = 60.0
"""Longest time that a provider's Retry-After keeps it out; then it is asked again."""
KEY_REFUSED: Final = "it refused the gateway's key or account"
_NOT_THE_KEY: Final = (None, 404, 405)
"""Refusals that say nothing of key or account: no answer at all (an address that may not be used), no such model."""
FIRST_COOLDOWN_S: Final = 1.0
"""Rest after a 429 without Retry-After; doubles while they come in a row."""


class Admission(IntEnum):
    """What a call is to its lane: refused, one of many, or the one that decides about an open circuit."""

    REFUSED = 0
    NORMAL = 1
    TRIAL = 2


REFUSED: Final = Admission.REFUSED
NORMAL: Final = Admission.NORMAL
TRIAL: Final = Admission.TRIAL
"""The same by names of their own: looking a member up costs ten times as much, several times in each call."""


class Policy(msgspec.Struct, frozen=True):
    """The figures of the configuration that health depends on; seconds."""

    breaker_failures: int = 5
    open_s: float = 10.0
    open_max_s: float = 20.0

    @classmethod
    def of(cls, settings: RoutingSettings) -> "Policy":
        return cls(settings.breaker_failures, settings.breaker_open_s, max(settings.breaker_open_max_s, settings.breaker_open_s))


class Pace:
    """How long calls take, given their size: a fitted line `base + slope * size` that forgets, and how far the newest are off it."""

    __slots__ = ("_sd", "_sds", "_sn", "_ss", "_sss", "at_s", "calls", "mean_s", "ratio", "slow_in_row")

    def __init__(self) -> None:
        self._sn = self._ss = self._sd = self._sss = self._sds = 0.0
        self.calls = 0
        self.mean_s = 0.0
        """Running average of the durations, whatever their size."""
        self.ratio = 1.0
        """Running average of duration / expected duration: 1 is as ever, 20 a brown-out."""
        self.slow_in_row = 0
        self.at_s = float("-inf")

    def expected_s(self, size: float) -> float:
        """What the fit says for a call of this size; 0 before the first call. Never negative."""
        calls = self._sn
        if calls <= 0.0:
            return 0.0
        mean, mean_size, squares = self._sd / calls, self._ss / calls, self._sss
        spread = squares - self._ss * mean_size
        # One size only, or nearly: there is no slope to see.
        if spread <= 1e-9 * squares or spread <= 0.0:
            return mean
        slope = (self._sds - mean_size * self._sd) / spread
        if slope <= 0.0:
            return mean
        base = mean - slope * mean_size
        return base + slope * size if base >= 0.0 else mean * size / mean_size

    def add(self, duration_s: float, size: float, now_s: float) -> None:
        """Take in one finished call."""
        if self.calls >= MIN_CALLS:  # before that the fit itself is moving
            expected_s = self.expected_s(size)
            ratio = duration_s / (expected_s if expected_s > SHORTEST_S else SHORTEST_S)
            self.ratio += PACE_MEMORY * ((ratio if ratio < MAX_RATIO else MAX_RATIO) - self.ratio)
            slow = duration_s > SLOW_FACTOR * expected_s + SLOW_SLACK_S
            self.slow_in_row = self.slow_in_row + 1 if slow else 0
        self.mean_s = duration_s if not self.calls else self.mean_s + PACE_MEMORY * (duration_s - self.mean_s)
        self._sn = self._sn * FIT_MEMORY + 1.0
        self._ss = self._ss * FIT_MEMORY + size
        self._sd = self._sd * FIT_MEMORY + duration_s
        self._sss = self._sss * FIT_MEMORY + size * size
        self._sds = self._sds * FIT_MEMORY + size * duration_s
        self.calls += 1
        self.at_s = now_s

    def predict_s(self, size: float, now_s: float) -> float | None:
        """What a call of this size will take by the newest evidence; None: unknown, or known too long ago."""
        if not self.calls or now_s - self.at_s > STALE_S:
            return None
        return self.expected_s(size) * self.ratio

    def calm(self) -> None:
        """Forget the newest excitement (an ejection is over); the long memory stays."""
        self.ratio, self.slow_in_row = 1.0, 0


class Lane:
    """One model at one provider. Every admitted call ends in exactly one of `answered` + `succeeded`, `failed`, `released`."""

    __slots__ = (
        "_calls", "_errors", "_errors_at_s", "_opened_in_row", "_policy", "_trial_out", "ejected_until_s", "failures_in_row",
        "first_chunk", "open_until_s", "per_output_token_s", "total",
    )  # fmt: skip

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.failures_in_row = 0
        self.open_until_s: float | None = None
        """None: the circuit is closed. A time in the past: half open."""
        self._opened_in_row = 0
        self._trial_out = False
        self.ejected_until_s = float("-inf")
        self._errors = 0.0
        self._errors_at_s = 0.0
        self._calls = 0
        self.total = Pace()
        """Unstreamed answers, by output tokens."""
        self.first_chunk = Pace()
        """Streams to their first content, by input tokens."""
        self.per_output_token_s: float | None = None
        """Running average of the time between two tokens of a stream, or of an unstreamed answer's time a token."""

    def closed_to(self, now_s: float) -> float | None:
        """Seconds until the lane may be asked again: None at once; 0 when somebody else's trial call is out."""
        if self.open_until_s is None:
            return None
        if now_s < self.open_until_s:
            return self.open_until_s - now_s
        return 0.0 if self._trial_out else None

    def admit(self, now_s: float) -> Admission:
        """Ask to send one call. A half-open circuit admits one and refuses the rest until that one has ended."""
        if self.open_until_s is None:
            return NORMAL
        if now_s < self.open_until_s or self._trial_out:
            return REFUSED
        self._trial_out = True
        return TRIAL

    def answered(self, admission: Admission) -> None:
        """The first content is here. Closes a circuit on trial, for now: one more failure opens it again."""
        if admission is TRIAL and self._trial_out:
            self._trial_out = False
            self.open_until_s = None
            self.failures_in_row = self._policy.breaker_failures - 1

    def succeeded(self, admission: Admission, now_s: float) -> None:
        """The call ended well."""
        if admission is TRIAL:
            self.answered(admission)
        if self.open_until_s is None:
            self.failures_in_row = self._opened_in_row = 0
        if self._errors > 0.0:
            self._note(0.0, now_s)
        else:  # the same, where there is no error to fade
            self._errors_at_s = now_s
            self._calls += 1

    def failed(self, admission: Admission, now_s: float) -> None:
        """The call ended in an outage. Late failures of calls from before an opening do not prolong it."""
        if admission is TRIAL and self._trial_out:
            self._trial_out = False
            self._open(now_s)
        elif self.open_until_s is None:
            self.failures_in_row += 1
            if self.failures_in_row >= self._policy.breaker_failures:
                self._open(now_s)
        self._note(1.0, now_s)

    def released(self, admission: Admission) -> None:
        """The call ended with no verdict: the caller went away, or nothing was sent."""
        if admission is TRIAL:
            self._trial_out = False

    def reopen_early(self, now_s: float) -> None:
        """The provider's health came back: let the trial call come now."""
        if self.open_until_s is not None and self.open_until_s > now_s:
            self.open_until_s = now_s

    def _open(self, now_s: float) -> None:
        rest_s = min(self._policy.open_s * 2.0 ** min(self._opened_in_row, 20), self._policy.open_max_s)
        self._opened_in_row += 1
        self.open_until_s = now_s + rest_s
        self.failures_in_row = 0

    def measured(self, pace: Pace, duration_s: float, size: float, now_s: float, per_token_s: float | None = None) -> None:
        """Take in how long a successful call took, and the speed of its answer in seconds per output token; may eject the lane."""
        pace.add(duration_s, size, now_s)
        if pace.slow_in_row >= SLOW_IN_A_ROW:
            self._eject(now_s)
        if per_token_s is not None:
            known = self.per_output_token_s
            self.per_output_token_s = per_token_s if known is None else known + PACE_MEMORY * (per_token_s - known)

    def _note(self, error: float, now_s: float) -> None:
        rate = self.error_rate(now_s)
        self._errors, self._errors_at_s = rate + 0.1 * (error - rate), now_s
        self._calls += 1
        if self._calls >= MIN_CALLS and self._errors >= ERROR_RATE_LIMIT:
            self._eject(now_s)

    def error_rate(self, now_s: float) -> float:
        """Share of failed calls, newest first in weight, fading while nobody asks."""
        return self._errors * 0.5 ** ((now_s - self._errors_at_s) / ERRORS_HALVE_S) if self._errors > 0.0 else 0.0

    def _eject(self, now_s: float) -> None:
        self.ejected_until_s = now_s + self._policy.open_s
        self.total.calm()
        self.first_chunk.calm()
        self._errors, self._calls = 0.0, 0


class House:
    """One provider: what concerns all of its models."""

    __slots__ = (
        "_limited_in_row", "_policy", "alive", "at_limit", "checked_wall_s", "cooled_until_s", "models", "quarantine",
        "quarantined_until_s",
    )  # fmt: skip

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.quarantine = ""
        """Why nothing is sent there until a health check succeeds."""
        self.quarantined_until_s = float("inf")
        self.cooled_until_s = float("-inf")
        """It asked (Retry-After, or a plain 429) to be left alone until then."""
        self.at_limit = False
        """Whether it asked so because of its rate limit."""
        self._limited_in_row = 0
        self.alive: bool | None = None
        """What the last health check found; None: not checked yet, or it has none."""
        self.checked_wall_s: float | None = None
        """When, in Unix seconds."""
        self.models: tuple[str, ...] = ()
        """The models that the last good health check listed."""

    def limited(self, retry_after_s: float | None, now_s: float) -> None:
        """It answered 429: leave it alone as long as it says, up to `MAX_COOLDOWN_S`."""
        self.cool(FIRST_COOLDOWN_S * 2.0 ** min(self._limited_in_row, 6) if retry_after_s is None else retry_after_s, now_s)
        self._limited_in_row += 1
        self.at_limit = True

    def cool(self, rest_s: float, now_s: float) -> None:
        """Leave it alone for a while. A shorter rest never ends a longer one."""
        self.at_limit = False
        self.cooled_until_s = max(self.cooled_until_s, now_s + min(max(rest_s, 0.0), MAX_COOLDOWN_S))

    def refused_us(self, reason: str, now_s: float, *, has_probe: bool) -> None:
        """It refused key or account. Only a good health check helps, or, where there is none, time."""
        self.quarantine = reason
        self.quarantined_until_s = float("inf") if has_probe else now_s + self._policy.open_max_s

    def quarantined(self, now_s: float) -> bool:
        return bool(self.quarantine) and now_s < self.quarantined_until_s

    def served(self) -> None:
        """A call succeeded."""
        self._limited_in_row = 0
        self.quarantine = ""
        if self.alive is False:
            self.alive = None

    def checked(self, *, alive: bool, wall_s: float, models: tuple[str, ...] = (), refused: str = "") -> bool:
        """Take in a health check; `refused` is set when it was turned away for its key. True: it came back to life."""
        came_back = alive and (self.alive is False or bool(self.quarantine))
        self.alive, self.checked_wall_s = alive, wall_s
        if alive:
            self.quarantine = ""
            self.models = models or self.models
        elif refused:
            self.quarantine, self.quarantined_until_s = refused, float("inf")
        return came_back


def settle_failure(lane: Lane, house: House, admission: Admission, error: ProviderError, now_s: float, *, has_probe: bool) -> None:
    """Write a provider's error to where it belongs.

    A refused content shows a provider that lives and counts as success. A rate limit cools the provider, a refused
    key quarantines it; neither says anything of the model. A model that it does not have, and every outage, is the
    lane's failure; a Retry-After that comes with it is honoured.
    """
    match error:
        case ProviderInvalidRequest():
            lane.succeeded(admission, now_s)
        case ProviderRateLimited():
            lane.released(admission)
            house.limited(error.retry_after_s, now_s)
        case ProviderRejected() if error.upstream_status not in _NOT_THE_KEY:
            lane.released(admission)
            house.refused_us(KEY_REFUSED, now_s, has_probe=has_probe)
        case _:
            lane.failed(admission, now_s)
            if error.retry_after_s is not None:
                house.cool(error.retry_after_s, now_s)


def status_of(house: House, lanes: "list[Lane]", now_s: float) -> Status:
    """One word for a configured provider: unavailable when nothing can be sent, degraded when some can or calls fail."""
    if house.quarantined(now_s) or house.alive is False:
        return "unavailable"
    shut = [lane.open_until_s is not None for lane in lanes]
    if shut and all(shut):
        return "unavailable"
    troubled = any(shut) or now_s < house.cooled_until_s
    return "degraded" if troubled or any(now_s < lane.ejected_until_s for lane in lanes) else "available"


def why_not(house: House, lanes: "list[Lane]", now_s: float) -> str:
    """What keeps a provider from being available, for people; "" when nothing does."""
    if house.quarantined(now_s):
        return house.quarantine
    if house.alive is False:
        return "its last health check failed"
    if now_s < house.cooled_until_s:
        return "it is at its rate limit" if house.at_limit else "it asked to be left alone for a while"
    if any(lane.open_until_s is not None for lane in lanes):
        return "its calls kept failing"
    return "it answers far worse than usual" if any(now_s < lane.ejected_until_s for lane in lanes) else ""
