"""Entries in Redis or Valkey, for all workers and replicas together.

Each motion is one script and one round trip. Redis forgets entries at their end by itself; an index beside them (last use,
end and size of each) keeps the bounds of number and bytes and makes counting and clearing possible without a look at any
foreign key. All keys share one hash tag, so that a cluster keeps them on one node, where scripts work.

A Redis that is away, or slower than the time allowed, costs one failed call a second and nothing else.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from llm_gateway.caching.store import Claimed, Owned, StoreUnavailable, owner_of
from llm_gateway.core.clock import Clock
from llm_gateway.redis_client import redis_url

_log = structlog.get_logger(__name__)
TIMEOUT_S: Final = 0.05
"""For a call that a request waits for."""
MANAGEMENT_TIMEOUT_S: Final = 5.0
"""For counting and clearing, which people ask for."""
REST_S: Final = 1.0
"""After a failure nobody asks for that long."""
CONNECTIONS: Final = 32
OVERHEAD_BYTES: Final = 400
"""What an entry takes in Redis beside its name and bytes: its key and its places in the index."""
BATCH: Final = 500

_DROP: Final = """
local function drop(name)
  local size = redis.call('HGET', KEYS[3], name)
  if not size then return 0 end
  redis.call('DECRBY', KEYS[4], size)
  redis.call('HDEL', KEYS[3], name)
  redis.call('ZREM', KEYS[1], name)
  redis.call('ZREM', KEYS[2], name)
  redis.call('DEL', PREFIX .. 'e:' .. name)
  return 1
end
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
local function sweep(most)
  local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now_ms(), 'LIMIT', 0, most)
  for _, name in ipairs(ended) do drop(name) end
  return #ended
end
local function size()
  local entries = redis.call('ZCARD', KEYS[1])
  if entries == 0 then redis.call('DEL', KEYS[4]) end
  return {entries, tonumber(redis.call('GET', KEYS[4]) or 0)}
end
"""
_SCRIPTS: Final = {
    "get": """
local data = redis.call('GET', PREFIX .. 'e:' .. ARGV[1])
if data then redis.call('ZADD', KEYS[1], 'XX', now_us(), ARGV[1]) end
return data
""",
    "claim": """
local data = redis.call('GET', PREFIX .. 'e:' .. ARGV[1])
if data then
  redis.call('ZADD', KEYS[1], 'XX', now_us(), ARGV[1])
  return {1, data}
end
if redis.call('SET', PREFIX .. 'c:' .. ARGV[1], ARGV[2], 'NX', 'PX', ARGV[3]) then return {0} end
return {2, redis.call('GET', PREFIX .. 'c:' .. ARGV[1])}
""",
    "put": """
local name, data, ttl_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local most, most_bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('DEL', PREFIX .. 'c:' .. name)
drop(name)
local bytes = #data + #name + tonumber(ARGV[6])
if bytes > most_bytes or most == 0 then return {0, unpack(size())} end
sweep(100)
local left = size()
while left[1] > 0 and (left[1] >= most or left[2] + bytes > most_bytes) do
  drop(redis.call('ZRANGE', KEYS[1], 0, 0)[1])
  left = size()
end
redis.call('SET', PREFIX .. 'e:' .. name, data, 'PX', ttl_ms)
redis.call('ZADD', KEYS[1], now_us(), name)
redis.call('ZADD', KEYS[2], now_ms() + ttl_ms, name)
redis.call('HSET', KEYS[3], name, bytes)
redis.call('INCRBY', KEYS[4], bytes)
return {1, left[1] + 1, left[2] + bytes}
""",
    "release": """
local key = PREFIX .. 'c:' .. ARGV[1]
if redis.call('GET', key) == ARGV[2] then redis.call('DEL', key) end
return 0
""",
    "remove": """
local removed = 0
for _, name in ipairs(ARGV) do removed = removed + drop(name) end
return {removed, unpack(size())}
""",
    "sweep": """
return {sweep(tonumber(ARGV[1])), unpack(size())}
""",
}


class RedisStore:
    """A `Store` in Redis. `url` as redis-py takes it (redis://, rediss://, unix://), `name` tells stores in one Redis apart."""

    shared = True

    def __init__(self, url: str, name: str, clock: Clock, max_entries: int, max_bytes: int, *, timeout_s: float = TIMEOUT_S) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._prefix = f"llmgw:{{{name}}}:"
        # Deadlines are set here, around a whole call; a second try is the next request's matter.
        pool = BlockingConnectionPool.from_url(
            redis_url(url),
            max_connections=CONNECTIONS,
            timeout=None,
            socket_timeout=None,
            retry=Retry(NoBackoff(), 0),
            socket_keepalive=True,
        )
        self._redis = Redis(connection_pool=pool)
        self._keys = [self._prefix + part for part in ("used", "ends", "sizes", "bytes")]
        prefix = f"local PREFIX = '{self._prefix}'\n"
        self._scripts = {motion: self._redis.register_script(prefix + _DROP + body) for motion, body in _SCRIPTS.items()}
        self._away_until_s = 0.0
        self._size = (0, 0)
        self.healthy = True

    @property
    def size(self) -> tuple[int, int]:
        return self._size

    async def get(self, name: str) -> bytes | None:
        found = await self._run("get", name)
        return None if found is None else bytes(found)

    async def claim(self, name: str, claim: bytes, lease_s: float) -> bytes | Claimed | None:
        answer = await self._run("claim", name, claim, max(1, int(lease_s * 1000)))
        if answer[0] == 0:
            return None
        return bytes(answer[1]) if answer[0] == 1 else Claimed(bytes(answer[1]))

    async def put(self, name: str, entry: bytes, ttl_s: float) -> bool:
        answer = await self._run("put", name, entry, max(1, int(ttl_s * 1000)), self._max_entries, self._max_bytes, OVERHEAD_BYTES)
        self._size = (answer[1], answer[2])
        return bool(answer[0])

    async def release(self, name: str, claim: bytes) -> None:
        await self._run("release", name, claim)

    async def remove(self, name: str) -> None:
        await self._remove([name], self._timeout_s)

    async def _remove(self, names: Sequence[str], timeout_s: float) -> int:
        removed, *size = await self._run("remove", *names, timeout_s=timeout_s)
        self._size = (size[0], size[1])
        return int(removed)

    async def clear(self, selects: Callable[[str], bool]) -> int:
        await self.sweep()
        async with self._asking(MANAGEMENT_TIMEOUT_S):
            names = [name.decode() for name in await cast("Awaitable[list[bytes]]", self._redis.zrange(self._keys[0], 0, -1))]
        chosen = [name for name in names if selects(name)]
        batches = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
        return sum([await self._remove(batch, MANAGEMENT_TIMEOUT_S) for batch in batches])

    async def owners(self) -> dict[str, Owned]:
        await self.sweep()
        async with self._asking(MANAGEMENT_TIMEOUT_S):
            sizes = await cast("Awaitable[dict[bytes, bytes]]", self._redis.hgetall(self._keys[2]))
        owners: dict[str, Owned] = {}
        for name, size_bytes in sizes.items():
            owned = owners.setdefault(owner_of(name.decode()), Owned())
            owned.entries += 1
            owned.bytes += int(size_bytes)
        return owners

    async def sweep(self) -> int:
        swept, ended = 0, BATCH
        while ended == BATCH:
            ended, *size = await self._run("sweep", BATCH, timeout_s=MANAGEMENT_TIMEOUT_S)
            self._size = (size[0], size[1])
            swept += int(ended)
        return swept

    def resize(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes

    async def aclose(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def _run(self, motion: str, *arguments: str | bytes | int, timeout_s: float | None = None) -> Any:
        async with self._asking(timeout_s or self._timeout_s):
            return await self._scripts[motion](keys=self._keys, args=arguments)

    @asynccontextmanager
    async def _asking(self, timeout_s: float) -> AsyncIterator[None]:
        """A call of Redis. One that is cancelled, by its deadline or with its request, loses its connection (redis-py closes
        it): no later call can read the answer meant for it."""
        if self._clock.monotonic_s() < self._away_until_s:
            raise StoreUnavailable("Redis did not answer a moment ago")
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except (RedisError, OSError, TimeoutError) as failure:
            self._away_until_s = self._clock.monotonic_s() + REST_S
            if self.healthy:
                _log.warning("Redis does not answer: the cache is skipped until it does", problem=type(failure).__name__)
            self.healthy = False
            raise StoreUnavailable("Redis does not answer") from failure
        if not self.healthy:
            _log.info("Redis answers again")
        self.healthy = True
