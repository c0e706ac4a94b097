"""The specification's examples of the integrated services as they stand, and the documents' examples, against a running gateway."""

import ast
import asyncio
import inspect
import json
import re
import shlex
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import Answer, RunningGateway, running_gateway

from llm_gateway.integrations.language_rules import INTENTS
from llm_gateway.simulator import SimulatorProcess

PAGE = (Path(__file__).parents[3] / "docs" / "integrations.md").read_text(encoding="utf-8")
ENHANCED = """
POST /enhanced-query
{
  "prompt": "Analyze this technical document",
  "user_id": "developer123"
}
# Leverages: Interpreter + Prompt Store + Memory Agent + Secure Analyzer + Document Store
"""
WORKFLOW = """
POST /workflow-query
{
  "prompt": "Create documentation for this API",
  "user_id": "developer123"
}
Headers: X-Workflow-Type: documentation_generation
"""
CONTEXTUAL = """
POST /contextual-query
{
  "prompt": "Explain this error",
  "context": {"search_terms": "authentication error"}
}
# Retrieves: Conversation history + Relevant docs + Optimized prompts
"""
STATUS = """
GET /services/status
# Returns health status of all 10 integrated services
"""
OPERATION = """
POST /integrations/interpreter/interpret_query
{
  "query": "analyze this code",
  "context": {"language": "python"}
}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path_factory.mktemp("examples"), simulator_of_session) as running:
        yield running


def sent(gateway: RunningGateway, example: str) -> Answer:
    """The answer to an example as the specification writes them: a method and path, a body, comments, headers."""
    lines = [line for line in example.strip().splitlines() if not line.startswith("#")]
    headers = dict(line.removeprefix("Headers: ").split(": ", 1) for line in lines if line.startswith("Headers: "))
    method, path = lines[0].split(" ", 1)
    body = "\n".join(line for line in lines[1:] if not line.startswith("Headers: "))
    return gateway.call(method, path, body.encode() if body else None, headers)


def test_enhanced_query(gateway: RunningGateway) -> None:
    answer = sent(gateway, ENHANCED)
    assert answer.status == 200, answer.body
    assert answer.json["response"]
    five = {"interpreter", "prompt_store", "memory_agent", "secure_analyzer", "doc_store"}
    assert set(answer.json["integrations"]["used"]) == five
    assert answer.json["integrations"]["degraded"] == []


def test_workflow_query(gateway: RunningGateway) -> None:
    answer = sent(gateway, WORKFLOW)
    assert answer.status == 200, answer.body
    assert answer.json["workflow"]["name"] == "documentation_generation"
    assert answer.json["workflow"]["status"] == "succeeded"


def test_contextual_query(gateway: RunningGateway) -> None:
    answer = sent(gateway, CONTEXTUAL)
    assert answer.status == 200, answer.body
    took_part = {(each["service"], each["operation"]) for each in answer.json["integrations"]["contributions"]}
    assert {("doc_store", "search"), ("interpreter", "optimize_prompt"), ("memory_agent", "retrieve_context")} <= took_part


def test_services_status(gateway: RunningGateway) -> None:
    answer = sent(gateway, STATUS)
    assert answer.status == 200
    assert len(answer.json["services"]) == 10
    assert all(each["status"] == "healthy" for each in answer.json["services"].values())


def test_an_operation(gateway: RunningGateway) -> None:
    answer = sent(gateway, OPERATION)
    assert answer.status == 200, answer.body
    assert (answer.json["service"], answer.json["operation"]) == ("interpreter", "interpret_query")
    assert answer.json["result"]["intent"] in INTENTS


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


LINES = [
    line
    for block in blocks("bash")
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("curl ")
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_curl_lines_of_the_page(gateway: RunningGateway, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    method, url, body, headers = "GET", "", None, {}
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, value = words.pop(0).split(": ", 1)
            headers[name] = value
        elif word == "-d":
            body = words.pop(0).encode()
        else:
            url = word
    assert url.startswith("http://localhost:5055/")
    answer = gateway.call(method, url.removeprefix("http://localhost:5055"), body, headers)
    assert answer.status == 200, answer.body
    assert answer.json


def test_the_page_shows_curl_lines_for_every_kind_of_call() -> None:
    paths = {re.search(r"localhost:5055(/[^\"/]+)", line)[1] for line in LINES}  # type: ignore[index]
    assert paths == {"/integrations", "/services", "/enhanced-query", "/contextual-query", "/workflow-query"}


def test_the_workflow_of_the_page_runs(gateway: RunningGateway) -> None:
    (text,) = blocks("json")
    assert gateway.post("/integrations/doc_store/store", content="Herons wade in shallow water.", user_id="ann").status == 200
    workflow = json.loads(text)
    answer = gateway.post("/integrations/orchestrator/execute_workflow", workflow=workflow, inputs={"topic": "herons"}, user_id="ann")
    assert answer.json["result"]["status"] == "succeeded", answer.body


def test_the_python_of_the_page_runs(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_GATEWAY_URL", gateway.url)
    monkeypatch.delenv("LLM_GATEWAY_API_KEY", raising=False)
    for source in blocks("python"):
        names: dict[str, Any] = {"__name__": "example"}
        code = compile(source, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        assert code.co_flags & inspect.CO_COROUTINE
        asyncio.run(types.FunctionType(code, names)())
        assert names["found"].result["method"] == "text"
