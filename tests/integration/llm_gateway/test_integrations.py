# ruff: noqa: E501 - tables of requests read best unbroken
"""Every operation of every integrated service, embedded and remote, over real sockets: good input, bad input, other people's rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.siblings import Siblings, sibling_server
from tests.support import RunningGateway, running_gateway

from llm_gateway.cli.demo import PROVIDERS
from llm_gateway.identity.keys import new_key
from llm_gateway.integrations.registry import SERVICES
from llm_gateway.simulator import SimulatorProcess

TEXT = "The billing service charges cards. It writes every charge to the ledger. The ledger is audited each month by the finance team."
CODE = "import os\n\n\ndef total(items):\n    result = 0\n    for item in items:\n        if item > 0:\n            result += item\n    return result\n"
ENDPOINTS = 'from fastapi import FastAPI\napp = FastAPI()\n\n@app.get("/users/{id}")\ndef user(id: int):\n    return id\n'
MERMAID = "graph TD\n  Web --> Api\n  Api --> Db\n"
WORKFLOW = {"name": "look", "steps": [{"id": "find", "service": "doc_store", "operation": "search", "input": {"query": "${inputs.query}"}}]}
ULID = "01HZZZZZZZZZZZZZZZZZZZZZZZ"

CASES: dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any], str]] = {
    ("doc_store", "store"): ({"content": TEXT, "doc_id": "billing", "metadata": {"team": "finance"}}, {"content": ""}, "content"),
    ("doc_store", "retrieve"): ({"doc_id": "billing"}, {"doc_id": "../../etc"}, "doc_id"),
    ("doc_store", "search"): ({"query": "who audits the ledger"}, {"query": "x", "limit": 0}, "limit"),
    ("doc_store", "list"): ({}, {"limit": 101}, "limit"),
    ("doc_store", "delete"): ({"doc_id": "billing"}, {"id": "billing"}, "id"),
    ("prompt_store", "get_optimized"): ({"task_type": "summary", "context": {"tone": "dry"}}, {"context": "x"}, "task_type"),
    ("prompt_store", "store_prompt"): ({"name": "greet", "content": "Hello {{name}}"}, {"name": "greet", "content": "x", "variables": ["y"]}, "variables"),
    ("prompt_store", "get_prompts"): ({"category": "summary"}, {"category": ""}, "category"),
    ("prompt_store", "render"): ({"name": "built-in/summary"}, {"name": "no spaces"}, "name"),
    ("prompt_store", "optimize"): ({"prompt": "could you please sum this up"}, {"prompt": "x", "name": "greet"}, "prompt"),
    ("memory_agent", "store_interaction"): ({"prompt": "What is a qubit?", "response": "Two states at once."}, {"response": "x"}, "prompt"),
    ("memory_agent", "retrieve_context"): ({"query": "qubit"}, {"query": 1}, "query"),
    ("memory_agent", "get_conversation_history"): ({"conversation_id": "c1"}, {}, "conversation_id"),
    ("memory_agent", "forget"): ({"conversation_id": "c1"}, {}, "memory_id"),
    ("interpreter", "interpret_query"): ({"query": "analyze this code", "context": {"language": "python"}}, {"query": ""}, "query"),
    ("interpreter", "extract_entities"): ({"text": "See https://example.com/a and app.py"}, {"text": []}, "text"),
    ("interpreter", "classify_intent"): ({"query": "refund my order", "intents": ["refund", "shipping"]}, {"query": "x", "intents": "refund"}, "intents"),
    ("interpreter", "optimize_prompt"): ({"prompt": "Summarize this", "task_type": "technical_summary"}, {"prompt": "x", "task_type": ""}, "task_type"),
    ("interpreter", "translate_to_workflow"): ({"query": "summarize the report"}, {"query": None}, "query"),
    ("orchestrator", "generate_workflow"): (
        {"request": "Build and deploy a microservice", "available_services": ["code_analyzer", "doc_store", "ci_cd"]}, {"request": 7}, "request",
    ),
    ("orchestrator", "register_workflow"): ({"workflow": WORKFLOW}, {"workflow": {"name": "w", "steps": []}}, "workflow.steps"),
    ("orchestrator", "execute_workflow"): ({"workflow": WORKFLOW, "inputs": {"query": "ledger"}}, {"workflow": WORKFLOW}, "inputs.query"),
    ("orchestrator", "get_workflow"): ({}, {"run_id": "nope"}, "run_id"),
    ("orchestrator", "cancel_run"): ({"run_id": ULID}, {}, "run_id"),
    ("orchestrator", "optimize_workflow"): ({"workflow": WORKFLOW, "execution_history": []}, {}, "workflow"),
    ("orchestrator", "select_services"): ({"task": "summarize this text"}, {"task": "x", "limit": "many"}, "limit"),
    ("orchestrator", "analyze_performance"): ({"execution_history": [{"took": 1.0, "steps": [{"id": "a", "took": 1.0}]}]}, {"name": ""}, "name"),
    ("orchestrator", "get_service_status"): ({}, {"verbose": True}, "verbose"),
    ("summarizer_hub", "summarize"): ({"content": TEXT}, {"content": TEXT, "max_length": -1}, "max_length"),
    ("summarizer_hub", "enhance_summary"): ({"text": TEXT, "original_summary": "It charges cards."}, {"text": TEXT}, "original_summary"),
    ("summarizer_hub", "assess_quality"): ({"text": TEXT, "summary": "It charges cards."}, {"text": TEXT}, "summary"),
    ("summarizer_hub", "generate_metadata"): ({"text": TEXT}, {}, "text"),
    ("summarizer_hub", "select_provider"): ({"text": TEXT}, {"text": TEXT, "summary_requirements": "short"}, "summary_requirements"),
    ("summarizer_hub", "get_providers"): ({}, {"providers": 1}, "providers"),
    ("secure_analyzer", "analyze_security"): ({"content": TEXT}, {"content": 1}, "content"),
    ("secure_analyzer", "get_secure_providers"): ({"content": TEXT}, {"content": 1}, "content"),
    ("secure_analyzer", "recommend_provider"): ({"content": TEXT, "available_providers": ["ollama", "openai"]}, {}, "content"),
    ("secure_analyzer", "generate_policy"): ({"requirements": "Keep card numbers inside."}, {}, "requirements"),
    ("secure_analyzer", "check_compliance"): ({"content": TEXT}, {}, "content"),
    ("code_analyzer", "analyze_code"): ({"content": CODE, "language": "python"}, {"language": "python"}, "content"),
    ("code_analyzer", "extract_endpoints"): ({"content": ENDPOINTS, "language": "python"}, {"content": 1}, "content"),
    ("architecture_digitizer", "digitize_architecture"): ({"content": MERMAID, "format": "mermaid"}, {"format": "mermaid"}, "content"),
    ("architecture_digitizer", "analyze_dependencies"): ({"content": MERMAID, "format": "mermaid"}, {"content": 1}, "content"),
    ("analysis_service", "analyze_consistency"): (
        {"documents": [{"id": "a", "content": "The limit is 10 MB."}, {"id": "b", "content": "The limit is 20 MB."}]}, {"documents": "x"}, "documents",
    ),
    ("analysis_service", "analyze_quality"): ({"content": TEXT}, {}, "content"),
}  # fmt: skip
"""By operation: a request that is right, one that is wrong, and the field that the answer must name."""
WRONG_FOR_ANYBODY: dict[tuple[str, str], tuple[dict[str, Any], str]] = {
    ("memory_agent", "forget"): ({"memory_id": 7}, "memory_id"),
    ("orchestrator", "execute_workflow"): ({"workflow": {"name": "w", "steps": []}}, "workflow.steps"),
    ("orchestrator", "optimize_workflow"): ({"workflow": {"name": "w", "steps": []}}, "workflow.steps"),
    ("prompt_store", "optimize"): ({"prompt": ""}, "prompt"),
    ("prompt_store", "store_prompt"): ({"name": "greet"}, "content"),
}
"""What is wrong in a request wherever the service runs, for operations whose case above only the embedded service can know to be wrong."""
EVERY = sorted((service.name, operation) for service in SERVICES.values() for operation in service.operations)


def test_every_operation_has_a_case() -> None:
    assert sorted(CASES) == EVERY


def path_of(case: tuple[str, str]) -> str:
    return f"/integrations/{case[0]}/{case[1]}"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path_factory.mktemp("embedded"), simulator_of_session) as running:
        yield running


@pytest.fixture(scope="module")
def sent() -> Iterator[tuple[str, Siblings]]:
    with sibling_server() as server:
        yield server


@pytest.fixture(scope="module")
def remote(
    tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess, sent: tuple[str, Siblings]
) -> Iterator[RunningGateway]:
    settings: dict[str, object] = {"integrations.breaker_failures": 1000}
    for service in SERVICES.values():
        settings[f"services.{service.name}.url"] = sent[0]
        settings[f"services.{service.name}.api_key"] = "sibling-key-1"
        for operation in service.operations.values():
            if operation.remote is None:
                settings[f"services.{service.name}.routes.{operation.name}"] = f"POST /operations/{operation.name}"
    with running_gateway(tmp_path_factory.mktemp("remote"), simulator_of_session, settings) as running:
        yield running


@pytest.fixture
def siblings(sent: tuple[str, Siblings]) -> Iterator[Siblings]:
    found = sent[1]
    found.log.clear()
    yield found
    found.fault, found.search_text = "", None


@pytest.mark.parametrize("case", EVERY, ids=".".join)
def test_embedded(embedded: RunningGateway, case: tuple[str, str]) -> None:
    good, bad, param = CASES[case]
    if case[0] == "doc_store":
        embedded.post("/integrations/doc_store/store", **CASES["doc_store", "store"][0])
    answer = embedded.call("POST", path_of(case), good)
    if case == ("orchestrator", "cancel_run"):
        assert answer.status == 404, answer.body
        assert answer.json["error"]["param"] == "run_id"
    else:
        assert answer.status == 200, answer.body
        document = answer.json
        operation = SERVICES[case[0]].operations[case[1]]
        assert (document["service"], document["operation"], document["mode"]) == (*case, "embedded")
        msgspec.convert(document["result"], operation.result)
        assert document["correlation_id"] == answer.headers["x-correlation-id"]
        assert document["processing_time"] >= 0
        assert ("method" in document) == operation.asks_model
        if operation.asks_model:
            assert document["method"] in {"llm", "rules"}
            assert document["tokens_used"] >= 0
    refused = embedded.call("POST", path_of(case), bad)
    assert refused.status == 400, refused.body
    assert refused.json["error"]["param"] == param


@pytest.mark.parametrize("case", EVERY, ids=".".join)
def test_remote(remote: RunningGateway, siblings: Siblings, case: tuple[str, str]) -> None:
    good, bad, param = CASES[case]
    if case in {("doc_store", "retrieve"), ("doc_store", "delete")}:
        siblings.documents["billing"] = {"id": "billing", "content": TEXT}
    answer = remote.call("POST", path_of(case), {"user_id": "dev", **good}, {"X-Correlation-Id": "trace-1"})
    assert answer.status == 200, answer.body
    assert answer.json["mode"] == "remote"
    entry = siblings.log[-1]
    route = SERVICES[case[0]].operations[case[1]].remote
    expected = route.route if route is not None else f"POST /operations/{case[1]}"
    assert entry["method"] == expected.split(" ")[0]
    assert entry["headers"]["authorization"] == "Bearer sibling-key-1"
    assert entry["headers"]["x-correlation-id"] == "trace-1"
    assert entry["headers"]["x-user-id"] == "dev"
    seen = len(siblings.log)
    bad, param = WRONG_FOR_ANYBODY.get(case, (bad, param))
    refused = remote.call("POST", path_of(case), bad)
    assert refused.status == 400, refused.body
    assert refused.json["error"]["param"] == param
    assert len(siblings.log) == seen, "a request that is wrong left the gateway"


def test_both_spellings_of_a_service(embedded: RunningGateway) -> None:
    assert embedded.post("/integrations/memory-agent/store-interaction", prompt="x").json["service"] == "memory_agent"


def test_unknown_names_are_answered_with_those_that_exist(embedded: RunningGateway) -> None:
    for path, there in (("/integrations/nobody/search", "doc_store"), ("/integrations/doc_store/burn", "retrieve")):
        answer = embedded.call("POST", path, {})
        assert answer.status == 404
        assert there in answer.json["error"]["message"]
    assert embedded.call("POST", "/integrations/doc_store", {}).status == 404


def test_the_catalogue_names_every_operation_with_its_schemas(embedded: RunningGateway) -> None:
    services = {service["name"]: service for service in embedded.get("/integrations").json["services"]}
    assert sorted((name, operation["name"]) for name, service in services.items() for operation in service["operations"]) == EVERY
    store = services["doc_store"]["operations"][0]
    assert "content" in store["request"]["$defs"]["StoreRequest"]["properties"]


def test_a_run_is_cancelled_while_it_runs(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with sibling_server() as (url, siblings):
        settings = {"services.memory_agent.url": url, "services.memory_agent.timeout_s": 60}
        with running_gateway(tmp_path, simulator, settings) as gateway:
            siblings.hang_on = "never"

            def post(operation: str, **body: object) -> Any:
                return gateway.post(f"/integrations/orchestrator/{operation}", user_id="ann", **body).json["result"]

            step = {"id": "say", "service": "memory_agent", "operation": "store_interaction", "input": {"prompt": "never"}}
            after = {"id": "find", "service": "doc_store", "operation": "search", "input": {"query": "x"}, "depends_on": ["say"]}
            run_id = post("execute_workflow", workflow={"name": "hung", "steps": [step, after]}, wait=False)["run_id"]
            assert siblings.reached.wait(60)
            assert post("get_workflow", run_id=run_id)["runs"][0]["status"] == "running"
            ended = post("cancel_run", run_id=run_id)
            siblings.released.set()
            assert (ended["status"], [each["status"] for each in ended["steps"]]) == ("cancelled", ["skipped", "skipped"])
            assert post("get_workflow", name="research")["runs"] == []


def test_all_ten_say_how_they_fare(embedded: RunningGateway, remote: RunningGateway, siblings: Siblings) -> None:
    status = embedded.get("/services/status").json
    assert (status["status"], status["healthy"], status["total"]) == ("healthy", 10, 10)
    assert set(status["services"]) == set(SERVICES)
    away = remote.get("/services/status").json
    assert {service["mode"] for service in away["services"].values()} == {"remote"}
    assert away["healthy"] == 10, away


def test_a_row_belongs_to_who_made_it(embedded: RunningGateway) -> None:
    def post(service: str, operation: str, user: str, **body: object) -> Any:
        return embedded.post(f"/integrations/{service}/{operation}", user_id=user, **body)

    post("doc_store", "store", "ann", content="The merger is called Falcon.", doc_id="plan")
    post("prompt_store", "store_prompt", "ann", name="mine", category="secretive", content="Say {{x}}")
    memory_id = post("memory_agent", "store_interaction", "ann", prompt="Falcon?", conversation_id="talk").json["result"]["memory_id"]
    post("orchestrator", "register_workflow", "ann", workflow={**WORKFLOW, "name": "anns"})
    run = post("orchestrator", "execute_workflow", "ann", workflow=WORKFLOW, inputs={"query": "falcon"}).json["result"]
    assert run["status"] == "succeeded"
    assert run["steps"][0]["result"]["hits"][0]["doc_id"] == "plan"

    assert post("doc_store", "retrieve", "bob", doc_id="plan").status == 404
    assert post("doc_store", "delete", "bob", doc_id="plan").status == 404
    assert post("doc_store", "search", "bob", query="falcon").json["result"]["hits"] == []
    assert post("doc_store", "list", "bob").json["result"]["total"] == 0
    assert post("doc_store", "list", "bob", after="plan").status == 404
    assert post("doc_store", "store", "bob", content="Mine.", doc_id="plan").json["result"]["replaced"] is False
    assert post("prompt_store", "render", "bob", name="mine", variables={"x": "y"}).status == 404
    assert post("prompt_store", "get_optimized", "bob", task_type="secretive").json["result"]["version"] == 0
    assert post("memory_agent", "retrieve_context", "bob", query="falcon").json["result"]["memories"] == []
    assert post("memory_agent", "get_conversation_history", "bob", conversation_id="talk").json["result"]["interactions"] == []
    assert post("memory_agent", "forget", "bob", memory_id=memory_id).json["result"]["forgotten"] == 0
    assert post("memory_agent", "forget", "bob", all=True).json["result"]["forgotten"] == 0
    assert post("orchestrator", "execute_workflow", "bob", name="anns", inputs={"query": "x"}).status == 404
    assert post("orchestrator", "get_workflow", "bob", run_id=run["run_id"]).status == 404
    assert post("orchestrator", "cancel_run", "bob", run_id=run["run_id"]).status == 404

    assert post("doc_store", "retrieve", "ann", doc_id="plan").json["result"]["content"] == "The merger is called Falcon."
    assert len(post("memory_agent", "retrieve_context", "ann", query="falcon").json["result"]["memories"]) == 1


def test_keys_keep_tenants_apart(tmp_path: Path, simulator: SimulatorProcess) -> None:
    keys = {f"auth.keys.{name}.key": new_key(lambda count, name=name: name[:1].encode() * count) for name in ("north", "south")}
    with running_gateway(tmp_path, simulator, keys) as gateway:

        def post(operation: str, tenant: str, **body: object) -> Any:
            headers = {"Authorization": f"Bearer {keys[f'auth.keys.{tenant}.key']}"}
            return gateway.call("POST", f"/integrations/doc_store/{operation}", body, headers)

        assert gateway.post("/integrations/doc_store/list").status == 401
        assert gateway.post("/enhanced-query", prompt="x").status == 401
        assert post("store", "north", content="North only.", doc_id="n").status == 200
        assert post("retrieve", "south", doc_id="n").status == 404
        # a name that one tenant gives a user of its own is nobody of another
        assert post("retrieve", "south", doc_id="n", user_id="north").status == 404
        assert post("retrieve", "north", doc_id="n").status == 200


def test_a_model_is_asked_on_behalf_of_the_caller(tmp_path: Path, simulator: SimulatorProcess) -> None:
    limits = {"rate_limiting.default.requests_per_minute": 1}
    with running_gateway(tmp_path, simulator, limits) as gateway:
        first = gateway.post("/integrations/interpreter/interpret_query", query="analyze this code", user_id="ann").json
        assert first["method"] == "llm"
        assert first["provider"]
        assert first["tokens_used"] > 0
        status = gateway.get("/rate-limit/status?user_id=ann").json
        assert status["requests_per_minute"]["used"] == 1
        assert status["tokens_per_minute"]["used"] == first["tokens_used"]
        second = gateway.post("/integrations/interpreter/interpret_query", query="look up which documents mention it", user_id="ann").json
        assert (second["method"], second["reason"]) == ("rules", "rate_limited")
        assert second["result"]["intent"] == "search"


def test_an_invalid_answer_is_repaired_once_and_then_done_by_rules(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator) as gateway:
        good = '{"intent": "search", "confidence": 0.8, "entities": [], "response_text": "Looks for it."}'
        simulator.set_replies(
            [{"contains": "is not valid", "text": f"Sorry: ```json\n{good}\n```"}, {"contains": "lighthouse", "text": "no JSON"}]
        )
        simulator.clear_log()
        repaired = gateway.post("/integrations/interpreter/interpret_query", query="lighthouse").json
        assert (repaired["method"], repaired["result"]["response_text"]) == ("llm", "Looks for it.")
        assert len([entry for entry in simulator.log() if entry["method"] == "POST"]) == 2
        simulator.set_replies([{"contains": "is not valid", "text": "still none"}, {"contains": "lighthouse", "text": "no JSON"}])
        given_up = gateway.post("/integrations/interpreter/interpret_query", query="a lighthouse").json
        assert (given_up["method"], given_up["reason"]) == ("rules", "invalid_answer")
        assert given_up["tokens_used"] > 0, "what the model used is counted all the same"


def test_no_provider_is_no_reason_to_fail(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {f"providers.{kind}.enabled": False for kind in PROVIDERS}) as gateway:
        answer = gateway.post("/integrations/interpreter/interpret_query", query="summarize the report").json
        assert (answer["method"], answer["reason"], answer["cost"]) == ("rules", "no_eligible_provider", 0)
        assert answer["result"]["intent"] == "summarize"
