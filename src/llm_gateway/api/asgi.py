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
"""Key of `scope["extensions"]` under which our server puts a `LostCallback`."""


class LostCallback(Protocol):
    """The server's word on a connection: assign `on_lost` to hear of the caller leaving."""

    accepted_s: float
    on_lost: Callable[[], object] | None


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that lower-case name, decoded as Latin-1; None when absent."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return None


async def read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    """The request's body.

    Raises:
        RequestTooLarge: it has, or says it has, more than `max_bytes`; the rest is not read.
        InvalidRequest: it is compressed, which is not accepted.
        ClientClosedRequest: the caller left before sending all of it.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > max_bytes:
            raise _too_large(max_bytes)
        if name == b"content-encoding" and value.lower() != b"identity":
            raise InvalidRequest("send the body uncompressed: content-encoding is not accepted", param="content-encoding")
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        return body
    pieces = bytearray()
    while message["type"] == "http.request":
        pieces += message.get("body", b"")
        if len(pieces) > max_bytes:
            raise _too_large(max_bytes)
        if not message.get("more_body"):
            return bytes(pieces)
        message = await receive()
    raise ClientClosedRequest("the caller left before the body was complete")


def _too_large(max_bytes: int) -> RequestTooLarge:
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


class CallerWatch:
    """Cancels the running task when the caller goes away: with the server's help, or by listening to `receive`.

    Use it as a context around the work; `left` tells a caller's leaving from any other cancellation.
    """

    __slots__ = ("_connection", "_listener", "_receive", "_task", "left")

    def __init__(self, connection: LostCallback | None, receive: Receive) -> None:
        self._connection = connection
        self._receive = receive
        self._listener: asyncio.Task[None] | None = None
        self.left = False

    def __enter__(self) -> "CallerWatch":
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("CallerWatch needs a running task")
        self._task = task
        if self._connection is not None:
            self._connection.on_lost = self._lost
        else:
            self._listener = asyncio.ensure_future(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.on_lost = None
        if self._listener is not None:
            self._listener.cancel()

    def _lost(self) -> None:
        self.left = True
        self._task.cancel()

    async def _listen(self) -> None:
        message = await self._receive()
        while message["type"] != "http.disconnect":
            message = await self._receive()
        self._lost()
