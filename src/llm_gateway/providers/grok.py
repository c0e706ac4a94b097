"""xAI's Grok: Chat Completions with its own refusals. What its answers do otherwise, the shared decoders read from themselves.

Source: docs.x.ai, "Reasoning", "Debugging Errors", "Cost Tracking".
"""

from collections.abc import Mapping
from typing import ClassVar, Final

from llm_gateway.core.errors import InvalidRequest, ProviderError
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import ProviderSettings
from llm_gateway.core.types import EmbeddingRequest, ModelRequest, Role
from llm_gateway.core.upstream import endpoint_fault
from llm_gateway.core.wire import Capabilities, Decoder, HttpRequest
from llm_gateway.protocols.openai_chat import PROTOCOL, Dialect, asks_usage, encode_chat
from llm_gateway.protocols.openai_http import Faults, base_url, model_names, operation_urls, request_headers
from llm_gateway.protocols.openai_reply import ChatAnswer, ChatStream

DEFAULT_ENDPOINT: Final = "https://api.x.ai/v1"

_NAMED: Final[frozenset[Role]] = frozenset({"user"})
"""Only messages of role user can have a name."""
_PENALTIES: Final = frozenset({"frequency_penalty", "presence_penalty"})
"""Refused by reasoning models, and by later ones that do not reason; hints that can go."""
_REASONING: Final = Dialect(refused=_PENALTIES | {"stop"}, named_roles=_NAMED, files=False, efforts=("low", "high"))
_FIXED_EFFORT: Final = Dialect(refused=_PENALTIES | {"stop", "reasoning_effort"}, named_roles=_NAMED, files=False)
_CHATTING: Final = Dialect(refused=_PENALTIES | {"reasoning_effort"}, named_roles=_NAMED, files=False)
_CHATTING_MODELS: Final = ("grok-beta", "grok-vision", "grok-2", "grok-3")
_FIXED_EFFORT_MODELS: Final = ("grok-4-", "grok-code", "grok-4.20-reasoning", "grok-4.20-0")
"""Models that reason as they see fit and refuse `reasoning_effort`."""


def endpoint_of(settings: ProviderSettings) -> str:
    """The base URL, like `https://api.x.ai/v1`."""
    return base_url(settings.endpoint, DEFAULT_ENDPOINT)


def missing(settings: ProviderSettings) -> str:
    """What the provider lacks to be usable; empty when nothing."""
    endpoint = endpoint_of(settings)
    if fault := endpoint_fault(endpoint):
        return fault
    if endpoint == DEFAULT_ENDPOINT and not settings.api_key.get_secret_value():
        return "an API key: set GROK_API_KEY"
    return ""


def _dialect(model: str) -> Dialect:
    if "non-reasoning" in model or (model.startswith(_CHATTING_MODELS) and not model.startswith("grok-3-mini")):
        return _CHATTING
    if model == "grok-4" or model.startswith(_FIXED_EFFORT_MODELS):
        return _FIXED_EFFORT
    return _REASONING


class GrokProvider:
    """xAI's API as a translation."""

    kind: ClassVar[str] = "grok"
    protocol: ClassVar[str] = PROTOCOL
    capabilities = Capabilities(logprobs=True, choices=True)

    def __init__(self, name: str, settings: ProviderSettings, destination: Destination) -> None:
        self.name = name
        self.destination = destination
        endpoint, api_key = endpoint_of(settings), settings.api_key.get_secret_value()
        self._chat_url, models_url = operation_urls(destination, endpoint, "/chat/completions", "/models")
        self._headers = request_headers(api_key, settings.headers)
        self._probe = HttpRequest("GET", models_url, self._headers)
        self._faults = Faults(name, api_key)

    def encode(self, request: ModelRequest, model: str, now_s: float) -> HttpRequest:
        """The request as JSON. `now_s` is not needed.

        Raises:
            InvalidRequest: embeddings, which xAI does not offer, or a part that its wire cannot carry.
        """
        if isinstance(request, EmbeddingRequest):
            raise InvalidRequest(f"{self.name} has no embeddings", param="provider")
        return HttpRequest("POST", self._chat_url, self._headers, encode_chat(request, model, _dialect(model)))

    def decoder(self, request: ModelRequest, model: str) -> Decoder:
        if isinstance(request, EmbeddingRequest):
            raise InvalidRequest(f"{self.name} has no embeddings", param="provider")
        if request.stream:
            return ChatStream(self.name, self._faults.in_answer, show_usage=asks_usage(request))
        return ChatAnswer(self.name, self._faults.in_answer)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return self._faults.of_status(status, headers, body)

    def probe(self) -> HttpRequest:
        return self._probe

    def models(self, body: bytes) -> list[str]:
        return model_names(body)
