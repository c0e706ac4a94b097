# ruff: noqa: E501 - tables of names read best unbroken
"""The modules of the sibling services: the specification's examples as they stand, the documents' examples, and failures as errors."""

import ast
import asyncio
import inspect
import re
import types
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import SimulatorProcess
from llm_gateway_client import GatewayUnavailable, InvalidRequest, OperationResult

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", (DOCS / "siblings.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
OF_THE_CLIENT = re.findall(r"^```python\n(.*?)^```", (DOCS / "client.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
VERBATIM = (
    """understanding = await llm_gateway_integration.enhance_query_understanding(
    query="Create a user authentication system",
    context={"project": "web_app"}
)""",
    """optimized_prompt = await llm_gateway_integration.optimize_prompt_for_llm(
    original_prompt="Summarize this",
    task_type="technical_summary"
)""",
    """workflow = await llm_gateway_integration.generate_workflow_from_nlp(
    natural_language_request="Build and deploy a microservice",
    available_services=["code_analyzer", "doc_store", "ci_cd"]
)""",
    """optimized = await llm_gateway_integration.optimize_workflow_execution(
    workflow_spec=existing_workflow,
    execution_history=past_runs
)""",
    """enhanced = await llm_gateway_integration.enhance_summarization_with_llm(
    text=original_text,
    original_summary=basic_summary,
    summarization_metadata={"technique": "extractive"}
)""",
    """recommendation = await llm_gateway_integration.intelligent_provider_selection_for_summary(
    text=long_document,
    summary_requirements={"max_length": 500, "technical_level": "expert"}
)""",
    """enhanced_analysis = await llm_gateway_integration.enhance_security_analysis_with_llm(
    content=sensitive_document,
    basic_findings=keyword_matches
)""",
    """provider_rec = await llm_gateway_integration.intelligent_provider_recommendation(
    content=confidential_data,
    security_findings=security_issues,
    available_providers=["ollama", "bedrock", "openai"]
)""",
)
MODULES = {
    "interpreter": {"enhance_query_understanding", "optimize_prompt_for_llm", "extract_entities_with_llm", "classify_intent_with_llm"},
    "orchestrator": {"generate_workflow_from_nlp", "optimize_workflow_execution", "select_services_with_llm", "analyze_workflow_performance"},
    "summarizer_hub": {
        "enhance_summarization_with_llm", "intelligent_provider_selection_for_summary", "quality_assessment_with_llm", "generate_summary_metadata",
    },
    "secure_analyzer": {
        "enhance_security_analysis_with_llm", "intelligent_provider_recommendation", "generate_security_policy_with_llm",
        "compliance_analysis_with_llm",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path_factory.mktemp("modules"), simulator_of_session) as running:
        yield running


@pytest.fixture
def at_gateway(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> RunningGateway:
    monkeypatch.setenv("LLM_GATEWAY_URL", gateway.url)
    monkeypatch.delenv("LLM_GATEWAY_API_KEY", raising=False)
    return gateway


def run_example(source: str) -> dict[str, Any]:
    """What the names of an example stand for when it is through."""
    names: dict[str, Any] = {"__name__": "example"}
    code = compile(source, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(types.FunctionType(code, names)())
    else:
        types.FunctionType(code, names)()
    return names


@pytest.mark.parametrize("example", VERBATIM)
def test_the_specifications_examples_stand_in_the_documents(example: str) -> None:
    assert any(example in source for source in EXAMPLES)


@pytest.mark.parametrize("source", EXAMPLES, ids=list(MODULES))
def test_examples_run(at_gateway: RunningGateway, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = run_example(source)
    results = [value for value in names.values() if isinstance(value, OperationResult)]
    assert len(results) == 2
    assert all(result.result and result.correlation_id and result.mode == "embedded" for result in results)
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("source", OF_THE_CLIENT)
def test_the_clients_examples_run(
    gateway: RunningGateway, source: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(DOCS.parent)
    run_example(source.replace("http://localhost:5055", gateway.url).replace("GatewayClient()", f"GatewayClient({gateway.url!r})"))
    assert capsys.readouterr().out.strip()


FURTHER = [
    ("interpreter", "extract_entities_with_llm", {"text": "See https://example.com/a", "entity_types": ["url"]}),
    ("interpreter", "classify_intent_with_llm", {"query": "refund my order", "available_intents": ["refund", "shipping"]}),
    (
        "orchestrator",
        "select_services_with_llm",
        {"task_description": "summarize a text", "available_services": ["summarizer_hub", "doc_store"]},
    ),
    ("orchestrator", "analyze_workflow_performance", {"execution_history": [{"took": 1.0, "steps": [{"id": "a", "took": 1.0}]}]}),
    ("summarizer_hub", "quality_assessment_with_llm", {"text": "The tower is 324 m tall.", "summary": "It is tall."}),
    ("summarizer_hub", "generate_summary_metadata", {"text": "The tower is 324 m tall."}),
    ("secure_analyzer", "generate_security_policy_with_llm", {"requirements": "Block cards", "frameworks": ["GDPR"]}),
    ("secure_analyzer", "compliance_analysis_with_llm", {"content": "The weather is fine.", "frameworks": ["SOC 2"]}),
]


@pytest.mark.parametrize(("service", "function", "arguments"), FURTHER)
def test_the_other_functions(at_gateway: RunningGateway, service: str, function: str, arguments: dict[str, Any]) -> None:
    module = import_module(f"services.{service}.modules.llm_gateway_integration").llm_gateway_integration
    found = asyncio.run(getattr(module, function)(**arguments))
    assert (found.service, found.mode) == (service, "embedded")
    assert found.result


@pytest.mark.parametrize("service", MODULES)
def test_modules_have_the_functions_of_the_specification(service: str) -> None:
    module = import_module(f"services.{service}.modules.llm_gateway_integration").llm_gateway_integration
    functions = {name for name, value in inspect.getmembers(type(module), inspect.iscoroutinefunction)}
    assert functions == MODULES[service] | {"ask"}


@pytest.mark.parametrize("service", MODULES)
def test_without_a_gateway_nothing_is_made_up(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_GATEWAY_URL", "http://127.0.0.1:9")
    module = import_module(f"services.{service}.modules.llm_gateway_integration").llm_gateway_integration
    with pytest.raises(GatewayUnavailable):
        asyncio.run(module.ask("get_providers"))


def test_bad_arguments_are_the_gateways_word(at_gateway: RunningGateway) -> None:
    module = import_module("services.interpreter.modules.llm_gateway_integration").llm_gateway_integration
    with pytest.raises(InvalidRequest) as refusal:
        asyncio.run(module.enhance_query_understanding(query=""))
    assert refusal.value.param == "query"
