"""When to ask the same target once more. Pure: randomness comes in."""

from collections.abc import Callable
from typing import Final

BURST: Final = 5.0
"""Retries that may be made at once, however few requests there were."""


class RetryBudget:
    """Keeps retries a small share of the requests, so that an outage is not made worse by those who wait for its end.

    Every request pays in `share` of a retry, every retry takes out one, and what lies there never exceeds `BURST`:
    over any stretch of time retries <= share * requests + BURST.
    """

    __slots__ = ("_full", "_share", "_tokens")

    def __init__(self, share: float) -> None:
        self._share = share
        self._full = self._tokens = BURST if share > 0 else 0.0

    def earn(self) -> None:
        """A request was sent for the first time."""
        if self._tokens < self._full:
            self._tokens = min(self._tokens + self._share, self._full)

    def spend(self) -> bool:
        """Take one retry; False: there is none left."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def backoff_s(retry: int, base_s: float, max_s: float, uniform: Callable[[], float]) -> float:
    """How long to wait before a retry (counted from 0): anything up to `base * 2^retry`, so that callers spread out ("full jitter").

    `uniform` gives numbers in [0, 1).
    """
    return min(base_s * 2.0 ** min(retry, 30), max_s) * uniform()
