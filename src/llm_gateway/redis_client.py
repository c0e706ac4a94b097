"""What all who speak to Redis or Valkey have in common."""

from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

_PLAIN: Final = {"valkey": "redis", "valkeys": "rediss"}


def redis_url(url: str) -> str:
    """`url` as redis-py takes it: Valkey's own schemes mean what Redis's mean."""
    scheme, separator, rest = url.partition("://")
    return _PLAIN.get(scheme, scheme) + separator + rest


def redis_client(url: str) -> Any:
    """A client that tries once and sets no deadlines: who calls it does, around the whole call, with `asyncio.timeout`.

    redis-py's own deadlines use `asyncio.wait_for`, in which Python 3.11 may lose a cancellation. It closes the connection of a call
    that was cancelled, so that no later call reads its answer.
    """
    return Redis.from_url(redis_url(url), socket_timeout=None, retry=Retry(NoBackoff(), 0), decode_responses=False)
