"""The orchestrator's door to the LLM Gateway: workflows from words, and what past runs teach.

`LLM_GATEWAY_URL` says where the gateway is. Every function gives an `OperationResult` (its `result` is the gateway's document) and
raises `llm_gateway_client.GatewayError` or one of its kinds.
"""

from typing import Any

from llm_gateway_client import OperationResult
from llm_gateway_client.service_module import ServiceModule


class LLMGatewayIntegration(ServiceModule):
    """The operations of the gateway's orchestrator."""

    async def generate_workflow_from_nlp(
        self, natural_language_request: str, available_services: list[str] | None = None, user_id: str | None = None
    ) -> OperationResult:
        """A checked workflow for a request in words; names that are no service of the gateway's are reported, not used."""
        return await self.ask("generate_workflow", request=natural_language_request, available_services=available_services, user_id=user_id)

    async def optimize_workflow_execution(
        self, workflow_spec: dict[str, Any], execution_history: list[dict[str, Any]] | None = None, user_id: str | None = None
    ) -> OperationResult:
        """The same work in less time, by what past runs took."""
        return await self.ask("optimize_workflow", workflow=workflow_spec, execution_history=execution_history, user_id=user_id)

    async def select_services_with_llm(
        self, task_description: str, available_services: list[str] | None = None, user_id: str | None = None
    ) -> OperationResult:
        """The services that fit a task, best first."""
        return await self.ask("select_services", task=task_description, available_services=available_services, user_id=user_id)

    async def analyze_workflow_performance(
        self, execution_history: list[dict[str, Any]] | None = None, workflow_name: str | None = None, user_id: str | None = None
    ) -> OperationResult:
        """Where the time of past runs went: those that are given, or those that the gateway has on record."""
        return await self.ask("analyze_performance", execution_history=execution_history, name=workflow_name, user_id=user_id)


llm_gateway_integration = LLMGatewayIntegration("orchestrator")
