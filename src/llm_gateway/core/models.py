"""What is known of a model before anyone asks it: whose it is, how much fits into it, how good it is held to be.

Context windows and ownership come from the genai-prices catalogue as installed: nothing is fetched. The catalogue's
own lookup is not used, because it remembers every name that it was ever asked for, and callers choose those names.

Quality is a rank order, not a measurement: a figure in [0, 1] by family and size, newer families of a vendor above
older ones. An operator who has measured sets `providers.<name>.quality`.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

import msgspec
from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from genai_prices.types import ModelInfo
from genai_prices.types import Provider as Vendor

from llm_gateway.core.settings import ProviderSettings

CATALOGUE_ID: Final[Mapping[str, str]] = {"openai": "openai", "anthropic": "anthropic", "bedrock": "aws", "grok": "x-ai"}
"""The catalogue's name of each kind's own vendor. Ollama serves models of anybody, at no price."""

DEFAULT_EMBEDDING_MODELS: Final[Mapping[str, str]] = {
    "openai": "text-embedding-3-small",
    "ollama": "nomic-embed-text",
    "bedrock": "amazon.titan-embed-text-v2:0",
}
UNKNOWN_QUALITY: Final = 0.5
MAX_NAME_CHARACTERS: Final = 256
"""Longer names are nobody's model, and are not worth matching."""

_QUALITY: Final[tuple[tuple[re.Pattern[str], float], ...]] = tuple(
    (re.compile(pattern), quality)
    for pattern, quality in (
        # Small members of a family first: the first row that matches counts.
        (r"gpt-[\d.]+.*nano|micro|ministral|[-:.](0\.5|1|1\.5|2|3|4)b\b", 0.35),
        (r"gpt-3\.5|babbage|davinci|curie|\bada\b|claude-(v1|2|instant)|titan|grok-(1|beta)\b|llama-?2\b|llama2", 0.35),
        (r"gpt-[56].*mini|o[34]-mini|claude-haiku-[5-9]", 0.72),
        (r"mini|haiku|nova-lite|gemma|[-:.](7|8|9|12|13|14)b\b", 0.55),
        (r"claude-(opus|mythos|fable)-[5-9]|gpt-6|gpt-5\.[4-9]|gpt-5(\.\d)?-pro|o3-pro|o1-pro", 0.97),
        (r"claude-opus-4|claude-sonnet-[5-9]|gpt-5|grok-[5-9]|grok-4\.[3-9]|grok-4\.20", 0.93),
        (r"claude-sonnet-4|o3|o4|grok-4|kimi|deepseek.r1", 0.9),
        (r"claude-3[.-]7|gpt-4\.[15]|o1|grok-3|nova-premier", 0.86),
        (r"claude-3[.-]5|claude-3-opus|gpt-4o|405b|maverick|glm", 0.82),
        (r"gpt-4|claude-3|grok-2|nova-pro|mistral-large|llama-?3.*70b|70b|90b|120b|mixtral", 0.75),
        (r"llama-?[34]|qwen|mistral|phi|gpt-oss|deepseek", 0.6),
    )
)


def default_embedding_model(kind: str, vendor_id: str) -> str:
    """The embedding model for a provider that sets none; "" where the kind's own vendor does not stand behind the endpoint."""
    return DEFAULT_EMBEDDING_MODELS.get(kind, "") if CATALOGUE_ID.get(kind, "") == vendor_id else ""


class ModelFacts(msgspec.Struct, frozen=True):
    """`context_window_tokens` is input and output together where the vendor says so; None: unknown. `quality` in [0, 1]."""

    context_window_tokens: int | None
    quality: float


def vendor_of(name: str, settings: ProviderSettings) -> str:
    """The catalogue id of whoever bills for a provider; "" when nobody known does.

    A provider that is named like its kind, or left at the vendor's own endpoint, is the vendor. Any other is whoever
    the catalogue says its endpoint belongs to: an OpenAI-compatible server is not billed as OpenAI.
    """
    kind = settings.kind or name
    if kind == name or not settings.endpoint:
        return CATALOGUE_ID.get(kind, "")
    for vendor in get_snapshot().providers:
        if re.match(vendor.api_pattern, settings.endpoint):
            return vendor.id
    return ""


@cache
def _vendor(vendor_id: str) -> Vendor | None:
    return find_provider_by_id(get_snapshot().providers, vendor_id)


def find_model(vendor_id: str, model: str) -> ModelInfo | None:
    """The catalogue's entry for a vendor's model. It knows most spellings (`claude-3.5-sonnet`, dated names) by itself."""
    vendor = _vendor(vendor_id) if vendor_id and len(model) <= MAX_NAME_CHARACTERS else None
    return None if vendor is None else vendor.find_model(model)


def known_models(vendor_id: str) -> tuple[str, ...]:
    """The names that the catalogue has for a vendor's models."""
    vendor = _vendor(vendor_id) if vendor_id else None
    return () if vendor is None else tuple(model.id for model in vendor.models)


def quality_of(model: str) -> float:
    """How good a model is held to be, in [0, 1]; `UNKNOWN_QUALITY` for a name that says nothing."""
    name = model[:MAX_NAME_CHARACTERS].lower()
    for pattern, quality in _QUALITY:
        if pattern.search(name):
            return quality
    return UNKNOWN_QUALITY


def facts_of(vendor_id: str, settings: ProviderSettings, model: str) -> ModelFacts:
    """What is known of a provider's model: the configuration first (for its default model), then the catalogue.

    `context_window` of the configuration holds for every model of the provider, and so does ollama's `num_ctx`,
    which is the length that models are loaded with there.
    """
    window = settings.context_window or settings.num_ctx
    if window is None:
        found = find_model(vendor_id, model)
        window = None if found is None else found.context_window
    configured = settings.quality if model == settings.model else None
    return ModelFacts(window, quality_of(model) if configured is None else configured)
