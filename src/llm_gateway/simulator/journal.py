"""What the simulator saw and charged: the other side's records, for an auditor who trusts nobody."""

import base64
from collections import deque
from typing import Literal

import msgspec

from llm_gateway.simulator.exchange import Bill, Kind, Request

Outcome = Literal["open", "answered", "reset", "closed", "cut", "client_left", "stopped"]


class Entry(msgspec.Struct):
    """One request and what became of it.

    `outcome`: open (not over yet), answered, reset or closed or cut (by a fault), client_left (before the whole answer was
    written), stopped (the listener was closed). `chunks_sent` counts frames written, `bytes_sent` all bytes of the answer
    with its head. Times are Unix seconds.
    """

    request: Request
    status: int = 0
    outcome: Outcome = "open"
    chunks_sent: int = 0
    bytes_sent: int = 0
    finished_at_s: float | None = None
    fault: str = ""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0

    def shown(self) -> dict[str, object]:
        """The entry as the control API gives it."""
        request = self.request
        return {
            "number": request.number,
            "kind": request.kind,
            "method": request.method,
            "path": request.target,
            "headers": request.headers,
            "body": base64.b64encode(request.body).decode(),
            "received_at_s": request.received_at_s,
            "finished_at_s": self.finished_at_s,
            "status": self.status,
            "outcome": self.outcome,
            "client_left": self.outcome == "client_left",
            "chunks_sent": self.chunks_sent,
            "bytes_sent": self.bytes_sent,
            "fault": self.fault,
            "model": self.model,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        }


class Totals(msgspec.Struct):
    """Sums of one model of one kind. `errors` are answers of 400 and more, `aborted` those that did not come to their end."""

    requests: int = 0
    errors: int = 0
    aborted: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


class Journal:
    """The log, bounded in entries and in bytes of request bodies, and the ledger, which is complete."""

    def __init__(self, most_entries: int, most_bytes: int) -> None:
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self.dropped = 0
        self.received: dict[Kind, int] = {}
        self.totals: dict[Kind, dict[str, Totals]] = {}

    def open(self, request: Request) -> Entry:
        """Notes a request as it comes in."""
        entry = Entry(request)
        self.received[request.kind] = self.received.get(request.kind, 0) + 1
        if self._most_entries:
            self._entries.append(entry)
            self._bytes += len(request.body)
            while len(self._entries) > self._most_entries or (self._bytes > self._most_bytes and len(self._entries) > 1):
                self._bytes -= len(self._entries.popleft().request.body)
                self.dropped += 1
        return entry

    def close(self, entry: Entry, outcome: Outcome, bill: Bill | None, output_tokens: int | None, now_s: float) -> None:
        """Notes the end. `output_tokens` replaces the bill's when only a part went out; no bill, no charge."""
        entry.outcome = outcome
        entry.finished_at_s = now_s
        models = self.totals.setdefault(entry.request.kind, {})
        name = bill.model if bill is not None else ""
        totals = models.get(name)
        if totals is None:
            totals = models[name] = Totals()
        totals.requests += 1
        totals.errors += entry.status >= 400
        totals.aborted += outcome != "answered"
        if bill is None:
            return
        charged = bill.output_tokens if output_tokens is None else output_tokens
        totals.input_tokens += bill.input_tokens
        totals.output_tokens += charged
        totals.cache_read_tokens += bill.cache_read_tokens
        totals.cache_write_tokens += bill.cache_write_tokens
        totals.reasoning_tokens += min(bill.reasoning_tokens, charged)
        entry.model, entry.input_tokens, entry.output_tokens = bill.model, bill.input_tokens, charged

    def entries(self, kind: str = "", since: int = 0) -> list[Entry]:
        """Entries in the order in which they came, of one kind, with a number above `since`."""
        return [entry for entry in self._entries if kind in ("", entry.request.kind) and entry.request.number > since]

    def clear(self) -> None:
        """Empties log and ledger; requests still open are closed into the new one."""
        self._entries.clear()
        self._bytes = self.dropped = 0
        self.received.clear()
        self.totals.clear()
