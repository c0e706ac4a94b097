import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core import errors
from llm_gateway.core.upstream import MAX_MESSAGE_CHARS, endpoint_fault, error_of_status, kind_and_message, redacted, retry_after_s

KEY = "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
DATE = {"date": "Wed, 21 Oct 2015 07:28:00 GMT"}


@pytest.mark.parametrize(
    ("status", "kind", "try_next", "same_again"),
    [
        (400, errors.ProviderInvalidRequest, False, False),
        (401, errors.ProviderRejected, True, False),
        (402, errors.ProviderRejected, True, False),
        (403, errors.ProviderRejected, True, False),
        (404, errors.ProviderRejected, True, False),
        (408, errors.ProviderTimeout, True, False),
        (409, errors.ProviderUnavailable, True, True),
        (413, errors.ProviderInvalidRequest, False, False),
        (422, errors.ProviderInvalidRequest, False, False),
        (429, errors.ProviderRateLimited, True, True),
        (500, errors.ProviderUnavailable, True, True),
        (503, errors.ProviderUnavailable, True, True),
        (504, errors.ProviderTimeout, True, False),
        (529, errors.ProviderUnavailable, True, True),
        (302, errors.ProviderBadResponse, True, False),
    ],
)
def test_status_decides_the_class(status, kind, try_next, same_again):
    error = error_of_status(status, "words", provider="p", retry_after_s=3.0)
    assert type(error) is kind
    assert (error.try_next, error.same_again) == (try_next, same_again)
    assert (error.provider, error.upstream_status) == ("p", status)
    assert "words" in error.message
    assert error.retry_after_s == (3.0 if kind in {errors.ProviderRateLimited, errors.ProviderUnavailable} else None)


@pytest.mark.parametrize("url", ["http://localhost:11434", "https://api.example.test/base", "http://[::1]:80"])
def test_sound_endpoints(url):
    assert endpoint_fault(url) == ""


@pytest.mark.parametrize(
    "url", ["", "example.test", "ftp://example.test", "http://", "http://a:b@example.test", "http://a?x=1", "http://a#x"]
)
def test_endpoints_that_cannot_be_used(url):
    assert endpoint_fault(url).startswith("an endpoint")


def test_the_callers_fault_is_told_in_the_providers_own_words():
    assert error_of_status(400, "max_tokens: too large", provider="p").message == "max_tokens: too large"


def test_a_message_is_cut_and_never_empty():
    assert "no reason" in error_of_status(400, " ", provider="p").message
    assert len(error_of_status(400, "x" * 10_000, provider="p").message) < MAX_MESSAGE_CHARS + 100


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', ("overloaded_error", "Overloaded")),
        (b'{"error":"model not found"}', ("", "model not found")),
        (b'{"message":"Too many"}', ("", "Too many")),
        (b'"Incorrect key"', ("", "Incorrect key")),
        (b"upstream connect error", ("", "upstream connect error")),
        (b"<html><body>502</body></html>", ("", "")),
        (b'{"error":{"message":7}}', ("", "")),
        (b'{"error":', ("", "")),
        (b'{"error":null}', ("", "")),
        (b"", ("", "")),
        (b"[1]", ("", "")),
        (b"\xff\xfe\x00", ("", "")),
    ],
)
def test_words_of_a_refusal(body, expected):
    assert kind_and_message(body) == expected


@given(st.binary(max_size=60))
def test_reading_a_refusal_never_raises(body):
    kind_and_message(body)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:10 GMT", **DATE}, 10.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:27:10 GMT", **DATE}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:10 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:10 GMT", "date": "today"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "later"}, None),
        ({}, None),
    ],
)
def test_when_to_come_back(headers, expected):
    assert retry_after_s(headers) == expected


@pytest.mark.parametrize(
    "echo", [KEY, KEY[:20], f"{KEY[5:30]}", f"{KEY[:4]}****{KEY[-4:]}", f"{KEY[:6]}…", f"******{KEY[-4:]}.", f"key={KEY[:5]}...{KEY[-3:]}"]
)
def test_a_key_is_hidden_whole_in_part_and_masked(echo):
    said = redacted(f"Incorrect API key provided: '{echo}'. Find yours at the console.", KEY)
    assert "[redacted]" in said
    assert KEY[:6] not in said
    assert KEY[-4:] not in said
    assert said.endswith("Find yours at the console.")


def test_other_words_stay():
    text = "wait... max_tokens: 8192 > 4096, see **docs**"
    assert redacted(text, KEY) == text
    assert redacted(text, "") == text


@given(st.integers(0, len(KEY) - 8), st.integers(8, len(KEY)), st.text(max_size=10), st.text(max_size=10))
def test_eight_characters_of_a_key_never_show(start, length, before, after):
    part = KEY[start : start + length]
    assert part not in redacted(f"{before}{part}{after}", KEY) or len(part) < 8
