"""The figures of `GET /metrics`, read off an aggregate."""

import msgspec

from llm_gateway.core.pricing import PICO_PER_USD
from llm_gateway.metrics.aggregate import LEFT, NOBODY, Aggregate


class Summary(msgspec.Struct, frozen=True):
    """The specification's figures: rates in percent but for `cache_hit_rate`, a fraction; times in seconds; cost in USD.

    Requests by provider are those that it answered, from the cache or not; tokens and cost are those of `upstream_calls`, as in the
    ledger. Caller mistakes (4xx) are not errors of the service, and a caller who went away counts as a request and as nothing else.
    """

    total_requests: int
    requests_by_provider: dict[str, int]
    total_tokens_used: int
    total_cost: float
    average_response_time: float
    cache_hit_rate: float
    error_rate: float
    uptime_percentage: float
    errors_by_type: dict[str, int]
    requests_in_flight: int
    unpriced_requests: int
    upstream_calls: int
    upstream_calls_by_provider: dict[str, int]
    cache_hits: int
    sensitive_requests: int
    total_cost_pico_usd: int
    since: float
    lost_records: int


def summary_of(whole: Aggregate) -> Summary:
    """The figures of an aggregate."""
    totals = whole.totals()
    request, attempt = totals.request, totals.attempt
    by_provider: dict[str, int] = {}
    for (_, provider, _), cell in whole.requests.items():
        if provider != NOBODY:
            by_provider[provider] = by_provider.get(provider, 0) + cell.requests
    calls: dict[str, int] = {}
    for (_, provider, _, _), attempts in whole.attempts.items():
        calls[provider] = calls.get(provider, 0) + attempts.attempts
    finished = request.requests - request.outcomes.get(LEFT, 0)
    return Summary(
        total_requests=request.requests,
        requests_by_provider=by_provider,
        total_tokens_used=attempt.input_tokens + attempt.output_tokens,
        total_cost=round(attempt.cost_pico_usd / PICO_PER_USD, 12),
        average_response_time=round(request.total.mean or 0.0, 6),
        cache_hit_rate=round(request.hits / request.cacheable, 4) if request.cacheable else 0.0,
        error_rate=round(100 * request.served_errors / finished, 4) if finished else 0.0,
        uptime_percentage=round(100 * whole.available_s / whole.observed_s, 4) if whole.observed_s else 100.0,
        errors_by_type={kind: count for kind, count in sorted(request.outcomes.items()) if kind},
        requests_in_flight=whole.in_flight,
        unpriced_requests=request.unpriced,
        upstream_calls=attempt.attempts,
        upstream_calls_by_provider=calls,
        cache_hits=request.hits,
        sensitive_requests=request.sensitive,
        total_cost_pico_usd=attempt.cost_pico_usd,
        since=whole.since_s,
        lost_records=whole.lost_rows,
    )
