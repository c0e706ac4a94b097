# ruff: noqa: E501 - tables of answers read best unbroken
"""The client without a gateway: retries, errors, events, documents, and that both clients are the same."""

import inspect
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core import errors as gateway_errors
from llm_gateway_client import (
    AsyncGatewayClient,
    AuthenticationFailed,
    BudgetExceeded,
    GatewayClient,
    GatewayError,
    GatewayUnavailable,
    IdempotencyConflict,
    InvalidRequest,
    NoEligibleProvider,
    NotFound,
    Overloaded,
    ProviderFailed,
    RateLimited,
    RequestRefused,
    RequestTooLarge,
    Retries,
    SensitiveContentBlocked,
    ServiceFailed,
)  # fmt: skip
from llm_gateway_client import documents as doc
from llm_gateway_client.decoding import decoded
from llm_gateway_client.errors import _BY_TYPE, error_of, seconds_of
from llm_gateway_client.frames import Frames, Steps
from llm_gateway_client.results import embeddings_result, operation_result, query_result
from llm_gateway_client.talk import document_of


def body(kind: str, **more: Any) -> bytes:
    return json.dumps({"error": {"type": kind, "message": "m", "param": "p", "code": "c", **more}, "correlation_id": "gw-1"}).encode()


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [("invalid_request", 400, InvalidRequest), ("unauthenticated", 401, AuthenticationFailed), ("budget_exceeded", 402, BudgetExceeded),
     ("sensitive_content_blocked", 403, SensitiveContentBlocked), ("unknown_model", 404, NotFound), ("request_too_large", 413, RequestTooLarge),
     ("cooldown", 429, RateLimited), ("idempotency_conflict", 409, IdempotencyConflict), ("no_eligible_provider", 503, NoEligibleProvider),
     ("audit_unavailable", 503, Overloaded), ("provider_timeout", 504, ProviderFailed), ("something_new", 418, RequestRefused), ("something_new", 500, ServiceFailed)],
)  # fmt: skip
def test_errors_by_the_gateways_word(kind: str, status: int, expected: type[GatewayError]) -> None:
    found = error_of(status, body(kind), "2.5")
    assert type(found) is expected
    assert (found.message, found.param, found.code, found.correlation_id, found.retry_after_s, found.status) == (
        "m",
        "p",
        "c",
        "gw-1",
        2.5,
        status,
    )


def test_every_public_error_of_the_gateway_is_known() -> None:
    def every(kind: type) -> set[type]:
        return {kind} | {each for child in kind.__subclasses__() for each in every(child)}

    never_sent = {"configuration", "client_closed_request", "internal"}
    words = {kind.error_type for kind in every(gateway_errors.LLMGatewayError) if kind.__module__ == gateway_errors.__name__}
    assert words - never_sent <= set(_BY_TYPE)


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[1]", b'{"error": "x"}', b"\xff"])
def test_an_answer_of_somebody_else_is_said_to_be_one(answer: bytes) -> None:
    assert isinstance(error_of(502, answer), ProviderFailed)
    assert "right address" in error_of(404, answer).message


def test_retry_after_in_both_forms() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert seconds_of("Thu, 01 Jan 2026 00:00:07 GMT", now) == 7
    assert seconds_of("Thu, 01 Jan 2020 00:00:00 GMT", now) == 0
    assert (seconds_of("1.5"), seconds_of("-3"), seconds_of("soon"), seconds_of(None)) == (1.5, 0, None, None)
    assert seconds_of((now + timedelta(days=1)).strftime("%a, %d %b %Y %H:%M:%S GMT"), now) == 86_400


def wait(failure: GatewayError, made: int = 1, *, idempotent: bool = True, **settings: Any) -> float | None:
    return Retries(**settings).wait_s(failure, made, idempotent=idempotent, uniform=lambda low, high: high)


def test_what_is_made_again_and_when() -> None:
    refused = error_of(429, body("rate_limited"), "3")
    assert wait(refused) == 3.25
    assert wait(refused, idempotent=False) == 3.25, "a refused call was not made"
    assert wait(error_of(429, body("rate_limited"), "31")) is None, "nobody waits that long"
    assert wait(error_of(503, body("overloaded")), idempotent=False) == 0.5
    assert [wait(error_of(502, body("provider_bad_response")), made) for made in (1, 2, 3)] == [0.5, 1.0, None]
    assert wait(error_of(502, body("provider_bad_response")), idempotent=False) is None
    assert wait(error_of(400, body("invalid_request"))) is None
    assert wait(GatewayUnavailable("x", sent=False), idempotent=False) == 0.5
    assert wait(GatewayUnavailable("x", sent=True), idempotent=False) is None
    assert wait(error_of(409, body("idempotency_conflict", code="in_progress"), "1")) == 1.25
    assert wait(error_of(409, body("idempotency_conflict", code="answer_not_kept"))) is None
    assert wait(refused, most=0) is None
    assert wait(error_of(502, body("provider_bad_response")), 20, most=99) == 8


@given(st.integers(1, 50), st.floats(0, 1))
def test_waits_are_bounded(made: int, share: float) -> None:
    failure = error_of(500, body("internal"))
    found = Retries(most=100).wait_s(failure, made, idempotent=True, uniform=lambda low, high: low + share * (high - low))
    assert found is not None
    assert 0 <= found <= 8


STREAM = b': keep-alive\n\ndata: {"chunk": "The answer", "finished": false}\n\ndata: {"chunk": "", "finished": true, "cost": 1}\r\n\r\ndata: [DONE]\n\n'


@given(st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted))
def test_frames_do_not_depend_on_where_the_bytes_are_cut(cuts: list[int]) -> None:
    frames, got = Frames(), []
    for start, end in zip([0, *cuts], [*cuts, len(STREAM)], strict=True):
        got += frames.feed(STREAM[start:end])
    frames.end()
    assert [(frame.chunk, frame.finished) for frame in got] == [("The answer", False), ("", True)]


def test_a_stream_that_ends_badly_raises() -> None:
    cut = Frames()
    cut.feed(STREAM[:60])
    with pytest.raises(GatewayUnavailable, match="broke off"):
        cut.end()
    with pytest.raises(ProviderFailed, match="m"):
        Frames().feed(b"data: " + body("provider_bad_response") + b"\n\n")
    for event in (b"data: nonsense\n\n", b'data: {"x": 1}\n\n', b"data: [1]\n\n"):
        with pytest.raises(ServiceFailed):
            Frames().feed(event)


def test_steps_of_a_workflow() -> None:
    steps = Steps()
    got = steps.feed(
        b'data: {"event": "workflow", "run_id": "r", "finished": false}\n\ndata: {"event": "step", "id": "a", "error": null, "finished": false}\n\n'
        b'data: {"chunk": "x", "finished": false}\n\ndata: {"chunk": "", "finished": true}\n\ndata: [DONE]\n\n'
    )
    steps.end()
    assert [step.event for step in got] == ["workflow", "step", "answer", "done"]


def test_documents_become_dataclasses_and_keep_what_is_new() -> None:
    found = decoded(doc.Providers, {"providers": [{"name": "a", "type": "local", "kind": "ollama", "model": None, "security_level": "high", "cost_per_token": 0, "status": "available", "new": 1}], "more": 2})  # fmt: skip
    assert found.providers[0].cost_per_token == 0.0
    assert found.raw["more"] == 2


@pytest.mark.parametrize(
    ("kind", "document", "place"),
    [(doc.Health, [], "answer"), (doc.Health, {"status": 1, "version": "", "uptime": 0}, "status"), (doc.Health, {"status": ""}, "version"),
     (doc.Providers, {"providers": [{}]}, r"providers\[0\].name"), (doc.Metrics, {"requests_by_provider": []}, "total_requests")],
)  # fmt: skip
def test_a_strange_document_is_an_error_that_names_the_field(kind: type, document: object, place: str) -> None:
    with pytest.raises(ServiceFailed, match=place):
        decoded(kind, document)


def test_results() -> None:
    assert query_result({"response": "x", "cost": None, "provider": None}).cost_usd is None
    assert embeddings_result({"embeddings": [1.0, 2.0], "dimensions": 2}).vectors == [[1.0, 2.0]]
    assert embeddings_result({"embeddings": [[1.0], [2.0]]}).vectors == [[1.0], [2.0]]
    found = operation_result({"service": "s", "operation": "o", "mode": "embedded", "result": {"a": 1}, "method": "rules"})
    assert (found.result, found.method, found.cost_usd) == ({"a": 1}, "rules", None)
    with pytest.raises(ServiceFailed, match="response"):
        query_result({})
    assert document_of(204, b"", None) == {}
    assert document_of(503, b'{"ready": false}', None, reads_failures=True) == {"ready": False}
    with pytest.raises(Overloaded):
        document_of(503, body("overloaded"), None, reads_failures=True)


def test_both_clients_have_the_same_methods() -> None:
    def methods(client: type) -> dict[str, str]:
        found = {}
        for name, value in inspect.getmembers(client, inspect.isfunction):
            if not name.startswith("_"):
                found[name.removeprefix("a") if name == "aclose" else name] = re.sub(r"Async|Awaitable", "", str(inspect.signature(value)))
        return found

    assert methods(AsyncGatewayClient) == methods(GatewayClient)
    assert len(methods(GatewayClient)) > 40


def test_no_key_shows_in_a_client() -> None:
    with GatewayClient("http://127.0.0.1:1", api_key="gw_secret", retries=Retries(most=0)) as client:
        with pytest.raises(GatewayUnavailable) as failure:
            client.health()
        assert failure.value.sent is False
        assert "gw_secret" not in f"{client!r} {client._talk!r} {failure.value}"
