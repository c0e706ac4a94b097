"""What Bedrock's failures mean."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import (
    ProviderBadResponse,
    ProviderError,
    ProviderInvalidRequest,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from llm_gateway.protocols.bedrock_errors import Faults, retry_after_s

KEY, TOKEN = "ABSKQmVkcm9ja0FQSUtleS1abc123", "IQoJb3JpZ2luX2VjEXAMPLETOKEN"
faults = Faults("bedrock", (KEY, "", TOKEN))


def of(status: int, kind: str = "", message: str = "said") -> ProviderError:
    header = {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"} if kind else {}
    return faults.of_status(status, header, msgspec.json.encode({"message": message}))


# type: class, status, try the next provider, ask the same again
KINDS = {
    "ThrottlingException": (ProviderRateLimited, 429, True, True),
    "ServiceQuotaExceededException": (ProviderRateLimited, 400, True, True),
    "ServiceUnavailableException": (ProviderUnavailable, 503, True, True),
    "InternalServerException": (ProviderUnavailable, 500, True, True),
    "ModelNotReadyException": (ProviderUnavailable, 429, True, True),
    "ModelTimeoutException": (ProviderTimeout, 408, True, False),
    "ModelErrorException": (ProviderBadResponse, 424, True, True),
    "ModelStreamErrorException": (ProviderBadResponse, 424, True, True),
    "ValidationException": (ProviderInvalidRequest, 400, False, False),
    "AccessDeniedException": (ProviderRejected, 403, True, False),
    "UnrecognizedClientException": (ProviderRejected, 403, True, False),
    "ExpiredTokenException": (ProviderRejected, 403, True, False),
    "ResourceNotFoundException": (ProviderRejected, 404, True, False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_by_header_body_and_stream(kind: str) -> None:
    cls, status, try_next, same_again = KINDS[kind]
    body = msgspec.json.encode({"message": "said", "__type": f"com.amazon.coral.service#{kind}"})
    in_stream = faults.in_stream(kind[0].lower() + kind[1:], b'{"message":"said"}')
    for failure in (of(status, kind), faults.of_status(status, {}, body), in_stream):
        assert type(failure) is cls
        assert (failure.try_next, failure.same_again, failure.provider) == (try_next, same_again, "bedrock")
        assert "said" in failure.message
    assert of(status, kind).upstream_status == status


STATUSES = {
    400: ProviderInvalidRequest,
    401: ProviderRejected,
    403: ProviderRejected,
    404: ProviderRejected,
    408: ProviderTimeout,
    413: ProviderInvalidRequest,
    422: ProviderInvalidRequest,
    424: ProviderBadResponse,
    429: ProviderRateLimited,
    500: ProviderUnavailable,
    504: ProviderTimeout,
    529: ProviderUnavailable,
    302: ProviderBadResponse,
}


@pytest.mark.parametrize("status", STATUSES)
def test_statuses_without_a_type(status: int) -> None:
    assert type(of(status)) is STATUSES[status]
    assert type(of(status, "SomethingNewException")) is STATUSES[status]


def test_streams_give_exceptions_the_status_they_have_elsewhere() -> None:
    assert faults.in_stream("throttlingException", b"{}").upstream_status == 429
    unknown = faults.in_stream("somethingNew", b"")
    assert (type(unknown), unknown.upstream_status) == (ProviderBadResponse, None)


@pytest.mark.parametrize(
    "message",
    [
        "The provided model identifier is invalid.",
        "Invocation of model ID anthropic.claude with on-demand throughput isn't supported. Retry with an inference profile.",
        "Operation not allowed",
    ],
)
def test_validation_errors_about_the_model_are_no_fault_of_the_content(message: str) -> None:
    failure = of(400, "ValidationException", message)
    assert type(failure) is ProviderRejected
    assert failure.try_next


def test_a_prompt_that_is_too_long_says_so_in_its_code() -> None:
    failure = of(400, "ValidationException", "Input is too long for requested model.")
    assert (type(failure), failure.code) == (ProviderInvalidRequest, "context_length_exceeded")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "InvalidSignatureException",
            "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)",
        ),
        ("InvalidSignatureException", "Signature not yet current: 20260101T010000Z is still later than 20260101T000500Z"),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
        ("", "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z"),
    ],
)
def test_a_wrong_clock_is_called_that(kind: str, message: str) -> None:
    failure = of(403, kind, message)
    assert type(failure) is ProviderRejected
    assert "clock is off" in failure.message
    assert failure.code == "clock_skew"


def test_a_wrong_signature_does_not_echo_our_headers() -> None:
    said = "The request signature we calculated does not match."
    said += f" The Canonical String for this request should have been 'POST x-amz-security-token:{TOKEN}'"
    failure = of(403, "InvalidSignatureException", said)
    assert type(failure) is ProviderRejected
    assert "AWS_SECRET_ACCESS_KEY" in failure.message
    assert "Canonical" not in failure.message


@pytest.mark.parametrize("shown", [KEY, TOKEN, f"https://x/?key={KEY}&a=1", KEY[:12], "ABSK...c123", "ABSK…", "***c123", f"'{KEY}'."])
def test_secrets_and_what_is_left_of_them_are_redacted(shown: str) -> None:
    failure = of(403, "AccessDeniedException", f"the key {shown} is unknown")
    assert "[redacted]" in failure.message
    for piece in (KEY, TOKEN, KEY[:8], "c123"):
        assert piece not in failure.message
    assert "is unknown" in failure.message


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"detail":"no such model"}', "no such model"),
        (b'{"detail":[{"loc":["body","model"],"msg":"Field required"}]}', "Field required"),
        (b'{"error":{"message":"deep"}}', "deep"),
        (b'{"Message":"upper"}', "upper"),
        (b'"just text"', "just text"),
        (b"plain words", "plain words"),
        (b"<html><body>gone</body></html>", "HTTP 500"),
        (b"", "HTTP 500"),
        (b"\xff\xfe", "HTTP 500"),
        (b"[1]", "HTTP 500"),
        (b"[" * 100_000, "HTTP 500"),
    ],
)
def test_messages_of_every_form(body: bytes, kept: str) -> None:
    assert kept in faults.of_status(500, {}, body).message


def test_long_messages_are_cut() -> None:
    assert len(of(500, message="word " * 5000).message) < 1_200


@given(
    st.integers(100, 599), st.dictionaries(st.sampled_from(["x-amzn-errortype", "retry-after", "date"]), st.text()), st.binary(max_size=200)
)
def test_nothing_makes_it_raise(status: int, headers: dict[str, str], body: bytes) -> None:
    assert faults.of_status(status, headers, body).provider == "bedrock"


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "Fri, 01 Jan 2027 00:00:10 GMT", "date": "Fri, 01 Jan 2027 00:00:00 GMT"}, 10.0),
        ({"retry-after": "Fri, 01 Jan 2027 00:00:00 GMT", "date": "Fri, 01 Jan 2027 00:00:10 GMT"}, 0.0),
        ({"retry-after": "Fri, 01 Jan 2027 00:00:10 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], wait_s: float | None) -> None:
    assert retry_after_s(headers) == wait_s
    assert faults.of_status(429, headers, b"").retry_after_s == wait_s
