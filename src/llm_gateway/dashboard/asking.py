"""The dashboard asks the API like any client, inside the process: what a page shows is what the endpoint answers the same person."""

import asyncio
from collections.abc import MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from llm_gateway.api.asgi import Receive, Scope, Send
from llm_gateway.core.exchange import Caller
from llm_gateway.dashboard.door import Served

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
PATIENCE_S: Final = 15.0
"""A part of a page that takes longer is left out of it, and says so."""
_KEPT: Final = (b"host", b"user-agent", b"x-forwarded-for", b"forwarded", b"x-forwarded-host", b"x-real-ip", b"via")


class Reply(msgspec.Struct, frozen=True):
    """What an endpoint answered. `document` is {} where there is none to show; `problem` then says why, for people."""

    status: int
    document: dict[str, Any]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_missing(self) -> bool:
        """Whether this gateway has no such endpoint or thing."""
        return self.status in {404, 405}

    @property
    def needs_admin(self) -> bool:
        return self.status in {401, 403}

    @property
    def problem(self) -> str:
        """Why there is no document; "" when there is one."""
        if self.ok:
            return ""
        error = self.document.get("error")
        return str(error.get("message", "")) if isinstance(error, dict) else f"it answered {self.status}"

    def __getitem__(self, name: str) -> Any:
        return self.document[name]


class Api:
    """The API on behalf of one visitor. `caller` None asks like anybody, without a key."""

    def __init__(self, app: Served, scope: Scope, caller: Caller | None) -> None:
        self._app = app
        self._scope = scope
        self._caller = caller

    async def get(self, path: str, **query: object) -> Reply:
        """A document. What is None in the query is left out."""
        return await self.call("GET", path, query=query)

    async def get_patiently(self, path: str, patience_s: float) -> Reply:
        """A document that may take its time to make."""
        return await self.call("GET", path, patience_s=patience_s)

    async def post(self, path: str, body: object) -> Reply:
        """Send a body as JSON."""
        return await self.call("POST", path, body)

    async def call(
        self, method: str, path: str, body: object = None, query: "dict[str, object] | None" = None, patience_s: float = PATIENCE_S
    ) -> Reply:
        """One request, and all of its answer."""
        status, pieces = 0, bytearray()

        async def collect(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                pieces.extend(message.get("body", b""))

        given = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            async with asyncio.timeout(patience_s):
                await self._send(method, path, urlencode(given), b"" if body is None else _encode(body), collect)
        except TimeoutError:
            return Reply(504, {"error": {"message": f"no answer within {patience_s:.0f} s"}})
        try:
            document = _decode(bytes(pieces)) if pieces else {}
        except msgspec.MsgspecError:
            document = {}
        return Reply(status, document if isinstance(document, dict) else {"items": document})

    async def stream(self, path: str, body: object, send: Send) -> None:
        """Send a body as JSON, and pass the answer on as it comes. A visitor who goes away ends the call."""
        await self._send("POST", path, "", _encode(body), send, watched=True)

    async def _send(self, method: str, path: str, query: str, body: bytes, send: Send, *, watched: bool = False) -> None:
        with self._token() as token:
            headers = [(name, value) for name, value in self._scope["headers"] if name in _KEPT]
            headers += [(b"authorization", f"Bearer {token}".encode())] if token else []
            headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            scope: Scope = {
                **self._scope,
                "method": method,
                "path": path,
                "raw_path": quote(path).encode(),
                "query_string": query.encode(),
                "headers": headers,
                "state": {},
                "extensions": self._scope.get("extensions", {}) if watched else {},
            }
            await self._app(scope, _once(body), send)

    def _token(self) -> AbstractContextManager[str]:
        return nullcontext("") if self._caller is None else self._app.gateway.authenticator.lent(self._caller)


def _once(body: bytes) -> Receive:
    """Gives the body, and then waits: the caller is this process, which does not go away."""
    messages: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        if messages:
            return messages.pop()
        forever: asyncio.Future[MutableMapping[str, Any]] = asyncio.get_running_loop().create_future()
        return await forever

    return receive
