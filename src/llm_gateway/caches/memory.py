"""Entries in this process's memory: bounded by their number and by their bytes, the least recently used ones dropped first."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from llm_gateway.caching.store import Claimed, Owned, owner_of
from llm_gateway.core.clock import Clock

OVERHEAD_BYTES: Final = 400
"""What an entry takes beside its name and bytes: the dictionary's place, three objects and their headers, measured."""
STRIDE: Final = 2_000
"""Names looked at before other tasks get their turn."""


class _Kept(msgspec.Struct, gc=False):
    data: bytes
    ends_s: float
    size_bytes: int


class MemoryStore:
    """A `Store` of one process. Times are the clock's monotonic seconds."""

    shared = False
    healthy = True

    def __init__(self, clock: Clock, max_entries: int, max_bytes: int) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0
        self._claims: dict[str, tuple[bytes, float]] = {}

    @property
    def size(self) -> tuple[int, int]:
        return len(self._entries), self._bytes

    async def get(self, name: str) -> bytes | None:
        kept = self._entries.get(name)
        if kept is None:
            return None
        if kept.ends_s <= self._clock.monotonic_s():
            self._drop(name)
            return None
        self._entries.move_to_end(name)
        return kept.data

    async def claim(self, name: str, claim: bytes, lease_s: float) -> bytes | Claimed | None:
        found = await self.get(name)
        if found is not None:
            return found
        now_s = self._clock.monotonic_s()
        held = self._claims.get(name)
        if held is not None and held[1] > now_s:
            return Claimed(held[0])
        self._claims[name] = (claim, now_s + lease_s)
        return None

    async def put(self, name: str, entry: bytes, ttl_s: float) -> bool:
        self._claims.pop(name, None)
        self._drop(name)
        size_bytes = len(entry) + len(name) + OVERHEAD_BYTES
        if size_bytes > self._max_bytes or not self._max_entries:
            return False
        self._entries[name] = _Kept(entry, self._clock.monotonic_s() + ttl_s, size_bytes)
        self._bytes += size_bytes
        if self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
            self._make_room()
        return True

    async def release(self, name: str, claim: bytes) -> None:
        held = self._claims.get(name)
        if held is not None and held[0] == claim:
            del self._claims[name]

    async def remove(self, name: str) -> None:
        self._drop(name)

    async def clear(self, selects: Callable[[str], bool]) -> int:
        cleared = 0
        for number, name in enumerate(list(self._entries), 1):
            if selects(name):
                cleared += self._drop(name)
            if not number % STRIDE:
                await asyncio.sleep(0)
        return cleared

    async def owners(self) -> dict[str, Owned]:
        owners: dict[str, Owned] = {}
        for name, kept in list(self._entries.items()):
            owned = owners.setdefault(owner_of(name), Owned())
            owned.entries += 1
            owned.bytes += kept.size_bytes
        return owners

    async def sweep(self) -> int:
        now_s = self._clock.monotonic_s()
        for name in [name for name, (_, ends_s) in self._claims.items() if ends_s <= now_s]:
            del self._claims[name]
        ended = [name for name, kept in self._entries.items() if kept.ends_s <= now_s]
        for name in ended:
            self._drop(name)
        return len(ended)

    def resize(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._make_room()

    async def aclose(self) -> None:
        self._entries.clear()
        self._claims.clear()
        self._bytes = 0

    def _make_room(self) -> None:
        while self._entries and (self._bytes > self._max_bytes or len(self._entries) > self._max_entries):
            _, dropped = self._entries.popitem(last=False)
            self._bytes -= dropped.size_bytes

    def _drop(self, name: str) -> bool:
        dropped = self._entries.pop(name, None)
        if dropped is not None:
            self._bytes -= dropped.size_bytes
        return dropped is not None
