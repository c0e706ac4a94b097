"""Figures shared through Redis, by gateways that have databases of their own.

One hash: a field for each database, its value the sum of everything counted there. Sums only grow, so whichever process writes last
cannot take anything back: an older sum is not written over a newer one. A Redis that is away leaves out the others' figures.
"""

import asyncio
from typing import Final, cast

import msgspec
import structlog
from redis.exceptions import RedisError

from llm_gateway.metrics.aggregate import Aggregate, unpack
from llm_gateway.redis_client import redis_client

_log = structlog.get_logger(__name__)
KEY: Final = "llm-gateway:metrics"
TIMEOUT_S: Final = 1.0
_PUT: Final = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then
  local began, count = string.match(known, '^(%d+) (%d+) ')
  -- A database that began later took the place of one that is gone; else more is newer.
  if began == ARGV[2] and tonumber(count) > tonumber(ARGV[3]) then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
return 1
"""


class RedisBoard:
    """The hash at `url`; `home` names this gateway's database."""

    def __init__(self, url: str, home: str) -> None:
        self._home = home
        self._redis = redis_client(url)
        self._put = self._redis.register_script(_PUT)
        self._away = False

    async def publish(self, whole: Aggregate) -> None:
        """Show what this database has counted, unless a newer sum is there."""
        count = sum(cell.requests for cell in whole.requests.values())
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._put(keys=[KEY], args=[self._home, int(whole.since_s), count, whole.pack()])
            self._away = False
        except (RedisError, OSError) as failure:
            self._note(failure)

    async def others(self) -> list[Aggregate]:
        """What the other databases have counted; as far as Redis says."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = cast(dict[bytes, bytes], await self._redis.hgetall(KEY))
        except (RedisError, OSError) as failure:
            self._note(failure)
            return []
        sums: list[Aggregate] = []
        for name, value in found.items():
            if name.decode("utf-8", "replace") == self._home:
                continue
            try:
                sums.append(unpack(value.split(b" ", 2)[2]))
            except (IndexError, msgspec.MsgspecError):
                _log.warning("somebody else's figures in Redis cannot be read", database=name.decode("utf-8", "replace"))
        return sums

    async def aclose(self) -> None:
        await self._redis.aclose()

    def _note(self, failure: Exception) -> None:
        if not self._away:
            self._away = True
            _log.warning("the figures of other gateways are missing: Redis does not answer", problem=type(failure).__name__)
