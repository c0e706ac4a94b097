"""The names of OpenTelemetry's conventions for generative AI that the gateway uses, and its own beside them.

Source: open-telemetry/semantic-conventions-genai, in development: a renaming there is a change of this file and of no other.
Metrics and spans are named here alone.
"""

from typing import Final

OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_STREAM: Final = "gen_ai.request.stream"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
ERROR_TYPE: Final = "error.type"
STATUS_CODE: Final = "http.response.status_code"
SERVER_ADDRESS: Final = "server.address"

CLIENT_OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
CLIENT_TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105
CLIENT_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
SERVER_REQUEST_DURATION: Final = "gen_ai.server.request.duration"
SERVER_TIME_TO_FIRST_TOKEN: Final = "gen_ai.server.time_to_first_token"  # noqa: S105

OWN: Final = "llm_gateway."
"""What the conventions have no word for begins with this."""
CACHE: Final = OWN + "cache"
INGRESS: Final = OWN + "ingress"
CORRELATION_ID: Final = OWN + "correlation_id"
CALLER: Final = OWN + "caller"
STRATEGY: Final = OWN + "strategy"
SENSITIVE: Final = OWN + "sensitive"
COST_USD: Final = OWN + "cost_usd"
ATTEMPT: Final = OWN + "attempt"
SECURITY_LEVEL: Final = OWN + "security_level"
SERVICE: Final = OWN + "service"
SERVICE_OPERATION: Final = OWN + "service.operation"

PROVIDERS: Final = {"bedrock": "aws.bedrock", "grok": "x_ai"}
"""What the conventions call the default providers where our name differs; another provider goes by its configured name."""


def provider_name(name: str) -> str:
    """`gen_ai.provider.name` of a configured provider."""
    return PROVIDERS.get(name, name)


def exposed(name: str, unit: str = "") -> str:
    """A metric's or attribute's name as Prometheus takes it, as OpenTelemetry translates them: dots are underscores, the unit follows."""
    return name.replace(".", "_") + (f"_{unit}" if unit else "")
