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
from llm_gateway.protocols.openai_http import (
    MAX_ERROR_BYTES,
    MAX_MESSAGE_CHARS,
    REDACTED,
    Faults,
    base_url,
    model_names,
    request_headers,
)

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
FAULTS = Faults("openai", KEY)


def openai_error(message: str, type_: str = "invalid_request_error", code: object = None, param: object = None) -> bytes:
    return msgspec.json.encode({"error": {"message": message, "type": type_, "param": param, "code": code}})


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("", "https://api.openai.com/v1"),
        ("http://h:1/v1", "http://h:1/v1"),
        (" http://h:1/v1/ ", "http://h:1/v1"),
        ("http://h/v1/chat/completions", "http://h/v1"),
        ("http://h/v1/chat/completions/", "http://h/v1"),
        ("http://h/v1/embeddings", "http://h/v1"),
        ("http://h/v1/models", "http://h/v1"),
        ("http://h/v1/responses", "http://h/v1"),
        ("http://h", "http://h"),
    ],
)
def test_a_base_url_loses_slash_and_operation(endpoint: str, url: str) -> None:
    assert base_url(endpoint, "https://api.openai.com/v1") == url


def test_headers_are_lower_case_and_the_operators_own_win() -> None:
    headers = dict(request_headers("k", {"Authorization": "Basic x", "X-Org": "o"}))
    assert headers["authorization"] == "Basic x"
    assert headers["x-org"] == "o"
    assert headers["content-type"] == "application/json"
    assert "authorization" not in dict(request_headers("", {}))
    assert dict(request_headers("k", {}))["authorization"] == "Bearer k"


def test_model_names() -> None:
    assert model_names(b'{"object":"list","data":[{"id":"a","object":"model"},{"id":"b"}]}') == ["a", "b"]
    assert model_names(b'[{"id":"a"}]') == ["a"]
    assert (
        model_names(b"{}")
        == model_names(b"<html>")
        == model_names(b"")
        == model_names(b'{"data":[{}]}')
        == model_names(b"\xff")
        == model_names(b'{"x":' * 5000)
        == []
    )


NO_MODEL = openai_error("The model `x` does not exist", code="model_not_found")
CASES: list[tuple[str, int, bytes, type[ProviderError], bool, bool]] = [
    ("wrong key", 401, openai_error("Incorrect API key provided", code="invalid_api_key"), ProviderRejected, True, False),
    ("no permission", 403, openai_error("no"), ProviderRejected, True, False),
    ("no credit", 402, openai_error("Insufficient Balance"), ProviderRejected, True, False),
    (
        "no quota",
        429,
        openai_error("You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
        ProviderRejected,
        True,
        False,
    ),
    ("unknown model", 404, NO_MODEL, ProviderRejected, True, False),
    ("unknown model as 400", 400, NO_MODEL, ProviderRejected, True, False),
    ("unknown path", 404, b"", ProviderRejected, True, False),
    ("wrong key as 400", 400, b'"Incorrect API key provided: na***ys."', ProviderRejected, True, False),
    ("bad content", 400, openai_error("max_tokens is too large", param="max_tokens"), ProviderInvalidRequest, False, False),
    ("too large", 413, b"<html>413</html>", ProviderInvalidRequest, False, False),
    ("unprocessable", 422, b'{"detail":"temperature: must be <= 2"}', ProviderInvalidRequest, False, False),
    ("moderated", 403, b'{"error":"Content violates usage guidelines. Failed check: X"}', ProviderInvalidRequest, False, False),
    ("slow request", 408, b"", ProviderTimeout, True, False),
    ("slow gateway", 504, b"<html>", ProviderTimeout, True, False),
    ("conflict", 409, b"", ProviderUnavailable, True, True),
    ("limit", 429, openai_error("Rate limit reached", "tokens", "rate_limit_exceeded"), ProviderRateLimited, True, True),
    ("inside", 500, openai_error("The server had an error", "server_error"), ProviderUnavailable, True, True),
    ("bad gateway", 502, b"<html>", ProviderUnavailable, True, True),
    ("overloaded", 529, b"", ProviderUnavailable, True, True),
    ("redirect", 302, b"", ProviderBadResponse, True, False),
]


@pytest.mark.parametrize(
    ("status", "body", "kind", "try_next", "same_again"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_a_status_means(status: int, body: bytes, kind: type[ProviderError], try_next: bool, same_again: bool) -> None:
    error = FAULTS.of_status(status, {}, body)
    assert type(error) is kind
    assert (error.try_next, error.same_again) == (try_next, same_again)
    assert (error.provider, error.upstream_status) == ("openai", status)
    assert error.message
    assert "<html>" not in error.message


def test_a_refusal_of_the_content_carries_the_providers_own_words() -> None:
    error = FAULTS.of_status(400, {}, openai_error("max_tokens is too large", code="bad", param="max_tokens"))
    assert (error.message, error.code, error.param) == ("max_tokens is too large", "bad", "max_tokens")


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"told why"}}',
        b'{"error":"told why","code":"Client specified an invalid argument"}',
        b'{"object":"error","message":"told why","type":"BadRequestError","code":400}',
        b'{"detail":"told why"}',
        b'[{"error":{"code":400,"message":"told why","status":"INVALID_ARGUMENT"}}]',
        b'"told why"',
        b"told why",
    ],
)
def test_every_form_of_an_error_body_is_read(body: bytes) -> None:
    assert FAULTS.of_status(400, {}, body).message == "told why"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>page</html>",
        b"\xff\xfe\x00",
        b"[]",
        b"{}",
        b"null",
        b"3",
        b"{broken",
        b'{"error":"told", "x":"' + b"x" * MAX_ERROR_BYTES + b'"}',
    ],
)
def test_a_body_that_says_nothing_still_makes_a_message(body: bytes) -> None:
    assert FAULTS.of_status(400, {}, body).message == "openai refused the request (status 400)"


@pytest.mark.parametrize(
    "echo",
    [
        KEY,
        f"'{KEY}'.",
        f"Bearer={KEY}",
        "sk-pr***************6789",
        "na***ys.",
        "sk-proj-...6789",
        "sk-p…6789",
        KEY[4:20],
        "sk-anotherkeyofanyone",
        "xai-anotherkeyofanyone",
        "16f2151a-40f4-4a80-8ad0-cae00c27e8dd",
        "org-AbCdEfGhIjKl",
    ],
)
def test_an_echo_of_a_key_or_an_account_is_redacted(echo: str) -> None:
    for status in (400, 401, 403, 429, 500):
        error = FAULTS.of_status(status, {}, openai_error(f"Incorrect key provided: {echo} end"))
        assert echo.strip("'.") not in error.message
        assert REDACTED in error.message
        assert error.message.endswith(" end")


def test_other_words_are_left_as_they_are() -> None:
    message = "Invalid 'messages[0].content': expected one of 'text', 'image_url'... see https://x.example/a-b-c-d"
    assert FAULTS.of_status(400, {}, openai_error(message)).message == message


def test_a_long_message_is_cut_and_a_broken_one_put_on_one_line() -> None:
    assert len(FAULTS.of_status(400, {}, openai_error("word " * 4000)).message) == MAX_MESSAGE_CHARS + 1
    assert FAULTS.of_status(400, {}, openai_error("a\r\nb\tc\x1b[31m")).message == "a b c[31m"


@given(st.integers(100, 599), st.binary(max_size=80) | st.text(max_size=60).map(msgspec.json.encode), st.text(max_size=20))
def test_error_never_raises(status: int, body: bytes, header: str) -> None:
    error = FAULTS.of_status(status, {"retry-after": header, "date": header, "retry-after-ms": header}, body)
    assert error.retry_after_s is None or error.retry_after_s >= 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5) | st.sampled_from(["error", "message", "code", KEY]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "param", "detail", "status"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(JSON)
def test_no_error_body_breaks_the_reading_or_leaks_the_key(value: object) -> None:
    body = msgspec.json.encode(value)
    for error in (FAULTS.of_status(400, {}, body), FAULTS.in_answer(body)):
        assert KEY not in f"{error.message} {error.code} {error.param}"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (openai_error("slow down", "rate_limit_error"), ProviderRateLimited),
        (openai_error("broken", "server_error"), ProviderUnavailable),
        (openai_error("full", "overloaded_error"), ProviderUnavailable),
        (openai_error("too long", code="context_length_exceeded"), ProviderInvalidRequest),
        (openai_error("no money", "insufficient_quota", "insufficient_quota"), ProviderRejected),
        (openai_error("late", "timeout"), ProviderTimeout),
        (b'{"error":{"code":502,"message":"upstream"}}', ProviderUnavailable),
        (b'{"error":{"code":"429","message":"upstream"}}', ProviderRateLimited),
        (b'{"error":"something","code":"The service is currently unavailable"}', ProviderUnavailable),
        (b'{"error":{}}', ProviderUnavailable),
    ],
)
def test_what_an_error_in_a_successful_answer_means(body: bytes, kind: type[ProviderError]) -> None:
    error = FAULTS.in_answer(body)
    assert type(error) is kind
    assert error.upstream_status is None


def test_only_a_wait_that_makes_sense_is_passed_on() -> None:
    wait = {"retry-after": "7"}
    assert FAULTS.of_status(429, wait, b"").retry_after_s == 7.0
    assert FAULTS.of_status(503, wait, b"").retry_after_s == 7.0
    assert FAULTS.of_status(400, wait, b"").retry_after_s is None
    dates = {"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert FAULTS.of_status(429, dates, b"").retry_after_s == 30.0
    assert FAULTS.of_status(429, {**wait, "retry-after-ms": "250"}, b"").retry_after_s == 0.25
