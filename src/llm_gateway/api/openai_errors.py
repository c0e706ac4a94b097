"""Failures in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`, as its SDKs read them.

The SDKs choose the class of an exception by status, retry 408, 409, 429 and 5xx by themselves unless `x-should-retry` says otherwise,
and wait for `retry-after-ms` or `retry-after`.
"""

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from llm_gateway.api.asgi import EVENT_STREAM, JSON, SSE_COMMENT, Headers
from llm_gateway.core.errors import LLMGatewayError

_encode = msgspec.json.Encoder().encode
_TYPES: Final = {
    "invalid_request": "invalid_request_error",
    "request_too_large": "invalid_request_error",
    "unauthenticated": "authentication_error",
    "forbidden": "permission_error",
    "sensitive_content_blocked": "permission_error",
    "unknown_model": "invalid_request_error",
    "unknown_provider": "invalid_request_error",
    "not_found": "not_found_error",
    "idempotency_conflict": "conflict_error",
    "idempotency_mismatch": "invalid_request_error",
    "budget_exceeded": "insufficient_quota",
    "rate_limited": "rate_limit_error",
    "cooldown": "rate_limit_error",
    "provider_timeout": "timeout_error",
}
"""OpenAI's word for each of our types; the others, outages of ours or of an upstream, are its `server_error`."""
_CODES: Final = {
    "unauthenticated": "invalid_api_key",
    "unknown_model": "model_not_found",
    "unknown_provider": "model_not_found",
    "rate_limited": "rate_limit_exceeded",
    "budget_exceeded": "insufficient_quota",
}
"""OpenAI's code where a failure has none of its own; our type for the others, but for plain mistakes in a request."""
_PLAIN: Final = frozenset({"invalid_request"})


LIMITS: Final = "x-ratelimit-"
MAX_LIMIT_CHARS: Final = 128


def limit_headers(said: Mapping[str, str]) -> dict[str, str]:
    """`x-ratelimit-*` among the headers of a provider that speaks this wire: they are about whoever pays it, and take the place of ours."""
    found = {}
    for name, value in said.items():
        if name.startswith(LIMITS) and len(value) <= MAX_LIMIT_CHARS and value.isascii():
            found[name] = value
    return found


def error_object(failure: LLMGatewayError) -> dict[str, str | None]:
    """The inside of `error`."""
    kind = failure.error_type
    code = failure.code or _CODES.get(kind) or (None if kind in _PLAIN else kind)
    return {"message": failure.message, "type": _TYPES.get(kind, "server_error"), "param": failure.param, "code": code}


def retry_headers(failure: LLMGatewayError) -> Headers:
    """What OpenAI's and Anthropic's packages, which have one maker, read to know whether and when to try again; the content type first."""
    headers: Headers = [JSON]
    if failure.retry_after_s is not None:
        wait_s = max(0.0, failure.retry_after_s)
        headers += [(b"retry-after", str(math.ceil(wait_s)).encode()), (b"retry-after-ms", str(math.ceil(wait_s * 1000)).encode())]
    if not failure.retryable:
        headers.append((b"x-should-retry", b"false"))
    return headers


class OpenAiDialect:
    """OpenAI's way to say what every ingress says (`api.call.Dialect`)."""

    stream_type = EVENT_STREAM
    keep_alive = SSE_COMMENT
    request_id = "x-request-id"

    def error_status(self, failure: LLMGatewayError) -> int:
        return failure.http_status

    def error_headers(self, failure: LLMGatewayError) -> Headers:
        return retry_headers(failure)

    def error_body(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        """`correlation_id` is in the headers."""
        return _encode({"error": error_object(failure)})

    def error_event(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        """No `[DONE]` follows: what ends in that is complete. The head is long gone, so the correlation id stands here."""
        return b"data: " + _encode({"error": {**error_object(failure), "correlation_id": correlation_id}}) + b"\n\n"
