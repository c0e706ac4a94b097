"""Client of an LLM Gateway: typed results and errors, streaming, retries, sync and async.

with GatewayClient("http://localhost:5055") as gateway:
    print(gateway.query("Explain quantum computing in simple terms").response)
"""

from llm_gateway_client.asynchronous import AsyncGatewayClient
from llm_gateway_client.errors import (
    AuthenticationFailed,
    BudgetExceeded,
    Forbidden,
    GatewayError,
    GatewayUnavailable,
    IdempotencyConflict,
    InvalidRequest,
    NoEligibleProvider,
    NotFound,
    Overloaded,
    ProviderFailed,
    RateLimited,
    RequestRefused,
    RequestTooLarge,
    SensitiveContentBlocked,
    ServiceFailed,
)
from llm_gateway_client.results import Embeddings, Frame, OperationResult, Progress, QueryResult, UploadedDocument
from llm_gateway_client.retries import Retries
from llm_gateway_client.synchronous import GatewayClient
from llm_gateway_client.talk import DEFAULT_URL

__all__ = [
    "DEFAULT_URL",
    "AsyncGatewayClient",
    "AuthenticationFailed",
    "BudgetExceeded",
    "Embeddings",
    "Forbidden",
    "Frame",
    "GatewayClient",
    "GatewayError",
    "GatewayUnavailable",
    "IdempotencyConflict",
    "InvalidRequest",
    "NoEligibleProvider",
    "NotFound",
    "OperationResult",
    "Overloaded",
    "Progress",
    "ProviderFailed",
    "QueryResult",
    "RateLimited",
    "RequestRefused",
    "RequestTooLarge",
    "Retries",
    "SensitiveContentBlocked",
    "ServiceFailed",
    "UploadedDocument",
]
