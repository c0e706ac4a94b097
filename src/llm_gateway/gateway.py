"""What one configuration makes of the parts: providers, filter, router, and the way through them.

A reload builds a new `Gateway` beside the old one and swaps it in whole; calls in flight finish on the one they began
with. What must outlive a reload (database, connections, counters) is held in `Shared` and handed over.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast
from urllib.parse import urlsplit

import msgspec

from llm_gateway.authenticator import Authenticator
from llm_gateway.configuration import kind_of, security_level_of
from llm_gateway.conversation_memory import ConversationMemory, ConversationStore
from llm_gateway.core.addresses import is_local_host
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.core.exchange import Next
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import ProviderSettings, Settings
from llm_gateway.core.wire import Provider
from llm_gateway.detectors.check import self_test
from llm_gateway.detectors.inspector import Inspector
from llm_gateway.metrics_collector import MetricsCollector
from llm_gateway.pipeline import Stage, compose
from llm_gateway.provider_router import ProviderRouter
from llm_gateway.security_filter import SecurityFilter
from llm_gateway.transport import Transport


class ProviderModule(Protocol):
    """What a file in `providers/` exports beside its one class."""

    def endpoint_of(self, settings: ProviderSettings) -> str: ...
    def missing(self, settings: ProviderSettings) -> str: ...


class Upstream(msgspec.Struct, frozen=True):
    """A configured provider: its settings, and its translation, or what it lacks (`missing`) to have one."""

    name: str
    kind: str
    settings: ProviderSettings
    destination: Destination
    provider: Provider | None
    missing: str = ""


@dataclass(frozen=True)
class Shared:
    """The parts that outlive a reload."""

    clock: Clock
    transport: Transport
    metrics: MetricsCollector
    conversations: ConversationStore


def upstream(name: str, settings: ProviderSettings) -> Upstream:
    """The provider that `settings` describe: `kind: openai` is `providers/openai.py`.

    Raises:
        ConfigurationError: it has no kind, or its endpoint is no URL.
    """
    kind = kind_of(name, settings)
    if kind is None:
        raise ConfigurationError(f"providers.{name}.kind: expected the wire it speaks, as its name is none of the default five")
    module = import_module(f"llm_gateway.providers.{kind}")
    exports = cast(ProviderModule, module)
    missing = "" if settings.enabled else "it is switched off (enabled: false)"
    missing = missing or exports.missing(settings)
    endpoint = exports.endpoint_of(settings)
    destination = Destination(name, origin_of(endpoint, name) if endpoint else "", security_level_of(name, settings))
    if missing:
        return Upstream(name, kind, settings, destination, None, missing)
    (translation,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and getattr(value, "kind", None) == kind
    )
    return Upstream(name, kind, settings, destination, translation(name, settings, destination))


def origin_of(endpoint: str, name: str) -> str:
    """`scheme://host[:port]` of an endpoint.

    Raises:
        ConfigurationError: it is not an http or https URL.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"providers.{name}.endpoint: expected an http:// or https:// URL")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def is_local(found: Upstream) -> bool:
    """Whether an upstream is on this machine or a private network, as far as its name tells."""
    return is_local_host(urlsplit(found.destination.origin).hostname or "") is True


class Gateway:
    """One configuration at work."""

    def __init__(self, settings: Settings, shared: Shared, before: "Gateway | None" = None) -> None:
        self.settings = settings
        self.shared = shared
        self.upstreams = {name: upstream(name, provider) for name, provider in settings.providers.items()}
        usable = [found for found in self.upstreams.values() if found.provider is not None]
        security = settings.security
        inspector = Inspector(security.sensitive_keywords, security.rules, security.sensitivity_threshold)
        self.unflagged = self_test(inspector)
        """Planted secrets that the detector missed; with any, only providers of the highest level are served."""
        self.authenticator = Authenticator()
        self.security_filter = SecurityFilter(security, (found.destination for found in usable), inspector, trusted=not self.unflagged)
        self.router: ProviderRouter = ProviderRouter(settings, self.upstreams, shared, before.router if before else None)
        self.memory = ConversationMemory(shared.conversations, shared.clock, self.router.history_tokens)
        order: tuple[Stage, ...] = (
            shared.metrics,
            self.authenticator,
            self.memory,
            self.security_filter,
        )
        self.way: Next = compose(order, self.router)
