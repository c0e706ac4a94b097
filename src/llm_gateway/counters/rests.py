"""Providers that asked one process to be left alone, told to all: in Redis or Valkey, a key for each that ends by itself.

Looked at a few times a second, aside from all requests. A process that has not heard yet may ask such a provider once and be refused
itself; nothing else comes of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import structlog
from redis.exceptions import RedisError

from llm_gateway.core.clock import Clock
from llm_gateway.redis_client import redis_client

_log = structlog.get_logger(__name__)
PREFIX: Final = "llmgw:{rests}:"
EVERY_S: Final = 0.25
TIMEOUT_S: Final = 1.0
SLACK_S: Final = 0.05
"""Ends that are this near are one: what was heard is not told again as something new."""
_EXCHANGE: Final = """
local found = {}
for place, key in ipairs(KEYS) do
  local rest = tonumber(ARGV[2 * place - 1])
  if rest > 0 and rest > redis.call('PTTL', key) then redis.call('SET', key, ARGV[2 * place], 'PX', rest) end
  found[2 * place - 1], found[2 * place] = redis.call('PTTL', key), redis.call('GET', key) or ''
end
return found
"""


class Resting(Protocol):
    """A provider, as far as it is left alone: until when (monotonic seconds), and whether because of its rate limit."""

    cooled_until_s: float
    at_limit: bool

    def cool(self, rest_s: float, now_s: float) -> None: ...


class SharedRests:
    """`houses` gives the providers of the configuration in force, by name."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        houses: Callable[[], Mapping[str, Resting]],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._redis = redis_client(url)
        self._clock = clock
        self._houses = houses
        self._sleep = sleep
        self._known: dict[str, float] = {}
        """The ends that everybody knows."""
        self._away = False

    async def run(self) -> None:
        """Tell and hear, until cancelled."""
        try:
            while True:
                await self._sleep(EVERY_S)
                try:
                    await self.exchange()
                    self._away = False
                except (RedisError, OSError) as failure:
                    if not self._away:
                        self._away = True
                        _log.warning("rests of providers are not shared: Redis does not answer", problem=type(failure).__name__)
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def exchange(self) -> None:
        """Tell what this process was told by providers, and take over what others were.

        Raises:
            RedisError, OSError: nobody was told, and nothing was heard.
        """
        houses = dict(self._houses())
        now_s = self._clock.monotonic_s()
        words: list[int] = []
        for name, house in houses.items():
            is_news = house.cooled_until_s > self._known.get(name, now_s) + SLACK_S
            words += [max(0, int((house.cooled_until_s - now_s) * 1_000)) if is_news else 0, int(house.at_limit)]
        # In full and not by its digest: it is short, and seldom.
        async with asyncio.timeout(TIMEOUT_S):
            found = await self._redis.eval(_EXCHANGE, len(houses), *(PREFIX + name for name in houses), *words)
        now_s = self._clock.monotonic_s()
        for place, (name, house) in enumerate(houses.items()):
            rest_s, why = found[2 * place] / 1_000, found[2 * place + 1]
            if rest_s > 0 and now_s + rest_s > house.cooled_until_s + SLACK_S:
                house.cool(rest_s, now_s)
                house.at_limit = why == b"1"
            self._known[name] = house.cooled_until_s
