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

    __slots__ = (
        "_amounts", "_counts", "_due_us", "_ends", "_heads", "_leave_us", "_refusals", "_sizes", "_times",
        "blocked_until_us", "held", "used",
    )  # fmt: skip

    def __init__(self) -> None:
        self._times = array("q")
        self._sizes = array("q")
        self._heads = [0, 0, 0]
        self._counts = [0, 0, 0]
        self._leave_us = [0, 0, 0]
        """When the oldest entry of each window leaves it; 0: none is inside."""
        self._due_us = UNLIMITED
        """Before this moment nothing leaves anything."""
        self._ends: deque[int] = deque()
        self._amounts: deque[int] = deque()
        self._refusals: tuple[int, ...] = ()
        self.used = 0
        self.held = 0
        self.blocked_until_us = 0

    def advance(self, now_us: int) -> None:
        """Let go of what has left its window."""
        if now_us < self._due_us:
            return
        due_us = UNLIMITED
        for window, known_us in enumerate(self._leave_us):
            leaves_us = self._move(window, now_us) if 0 < known_us <= now_us else known_us
            if 0 < leaves_us < due_us:
                due_us = leaves_us
        if self._heads[2] >= _COMPACT_FROM:
            self._compact(self._heads[2])
        ends = self._ends
        while ends and ends[0] <= now_us - MINUTE_US:
            ends.popleft()
            self.used -= self._amounts.popleft()
        self._due_us = min(due_us, ends[0] + MINUTE_US) if ends else due_us

    def _move(self, window: int, now_us: int) -> int:
        times, sizes, gone = self._times, self._sizes, 0
        head, last, length_us = self._heads[window], len(times), WINDOWS_US[window]
        edge_us, leaves_us = now_us - length_us, 0
        while head < last:
            at_us = times[head]
            if at_us > edge_us:
                leaves_us = at_us + length_us
                break
            gone += sizes[head]
            head += 1
        self._heads[window] = head
        self._counts[window] -= gone
        self._leave_us[window] = leaves_us
        return leaves_us

    def _compact(self, gone: int) -> None:
        del self._times[:gone], self._sizes[:gone]
        self._heads = [head - gone for head in self._heads]

    def has_room(self, rules: Rules, hold: int, now_us: int) -> bool:
        """Whether one request holding `hold` tokens would be granted now. Advances."""
        if now_us >= self._due_us:
            self.advance(now_us)
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
        """Count one request and hold its tokens. Advance first."""
        times = self._times
        last_us = times[-1] if times else -1
        if last_us > now_us or (last_us == now_us and not grain_us):  # the step that now is in has an entry
            self._sizes[-1] += 1
        else:
            self._enter((now_us // grain_us + 1) * grain_us if grain_us else now_us)
        counts = self._counts
        counts[0] += 1
        counts[1] += 1
        counts[2] += 1
        self.held += hold

    def _enter(self, at_us: int) -> None:
        """Begin a new entry of the log. Nothing is in a window that is longer than one with something in it and has nothing itself."""
        self._times.append(at_us)
        self._sizes.append(1)
        leave_us = self._leave_us
        for window in (0, 1, 2):
            if leave_us[window]:
                break
            leave_us[window] = at_us + WINDOWS_US[window]
        self._due_us = min(self._due_us, at_us + _BURST_US)

    def settle(self, now_us: int, hold: int, tokens: int) -> None:
        """Release what was held and charge what was used."""
        held = self.held - hold
        self.held = held if held > 0 else 0
        if tokens:
            self.used += tokens
            ends = self._ends
            if ends and ends[-1] > now_us:  # the slot that now is in
                self._amounts[-1] += tokens
            else:
                end_us = (now_us // SLOT_US + 1) * SLOT_US
                ends.append(end_us)
                self._amounts.append(tokens)
                self._due_us = min(self._due_us, end_us + MINUTE_US)

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
        burst_us, minute_us, hour_us = self._leave_us
        frees_us = (
            burst_us - now_us if burst_us else 0,
            minute_us - now_us if minute_us else 0,
            hour_us - now_us if hour_us else 0,
        )
        burst, minute, hour = self._counts
        ends, blocked_us = self._ends, self.blocked_until_us
        tokens_free_us = ends[0] + MINUTE_US - now_us if ends else 0
        rest_us = blocked_us - now_us if blocked_us > now_us else 0
        return Gauge((burst, minute, hour), frees_us, self.used, self.held, tokens_free_us, rest_us)

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
