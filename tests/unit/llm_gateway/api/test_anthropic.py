"""Anthropic's dialect: words and headers of its errors, limits, pages of its list."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from llm_gateway.api.anthropic import AnthropicDialect, _page, _unchanged, limit_headers
from llm_gateway.api.dropin import View
from llm_gateway.core import errors
from llm_gateway.core.errors import InvalidRequest, LLMGatewayError, Overloaded, ProviderError, ProviderUnavailable, RateLimited
from llm_gateway.core.exchange import Exchange
from llm_gateway.core.types import Thinking
from llm_gateway.protocols.anthropic_answers import AnswerDecoder

DIALECT = AnthropicDialect()
WORDS = {
    "invalid_request_error", "authentication_error", "billing_error", "permission_error", "not_found_error", "request_too_large",
    "rate_limit_error", "api_error", "timeout_error", "overloaded_error",
}  # fmt: skip
"""The types that Anthropic documents."""
STATUSES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
    409: "invalid_request_error", 413: "request_too_large", 422: "invalid_request_error", 429: "rate_limit_error", 504: "timeout_error",
    529: "overloaded_error",
}  # fmt: skip


def classes() -> list[type[LLMGatewayError]]:
    return [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, LLMGatewayError)]


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_every_failure_has_a_word_that_fits_its_status(kind: type[LLMGatewayError]) -> None:
    failure = kind("it went wrong")
    status = DIALECT.error_status(failure)
    document = json.loads(DIALECT.error_body(failure, "gw-1"))
    assert document["type"] == "error"
    assert document["request_id"] == "gw-1"
    assert document["error"]["message"] == "it went wrong"
    assert document["error"]["type"] in WORDS
    assert document["error"]["type"] == STATUSES.get(status, "api_error")
    event = DIALECT.error_event(failure, "gw-1")
    assert event == b"event: error\ndata: " + DIALECT.error_body(failure, "gw-1") + b"\n\n"


def test_overload_is_529_whoever_is_overloaded() -> None:
    assert DIALECT.error_status(Overloaded("full")) == 529
    assert DIALECT.error_status(ProviderUnavailable("full", upstream_status=529)) == 529
    assert DIALECT.error_status(ProviderUnavailable("broken", upstream_status=500)) == 502


def test_retry_headers() -> None:
    headers = dict(DIALECT.error_headers(RateLimited("slowly", retry_after_s=1.2)))
    assert (headers[b"retry-after"], headers[b"retry-after-ms"]) == (b"2", b"1200")
    assert b"x-should-retry" not in headers
    assert dict(DIALECT.error_headers(InvalidRequest("no")))[b"x-should-retry"] == b"false"


def test_details_name_what_the_type_does_not() -> None:
    assert json.loads(DIALECT.error_body(InvalidRequest("no", code="too_deep"), ""))["error"]["details"] == {"error_code": "too_deep"}
    assert "details" not in json.loads(DIALECT.error_body(InvalidRequest("no"), ""))["error"]


VIEW = cast(View, SimpleNamespace(protocol_of=lambda provider: "anthropic" if provider == "claude" else "openai"))


def exchange(provider: str, headers: dict[str, str], upstream: dict[str, str]) -> Exchange:
    made: Any = SimpleNamespace(
        all_headers=lambda: headers, upstream_headers=upstream, attempts=[SimpleNamespace(provider=provider)] if provider else []
    )
    return cast(Exchange, made)


def test_a_provider_of_this_wire_tells_its_own_limits() -> None:
    upstream = {
        "anthropic-ratelimit-unified-status": "allowed", "anthropic-ratelimit-requests-remaining": "7", "x-other": "1",
        "anthropic-ratelimit-odd": "x" * 500,
    }  # fmt: skip
    shown = {"anthropic-ratelimit-unified-status": "allowed", "anthropic-ratelimit-requests-remaining": "7"}
    assert limit_headers(exchange("claude", {"x-ratelimit-limit-requests": "5"}, upstream), VIEW, 0) == shown
    assert limit_headers(exchange("gpt", {}, upstream), VIEW, 0) == {}


def test_the_gateways_own_limits_in_anthropics_words() -> None:
    ours = {
        "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1m30.5s",
        "x-ratelimit-limit-tokens": "1000", "ratelimit": "…",
    }  # fmt: skip
    for provider in ("", "gpt", "claude"):
        assert limit_headers(exchange(provider, ours, {}), VIEW, 1_700_000_000.0) == {
            "anthropic-ratelimit-requests-limit": "60",
            "anthropic-ratelimit-requests-remaining": "59",
            "anthropic-ratelimit-requests-reset": "2023-11-14T22:14:51Z",
            "anthropic-ratelimit-tokens-limit": "1000",
        }


def test_pages() -> None:
    names = ["a", "b", "c", "d"]
    assert _page(names, {}) == (0, 4)
    assert _page(names, {"limit": ["2"]}) == (0, 2)
    assert _page(names, {"limit": ["2"], "after_id": ["b"]}) == (2, 4)
    assert _page(names, {"limit": ["2"], "before_id": ["d"]}) == (1, 3)
    for wrong in ({"limit": ["0"]}, {"limit": ["x"]}, {"limit": ["1001"]}, {"after_id": ["z"]}, {"before_id": ["z"]}):
        with pytest.raises(InvalidRequest):
            _page(names, wrong)


def test_an_answer_of_several_chunks_keeps_its_bytes_only_while_all_of_it_is_as_it_came() -> None:
    blocks = [{"type": "thinking", "thinking": t, "signature": "s"} for t in "ab"] + [{"type": "text", "text": "hi", "citations": [1]}]
    body = json.dumps({"type": "message", "id": "msg_1", "content": blocks, "stop_reason": "end_turn"}).encode()
    decoder = AnswerDecoder("test", lambda kind, message: ProviderError(message))
    decoder.feed(body)
    chunks = decoder.finish()
    assert len(chunks) == 2
    assert _unchanged(chunks) == body
    chunks[1].text = "changed"
    assert _unchanged(chunks) is None
    assert _unchanged(chunks[:1]) == body
    chunks[0].raw, chunks[0].thinking = None, Thinking("changed")
    assert _unchanged(chunks) is None
    assert _unchanged([]) is None
