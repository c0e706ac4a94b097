"""One account: a log of grants with a pointer to the edge of each window, and the tokens used in the last minute.

Every grant is in the log until it leaves the longest window, so a sliding window of any place never holds one too many. A window's
count changes when its pointer moves past an entry, once for each: constant work per request, whatever the limits.
`counters/redis.lua` is the same arithmetic in Lua; a property test holds them equal.
"""

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from typing import Final

from llm_gateway.core.counters import HELD_BACK_US, MINUTE_US, REFUSALS, SLOT_US, UNLIMITED, WINDOWS_US, Gauge, Limit, Rules
from llm_gateway.limits.sharing import Use

_BURST_US, _MINUTE_US, _HOUR_US = WINDOWS_US
_COMPACT_FROM: Final = 256
_NAMES: Final[tuple[Limit, Limit, Limit]] = ("burst", "rpm", "rph")


class Account:
    """Counts for one scope. Times given must not go back."""

    __slots__ = ("_amounts", "_counts", "_ends", "_heads", "_refusals", "_sizes", "_times", "blocked_until_us", "held", "used")

    def __init__(self) -> None:
        self._times = array("q")
        self._sizes = array("q")
        self._heads = [0, 0, 0]
        self._counts = [0, 0, 0]
        self._ends: deque[int] = deque()
        self._amounts: deque[int] = deque()
        self._refusals: tuple[int, ...] = ()
        self.used = 0
        self.held = 0
        self.blocked_until_us = 0

    def advance(self, now_us: int) -> None:
        """Let go of what has left its window."""
        times, (burst, minute, hour) = self._times, self._heads
        count = len(times)
        if burst < count and times[burst] <= now_us - _BURST_US:
            self._heads[0] = self._move(0, burst, now_us - _BURST_US)
        if minute < count and times[minute] <= now_us - _MINUTE_US:
            self._heads[1] = self._move(1, minute, now_us - _MINUTE_US)
        if hour < count and times[hour] <= now_us - _HOUR_US:
            self._heads[2] = self._move(2, hour, now_us - _HOUR_US)
        if hour >= _COMPACT_FROM:
            self._compact(self._heads[2])
        ends = self._ends
        while ends and ends[0] <= now_us - MINUTE_US:
            ends.popleft()
            self.used -= self._amounts.popleft()

    def _move(self, window: int, head: int, edge_us: int) -> int:
        times, sizes, gone = self._times, self._sizes, 0
        while head < len(times) and times[head] <= edge_us:
            gone += sizes[head]
            head += 1
        self._counts[window] -= gone
        return head

    def _compact(self, gone: int) -> None:
        del self._times[:gone], self._sizes[:gone]
        self._heads = [head - gone for head in self._heads]

    def has_room(self, rules: Rules, hold: int) -> bool:
        """Whether one request holding `hold` tokens would be granted now. Advance first."""
        (burst, minute, hour), (most_burst, most_minute, most_hour) = self._counts, rules.requests
        return burst < most_burst and minute < most_minute and hour < most_hour and self.used + self.held + hold <= rules.tokens

    def wait(self, rules: Rules, hold: int, now_us: int) -> tuple[int, Limit]:
        """How long until one request holding `hold` tokens would be granted, and the limit that says so; (0, ...) is now. Advance first."""
        wait_us, name = 0, _NAMES[0]
        counts, limits = self._counts, rules.requests
        for window in (0, 1, 2):
            if counts[window] >= limits[window] and (window_us := self._request_wait_us(window, limits[window], now_us)) > wait_us:
                wait_us, name = window_us, _NAMES[window]
        excess = self.used + self.held + hold - rules.tokens
        if excess > 0 and (tokens_us := self._token_wait_us(excess, now_us)) > wait_us:
            return tokens_us, "tpm"
        return wait_us, name

    def _request_wait_us(self, window: int, limit: int, now_us: int) -> int:
        entry, surplus = self._heads[window], self._counts[window] - limit
        while surplus >= self._sizes[entry]:
            surplus -= self._sizes[entry]
            entry += 1
        return self._times[entry] + WINDOWS_US[window] - now_us

    def _token_wait_us(self, excess: int, now_us: int) -> int:
        for end_us, amount in zip(self._ends, self._amounts, strict=True):
            excess -= amount
            if excess <= 0:
                return end_us + MINUTE_US - now_us
        return HELD_BACK_US

    def grant(self, now_us: int, grain_us: int, hold: int) -> None:
        """Count one request and hold its tokens."""
        at_us = (now_us // grain_us + 1) * grain_us if grain_us else now_us
        times = self._times
        if times and times[-1] >= at_us:
            self._sizes[-1] += 1
        else:
            times.append(at_us)
            self._sizes.append(1)
        counts = self._counts
        counts[0] += 1
        counts[1] += 1
        counts[2] += 1
        self.held += hold

    def settle(self, now_us: int, hold: int, tokens: int) -> None:
        """Release what was held and charge what was used."""
        held = self.held - hold
        self.held = held if held > 0 else 0
        if tokens:
            self.charge((now_us // SLOT_US + 1) * SLOT_US, tokens)

    def charge(self, end_us: int, tokens: int) -> None:
        """Add used tokens to the slot that ends then."""
        self.used += tokens
        if self._ends and self._ends[-1] >= end_us:
            self._amounts[-1] += tokens
        else:
            self._ends.append(end_us)
            self._amounts.append(tokens)

    def refuse(self, now_us: int, cooldown_us: int) -> bool:
        """Note a refusal. True: it was one too many, and the cooldown begins."""
        recent = tuple(at_us for at_us in self._refusals if at_us > now_us - MINUTE_US)
        if len(recent) + 1 < REFUSALS:
            self._refusals = (*recent, now_us)
            return False
        self._refusals = ()
        self.blocked_until_us = now_us + cooldown_us
        return True

    def reset(self) -> None:
        """Forget everything but what is held."""
        held = self.held
        self.__init__()  # type: ignore[misc]
        self.held = held

    def gauge(self, now_us: int) -> Gauge:
        """The account now. Advance first."""
        times, heads, counts = self._times, self._heads, self._counts
        count = len(times)
        burst, minute, hour = heads
        frees_us = (
            times[burst] + _BURST_US - now_us if burst < count else 0,
            times[minute] + _MINUTE_US - now_us if minute < count else 0,
            times[hour] + _HOUR_US - now_us if hour < count else 0,
        )
        tokens_free_us = self._ends[0] + MINUTE_US - now_us if self._ends else 0
        rest_us = self.blocked_until_us - now_us
        return Gauge((counts[0], counts[1], counts[2]), frees_us, self.used, self.held, tokens_free_us, rest_us if rest_us > 0 else 0)

    @property
    def had(self) -> Use:
        """What it has had, for limits that are shared. Advance first."""
        burst, minute, hour = self._counts
        return burst, minute, hour, self.used + self.held

    @property
    def last_us(self) -> int:
        """When it last granted something; 0: never, or long ago."""
        return self._times[-1] if self._times else 0

    def weight(self, now_us: int) -> int:
        """How much would be forgotten with it: requests in the last hour; nothing at all is 0, what must stay is `UNLIMITED`."""
        self.advance(now_us)
        if self.held or self.blocked_until_us > now_us:
            return UNLIMITED
        return self._counts[2] or self.used

    def since(self, from_us: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Grants (time, how many) and used tokens (slot end, tokens) from a time on."""
        first = bisect_right(self._times, from_us - 1)
        grants = list(zip(self._times[first:], self._sizes[first:], strict=True))
        return grants, [(end, amount) for end, amount in zip(self._ends, self._amounts, strict=True) if end >= from_us]


def widest(waits: Iterable[tuple[int, Limit]]) -> tuple[int, int, Limit]:
    """Of the waits of several accounts, the longest, as (place, wait, limit); (-1, 0, ...): nobody makes anyone wait."""
    found: tuple[int, int, Limit] = (-1, 0, "rpm")
    for place, (wait_us, limit) in enumerate(waits):
        if wait_us > found[1]:
            found = (place, wait_us, limit)
    return found
