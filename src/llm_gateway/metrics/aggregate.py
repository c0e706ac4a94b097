"""What many requests add up to. Aggregates of minutes, of processes, of machines merge into one of the same kind.

The sets of labels are closed: operations, error types and cache states are the gateway's own words, providers come from the
configuration, and a model that is nobody's listed one counts as `other`.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from llm_gateway.metrics.sketch import Sketch, counts

OTHER: Final = "other"
"""Stands for every model that no provider lists: callers choose their names."""
NOBODY: Final = ""
"""The provider of requests that nobody answered."""
LEFT: Final = "client_closed_request"
"""The error type of a caller who went away: a request, and nobody's error."""
MOST: Final = 2**62
HITS: Final = frozenset({"hit", "semantic"})

RequestKey = tuple[str, str, str]
"""Operation, provider, model."""
AttemptKey = tuple[str, str, str, str]
"""Operation, provider, model, outcome (`ok`, `cancelled`, an error type)."""


class RequestCell(msgspec.Struct, array_like=True):
    """Requests of one operation that one provider's model answered. `outcomes` by error type, "" for those that went well.

    `served_errors` failed by our or a provider's fault; `overhead` is the time in which neither an upstream nor a place at
    one was waited for, `first` the time to the first content of a stream.
    """

    requests: int = 0
    served_errors: int = 0
    sensitive: int = 0
    unpriced: int = 0
    outcomes: dict[str, int] = msgspec.field(default_factory=dict)
    cache: dict[str, int] = msgspec.field(default_factory=dict)
    total: Sketch = msgspec.field(default_factory=Sketch)
    first: Sketch = msgspec.field(default_factory=Sketch)
    queue: Sketch = msgspec.field(default_factory=Sketch)
    overhead: Sketch = msgspec.field(default_factory=Sketch)

    def merge(self, other: "RequestCell") -> None:
        self.requests += other.requests
        self.served_errors += other.served_errors
        self.sensitive += other.sensitive
        self.unpriced += other.unpriced
        _add(self.outcomes, other.outcomes)
        _add(self.cache, other.cache)
        self.total.merge(other.total)
        self.first.merge(other.first)
        self.queue.merge(other.queue)
        self.overhead.merge(other.overhead)

    @property
    def answered(self) -> int:
        return self.outcomes.get("", 0)

    @property
    def hits(self) -> int:
        return sum(self.cache.get(state, 0) for state in HITS)

    @property
    def cacheable(self) -> int:
        """Requests that the cache was asked about."""
        return sum(count for state, count in self.cache.items() if state != "bypass")


class AttemptCell(msgspec.Struct, array_like=True):
    """Calls of one provider's model, as the ledger counts them: those whose bytes left. `speed` is in output tokens a second."""

    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_pico_usd: int = 0
    unpriced: int = 0
    estimated: int = 0
    duration: Sketch = msgspec.field(default_factory=Sketch)
    first: Sketch = msgspec.field(default_factory=Sketch)
    speed: Sketch = msgspec.field(default_factory=counts)
    input_sizes: Sketch = msgspec.field(default_factory=counts)
    output_sizes: Sketch = msgspec.field(default_factory=counts)

    def merge(self, other: "AttemptCell") -> None:
        self.attempts += other.attempts
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cache_read_tokens += other.cache_read_tokens
        self.cache_write_tokens += other.cache_write_tokens
        self.reasoning_tokens += other.reasoning_tokens
        self.cost_pico_usd += other.cost_pico_usd
        self.unpriced += other.unpriced
        self.estimated += other.estimated
        self.duration.merge(other.duration)
        self.first.merge(other.first)
        self.speed.merge(other.speed)
        self.input_sizes.merge(other.input_sizes)
        self.output_sizes.merge(other.output_sizes)

    def cap(self) -> None:
        """Let no sum be more than `MOST`."""
        self.input_tokens, self.output_tokens = min(self.input_tokens, MOST), min(self.output_tokens, MOST)
        self.cache_read_tokens, self.cache_write_tokens = min(self.cache_read_tokens, MOST), min(self.cache_write_tokens, MOST)
        self.reasoning_tokens, self.cost_pico_usd = min(self.reasoning_tokens, MOST), min(self.cost_pico_usd, MOST)


class Aggregate(msgspec.Struct, array_like=True):
    """Everything that is counted, over some time and some processes.

    `available_s` of the `observed_s` seconds some provider could answer. `lag` is how late the event loop ran what was due.
    `since_s` (Unix seconds) is when counting began, `in_flight` the requests that ran when this was taken; `lost_rows` are
    records of requests that could not be kept.
    """

    since_s: float = 0.0
    requests: dict[RequestKey, RequestCell] = msgspec.field(default_factory=dict)
    attempts: dict[AttemptKey, AttemptCell] = msgspec.field(default_factory=dict)
    lag: Sketch = msgspec.field(default_factory=Sketch)
    available_s: float = 0.0
    observed_s: float = 0.0
    in_flight: int = 0
    lost_rows: int = 0

    def request_cell(self, key: RequestKey) -> RequestCell:
        cell = self.requests.get(key)
        if cell is None:
            cell = self.requests[key] = RequestCell()
        return cell

    def attempt_cell(self, key: AttemptKey) -> AttemptCell:
        cell = self.attempts.get(key)
        if cell is None:
            cell = self.attempts[key] = AttemptCell()
        return cell

    def merge(self, other: "Aggregate") -> None:
        """Take in another's figures. The later of two `in_flight` is not known: they add up, as for two processes."""
        self.since_s = min(self.since_s or other.since_s, other.since_s or self.since_s)
        for request_key, request_cell in other.requests.items():
            self.request_cell(request_key).merge(request_cell)
        for attempt_key, attempt_cell in other.attempts.items():
            self.attempt_cell(attempt_key).merge(attempt_cell)
        self.lag.merge(other.lag)
        self.available_s += other.available_s
        self.observed_s += other.observed_s
        self.in_flight += other.in_flight
        self.lost_rows += other.lost_rows

    def totals(self) -> "Totals":
        """The sums over all labels."""
        request, attempt = RequestCell(), AttemptCell()
        for request_cell in self.requests.values():
            request.merge(request_cell)
        for attempt_cell in self.attempts.values():
            attempt.merge(attempt_cell)
        return Totals(request, attempt)

    def pack(self) -> bytes:
        """As `unpack` reads it. A sum that is too large to be written, for a provider may report anything, ends at `MOST`."""
        try:
            return _encode(self)
        except OverflowError:
            for cell in self.attempts.values():
                cell.cap()
            return _encode(self)


class Totals(msgspec.Struct):
    """An aggregate without its labels."""

    request: RequestCell
    attempt: AttemptCell


def unpack(data: bytes) -> Aggregate:
    """What `pack` made.

    Raises:
        msgspec.ValidationError: it is none of ours.
    """
    return _decoder.decode(data)


def merged(aggregates: Iterable[Aggregate]) -> Aggregate:
    """All of them in one."""
    whole = Aggregate()
    for each in aggregates:
        whole.merge(each)
    return whole


def _add(into: dict[str, int], counted: dict[str, int]) -> None:
    for name, count in counted.items():
        into[name] = into.get(name, 0) + count


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Aggregate)
