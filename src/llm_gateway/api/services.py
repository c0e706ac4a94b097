"""The integrated services over HTTP: what there is, and how it fares."""

from typing import Any, Protocol

from fastapi import APIRouter

from llm_gateway.api.documents import Document
from llm_gateway.core.exchange import Credentials
from llm_gateway.core.types import JsonObject


class Services(Protocol):
    """What there is, and how it fares; and one operation, for what has an endpoint of its own."""

    def service_catalogue(self) -> list[JsonObject]: ...
    async def service_status(self) -> list[JsonObject]: ...
    async def integrate(
        self, service: str, operation: str, body: JsonObject, credentials: Credentials, correlation_id: str
    ) -> JsonObject: ...


class OperationDocument(Document):
    name: str
    summary: str
    asks_model: bool
    request: dict[str, Any]
    result: dict[str, Any]


class ServiceDocument(Document):
    name: str
    summary: str
    mode: str
    operations: list[OperationDocument]


class ServicesDocument(Document):
    """Every integrated service, with the JSON schemas of its operations."""

    services: list[ServiceDocument]


class ServiceStatusDocument(Document):
    service: str
    mode: str
    status: str
    healthy: bool
    latency_ms: float | None
    last_error: str | None
    url: str | None
    security_level: str


class StatusDocument(Document):
    """How the integrated services fare. `status` is `healthy` where all of them are."""

    status: str
    healthy: int
    total: int
    services: dict[str, ServiceStatusDocument]


def integrations_router(view: Services) -> APIRouter:
    """What there is, and how it fares."""
    routes = APIRouter()

    @routes.get("/integrations", summary="The integrated services and their operations, with JSON schemas")
    async def integrations() -> ServicesDocument:
        return ServicesDocument.model_validate({"services": view.service_catalogue()})

    @routes.get("/services/status", summary="How the integrated services fare: mode, health, latency, last error")
    async def status() -> StatusDocument:
        found = [ServiceStatusDocument.model_validate(each) for each in await view.service_status()]
        healthy = sum(each.healthy for each in found)
        named = {each.service: each for each in found}
        return StatusDocument(status="healthy" if healthy == len(found) else "degraded", healthy=healthy, total=len(found), services=named)

    return routes
