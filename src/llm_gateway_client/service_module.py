"""What the `llm_gateway_integration` modules of the sibling services are made of: one operation after another, over HTTP."""

import os
from typing import Any

from llm_gateway_client.asynchronous import AsyncGatewayClient
from llm_gateway_client.results import OperationResult
from llm_gateway_client.talk import DEFAULT_URL

URL_VARIABLE = "LLM_GATEWAY_URL"
KEY_VARIABLE = "LLM_GATEWAY_API_KEY"


class ServiceModule:
    """Asks a gateway for operations of one integrated service.

    The gateway's address and key are what `LLM_GATEWAY_URL` and `LLM_GATEWAY_API_KEY` say when a call is made. Each call has a
    connection of its own, so that a module can be used from any event loop. Every call raises `GatewayError` and its kinds: what it
    gives is what the gateway answered, and `method` in it says whether a model or rules did.
    """

    def __init__(self, service: str) -> None:
        self.service = service

    def __repr__(self) -> str:
        return f"ServiceModule({self.service!r})"

    async def ask(self, operation: str, **fields: Any) -> OperationResult:
        """The reply of an operation; fields that are None are left out."""
        url = os.environ.get(URL_VARIABLE) or DEFAULT_URL
        async with AsyncGatewayClient(url, api_key=os.environ.get(KEY_VARIABLE) or None) as gateway:
            return await gateway.integrate(self.service, operation, **fields)
