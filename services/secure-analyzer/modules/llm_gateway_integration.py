"""The secure analyzer's door to the LLM Gateway: threats, where content may go, policies, and the controls it touches.

`LLM_GATEWAY_URL` says where the gateway is. Every function gives an `OperationResult` (its `result` is the gateway's document) and
raises `llm_gateway_client.GatewayError` or one of its kinds. Findings never hold the text that was found.
"""

from typing import Any

from llm_gateway_client import OperationResult
from llm_gateway_client.service_module import ServiceModule


class LLMGatewayIntegration(ServiceModule):
    """The operations of the gateway's secure_analyzer."""

    async def enhance_security_analysis_with_llm(
        self, content: str, basic_findings: Any = None, keywords: list[str] | None = None, user_id: str | None = None
    ) -> OperationResult:
        """The gateway's own findings, and what a model that may see the content adds to them."""
        return await self.ask("analyze_security", content=content, basic_findings=basic_findings, keywords=keywords, user_id=user_id)

    async def intelligent_provider_recommendation(
        self, content: str, security_findings: Any = None, available_providers: list[str] | None = None, user_id: str | None = None
    ) -> OperationResult:
        """The provider that should get the content, among those that are available."""
        return await self.ask(
            "recommend_provider",
            content=content,
            security_findings=security_findings,
            available_providers=available_providers,
            user_id=user_id,
        )

    async def generate_security_policy_with_llm(
        self, requirements: str, frameworks: list[str] | None = None, content: str | None = None, user_id: str | None = None
    ) -> OperationResult:
        """A policy that the gateway's configuration accepts, from plain words (`policy_yaml`)."""
        return await self.ask("generate_policy", requirements=requirements, frameworks=frameworks, content=content, user_id=user_id)

    async def compliance_analysis_with_llm(
        self, content: str, frameworks: list[str] | None = None, user_id: str | None = None
    ) -> OperationResult:
        """The controls of GDPR, HIPAA, PCI DSS and SOC 2 that the content touches."""
        return await self.ask("check_compliance", content=content, frameworks=frameworks, user_id=user_id)


llm_gateway_integration = LLMGatewayIntegration("secure_analyzer")
