"""The providers that are there without a word in the file, and how far each is trusted."""

from types import MappingProxyType
from typing import Final, get_args
from urllib.parse import urlsplit

from llm_gateway.core.addresses import is_local_host
from llm_gateway.core.settings import ProviderKind, ProviderSettings, ServiceSettings
from llm_gateway.core.types import SecurityLevel

DEFAULT_PROVIDERS: Final = MappingProxyType(
    {
        "ollama": {"model": "llama3", "timeout": 60, "cost_per_token": 0.0},
        "openai": {"model": "gpt-4o", "timeout": 30, "cost_per_token": 0.00003},
        "anthropic": {"model": "claude-3.5-sonnet", "timeout": 30, "cost_per_token": 0.000015},
        "bedrock": {"model": "anthropic.claude-3-sonnet-20240229-v1:0", "timeout": 60, "cost_per_token": 0.000015},
        "grok": {"model": "grok-1", "timeout": 30, "cost_per_token": 0.00001},
    }
)
"""What the five default providers set, in the words of the YAML file; every other key has its own default."""

KINDS: Final[tuple[ProviderKind, ...]] = get_args(ProviderKind)


def kind_of(name: str, settings: ProviderSettings) -> ProviderKind | None:
    """The wire that a provider speaks; None: the settings do not say, and its name is none of the five."""
    return settings.kind or next((kind for kind in KINDS if kind == name), None)


def security_level_of(name: str, settings: ProviderSettings) -> SecurityLevel:
    """How far a provider is trusted: what the settings say in so many words, else by kind and address.

    Bedrock is high. Ollama is high where its endpoint is the vendor's default (this machine), a loopback or private
    address, by name or literal, or declared `local`, which the transport holds it to. Everything else is medium.
    """
    if settings.security_level is not None:
        return settings.security_level
    kind = kind_of(name, settings)
    is_near = settings.local if settings.local is not None else not settings.endpoint or is_local_url(settings.endpoint)
    trusted = kind == "bedrock" or (kind == "ollama" and is_near)
    return SecurityLevel.HIGH if trusted else SecurityLevel.MEDIUM


def service_level_of(settings: ServiceSettings) -> SecurityLevel:
    """How far an integrated service is trusted: as set; else high when embedded or at a local address, medium elsewhere."""
    if settings.security_level is not None:
        return settings.security_level
    return SecurityLevel.HIGH if not settings.url or is_local_url(settings.url) else SecurityLevel.MEDIUM


def is_local_url(url: str) -> bool:
    """Whether a URL's host is known to be on this machine or a private network; in doubt it is not."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return host is not None and is_local_host(host) is True
