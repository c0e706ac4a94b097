"""The ten integrated services at work: each embedded or remote, all called in one way.

Nothing here goes around the gateway: models are asked by the way of every request, and what leaves for a remote service is judged
like what leaves for a provider.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Final, Protocol, TypeVar

import msgspec
from sqlalchemy import select

from llm_gateway.core.clearance import Clearance
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import InvalidRequest, LLMGatewayError, NotFound, ProviderTimeout
from llm_gateway.core.exchange import Credentials, Exchange, Next
from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.invalid import invalid_value
from llm_gateway.core.models import ModelFacts
from llm_gateway.core.pricing import Price
from llm_gateway.core.routing import Decision, Destination, Target
from llm_gateway.core.settings import IntegrationSettings, ServiceSettings, Settings
from llm_gateway.core.spans import of_integration
from llm_gateway.core.types import ChatRequest, Json, JsonObject, Message, Passthrough, Request, SecurityLevel
from llm_gateway.integrations.asking import Models, Visit
from llm_gateway.integrations.orchestrator import workflow_named
from llm_gateway.integrations.port import Asking, Operation, Outcome, ProviderFacts, Service, ServiceFacts
from llm_gateway.integrations.registry import SERVICES
from llm_gateway.integrations.remote import Door, Health, Note, RemoteCaller, RemoteService
from llm_gateway.integrations.workflows.engine import WorkflowEngine
from llm_gateway.integrations.workflows.model import Workflow
from llm_gateway.integrations.working import Working
from llm_gateway.routing.states import ProviderState
from llm_gateway.stores.sql import SqlStore

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode
_UNSET: Final = ServiceSettings()  # type: ignore[call-arg]  # pydantic fills the defaults


class Filter(Protocol):
    """The security filter, as this module needs it."""

    async def judged(self, request: Request) -> Sensitivity: ...
    async def clear(self, exchange: Exchange) -> object: ...
    async def clear_for(self, request: Passthrough, place: Destination, exchange: Exchange) -> Clearance: ...


class Router(Protocol):
    """The router, as this module needs it."""

    def states(self) -> list[ProviderState]: ...
    def decide(self, request: Request, clearance: Clearance, strategy: str | None = None) -> Decision: ...
    def facts(self, target: Target) -> tuple[ModelFacts, Price | None]: ...


class Ports(Protocol):
    """What outlives a reload: time, the database, the way out, the workflow engine."""

    @property
    def clock(self) -> Clock: ...
    @property
    def store(self) -> SqlStore: ...
    @property
    def transport(self) -> Door: ...
    @property
    def workflows(self) -> WorkflowEngine: ...


class ServiceIntegrations:
    """One for each configuration; `before` is the one it replaces.

    `way` is the way of a request whose caller is known already, `levels` says how far each service is trusted, `note` writes down
    what is about to leave for one.
    """

    def __init__(
        self,
        settings: Settings,
        ports: Ports,
        security: Filter,
        router: Router,
        way: Next,
        *,
        levels: Mapping[str, SecurityLevel],
        note: Note,
        before: "ServiceIntegrations | None" = None,
    ) -> None:
        self.bounds: IntegrationSettings = settings.integrations
        self._ports = ports
        self.clock = ports.clock
        self.models = Models(way, ports.clock)
        self._security = security
        self._router = router
        self.judge = security.judged
        self._caller = RemoteCaller(ports.transport, ports.clock, self._clear, note)
        self._remote: dict[str, RemoteService] = {}
        for name in SERVICES:
            chosen = settings.services.get(name, _UNSET)  # type: ignore[call-overload]
            if chosen.url:
                known = before._remote.get(name) if before is not None else None
                self._remote[name] = RemoteService(name, chosen, levels[name], self.bounds, known)

    @property
    def store(self) -> SqlStore:
        return self._ports.store

    @property
    def engine(self) -> WorkflowEngine:
        return self._ports.workflows

    def mode(self, service: str) -> str:
        """Where a service runs: `embedded` or `remote`."""
        return "remote" if service in self._remote else "embedded"

    def catalogue(self) -> list[ServiceFacts]:
        """The services and what their operations are for."""
        return [
            ServiceFacts(name, self.mode(name), found.summary, {op.name: op.summary for op in found.operations.values()})
            for name, found in SERVICES.items()
        ]

    @of_integration
    async def run(self, service: str, operation: str, body: JsonObject, visit: Visit) -> JsonObject:
        """The reply document of one operation.

        Raises:
            NotFound: there is no such service or operation; names those that exist.
            InvalidRequest: the body does not fit; names the field.
            LLMGatewayError: whatever the operation raises.
        """
        started_s = self.clock.monotonic_s()
        found, wanted = found_in(service, operation)
        remote = self._remote.get(found.name)
        asked = asked_of(wanted, body if remote is not None else without_nul(body))
        deadline_s = min(visit.deadline_s, started_s + wanted.deadline_s)
        visit = msgspec.structs.replace(visit, deadline_s=deadline_s)
        reply: dict[str, Any] = {"service": found.name, "operation": wanted.name}
        if remote is not None and self._goes_out(remote, wanted):
            reply |= {"mode": "remote", "result": _plain(await self._within(self._caller.call(remote, wanted, asked, visit), deadline_s))}
        else:
            work = Working(self, visit, found.name)
            outcome: Outcome = await self._within(wanted.handle(asked, work), deadline_s)
            reply |= {"mode": "embedded", "result": _plain(outcome.result)}
            if wanted.asks_model:
                spent = work.spent
                reply |= {
                    "method": outcome.method or "rules", "provider": spent.provider or None, "model": spent.model or None,
                    "tokens_used": spent.tokens, "cost": spent.cost,
                }  # fmt: skip
                if outcome.method != "llm":
                    reply["reason"] = spent.reason
        reply["processing_time"] = round(self.clock.monotonic_s() - started_s, 6)
        reply["correlation_id"] = visit.correlation_id
        return reply

    async def _within(self, work: Awaitable[T], deadline_s: float) -> T:
        left_s = deadline_s - self.clock.monotonic_s()
        try:
            # A moment longer than what is inside gets: its own word on why it took too long says more.
            async with asyncio.timeout(max(0.0, left_s) + GRACE_S):
                return await work
        except TimeoutError:
            raise ProviderTimeout("the service took longer than this operation may take", code="total") from None

    def _goes_out(self, remote: RemoteService, operation: Operation) -> bool:
        if remote.route(operation):
            return True
        if operation.stateful:
            raise InvalidRequest(
                f"the remote {remote.name} has no route for {operation.name}: set services.{remote.name}.routes.{operation.name}",
                param="operation", code="no_route",
            )  # fmt: skip
        return False

    async def _clear(self, request: Passthrough, place: Destination, visit: Visit) -> Clearance:
        return await self._security.clear_for(request, place, self._exchange(ChatRequest(messages=()), visit))

    def _exchange(self, request: Request, visit: Visit) -> Exchange:
        exchange = Exchange(
            request,
            correlation_id=visit.correlation_id,
            credentials=Credentials(address=visit.address),
            ingress="service",
            received_s=self.clock.monotonic_s(),
            deadline_s=visit.deadline_s,
        )
        exchange.caller, exchange.minimum_level, exchange.tainted = visit.caller, visit.minimum_level, visit.tainted
        return exchange

    async def providers(self, text: str, visit: Visit) -> list[ProviderFacts]:
        """Every configured provider, and whether it may and would get `text`; best first."""
        exchange = self._exchange(ChatRequest(messages=(Message("user", text or "-"),)), visit)
        scores: dict[str, tuple[float, str]] = {}
        refused: dict[str, str] = {}
        try:
            await self._security.clear(exchange)
            if exchange.clearance is not None:
                decision = self._router.decide(exchange.request, exchange.clearance)
                for candidate in decision.ranked:
                    scores.setdefault(candidate.target.provider, (candidate.score, "; ".join(candidate.reasons)))
                refused = {rejection.provider: rejection.reason for rejection in decision.rejected}
        except LLMGatewayError as failure:
            refused = {state.name: failure.message for state in self._router.states()}
        facts = [self._facts(state, scores.get(state.name), refused.get(state.name, "")) for state in self._router.states()]
        return sorted(facts, key=lambda found: (not found.eligible, -found.score))

    def _facts(self, state: ProviderState, score: tuple[float, str] | None, refused: str) -> ProviderFacts:
        window = None
        if state.status != "unconfigured" and state.model:
            window = self._router.facts(Target(state.name, state.model))[0].context_window_tokens
        return ProviderFacts(
            state.name, state.model, state.security_level, state.status, window, state.usd_per_token, score is not None,
            score[0] if score is not None else 0.0, score[1] if score is not None else refused or state.reason,
        )  # fmt: skip

    async def workflow_named(self, name: str, visit: Visit) -> Workflow:
        """The caller's workflow of a name, else the built-in one.

        Raises:
            NotFound: there is none; names those that exist.
        """
        return await workflow_named(name, Working(self, visit, "orchestrator"))

    async def status(self) -> list[JsonObject]:
        """How every service fares, all checked side by side within `integrations.status_timeout_s`."""
        within_s = self.bounds.status_timeout_s
        checked = await asyncio.gather(*(self._status(service, within_s) for service in SERVICES.values()))
        return list(checked)

    async def _status(self, service: Service, within_s: float) -> JsonObject:
        remote = self._remote.get(service.name)
        try:
            async with asyncio.timeout(within_s):
                health = await (self._caller.check(remote, within_s) if remote is not None else self._embedded(service))
        except TimeoutError:
            health = Health("unhealthy", None, f"no answer within {within_s:g} s")
        return {
            "service": service.name,
            "mode": self.mode(service.name),
            "status": health.status,
            "healthy": health.status == "healthy",
            "latency_ms": round(health.latency_s * 1000, 3) if health.latency_s is not None else None,
            "last_error": (remote.last_error if remote is not None else "") or health.reason or None,
            "url": remote.destination.origin if remote is not None else None,
            "security_level": remote.destination.security_level.value if remote is not None else SecurityLevel.HIGH.value,
        }

    async def _embedded(self, service: Service) -> Health:
        started_s = self.clock.monotonic_s()
        if any(operation.stateful for operation in service.operations.values()):
            try:
                await self.store.read(lambda connection: connection.execute(select(1)).scalar())
            except Exception as failure:  # whatever the database says, the service is not well
                return Health("unhealthy", None, f"the database does not answer ({type(failure).__name__})")
        return Health("healthy", self.clock.monotonic_s() - started_s)


GRACE_S: Final = 0.25


def found_in(service: str, operation: str) -> tuple[Service, Operation]:
    """A service by either spelling of its name, and its operation.

    Raises:
        NotFound: there is none; names those that exist.
    """
    found = SERVICES.get(service.replace("-", "_"))
    if found is None:
        raise NotFound(f"no service {service!r}; there are {', '.join(SERVICES)}", param="service")
    wanted = found.operations.get(operation.replace("-", "_"))
    if wanted is None:
        raise NotFound(f"{found.name} has no operation {operation!r}; it has {', '.join(found.operations)}", param="operation")
    return found, wanted


def asked_of(operation: Operation, body: JsonObject) -> Asking:
    """The request of an operation.

    Raises:
        InvalidRequest: the body does not fit; names the field.
    """
    try:
        return msgspec.convert(body, operation.request)
    except msgspec.ValidationError as failure:
        fields = tuple(field.encode_name for field in msgspec.structs.fields(operation.request))
        raise invalid_value(failure, fields) from None


def without_nul(value: Json) -> Any:
    """The value without the character NUL in its texts: a database has no place for it, and no writing system a use."""
    if isinstance(value, str):
        return value.replace("\0", "") if "\0" in value else value
    if isinstance(value, dict):
        return {without_nul(name): without_nul(item) for name, item in value.items()}
    return [without_nul(item) for item in value] if isinstance(value, list) else value


def _plain(result: Json | msgspec.Struct) -> Json:
    """A result as its JSON is read: workflows and queries look into it, and tuples are lists there."""
    plain: Json = msgspec.json.decode(_encode(result)) if isinstance(result, msgspec.Struct) else result
    return plain


def described(service: Service) -> JsonObject:
    """A service with the JSON schemas of its operations."""
    return {
        "name": service.name,
        "summary": service.summary,
        "operations": [
            {
                "name": operation.name,
                "summary": operation.summary,
                "asks_model": operation.asks_model,
                "request": msgspec.json.schema(operation.request),
                "result": msgspec.json.schema(operation.result),
            }
            for operation in service.operations.values()
        ],
    }
