"""The port of a cache: named bytes with an end, and claims on names whose bytes are still being made."""

from collections.abc import Callable
from typing import Protocol

import msgspec


class StoreUnavailable(Exception):
    """The store did not answer. Whoever asked goes on without it."""


class Claimed(msgspec.Struct, frozen=True, gc=False):
    """Somebody is making the bytes of a name; `claim` is what they said when they began."""

    claim: bytes


class Owned(msgspec.Struct, gc=False):
    """What one owner has in a store: entries, and the bytes they take."""

    entries: int = 0
    bytes: int = 0


def owner_of(name: str) -> str:
    """The owner in a name, which is `<owner>_<digest>`; a digest holds no underscore."""
    return name.rpartition("_")[0]


class Store(Protocol):
    """Entries by name, the least recently used ones dropped when there are too many or they take too much.

    Every coroutine raises `StoreUnavailable` when the store cannot be reached in time; then nothing is known of what
    became of the call. Claims are held apart from entries: they count for no limit, and end by themselves.
    """

    @property
    def shared(self) -> bool:
        """Whether other processes use it too."""

    @property
    def healthy(self) -> bool:
        """Whether the last call was answered."""

    @property
    def size(self) -> tuple[int, int]:
        """Entries and bytes, as last known."""

    async def get(self, name: str) -> bytes | None:
        """The entry, now the most recently used one."""

    async def claim(self, name: str, claim: bytes, lease_s: float) -> bytes | Claimed | None:
        """Claim a name that has no entry: None when it is now ours, for `lease_s` at most; else what stands there."""

    async def put(self, name: str, entry: bytes, ttl_s: float) -> bool:
        """Keep an entry, ending any claim on its name. False: it is larger than the store, which keeps nothing then."""

    async def release(self, name: str, claim: bytes) -> None:
        """End a claim, if it is still this one."""

    async def remove(self, name: str) -> None:
        """Drop an entry."""

    async def clear(self, selects: Callable[[str], bool]) -> int:
        """Drop every entry whose name is selected; says how many."""

    async def owners(self) -> dict[str, Owned]:
        """What each owner has."""

    async def sweep(self) -> int:
        """Drop what has come to its end; says how many entries."""

    def resize(self, max_entries: int, max_bytes: int) -> None:
        """New limits, from the next entry on."""

    async def aclose(self) -> None:
        """Let go of connections."""
