"""One model call over HTTP: what every ingress does alike, whatever its dialect."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from os import register_at_fork, urandom
from types import TracebackType
from typing import Protocol, Self, TypeVar

import msgspec
import structlog

from llm_gateway.api.asgi import (
    CONNECTION,
    Caller,
    Connection,
    Handler,
    Headers,
    Listener,
    Receive,
    Scope,
    Send,
    check_depth,
    check_encoding,
    fields_of,
    read_body,
    respond,
    too_large,
)  # fmt: skip
from llm_gateway.api.credentials import credentials_in
from llm_gateway.api.errors import invalid_body
from llm_gateway.api.lines import answer_lines, failure_lines, pairs
from llm_gateway.core.bounds import Bounds
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import ClientClosedRequest, Internal, InvalidRequest, LLMGatewayError, Overloaded
from llm_gateway.core.exchange import Exchange, Next
from llm_gateway.core.ids import Names, correlation_id
from llm_gateway.core.types import ChatRequest, Chunk, JsonObject, Request, SecurityLevel

_log = structlog.get_logger(__name__)
_names = Names(urandom)
register_at_fork(after_in_child=_names.forget)
_UNBUFFERED: Headers = [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
KEEP_ALIVE_S = 15.0
LEVELS = tuple(level.value for level in SecurityLevel)
STRATEGIES = ("balanced", "cost", "latency", "quality", "priority", "round_robin")
BodyType = TypeVar("BodyType", bound=msgspec.Struct)
_object_decoder = msgspec.json.Decoder(JsonObject)
EXCHANGE = "llm_gateway.exchange"
"""Where a scope holds the exchange of its call, for what stands around the handlers."""
REFUSAL = "llm_gateway.refusal"
"""Where a scope holds an error that was found before its handler was asked: the handler tells it in its dialect."""


class Serving(Protocol):
    """The gateway with one configuration: what bounds requests, and their way."""

    @property
    def bounds(self) -> Bounds: ...
    @property
    def way(self) -> Next: ...


class Calls(Protocol):
    """What an ingress needs: the gateway as it is now."""

    @property
    def gateway(self) -> Serving: ...


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
    def request_id(self) -> str: ...

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


class Call:
    """One HTTP request on a model-call path, and its response in `dialect`."""

    __slots__ = (
        "_accepted_s", "_clock", "_direct", "_exchange", "_started", "bounds", "caller", "calls", "correlation_id", "dialect", "fields",
        "receive", "scope", "send",
    )  # fmt: skip

    def __init__(self, ingress: "Ingress", scope: Scope, receive: Receive, send: Send) -> None:
        clock = ingress.clock
        self.calls = calls = ingress.calls
        self.bounds = calls.gateway.bounds
        self._clock = clock
        self.dialect = ingress.dialect
        self.scope = scope
        self.receive = receive
        self.send = send
        self._exchange: Exchange | None = None
        self.fields = fields = fields_of(scope)
        extensions = scope.get("extensions")
        connection: Connection | None = extensions.get(CONNECTION) if extensions else None
        self.caller: Caller = connection if connection is not None else Listener(receive, clock.monotonic_s())
        self._accepted_s = self.caller.accepted_s
        # Somebody may stand between the connection and this handler, and has to see everything.
        self._direct = connection if connection is not None and send == connection.send and receive == connection.receive else None
        now_s = clock.wall_s()
        offered = fields.get(b"x-correlation-id")
        self.correlation_id = _names.new(now_s) if offered is None else correlation_id(offered.decode("latin-1"), now_s, urandom)
        self._started = False

    @property
    def started(self) -> bool:
        """Whether the caller has been sent anything: from then on a failure can only be an event."""
        return self._started

    def whole_body(self) -> bytes | None:
        """The body, within the limits of the settings, if all of it has come; else None, and `rest_of_body` waits for it. Ask once."""
        if REFUSAL in self.scope:
            refusal: LLMGatewayError = self.scope[REFUSAL]
            raise refusal
        body = self._direct.whole_body() if self._direct is not None else None
        if body is not None:
            bounds = self.bounds
            if len(body) > bounds.max_body_bytes:
                raise too_large(bounds.max_body_bytes)
            if b"content-encoding" in self.fields:
                check_encoding(self.fields)
            check_depth(body, bounds.max_json_depth)
        return body

    async def rest_of_body(self) -> bytes:
        """The body, where `whole_body` had none."""
        body = await read_body(self.scope, self.receive, self.bounds.max_body_bytes)
        check_depth(body, self.bounds.max_json_depth)
        return body

    async def body(self) -> bytes:
        """The request's body, within the limits of the settings."""
        body = self.whole_body()
        return await self.rest_of_body() if body is None else body

    async def decode(self, decoder: msgspec.json.Decoder[BodyType], fields: tuple[str, ...]) -> BodyType:
        """As `decoded`, of the body."""
        return decoded(await self.body(), decoder, fields)

    async def json_object(self) -> JsonObject:
        """As the function `json_object`, of the body."""
        return json_object(await self.body())

    def exchange(self, request: Request, ingress: str, user_id: str | None, *, force_refresh: bool) -> Exchange:
        """A fresh exchange for `request`, with what its headers say."""
        fields, accepted_s = self.fields, self._accepted_s
        exchange = Exchange(
            request,
            self.correlation_id,
            credentials_in(fields, self.scope, user_id),
            ingress,
            accepted_s,
            accepted_s + self.bounds.request_timeout_s,
        )
        exchange.force_refresh = force_refresh
        if b"x-gateway-strategy" in fields:
            strategy = fields[b"x-gateway-strategy"].decode("latin-1")
            if strategy not in STRATEGIES:
                raise InvalidRequest(f"X-Gateway-Strategy: expected one of {', '.join(STRATEGIES)}", param="X-Gateway-Strategy")
            exchange.strategy = strategy
        if b"x-gateway-minimum-level" in fields:
            exchange.minimum_level = minimum_level(fields[b"x-gateway-minimum-level"].decode("latin-1"))
        if b"x-gateway-timeout-s" in fields:
            wished_s = timeout_s(fields[b"x-gateway-timeout-s"].decode("latin-1"))
            exchange.deadline_s = min(exchange.deadline_s, accepted_s + wished_s)
        self._exchange = self.scope[EXCHANGE] = exchange
        return exchange

    def headers(self, exchange: Exchange) -> Headers:
        """The response headers of a model call."""
        return pairs(answer_lines(exchange, self.dialect.request_id, self._clock.monotonic_s()))

    def _identity(self) -> Headers:
        name = self.correlation_id.encode()
        other = self.dialect.request_id
        return [(b"x-correlation-id", name), (other.encode(), name)] if other else [(b"x-correlation-id", name)]

    def answer(self, exchange: Exchange, body: bytes) -> Awaitable[None] | None:
        """A whole JSON answer. None: it is sent, and there is nothing to wait for."""
        self._started = True
        lines = "content-type: application/json\r\n" + answer_lines(exchange, self.dialect.request_id, self._clock.monotonic_s())
        if self._direct is not None and self._direct.answer(lines, body):
            return None
        return respond(self.send, 200, pairs(lines), body)

    async def respond(self, exchange: Exchange, body: bytes) -> None:
        """As `answer`."""
        sending = self.answer(exchange, body)
        if sending is not None:
            await sending

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
            headers += pairs(failure_lines(self._exchange))
        await respond(self.send, dialect.error_status(failure), headers, dialect.error_body(failure, self.correlation_id))


def decoded(body: bytes, decoder: msgspec.json.Decoder[BodyType], fields: tuple[str, ...]) -> BodyType:
    """A body as its type; `fields` are the names offered for an unknown one.

    Raises:
        InvalidRequest: names the field and what was expected.
    """
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as failure:
        raise invalid_body(failure, body, fields) from None


def json_object(body: bytes) -> JsonObject:
    """A body as a JSON object of whatever fields.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        return _object_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as failure:
        raise invalid_body(failure, body) from None
    except RecursionError:
        raise InvalidRequest("the body nests too deeply", code="malformed_json") from None


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
            caller = call.caller
            try:
                caller.on_lost = caller.cancel
                try:
                    await serve(call)
                finally:
                    caller.on_lost = None
            except LLMGatewayError as failure:
                await call.fail(failure)
                failure.__traceback__ = None  # the exchange knows its failure, which would know the exchange by the frames it passed
            except asyncio.CancelledError:
                # Either the caller left, and there is nobody to tell, or the server is stopping.
                if not caller.left:
                    await call.fail(Overloaded("the gateway is shutting down", code="shutting_down", retry_after_s=1))
            except Exception:
                _log.exception("serving a request failed", correlation_id=call.correlation_id, path=scope["path"])
                await call.fail(Internal("the gateway failed while serving this request"))

        return handle


async def _end(exchange: Exchange, failure: BaseException | None) -> None:
    """Run an exchange's ends."""
    await _ended(exchange, exchange.__aexit__(None if failure is None else type(failure), failure, None))


async def _ended(exchange: Exchange, ends: Awaitable[None]) -> None:
    """Wait for an exchange's ends; one that fails is logged and spoils no answer."""
    try:
        await ends
    except ExceptionGroup as group:
        _log.error("a call's end could not be recorded", correlation_id=exchange.correlation_id, exc_info=group)


class Ending:
    """A context that ends an exchange when the work inside is over."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def __aenter__(self) -> Exchange:
        return self._exchange

    async def __aexit__(self, _: type[BaseException] | None, failure: BaseException | None, __: TracebackType | None) -> None:
        await _end(self._exchange, failure)


async def run(way: Next, exchange: Exchange) -> list[Chunk]:
    """All chunks of an unstreamed answer, its ends done."""
    try:
        reply = await way(exchange)
        chunks = reply.whole()
        if chunks is None:
            chunks = await reply.collect()
    except BaseException as failure:
        await _end(exchange, failure)
        raise
    ends = exchange.finished()
    if ends is not None:
        await _ended(exchange, ends)
    return chunks


class Unary(msgspec.Struct, frozen=True):
    """How calls are served whose answer is one document: `ask` makes the exchange of the body, `tell` the document of what came.

    `stream` serves those that ask for a stream all the same. `ended` is called when the call is over, answered or failed.
    """

    ask: Callable[[Call, bytes], Exchange]
    tell: Callable[[Call, Exchange, list[Chunk]], bytes]
    stream: Callable[[Call, Exchange], Awaitable[None]] | None = None
    ended: Callable[[Exchange], None] | None = None

    async def serve(self, call: Call) -> None:
        """Serve one call."""
        body = call.whole_body()
        exchange = self.ask(call, await call.rest_of_body() if body is None else body)
        if self.stream is not None and isinstance(exchange.request, ChatRequest) and exchange.request.stream:
            await self.stream(call, exchange)
            return
        try:
            chunks = await run(call.calls.gateway.way, exchange)
        finally:
            if self.ended is not None:
                self.ended(exchange)
        sending = call.answer(exchange, self.tell(call, exchange, chunks))
        if sending is not None:
            await sending


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
