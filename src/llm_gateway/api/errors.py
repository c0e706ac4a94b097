"""The native error shape: `{"error": {"type", "message", "param", "code"}, "correlation_id"}`."""

import math

import msgspec

from llm_gateway.api.asgi import EVENT_STREAM, JSON, SSE_COMMENT, Headers, malformed_json
from llm_gateway.core.errors import InvalidRequest, LLMGatewayError, Unauthenticated
from llm_gateway.core.invalid import invalid_value

_encode = msgspec.json.Encoder().encode


def error_body(failure: LLMGatewayError, correlation_id: str) -> bytes:
    """The native error document."""
    return _encode(
        {
            "error": {"type": failure.error_type, "message": failure.message, "param": failure.param, "code": failure.code},
            "correlation_id": correlation_id,
        }
    )


def error_headers(failure: LLMGatewayError) -> Headers:
    """Content type, `Retry-After` (whole seconds, rounded up) where a retry makes sense, and how to identify oneself (RFC 9110, 11.6.1)."""
    headers: Headers = [JSON]
    if isinstance(failure, Unauthenticated):
        headers.append((b"www-authenticate", b"Bearer"))
    if failure.retry_after_s is not None:
        headers.append((b"retry-after", str(max(0, math.ceil(failure.retry_after_s))).encode()))
    return headers


class NativeDialect:
    """The native API's way to say what every ingress says (`api.call.Dialect`)."""

    stream_type = EVENT_STREAM
    keep_alive = SSE_COMMENT
    request_id = ""

    def error_status(self, failure: LLMGatewayError) -> int:
        return failure.http_status

    def error_headers(self, failure: LLMGatewayError) -> Headers:
        return error_headers(failure)

    def error_body(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        return error_body(failure, correlation_id)

    def error_event(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        return b"data: " + error_body(failure, correlation_id) + b"\n\n"


def invalid_body(failure: msgspec.MsgspecError | UnicodeDecodeError, body: bytes, known_fields: tuple[str, ...] = ()) -> InvalidRequest:
    """What was wrong with a body, naming the field and what was expected.

    `failure` is what msgspec raised on `body`; `known_fields` are offered for an unknown one.
    """
    if not isinstance(failure, msgspec.ValidationError):
        return malformed_json(body)
    return invalid_value(failure, known_fields)
