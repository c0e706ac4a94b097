"""Operations that the gateway has no words for: `/openai/{path}` and `/anthropic/{path}`, passed to the provider of that name.

They go the way of every call: the caller is identified, limited and counted, the body judged and cleared for that one provider, the
intent written down before anything leaves. What comes back is given out as it comes, status and all. A body that is not JSON cannot be
read here, and counts as sensitive. Nobody stands in for the provider, and what cannot be repeated is not.
"""

from typing import Final, Protocol

import msgspec

from llm_gateway.api.anthropic import AnthropicDialect
from llm_gateway.api.asgi import Handler, Headers, check_depth, header, read_body
from llm_gateway.api.call import Call, Calls, Dialect, Ending, Ingress, Serve
from llm_gateway.api.errors import invalid_body
from llm_gateway.api.openai_errors import OpenAiDialect
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import Forbidden, InvalidRequest, LLMGatewayError, NotFound, ProviderInvalidRequest, RequestTooLarge
from llm_gateway.core.exchange import Exchange
from llm_gateway.core.settings import PassthroughSettings
from llm_gateway.core.types import Json, Passthrough
from llm_gateway.protocols.passthrough import MAX_HEADER_CHARACTERS, METHODS, normalised, parameters

PREFIXES: Final = {"openai": "/openai/", "anthropic": "/anthropic/"}
SENT_ALONG: Final = ("content-type", "accept", "openai-beta", "anthropic-beta", "anthropic-version", "idempotency-key")
"""The caller's headers that the provider gets: what says how the body is to be read, and which version of an operation is meant."""
COMES_BACK: Final = (
    "content-type", "content-disposition", "content-language", "etag", "last-modified", "retry-after", "openai-version",
    "openai-processing-ms",
)  # fmt: skip
"""The provider's headers that the caller gets, beside those of its limits."""
LIMITS: Final = ("x-ratelimit-", "anthropic-ratelimit-")
_CLASSES: Final[dict[int, type[LLMGatewayError]]] = {404: NotFound, 413: RequestTooLarge}
_JSON_TYPE: Final = "application/json"
_INERT: Headers = [(b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox; default-src 'none'")]
"""A file from elsewhere must not act as a page of the gateway's."""
_decode: msgspec.json.Decoder[Json] = msgspec.json.Decoder()


class View(Protocol):
    """What these endpoints need of the gateway beside the way of a request; asked anew for each."""

    @property
    def passthrough(self) -> PassthroughSettings: ...


class _Frank:
    """A dialect that tells the status that the provider gave, where it is about the caller's operation."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.stream_type, self.keep_alive, self.request_id = dialect.stream_type, dialect.keep_alive, dialect.request_id

    def error_status(self, failure: LLMGatewayError) -> int:
        if isinstance(failure, ProviderInvalidRequest) and failure.upstream_status is not None:
            return failure.upstream_status
        return self._dialect.error_status(failure)

    def error_headers(self, failure: LLMGatewayError) -> Headers:
        return self._dialect.error_headers(failure)

    def error_body(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        return self._dialect.error_body(_named(failure), correlation_id)

    def error_event(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        return self._dialect.error_event(failure, correlation_id)


def _named(failure: LLMGatewayError) -> LLMGatewayError:
    """A provider's refusal as the error of ours that dialects have a word for."""
    if isinstance(failure, ProviderInvalidRequest) and failure.upstream_status in _CLASSES:
        return _CLASSES[failure.upstream_status](failure.message, param=failure.param, code=failure.code)
    return failure


class PassthroughApi:
    """Handlers by method and by what their path begins with."""

    def __init__(self, calls: Calls, clock: Clock, view: View) -> None:
        self._view = view
        dialects: dict[str, Dialect] = {"openai": OpenAiDialect(), "anthropic": AnthropicDialect()}
        found: dict[str, Handler] = {
            prefix: Ingress(calls, clock, _Frank(dialects[provider])).handler(self._serving(provider, prefix))
            for provider, prefix in PREFIXES.items()
        }
        self.under: dict[str, dict[str, Handler]] = {method: dict(found) for method in sorted(METHODS)}

    def _serving(self, provider: str, prefix: str) -> Serve:
        async def serve(call: Call) -> None:
            await self._pass(call, await self._request(call, provider, prefix))

        return serve

    async def _request(self, call: Call, provider: str, prefix: str) -> Passthrough:
        scope, settings = call.scope, self._view.passthrough
        if not settings.enabled:
            raise Forbidden("operations are not passed through here (passthrough.enabled)", code="passthrough_disabled")
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        path = normalised(raw_path.partition(b"?")[0].removeprefix(prefix.encode()))
        named = path.removeprefix("v1/")
        if any(named == refused or named.startswith(refused + "/") for refused in settings.refused_paths):
            raise Forbidden("this operation is not passed through here (passthrough.refused_paths)", code="passthrough_refused")
        body, data = await self._body(call, settings.max_body_bytes)
        return Passthrough(
            provider,
            scope["method"],
            path,
            parameters(scope.get("query_string", b"")),
            _sent_along(call),
            body,
            data,
        )

    async def _body(self, call: Call, max_bytes: int) -> tuple[Json, bytes]:
        """A JSON body as what it says; any other as it is."""
        data = await read_body(call.scope, call.receive, max_bytes)
        kind = (header(call.scope, b"content-type") or "").partition(";")[0].strip().lower()
        if not data or kind != _JSON_TYPE:
            return None, data
        check_depth(data, call.bounds.max_json_depth)
        try:
            return _decode.decode(data), b""
        except (msgspec.MsgspecError, UnicodeDecodeError) as failure:
            raise invalid_body(failure, data) from None
        except RecursionError:
            raise InvalidRequest("the body nests too deeply", code="malformed_json") from None

    @staticmethod
    async def _pass(call: Call, request: Passthrough) -> None:
        exchange = call.exchange(request, f"{request.provider}-passthrough", None, force_refresh=False)
        async with Ending(exchange):
            reply = await call.calls.gateway.way(exchange)
            await call.begin(exchange, exchange.attempts[-1].upstream_status or 200, _headers(exchange))
            async for chunk in reply:
                if chunk.raw:
                    await call.write(chunk.raw)
        await call.end_stream()


def _sent_along(call: Call) -> tuple[tuple[str, str], ...]:
    found = ((name, header(call.scope, name.encode())) for name in SENT_ALONG)
    return tuple(
        (name, value)
        for name, value in found
        if value is not None and len(value) <= MAX_HEADER_CHARACTERS and value.isascii() and value.isprintable()
    )


def _headers(exchange: Exchange) -> Headers:
    said = exchange.upstream_headers.items()
    passed = [(name, value) for name, value in said if name in COMES_BACK or name.startswith(LIMITS)]
    own = [(name.encode(), value.encode("latin-1", "replace")) for name, value in passed]
    theirs = {name for name, _ in passed}  # one of each: the provider's limits in place of ours
    exchange.headers = {name: value for name, value in exchange.all_headers().items() if name not in theirs}
    exchange.standing = ""
    return [*own, *_INERT]
