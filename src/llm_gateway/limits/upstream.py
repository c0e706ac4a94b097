"""What a provider's own rate-limit headers on a good answer say of the next call: that there is nothing left, and for how long.

OpenAI and those like it send `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` with Go durations
(https://platform.openai.com/docs/guides/rate-limits), Anthropic `anthropic-ratelimit-{requests,tokens,...}-{limit,remaining,reset}` with
RFC 3339 times (https://docs.claude.com/en/api/rate-limits). In both, `reset` is when everything is there again, as limits refill
steadily: one request is there again after its share of that time.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from llm_gateway.core.upstream import seconds_until

CALL_TOKENS: Final = 1_000
"""Tokens that a call needs to be worth making, where a provider says that it has none left."""
SHORTEST_S: Final = 0.05
"""A rest below is none: the call itself takes longer to get there."""
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)")
_DURATION: Final = re.compile(r"(?:[0-9.]{1,12}(?:ms|s|m|h)){1,4}")
_TOKENS: Final = ("tokens", "input-tokens", "output-tokens")


def rest_s(headers: Mapping[str, str]) -> float | None:
    """Seconds until a call makes sense again; None: now, as far as the headers say. Names are lower-case."""
    if "x-ratelimit-remaining-requests" in headers or "x-ratelimit-remaining-tokens" in headers:
        rests = [
            _rest_s(headers.get(f"x-ratelimit-limit-{what}", ""), _duration_s(headers.get(f"x-ratelimit-reset-{what}", "")), what)
            for what in ("requests", "tokens")
            if headers.get(f"x-ratelimit-remaining-{what}") == "0"
        ]
    elif "anthropic-ratelimit-requests-remaining" in headers:
        rests = [
            _rest_s(headers.get(f"anthropic-ratelimit-{what}-limit", ""), _until_s(headers, f"anthropic-ratelimit-{what}-reset"), what)
            for what in ("requests", *_TOKENS)
            if headers.get(f"anthropic-ratelimit-{what}-remaining") == "0"
        ]
    else:
        return None
    longest_s = max([rest for rest in rests if rest is not None], default=0.0)
    return longest_s if longest_s >= SHORTEST_S else None


def _rest_s(limit: str, reset_s: float | None, what: str) -> float | None:
    """The share of a reset after which one call is there again; all of it, where nobody says how large the limit is."""
    if reset_s is None:
        return None
    total = int(limit) if limit.isdecimal() and len(limit) < 16 else 0
    needed = CALL_TOKENS if what in _TOKENS else 1
    return reset_s * min(1.0, needed / total) if total else reset_s


def _duration_s(text: str) -> float | None:
    """Seconds of a Go duration (`6m0s`, `12ms`), or of a plain number, which is seconds."""
    if _DURATION.fullmatch(text):
        return sum([float(number) * _UNIT_S[unit] for number, unit in _PART.findall(text)])
    return float(text) if text.isdecimal() and len(text) < 10 else None


def _until_s(headers: Mapping[str, str], name: str) -> float | None:
    try:
        moment = datetime.fromisoformat(headers.get(name, ""))
    except ValueError:
        return None
    return seconds_until(moment, headers) if moment.tzinfo is not None else None
