"""What the router keeps of each configured provider, from one configuration to the next."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from llm_gateway.core.addresses import is_local_origin
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.core.models import ModelFacts, default_embedding_model, facts_of, vendor_of
from llm_gateway.core.pricing import PriceBook
from llm_gateway.core.routing import Destination, Target
from llm_gateway.core.settings import ProviderSettings, Settings
from llm_gateway.core.wire import Provider
from llm_gateway.routing.concurrency import Slots
from llm_gateway.routing.health import House, Lane, Policy
from llm_gateway.routing.retries import RetryBudget

ANY_SIZE: Final = 1 << 40
MAX_LANES: Final = 256
"""Models of one provider that are remembered; callers choose their names, so the memory needs an end."""


class Upstream(Protocol):
    """A configured provider, as the application describes it: `provider` is None when something is `missing`."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def settings(self) -> ProviderSettings: ...
    @property
    def destination(self) -> Destination: ...
    @property
    def provider(self) -> Provider | None: ...
    @property
    def missing(self) -> str: ...


class Course(msgspec.Struct, frozen=True, gc=False):
    """A target with what is known of it and how it fares."""

    target: Target
    facts: ModelFacts
    lane: Lane


class Seat:
    """A usable provider: settings, translation, health, places, retry budget, and one course for each model."""

    __slots__ = (
        "_courses", "budget", "capabilities", "chat_model", "destination", "embedding_model", "has_probe", "house", "kind", "local",
        "max_response_bytes", "name", "policy", "priority", "provider", "settings", "slots", "vendor",
    )  # fmt: skip

    def __init__(self, upstream: Upstream, provider: Provider, policy: Policy, retry_share: float) -> None:
        settings = upstream.settings
        self.name = upstream.name
        self.kind = upstream.kind
        self.settings = settings
        self.provider = provider
        self.destination = upstream.destination
        self.capabilities = provider.capabilities
        self.priority = settings.priority
        self.max_response_bytes = settings.max_response_bytes
        self.policy = policy
        self.vendor = vendor_of(upstream.name, settings)
        self.local = is_local_origin(upstream.destination.origin, settings.local)
        self.has_probe = provider.probe() is not None
        self.chat_model = settings.model or next(iter(settings.models), "")
        self.embedding_model = settings.embedding_model or default_embedding_model(upstream.kind, self.vendor)
        self.house = House(policy)
        self.slots = Slots(upstream.name, settings.max_concurrency, settings.max_queue)
        self.budget = RetryBudget(retry_share)
        self._courses: dict[str, Course] = {}

    def inherit(self, before: "Seat") -> None:
        """Take over from the seat of the configuration before, which is the same provider: what was learnt stays true."""
        self.house, self.slots, self.budget, self._courses = before.house, before.slots, before.budget, before._courses

    def course(self, model: str) -> Course:
        """The course of one model; made when first asked for."""
        known = self._courses.get(model)
        if known is None:
            if len(self._courses) >= MAX_LANES:
                self._forget_one()
            known = Course(Target(self.name, model), facts_of(self.vendor, self.settings, model), Lane(self.policy))
            self._courses[model] = known
        return known

    def _forget_one(self) -> None:
        kept = (self.chat_model, self.embedding_model)
        del self._courses[next(model for model in self._courses if model not in kept)]

    def courses(self) -> list[Course]:
        """The courses of the models that were asked for so far."""
        return list(self._courses.values())

    def lanes(self) -> list[Lane]:
        """The lanes that were asked for so far."""
        return [course.lane for course in self._courses.values()]

    def default_model(self, *, embeddings: bool) -> str:
        """The model for a caller who named none; "" when there is none."""
        if embeddings:
            return self.embedding_model
        return self.chat_model or next(iter(self.house.models), "")

    def lists(self, model: str) -> bool:
        """Whether the configuration or the last health check names this model. Ollama's `llama3` is its `llama3:latest`."""
        if model in {self.chat_model, self.embedding_model} or model in self.settings.models:
            return True
        if self.settings.models:
            return False
        return model in self.house.models or (self.kind == "ollama" and f"{model}:latest" in self.house.models)

    def listed(self) -> list[str]:
        """The models that can be asked for by name, the default one first."""
        named = (self.chat_model, *(self.settings.models or self.house.models), self.embedding_model)
        return list(dict.fromkeys(model for model in named if model))


class Roster:
    """All configured providers: `seats` can be used, `missing` says what the others lack."""

    def __init__(self, settings: Settings, upstreams: Mapping[str, Upstream], before: "Roster | None" = None) -> None:
        self.settings = settings
        unusable = {name: upstream.missing for name, upstream in upstreams.items() if upstream.provider is None}
        self.missing = {name: missing or "it is not configured" for name, missing in unusable.items()}
        policy = Policy.of(settings.routing)
        seats: list[Seat] = []
        for upstream in upstreams.values():
            if upstream.provider is None:
                continue
            if upstream.provider.destination != upstream.destination:
                raise ConfigurationError(f"providers.{upstream.name}: its translation is made for another origin")
            seat = Seat(upstream, upstream.provider, policy, settings.routing.retry_budget)
            known = before.by_name.get(upstream.name) if before is not None else None
            if known is not None and known.settings == seat.settings and known.destination == seat.destination and known.policy == policy:
                seat.inherit(known)
            seats.append(seat)
        self.seats: Sequence[Seat] = tuple(seats)
        self.by_name: dict[str, Seat] = {seat.name: seat for seat in seats}
        self.names: tuple[str, ...] = tuple(upstreams)
        self.prices = PriceBook({name: upstream.settings for name, upstream in upstreams.items()})

    def tokens_that_fit(self) -> int:
        """Input and output tokens that every default model is known to hold; 0 when some provider serves models of any size."""
        windows = [seat.course(seat.chat_model).facts.context_window_tokens for seat in self.seats]
        return min((window for window in windows if window is not None), default=ANY_SIZE)
