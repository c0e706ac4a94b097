"""The only way from a request to bytes on a provider's wire.

`SecurityFilter` judges a request and seals a `Clearance` over exactly what it judged. `Clearance.wire` is the one
function that makes `WireBytes`, and the transport sends nothing else to a provider. So the bytes are a function of
what was judged, whichever code path (retry, fallback, embedding, helper call) asks for them.
"""

import hashlib
import hmac
import re
from typing import Final, Protocol

import msgspec

from llm_gateway.core.errors import Internal
from llm_gateway.core.notices import EVENT_HEADER, SIGNATURE_HEADER, BudgetNotice, NoticePlace
from llm_gateway.core.routing import Destination
from llm_gateway.core.types import Passthrough, Request
from llm_gateway.core.wire import Forwarding, HttpRequest, Provider

_TOKEN: Final = object()
"""Held by this module and `core.seal` alone: without it none of the classes here can be made."""

_TRACEPARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_blake2b = hashlib.blake2b
_set: Final = object.__setattr__
KEPT_BYTES: Final = 16_384
"""A judged request up to this size is kept as it was and compared whole, which costs less than a second digest."""


def encoded(request: Request) -> bytes:
    """Every field of a request, in one form."""
    return _encode(request)


def _digest(form: bytes) -> bytes:
    return _blake2b(form, digest_size=32).digest()


def digest(request: Request) -> bytes:
    """A 32-byte fingerprint of every field of a request."""
    return _digest(encoded(request))


class WireBytes:
    """One HTTP request that may leave: for exactly one `destination`, below its origin."""

    __slots__ = ("destination", "http")

    def __init__(self, http: HttpRequest, destination: Destination, token: object) -> None:
        if token is not _TOKEN:
            raise Internal("wire bytes are made from a clearance only")
        origin = destination.origin
        if not http.url.startswith(f"{origin}/") and http.url != origin:
            raise Internal(f"{destination.provider} encoded a request for another origin than its own")
        self.http = http
        self.destination = destination

    def traced(self, traceparent: str) -> "WireBytes":
        """The same with a `traceparent` header, the one that may be added after the judgement: its form leaves no room for content.

        Raises:
            Internal: it is not of that form (W3C Trace Context, version 00).
        """
        if _TRACEPARENT.fullmatch(traceparent) is None:
            raise Internal("a traceparent is not of its form")
        http = msgspec.structs.replace(self.http, headers=(*self.http.headers, ("traceparent", traceparent)))
        return WireBytes(http, self.destination, _TOKEN)


class Granted(msgspec.Struct, frozen=True, cache_hash=True):
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

    __slots__ = ("_judged", "eligible", "granted", "policy_version", "request_digest")
    _judged: bytes | None
    eligible: frozenset[Destination]
    """Where the judged content may go."""
    granted: Granted
    """What the caller's key covers; `eligible` is within it already."""
    policy_version: str
    request_digest: bytes
    """The fingerprint of the request that was judged."""

    def __init__(
        self,
        judged: bytes,
        eligible: frozenset[Destination],
        policy_version: str,
        token: object,
        granted: Granted = ANYTHING,
    ) -> None:
        if token is not _TOKEN:
            raise Internal("a clearance is made by the security filter only")
        _set(self, "_judged", judged if len(judged) <= KEPT_BYTES else None)
        _set(self, "request_digest", _blake2b(judged, digest_size=32).digest())
        _set(self, "eligible", eligible)
        _set(self, "policy_version", policy_version)
        _set(self, "granted", granted)

    def __setattr__(self, name: str, _: object) -> None:
        raise Internal(f"a clearance cannot be changed ({name})")

    def allows(self, destination: Destination) -> bool:
        """Whether the judged content may go to this origin at the level it has now."""
        return destination in self.eligible

    def wire(self, request: Request, provider: Provider, model: str, now_s: float) -> WireBytes:
        """The bytes that carry `request` to `provider`.

        Raises:
            Internal: the destination is not eligible, the model is not the caller's to use, the request is not the one
                that was judged, what is passed through belongs to another provider, or the provider encoded for another origin. Each
                would be a fault of ours; nothing is sent.
        """
        destination, granted = provider.destination, self.granted
        if destination not in self.eligible:
            raise Internal(f"{provider.name} is not cleared for this content")
        if granted.models is not None and not granted.model(provider.name, model):
            raise Internal(f"the caller's key does not cover {provider.name}/{model}")
        self._check(request)
        http = _forwarded(request, provider) if isinstance(request, Passthrough) else provider.encode(request, model, now_s)
        return WireBytes(http, destination, _TOKEN)

    def _check(self, request: Request) -> None:
        form = _encode(request)
        if form != self._judged if self._judged is not None else _digest(form) != self.request_digest:
            raise Internal("the request changed after it was judged")

    def service_wire(self, request: Passthrough, service: "ServiceDoor") -> WireBytes:
        """The bytes that carry one operation to a remote integrated service.

        Raises:
            Internal: as in `wire`; nothing is sent.
        """
        if service.destination not in self.eligible or request.provider != service.destination.provider:
            raise Internal(f"{service.destination.provider} is not cleared for this content")
        self._check(request)
        return WireBytes(service.forward(request), service.destination, _TOKEN)


class ServiceDoor(Protocol):
    """A remote integrated service as a pure translation, like a provider."""

    @property
    def destination(self) -> Destination: ...

    def forward(self, request: Passthrough) -> HttpRequest:
        """The operation at the service's base URL, with its key."""
        ...

    def health(self) -> HttpRequest:
        """A fixed request that shows whether the service lives."""
        ...


def service_probe_wire(service: ServiceDoor) -> WireBytes:
    """The bytes of a remote service's fixed health check: they carry nothing of any request."""
    return WireBytes(service.health(), service.destination, _TOKEN)


def _forwarded(request: Passthrough, provider: Provider) -> HttpRequest:
    if request.provider != provider.name or not isinstance(provider, Forwarding):
        raise Internal(f"{provider.name} is not where this operation belongs")
    return provider.forward(request)


def notice_wire(notice: BudgetNotice, place: NoticePlace, now_s: float) -> WireBytes:
    """The bytes that carry one of the gateway's own notices to the address that the configuration names: no request has a part in them.

    Raises:
        Internal: it is not one of the closed set of notices.
    """
    if type(notice) is not BudgetNotice:
        raise Internal("only the gateway's own notices are told")
    body = msgspec.json.encode(notice)
    headers = [("content-type", "application/json"), (EVENT_HEADER, notice.id)]
    if place.secret:
        seconds = int(now_s)
        signature = hmac.new(place.secret, b"%d.%b" % (seconds, body), hashlib.sha256).hexdigest()
        headers.append((SIGNATURE_HEADER, f"t={seconds},v1={signature}"))
    http = HttpRequest("POST", place.url, tuple(headers), body)
    return WireBytes(http, place.destination, _TOKEN)


def probe_wire(provider: Provider) -> WireBytes | None:
    """The bytes of a provider's fixed health probe: they carry nothing of any request."""
    http = provider.probe()
    return None if http is None else WireBytes(http, provider.destination, _TOKEN)
