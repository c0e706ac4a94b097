"""Server-sent events and newline-delimited JSON, cut at any byte.

Source: the WHATWG HTML standard, "Server-sent events": lines end in LF, CR or CRLF; `data` lines of one event are
joined by LF; a line that starts with a colon is a comment; an event ends at an empty line.
"""

from llm_gateway.core.errors import ProviderBadResponse


class SseEvent:
    """One event. `raw` is its exact bytes, the empty line included."""

    __slots__ = ("data", "event", "raw")

    def __init__(self, event: str, data: bytes, raw: bytes) -> None:
        self.event = event
        self.data = data
        self.raw = raw


class SseParser:
    """Splits a byte stream into events. Comments and events without data give nothing.

    Raises `ProviderBadResponse` when one event exceeds `max_event_bytes`.
    """

    def __init__(self, max_event_bytes: int = 8 << 20) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._max_event_bytes = max_event_bytes

    def feed(self, data: bytes) -> list[SseEvent]:
        if not self._buffer and b"\r" not in data:
            return self._feed_unbuffered(data)
        self._buffer += data
        if b"\r" in data or (self._buffer and b"\r" in self._buffer):
            return self._feed_any_newline()
        events: list[SseEvent] = []
        start = 0
        while (end := self._buffer.find(b"\n\n", max(start, self._scanned - 1))) >= 0:
            event = _event(bytes(self._buffer[start : end + 2]))
            if event is not None:
                events.append(event)
            start = end + 2
            self._scanned = start
        return self._keep(events, start)

    def _feed_unbuffered(self, data: bytes) -> list[SseEvent]:
        """The usual case: events arrive whole, and only what is left over is copied."""
        events: list[SseEvent] = []
        start = 0
        while (end := data.find(b"\n\n", start) + 2) > 1:
            event = _event(data[start:end])
            if event is not None:
                events.append(event)
            start = end
        if start == len(data):
            self._scanned = 0
            return events
        self._buffer += data[start:]
        return self._keep(events, 0)

    def _feed_any_newline(self) -> list[SseEvent]:
        """The rare servers that end lines in CR or CRLF. A CR at the very end waits: its LF may follow."""
        events: list[SseEvent] = []
        start, line_start, index, size = 0, 0, 0, len(self._buffer)
        while index < size:
            byte = self._buffer[index]
            if byte not in (10, 13):
                index += 1
                continue
            if byte == 13 and index + 1 == size:
                break
            width = 2 if byte == 13 and self._buffer[index + 1] == 10 else 1
            if index == line_start:
                event = _event(bytes(self._buffer[start : index + width]))
                if event is not None:
                    events.append(event)
                start = index + width
            index += width
            line_start = index
        return self._keep(events, start)

    def _keep(self, events: list[SseEvent], start: int) -> list[SseEvent]:
        del self._buffer[:start]
        self._scanned = len(self._buffer)
        if self._scanned > self._max_event_bytes:
            raise ProviderBadResponse(f"the provider sent an event of over {self._max_event_bytes} bytes")
        return events

    def finish(self) -> list[SseEvent]:
        """The stream has ended: an event whose last line ending was a lone CR is complete now."""
        return self.feed(b"\n") if self._buffer.endswith(b"\r") else []

    @property
    def pending(self) -> bool:
        """Whether bytes of an unfinished event are held."""
        return bool(self._buffer.strip())


def _event(raw: bytes) -> SseEvent | None:
    # Nearly every event is one `data` line: read without taking it apart.
    if raw.startswith(b"data: ") and raw.find(b"\n", 6) == len(raw) - 2 and b"\r" not in raw:
        return SseEvent("", raw[6:-2], raw)
    name, data = "", []
    for line in raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return SseEvent(name, b"\n".join(data), raw) if data else None


class LineParser:
    """Splits a byte stream into lines without their ending; empty ones are dropped.

    Raises `ProviderBadResponse` when one line exceeds `max_line_bytes`.
    """

    def __init__(self, max_line_bytes: int = 8 << 20) -> None:
        self._buffer = bytearray()
        self._max_line_bytes = max_line_bytes

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        lines: list[bytes] = []
        if b"\n" in data:
            *lines, rest = bytes(self._buffer).split(b"\n")
            self._buffer = bytearray(rest)
        if len(self._buffer) > self._max_line_bytes:
            raise ProviderBadResponse(f"the provider sent a line of over {self._max_line_bytes} bytes")
        return [line for line in (line.rstrip(b"\r") for line in lines) if line]

    def finish(self) -> list[bytes]:
        """What stands after the last line ending."""
        rest = bytes(self._buffer).strip()
        self._buffer.clear()
        return [rest] if rest else []
