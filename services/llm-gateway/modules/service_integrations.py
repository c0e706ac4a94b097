"""The ten integrated services of a gateway, one attribute each: `await service_integrations.doc_store.search(query="billing")`.

`LLM_GATEWAY_URL` says where the gateway is. Every operation of `GET /integrations` is a method with its fields as keyword arguments; it
gives an `OperationResult` (its `result` is the gateway's document) and raises `llm_gateway_client.GatewayError` or one of its kinds.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from llm_gateway_client import OperationResult
from llm_gateway_client.service_module import ServiceModule

Operation = Callable[..., Awaitable[OperationResult]]


class ServiceOperations(ServiceModule):
    """One service: whatever operation is named is asked for, so one that is added to the gateway needs no change here."""

    def __getattr__(self, operation: str) -> Operation:
        if operation.startswith("_"):
            raise AttributeError(operation)

        async def asked(**fields: Any) -> OperationResult:
            return await self.ask(operation, **fields)

        return asked


class ServiceIntegrations:
    """All ten services; `call` takes their names as text."""

    def __init__(self) -> None:
        self.doc_store = ServiceOperations("doc_store")
        self.prompt_store = ServiceOperations("prompt_store")
        self.memory_agent = ServiceOperations("memory_agent")
        self.interpreter = ServiceOperations("interpreter")
        self.orchestrator = ServiceOperations("orchestrator")
        self.summarizer_hub = ServiceOperations("summarizer_hub")
        self.secure_analyzer = ServiceOperations("secure_analyzer")
        self.code_analyzer = ServiceOperations("code_analyzer")
        self.architecture_digitizer = ServiceOperations("architecture_digitizer")
        self.analysis_service = ServiceOperations("analysis_service")

    async def call(self, service: str, operation: str, **fields: Any) -> OperationResult:
        """The reply of any operation; both spellings of a service's name work."""
        return await ServiceOperations(service).ask(operation, **fields)


service_integrations = ServiceIntegrations()
