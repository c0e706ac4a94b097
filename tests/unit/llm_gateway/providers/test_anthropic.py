import json

import pytest

from llm_gateway.core import errors
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import ProviderSettings
from llm_gateway.core.types import ChatRequest, EmbeddingRequest, Message, Native, SecurityLevel
from llm_gateway.core.wire import HttpRequest, Provider
from llm_gateway.protocols.anthropic_answers import AnswerDecoder, StreamDecoder
from llm_gateway.providers.anthropic import DEFAULT_ENDPOINT, AnthropicProvider, endpoint_of, missing

KEY = "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz"
HI = (Message("user", "hi"),)
DATE = {"date": "Wed, 21 Oct 2015 07:28:00 GMT"}


def made(**fields: object) -> Provider:
    settings = ProviderSettings.model_validate({"api_key": KEY, **fields})
    return AnthropicProvider("claude", settings, Destination("claude", endpoint_of(settings), SecurityLevel.MEDIUM))


def failed(status: int, kind: str = "", message: str = "words", headers: dict[str, str] | None = None) -> errors.ProviderError:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})
    return made().error(status, headers or {}, body.encode())


def test_request():
    http = made(headers={"Anthropic-Beta": "x"}).encode(ChatRequest(HI), "claude-x", 0.0)
    assert (http.method, http.url) == ("POST", "https://api.anthropic.com/v1/messages")
    assert dict(http.headers) == {
        "content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": KEY, "anthropic-beta": "x",
    }  # fmt: skip
    assert json.loads(http.body)["model"] == "claude-x"


@pytest.mark.parametrize(
    ("configured", "asked", "sent"),
    [("", ["a-2025-01-01", "b"], "a-2025-01-01,b"), ("x", ["a"], "x,a"), ("x", [], "x"), ("", ["a\r\nb: c", "ö"], "")],
)
def test_preview_features_that_the_caller_asks_for_are_added_to_the_configured_ones(configured, asked, sent):
    native = Native("anthropic", {"messages": [], "max_tokens": 1, "anthropic_beta": asked})
    settings = {"headers": {"anthropic-beta": configured}} if configured else {}
    http = made(**settings).encode(ChatRequest(HI, native=native), "claude-x", 0.0)
    assert dict(http.headers).get("anthropic-beta", "") == sent
    assert json.loads(http.body) == {"messages": [], "max_tokens": 1, "model": "claude-x"}


def test_embeddings_are_refused():
    with pytest.raises(errors.InvalidRequest, match="no embeddings"):
        made().encode(EmbeddingRequest(("a",)), "claude-x", 0.0)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://proxy.test/base",
        "https://proxy.test/base/",
        "https://proxy.test/base/v1",
        "https://proxy.test/base/v1/messages",
        "https://proxy.test/base/v1/messages/",
    ],
)
def test_an_operations_path_is_stripped(endpoint):
    settings = ProviderSettings.model_validate({"endpoint": endpoint})
    assert endpoint_of(settings) == "https://proxy.test/base"
    assert made(endpoint=endpoint).encode(ChatRequest(HI), "m", 0.0).url == "https://proxy.test/base/v1/messages"


def test_default_endpoint_needs_a_key():
    bare = ProviderSettings()
    assert endpoint_of(bare) == DEFAULT_ENDPOINT
    assert "ANTHROPIC_API_KEY" in missing(bare)
    assert missing(ProviderSettings.model_validate({"api_key": KEY})) == ""
    assert missing(ProviderSettings.model_validate({"endpoint": "http://127.0.0.1:1"})) == ""
    assert "ANTHROPIC_API_KEY" in missing(ProviderSettings.model_validate({"endpoint": "https://API.anthropic.com:443/v1"}))
    assert "http" in missing(ProviderSettings.model_validate({"endpoint": "proxy.test", "api_key": KEY}))
    assert "x-api-key" not in dict(made(api_key="", endpoint="http://127.0.0.1:1").encode(ChatRequest(HI), "m", 0.0).headers)


def test_decoders():
    assert isinstance(made().decoder(ChatRequest(HI), "m"), AnswerDecoder)
    assert isinstance(made().decoder(ChatRequest(HI, stream=True), "m"), StreamDecoder)


def test_capabilities():
    can = made().capabilities
    assert (can.max_temperature, can.documents, can.embeddings, can.logprobs, can.choices) == (1.0, True, False, False, False)


def test_probe_and_models():
    probe = made().probe()
    assert isinstance(probe, HttpRequest)
    assert (probe.method, probe.url) == ("GET", "https://api.anthropic.com/v1/models?limit=1000")
    body = b'{"data":[{"type":"model","id":"claude-a","display_name":"A"},{"id":"claude-b"}],"has_more":false}'
    assert made().models(body) == ["claude-a", "claude-b"]
    assert made().models(b"<html>") == []


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "invalid_request_error", errors.ProviderInvalidRequest),
        (401, "authentication_error", errors.ProviderRejected),
        (403, "permission_error", errors.ProviderRejected),
        (404, "not_found_error", errors.ProviderRejected),
        (413, "request_too_large", errors.ProviderInvalidRequest),
        (429, "rate_limit_error", errors.ProviderRateLimited),
        (500, "api_error", errors.ProviderUnavailable),
        (504, "timeout_error", errors.ProviderTimeout),
        (529, "overloaded_error", errors.ProviderUnavailable),
    ],
)
def test_errors_by_status_and_inside_a_stream(status, kind, expected):
    error = failed(status, kind)
    assert type(error) is expected
    assert (error.provider, error.upstream_status) == ("claude", status)
    assert "words" in error.message
    decoder = made().decoder(ChatRequest(HI, stream=True), "m")
    event = json.dumps({"type": "error", "error": {"type": kind, "message": "words"}})
    with pytest.raises(expected) as caught:
        decoder.feed(f"event: error\ndata: {event}\n\n".encode())
    assert (caught.value.provider, caught.value.upstream_status, caught.value.try_next) == ("claude", status, error.try_next)
    assert "words" in caught.value.message


def test_an_unknown_error_inside_a_stream_is_the_providers():
    decoder = made().decoder(ChatRequest(HI, stream=True), "m")
    with pytest.raises(errors.ProviderUnavailable, match="new_error"):
        decoder.feed(b'data: {"type":"error","error":{"type":"new_error"}}\n\n')


def test_an_empty_account_is_not_the_contents_fault():
    error = failed(400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.")
    assert type(error) is errors.ProviderRejected
    assert error.try_next


@pytest.mark.parametrize(
    "body", [b"", b"<html>x</html>", b'"said"', b"\xff", b"[]", b'{"error":[]}', pytest.param(b"[" * 100_000, id="deep")]
)
def test_any_body_makes_an_error(body):
    assert isinstance(made().error(500, {}, body), errors.ProviderUnavailable)


@pytest.mark.parametrize("echo", [KEY, KEY[:7] + "****" + KEY[-4:]])
def test_the_key_does_not_come_back(echo):
    decoder = made().decoder(ChatRequest(HI), "m")
    decoder.feed(json.dumps({"type": "error", "error": {"type": "authentication_error", "message": f"bad key {echo}"}}).encode())
    with pytest.raises(errors.ProviderRejected) as caught:
        decoder.finish()
    for error in (failed(401, "authentication_error", f"bad key {echo}"), caught.value):
        assert "bad key [redacted]" in error.message
        assert KEY[-4:] not in repr(error)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "7", "anthropic-ratelimit-requests-reset": "2015-10-21T07:29:00Z", **DATE}, 7.0),
        ({"anthropic-ratelimit-requests-reset": "2015-10-21T07:29:00Z", **DATE}, 60.0),
        ({"anthropic-ratelimit-requests-reset": "2015-10-21T09:28:30+02:00", **DATE}, 30.0),
        ({"anthropic-ratelimit-requests-reset": "2015-10-21T07:27:00Z", **DATE}, 0.0),
        ({"anthropic-ratelimit-unified-reset": "1445412500", **DATE}, 20.0),
        (
            {
                "anthropic-ratelimit-requests-reset": "2015-10-21T07:29:00Z",
                "anthropic-ratelimit-requests-remaining": "3",
                "anthropic-ratelimit-tokens-reset": "2015-10-21T07:28:10Z",
                "anthropic-ratelimit-tokens-remaining": "0",
                **DATE,
            },
            10.0,
        ),
        (
            {
                "anthropic-ratelimit-requests-reset": "2015-10-21T07:29:00Z",
                "anthropic-ratelimit-tokens-reset": "2015-10-21T07:28:10Z",
                **DATE,
            },
            60.0,
        ),
        ({"anthropic-ratelimit-requests-reset": "2015-10-21T07:29:00Z"}, None),
        ({"anthropic-ratelimit-requests-reset": "soon", **DATE}, None),
        ({"anthropic-ratelimit-requests-reset": "9" * 30, **DATE}, None),
        ({}, None),
    ],
)
def test_when_to_come_back(headers, expected):
    assert failed(429, "rate_limit_error", headers=headers).retry_after_s == expected
