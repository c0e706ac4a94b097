"""Counters in Redis or Valkey, shared by every process that is told the same URL.

While the store is away, each process grants its share of every limit (`replicas`), from accounts it keeps beside the store: they know
what this process was granted before. What is granted meanwhile is told to the store when it is back, before anybody asks it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import structlog

from llm_gateway.core.clock import Clock
from llm_gateway.core.counters import LIMITS, WINDOWS_US, Demand, Gauge, Rules, Verdict
from llm_gateway.counters.line import BATCH, Line, Operation, StoreLost, Word
from llm_gateway.counters.memory import MemoryCounters
from llm_gateway.counters.missed import Entry, Missed

_log = structlog.get_logger(__name__)
PREFIX: Final = "llmgw:{limits}:"
"""Of every key. The hash tag keeps all of them in one slot of a cluster."""
_MAX_FULL: Final = 1_024


class RedisCounters:
    """Counters at `url` (redis, rediss, valkey, valkeys or unix), each operation answered within `timeout_s`.

    `server_now_us` stands in for the server's own time, for tests.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        replicas: int = 1,
        timeout_s: float = 0.05,
        max_accounts: int = 100_000,
        prefix: str = PREFIX,
        server_now_us: Callable[[], int] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.local = MemoryCounters(clock, max_accounts)
        self.line = Line(
            url, prefix, timeout_s, own_us=self.local.now_us, on_epoch=self._note_epoch, missed=self._tell_missed,
            server_now_us=server_now_us, sleep=sleep,
        )  # fmt: skip
        self._share = lru_cache(4_096)(lambda rules: rules.share(replicas))
        self._apart: dict[str, tuple[str, ...]] = {}
        """Reservations that this process granted by itself, with their scopes."""
        self._missed = Missed()
        self._full: dict[str, int] = {}
        """Until when accounts are full that the store found full."""
        self._epoch = 0

    async def start(self) -> None:
        """Connect. A store that is away is no failure: the gateway starts with its share."""
        await self.line.start()

    async def aclose(self) -> None:
        """Write what is queued, and close."""
        await self.line.aclose()

    async def reserve(self, name: str, demands: Sequence[Demand], lease_us: int) -> Verdict:
        if self.line.up:
            words: list[Word] = [b"reserve", name, lease_us]
            for demand in demands:
                words += _words_of(demand.rules)
                words.append(demand.hold)
            try:
                reply = await self.line.ask(tuple(words), tuple([demand.scope for demand in demands]))
            except StoreLost:
                # It may have been executed after all, or may still be: then it must not be held for its whole lease.
                self.line.tell(Operation((b"settle", name, 0, 1)))
            else:
                return self._verdict(name, demands, lease_us, reply)
        return self._alone(name, demands, lease_us)

    def reserve_now(self, name: str, demands: Sequence[Demand], lease_us: int) -> None:
        """The store must be asked."""

    def _verdict(self, name: str, demands: Sequence[Demand], lease_us: int, reply: list[int]) -> Verdict:
        granted, refused, limit, wait_us = reply[:4]
        if granted:
            self.local.reserve_now(name, demands, lease_us, granted=True)
            return Verdict(True, _gauge(reply))
        if refused:
            if len(self._full) >= _MAX_FULL:
                self._full.clear()
            self._full[demands[refused - 1].scope] = self.local.now_us() + wait_us
        return Verdict(False, _gauge(reply), refused - 1, LIMITS[limit - 1], wait_us)

    def _alone(self, name: str, demands: Sequence[Demand], lease_us: int) -> Verdict:
        shares = []
        for demand in demands:
            rules = self._share(demand.rules)
            shares.append(Demand(demand.scope, rules, min(demand.hold, rules.tokens)))
        verdict = self.local.reserve_now(name, shares, lease_us)
        if verdict.granted:
            now_us = self.local.now_us()
            self._apart[name] = tuple(demand.scope for demand in demands)
            for scope in self._apart[name]:
                self._missed.note(scope, "R", now_us, 1)
        return verdict

    def settle(self, name: str, tokens: int | None) -> None:
        scopes = self._apart.pop(name, None)
        used = self.local.held_by(name) if tokens is None else tokens
        self.local.settle(name, tokens)
        if scopes is None:
            self.line.tell(Operation((b"settle", name, b"" if tokens is None else tokens, 0)))
            return
        if used:
            for scope in scopes:
                self._missed.note(scope, "T", self.local.now_us(), used)
        if self.line.up:
            self.line.tell_later(self._tell_missed())

    def full_for_us(self, scope: str, rules: Rules) -> int | None:
        if not self.line.up:
            return self.local.full_for_us(scope, self._share(rules))
        rest_us = self._full.get(scope, 0) - self.local.now_us()
        return rest_us if rest_us > 0 else None

    async def read(self, scope: str) -> Gauge:
        if self.line.up:
            with contextlib.suppress(StoreLost):
                return _gauge(await self.line.ask((b"read",), (scope,)))
        return self.local.read_now(scope)

    async def reset(self, scope: str) -> None:
        await self.local.reset(scope)
        self._full.pop(scope, None)
        self._missed.forget(scope)
        if self.line.up:
            with contextlib.suppress(StoreLost):
                await self.line.ask((b"reset",), (scope,))
                return
        self.line.tell(Operation((b"reset",), (scope,)))

    def active(self, prefix: str) -> tuple[int, int]:
        return self.local.active(prefix)

    @property
    def is_whole(self) -> bool:
        return self.line.up

    def _tell_missed(self) -> Iterator[Operation]:
        for scope, entries in self._missed.take(self.local.now_us()):
            yield from _merges(scope, entries)

    def _note_epoch(self, epoch: int) -> None:
        """A store that began anew has lost its counts: it is told those that were granted here."""
        before, self._epoch = self._epoch, epoch
        if before in {0, epoch}:
            return
        _log.warning("the limit store lost its counts: this process's own are restored")
        since_us = self.local.now_us() - WINDOWS_US[-1]
        for scope, account in self.local.accounts.items():
            self._missed.forget(scope)
            grants, used = account.since(since_us)
            entries = [("R", at_us, count) for at_us, count in grants] + [("T", end_us - 1, tokens) for end_us, tokens in used]
            self.line.tell_later(_merges(scope, entries))


def _merges(scope: str, entries: list[Entry]) -> Iterator[Operation]:
    for first in range(0, len(entries), BATCH):
        yield Operation((b"merge",), (scope,), ages=tuple(entries[first : first + BATCH]))


@lru_cache(4_096)
def _words_of(rules: Rules) -> tuple[bytes, ...]:
    return tuple(str(number).encode() for number in (*rules.requests, rules.tokens, rules.cooldown_us, rules.grain_us, rules.weight))


def _gauge(reply: list[int]) -> Gauge:
    """The account in a reply; its integers are as the script has them."""
    c1, c2, c3, f1, f2, f3, used, held, free_us, cooldown_us = reply[4:14]
    return Gauge((c1, c2, c3), (f1, f2, f3), used, held, free_us, cooldown_us)
