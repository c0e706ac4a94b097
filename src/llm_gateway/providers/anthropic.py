"""Anthropic's Messages API as an upstream, at Anthropic itself or at a server that speaks its wire."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar, Final
from urllib.parse import urlsplit

import msgspec

from llm_gateway.core.errors import InvalidRequest, ProviderError, ProviderRejected
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import ProviderSettings
from llm_gateway.core.types import ChatRequest, ModelRequest, Passthrough
from llm_gateway.core.upstream import endpoint_fault, error_of_status, kind_and_message, retry_after_s, seconds_until
from llm_gateway.core.wire import Capabilities, Decoder, HttpRequest
from llm_gateway.protocols.anthropic_answers import STATUS_OF_ERROR, AnswerDecoder, StreamDecoder
from llm_gateway.protocols.anthropic_messages import MAX_TEMPERATURE, PROTOCOL, betas, encode_chat
from llm_gateway.protocols.passthrough import forwarded

DEFAULT_ENDPOINT: Final = "https://api.anthropic.com"
_VENDOR_HOST: Final = "api.anthropic.com"
API_VERSION: Final = "2023-06-01"
MODELS_PER_PAGE: Final = 1000
"""The most that the models list gives in one page."""

_OPERATIONS: Final = ("/v1/messages/count_tokens", "/v1/messages", "/v1/models", "/v1")
_NO_CREDIT: Final = "credit balance"
"""An empty account is told as a 400; these words are all that sets it apart from a bad request."""


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model] = []


_decode_models = msgspec.json.Decoder(_Models).decode


def endpoint_of(settings: ProviderSettings) -> str:
    """The base URL as Anthropic's SDK takes it: without `/v1` and what follows, and without a trailing slash."""
    endpoint = settings.endpoint.strip().rstrip("/") or DEFAULT_ENDPOINT
    for operation in _OPERATIONS:
        if endpoint.endswith(operation):
            return endpoint.removesuffix(operation).rstrip("/")
    return endpoint


def missing(settings: ProviderSettings) -> str:
    """What the provider lacks to be usable; "" when nothing. Servers at other endpoints than Anthropic's need no key."""
    endpoint = endpoint_of(settings)
    if fault := endpoint_fault(endpoint):
        return fault
    if urlsplit(endpoint).hostname == _VENDOR_HOST and not settings.api_key.get_secret_value():
        return "an API key: set ANTHROPIC_API_KEY"
    return ""


class AnthropicProvider:
    """Claude models: chat with tools, images, documents, thinking and structured output; no embeddings."""

    kind: ClassVar[str] = "anthropic"
    protocol: ClassVar[str] = PROTOCOL

    def __init__(self, name: str, settings: ProviderSettings, destination: Destination) -> None:
        self.name = name
        self.destination = destination
        self.capabilities = Capabilities(documents=True, max_temperature=MAX_TEMPERATURE, passthrough=True)
        self._key = settings.api_key.get_secret_value()
        endpoint = self._base_url = endpoint_of(settings)
        self._messages_url = f"{endpoint}/v1/messages"
        headers = {"content-type": "application/json", "anthropic-version": API_VERSION}
        if self._key:
            headers["x-api-key"] = self._key
        headers |= {key.lower(): value for key, value in settings.headers.items()}
        self._headers = tuple(headers.items())
        self._probe = HttpRequest("GET", f"{endpoint}/v1/models?limit={MODELS_PER_PAGE}", self._headers)

    def encode(self, request: ModelRequest, model: str, now_s: float) -> HttpRequest:
        """The request as `POST /v1/messages`.

        Raises:
            InvalidRequest: embeddings, `n` above 1, log probabilities, penalties, and others this wire cannot say.
        """
        if not isinstance(request, ChatRequest):
            raise InvalidRequest(f"{self.name} has no embeddings; ask a provider that has", param="provider")
        headers = self._headers
        if asked := betas(request):
            own = dict(headers)
            own["anthropic-beta"] = f"{own['anthropic-beta']},{asked}" if "anthropic-beta" in own else asked
            headers = tuple(own.items())
        return HttpRequest("POST", self._messages_url, headers, encode_chat(request, model))

    def forward(self, request: Passthrough) -> HttpRequest:
        """An operation that is passed through, below the base URL. `anthropic-version` is the caller's, if it named one."""
        return forwarded(request, self._base_url, self._headers)

    def decoder(self, request: ModelRequest, model: str) -> Decoder:
        """A decoder for one JSON document, or for server-sent events when the request streams."""
        streamed = isinstance(request, ChatRequest) and request.stream
        return (StreamDecoder if streamed else AnswerDecoder)(self.name, self._failure_inside)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What a non-2xx answer means; when to come back is in `retry-after`, else in the limits' reset times."""
        wait_s = retry_after_s(headers)
        if wait_s is None and status == 429:
            wait_s = _until_reset_s(headers)
        return self._failure(status, kind_and_message(body)[1], wait_s)

    def _failure_inside(self, kind: str, message: str) -> ProviderError:
        """An `error` document inside an answer that began with 200."""
        return self._failure(STATUS_OF_ERROR.get(kind, 500), message or kind, None)

    def _failure(self, status: int, message: str, wait_s: float | None) -> ProviderError:
        failure = error_of_status(status, message, provider=self.name, retry_after_s=wait_s, secret=self._key)
        if status == 400 and _NO_CREDIT in message:
            return ProviderRejected(failure.message, provider=self.name, upstream_status=status)
        return failure

    def probe(self) -> HttpRequest:
        """The models list, which costs nothing."""
        return self._probe

    def models(self, body: bytes) -> list[str]:
        """The model names in the models list; empty when the body is no such list."""
        try:
            return [model.id for model in _decode_models(body).data]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return []


def _until_reset_s(headers: Mapping[str, str]) -> float | None:
    """Seconds until a limit is restored, relative to the answer's own `date`.

    `anthropic-ratelimit-<what>-reset` is an RFC 3339 time; `anthropic-ratelimit-unified-reset` Unix seconds. The
    exhausted limits (`-remaining: 0`) count; when none shows itself exhausted, all do. The latest is the safe one.
    """
    resets = {
        name.removesuffix("-reset"): seconds
        for name, value in headers.items()
        if name.startswith("anthropic-ratelimit-")
        and name.endswith("-reset")
        and (seconds := seconds_until(_moment(value), headers)) is not None
    }
    exhausted = [seconds for name, seconds in resets.items() if headers.get(f"{name}-remaining", "").strip() == "0"]
    return max(exhausted or resets.values(), default=None)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromtimestamp(int(text), UTC) if text.isdecimal() else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
