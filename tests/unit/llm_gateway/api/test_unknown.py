"""Where a dialect has no endpoint, the answer has its shape."""

import json
from collections.abc import Iterator

import pytest
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import SimulatorProcess


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway"), simulator_of_session) as running:
        yield running


def test_errors_have_the_shape_of_the_dialect(gateway: RunningGateway) -> None:
    anthropic = {"anthropic-version": "2023-06-01"}
    openai_error = gateway.get("/v1/nothing").json["error"]
    assert (openai_error["type"], openai_error["code"]) == ("not_found_error", "unknown_url")
    assert gateway.get("/v1/nothing", anthropic).json["error"]["type"] == "not_found_error"
    assert gateway.get("/v1/nothing", anthropic).json["type"] == "error"
    assert gateway.post("/api/nothing").json == {"error": "there is no POST /api/nothing here"}
    assert gateway.get("/nothing").json["error"]["type"] == "not_found"
    for path in ("/v1/nothing", "/api/nothing"):
        assert gateway.get(path).status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("GET", "/v1/messages", "POST"),
        ("GET", "/api/chat", "POST"),
        ("POST", "/api/tags", "GET"),
        ("PUT", "/v1/responses/resp_1", "GET, DELETE"),
        ("TRACE", "/openai/files", "GET, DELETE, PATCH, POST, PUT"),
        ("GET", "/query", "POST"),
    ],
)
def test_wrong_methods(gateway: RunningGateway, method: str, path: str, allowed: str) -> None:
    answer = gateway.call(method, path)
    assert answer.status == 405, answer
    assert answer.headers["allow"] == allowed
    document = answer.json
    assert document["type"] == "error" if path == "/v1/messages" else "error" in document
    assert "method_not_allowed" in json.dumps(document) or path.startswith("/api/")


def test_management_pages_are_not_hidden(gateway: RunningGateway) -> None:
    assert gateway.get("/health").status == 200
    assert gateway.get("/api/version").status == 200
