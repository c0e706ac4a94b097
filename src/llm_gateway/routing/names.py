"""What a caller means by `provider` and `model`.

None and `auto` leave the choice open. `model` may be a bare name, an alias of the configuration (which may name
another alias), or `provider/model`; `provider` may be a configured provider or a common other name of one.

- Nothing named: every provider with its default model.
- A provider named: it comes first with its default model; should it fail, the others follow with theirs, unless
  `routing.explicit_fallback` is off.
- A model named: the providers that serve it, and nobody with any other model. With a provider named as well that
  one comes first, whether or not it lists the model, for it knows best; others follow only if they serve the same.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from llm_gateway.core.errors import ConfigurationError, InvalidRequest, UnknownModel, UnknownProvider
from llm_gateway.core.models import MAX_NAME_CHARACTERS, find_model
from llm_gateway.core.types import PASSTHROUGH
from llm_gateway.routing.seats import Roster, Seat

AUTO: Final = "auto"
OTHER_NAMES: Final = {"xai": "grok", "x-ai": "grok", "aws": "bedrock", "amazon": "bedrock", "claude": "anthropic"}
MAX_WISHES: Final = 2048
MAX_SUGGESTIONS: Final = 8


class Wish(msgspec.Struct, frozen=True):
    """What was asked for. `provider` "" and `model` "" leave it open; `serving` are the providers that have the named model."""

    provider: str = ""
    model: str = ""
    serving: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        return not self.provider and not self.model

    def __str__(self) -> str:
        return "/".join(filter(None, (self.provider, self.model))) or AUTO


ANYTHING: Final = Wish()


def check_aliases(aliases: Mapping[str, str]) -> None:
    """Refuse aliases that lead in a circle.

    Raises:
        ConfigurationError: naming the first alias of the circle.
    """
    for alias in aliases:
        seen = {alias}
        name = aliases[alias]
        while name in aliases:
            if name in seen:
                raise ConfigurationError(f"aliases.{alias}: leads in a circle through {name}; expected an end at a model or provider/model")
            seen.add(name)
            name = aliases[name]


class Names:
    """Reads `provider` and `model` of requests. What was read is remembered, up to `MAX_WISHES` pairs."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._aliases = dict(roster.settings.aliases)
        check_aliases(self._aliases)
        self._known: dict[tuple[str | None, str | None], Wish] = {}

    def forget(self) -> None:
        """A provider's list of models has changed."""
        self._known.clear()

    def wish(self, provider: str | None, model: str | None) -> Wish:
        """What a request's `provider` and `model` mean.

        Raises:
            UnknownProvider: no configured provider has that name.
            UnknownModel: no usable provider serves it; names those that come nearest.
            InvalidRequest: the model's alias belongs to another provider than the one named.
        """
        if provider is None and model is None:
            return ANYTHING
        key = (provider, model)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MAX_WISHES:
                self._known.clear()
            known = self._known[key] = self._read(provider or AUTO, model or AUTO)
        return known

    def _read(self, provider: str, model: str) -> Wish:
        named = "" if provider == AUTO else self._provider(provider)
        if not named and provider != AUTO:
            there = ", ".join(self._roster.names) or "none"
            raise UnknownProvider(f"provider: there is no provider {_shown(provider)}; configured are: {there}", param="provider")
        if named and model == PASSTHROUGH:
            return Wish(named, model, frozenset((named,)))
        meant = self._resolved(model)
        first, slash, rest = meant.partition("/")
        prefix = self._provider(first) if slash else ""
        # With a provider named, a slash belongs to its model's name (an OpenRouter or vLLM model), unless it repeats
        # the provider or comes out of an alias.
        if prefix and rest and (not named or prefix == named or meant != model):
            if named and named != prefix:
                raise InvalidRequest(f"model: {_shown(model)} is a model of {prefix}, but the provider named is {named}", param="model")
            named, meant = prefix, rest
        if meant == AUTO:
            return Wish(named)
        return self._with_model(named, meant)

    def _with_model(self, named: str, model: str) -> Wish:
        serving = frozenset(seat.name for seat in self._roster.seats if serves(seat, model))
        if not named and not serving:
            raise self._unknown(model, None)
        seat = self._roster.by_name.get(named)
        if seat is not None and named not in serving and not _may_have(seat, model):
            raise self._unknown(model, seat)
        return Wish(named, model, serving)

    def _resolved(self, name: str) -> str:
        while name in self._aliases:
            name = self._aliases[name]
        return name

    def _provider(self, name: str) -> str:
        """The configured provider that a name means; "" for none."""
        for candidate in (name, self._resolved(name), OTHER_NAMES.get(name, "")):
            if candidate in self._roster.by_name or candidate in self._roster.missing:
                return candidate
        return ""

    def _unknown(self, model: str, seat: Seat | None) -> UnknownModel:
        seats = self._roster.seats if seat is None else (seat,)
        there = list(dict.fromkeys(name for each in seats for name in each.listed())) + ([] if seat else list(self._aliases))
        nearest = sorted(there, key=lambda name: (-_likeness(name.lower(), model.lower()), name))[:MAX_SUGGESTIONS]
        where = "no usable provider has" if seat is None else f"{seat.name} has not got"
        return UnknownModel(f"model: {where} {_shown(model)}; there are: {', '.join(nearest) or 'none'}", param="model")


def serves(seat: Seat, model: str) -> bool:
    """Whether a provider is known to have a model: by configuration, by its own list, or because it is its vendor's."""
    if seat.lists(model):
        return True
    return not seat.settings.models and find_model(seat.vendor, model) is not None


def _may_have(seat: Seat, model: str) -> bool:
    """Whether a provider asked by name for a model that it is not known to have is worth asking.

    `models` of the configuration is a closed list, and so is what an Ollama server says it has loaded; other vendors
    have models that they do not list (fine-tuned ones, ARNs).
    """
    if len(model) > MAX_NAME_CHARACTERS or seat.settings.models:
        return False
    return not (seat.kind == "ollama" and seat.house.models)


def _likeness(name: str, asked: str) -> int:
    """How many characters two names share at their beginning, and more when one holds the other."""
    same = 0
    for left, right in zip(name, asked, strict=False):
        if left != right:
            break
        same += 1
    return same + (len(asked) if asked in name or name in asked else 0)


def _shown(name: str) -> str:
    """A caller's name, short and printable."""
    return repr(name[:64])
