"""The figures over HTTP: their forms, who may see what, and one request's story from the door to the answer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import FaultRule, SimulatorProcess

ADMIN = "an-admin-token-for-tests-only"
AS_ADMIN = {"authorization": f"Bearer {ADMIN}"}


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path, simulator, {"auth.admin_token": ADMIN, "routing.retry_base_s": 0.01}) as running:
        yield running


def test_the_specified_document_and_prometheus_at_one_address(gateway: RunningGateway) -> None:
    gateway.post("/query", prompt="hello", provider="openai")
    document = gateway.get("/metrics").json
    assert document["total_requests"] == 1
    assert document["requests_by_provider"] == {"openai": 1}
    specified = {
        "total_requests", "requests_by_provider", "total_tokens_used", "total_cost", "average_response_time", "cache_hit_rate",
        "error_rate", "uptime_percentage",
    }  # fmt: skip
    assert specified <= document.keys()
    text = gateway.get("/metrics", {"accept": "text/plain"})
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert {family.name for family in text_string_to_metric_families(text.body.decode())} >= {"llm_gateway_requests"}
    assert gateway.get("/metrics/prometheus").headers["content-type"].startswith("text/plain")
    assert gateway.get("/metrics/prometheus?scope=all").status == 200
    assert gateway.get("/metrics/prometheus?scope=nothing").status == 400
    openmetrics = gateway.get("/metrics/prometheus", {"accept": "application/openmetrics-text"})
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.body.endswith(b"# EOF\n")


def test_a_requests_story_is_all_that_was_decided_and_nothing_that_was_said(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(kind="ollama", method="POST", status=503))
    body = {"prompt": "CANARY, my password is Xk9#mPq2vL", "user_id": "ada", "max_tokens": 50}
    answer = gateway.call("POST", "/query", body, {"x-correlation-id": "story-1"})
    assert answer.status == 200
    found = gateway.get("/requests/story-1")
    assert b"CANARY" not in found.body
    assert b"Xk9" not in found.body
    (one,) = found.json["requests"]
    assert (one["caller"], one["ingress"], one["operation"], one["status"], one["max_tokens"]) == ("ada", "native", "chat", 200, 50)
    assert one["sensitivity"]["sensitive"]
    assert one["sensitivity"]["kinds"]
    assert set(one["eligible"]) == {"bedrock", "ollama"}
    assert {each["provider"] for each in one["route"]["rejected"] if each["code"] == "security"} == {"openai", "anthropic", "grok"}
    assert one["route"]["ranked"][0]["provider"] == "ollama"
    assert all(each["reasons"] for each in one["route"]["ranked"]), "why not the others, too"
    outcomes = [(each["provider"], each["outcome"]) for each in one["attempts"]]
    assert outcomes[0] == ("ollama", "provider_bad_response")
    assert outcomes[-1] == ("bedrock", "ok") == (answer.json["provider"], "ok")
    assert one["provider"] == "bedrock"
    assert one["duration_s"] > one["overhead_s"] > 0
    assert gateway.get("/requests/nobody-asked").status == 404


def test_a_key_sees_its_own_requests_and_the_administrator_all(gateway: RunningGateway) -> None:
    acme, evil = (gateway.call("POST", "/admin/keys", {"name": name, "owner": name}, AS_ADMIN).json["key"] for name in ("acme", "evil"))
    as_acme, as_evil = ({"authorization": f"Bearer {key}"} for key in (acme, evil))
    gateway.call("POST", "/query", {"prompt": "x", "user_id": "bob"}, {**as_acme, "x-correlation-id": "acme-1"})
    gateway.call("POST", "/query", {"prompt": "y"}, {**as_evil, "x-correlation-id": "evil-1"})
    assert gateway.get("/requests/acme-1", as_acme).status == 200
    assert gateway.get("/requests/acme-1", as_evil).status == 404
    assert gateway.get("/requests/acme-1", AS_ADMIN).status == 200
    assert gateway.get("/requests/acme-1").status == 401
    assert [each["correlation_id"] for each in gateway.get("/requests", as_evil).json["requests"]] == ["evil-1"]
    assert gateway.get("/requests?caller=acme/bob", as_evil).json["requests"] == []
    assert len(gateway.get("/requests", AS_ADMIN).json["requests"]) == 2
    slow = gateway.get("/metrics/performance", as_acme).json["slowest"]
    assert [each["correlation_id"] for each in slow] == ["acme-1"]
    assert gateway.get("/metrics/performance").status == 401
    assert gateway.get("/metrics/timeseries").status == 401


def test_performance_names_the_slowest_and_tells_the_parts_of_a_stream(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(kind="grok", method="POST", delay_s=1))
    gateway.call("POST", "/query", {"prompt": "slow", "provider": "grok"}, {"x-correlation-id": "slow-1"})
    gateway.frames(prompt="a story", provider="openai")
    found = gateway.get("/metrics/performance?since=10m").json
    assert found["slowest"][0]["correlation_id"] == "slow-1"
    grok = next(each["pace"] for each in found["by_provider"] if each["provider"] == "grok")
    assert grok["total_s"]["p50"] >= 0.98
    assert grok["overhead_s"]["p50"] <= grok["total_s"]["p50"] - 0.95, "what the provider took is not the gateway's"
    openai = next(each["pace"] for each in found["by_model"] if (each["provider"], each["model"]) == ("openai", "gpt-4o"))
    assert openai["first_token_s"]["count"] == openai["upstream_first_s"]["count"] == 1
    assert openai["tokens_per_s"]["count"] == 1
    assert found["relative_error"] < 0.02
    assert gateway.get("/metrics/performance?since=yesterday").status == 400


def test_waiting_for_a_place_is_the_queues_time(tmp_path: Path, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(kind="ollama", method="POST", delay_s=0.7))
    with running_gateway(tmp_path, simulator, {"providers.ollama.max_concurrency": 1, "routing.explicit_fallback": False}) as gateway:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda number: gateway.post("/query", prompt=f"q{number}", provider="ollama"), range(2)))
        found = sorted(gateway.get("/requests").json["requests"], key=lambda each: float(each["queued_s"]))
        assert found[0]["queued_s"] == 0
        assert found[1]["queued_s"] > 0.05
        assert found[1]["overhead_s"] < found[1]["queued_s"], "what waited is not counted twice"
        assert gateway.get("/metrics/performance").json["all"]["queue_s"]["count"] == 1


def test_costs_carry_a_forecast_that_says_when_it_has_too_little(gateway: RunningGateway) -> None:
    gateway.post("/query", prompt="hello", provider="openai")
    found = gateway.get("/metrics/costs").json
    assert found["forecast"]["month"] is None
    assert "too little data" in found["forecast"]["why_not"]
    assert found["recommendations"] == []
    assert found["total"]["attempts"] == 1


def test_figures_survive_a_restart(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator) as gateway:
        gateway.post("/query", prompt="before")
    with running_gateway(tmp_path, simulator) as gateway:
        gateway.post("/query", prompt="after")
        assert gateway.get("/metrics").json["total_requests"] == 2
        assert gateway.get("/metrics").json["requests_in_flight"] == 0
