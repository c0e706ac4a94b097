"""What can go wrong with a call to a gateway, by whose fault it was."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final


class GatewayError(Exception):
    """A call failed. `error_type` is the gateway's own word for it, `status` the HTTP status (None: no answer came).

    `retry_after_s` says when to come back, where the gateway said so; `param` names the field that is wrong.
    """

    def __init__(
        self,
        message: str,
        *,
        error_type: str = "",
        status: int | None = None,
        param: str | None = None,
        code: str | None = None,
        correlation_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type
        self.status = status
        self.param = param
        self.code = code
        self.correlation_id = correlation_id
        self.retry_after_s = retry_after_s


class GatewayUnavailable(GatewayError):
    """The gateway could not be reached, or broke off. `sent` False: the request never left, so it was not served."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class RequestRefused(GatewayError):
    """The request cannot be served as it is (4xx)."""


class InvalidRequest(RequestRefused):
    """A field is wrong (400); `param` names it."""


class AuthenticationFailed(RequestRefused):
    """The key is missing, unknown, revoked or expired (401)."""


class BudgetExceeded(RequestRefused):
    """A budget is used up (402)."""


class Forbidden(RequestRefused):
    """The key may not do this (403)."""


class SensitiveContentBlocked(RequestRefused):
    """The security policy keeps this content from leaving (403)."""


class NotFound(RequestRefused):
    """There is no such thing (404): a conversation, model, provider, service, operation or endpoint."""


class RequestTooLarge(RequestRefused):
    """The body is larger than the gateway reads (413)."""


class IdempotencyConflict(RequestRefused):
    """The key was used for another request, or the first call with it is not over (409, 422)."""


class RateLimited(GatewayError):
    """A limit was reached (429); `retry_after_s` says when to come back."""


class ServiceFailed(GatewayError):
    """The gateway or every provider behind it failed (5xx)."""


class NoEligibleProvider(ServiceFailed):
    """No provider may and can take this content now (503)."""


class Overloaded(ServiceFailed):
    """The gateway has too much to do, or cannot keep its records (503)."""


class ProviderFailed(ServiceFailed):
    """The provider answered badly, refused, or not in time (502, 504)."""


_BY_TYPE: Final[dict[str, type[GatewayError]]] = {
    "invalid_request": InvalidRequest,
    "unauthenticated": AuthenticationFailed,
    "budget_exceeded": BudgetExceeded,
    "forbidden": Forbidden,
    "sensitive_content_blocked": SensitiveContentBlocked,
    "unknown_model": NotFound,
    "unknown_provider": NotFound,
    "not_found": NotFound,
    "request_too_large": RequestTooLarge,
    "idempotency_conflict": IdempotencyConflict,
    "idempotency_mismatch": IdempotencyConflict,
    "rate_limited": RateLimited,
    "cooldown": RateLimited,
    "no_eligible_provider": NoEligibleProvider,
    "overloaded": Overloaded,
    "audit_unavailable": Overloaded,
    "provider_bad_response": ProviderFailed,
    "provider_rejected": ProviderFailed,
    "provider_timeout": ProviderFailed,
}
"""Kind by the gateway's word; docs/api.md has the table. What is not here goes by its status."""
_BY_STATUS: Final[dict[int, type[GatewayError]]] = {
    400: InvalidRequest, 401: AuthenticationFailed, 402: BudgetExceeded, 403: Forbidden, 404: NotFound, 413: RequestTooLarge,
    429: RateLimited, 502: ProviderFailed, 503: Overloaded, 504: ProviderFailed,
}  # fmt: skip


def error_of(status: int | None, body: bytes, retry_after: str | None = None) -> GatewayError:
    """The error that a response (or an error frame of a stream, `status` None) stands for."""
    try:
        document: Any = json.loads(body)
    except ValueError:
        document = None
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict):
        kind = _class_of("", status or 502)
        return kind(f"the answer (HTTP {status}) is not a gateway's: is this the right address?", status=status)
    name = str(error.get("type", ""))
    return _class_of(name, status or 502)(
        str(error.get("message", "")),
        error_type=name,
        status=status,
        param=error.get("param"),
        code=error.get("code"),
        correlation_id=str(document.get("correlation_id", "")),
        retry_after_s=seconds_of(retry_after),
    )


def seconds_of(retry_after: str | None, now: datetime | None = None) -> float | None:
    """What a `Retry-After` header says, in seconds from now: it holds a number of seconds or an HTTP date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(retry_after)
    except ValueError:  # neither: as good as nothing
        return None
    return max(0.0, (then - (now or datetime.now(UTC))).total_seconds()) if then.tzinfo else None


def _class_of(error_type: str, status: int) -> type[GatewayError]:
    found = _BY_TYPE.get(error_type) or _BY_STATUS.get(status)
    return found or (RequestRefused if status < 500 else ServiceFailed)
