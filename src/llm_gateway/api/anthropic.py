"""Anthropic's API for its own clients, Claude Code among them: messages, their token count, models. Bare ASGI: this is the hot path.

Whatever provider answers, the client sees its own protocol. Same protocol in and out is lossless: the caller's body is what the
provider's translation starts from, and the provider's bytes are what goes back.
"""

import math
import re
from datetime import UTC, datetime
from functools import partial
from typing import Final
from urllib.parse import parse_qs, unquote

import msgspec

from llm_gateway.api.asgi import EVENT_STREAM, Handler, Headers, Receive, Scope, Send, header
from llm_gateway.api.call import Call, Calls, Ending, Ingress, KeepAlive, run
from llm_gateway.api.credentials import credentials_of
from llm_gateway.api.documents import ModelDocument
from llm_gateway.api.dropin import View, known_models, model_of, name_dropped, translated
from llm_gateway.api.openai_errors import retry_headers
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import InvalidRequest, LLMGatewayError, NotFound, ProviderError
from llm_gateway.core.exchange import Exchange
from llm_gateway.core.tokens import estimate_input_tokens
from llm_gateway.core.types import Chunk, Json, JsonObject
from llm_gateway.protocols.anthropic_answers import AnswerDecoder
from llm_gateway.protocols.anthropic_egress import PING, PROTOCOL, Head, MessageEvents, whole
from llm_gateway.protocols.anthropic_ingress import chat_request, counted_request, dropped

INGRESS: Final = "anthropic"
VERSION_HEADER: Final = b"anthropic-version"
BETA_HEADER: Final = b"anthropic-beta"
CALLED: Final = {
    "stop": "stop_sequences", "end_user": "metadata", "reasoning_effort": "output_config", "thinking_budget_tokens": "thinking",
    "parallel_tool_calls": "tool_choice",
}  # fmt: skip
"""What fields of a request are called here."""
LIMITS: Final = "anthropic-ratelimit-"
MAX_LIMIT_CHARS: Final = 128
UNKNOWN_DATE: Final = "1970-01-01T00:00:00Z"
"""When a model was released, where nobody knows: what Anthropic's own list says then."""
MODELS_PER_PAGE: Final = 20
MAX_MODELS_PER_PAGE: Final = 1000
OVERLOADED: Final = 529

_TYPES: Final = {
    "invalid_request": "invalid_request_error",
    "unauthenticated": "authentication_error",
    "budget_exceeded": "billing_error",
    "forbidden": "permission_error",
    "sensitive_content_blocked": "permission_error",
    "unknown_model": "not_found_error",
    "unknown_provider": "not_found_error",
    "not_found": "not_found_error",
    "idempotency_conflict": "invalid_request_error",
    "idempotency_mismatch": "invalid_request_error",
    "request_too_large": "request_too_large",
    "rate_limited": "rate_limit_error",
    "cooldown": "rate_limit_error",
    "provider_timeout": "timeout_error",
    "overloaded": "overloaded_error",
}
"""Anthropic's word for each of our types; the others, outages of ours or of an upstream, are its `api_error`."""
_PLAIN: Final = frozenset({"invalid_request", "unauthenticated", "not_found", "rate_limited", "overloaded"})
"""Types that the word alone tells."""
_DURATION: Final = re.compile(r"([0-9.]+)(ms|h|m|s)")
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_encode = msgspec.json.Encoder().encode


# --- errors ---------------------------------------------------------------------------------------------------------


def _is_overloaded(failure: LLMGatewayError) -> bool:
    """Whether the gateway, or the provider in Anthropic's own words, has more to do than it can."""
    return failure.error_type == "overloaded" or (isinstance(failure, ProviderError) and failure.upstream_status == OVERLOADED)


def error_document(failure: LLMGatewayError, correlation_id: str) -> JsonObject:
    """`{"type": "error", "error": {"type", "message"}, "request_id"}`. What Anthropic has no word for is named in `details.error_code`."""
    kind = failure.error_type
    error: JsonObject = {
        "type": "overloaded_error" if _is_overloaded(failure) else _TYPES.get(kind, "api_error"),
        "message": failure.message,
    }
    code = failure.code or (None if kind in _PLAIN else kind)
    if code is not None:
        error["details"] = {"error_code": code}
    return {"type": "error", "error": error, "request_id": correlation_id}


class AnthropicDialect:
    """Anthropic's way to say what every ingress says (`api.call.Dialect`).

    Its SDKs choose the class of an exception by status, retry 408, 409, 429 and 5xx by themselves unless `x-should-retry` says
    otherwise, and wait for `retry-after-ms` or `retry-after`. Claude Code reads `request-id` and `anthropic-ratelimit-*`.
    """

    stream_type = EVENT_STREAM
    keep_alive = PING
    request_id = "request-id"

    def error_status(self, failure: LLMGatewayError) -> int:
        return OVERLOADED if _is_overloaded(failure) else failure.http_status

    def error_headers(self, failure: LLMGatewayError) -> Headers:
        return retry_headers(failure)

    def error_body(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        return _encode(error_document(failure, correlation_id))

    def error_event(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        """No `message_stop` follows: what ends in that is complete."""
        return b"event: error\ndata: " + _encode(error_document(failure, correlation_id)) + b"\n\n"


# --- limits ---------------------------------------------------------------------------------------------------------


def limit_headers(exchange: Exchange, view: View, wall_s: float) -> dict[str, str]:
    """`anthropic-ratelimit-*` of an answer: the provider's own where it speaks this wire, else the caller's at this gateway."""
    if exchange.attempts and view.protocol_of(exchange.attempts[-1].provider) == PROTOCOL:
        said = exchange.upstream_headers.items()
        own = {name: value for name, value in said if name.startswith(LIMITS) and len(value) <= MAX_LIMIT_CHARS and value.isascii()}
        if own:
            return own
    ours: dict[str, str] = {}
    for name, value in exchange.all_headers().items():
        prefix, _, rest = name.partition("x-ratelimit-")
        what, _, of = rest.partition("-")
        if not prefix and of in {"requests", "tokens"}:
            ours[f"{LIMITS}{of}-{what}"] = _moment(value, wall_s) if what == "reset" else value
    return ours


def _moment(duration: str, wall_s: float) -> str:
    """A Go duration (`6m0s`) from now on as an RFC 3339 time."""
    left_s = sum(float(amount) * _UNIT_S[unit] for amount, unit in _DURATION.findall(duration))
    return datetime.fromtimestamp(math.ceil(wall_s + left_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- calls ----------------------------------------------------------------------------------------------------------


class AnthropicApi:
    """Handlers of the Anthropic dialect: `handlers` are POST paths, `gets` GET paths, `under` GET paths that begin so.

    The GET paths are OpenAI's too: `by_version` tells the two apart.
    """

    def __init__(self, calls: Calls, clock: Clock, view: View) -> None:
        self._clock = clock
        self._view = view
        handler = Ingress(calls, clock, AnthropicDialect()).handler
        self.handlers: dict[str, Handler] = {
            "/v1/messages": handler(self._messages),
            "/v1/messages/count_tokens": handler(self._count),
        }
        self.gets: dict[str, Handler] = {"/v1/models": handler(self._models)}
        self.under: dict[str, Handler] = {"/v1/models/": handler(self._model)}

    async def _messages(self, call: Call) -> None:
        body = await call.json_object()
        betas = header(call.scope, BETA_HEADER) or ""
        request = translated(partial(chat_request, betas=betas), body)
        exchange = call.exchange(request, INGRESS, None, force_refresh="no-cache" in (header(call.scope, b"cache-control") or ""))
        try:
            if request.stream:
                await self._stream(call, exchange)
                return
            chunks = await run(call.calls.gateway.way, exchange)
            answer = _unchanged(chunks) or whole(self._head(call, exchange), chunks, exchange.usage)
        except LLMGatewayError:
            exchange.headers.update(limit_headers(exchange, self._view, self._clock.wall_s()))
            raise
        self._put_headers(exchange)
        await call.respond(exchange, answer)

    async def _stream(self, call: Call, exchange: Exchange) -> None:
        with KeepAlive(call, exchange) as keep_alive:
            async with Ending(exchange):
                reply = await call.calls.gateway.way(exchange)
                self._put_headers(exchange)
                events = MessageEvents(self._head(call, exchange), partial(estimate_input_tokens, exchange.request))
                await call.start_stream(exchange)
                async for chunk in reply:
                    data = events.feed(chunk)
                    if data:
                        await call.write(data)
                        keep_alive.touch()
            await call.end_stream(events.finish(exchange.usage))

    def _put_headers(self, exchange: Exchange) -> None:
        name_dropped(exchange, self._view, dropped, CALLED)
        exchange.headers.update(limit_headers(exchange, self._view, self._clock.wall_s()))

    @staticmethod
    def _head(call: Call, exchange: Exchange) -> Head:
        return Head("msg_" + call.correlation_id, model_of(exchange))

    async def _count(self, call: Call) -> None:
        """An estimate of the gateway's: no provider is asked, so nothing of the body leaves."""
        self._view.identify(credentials_of(call.scope))
        request = translated(counted_request, await call.json_object())
        await call.reply(_encode({"input_tokens": estimate_input_tokens(request)}))

    async def _models(self, call: Call) -> None:
        asked = parse_qs(call.scope.get("query_string", b"").decode("latin-1"))
        models = self._listed(call)
        names = [str(model["id"]) for model in models]
        begin, end = _page(names, asked)
        page = models[begin:end]
        await call.reply(
            _encode(
                {
                    "data": page,
                    "has_more": begin > 0 if "before_id" in asked else end < len(models),
                    "first_id": page[0]["id"] if page else None,
                    "last_id": page[-1]["id"] if page else None,
                }
            )
        )

    async def _model(self, call: Call) -> None:
        name = unquote(call.scope["path"].removeprefix("/v1/models/"))
        for model in self._listed(call):
            if name in {model["id"], str(model["id"]).partition("/")[2]}:
                await call.reply(_encode({**model, "id": name}))
                return
        raise NotFound(f"model: {name[:64]!r} is not there: GET /v1/models lists those that are", param="model")

    def _listed(self, call: Call) -> list[JsonObject]:
        return [_model_info(name, found) for name, found in known_models(call, self._view, PROTOCOL)]


def _unchanged(chunks: list[Chunk]) -> bytes | None:
    """The provider's own bytes, if the answer is what they say. An answer of several chunks has them on its first."""
    raw = chunks[0].raw if chunks and chunks[0].raw_protocol == PROTOCOL else None
    if raw is None or len(chunks) == 1:
        return raw
    decoder = AnswerDecoder("", lambda _, message: ProviderError(message))
    decoder.feed(raw)
    return raw if list(map(_meaning, decoder.finish())) == list(map(_meaning, chunks)) else None


def _meaning(chunk: Chunk) -> tuple[object, ...]:
    return (chunk.text, chunk.thinking, chunk.tool_calls, chunk.finish_reason)


def _model_info(name: str, found: ModelDocument | None) -> JsonObject:
    window: Json = found.context_window if found is not None else None
    return {
        "type": "model",
        "id": name,
        "display_name": name if found is None else f"{found.model} ({found.provider})",
        "created_at": UNKNOWN_DATE,
        "lifecycle": "active",
        "max_input_tokens": window,
    }


def _page(names: list[str], asked: dict[str, list[str]]) -> tuple[int, int]:
    """Where a page of the list begins and ends, by Anthropic's `limit`, `after_id` and `before_id`."""
    limit = asked.get("limit", [str(MODELS_PER_PAGE)])[-1]
    if not limit.isdecimal() or not 1 <= int(limit) <= MAX_MODELS_PER_PAGE:
        raise InvalidRequest(f"limit: expected a number from 1 to {MAX_MODELS_PER_PAGE}", param="limit")
    size = int(limit)
    for field in ("after_id", "before_id"):
        if field in asked and asked[field][-1] not in names:
            raise InvalidRequest(f"{field}: expected the id of a model in the list", param=field)
    if "before_id" in asked:
        end = names.index(asked["before_id"][-1])
        return max(0, end - size), end
    begin = names.index(asked["after_id"][-1]) + 1 if "after_id" in asked else 0
    return begin, min(begin + size, len(names))


def by_version(anthropic: Handler, openai: Handler) -> Handler:
    """A handler for a path that both vendors have: Anthropic's clients always send `anthropic-version`."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        chosen = openai if header(scope, VERSION_HEADER) is None else anthropic
        await chosen(scope, receive, send)

    return handle
