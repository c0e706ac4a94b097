"""The interpreter's door to the LLM Gateway: what queries mean, by a model where one may see them, by rules otherwise.

`LLM_GATEWAY_URL` says where the gateway is. Every function gives an `OperationResult` (its `result` is the gateway's document) and
raises `llm_gateway_client.GatewayError` or one of its kinds.
"""

from typing import Any

from llm_gateway_client import OperationResult
from llm_gateway_client.service_module import ServiceModule


class LLMGatewayIntegration(ServiceModule):
    """The operations of the gateway's interpreter."""

    async def enhance_query_understanding(
        self, query: str, context: dict[str, Any] | str | None = None, user_id: str | None = None
    ) -> OperationResult:
        """Intent, confidence, entities and keywords of a query."""
        return await self.ask("interpret_query", query=query, context=context, user_id=user_id)

    async def optimize_prompt_for_llm(
        self, original_prompt: str, task_type: str = "general", context: dict[str, Any] | str | None = None, user_id: str | None = None
    ) -> OperationResult:
        """A better prompt for a task (`optimized_prompt`), and what was changed."""
        return await self.ask("optimize_prompt", prompt=original_prompt, task_type=task_type, context=context, user_id=user_id)

    async def extract_entities_with_llm(
        self, text: str, entity_types: list[str] | None = None, user_id: str | None = None
    ) -> OperationResult:
        """What a text names, each with its type and place."""
        return await self.ask("extract_entities", text=text, types=entity_types, user_id=user_id)

    async def classify_intent_with_llm(
        self,
        query: str,
        available_intents: list[str] | None = None,
        context: dict[str, Any] | str | None = None,
        user_id: str | None = None,
    ) -> OperationResult:
        """The intent of a query, among those that are given or the interpreter's own."""
        return await self.ask("classify_intent", query=query, intents=available_intents, context=context, user_id=user_id)


llm_gateway_integration = LLMGatewayIntegration("interpreter")
