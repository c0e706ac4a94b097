"""Where a caller stands, as response headers.

`RateLimit` and `RateLimit-Policy` follow draft-ietf-httpapi-ratelimit-headers-11: lists of quoted policy names with q (quota), w (window in
seconds), qu (unit, where it is not requests), r (remaining) and t (seconds until there is more). `x-ratelimit-*` are those that OpenAI's
clients read, about the minute, with Go durations (https://platform.openai.com/docs/guides/rate-limits). In both, the time is until the
oldest request leaves its window: with none remaining, it is how long to wait.
"""

from collections.abc import Sequence
from typing import Final

from llm_gateway.core.counters import Gauge, Rules

_HOUR_S: Final = 3600
_NUMBERS: Final = tuple([str(number) for number in range(_HOUR_S + 60)])
"""A window's seconds, and some more: what is counted in steps counts from their end."""
_FRACTIONS: Final = tuple([f".{ms:03d}".rstrip("0") if ms else "" for ms in range(1000)])
"""Of a second, by its milliseconds."""


def go_duration(length_us: int) -> str:
    """As Go prints a duration, in whole milliseconds rounded up: `0s`, `12ms`, `1.5s`, `6m0s`, `1h0m0s`."""
    length_ms = (length_us + 999) // 1000
    if length_ms < 1000:
        return f"{length_ms}ms" if length_ms else "0s"
    seconds = length_ms // 1000
    fraction = _FRACTIONS[length_ms % 1000]
    if seconds < 60:
        return f"{_NUMBERS[seconds]}{fraction}s"
    minutes = seconds // 60
    rest = f"{minutes % 60}m{_NUMBERS[seconds % 60]}{fraction}s"
    return f"{minutes // 60}h{rest}" if minutes >= 60 else rest


class LimitHeaders:
    """The headers of one tier; what does not change is made once."""

    __slots__ = ("_constant", "_requests", "_tokens")

    def __init__(self, rules: Rules) -> None:
        burst, minute, hour = self._requests = rules.requests
        self._tokens = rules.tokens
        self._constant = (
            f'ratelimit-policy: "burst";q={burst};w=1, "rpm";q={minute};w=60, "rph";q={hour};w=3600, '
            f'"tpm";q={rules.tokens};w=60;qu="tokens"\r\n'
            f"x-ratelimit-limit-requests: {minute}\r\nx-ratelimit-limit-tokens: {rules.tokens}\r\n"
        )

    def lines(self, gauge: Gauge) -> str:
        """The header lines, each with its CRLF; names in lower case."""
        burst, minute, hour = self._requests
        (burst_count, minute_count, hour_count), (burst_us, minute_us, hour_us) = gauge.counts, gauge.frees_us
        tokens_us = gauge.tokens_free_us
        burst = burst - burst_count if burst_count < burst else 0
        minute = minute - minute_count if minute_count < minute else 0
        hour = hour - hour_count if hour_count < hour else 0
        tokens = self._tokens - gauge.used - gauge.held
        numbers: Sequence[object] = _NUMBERS
        if gauge.cooldown_us:  # whatever is left, nothing is granted before its end
            burst = minute = hour = 0
            numbers = range(1 << 62)  # a cooldown may be longer than any window
            burst_us, minute_us, hour_us = (max(free_us, gauge.cooldown_us) for free_us in gauge.frees_us)
        requests_left, tokens_left = str(minute), str(tokens) if tokens > 0 else "0"
        return (
            f'{self._constant}ratelimit: "burst";r={burst};t={numbers[(burst_us + 999_999) // 1_000_000]}, '
            f'"rpm";r={requests_left};t={numbers[(minute_us + 999_999) // 1_000_000]}, '
            f'"rph";r={hour};t={numbers[(hour_us + 999_999) // 1_000_000]}, '
            f'"tpm";r={tokens_left};t={numbers[(tokens_us + 999_999) // 1_000_000]}\r\n'
            f"x-ratelimit-remaining-requests: {requests_left}\r\nx-ratelimit-remaining-tokens: {tokens_left}\r\n"
            f"x-ratelimit-reset-requests: {go_duration(minute_us)}\r\nx-ratelimit-reset-tokens: {go_duration(tokens_us)}\r\n"
        )
