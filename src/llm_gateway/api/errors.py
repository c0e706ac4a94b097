"""The native error shape: `{"error": {"type", "message", "param", "code"}, "correlation_id"}`."""

import math
import re

import msgspec

from llm_gateway.api.asgi import EVENT_STREAM, JSON, SSE_COMMENT, Headers, malformed_json
from llm_gateway.core.errors import InvalidRequest, LLMGatewayError, Unauthenticated

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
    request_id = b""

    def error_status(self, failure: LLMGatewayError) -> int:
        return failure.http_status

    def error_headers(self, failure: LLMGatewayError) -> Headers:
        return error_headers(failure)

    def error_body(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        return error_body(failure, correlation_id)

    def error_event(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        return b"data: " + error_body(failure, correlation_id) + b"\n\n"


_AT = re.compile(r" - at `([^`]*)`$")
_KEY = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)


def invalid_body(failure: msgspec.MsgspecError | UnicodeDecodeError, body: bytes, known_fields: tuple[str, ...] = ()) -> InvalidRequest:
    """What was wrong with a body, naming the field and what was expected.

    `failure` is what msgspec raised on `body`; `known_fields` are offered for an unknown one.
    """
    if not isinstance(failure, msgspec.ValidationError):
        return malformed_json(body)
    text = str(failure)
    at = _AT.search(text)
    path = _path(at.group(1)) if at else ""
    reason = text[: at.start()] if at else text
    if unknown := _KEY.search(reason):
        name = _join(path, unknown.group(1)[:64])
        return InvalidRequest(f"unknown field {name!r}: known are {', '.join(known_fields)}", param=name, code="unknown_field")
    if missing := _MISSING.search(reason):
        name = _join(path, missing.group(1))
        return InvalidRequest(f"the field {name!r} is required", param=name, code="missing_field")
    name = path or "body"
    return InvalidRequest(f"{name}: {_in_json_words(reason)}", param=name, code="invalid_value")


_WORDS = {
    "str": "text",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "a list",
}
_TYPES = re.compile(r"`([a-z| ]+)`")


def _in_json_words(reason: str) -> str:
    """A decoder's reason in words of JSON: "expected a number, got text"."""
    plain = _TYPES.sub(lambda found: " or ".join(_WORDS.get(word, word) for word in found[1].split(" | ")), reason)
    return plain[:1].lower() + plain[1:]


def _path(pointer: str) -> str:
    """`$.stop[0]` as `stop[0]`; `$[...]` and dict keys as msgspec writes them."""
    return pointer.removeprefix("$").removeprefix(".")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
