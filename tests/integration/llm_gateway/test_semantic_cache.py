"""The semantic cache from socket to socket."""

import json
from pathlib import Path

from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import SimulatorProcess

ONE, OTHER = "How do I sort a list in Python?", "In Python, how can I sort a list?"
OPPOSITE = ("Is it safe to take aspirin with ibuprofen?", "Is it unsafe to take aspirin with ibuprofen?")
ADMIN = "an-admin-token-for-tests-only"
ON = {
    "auth.admin_token": ADMIN,
    "cache.semantic.enabled": True,
    "cache.semantic.timeout_s": 30,
    "routing.strategy": "priority",
    "providers.openai.priority": -1,
}
AT_OPENAI = {
    **ON,
    "cache.semantic.embeddings.provider": "openai",
    "cache.semantic.embeddings.model": "text-embedding-3-small",
    "cache.semantic.threshold": 0.5,
}


def paths(simulator: SimulatorProcess) -> list[str]:
    """Where model calls went, in their order."""
    return [f"{entry['kind']} {entry['path']}" for entry in simulator.log() if entry["method"] == "POST"]


def states(gateway: RunningGateway, *prompts: str, **fields: object) -> list[str]:
    return [gateway.post("/query", prompt=prompt, **fields).headers["x-gateway-cache"] for prompt in prompts]


def test_the_offline_model_serves_other_wordings_and_tells(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, ON) as gateway:
        simulator.clear_log()
        first = gateway.post("/query", prompt=ONE, user_id="ann")
        second = gateway.post("/query", prompt=OTHER, user_id="ann")
        assert second.headers["x-gateway-cache"] == "semantic"
        assert second.json["response"] == first.json["response"]
        assert (second.json["cached"], second.json["cost"]) == (True, 0)
        assert second.json["cache"]["state"] == "semantic"
        assert 0.9 < second.json["cache"]["similarity"] < 1
        assert "cache" not in first.json
        assert states(gateway, OTHER, user_id="ben") == ["miss"]
        assert states(gateway, *OPPOSITE, user_id="ann") == ["miss", "miss"]
        openai = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": ONE}], "user": "ann"}
        assert gateway.post("/v1/chat/completions", **openai).headers["x-gateway-cache"] == "miss"
        openai["messages"] = [{"role": "user", "content": OTHER}]
        assert gateway.post("/v1/chat/completions", **openai).headers["x-gateway-cache"] == "semantic"
        assert len(paths(simulator)) == 5
        status = gateway.get("/cache/status").json["semantic"]
        assert (status["enabled"], status["embeddings"], status["questions"], status["hits"]) == (True, "offline", 5, 2)
        assert gateway.post("/cache/clear").json["entries_cleared"] == 5
        assert gateway.get("/cache/status").json["semantic"]["questions"] == 0
        assert states(gateway, OTHER, user_id="ann") == ["miss"]


def test_a_providers_vectors_are_judged_audited_and_paid_like_any_call(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, AT_OPENAI) as gateway:
        simulator.clear_log()
        assert states(gateway, ONE, OTHER) == ["miss", "semantic"]
        assert paths(simulator) == ["openai /v1/embeddings", "openai /v1/chat/completions", "openai /v1/embeddings"]
        sums = gateway.get("/metrics/costs").json["by_model"]
        assert {each["model"]: each["attempts"] for each in sums} == {"gpt-4o": 1, "text-embedding-3-small": 2}
        audited = gateway.get("/audit?kind=intent", {"authorization": f"Bearer {ADMIN}"}).json["rows"]
        assert len(audited) == 3
        simulator.clear_log()
        secret = "Explain what the AWS key AKIAIOSFODNN7EXAMPLR with secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLRKEY does"
        assert states(gateway, secret) == ["bypass"]
        asked = [entry for entry in simulator.log() if entry["method"] == "POST"]
        assert {entry["kind"] for entry in asked} <= {"ollama", "bedrock"}
        assert "/v1/embeddings" not in {entry["path"] for entry in asked}


def test_a_provider_of_vectors_that_is_not_there_costs_the_call_nothing(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {**AT_OPENAI, "providers.openai.enabled": False}) as gateway:
        assert states(gateway, ONE, OTHER, ONE) == ["miss", "miss", "hit"]
        assert json.loads(gateway.get("/cache/status").body)["semantic"]["questions"] == 0
