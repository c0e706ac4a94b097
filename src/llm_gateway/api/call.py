"""One model call over HTTP: what every ingress does alike, whatever its dialect."""

import asyncio
from os import urandom
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import msgspec
import structlog

from llm_gateway.api.asgi import Handler, Headers, LostCallback, Receive, Scope, Send, check_depth, header, read_body, respond
from llm_gateway.api.errors import error_body, error_headers, invalid_body
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import ClientClosedRequest, InvalidRequest, LLMGatewayError
from llm_gateway.core.exchange import Credentials, Exchange, Next
from llm_gateway.core.ids import correlation_id
from llm_gateway.core.settings import ServerSettings
from llm_gateway.core.types import Chunk, Request, SecurityLevel

_log = structlog.get_logger(__name__)
_EVENT_STREAM: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
KEEP_ALIVE_S = 15.0
LEVELS = tuple(level.value for level in SecurityLevel)
STRATEGIES = ("balanced", "cost", "latency", "quality", "priority", "round_robin")
BodyType = TypeVar("BodyType", bound=msgspec.Struct)

__all__ = ["Call", "Calls", "Ending", "Handler", "KeepAlive", "run"]


class Calls(Protocol):
    """What an ingress needs of the gateway: its settings as they are now, and the way of a request."""

    @property
    def server(self) -> ServerSettings: ...
    @property
    def way(self) -> Next: ...


def minimum_level(asked: str | None) -> SecurityLevel | None:
    """The level of an `X-Gateway-Minimum-Level` header.

    Raises:
        InvalidRequest: it names no level.
    """
    if asked is None:
        return None
    if asked not in LEVELS:
        raise InvalidRequest(f"X-Gateway-Minimum-Level: expected one of {', '.join(LEVELS)}", param="X-Gateway-Minimum-Level")
    return SecurityLevel(asked)


class Call:
    """One HTTP request on a model-call path, and its response."""

    __slots__ = ("_accepted_s", "_clock", "_path_ms", "_started", "calls", "connection", "correlation_id", "receive", "scope", "send")

    def __init__(self, calls: Calls, clock: Clock, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls = calls
        self._clock = clock
        self.scope = scope
        self.receive = receive
        self.send = send
        self.connection: LostCallback | None = scope.get("extensions", {}).get("llm_gateway.connection")
        self._accepted_s = self.connection.accepted_s if self.connection is not None else clock.monotonic_s()
        self.correlation_id = correlation_id(header(scope, b"x-correlation-id"), clock.wall_s(), urandom)
        self._started = False

    async def body(self) -> bytes:
        """The request's body, within the limits of the settings."""
        server = self.calls.server
        body = await read_body(self.scope, self.receive, server.max_body_bytes)
        check_depth(body, server.max_json_depth)
        return body

    async def decode(self, decoder: msgspec.json.Decoder[BodyType], fields: tuple[str, ...]) -> BodyType:
        """The body as its type; `fields` are the names offered for an unknown one.

        Raises:
            InvalidRequest: names the field and what was expected.
        """
        body = await self.body()
        try:
            return decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as failure:
            raise invalid_body(failure, body, fields) from None

    def exchange(self, request: Request, ingress: str, user_id: str | None, *, force_refresh: bool) -> Exchange:
        """A fresh exchange for `request`, with what its headers say."""
        client = self.scope.get("client")
        authorization = header(self.scope, b"authorization") or ""
        token = authorization[7:] if authorization[:7].lower() == "bearer " else header(self.scope, b"x-api-key") or ""
        exchange = Exchange(
            request,
            correlation_id=self.correlation_id,
            credentials=Credentials(token, user_id or header(self.scope, b"x-user-id") or "", client[0] if client else ""),
            ingress=ingress,
            received_s=self._accepted_s,
            deadline_s=self._accepted_s + self.calls.server.request_timeout_s,
        )
        exchange.force_refresh = force_refresh
        strategy = header(self.scope, b"x-gateway-strategy")
        if strategy is not None and strategy not in STRATEGIES:
            raise InvalidRequest(f"X-Gateway-Strategy: expected one of {', '.join(STRATEGIES)}", param="X-Gateway-Strategy")
        exchange.strategy = strategy
        exchange.minimum_level = minimum_level(header(self.scope, b"x-gateway-minimum-level"))
        return exchange

    def headers(self, exchange: Exchange) -> Headers:
        """The response headers of a model call."""
        headers: Headers = [(b"x-correlation-id", self.correlation_id.encode()), (b"x-gateway-cache", exchange.cache_state.encode())]
        if exchange.chosen is not None:
            target = exchange.chosen.target
            headers.append((b"x-gateway-provider", target.provider.encode("ascii", "replace")))
            headers.append((b"x-gateway-model", target.model.encode("ascii", "replace")))
        overhead_ms = max(0.0, self._clock.monotonic_s() - self._accepted_s - exchange.upstream_s) * 1000
        headers.append((b"x-gateway-overhead-ms", f"{overhead_ms:.3f}".encode()))
        for name, value in exchange.headers.items():
            headers.append((name.encode(), value.encode()))
        return headers

    async def respond(self, exchange: Exchange, body: bytes) -> None:
        """A whole JSON answer."""
        self._started = True
        await respond(self.send, 200, [(b"content-type", b"application/json"), *self.headers(exchange)], body)

    async def start_stream(self, exchange: Exchange) -> None:
        """Send the head of an event stream, once."""
        if not self._started:
            self._started = True
            await self.send({"type": "http.response.start", "status": 200, "headers": [*_EVENT_STREAM, *self.headers(exchange)]})

    async def write(self, data: bytes) -> None:
        """The next bytes of a stream."""
        await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def end_stream(self, data: bytes = b"") -> None:
        """The last bytes of a stream."""
        await self.send({"type": "http.response.body", "body": data})

    async def fail(self, failure: LLMGatewayError) -> None:
        """Tell the caller of a failure: as a response, or, where a stream has begun, as its last event."""
        if isinstance(failure, ClientClosedRequest):
            return
        body = error_body(failure, self.correlation_id)
        if self._started:
            await self.end_stream(b"data: " + body + b"\n\n")
            return
        self._started = True
        headers = [*error_headers(failure), (b"x-correlation-id", self.correlation_id.encode())]
        await respond(self.send, failure.http_status, headers, body)


class Ending:
    """Runs an exchange's ends when the work inside is over; an end that fails is logged and spoils no answer."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def __aenter__(self) -> Exchange:
        return self._exchange

    async def __aexit__(self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None) -> None:
        try:
            await self._exchange.__aexit__(kind, failure, trace)
        except ExceptionGroup as group:
            _log.error("a call's end could not be recorded", correlation_id=self._exchange.correlation_id, exc_info=group)


async def run(way: Next, exchange: Exchange) -> list[Chunk]:
    """All chunks of an unstreamed answer, its ends done."""
    async with Ending(exchange):
        reply = await way(exchange)
        return [chunk async for chunk in reply]


class KeepAlive:
    """Sends a comment after every `KEEP_ALIVE_S` of silence on a stream, so that proxies between keep it open.

    A silent wait for the first chunk counts: the head is sent early then, and a later failure becomes an event.
    """

    __slots__ = ("_call", "_exchange", "_loop", "_sending", "_timer", "_touched_s")

    def __init__(self, call: Call, exchange: Exchange) -> None:
        self._call = call
        self._exchange = exchange
        self._sending: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._touched_s = self._loop.time()
        self._timer = self._loop.call_later(KEEP_ALIVE_S, self._tick)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._sending is not None:
            self._sending.cancel()

    def touch(self) -> None:
        """Something was sent."""
        self._touched_s = self._loop.time()

    def _tick(self) -> None:
        silent_s = self._loop.time() - self._touched_s
        if silent_s >= KEEP_ALIVE_S:
            self._sending = self._loop.create_task(self._send())
            self._touched_s = self._loop.time()
            silent_s = 0.0
        self._timer = self._loop.call_later(KEEP_ALIVE_S - silent_s, self._tick)

    async def _send(self) -> None:
        await self._call.start_stream(self._exchange)
        await self._call.write(b": keep-alive\n\n")


def accounting(exchange: Exchange) -> dict[str, Any]:
    """What a call used and why it went where it went: the fields that native answers share."""
    usage = exchange.usage
    sensitivity = exchange.sensitivity
    return {
        "tokens_used": usage.total_tokens if usage else 0,
        "cost": exchange.cost_usd,
        "cached": exchange.cache_state in {"hit", "semantic"},
        "correlation_id": exchange.correlation_id,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cache_read_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "estimated": usage.estimated,
        }
        if usage
        else None,
        "sensitivity": {"score": round(sensitivity.score, 4), "sensitive": sensitivity.sensitive, "kinds": sensitivity.kinds}
        if sensitivity
        else None,
        "route": {
            "reason": exchange.decision.reason if exchange.decision else "",
            "attempts": [
                {
                    "provider": attempt.provider,
                    "model": attempt.model,
                    "outcome": attempt.outcome,
                    "status": attempt.upstream_status,
                    "message": attempt.message,
                    "duration_ms": round(attempt.duration_s * 1000, 3),
                }
                for attempt in exchange.attempts
            ],
        },
    }
