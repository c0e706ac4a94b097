"""Every way a call can fail, and whose fault it was.

The base class says who: `CallerError` (the request), `ProviderError` (an upstream), `GatewayError` (us or our
operator). Each class names its public `error_type`, its `http_status`, and whether trying again can help. The
table in docs/api.md is generated from these classes.
"""

from typing import ClassVar


class LLMGatewayError(Exception):
    """A failure with a public face. `message` is safe to show: no key, no matched secret, no foreign data."""

    error_type: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s


class CallerError(LLMGatewayError):
    """The request cannot be served as it is; sending it again unchanged will not help."""


class InvalidRequest(CallerError):
    error_type, http_status = "invalid_request", 400


class Unauthenticated(CallerError):
    error_type, http_status = "unauthenticated", 401


class BudgetExceeded(CallerError):
    error_type, http_status = "budget_exceeded", 402


class Forbidden(CallerError):
    error_type, http_status = "forbidden", 403


class SensitiveContentBlocked(CallerError):
    error_type, http_status = "sensitive_content_blocked", 403


class UnknownModel(CallerError):
    error_type, http_status = "unknown_model", 404


class UnknownProvider(CallerError):
    error_type, http_status = "unknown_provider", 404


class NotFound(CallerError):
    error_type, http_status = "not_found", 404


class IdempotencyConflict(CallerError):
    """The first call with this `Idempotency-Key` has not ended, or its answer was not kept."""

    error_type, http_status, retryable = "idempotency_conflict", 409, True


class RequestTooLarge(CallerError):
    error_type, http_status = "request_too_large", 413


class IdempotencyMismatch(CallerError):
    """The `Idempotency-Key` was used before, for another request."""

    error_type, http_status = "idempotency_mismatch", 422


class RateLimited(CallerError):
    error_type, http_status, retryable = "rate_limited", 429, True


class Cooldown(CallerError):
    error_type, http_status, retryable = "cooldown", 429, True


class ClientClosedRequest(CallerError):
    """The caller went away. Logged, never sent."""

    error_type, http_status = "client_closed_request", 499


class ProviderError(LLMGatewayError):
    """An upstream failed.

    `provider` is its configured name, `upstream_status` the HTTP status it gave (None: no answer). `try_next` says whether another
    provider could do better: True for outages, limits and bad keys, False when the content itself was refused.
    """

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        upstream_status: int | None = None,
        try_next: bool = True,
        same_again: bool = False,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, param=param, code=code, retry_after_s=retry_after_s)
        self.provider = provider
        self.upstream_status = upstream_status
        self.try_next = try_next
        self.same_again = same_again
        """Whether the same target may be asked once more (connection lost before any answer, 5xx, 429)."""


class ProviderBadResponse(ProviderError):
    """It answered, but not in its protocol, or it broke off."""

    error_type, http_status = "provider_bad_response", 502


class ProviderRejected(ProviderError):
    """It refused us: wrong key, no permission, no credit, unknown model."""

    error_type, http_status, retryable = "provider_rejected", 502, False


class ProviderInvalidRequest(ProviderError):
    """It refused the content; its own message goes to the caller as a 400."""

    error_type, http_status, retryable = "invalid_request", 400, False


class ProviderUnavailable(ProviderError):
    """It could not be reached, was overloaded, or failed inside (connect errors, 5xx, 529)."""

    error_type, http_status = "provider_bad_response", 502


class ProviderRateLimited(ProviderError):
    """It is at its limit (429) for now."""

    error_type, http_status = "rate_limited", 429


class ProviderTimeout(ProviderError):
    """It took longer than a deadline allows; `code` says which: connect, first_byte, idle, total."""

    error_type, http_status = "provider_timeout", 504


class GatewayError(LLMGatewayError):
    """We, or the operator's configuration, could not serve a good request."""


class Internal(GatewayError):
    error_type, http_status = "internal", 500


class NoEligibleProvider(GatewayError):
    error_type, http_status, retryable = "no_eligible_provider", 503, True


class Overloaded(GatewayError):
    error_type, http_status, retryable = "overloaded", 503, True


class AuditUnavailable(GatewayError):
    error_type, http_status, retryable = "audit_unavailable", 503, True


class ConfigurationError(GatewayError):
    """A setting is wrong. `message` names path, value, what was expected and, for unknown keys, the nearest known one."""

    error_type, http_status = "configuration", 500
