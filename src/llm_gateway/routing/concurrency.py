"""How many calls a provider gets at once, and who waits."""

import asyncio
from collections import deque

from llm_gateway.core.errors import Overloaded


class Slots:
    """Places at one provider, with a bounded queue served in order of arrival. For one event loop.

    A place that is freed while somebody waits passes straight on to the first in the queue: newcomers cannot overtake.
    """

    __slots__ = ("_free", "_max_queue", "_name", "_waiting", "max_concurrency")

    def __init__(self, name: str, max_concurrency: int, max_queue: int) -> None:
        self._name = name
        self.max_concurrency = max_concurrency
        self._free = max_concurrency
        self._max_queue = max_queue
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def in_flight(self) -> int:
        return self.max_concurrency - self._free

    @property
    def queued(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether a place is free now."""
        return self._free > 0

    def take(self) -> bool:
        """Take a place if one is free now."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    async def wait(self, timeout_s: float) -> None:
        """Take a place, waiting up to `timeout_s`.

        Raises:
            Overloaded: the queue is full, or no place came free in time.
        """
        if self.take():
            return
        if len(self._waiting) >= self._max_queue:
            raise Overloaded(f"too many calls wait for {self._name} already", retry_after_s=1.0)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(timeout_s):
                await place
        except TimeoutError:
            self._leave(place)
            raise Overloaded(f"no place at {self._name} came free in time", retry_after_s=1.0) from None
        except asyncio.CancelledError:
            self._leave(place)
            raise

    def _leave(self, place: "asyncio.Future[None]") -> None:
        # A place may have been handed over in the very moment that its owner gave up: pass it on.
        if place.done() and not place.cancelled():
            self.give()
        elif place in self._waiting:
            self._waiting.remove(place)

    def give(self) -> None:
        """Give a place back: to the first who waits, else to nobody."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
