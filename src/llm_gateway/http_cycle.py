"""One request and its response on a client connection (`http_protocol`), as ASGI and a handler of ours see them."""

import asyncio
from collections.abc import Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, Protocol

HIGH_WATER_BYTES: Final = 64 << 10
"""Of a body that nobody has asked for yet; the socket is not read beyond."""
STATUS_LINES: Final[dict[int, bytes]] = {int(status): b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_BODILESS: Final = frozenset({204, 304})

Message = MutableMapping[str, Any]
NO_SCOPE: Final[Message] = {}
"""What a cycle has for a scope when its request is over. The scope knows its cycle: were the cycle to keep it, each request would stay in
memory, with all that was made of it, until the cycle collector comes by, and the next ones would find no memory that is still warm."""


class Connection(Protocol):
    """What carries a cycle."""

    loop: asyncio.AbstractEventLoop
    lost: bool
    is_reading: bool
    paused: asyncio.Future[None] | None
    """Done when the caller has read what was written; None: it has."""

    def write(self, data: bytes) -> None: ...
    def write_soon(self, data: bytes) -> None: ...
    async def writable(self) -> None: ...
    def usual_headers(self) -> tuple[bytes, int]: ...
    def usual_beginning(self) -> bytes: ...
    def resume_reading(self) -> None: ...
    def done(self, cycle: "Cycle") -> None: ...
    def cancel(self, cycle: "Cycle") -> None: ...


class Cycle:
    """One request and its response: `receive` and `send` of ASGI, and what a handler may know of its connection (`Connection`)."""

    __slots__ = (
        "_asked", "_body", "_connection", "_framing", "_given", "_head", "_left", "accepted_s", "answered", "arrived",
        "keeps_alive", "left", "on_lost", "scope", "started", "waiter",
    )  # fmt: skip

    def __init__(self, connection: Connection, scope: Message, accepted_s: float, keeps_alive: bool, body: bytes | None = None) -> None:
        self._connection = connection
        self.scope = scope
        self.accepted_s = accepted_s
        """Monotonic seconds at which the request's first byte was parsed."""
        self.on_lost: Callable[[], object] | None = None
        self.left = False
        """Whether `cancel` was called."""
        self.keeps_alive = keeps_alive
        self.arrived = body is not None
        """Whether the whole request is here."""
        self.answered = False
        """Whether the whole response was written."""
        self.started = False
        self._asked = False
        self._body: bytes | bytearray = body or b""
        self._given = False
        self.waiter: asyncio.Future[None] | None = None
        self._head = b""
        self._framing = ""

    def feed(self, data: bytes) -> bool:
        """The next bytes of the body. Whether there are more than somebody has asked for."""
        if self.answered:  # nobody will read it
            return False
        if not self._body:
            self._body = data
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += data
        if self.waiter is not None:
            self.wake()
        return len(self._body) > HIGH_WATER_BYTES

    def wake(self) -> None:
        """Something has changed for whoever waits in `receive`."""
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def cancel(self) -> None:
        """Cancel the task that serves this request: nobody waits for it."""
        self.left = True
        self._connection.cancel(self)

    def whole_body(self) -> bytes | None:
        """The body, if all of it has come and nobody has asked for it yet; else None, and `receive` gives it."""
        if not self.arrived or self._given or self._connection.lost:
            return None
        self._given = True
        body, self._body = self._body, b""
        if not self._connection.is_reading:
            self._connection.resume_reading()
        return bytes(body)

    async def receive(self) -> Message:
        """ASGI: what has come of the body, or that there is nobody any more."""
        connection = self._connection
        asked, self._asked = self._asked, True
        while True:
            if connection.lost or self.answered:
                return {"type": "http.disconnect"}
            if not self._given and (self._body or self.arrived):
                body, self._body = bytes(self._body), b""
                self._given = self.arrived
                connection.resume_reading()
                return {"type": "http.request", "body": body, "more_body": not self.arrived}
            if not (asked or self.started) and _waits_to_be_asked(self.scope):
                connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            asked = True
            self.waiter = connection.loop.create_future()
            await self.waiter

    def answer(self, lines: str, body: bytes) -> bool:
        """Send a whole 200 response; `lines` are its headers but the length, each ended by CRLF, with no other line break.

        False: not now, or not to this request; nothing was sent, and `send` does it.
        """
        connection = self._connection
        if self.started or connection.paused is not None or self.scope["method"] == "HEAD":
            return False
        if not connection.lost:
            self.started = self.answered = True
            ending = "" if self.keeps_alive else "connection: close\r\n"
            head = f"{lines}{ending}content-length: {len(body)}\r\n\r\n"
            connection.write_soon(b"".join((connection.usual_beginning(), head.encode(), body)))
            connection.done(self)
        return True

    async def send(self, message: Message) -> None:
        """ASGI: the next part of the response.

        Raises:
            RuntimeError: the application's messages make no HTTP response.
        """
        connection = self._connection
        if connection.paused is not None:
            await connection.writable()
        if connection.lost:
            return
        if message["type"] == "http.response.start":
            self._begin(message["status"], message.get("headers", []))
        else:
            self._write(message.get("body", b""), message.get("more_body", False))

    def _begin(self, status: int, headers: "list[tuple[bytes, bytes]]") -> None:
        if self.started:
            raise RuntimeError("a response was begun twice")
        self.started = True
        length: bytes | None = None
        usual, lines = self._connection.usual_headers()
        lines += 2  # the status and the empty one
        head = [STATUS_LINES[status] if status in STATUS_LINES else b"HTTP/1.1 %d \r\n" % status, usual]
        for name, value in headers:
            if name == b"content-length":
                length = value
            elif name == b"connection":  # ours to say
                self.keeps_alive = self.keeps_alive and b"close" not in value.lower()
                continue
            head += (name, b": ", value, b"\r\n")
            lines += 1
        if not self.keeps_alive:
            head.append(b"connection: close\r\n")
            lines += 1
        if status in _BODILESS or self.scope["method"] == "HEAD":
            self._framing = "none"
        elif length is not None:
            self._framing = "length"
            self._left = int(length)
        elif self.scope["http_version"] == "1.0":
            self._framing, self.keeps_alive = "close", False
        else:
            self._framing = "chunked"
            head.append(b"transfer-encoding: chunked\r\n")
            lines += 1
        head.append(b"\r\n")
        whole = b"".join(head)
        # A line break in a name or value would begin a header, or a response, of somebody else's making.
        if not whole.count(b"\r") == whole.count(b"\n") == lines:
            raise RuntimeError("a response header has a line break in it")
        if self._framing in {"length", "none"}:  # leaves with the body
            self._head = whole
        else:
            self._connection.write(whole)

    def _write(self, body: bytes, more: bool) -> None:
        if not self.started or self.answered:
            raise RuntimeError("a body outside of a response")
        framing = self._framing
        if framing == "length":
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("a body of another length than its content-length says")
        elif framing == "chunked":
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if not more:
                body += b"0\r\n\r\n"
        elif framing == "none":
            body = b""
        head, self._head = self._head, b""
        if head or body:
            self._connection.write(head + body)
        if not more:
            self.answered = True
            self.wake()
            self._connection.done(self)


def _waits_to_be_asked(scope: Message) -> bool:
    """Whether the caller sends its body when it is told to."""
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])
