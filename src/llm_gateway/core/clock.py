"""Time as a port: the gateway asks, tests set."""

import time
from typing import Protocol


class Clock(Protocol):
    """`monotonic_s` for durations and deadlines, `wall_s` (Unix seconds, UTC) for stamps people read."""

    def monotonic_s(self) -> float: ...
    def wall_s(self) -> float: ...


class SystemClock:
    """The machine's clock."""

    monotonic_s = staticmethod(time.monotonic)
    wall_s = staticmethod(time.time)
