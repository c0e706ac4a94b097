"""The summarizer hub's door to the LLM Gateway: better summaries, what they are worth, and who should write them.

`LLM_GATEWAY_URL` says where the gateway is. Every function gives an `OperationResult` (its `result` is the gateway's document) and
raises `llm_gateway_client.GatewayError` or one of its kinds.
"""

from typing import Any

from llm_gateway_client import OperationResult
from llm_gateway_client.service_module import ServiceModule


class LLMGatewayIntegration(ServiceModule):
    """The operations of the gateway's summarizer_hub."""

    async def enhance_summarization_with_llm(
        self, text: str, original_summary: str, summarization_metadata: dict[str, Any] | None = None, user_id: str | None = None
    ) -> OperationResult:
        """A better summary than the one that there is, with the quality of both."""
        return await self.ask(
            "enhance_summary",
            text=text,
            original_summary=original_summary,
            summarization_metadata=summarization_metadata,
            user_id=user_id,
        )

    async def intelligent_provider_selection_for_summary(
        self, text: str, summary_requirements: dict[str, Any] | None = None, user_id: str | None = None
    ) -> OperationResult:
        """The provider that would summarise a text best, among those that may get it."""
        return await self.ask("select_provider", text=text, summary_requirements=summary_requirements, user_id=user_id)

    async def quality_assessment_with_llm(self, text: str, summary: str, user_id: str | None = None) -> OperationResult:
        """Coverage, compression, redundancy, faithfulness and readability of a summary."""
        return await self.ask("assess_quality", text=text, summary=summary, user_id=user_id)

    async def generate_summary_metadata(self, text: str, summary: str | None = None, user_id: str | None = None) -> OperationResult:
        """Title, keywords, topics, language and reading time of a text."""
        return await self.ask("generate_metadata", text=text, summary=summary, user_id=user_id)


llm_gateway_integration = LLMGatewayIntegration("summarizer_hub")
