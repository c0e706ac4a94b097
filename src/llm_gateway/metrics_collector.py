"""Counts every call once, when it is over, whatever became of it."""

import asyncio
import contextlib
from collections import Counter
from typing import Any

from llm_gateway.core.clock import Clock
from llm_gateway.core.exchange import Exchange, Next, Reply

CLIENT_WENT_AWAY = "client_closed_request"


class MetricsCollector:
    """The stage, and the live figures behind `GET /metrics`.

    Caller mistakes (4xx) are not errors of the service and do not count into `error_rate`; a caller who went away
    counts as a request and as nothing else.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.started_s = clock.monotonic_s()
        self.total_requests = 0
        self.requests_by_provider: Counter[str] = Counter()
        self.errors_by_type: Counter[str] = Counter()
        self.total_tokens = 0
        self.total_cost_usd = 0.0
        self.unpriced_requests = 0
        self.served_errors = 0
        self.response_time_s = 0.0
        self.answered = 0
        self.cache_hits = 0
        self.cacheable = 0
        self.in_flight = 0
        self._idle = asyncio.Event()
        self._available_s = 0.0
        self._observed_s = 0.0
        self._last_availability: tuple[float, bool] | None = None

    async def __call__(self, exchange: Exchange, call_next: Next) -> Reply:
        self.in_flight += 1
        exchange.at_end(lambda: self._count(exchange))
        return await call_next(exchange)

    async def all_ended(self, within_s: float) -> None:
        """Wait until no call is in flight, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.in_flight:
                    self._idle.clear()
                    await self._idle.wait()

    async def _count(self, exchange: Exchange) -> None:
        self.in_flight -= 1
        if not self.in_flight:
            self._idle.set()
        self.total_requests += 1
        if exchange.chosen is not None:
            self.requests_by_provider[exchange.chosen.target.provider] += 1
        if exchange.usage is not None:
            self.total_tokens += exchange.usage.total_tokens
            if exchange.cost_usd is None:
                self.unpriced_requests += 1
        self.total_cost_usd += exchange.cost_usd or 0.0
        if exchange.cache_state != "bypass":
            self.cacheable += 1
            self.cache_hits += exchange.cache_state in {"hit", "semantic"}
        failure = exchange.failure
        if failure is None:
            self.answered += 1
            self.response_time_s += self._clock.monotonic_s() - exchange.received_s
        else:
            self.errors_by_type[failure.error_type] += 1
            self.served_errors += failure.http_status >= 500

    def observe_availability(self, *, available: bool) -> None:
        """Note whether any provider can answer now; the time since the last note counts as what was noted then."""
        now_s = self._clock.monotonic_s()
        if self._last_availability is not None:
            since_s, was_available = self._last_availability
            self._observed_s += now_s - since_s
            self._available_s += (now_s - since_s) * was_available
        self._last_availability = (now_s, available)

    @property
    def uptime_s(self) -> float:
        return self._clock.monotonic_s() - self.started_s

    def summary(self) -> dict[str, Any]:
        """The specification's figures: rates in percent but for `cache_hit_rate`, a fraction; times in seconds; cost in USD."""
        finished = self.answered + sum(count for kind, count in self.errors_by_type.items() if kind != CLIENT_WENT_AWAY)
        if self._last_availability is not None:
            self.observe_availability(available=self._last_availability[1])
        return {
            "total_requests": self.total_requests,
            "requests_by_provider": dict(self.requests_by_provider),
            "total_tokens_used": self.total_tokens,
            "total_cost": round(self.total_cost_usd, 10),
            "average_response_time": round(self.response_time_s / self.answered, 6) if self.answered else 0.0,
            "cache_hit_rate": round(self.cache_hits / self.cacheable, 4) if self.cacheable else 0.0,
            "error_rate": round(100 * self.served_errors / finished, 4) if finished else 0.0,
            "uptime_percentage": round(100 * self._available_s / self._observed_s, 4) if self._observed_s else 100.0,
            "errors_by_type": dict(self.errors_by_type),
            "requests_in_flight": self.in_flight,
            "unpriced_requests": self.unpriced_requests,
        }
