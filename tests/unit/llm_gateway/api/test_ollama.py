"""Ollama's dialect: its one form of an error, in a response and in a stream."""

import json

import pytest

from llm_gateway.api.ollama import OllamaDialect
from llm_gateway.core.errors import InvalidRequest, LLMGatewayError, NoEligibleProvider, RateLimited, UnknownModel

DIALECT = OllamaDialect()


@pytest.mark.parametrize("failure", [InvalidRequest("no"), UnknownModel("no"), NoEligibleProvider("no")])
def test_an_error_is_its_words(failure: LLMGatewayError) -> None:
    assert DIALECT.error_status(failure) == failure.http_status
    assert json.loads(DIALECT.error_body(failure, "gw-1")) == {"error": "no"}
    assert DIALECT.error_event(failure, "gw-1") == b'{"error":"no"}\n'


def test_when_to_come_back() -> None:
    assert dict(DIALECT.error_headers(RateLimited("slowly", retry_after_s=1.2)))[b"retry-after"] == b"2"
    assert b"retry-after" not in dict(DIALECT.error_headers(InvalidRequest("no")))


def test_nothing_is_sent_into_a_silence() -> None:
    assert DIALECT.keep_alive == b"", "its clients take every line for JSON"
