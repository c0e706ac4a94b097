"""Where a caller stands, as response headers.

`RateLimit` and `RateLimit-Policy` follow draft-ietf-httpapi-ratelimit-headers-11: lists of quoted policy names with q (quota), w (window in
seconds), qu (unit, where it is not requests), r (remaining) and t (seconds until there is more). `x-ratelimit-*` are those that OpenAI's
clients read, about the minute, with Go durations (https://platform.openai.com/docs/guides/rate-limits). In both, the time is until the
oldest request leaves its window: with none remaining, it is how long to wait.
"""

from llm_gateway.core.counters import Gauge, Rules


def go_duration(length_us: int) -> str:
    """As Go prints a duration, in whole milliseconds rounded up: `0s`, `12ms`, `1.5s`, `6m0s`, `1h0m0s`."""
    length_ms = -(-length_us // 1000)
    if length_ms < 1000:
        return f"{length_ms}ms" if length_ms else "0s"
    if length_ms < 60_000:
        return f"{length_ms / 1000:g}s"
    seconds, rest_ms = divmod(length_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    fraction = f".{rest_ms:03d}".rstrip("0") if rest_ms else ""
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}{fraction}s" if hours else f"{minutes}m{seconds}{fraction}s"


class LimitHeaders:
    """The headers of one tier; what does not change is made once."""

    __slots__ = ("_constant", "_rules")

    def __init__(self, rules: Rules) -> None:
        burst, minute, hour = rules.requests
        self._rules = rules
        self._constant = {
            "ratelimit-policy": (
                f'"burst";q={burst};w=1, "rpm";q={minute};w=60, "rph";q={hour};w=3600, "tpm";q={rules.tokens};w=60;qu="tokens"'
            ),
            "x-ratelimit-limit-requests": str(minute),
            "x-ratelimit-limit-tokens": str(rules.tokens),
        }

    def of(self, gauge: Gauge) -> dict[str, str]:
        """Header names (lower-case) and values."""
        burst_limit, minute_limit, hour_limit = self._rules.requests
        burst_count, minute_count, hour_count = gauge.counts
        burst_us, minute_us, hour_us = gauge.frees_us
        tokens_us = gauge.tokens_free_us
        burst = burst_limit - burst_count if burst_count < burst_limit else 0
        minute = minute_limit - minute_count if minute_count < minute_limit else 0
        hour = hour_limit - hour_count if hour_count < hour_limit else 0
        tokens = self._rules.tokens - gauge.used - gauge.held
        if gauge.cooldown_us:  # whatever is left, nothing is granted before its end
            burst = minute = hour = 0
            burst_us, minute_us, hour_us = (max(free_us, gauge.cooldown_us) for free_us in gauge.frees_us)
        tokens_left = str(tokens) if tokens > 0 else "0"
        requests_left = str(minute)
        return {
            **self._constant,
            "ratelimit": (
                f'"burst";r={burst};t={-(-burst_us // 1_000_000)}, "rpm";r={requests_left};t={-(-minute_us // 1_000_000)}, '
                f'"rph";r={hour};t={-(-hour_us // 1_000_000)}, "tpm";r={tokens_left};t={-(-tokens_us // 1_000_000)}'
            ),
            "x-ratelimit-remaining-requests": requests_left,
            "x-ratelimit-remaining-tokens": tokens_left,
            "x-ratelimit-reset-requests": go_duration(minute_us),
            "x-ratelimit-reset-tokens": go_duration(tokens_us),
        }
