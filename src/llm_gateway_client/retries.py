"""Whether and when a call is made again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from llm_gateway_client.errors import GatewayError, GatewayUnavailable, IdempotencyConflict, Overloaded, RateLimited

_REFUSED: Final = frozenset({"rate_limited", "cooldown", "overloaded", "audit_unavailable"})
"""Words of a gateway that did nothing: any call may be made again."""
_PASSING: Final = frozenset({500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how long.

    `most` calls are made again at most. A wait is what `Retry-After` says, else a random time up to `base_s`, doubled each time,
    up to `longest_s`. A gateway that asks for a longer wait than `patience_s` is not waited for: its error is raised.
    """

    most: int = 2
    base_s: float = 0.25
    longest_s: float = 8.0
    patience_s: float = 30.0

    def wait_s(self, failure: GatewayError, made: int, *, idempotent: bool, uniform: Callable[[float, float], float]) -> float | None:
        """Seconds until the call is made again, or None when it is not.

        `made` calls have failed so far; `idempotent`: making it twice does what making it once does. `uniform` draws between bounds.
        """
        if made > self.most or not _may_help(failure, idempotent=idempotent):
            return None
        if failure.retry_after_s is not None:
            # A little later than asked, and not all at once.
            return failure.retry_after_s + uniform(0, self.base_s) if failure.retry_after_s <= self.patience_s else None
        return uniform(0, min(self.longest_s, self.base_s * 2**made))


def _may_help(failure: GatewayError, *, idempotent: bool) -> bool:
    if isinstance(failure, GatewayUnavailable):
        return idempotent or not failure.sent
    if isinstance(failure, RateLimited) or (isinstance(failure, Overloaded) and failure.error_type in _REFUSED):
        return True
    if isinstance(failure, IdempotencyConflict):
        return failure.code == "in_progress"
    return idempotent and failure.status in _PASSING
