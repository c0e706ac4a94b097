"""What can go wrong with a call to a gateway, by whose fault it was."""

import json
from typing import Any


class GatewayError(Exception):
    """A call failed. `error_type` is the gateway's own word for it, `status` the HTTP status (None: no answer came)."""

    def __init__(
        self,
        message: str,
        *,
        error_type: str = "",
        status: int | None = None,
        param: str | None = None,
        correlation_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type
        self.status = status
        self.param = param
        self.correlation_id = correlation_id
        self.retry_after_s = retry_after_s


class GatewayUnavailable(GatewayError):
    """The gateway could not be reached, or broke off."""


class RequestRefused(GatewayError):
    """The request cannot be served as it is (400, 402, 403, 404, 413)."""


class AuthenticationFailed(GatewayError):
    """The key is missing, unknown, revoked or expired (401)."""


class RateLimited(GatewayError):
    """A limit was reached (429); `retry_after_s` says when to come back."""


class ServiceFailed(GatewayError):
    """The gateway or every provider behind it failed (5xx)."""


def error_of(status: int | None, body: bytes, retry_after: str | None = None) -> GatewayError:
    """The error that a response (or an error frame of a stream, `status` None) stands for."""
    try:
        document: Any = json.loads(body)
    except ValueError:
        document = None
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict):
        kind = _class_of(status or 502)
        return kind(f"the answer (HTTP {status}) is not a gateway's: is this the right address?", status=status)
    try:
        retry_after_s = float(retry_after) if retry_after is not None else None
    except ValueError:
        retry_after_s = None
    return _class_of(status or 502)(
        str(error.get("message", "")),
        error_type=str(error.get("type", "")),
        status=status,
        param=error.get("param"),
        correlation_id=str(document.get("correlation_id", "")),
        retry_after_s=retry_after_s,
    )


def _class_of(status: int) -> type[GatewayError]:
    if status == 401:
        return AuthenticationFailed
    if status == 429:
        return RateLimited
    return RequestRefused if status < 500 else ServiceFailed
