"""Failures as OpenAI's SDKs read them."""

import msgspec
import pytest

from llm_gateway.api.openai_errors import OpenAiDialect
from llm_gateway.core.errors import (
    BudgetExceeded,
    Cooldown,
    InvalidRequest,
    LLMGatewayError,
    NoEligibleProvider,
    ProviderInvalidRequest,
    ProviderRejected,
    ProviderTimeout,
    RateLimited,
    SensitiveContentBlocked,
    Unauthenticated,
    UnknownModel,
)

DIALECT = OpenAiDialect()


@pytest.mark.parametrize(
    ("failure", "status", "kind", "code"),
    [
        (InvalidRequest("m", param="temperature"), 400, "invalid_request_error", None),
        (ProviderInvalidRequest("m", code="context_length_exceeded"), 400, "invalid_request_error", "context_length_exceeded"),
        (Unauthenticated("m"), 401, "authentication_error", "invalid_api_key"),
        (BudgetExceeded("m"), 402, "insufficient_quota", "insufficient_quota"),
        (SensitiveContentBlocked("m"), 403, "permission_error", "sensitive_content_blocked"),
        (UnknownModel("m"), 404, "invalid_request_error", "model_not_found"),
        (RateLimited("m"), 429, "rate_limit_error", "rate_limit_exceeded"),
        (Cooldown("m"), 429, "rate_limit_error", "cooldown"),
        (ProviderRejected("m"), 502, "server_error", "provider_rejected"),
        (NoEligibleProvider("m"), 503, "server_error", "no_eligible_provider"),
        (ProviderTimeout("m", code="total"), 504, "timeout_error", "total"),
    ],
)
def test_words_and_status(failure: LLMGatewayError, status: int, kind: str, code: str | None) -> None:
    assert DIALECT.error_status(failure) == status
    assert msgspec.json.decode(DIALECT.error_body(failure, "gw-1")) == {
        "error": {"message": "m", "type": kind, "param": failure.param, "code": code}
    }


def test_when_to_try_again() -> None:
    headers = dict(DIALECT.error_headers(RateLimited("m", retry_after_s=1.2)))
    assert (headers[b"retry-after"], headers[b"retry-after-ms"]) == (b"2", b"1200")
    assert b"x-should-retry" not in headers


@pytest.mark.parametrize("failure", [BudgetExceeded("m"), ProviderRejected("m"), InvalidRequest("m")])
def test_what_would_fail_again_is_not_to_be_tried_again(failure: LLMGatewayError) -> None:
    assert dict(DIALECT.error_headers(failure))[b"x-should-retry"] == b"false"


def test_an_error_within_a_stream_is_an_event_without_done() -> None:
    event = DIALECT.error_event(NoEligibleProvider("m"), "gw-1")
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    assert msgspec.json.decode(event[6:])["error"]["correlation_id"] == "gw-1"
    assert b"[DONE]" not in event
