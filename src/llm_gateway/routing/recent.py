"""Decisions of the last moments, for requests that are alike.

What ranks targets (prices, pace, health) hardly moves within milliseconds, and a busy gateway decides the same
question thousands of times a second. A remembered decision is never trusted further than a fresh one: whether a target
is well, has room and is cleared is asked again for each attempt.
"""

from typing import Final

import msgspec

from llm_gateway.core.clearance import Clearance
from llm_gateway.core.routing import Decision
from llm_gateway.core.tokens import estimate_plain_tokens
from llm_gateway.core.types import ChatRequest, Request
from llm_gateway.routing.candidates import Needs, needs_of

KEPT_S: Final = 0.02
MAX_DECISIONS: Final = 256
STEPS_PER_OCTAVE: Final = 16
_STEP_BITS: Final = STEPS_PER_OCTAVE.bit_length()

Key = tuple[object, ...]


def rounded(needs: Needs) -> Needs:
    """`needs` with its input rounded up by at most a sixteenth, so that requests of about one size are alike."""
    return msgspec.structs.replace(needs, input_tokens=_rounded(needs.input_tokens))


def _rounded(tokens: int) -> int:
    bits = tokens.bit_length() - _STEP_BITS
    return -(-tokens >> bits << bits) if bits > 0 else tokens


class RecentDecisions:
    """Remembers decisions for `KEPT_S`. `tokens_that_fit` is a size that every model is known to hold: larger requests are not rounded."""

    __slots__ = ("_kept", "_tokens_that_fit")

    def __init__(self, tokens_that_fit: int) -> None:
        self._kept: dict[Key, tuple[float, Decision]] = {}
        self._tokens_that_fit = tokens_that_fit

    def key(self, request: Request, clearance: Clearance, strategy: str) -> Key | None:
        """What makes two requests alike; None for one that must be decided by itself.

        Two with one key have the same `rounded(needs_of(request))`. Those of plain texts are not read off in full to see that: what
        differs among them are three figures.
        """
        if strategy == "round_robin":
            return None
        if isinstance(request, ChatRequest) and (plain := estimate_plain_tokens(request)) is not None:
            tokens, wanted = _rounded(plain), request.max_tokens
            if tokens + (wanted or 0) > self._tokens_that_fit:
                return None
            return (request.provider, request.model, tokens, wanted, request.stream, clearance.eligible, clearance.granted, strategy)
        needs = rounded(needs_of(request))
        if needs.input_tokens + needs.max_output_tokens > self._tokens_that_fit:
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
