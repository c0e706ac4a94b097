"""Ollama as an upstream, on its own wire: local models, or ollama.com with a key."""

from collections.abc import Mapping
from typing import ClassVar, Final

import msgspec

from llm_gateway.core.errors import ProviderError, ProviderInvalidRequest
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import ProviderSettings
from llm_gateway.core.types import ChatRequest, ModelRequest
from llm_gateway.core.upstream import endpoint_fault, error_of_status, kind_and_message, retry_after_s
from llm_gateway.core.wire import Capabilities, Decoder, HttpRequest
from llm_gateway.protocols.ollama_chat import (
    PROTOCOL,
    ChatDecoder,
    ChatStreamDecoder,
    EmbeddingDecoder,
    Loading,
    asks_completion,
    calls_before,
    encode_chat,
    encode_completion,
    encode_embedding,
)

DEFAULT_ENDPOINT: Final = "http://localhost:11434"
DEFAULT_PORT: Final = 11434

_OPERATIONS: Final = (
    "/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/tags", "/api/show", "/api/version", "/api",
    "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/v1",
)  # fmt: skip
_OTHER_MODEL_COULD: Final = "does not support"
"""How the server says that this model, not the request, is at fault: tools, thinking, images, chat."""


class _Model(msgspec.Struct):
    name: str


class _Models(msgspec.Struct):
    models: list[_Model] | None = None


_decode_models = msgspec.json.Decoder(_Models).decode


def endpoint_of(settings: ProviderSettings) -> str:
    """The base URL as Ollama's own client takes it: `host:port` becomes a URL, an operation's path and slashes go."""
    endpoint = settings.endpoint.strip().rstrip("/") or DEFAULT_ENDPOINT
    for operation in _OPERATIONS:
        if endpoint.endswith(operation):
            endpoint = endpoint.removesuffix(operation).rstrip("/")
            break
    if "://" in endpoint:
        return endpoint
    host, slash, path = endpoint.partition("/")
    named_port = ":" in host.rpartition("]")[2] if host.startswith("[") else ":" in host
    return f"http://{host if named_port else f'{host}:{DEFAULT_PORT}'}{slash}{path}"


def missing(settings: ProviderSettings) -> str:
    """What the provider lacks to be usable: no more than a sound endpoint, since it needs no key."""
    return endpoint_fault(endpoint_of(settings))


class OllamaProvider:
    """Local models: chat with tools, images, thinking, log probabilities and structured output, and embeddings."""

    kind: ClassVar[str] = "ollama"
    protocol: ClassVar[str] = PROTOCOL

    def __init__(self, name: str, settings: ProviderSettings, destination: Destination) -> None:
        self.name = name
        self.destination = destination
        self.capabilities = Capabilities(embeddings=True, logprobs=True)
        self._key = settings.api_key.get_secret_value()
        self._loading = Loading(settings.num_ctx, settings.keep_alive)
        endpoint = endpoint_of(settings)
        self._chat_url = f"{endpoint}/api/chat"
        self._generate_url = f"{endpoint}/api/generate"
        self._embed_url = f"{endpoint}/api/embed"
        headers = {"content-type": "application/json"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        headers |= {key.lower(): value for key, value in settings.headers.items()}
        self._headers = tuple(headers.items())
        self._probe = HttpRequest("GET", f"{endpoint}/api/tags", self._headers)

    def encode(self, request: ModelRequest, model: str, now_s: float) -> HttpRequest:
        """The request as `POST /api/chat`, `POST /api/embed`, or, where it came as one, `POST /api/generate`.

        Raises:
            InvalidRequest: `n` above 1, forced tools, images by URL, documents, and others this wire cannot say.
        """
        if isinstance(request, ChatRequest):
            if request.native is not None and asks_completion(request):
                return HttpRequest("POST", self._generate_url, self._headers, encode_completion(request, model, self._loading))
            return HttpRequest("POST", self._chat_url, self._headers, encode_chat(request, model, self._loading))
        return HttpRequest("POST", self._embed_url, self._headers, encode_embedding(request, model, self._loading))

    def decoder(self, request: ModelRequest, model: str) -> Decoder:
        """A decoder for one JSON document, for NDJSON when the request streams, or for embeddings."""
        if not isinstance(request, ChatRequest):
            return EmbeddingDecoder(self.name, self._failure_inside, len(request.inputs))
        return (ChatStreamDecoder if request.stream else ChatDecoder)(self.name, self._failure_inside, calls_before(request))

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What a non-2xx answer means. A model that lacks an ability is not the content's fault: another may have it."""
        message = kind_and_message(body)[1]
        failure = error_of_status(status, message, provider=self.name, retry_after_s=retry_after_s(headers), secret=self._key)
        if isinstance(failure, ProviderInvalidRequest) and _OTHER_MODEL_COULD in message:
            failure.try_next = True
        return failure

    def _failure_inside(self, message: str) -> ProviderError:
        """An `error` line inside an answer that began with 200; the server means a 500, which came too late to say."""
        return error_of_status(500, message, provider=self.name, secret=self._key)

    def probe(self) -> HttpRequest:
        """The list of local models, which costs nothing."""
        return self._probe

    def models(self, body: bytes) -> list[str]:
        """The names in the list of local models; empty when the body is no such list."""
        try:
            return [model.name for model in _decode_models(body).models or ()]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return []
