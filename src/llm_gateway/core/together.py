"""Lets what is written to many connections in one turn of the event loop leave in one go.

A write wakes the process that reads, which costs more than the write where it sleeps; written one right after the other, many are taken
up by one wake-up, and what serves calls is not thrown out of the processor's caches between them.
"""

from collections.abc import Callable
from typing import ClassVar, Protocol


class Loop(Protocol):
    """The event loop. uvloop's time stands still during a turn."""

    def time(self) -> float: ...
    def call_soon(self, callback: Callable[[], object], /) -> object: ...


class Sender(Protocol):
    """A connection that keeps what it is to write."""

    def send_now(self) -> None:
        """Write it, if it is still to be written. Raises nothing."""
        ...


class Together:
    """Who writes in this turn of a loop."""

    __slots__ = ("_loop", "_turn_s", "_waiting")
    _last: ClassVar["Together | None"] = None

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._turn_s = float("-inf")
        """When somebody has written at once, by the loop's time."""
        self._waiting: list[Sender] = []

    @classmethod
    def on(cls, loop: Loop) -> "Together":
        """The one of a loop: a process has one, and should there be more, they do not wait for each other."""
        known = cls._last
        if known is None or known._loop is not loop:
            known = Together._last = Together(loop)
        return known

    def joins(self, sender: Sender) -> bool:
        """Whether `sender` is asked to `send_now` a moment later, with others. False: it is the first in this turn, and writes at once."""
        waiting = self._waiting
        if not waiting:
            now_s = self._loop.time()
            if now_s != self._turn_s:
                self._turn_s = now_s
                return False
            self._loop.call_soon(self._send)
        waiting.append(sender)
        return True

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for sender in waiting:
            sender.send_now()
