"""The brake on guessing: how often an address may fail to identify itself. Pure: the time comes in."""

import ipaddress
from collections import OrderedDict, deque


class FailureLimiter:
    """Counts failures by address over a sliding window.

    `limit` failures within `window_s` block an address until the first of them is that old; what it tries meanwhile is
    not counted, so that a block ends. At most `max_addresses` are remembered; the one longest without a failure is
    forgotten first. An IPv6 address counts as its /64, which is what one subscriber gets.
    """

    def __init__(self, limit: int, window_s: float, max_addresses: int) -> None:
        self._limit = limit
        self._window_s = window_s
        self._max_addresses = max_addresses
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def blocked_s(self, address: str, now_s: float) -> float | None:
        """Seconds until the address may try again; None: now."""
        times = self._failures.get(_subscriber(address)) if self._failures else None
        if times is None or len(times) < self._limit:
            return None
        left_s = times[0] + self._window_s - now_s
        return left_s if left_s > 0 else None

    def note(self, address: str, now_s: float) -> None:
        """The address failed."""
        subscriber = _subscriber(address)
        times = self._failures.get(subscriber)
        if times is None:
            if len(self._failures) >= self._max_addresses:
                self._failures.popitem(last=False)
            times = self._failures[subscriber] = deque(maxlen=self._limit)
        else:
            self._failures.move_to_end(subscriber)
        times.append(now_s)


def _subscriber(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
