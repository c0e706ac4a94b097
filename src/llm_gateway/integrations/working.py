"""What an embedded operation works with: the `Work` of one call of one caller."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.settings import IntegrationSettings
from llm_gateway.core.types import ChatRequest, JsonObject, Message, Request
from llm_gateway.integrations.asking import Models, Spent, Visit
from llm_gateway.integrations.port import Asked, ProviderFacts, ServiceFacts
from llm_gateway.integrations.registry import SERVICES
from llm_gateway.integrations.workflows import model as workflow_model
from llm_gateway.integrations.workflows.engine import WorkflowEngine
from llm_gateway.integrations.workflows.runs import Commission
from llm_gateway.stores.sql import SqlStore

Answer = TypeVar("Answer", bound=msgspec.Struct)


class Desk(Protocol):
    """What all work shares: the parts of the gateway that services may ask."""

    @property
    def store(self) -> SqlStore: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def models(self) -> Models: ...
    @property
    def engine(self) -> WorkflowEngine: ...
    @property
    def bounds(self) -> IntegrationSettings: ...
    @property
    def judge(self) -> Callable[[Request], Awaitable[Sensitivity]]: ...

    def catalogue(self) -> list[ServiceFacts]: ...
    async def providers(self, text: str, visit: Visit) -> list[ProviderFacts]: ...
    async def run(self, service: str, operation: str, body: JsonObject, visit: Visit) -> JsonObject: ...
    async def status(self) -> list[JsonObject]: ...


class Working:
    """The `Work` of one operation; `spent` is what its models took."""

    def __init__(self, desk: Desk, visit: Visit, service: str) -> None:
        self._desk = desk
        self._visit = visit
        self._service = service
        self.spent = Spent()

    @property
    def owner(self) -> str:
        return self._visit.caller.id

    @property
    def correlation_id(self) -> str:
        return self._visit.correlation_id

    @property
    def store(self) -> SqlStore:
        return self._desk.store

    @property
    def now_s(self) -> float:
        return self._desk.clock.wall_s()

    @property
    def settings(self) -> IntegrationSettings:
        return self._desk.bounds

    @property
    def left_s(self) -> float:
        return max(0.0, self._visit.deadline_s - self._desk.clock.monotonic_s())

    @property
    def workflows(self) -> WorkflowEngine:
        return self._desk.engine

    def commission(self) -> Commission:
        return Commission(self._visit.caller, self._visit.correlation_id, self._visit.minimum_level)

    async def ask(
        self, system: str, prompt: str, answer: type[Answer], *, max_tokens: int = 1024, allow: Callable[[Answer], str] | None = None
    ) -> Asked[Answer] | None:
        return await self._desk.models.ask(
            self._visit, self._service, system, prompt, answer, self.spent, max_tokens=max_tokens, allow=allow
        )  # fmt: skip

    async def judge(self, text: str) -> Sensitivity:
        return await self._desk.judge(ChatRequest(messages=(Message("user", text),)))

    async def providers(self, text: str) -> list[ProviderFacts]:
        return await self._desk.providers(text, self._visit)

    def catalogue(self) -> list[ServiceFacts]:
        return self._desk.catalogue()

    async def service_status(self) -> list[JsonObject]:
        return await self._desk.status()

    def check_workflow(self, workflow: Any, among: Sequence[str] = ()) -> None:
        known = {name: service for name, service in SERVICES.items() if not among or name in among}
        workflow_model.check(workflow, known, self._desk.bounds.max_steps)

    async def embed(self, texts: tuple[str, ...]) -> list[list[float]] | None:
        target = self._desk.bounds.embedding
        return await self._desk.models.embed(self._visit, self._service, texts, target) if target else None

    async def call(self, service: str, operation: str, body: JsonObject) -> JsonObject:
        if service == self._service:
            raise InvalidRequest(f"{service} does not call itself")
        return await self._desk.run(service, operation, body, self._visit)
