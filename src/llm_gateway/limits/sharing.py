"""A limit that callers share: when it is used up, nobody gets more than its part while somebody who had less is waiting.

Whoever is turned away is noted with how much it wanted. For so long as it can still come back, others who have had their part (by weight,
among those who want something now) leave it what it wanted, up to its own part. Nothing is kept while nobody waits, so one caller alone may
have everything. `counters/redis.lua` is the same arithmetic in Lua; a property test holds them equal.
"""

from typing import Final, NamedTuple

from llm_gateway.core.counters import WINDOWS_US, Rules

MOST: Final = 64
"""Callers that are known to wait for one limit."""
GRACE_US: Final = 2_000_000
"""How much later than told, and a tenth of it, somebody may come back and still find its place."""
LONGEST_US: Final = WINDOWS_US[-1] + WINDOWS_US[-1] // 10 + GRACE_US
PARTED_UP_TO: Final = 10**9
"""Larger limits are never used up, and their parts would not be exact in Lua."""

Use = tuple[int, int, int, int]
"""Requests granted in each window, and tokens used and held."""


class Waiter(NamedTuple):
    """Somebody who was turned away: until when it may come back, what it has had, its weight, and how much it wanted."""

    until_us: int
    had: Use
    weight: int
    requests: int
    tokens: int


class Waiters:
    """Who waits for one limit."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, Waiter] = {}

    def left_for(self, who: str, had: Use, weight: int, rules: Rules, now_us: int) -> Rules:
        """What of a limit a caller may use: all of it up to its part, and then what is not kept for others."""
        self._forget(now_us)
        others = [waiter for other, waiter in self._known.items() if other != who]
        if not others:
            return rules
        total = weight + sum([waiter.weight for waiter in others])
        left = [*rules.requests, rules.tokens]
        for place, limit in enumerate(left):
            if limit <= PARTED_UP_TO and had[place] * total >= limit * weight:
                wanted = [waiter.tokens if place == 3 else waiter.requests for waiter in others]
                parts = [max(0, limit * waiter.weight // total - waiter.had[place]) for waiter in others]
                left[place] = max(1, limit - sum(map(min, wanted, parts)))
        burst, minute, hour, tokens = left
        return Rules((burst, minute, hour), tokens, rules.cooldown_us, rules.grain_us)

    def note(self, who: str, had: Use, weight: int, hold: int, wait_us: int, now_us: int) -> None:
        """A caller that had room of its own was turned away, and told to come back in `wait_us`."""
        self._forget(now_us)
        until_us = now_us + wait_us + wait_us // 10 + GRACE_US
        known = self._known.get(who)
        if known is not None:
            self._known[who] = Waiter(until_us, had, weight, known.requests + 1, known.tokens + hold)
        elif len(self._known) < MOST:
            self._known[who] = Waiter(until_us, had, weight, 1, hold)

    def let_in(self, who: str, had: Use, hold: int) -> None:
        """A caller got something of what it wanted."""
        known = self._known.pop(who, None)
        if known is not None and known.requests > 1:
            self._known[who] = Waiter(known.until_us, had, known.weight, known.requests - 1, max(0, known.tokens - hold))

    def _forget(self, now_us: int) -> None:
        late = [who for who, waiter in self._known.items() if not 0 < waiter.until_us - now_us <= LONGEST_US]
        for who in late:
            del self._known[who]
