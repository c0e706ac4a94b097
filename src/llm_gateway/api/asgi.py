"""The few ASGI motions that the model-call paths need, without a framework's cost."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from llm_gateway.core.errors import ClientClosedRequest, InvalidRequest, RequestTooLarge

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Handler = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = (b"content-type", b"application/json")
EVENT_STREAM = b"text/event-stream; charset=utf-8"
SSE_COMMENT = b": keep-alive\n\n"
"""An event that says nothing: it breaks a stream's silence."""


CONNECTION = "llm_gateway.connection"
"""Key of `scope["extensions"]` under which our server puts a `Connection`."""
FIELDS = "llm_gateway.fields"
"""Where a scope holds its headers as `fields_of` gives them, behind the list that they were made of."""


class Caller(Protocol):
    """Who waits for an answer: tells when it came, and of its leaving."""

    accepted_s: float
    """Monotonic seconds at which the request came in."""
    left: bool
    """Whether `cancel` was called: tells a caller's leaving from any other cancellation."""

    @property
    def on_lost(self) -> Callable[[], object] | None:
        """Called when the caller goes away."""
        ...

    @on_lost.setter
    def on_lost(self, call: Callable[[], object] | None) -> None: ...

    def cancel(self) -> None:
        """Cancel the task that serves this request, since nobody waits for it any more."""
        ...


class Connection(Caller, Protocol):
    """Our server's side of one request. What it does in one step is ASGI in fewer: only for who has its own `receive` and `send`."""

    async def receive(self) -> MutableMapping[str, Any]: ...
    async def send(self, message: MutableMapping[str, Any]) -> None: ...

    def whole_body(self) -> bytes | None:
        """The body, if all of it has come and nobody has asked for it yet; else None, and `receive` gives it."""
        ...

    def answer(self, lines: str, body: bytes) -> bool:
        """Send a whole 200 response; `lines` are its headers but the length, each ended by CRLF, with no other line break.

        False: not now, or not to this request; nothing was sent, and `send` does it.
        """
        ...


def fields_of(scope: Scope) -> dict[bytes, bytes]:
    """The headers by their lower-case names; of several with one name the first. Not to be changed."""
    headers = scope["headers"]
    found: tuple[object, dict[bytes, bytes]] | None = scope.get(FIELDS)
    if found is None or found[0] is not headers:  # a copy of a scope may have other headers
        found = scope[FIELDS] = (headers, dict(reversed(headers)))
    return found[1]


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that lower-case name, decoded as Latin-1; None when absent."""
    value = fields_of(scope).get(name)
    return None if value is None else value.decode("latin-1")


async def read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    """The request's body.

    Raises:
        RequestTooLarge: it has, or says it has, more than `max_bytes`; the rest is not read.
        InvalidRequest: it is compressed, which is not accepted.
        ClientClosedRequest: the caller left before sending all of it.
    """
    fields = fields_of(scope)
    length = fields.get(b"content-length", b"")
    if length.isdigit() and int(length) > max_bytes:
        raise too_large(max_bytes)
    check_encoding(fields)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > max_bytes:
            raise too_large(max_bytes)
        return body
    pieces = bytearray()
    while message["type"] == "http.request":
        pieces += message.get("body", b"")
        if len(pieces) > max_bytes:
            raise too_large(max_bytes)
        if not message.get("more_body"):
            return bytes(pieces)
        message = await receive()
    raise ClientClosedRequest("the caller left before the body was complete")


def check_encoding(fields: dict[bytes, bytes]) -> None:
    """Refuse a compressed body.

    Raises:
        InvalidRequest: it is one.
    """
    if b"content-encoding" in fields and fields[b"content-encoding"].lower() != b"identity":
        raise InvalidRequest("send the body uncompressed: content-encoding is not accepted", param="content-encoding")


def too_large(max_bytes: int) -> RequestTooLarge:
    """The error for a body that has more bytes than that."""
    return RequestTooLarge(f"the body is larger than {max_bytes} bytes (server.max_body_bytes)")


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A whole response in one go."""
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_LEAF = re.compile(rb"\[\]|\{\}")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def check_depth(body: bytes, max_depth: int) -> None:
    """Refuse a body whose brackets nest deeper than `max_depth`, before it is parsed.

    A body with fewer brackets than that cannot; of any other the bare brackets are taken, and their innermost pairs
    removed level by level, all in C. Unbalanced ones are left for the parser to name.

    Raises:
        InvalidRequest: too deep.
    """
    if b"[" not in body and body.rfind(b"{") <= 0:  # of most bodies
        return
    if body.count(b"[") + body.count(b"{") <= max_depth:
        return
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    for _ in range(max_depth):
        shorter = _LEAF.sub(b"", brackets)
        if len(shorter) == len(brackets):
            return
        brackets = shorter
    if brackets:
        raise InvalidRequest(f"the body nests deeper than {max_depth} levels (server.max_json_depth)", code="too_deep")


def malformed_json(body: bytes) -> InvalidRequest:
    """The error for a body that is not JSON, with the place where it breaks."""
    try:
        json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as failure:
        return InvalidRequest(f"the body is not UTF-8: byte {failure.start} does not fit", code="invalid_utf8")
    except json.JSONDecodeError as failure:
        where = f"line {failure.lineno}, column {failure.colno}"
        return InvalidRequest(f"the body is not JSON: {failure.msg.lower()} at {where}", code="malformed_json")
    except RecursionError:
        return InvalidRequest("the body nests too deeply", code="malformed_json")
    return InvalidRequest("the body is not JSON as its standard (RFC 8259) defines it", code="malformed_json")


class Listener:
    """A caller behind a server that tells of its leaving only to who listens to `receive`."""

    def __init__(self, receive: Receive, accepted_s: float) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a Listener needs a running task")
        self.accepted_s = accepted_s
        self.left = False
        self._receive = receive
        self._task = task
        self._listening: asyncio.Task[None] | None = None
        self._on_lost: Callable[[], object] | None = None

    @property
    def on_lost(self) -> Callable[[], object] | None:
        """Called when the caller goes away. While there is one, somebody listens."""
        return self._on_lost

    @on_lost.setter
    def on_lost(self, call: Callable[[], object] | None) -> None:
        self._on_lost = call
        if self._listening is not None:
            self._listening.cancel()
        self._listening = asyncio.ensure_future(self._listen(call)) if call is not None else None

    def cancel(self) -> None:
        """Cancel the task in which this was made."""
        self.left = True
        self._task.cancel()

    async def _listen(self, call: Callable[[], object]) -> None:
        message = await self._receive()
        while message["type"] != "http.disconnect":
            message = await self._receive()
        call()
