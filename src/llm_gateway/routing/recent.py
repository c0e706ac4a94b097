"""Decisions of the last moments, for requests that are alike.

What ranks targets (prices, pace, health) hardly moves within milliseconds, and a busy gateway decides the same
question thousands of times a second. A remembered decision is never trusted further than a fresh one: whether a target
is well, has room and is cleared is asked again for each attempt.
"""

from typing import Final

import msgspec

from llm_gateway.core.clearance import Clearance
from llm_gateway.core.routing import Decision
from llm_gateway.core.types import Request
from llm_gateway.routing.candidates import Needs

KEPT_S: Final = 0.02
MAX_DECISIONS: Final = 256
STEPS_PER_OCTAVE: Final = 16

Key = tuple[object, ...]


def rounded(needs: Needs) -> Needs:
    """`needs` with its token counts rounded up by at most a sixteenth, so that requests of about one size are alike."""
    return msgspec.structs.replace(
        needs,
        input_tokens=_rounded(needs.input_tokens),
        max_output_tokens=_rounded(needs.max_output_tokens),
        output_tokens=_rounded(needs.output_tokens),
    )


def _rounded(tokens: int) -> int:
    step = 1 << max(0, tokens.bit_length() - STEPS_PER_OCTAVE.bit_length())
    return -(-tokens // step) * step


class RecentDecisions:
    """Remembers decisions for `KEPT_S`. `tokens_that_fit` is a size that every model is known to hold: larger requests are not rounded."""

    __slots__ = ("_kept", "_tokens_that_fit")

    def __init__(self, tokens_that_fit: int) -> None:
        self._kept: dict[Key, tuple[float, Decision]] = {}
        self._tokens_that_fit = tokens_that_fit

    def key(self, request: Request, needs: Needs, clearance: Clearance, strategy: str) -> Key | None:
        """What makes two requests alike; None for one that must be decided by itself. `needs` are rounded ones."""
        if strategy == "round_robin" or needs.input_tokens + needs.max_output_tokens > self._tokens_that_fit:
            return None
        return (request.provider, request.model, needs, clearance.eligible, clearance.granted, strategy)

    def get(self, key: Key | None, now_s: float) -> Decision | None:
        """The decision for `key`, if one was made within the last moments."""
        known = self._kept.get(key) if key is not None else None
        return known[1] if known is not None and now_s < known[0] else None

    def put(self, key: Key | None, decision: Decision, now_s: float) -> None:
        """Remember a decision that ranks somebody; refusals are decided anew."""
        if key is None or not decision.ranked:
            return
        if len(self._kept) >= MAX_DECISIONS:
            self._kept.clear()
        self._kept[key] = (now_s + KEPT_S, decision)

    def forget(self) -> None:
        """What decisions rest on has changed."""
        self._kept.clear()
