"""OpenAI, and every server that speaks Chat Completions at another endpoint (vLLM, llama.cpp, LM Studio, OpenRouter, ...)."""

from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar, Final
from urllib.parse import urlsplit

from llm_gateway.core.errors import ProviderError
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import ProviderSettings
from llm_gateway.core.types import ChatRequest, EmbeddingRequest, ModelRequest, Passthrough
from llm_gateway.core.upstream import endpoint_fault
from llm_gateway.core.wire import Capabilities, Decoder, HttpRequest
from llm_gateway.protocols.openai_chat import COMMON, PROTOCOL, SAMPLING_FIELDS, Dialect, asks_usage, encode_chat
from llm_gateway.protocols.openai_embeddings import EmbeddingsAnswer, encode_embeddings
from llm_gateway.protocols.openai_http import Faults, base_url, model_names, operation_urls, request_headers
from llm_gateway.protocols.openai_reply import ChatAnswer, ChatStream
from llm_gateway.protocols.passthrough import forwarded

DEFAULT_ENDPOINT: Final = "https://api.openai.com/v1"
_VENDOR_HOST: Final = "api.openai.com"

_REMEMBERED_MODELS: Final = 256

_CHATTING: Final = Dialect(refused=frozenset({"reasoning_effort"}))
_EFFORTS: Final = ("low", "medium", "high")
_REASONING: Final = Dialect(max_tokens_field="max_completion_tokens", refused=SAMPLING_FIELDS | {"stop"}, efforts=_EFFORTS)
_REASONING_ELSEWHERE: Final = Dialect(max_tokens_field="max_completion_tokens", efforts=_EFFORTS)
"""A reasoning model of OpenAI's behind another server (Azure, a proxy): it wants its own field for the limit."""
_REASONING_OFF: Final = Dialect(max_tokens_field="max_completion_tokens", refused=frozenset({"frequency_penalty", "presence_penalty"}))
"""`reasoning_effort: none` (gpt-5.1 and later) brings sampling and stop back."""


def endpoint_of(settings: ProviderSettings) -> str:
    """The base URL, like `https://api.openai.com/v1`."""
    return base_url(settings.endpoint, DEFAULT_ENDPOINT)


def missing(settings: ProviderSettings) -> str:
    """What the provider lacks to be usable; empty when nothing. Servers other than OpenAI's own may work without a key."""
    endpoint = endpoint_of(settings)
    if fault := endpoint_fault(endpoint):
        return fault
    if _is_vendor(endpoint) and not settings.api_key.get_secret_value():
        return "an API key: set OPENAI_API_KEY"
    return ""


def _is_vendor(endpoint: str) -> bool:
    """Whether this is OpenAI's own origin, regional ones (`eu.api.openai.com`) included."""
    host = urlsplit(endpoint).hostname or ""
    return host == _VENDOR_HOST or host.endswith("." + _VENDOR_HOST)


@lru_cache(_REMEMBERED_MODELS)
def _reasons(model: str) -> bool:
    """Whether a model of OpenAI's reasons: the o-series, and gpt-5 and later but for their `-chat` variants."""
    name = model.removeprefix("ft:")
    if name.startswith("o") and name[1:2].isdigit():
        return True
    if not name.startswith("gpt-"):
        return False
    version, _, variant = name.removeprefix("gpt-").partition("-")
    major = version.partition(".")[0]
    return major.isdecimal() and int(major) >= 5 and not variant.startswith("chat")


class OpenAiProvider:
    """A Chat Completions server as a translation."""

    kind: ClassVar[str] = "openai"
    protocol: ClassVar[str] = PROTOCOL
    capabilities = Capabilities(embeddings=True, documents=True, logprobs=True, choices=True, passthrough=True)

    def __init__(self, name: str, settings: ProviderSettings, destination: Destination) -> None:
        self.name = name
        self.destination = destination
        endpoint, api_key = endpoint_of(settings), settings.api_key.get_secret_value()
        self._vendor = _is_vendor(endpoint)
        self._chatting = _CHATTING if self._vendor else COMMON
        self._chat_url, self._embeddings_url, models_url = operation_urls(
            destination, endpoint, "/chat/completions", "/embeddings", "/models"
        )
        self._headers = request_headers(api_key, settings.headers)
        self._base_url = destination.origin + urlsplit(endpoint).path
        self._probe = HttpRequest("GET", models_url, self._headers)
        self._faults = Faults(name, api_key)

    def encode(self, request: ModelRequest, model: str, now_s: float) -> HttpRequest:
        """The request as JSON. `now_s` is not needed.

        Raises:
            InvalidRequest: a part that Chat Completions cannot carry.
        """
        if isinstance(request, EmbeddingRequest):
            return HttpRequest("POST", self._embeddings_url, self._headers, encode_embeddings(request, model))
        dialect = self._dialect(request) if _reasons(model) else self._chatting
        return HttpRequest("POST", self._chat_url, self._headers, encode_chat(request, model, dialect))

    def forward(self, request: Passthrough) -> HttpRequest:
        """An operation that is passed through, below the base URL."""
        return forwarded(request, self._base_url, self._headers)

    def _dialect(self, request: ChatRequest) -> Dialect:
        """That of a model that reasons."""
        if not self._vendor:
            return _REASONING_ELSEWHERE
        return _REASONING_OFF if request.reasoning_effort == "none" else _REASONING

    def decoder(self, request: ModelRequest, model: str) -> Decoder:
        if isinstance(request, EmbeddingRequest):
            return EmbeddingsAnswer(self.name, self._faults.in_answer, len(request.inputs))
        if request.stream:
            return ChatStream(self.name, self._faults.in_answer, show_usage=asks_usage(request))
        return ChatAnswer(self.name, self._faults.in_answer)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return self._faults.of_status(status, headers, body)

    def probe(self) -> HttpRequest:
        return self._probe

    def models(self, body: bytes) -> list[str]:
        return model_names(body)
