"""The only way from a request to bytes on a provider's wire.

`SecurityFilter` judges a request and seals a `Clearance` over exactly what it judged. `Clearance.wire` is the one
function that makes `WireBytes`, and the transport sends nothing else to a provider. So the bytes are a function of
what was judged, whichever code path (retry, fallback, embedding, helper call) asks for them.
"""

import hashlib
from typing import Final

import msgspec

from llm_gateway.core.errors import Internal
from llm_gateway.core.routing import Destination
from llm_gateway.core.types import Request
from llm_gateway.core.wire import HttpRequest, Provider

_TOKEN: Final = object()
"""Held by this module and `core.seal` alone: without it none of the classes here can be made."""

_encoder = msgspec.msgpack.Encoder(order="deterministic")


def digest(request: Request) -> bytes:
    """A 32-byte fingerprint of every field of a request."""
    return hashlib.blake2b(_encoder.encode(request), digest_size=32).digest()


class WireBytes:
    """One HTTP request that may leave: for exactly one `destination`."""

    __slots__ = ("destination", "http")

    def __init__(self, http: HttpRequest, destination: Destination, token: object) -> None:
        if token is not _TOKEN:
            raise Internal("wire bytes are made from a clearance only")
        self.http = http
        self.destination = destination


class Granted(msgspec.Struct, frozen=True):
    """What the caller's key may be used for; None: anything.

    Models are named `model`, wherever it is, or `provider/model`; one with a slash in its own name is always named with its
    provider (`openrouter/openai/gpt-4o`), so that `openai/gpt-4o` is that model at openai and nowhere else.
    """

    providers: frozenset[str] | None = None
    models: frozenset[str] | None = None

    def provider(self, name: str) -> bool:
        """Whether the key covers this provider."""
        return self.providers is None or name in self.providers

    def model(self, provider: str, model: str) -> bool:
        """Whether the key covers this model at this provider."""
        return self.models is None or f"{provider}/{model}" in self.models or ("/" not in model and model in self.models)


ANYTHING: Final = Granted()


class Clearance:
    """Where a judged request may go. Immutable; made by `core.seal.seal`."""

    __slots__ = ("_digest", "_eligible", "_granted", "_policy_version")
    _digest: bytes
    _eligible: frozenset[Destination]
    _policy_version: str
    _granted: Granted

    def __init__(
        self,
        request_digest: bytes,
        eligible: frozenset[Destination],
        policy_version: str,
        token: object,
        granted: Granted = ANYTHING,
    ) -> None:
        if token is not _TOKEN:
            raise Internal("a clearance is made by the security filter only")
        object.__setattr__(self, "_digest", request_digest)
        object.__setattr__(self, "_eligible", eligible)
        object.__setattr__(self, "_policy_version", policy_version)
        object.__setattr__(self, "_granted", granted)

    def __setattr__(self, name: str, _: object) -> None:
        raise Internal(f"a clearance cannot be changed ({name})")

    @property
    def policy_version(self) -> str:
        return self._policy_version

    @property
    def request_digest(self) -> bytes:
        """The fingerprint of the request that was judged."""
        return self._digest

    @property
    def eligible(self) -> frozenset[Destination]:
        return self._eligible

    @property
    def granted(self) -> Granted:
        """What the caller's key covers; `eligible` is within it already."""
        return self._granted

    def allows(self, destination: Destination) -> bool:
        """Whether the judged content may go to this origin at the level it has now."""
        return destination in self._eligible

    def wire(self, request: Request, provider: Provider, model: str, now_s: float) -> WireBytes:
        """The bytes that carry `request` to `provider`.

        Raises:
            Internal: the destination is not eligible, the model is not the caller's to use, the request is not the one
                that was judged, or the provider encoded for another origin. Each would be a fault of ours; nothing is sent.
        """
        if provider.destination not in self._eligible:
            raise Internal(f"{provider.name} is not cleared for this content")
        if not self._granted.model(provider.name, model):
            raise Internal(f"the caller's key does not cover {provider.name}/{model}")
        if digest(request) != self._digest:
            raise Internal("the request changed after it was judged")
        return WireBytes(_at_origin(provider.encode(request, model, now_s), provider), provider.destination, _TOKEN)


def probe_wire(provider: Provider) -> WireBytes | None:
    """The bytes of a provider's fixed health probe: they carry nothing of any request."""
    http = provider.probe()
    return None if http is None else WireBytes(_at_origin(http, provider), provider.destination, _TOKEN)


def _at_origin(http: HttpRequest, provider: Provider) -> HttpRequest:
    origin = provider.destination.origin
    if not (http.url == origin or http.url.startswith(origin + "/")):
        raise Internal(f"{provider.name} encoded a request for another origin than its own")
    return http
