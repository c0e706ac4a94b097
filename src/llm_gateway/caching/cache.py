"""What outlives a reload of the cache: the entries, the answers in the making, the counts."""

import contextlib
from collections.abc import Callable
from typing import Protocol

import msgspec

from llm_gateway.caching.figures import Figures, Tally, combined, summed
from llm_gateway.caching.flights import Flights
from llm_gateway.caching.pattern import matcher
from llm_gateway.caching.store import Owned, Store, StoreUnavailable, owner_of
from llm_gateway.core.clock import Clock


class Questions(Protocol):
    """The questions that the semantic cache remembers, each with the name of its entry."""

    def __len__(self) -> int: ...
    def clear(self, selects: Callable[[str], bool]) -> None: ...
    def sweep(self, now_s: float) -> None: ...


class Cache:
    """One for each process; `store` may be shared by several."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.flights = Flights()
        self.figures = Figures()
        self.questions: Questions | None = None
        """None: the semantic cache was never switched on."""

    async def clear(self, pattern: str | None = None, user_id: str | None = None, tenant: str | None = None) -> int:
        """Drop the entries whose name matches `pattern` and whose owner is `user_id`; None asks for no such thing.

        Within a `tenant` (the owner of an API key) only its own entries and its users', whom it may name without itself.

        Raises:
            InvalidRequest: the pattern is too long.
            StoreUnavailable: nothing is known of what was dropped.
        """
        matches = matcher(pattern) if pattern is not None else None

        def selects(name: str) -> bool:
            owner = owner_of(name)
            if not belongs(owner, tenant):
                return False
            own_name = name if tenant is None else name.removeprefix(f"{tenant}/")
            if user_id is not None and user_id not in {owner, owner_of(own_name)}:
                return False
            return matches is None or matches(name) or matches(own_name)

        if self.questions is not None:
            self.questions.clear(selects)
        return await self.store.clear(selects)

    async def status(self, tenant: str | None = None) -> "CacheStatus":
        """How the cache fares: for everybody, or as far as it is one tenant's.

        Raises:
            StoreUnavailable: nobody can say.
        """
        figures = self.figures
        owners = {owner: owned for owner, owned in (await self.store.owners()).items() if belongs(owner, tenant)}
        callers = {caller: tally for caller, tally in figures.callers().items() if belongs(caller, tenant)}
        models = figures.models() if tenant is None else summed(figures.models(caller) for caller in callers)
        total = figures.total if tenant is None else combined(callers.values())
        return CacheStatus(owners, callers, models, total)

    async def sweep(self) -> None:
        """Drop what has come to its end."""
        with contextlib.suppress(StoreUnavailable):  # it says so itself, and the next sweep does the work
            await self.store.sweep()
        if self.questions is not None:
            self.questions.sweep(self.clock.monotonic_s())


class CacheStatus(msgspec.Struct, frozen=True):
    """Entries by owner as they are; counts since the process began, by caller, by `provider/model`, and in all."""

    owners: dict[str, Owned]
    callers: dict[str, Tally]
    models: dict[str, Tally]
    total: Tally


def belongs(owner: str, tenant: str | None) -> bool:
    """Whether an owner is a tenant or one of its users; None is everybody."""
    return tenant is None or owner == tenant or owner.startswith(f"{tenant}/")
