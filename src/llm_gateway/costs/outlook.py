"""The forecast and the recommendations as `GET /metrics/costs` shows them: read off the database, remembered for a while."""

from typing import Any, Final

from sqlalchemy import BigInteger, Connection, func, literal_column, select

from llm_gateway.core.clock import Clock
from llm_gateway.core.pricing import PICO_PER_USD, PriceBook
from llm_gateway.core.settings import Settings
from llm_gateway.costs.advice import DAY_US, Advice, Situation, advise, cached_tokens
from llm_gateway.costs.forecast import Forecast, forecast
from llm_gateway.ledger.periods import month_of
from llm_gateway.ledger.sums import Window
from llm_gateway.ledger.tables import MONEY, ledger, money
from llm_gateway.metrics.book import Book
from llm_gateway.metrics.view import Wanted, read_records

HOUR_US: Final = 3_600 * 1_000_000
HISTORY_DAYS: Final = 42
"""What a forecast looks back at."""
ADVICE_DAYS: Final = 30
MOST_REQUESTS: Final = 20_000
"""Requests that recommendations are read off, the newest."""
FRESH_S: Final = 60.0
"""How long what was read is shown again; reading it takes a second where there is much."""


class Outlook:
    """What is to come, and what could be saved. One for each configuration."""

    def __init__(self, settings: Settings, book: Book, clock: Clock) -> None:
        self._settings = settings
        self._book = book
        self._clock = clock
        self._prices = PriceBook(settings.providers)
        self._known: dict[tuple[str, str], tuple[float, Any]] = {}

    async def forecast(self, owner: Window | None) -> Forecast:
        """Of everything, or of one tenant's calls."""
        now_us = int(self._clock.wall_s() * 1_000_000)
        since_us = min(now_us - HISTORY_DAYS * DAY_US, month_of(now_us).start_us)
        window = Window(since_us, now_us + 1) if owner is None else Window(since_us, now_us + 1, owner.scope, owner.subject)

        def work(connection: Connection) -> tuple[dict[int, float], int | None]:
            return hourly_usd(connection, window), first_hour(connection, window)

        costs, first = await self._book.store.read(work)
        return forecast(costs, first, now_us / 1e6)

    async def advice(self, owner: str | None) -> list[Advice]:
        """About everybody's requests, or about those of one tenant."""
        key, now_s = ("advice", owner or ""), self._clock.monotonic_s()
        known = self._known.get(key)
        if known is not None and now_s < known[0]:
            found: list[Advice] = known[1]
            return found
        since_us = int(self._clock.wall_s() * 1_000_000) - ADVICE_DAYS * DAY_US

        def work(connection: Connection) -> list[Advice]:
            records = read_records(connection, Wanted(since_us=since_us, owner=owner), MOST_REQUESTS)[::-1]
            days = max((records[-1].row.at_us - records[0].row.at_us) / DAY_US, 1.0) if records else 1.0
            return advise(records, cached_tokens(connection, since_us, owner), self._situation(days))

        advised = await self._book.read(work)
        if len(self._known) > 1_000:
            self._known.clear()
        self._known[key] = now_s + FRESH_S, advised
        return advised

    def _situation(self, days: float) -> Situation:
        cache = self._settings.cache
        return Situation(self._prices.price_of, cache.max_size > 0, cache.scope == "shared", cache.default_ttl, days)


def hourly_usd(connection: Connection, window: Window) -> dict[int, float]:
    """USD by hour since 1970, of the ledger's rows in a window; hours without any are not in it."""
    # With the number in the statement: PostgreSQL does not see that two parameters are the same.
    hour = (ledger.c.at_us // literal_column(str(HOUR_US), BigInteger)).label("hour")
    query = select(hour, *MONEY).where(window.where()).group_by(hour)
    return {int(row[0]): money(tuple(row)[1:]) / PICO_PER_USD for row in connection.execute(query)}


def first_hour(connection: Connection, window: Window) -> int | None:
    """The first hour that is on record, none earlier than the window's own; None: nothing is on record."""
    whose = Window(0, window.until_us, window.scope, window.subject)
    first_us = connection.execute(select(func.min(ledger.c.at_us)).where(whose.where())).scalar()
    return None if first_us is None else max(int(first_us), window.since_us) // HOUR_US
