"""One model call over HTTP: what every ingress does alike, whatever its dialect."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from os import urandom
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import msgspec
import structlog

from llm_gateway.api.asgi import (
    CONNECTION,
    CallerWatch,
    Handler,
    Headers,
    LostCallback,
    Receive,
    Scope,
    Send,
    check_depth,
    header,
    read_body,
    respond,
)  # fmt: skip
from llm_gateway.api.credentials import credentials_of
from llm_gateway.api.errors import invalid_body
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import ClientClosedRequest, Internal, InvalidRequest, LLMGatewayError, Overloaded
from llm_gateway.core.exchange import Exchange, Next
from llm_gateway.core.ids import correlation_id
from llm_gateway.core.settings import ServerSettings
from llm_gateway.core.types import Chunk, JsonObject, Request, SecurityLevel

_log = structlog.get_logger(__name__)
_UNBUFFERED: Headers = [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
KEEP_ALIVE_S = 15.0
MAX_ID_CHARACTERS = 128
LEVELS = tuple(level.value for level in SecurityLevel)
STRATEGIES = ("balanced", "cost", "latency", "quality", "priority", "round_robin")
BodyType = TypeVar("BodyType", bound=msgspec.Struct)
_object_decoder = msgspec.json.Decoder(JsonObject)
EXCHANGE = "llm_gateway.exchange"
"""Where a scope holds the exchange of its call, for what stands around the handlers."""
REFUSAL = "llm_gateway.refusal"
"""Where a scope holds an error that was found before its handler was asked: the handler tells it in its dialect."""


class Calls(Protocol):
    """What an ingress needs of the gateway: its settings as they are now, and the way of a request."""

    @property
    def server(self) -> ServerSettings: ...
    @property
    def way(self) -> Next: ...


class Dialect(Protocol):
    """How an ingress says what every ingress has to say: errors, as a response and inside a stream, and a stream's frame.

    `stream_type` is the content type of its streams, `keep_alive` what it sends into a stream's silence (empty: nothing may
    be sent), `request_id` the header where its clients look for the correlation id (empty: none beside `X-Correlation-Id`).
    """

    @property
    def stream_type(self) -> bytes: ...
    @property
    def keep_alive(self) -> bytes: ...
    @property
    def request_id(self) -> bytes: ...

    def error_status(self, failure: LLMGatewayError) -> int:
        """The HTTP status of a failure."""
        ...

    def error_headers(self, failure: LLMGatewayError) -> Headers:
        """A fresh list: the content type, and what its clients read to know whether and when to try again."""
        ...

    def error_body(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        """The whole body of a failure's response."""
        ...

    def error_event(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        """A failure as the last bytes of a stream that has begun."""
        ...


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


def timeout_s(asked: str) -> float:
    """The seconds of an `X-Gateway-Timeout-S` header: how long the caller waits, whoever answers.

    Raises:
        InvalidRequest: it is no positive number.
    """
    try:
        seconds = float(asked)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise InvalidRequest("X-Gateway-Timeout-S: expected a number of seconds above 0", param="X-Gateway-Timeout-S")
    return seconds


def _attempts(exchange: Exchange) -> Headers:
    """How often providers were asked, and what the last one calls the request: what its support wants to know."""
    said = exchange.upstream_headers
    name = said.get("x-request-id") or said.get("request-id") or said.get("x-amzn-requestid") or ""
    headers = [(b"x-gateway-attempts", str(len(exchange.attempts)).encode())]
    if name and len(name) <= MAX_ID_CHARACTERS and name.isascii() and name.isprintable():
        headers.append((b"x-gateway-upstream-request-id", name.encode()))
    return headers


class Call:
    """One HTTP request on a model-call path, and its response in `dialect`."""

    __slots__ = (
        "_accepted_s", "_clock", "_exchange", "_started", "calls", "connection", "correlation_id", "dialect", "receive", "scope", "send",
    )  # fmt: skip

    def __init__(self, ingress: "Ingress", scope: Scope, receive: Receive, send: Send) -> None:
        clock = ingress.clock
        self.calls = ingress.calls
        self._clock = clock
        self.dialect = ingress.dialect
        self.scope = scope
        self.receive = receive
        self.send = send
        self._exchange: Exchange | None = None
        self.connection: LostCallback | None = scope.get("extensions", {}).get(CONNECTION)
        self._accepted_s = self.connection.accepted_s if self.connection is not None else clock.monotonic_s()
        self.correlation_id = correlation_id(header(scope, b"x-correlation-id"), clock.wall_s(), urandom)
        self._started = False

    @property
    def started(self) -> bool:
        """Whether the caller has been sent anything: from then on a failure can only be an event."""
        return self._started

    async def body(self) -> bytes:
        """The request's body, within the limits of the settings."""
        if REFUSAL in self.scope:
            refusal: LLMGatewayError = self.scope[REFUSAL]
            raise refusal
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

    async def json_object(self) -> JsonObject:
        """The body as a JSON object of whatever fields.

        Raises:
            InvalidRequest: it is none.
        """
        body = await self.body()
        try:
            return _object_decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as failure:
            raise invalid_body(failure, body) from None
        except RecursionError:
            raise InvalidRequest("the body nests too deeply", code="malformed_json") from None

    def exchange(self, request: Request, ingress: str, user_id: str | None, *, force_refresh: bool) -> Exchange:
        """A fresh exchange for `request`, with what its headers say."""
        exchange = Exchange(
            request,
            correlation_id=self.correlation_id,
            credentials=credentials_of(self.scope, user_id),
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
        wished = header(self.scope, b"x-gateway-timeout-s")
        if wished is not None:
            exchange.deadline_s = min(exchange.deadline_s, self._accepted_s + timeout_s(wished))
        self._exchange = self.scope[EXCHANGE] = exchange
        return exchange

    def headers(self, exchange: Exchange) -> Headers:
        """The response headers of a model call."""
        headers = [*self._identity(), (b"x-gateway-cache", exchange.cache_state.encode())]
        if exchange.chosen is not None:
            target = exchange.chosen.target
            headers.append((b"x-gateway-provider", target.provider.encode("ascii", "replace")))
            headers.append((b"x-gateway-model", target.model.encode("ascii", "replace")))
        if exchange.attempts:
            headers += _attempts(exchange)
        overhead_ms = max(0.0, self._clock.monotonic_s() - self._accepted_s - exchange.upstream_s) * 1000
        headers.append((b"x-gateway-overhead-ms", f"{overhead_ms:.3f}".encode()))
        for name, value in exchange.headers.items():
            headers.append((name.encode(), value.encode()))
        return headers

    def _identity(self) -> Headers:
        name = self.correlation_id.encode()
        other = self.dialect.request_id
        return [(b"x-correlation-id", name), (other, name)] if other else [(b"x-correlation-id", name)]

    async def respond(self, exchange: Exchange, body: bytes) -> None:
        """A whole JSON answer."""
        self._started = True
        await respond(self.send, 200, [(b"content-type", b"application/json"), *self.headers(exchange)], body)

    async def reply(self, body: bytes, status: int = 200) -> None:
        """A whole JSON answer of a call that asks no model."""
        self._started = True
        await respond(self.send, status, [(b"content-type", b"application/json"), *self._identity()], body)

    async def start_stream(self, exchange: Exchange) -> None:
        """Send the head of a stream, once."""
        if not self._started:
            self._started = True
            headers = [(b"content-type", self.dialect.stream_type), *_UNBUFFERED, *self.headers(exchange)]
            await self.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def begin(self, exchange: Exchange, status: int, headers: Headers) -> None:
        """Send the head of an answer that is passed on as it comes."""
        self._started = True
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, *self.headers(exchange)]})

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
        dialect = self.dialect
        if self._started:
            await self.end_stream(dialect.error_event(failure, self.correlation_id))
            return
        self._started = True
        headers = [*dialect.error_headers(failure), *self._identity()]
        if self._exchange is not None:
            headers += [(name.encode(), value.encode()) for name, value in self._exchange.headers.items()]
            headers += _attempts(self._exchange)
        await respond(self.send, dialect.error_status(failure), headers, dialect.error_body(failure, self.correlation_id))


Serve = Callable[[Call], Awaitable[None]]
"""Serves one call; what it raises is told to the caller."""


class Ingress(msgspec.Struct, frozen=True):
    """What the handlers of one dialect share. `calls` is asked anew for each request, so a reload takes effect at once."""

    calls: Calls
    clock: Clock
    dialect: Dialect

    def handler(self, serve: Serve) -> Handler:
        """An ASGI handler around `serve`: whatever goes wrong, the caller hears of it in the dialect."""

        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            call = Call(self, scope, receive, send)
            watch = CallerWatch(call.connection, receive)
            try:
                with watch:
                    await serve(call)
            except LLMGatewayError as failure:
                await call.fail(failure)
            except asyncio.CancelledError:
                # Either the caller left, and there is nobody to tell, or the server is stopping.
                if not watch.left:
                    await call.fail(Overloaded("the gateway is shutting down", code="shutting_down", retry_after_s=1))
            except Exception:
                _log.exception("serving a request failed", correlation_id=call.correlation_id, path=scope["path"])
                await call.fail(Internal("the gateway failed while serving this request"))

        return handle


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
        return await reply.collect()


class KeepAlive:
    """Breaks every `KEEP_ALIVE_S` of silence on a stream in its dialect's way, so that proxies between keep it open.

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
        if self._call.dialect.keep_alive:
            await self._call.write(self._call.dialect.keep_alive)


def accounting(exchange: Exchange) -> dict[str, Any]:
    """What a call used and why it went where it went: the fields that native answers share."""
    usage = exchange.usage
    sensitivity = exchange.sensitivity
    return {
        "tokens_used": usage.total_tokens if usage else 0,
        "cost": exchange.cost_usd,
        "cached": exchange.cache_state in {"hit", "semantic"},
        "correlation_id": exchange.correlation_id,
        **({"cache": {"state": exchange.cache_state, "similarity": exchange.similarity}} if exchange.similarity is not None else {}),
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
