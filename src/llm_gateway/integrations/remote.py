"""A service that runs elsewhere: asked over HTTP by its routes, judged like a provider, left alone while it fails.

Sources of the default routes and of the `{"success", "data"}` wrapping: the ecosystem's own services, in docs/integrations.md.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol
from urllib.parse import quote, urlsplit

import msgspec

from llm_gateway.core.addresses import is_local_host
from llm_gateway.core.clearance import Clearance, WireBytes, service_probe_wire
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import (
    InvalidRequest,
    LLMGatewayError,
    NotFound,
    Overloaded,
    ProviderBadResponse,
    ProviderError,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import IntegrationSettings, ServiceSettings
from llm_gateway.core.types import Json, JsonObject, Passthrough, SecurityLevel
from llm_gateway.core.upstream import kind_and_message, redacted, retry_after_s
from llm_gateway.core.wire import HttpRequest
from llm_gateway.integrations.asking import Visit
from llm_gateway.integrations.port import Asking, Operation
from llm_gateway.routing.health import Admission, Lane, Policy
from llm_gateway.transport import Deadlines

_FIELD: Final = re.compile(r"\{([a-z_]+)\}")
_IN_QUERY: Final = frozenset({"GET", "DELETE"})
_encode = msgspec.json.Encoder().encode
MOST_WORDS_CHARS: Final = 300
"""How much of a service's own words an error repeats."""
MAX_HEALTH_BYTES: Final = 64 << 10

Clear = Callable[[Passthrough, Destination, Visit], Awaitable[Clearance]]
"""Judges what would leave; raises SensitiveContentBlocked where it may not go."""
Note = Callable[[str, Visit, str, Mapping[str, Json]], Awaitable[None]]
"""Writes down that something is about to leave for a service; raises AuditUnavailable, and then it does not."""


class Door(Protocol):
    """The way out, as this module needs it; raises `ProviderError`."""

    async def fetch(
        self, wire: WireBytes, deadlines: Deadlines, max_response_bytes: int, *, local: bool
    ) -> tuple[int, Mapping[str, str], bytes]: ...


class Health(msgspec.Struct, frozen=True):
    """How a service fares. `latency_s` of the last check, None: it was not answered."""

    status: str
    latency_s: float | None
    reason: str = ""


class RemoteService:
    """One service at one URL: its translation (`forward`, `health`), its circuit breaker, and its last error.

    `before` is the one of the configuration before: at the same URL, what was learnt of it stays true.
    """

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        level: SecurityLevel,
        bounds: IntegrationSettings,
        before: "RemoteService | None" = None,
    ) -> None:
        self.name = name
        self.settings = settings
        parts = urlsplit(settings.url)
        self.destination = Destination(f"service:{name}", f"{parts.scheme}://{parts.netloc}", level)
        self.local = is_local_host(parts.hostname or "") is True
        self._base = settings.url.rstrip("/")
        key = settings.api_key.get_secret_value()
        own = {"authorization": f"Bearer {key}"} if key else {}
        self._headers = {**own, **{header.lower(): value for header, value in settings.headers.items()}}
        self._secret = key
        self.lane: Lane = Lane(Policy(bounds.breaker_failures, bounds.breaker_open_s, bounds.breaker_open_s))
        self.last_error: str = ""
        if before is not None and before.settings.url == settings.url:
            self.lane, self.last_error = before.lane, before.last_error

    def forward(self, request: Passthrough) -> HttpRequest:
        """The operation at the service's base URL, with its key and the headers of the call."""
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in request.query)
        url = f"{self._base}/{request.path}" + (f"?{query}" if query else "")
        headers = {"accept": "application/json", **dict(request.headers), **self._headers}
        if request.method in _IN_QUERY:
            return HttpRequest(request.method, url, tuple(headers.items()))
        return HttpRequest(request.method, url, (*headers.items(), ("content-type", "application/json")), _encode(request.body))

    def health(self) -> HttpRequest:
        """The health check that every service of the ecosystem answers."""
        return HttpRequest("GET", f"{self._base}/health", (("accept", "application/json"), *self._headers.items()))

    def route(self, operation: Operation) -> str:
        """The route of an operation, as configured, else the usual one; "": there is none."""
        return self.settings.routes.get(operation.name) or (operation.remote.route if operation.remote is not None else "")

    def request(self, operation: Operation, asked: Asking, visit: Visit) -> Passthrough:
        """What would be sent for an operation.

        Raises:
            InvalidRequest: the route needs a field that the request does not have.
        """
        method, _, path = self.route(operation).partition(" ")
        asked = msgspec.structs.replace(asked, user_id=visit.caller.id)
        remote = operation.remote
        fields = remote.body(asked) if remote is not None and remote.body is not None else _fields_of(asked)
        taken: set[str] = set()

        def value(match: "re.Match[str]") -> str:
            name = match[1]
            found = fields.get(name, getattr(asked, name, None))
            if found is None or found == "":
                raise InvalidRequest(f"{name}: the route of {self.name}.{operation.name} needs it", param=name)
            if found in {".", ".."}:  # it would be another route
                raise InvalidRequest(f"{name}: {found!r} cannot stand in the route of {self.name}.{operation.name}", param=name)
            taken.add(name)
            return quote(str(found), safe="")

        path = _FIELD.sub(value, path).lstrip("/")
        rest: JsonObject = {name: item for name, item in fields.items() if name not in taken}
        query = tuple((name, _flat(item)) for name, item in rest.items() if item is not None) if method in _IN_QUERY else ()
        headers = (("x-correlation-id", visit.correlation_id), ("x-user-id", quote(visit.caller.id, safe="/@:.+ ")))
        body = None if method in _IN_QUERY else rest
        return Passthrough(self.destination.provider, method, path, query, headers, body)

    def deadlines(self, operation: str, left_s: float) -> Deadlines:
        """The time that a call may take."""
        total_s = max(0.001, min(self.settings.timeouts.get(operation, self.settings.timeout_s), left_s))
        return Deadlines(min(self.settings.connect_timeout_s, total_s), total_s, total_s, total_s)

    def words(self, text: str) -> str:
        """A service's own words as an error may repeat them: short, on one line, without its key."""
        return " ".join(redacted(text, self._secret).split())[:MOST_WORDS_CHARS]


class RemoteCaller:
    """Asks remote services."""

    def __init__(self, door: Door, clock: Clock, clear: Clear, note: Note) -> None:
        self._door = door
        self._clock = clock
        self._clear = clear
        self._note = note

    async def call(self, service: RemoteService, operation: Operation, asked: Asking, visit: Visit) -> Json | msgspec.Struct:
        """The result of an operation.

        Raises:
            SensitiveContentBlocked: the service may not get this content.
            AuditUnavailable: it cannot be written down that something leaves.
            ProviderTimeout, ProviderUnavailable, ProviderBadResponse, ProviderRejected: the service failed.
            InvalidRequest, NotFound: the service refused what was asked, and says so.
        """
        request = service.request(operation, asked, visit)
        # Judged first: what may not leave is no failure of the service, and no trial call.
        clearance = await self._clear(request, service.destination, visit)
        wire = clearance.service_wire(request, service)
        admission = service.lane.admit(self._clock.monotonic_s())
        if admission is Admission.REFUSED:
            raise ProviderUnavailable(
                f"{service.name} failed and is left alone for a while; its last error: {service.last_error}",
                provider=service.destination.provider, code="circuit_open",
                retry_after_s=service.lane.closed_to(self._clock.monotonic_s()),
            )  # fmt: skip
        try:
            what = {"operation": f"{service.name}.{operation.name}", "origin": service.destination.origin}
            await self._note("service.call", visit, request.provider, {**what, "level": service.destination.security_level.value})
            answer = await self._answer(service, operation, wire, visit)
            result = _translated(service, operation, answer, asked)
        except (ProviderError, Overloaded) as failure:
            service.last_error = failure.message
            if isinstance(failure, ProviderRejected):  # it lives, and does not like our key or our route
                service.lane.succeeded(admission, self._clock.monotonic_s())
            else:
                service.lane.failed(admission, self._clock.monotonic_s())
            raise
        except LLMGatewayError:
            service.lane.succeeded(admission, self._clock.monotonic_s())
            raise
        except BaseException:
            service.lane.released(admission)
            raise
        service.lane.succeeded(admission, self._clock.monotonic_s())
        return result

    async def _answer(self, service: RemoteService, operation: Operation, wire: WireBytes, visit: Visit) -> Json:
        left_s = visit.deadline_s - self._clock.monotonic_s()
        if left_s <= 0:
            raise ProviderTimeout(f"the time for {service.name} was over before it could be asked", code="total")
        deadlines = service.deadlines(operation.name, left_s)
        status, headers, body = await self._door.fetch(wire, deadlines, service.settings.max_response_bytes, local=service.local)
        if not 200 <= status < 300:
            raise _refusal(service, operation, status, headers, body)
        if not body:
            return None
        try:
            document: Json = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProviderBadResponse(
                f"{service.name} answered with something that is not JSON", provider=wire.destination.provider
            ) from None
        return _unwrapped(service, document)

    async def check(self, service: RemoteService, within_s: float) -> Health:
        """How a service fares. Its breaker learns of it when it is well."""
        started_s = self._clock.monotonic_s()
        deadlines = Deadlines(min(service.settings.connect_timeout_s, within_s), within_s, within_s, within_s)
        try:
            status, _, body = await self._door.fetch(service_probe_wire(service), deadlines, MAX_HEALTH_BYTES, local=service.local)
        except (ProviderError, Overloaded) as failure:
            service.last_error = failure.message
            return Health("unhealthy", None, failure.message)
        now_s = self._clock.monotonic_s()
        said = _status_in(body)
        if not 200 <= status < 300 or said not in {"", "healthy", "ok", "up", "pass"}:
            reason = f"it answered {status}" + (f", status {said!r}" if said else "")
            return Health("degraded" if said == "degraded" else "unhealthy", now_s - started_s, reason)
        service.lane.reopen_early(now_s)
        open_s = service.lane.closed_to(now_s)
        return Health("healthy" if open_s is None else "degraded", now_s - started_s, "" if open_s is None else service.last_error)


def _fields_of(asked: Asking) -> JsonObject:
    """The request's fields that are set, without `user_id`."""
    fields: JsonObject = msgspec.to_builtins(asked)
    return {name: value for name, value in fields.items() if name != "user_id" and value is not None}


def _flat(value: Json) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


def _translated(service: RemoteService, operation: Operation, answer: Json, asked: Asking) -> Json | msgspec.Struct:
    remote = operation.remote
    if remote is None or remote.result is None:
        return answer
    try:
        return remote.result(answer, asked)
    except (ValueError, msgspec.ValidationError, TypeError, RecursionError):
        raise ProviderBadResponse(
            f"{service.name} answered {operation.name} with something else than its route promises", provider=service.destination.provider
        ) from None


def _unwrapped(service: RemoteService, document: Json) -> Json:
    """The `data` of an answer that is wrapped as services of the ecosystem do; of any other the answer itself.

    Raises:
        ProviderBadResponse: it says by itself that it did not succeed.
    """
    if not isinstance(document, dict):
        return document
    if document.get("success") is False:
        message = document.get("message") or document.get("error") or "it gave no reason"
        said = service.words(message if isinstance(message, str) else "it gave no reason")
        raise ProviderBadResponse(f"{service.name} failed: {said}", provider=service.destination.provider)
    return document["data"] if "data" in document and ("success" in document or len(document) <= 3) else document


def _refusal(
    service: RemoteService, operation: Operation, status: int, headers: Mapping[str, str], body: bytes
) -> LLMGatewayError:  # fmt: skip
    """What a status that is no success means."""
    said = service.words(kind_and_message(body)[1]) or "it gave no reason"
    about = f"{service.name}.{operation.name}"
    if status in {401, 403, 405}:
        return ProviderRejected(
            f"{service.name} refused the gateway ({status}): {said}", provider=service.destination.provider, upstream_status=status
        )
    if status == 404:
        return NotFound(f"{about}: {said}")
    if status in {408, 425, 429} or status >= 500:
        return ProviderUnavailable(
            f"{service.name} failed ({status}): {said}",
            provider=service.destination.provider, upstream_status=status, retry_after_s=retry_after_s(headers),
        )  # fmt: skip
    if status >= 400:
        return InvalidRequest(f"{about}: {said}")
    return ProviderBadResponse(
        f"{service.name} answered with status {status}", provider=service.destination.provider, upstream_status=status
    )


def _status_in(body: bytes) -> str:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    document = document.get("data", document) if isinstance(document, dict) else document
    said = document.get("status") if isinstance(document, dict) else None
    return said.lower() if isinstance(said, str) else ""
