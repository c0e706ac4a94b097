"""Client of an LLM Gateway: typed results and errors, streaming, sync and async.

with GatewayClient("http://localhost:5055") as gateway:
    print(gateway.query("Explain quantum computing in simple terms").response)
"""

from llm_gateway_client.client import DEFAULT_URL, AsyncGatewayClient, GatewayClient
from llm_gateway_client.errors import (
    AuthenticationFailed,
    GatewayError,
    GatewayUnavailable,
    RateLimited,
    RequestRefused,
    ServiceFailed,
)
from llm_gateway_client.results import Embeddings, Frame, QueryResult

__all__ = [
    "DEFAULT_URL",
    "AsyncGatewayClient",
    "AuthenticationFailed",
    "Embeddings",
    "Frame",
    "GatewayClient",
    "GatewayError",
    "GatewayUnavailable",
    "QueryResult",
    "RateLimited",
    "RequestRefused",
    "ServiceFailed",
]
