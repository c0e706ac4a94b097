"""Traces by OpenTelemetry: a span for each call, one for each attempt, one for each operation of an integrated service.

Off unless the standard variables name an endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`); then
this module is loaded, which needs the extra `otel`. Sampling, headers, time limits and the service's name are the SDK's own variables
(`OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`, ...); `OTEL_PROPAGATORS=none` keeps `traceparent` from going in
and out. Spans are sent over HTTP by a thread of the SDK.

Prompts and answers are in no span, unless `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` is `true`, and even then not those in
which anything sensitive was found, or that nobody judged.
"""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import msgspec
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from llm_gateway import __version__
from llm_gateway.api.asgi import Handler, Receive, Scope, Send, header
from llm_gateway.core import semconv, spans
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import LLMGatewayError
from llm_gateway.core.exchange import Exchange, Next, Reply
from llm_gateway.core.routing import Attempt
from llm_gateway.core.types import ChatRequest, Chunk, operation_name

CAPTURE_CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
PROPAGATORS: Final = "OTEL_PROPAGATORS"
CLOSE_S: Final = 2.0
MAX_CONTENT_CHARS: Final = 64_000
TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
"""W3C Trace Context, level 1, section 3.2."""
_encode = msgspec.json.Encoder().encode
_NS: Final = 1_000_000_000

Attributes = dict[str, Any]
_parent: ContextVar[Context | None] = ContextVar("span_parent", default=None)


def parent_of(traceparent: str) -> Context | None:
    """The span that a `traceparent` header names; None for one that is malformed, or that the specification forbids."""
    found = TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    context = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16) & 1))
    return trace.set_span_in_context(NonRecordingSpan(context))


def traceparent_of(span: Span) -> str:
    """The header that makes a span the parent of what the receiver does; "" for a span that is none."""
    context = span.get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags) & 1:02x}"


class Tracing:
    """The stage, the wrapper of handlers that reads the header, and the spans of integrations. One for each process.

    `exporter` None: over OTLP, as the variables say.
    """

    def __init__(self, environ: Mapping[str, str], clock: Clock, exporter: SpanExporter | None = None) -> None:
        resource = Resource.create(
            {SERVICE_VERSION: __version__, **({} if "OTEL_SERVICE_NAME" in environ else {SERVICE_NAME: "llm-gateway"})}
        )
        self._provider = TracerProvider(resource=resource)
        self._exporter = exporter if exporter is not None else OTLPSpanExporter()
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("llm_gateway", __version__)
        self._clock = clock
        self._content = environ.get(CAPTURE_CONTENT, "").strip().lower() == "true"
        self.propagates = environ.get(PROPAGATORS, "tracecontext").strip().lower() != "none"

    def around(self, handler: Handler) -> Handler:
        """A handler that knows the `traceparent` of its request."""
        if not self.propagates:
            return handler

        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            spans.incoming.set(header(scope, b"traceparent") or "")
            await handler(scope, receive, send)

        return handle

    async def __call__(self, exchange: Exchange, call_next: Next) -> Reply:
        call = _Call(self, exchange, self._parent())
        exchange.trace = call
        exchange.at_end(call.end)
        reply = await call_next(exchange)
        return reply.through(call.answer) if call.answer is not None else reply

    def _parent(self) -> Context | None:
        return _parent.get() or parent_of(spans.incoming.get())

    def begin(self, name: str, kind: SpanKind, context: Context | None, started_s: float) -> Span:
        """A span that began at a monotonic time."""
        return self._tracer.start_span(name, context=context or Context(), kind=kind, start_time=self.wall_ns(started_s))

    def wall_ns(self, monotonic_s: float) -> int:
        """A monotonic time in Unix nanoseconds."""
        return int((self._clock.wall_s() - self._clock.monotonic_s() + monotonic_s) * _NS)

    def now_s(self) -> float:
        return self._clock.monotonic_s()

    @property
    def captures(self) -> bool:
        """Whether content may be in spans at all."""
        return self._content

    @contextmanager
    def integration(self, service: str, operation: str) -> Iterator[None]:
        """The span of an operation of an integrated service; calls of models inside belong to it."""
        span = self.begin(f"{service} {operation}", SpanKind.INTERNAL, self._parent(), self.now_s())
        span.set_attributes({semconv.SERVICE: service, semconv.SERVICE_OPERATION: operation})
        token = _parent.set(trace.set_span_in_context(span))
        try:
            yield
        except BaseException as failure:
            _failed(span, failure.error_type if isinstance(failure, LLMGatewayError) else type(failure).__name__)
            raise
        finally:
            _parent.reset(token)
            span.end()

    def close(self) -> None:
        """Send what is left. Blocks, but gives a collector that does not answer `CLOSE_S` seconds only."""
        enough = threading.Timer(CLOSE_S, self._exporter.shutdown)
        enough.start()
        try:
            self._provider.shutdown()
        finally:
            enough.cancel()


class _Call:
    """The spans of one call."""

    __slots__ = ("_attempts", "_context", "_exchange", "_span", "_tracing", "answer")

    def __init__(self, tracing: Tracing, exchange: Exchange, parent: Context | None) -> None:
        self._tracing = tracing
        self._exchange = exchange
        request = exchange.request
        self._span = tracing.begin(
            f"{operation_name(request)} {request.model or 'auto'}"[:128], SpanKind.SERVER, parent, exchange.received_s
        )
        self._context = trace.set_span_in_context(self._span)
        self._attempts: list[tuple[Attempt, Span]] = []
        self.answer = _Answer() if tracing.captures and self._span.is_recording() else None

    def attempt(self, attempt: Attempt) -> str:
        """Begin the span of an attempt."""
        tracing = self._tracing
        span = tracing.begin(
            f"{operation_name(self._exchange.request)} {attempt.model}"[:128], SpanKind.CLIENT, self._context, tracing.now_s()
        )
        self._attempts.append((attempt, span))
        return traceparent_of(span) if tracing.propagates else ""

    async def end(self) -> None:
        """The call is over: say what it was."""
        tracing, exchange = self._tracing, self._exchange
        for number, (attempt, span) in enumerate(self._attempts, 1):
            if span.is_recording():
                span.set_attributes(_of_attempt(attempt, number, operation_name(exchange.request)))
                if attempt.outcome != "ok":
                    _failed(span, attempt.outcome or "internal")
            ended_s = attempt.started_s + attempt.duration_s if attempt.started_s else tracing.now_s()
            span.end(tracing.wall_ns(ended_s))
        if self._span.is_recording():
            self._span.set_attributes(_of_call(exchange))
            if self.answer is not None and _may_show(exchange):
                self._span.set_attributes(_content(exchange, self.answer))
            if exchange.failure is not None:
                _failed(self._span, exchange.failure.error_type)
        self._span.end()


class _Answer:
    """A `ReplyPart` that remembers the text of an answer as it passes."""

    def __init__(self) -> None:
        self.pieces: list[str] = []

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        if chunk.text:
            self.pieces.append(chunk.text)
        return (chunk,)

    def finish(self) -> Iterable[Chunk]:
        return ()


def _failed(span: Span, kind: str) -> None:
    span.set_attribute(semconv.ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR))


def _of_attempt(attempt: Attempt, number: int, operation: str) -> Attributes:
    usage, cost = attempt.billed if attempt.billed is not None else (attempt.usage, attempt.cost_pico_usd)
    return _present({
        semconv.OPERATION_NAME: operation,
        semconv.PROVIDER_NAME: semconv.provider_name(attempt.provider),
        semconv.REQUEST_MODEL: attempt.model,
        semconv.ATTEMPT: number,
        semconv.SECURITY_LEVEL: str(attempt.security_level),
        semconv.STATUS_CODE: attempt.upstream_status,
        semconv.RESPONSE_FIRST_CHUNK: attempt.first_chunk_s,
        semconv.USAGE_INPUT_TOKENS: usage.input_tokens if usage is not None else None,
        semconv.USAGE_OUTPUT_TOKENS: usage.output_tokens if usage is not None else None,
        semconv.USAGE_CACHE_READ_TOKENS: usage.cache_read_tokens if usage is not None and usage.cache_read_tokens else None,
        semconv.USAGE_CACHE_WRITE_TOKENS: usage.cache_write_tokens if usage is not None and usage.cache_write_tokens else None,
        semconv.COST_USD: cost / 1e12 if cost is not None else None,
    })  # fmt: skip


def _of_call(exchange: Exchange) -> Attributes:
    request, chosen, usage = exchange.request, exchange.chosen, exchange.usage
    chat = request if isinstance(request, ChatRequest) else None
    return _present({
        semconv.OPERATION_NAME: operation_name(request),
        semconv.PROVIDER_NAME: semconv.provider_name(chosen.target.provider) if chosen is not None else None,
        semconv.REQUEST_MODEL: request.model or None,
        semconv.RESPONSE_MODEL: chosen.target.model if chosen is not None else None,
        semconv.REQUEST_MAX_TOKENS: chat.max_tokens if chat is not None else None,
        semconv.REQUEST_TEMPERATURE: chat.temperature if chat is not None else None,
        semconv.REQUEST_STREAM: chat.stream if chat is not None else None,
        semconv.RESPONSE_FINISH_REASONS: [str(exchange.finish_reason)] if exchange.finish_reason else None,
        semconv.CONVERSATION_ID: exchange.conversation_id,
        semconv.USAGE_INPUT_TOKENS: usage.input_tokens if usage is not None else None,
        semconv.USAGE_OUTPUT_TOKENS: usage.output_tokens if usage is not None else None,
        semconv.STATUS_CODE: exchange.failure.http_status if exchange.failure is not None else 200,
        semconv.COST_USD: exchange.cost_usd,
        semconv.CACHE: exchange.cache_state,
        semconv.INGRESS: exchange.ingress,
        semconv.CORRELATION_ID: exchange.correlation_id,
        semconv.STRATEGY: exchange.decision.strategy if exchange.decision is not None else None,
        semconv.SENSITIVE: exchange.sensitivity.sensitive if exchange.sensitivity is not None else None,
    })  # fmt: skip


def _present(attributes: Mapping[str, Any]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}


def _may_show(exchange: Exchange) -> bool:
    verdict = exchange.sensitivity
    return verdict is not None and not (verdict.sensitive or verdict.failed or verdict.findings or exchange.tainted)


def _content(exchange: Exchange, answer: _Answer) -> Attributes:
    request = exchange.request
    if not isinstance(request, ChatRequest):
        return {}
    asked = [{"role": each.role, "parts": [{"type": "text", "content": each.text()}]} for each in request.messages]
    answered = [{"role": "assistant", "parts": [{"type": "text", "content": "".join(answer.pieces)}]}]
    return {
        semconv.INPUT_MESSAGES: _encode(asked).decode()[:MAX_CONTENT_CHARS],
        semconv.OUTPUT_MESSAGES: _encode(answered).decode()[:MAX_CONTENT_CHARS],
    }
