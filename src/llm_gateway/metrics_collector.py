"""Counts every call once, when it is over, whatever became of it.

While a call runs, this costs an addition and an append. What the call was is read off its exchange a moment later, a few calls
at a time, when nobody waits for it; the sums are made when somebody wants them, or there is enough to add up.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Final

import structlog

from llm_gateway.core.clock import Clock
from llm_gateway.core.exchange import Exchange, Next, Reply
from llm_gateway.core.routing import Target
from llm_gateway.logs import correlation_id as logged_id
from llm_gateway.metrics import counting
from llm_gateway.metrics.aggregate import Aggregate, merged
from llm_gateway.metrics.facts import facts_of
from llm_gateway.metrics.recorder import Recorder
from llm_gateway.metrics.records import Grounds, Row
from llm_gateway.metrics.summary import Summary, summary_of

_log = structlog.get_logger(__name__)
FOLD_AFTER_S: Final = 0.002
"""Soon: what a call was is still in the processor's caches then, and its memory is there for the next calls."""
FOLD_AT_ONCE: Final = 32
"""Calls that are read off in one turn of the event loop: others wait for it."""
LAG_EVERY_S: Final = 0.25
LISTED_FOR_S: Final = 5.0
"""How long the list of known models is used before it is asked for again."""
MAX_ROWS: Final = 20_000
"""Records that wait for the database; beyond that the oldest are given up, and counted as lost."""
MINUTE_S: Final = 60
MOST_NOTED: Final = 256
"""Calls that are added up at once."""

Ended = Callable[[Sequence[tuple[Exchange, float]]], None]
"""Told of calls that are over, and when they ended (monotonic seconds), when nobody waits for it."""


class MetricsCollector:
    """The stage, and this process's figures. One for each process; it belongs to the event loop.

    `recorder` makes the records of requests (None: none are kept), `process` is this process's name in them. `listed` gives the models
    that providers list; only these are told apart.
    """

    def __init__(
        self,
        clock: Clock,
        recorder: Recorder | None = None,
        process: str = "",
        listed: Callable[[], Iterable[Target]] = tuple,
    ) -> None:
        self._clock = clock
        self._recorder = recorder
        self.process = process
        self.listed = listed
        self.started_s = clock.monotonic_s()
        self.in_flight = 0
        self.rows: deque[Row] = deque()
        """Records that are not stored yet."""
        self.grounds: deque[Grounds] = recorder.grounds if recorder is not None else deque()
        """What they rest on, where that is not stored yet."""
        self.minutes: dict[int, Aggregate] = {}
        """What was counted in the minutes that are not stored for good yet, by their beginning (Unix seconds)."""
        self.ended: list[Ended] = []
        self._past = Aggregate(since_s=clock.wall_s())
        self._number = 0
        self._open_s = 0
        """No minute that began earlier takes anything more."""
        self._tape = counting.Tape()
        self._taped_s = 0.0
        """The minute that the calls on the tape ended in, by its beginning (Unix seconds)."""
        self._pending: deque[tuple[Exchange, float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._lag_timer: asyncio.TimerHandle | None = None
        self._listed: frozenset[tuple[str, str]] = frozenset()
        self._listed_until_s = float("-inf")
        self._idle: asyncio.Event | None = None
        """Somebody waits for the end of the last call."""
        self._last_availability: tuple[float, bool] | None = None

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[Reply]:
        self.in_flight += 1
        logged_id.set(exchange.correlation_id)
        exchange.at_end(partial(self._count, exchange))
        return call_next(exchange)

    async def all_ended(self, within_s: float) -> None:
        """Wait until no call is in flight, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.in_flight:
                    self._idle = self._idle or asyncio.Event()
                    await self._idle.wait()

    def _count(self, exchange: Exchange) -> None:
        self.in_flight -= 1
        if self._idle is not None and not self.in_flight:
            self._idle.set()
            self._idle = None
        self._pending.append((exchange, self._clock.monotonic_s()))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FOLD_AFTER_S, self._fold_some)

    def _fold_some(self) -> None:
        self._read_off(FOLD_AT_ONCE)
        self._timer = asyncio.get_running_loop().call_later(0, self._fold_some) if self._pending else None

    def fold_all(self) -> None:
        """Read off every call that is over, and add them up."""
        self._read_off(len(self._pending))
        self._settle()

    def _read_off(self, most: int) -> None:
        now_s, wall_s, pending = self._clock.monotonic_s(), self._clock.wall_s(), self._pending
        fold, shift_s = self._fold, wall_s - now_s
        if now_s >= self._listed_until_s:
            self._listed = frozenset((target.provider, target.model) for target in self.listed())
            self._listed_until_s = now_s + LISTED_FOR_S
        over = [pending.popleft() for _ in range(min(most, len(pending)))]
        for exchange, ended_s in over:
            try:
                fold(exchange, ended_s, shift_s)
            except Exception:  # whatever is odd about one call, the others are counted
                self.now.lost_rows += 1
                over = [other for other in over if other[0] is not exchange]
                _log.exception("a finished call could not be counted in full", correlation_id=exchange.correlation_id)
        while len(self.rows) > MAX_ROWS:
            self.rows.popleft()
            self.now.lost_rows += 1
        if self._tape.length >= MOST_NOTED:
            self._settle()
        if over:
            for tell in self.ended:
                tell(over)

    def _fold(self, exchange: Exchange, ended_s: float, shift_s: float) -> None:
        facts, ended_wall_s = facts_of(exchange, ended_s), ended_s + shift_s
        if not self._taped_s <= ended_wall_s < self._taped_s + MINUTE_S:
            self._settle()
            self._taped_s = ended_wall_s // MINUTE_S * MINUTE_S
        self._tape.note(exchange, facts)
        if self._recorder is not None:
            self._number += 1
            at_us = int((exchange.received_s + shift_s) * 1_000_000)
            self.rows.append(self._recorder.row(exchange, facts, (self.process, self._number), at_us))

    def _settle(self) -> None:
        if self._tape.length:
            self._tape.settle(self._minute(self._taped_s), self._listed)

    @property
    def now(self) -> Aggregate:
        """The aggregate of this minute."""
        return self._minute(self._clock.wall_s())

    def _minute(self, wall_s: float) -> Aggregate:
        start_s = max(int(wall_s // MINUTE_S) * MINUTE_S, self._open_s)
        minute = self.minutes.get(start_s)
        if minute is None:
            minute = self.minutes[start_s] = Aggregate(since_s=start_s)
        return minute

    def close_minutes(self, before_s: float) -> None:
        """Let go of the minutes that began before that time: they are stored. What comes too late for one counts in the next."""
        self._open_s = max(self._open_s, -int(-before_s // MINUTE_S) * MINUTE_S)
        for start_s in [start_s for start_s in self.minutes if start_s < before_s]:
            minute = self.minutes.pop(start_s)
            minute.since_s = self._past.since_s
            self._past.merge(minute)

    def total(self) -> Aggregate:
        """Everything that this process has counted."""
        whole = merged((self._past, *self.minutes.values()))
        whole.since_s = self._past.since_s
        whole.in_flight = self.in_flight
        return whole

    def begin_anew(self, process: str) -> None:
        """Count from 0 under another name: what was counted is kept elsewhere."""
        self.process = process
        self._past = Aggregate(since_s=self._clock.wall_s())
        self.minutes.clear()

    def observe_availability(self, *, available: bool) -> None:
        """Note whether any provider can answer now; the time since the last note counts as what was noted then."""
        now_s = self._clock.monotonic_s()
        if self._last_availability is not None:
            since_s, was_available = self._last_availability
            minute = self.now
            minute.observed_s += now_s - since_s
            minute.available_s += (now_s - since_s) * was_available
        self._last_availability = (now_s, available)

    def observe_again(self) -> None:
        """Count the time since the last note of availability, as what was noted then."""
        if self._last_availability is not None:
            self.observe_availability(available=self._last_availability[1])

    def watch_loop(self) -> None:
        """Begin to measure how late the event loop runs what is due, several times a second, until `stop_watching`."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + LAG_EVERY_S

        def tick() -> None:
            self.now.lag.add(loop.time() - due_s)
            self.watch_loop()

        self._lag_timer = loop.call_at(due_s, tick)

    def stop_watching(self) -> None:
        """Stop the timers, and read off what is left."""
        for timer in (self._lag_timer, self._timer):
            if timer is not None:
                timer.cancel()
        self._timer = None
        self.fold_all()

    @property
    def uptime_s(self) -> float:
        return self._clock.monotonic_s() - self.started_s

    def summary(self) -> Summary:
        """The specification's figures, of this process alone."""
        self.fold_all()
        self.observe_again()
        return summary_of(self.total())
