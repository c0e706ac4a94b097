"""What the API has for people to look at: providers as they fare, their limits, a caller's conversations."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import SimulatorProcess


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    settings = {"providers.openai.limits.requests_per_minute": 2, "routing.breaker_failures": 1, "routing.breaker_open_s": 600}
    with running_gateway(tmp_path, simulator, settings | {"routing.breaker_open_max_s": 600, "routing.retry_budget": 0}) as running:
        yield running


def test_a_provider_shows_its_pace_and_its_circuits(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    gateway.post("/query", prompt="hello", provider="openai")
    simulator.stop("grok")
    gateway.post("/query", prompt="hello", provider="grok", model="grok/grok-1")
    listed = {each["name"]: each["live"] for each in gateway.get("/providers").json["providers"]}
    assert listed["openai"]["total_s"] > 0
    assert listed["openai"]["max_concurrency"] == 256
    assert [(each["model"], each["state"]) for each in listed["openai"]["circuits"]] == [("gpt-4o", "closed")]
    (circuit,) = listed["grok"]["circuits"]
    assert (circuit["model"], circuit["state"]) == ("grok-1", "open")
    assert 590 < circuit["rests"] <= 600


def test_a_provider_shows_the_limits_that_it_has_and_no_others(gateway: RunningGateway) -> None:
    for turn in range(3):
        gateway.post("/query", prompt=f"hello {turn}", provider="openai")
    found = gateway.get("/providers/openai/limits").json
    assert (found["requests_per_minute"]["used"], found["requests_per_minute"]["limit"]) == (2, 2)
    assert found["at_limit"] is True
    assert (found["burst"], found["requests_per_hour"], found["tokens_per_minute"]) == (None, None, None)
    assert gateway.get("/providers/ollama/limits").json["requests_per_minute"] is None
    assert gateway.get("/providers/nobody/limits").json["error"]["type"] == "not_found"


def test_conversations_are_listed_to_their_owner_page_by_page(gateway: RunningGateway, tmp_path: Path) -> None:
    for turn in range(5):
        gateway.post("/chat", prompt="hello", user_id="ada", conversation_id=f"ada-{turn}")
    gateway.post("/chat", prompt="hello", user_id="grace", conversation_id="grace-0")
    first = gateway.get("/conversations?user_id=ada&limit=3").json
    rest = gateway.get(f"/conversations?user_id=ada&limit=3&before={first['next']}").json
    names = [each["conversation_id"] for page in (first, rest) for each in page["conversations"]]
    assert names == [f"ada-{turn}" for turn in (4, 3, 2, 1, 0)]
    assert {each["turns"] for each in first["conversations"]} == {2}
    assert rest["next"] is None
    assert gateway.get("/conversations").json["conversations"] == []
    admin = {"authorization": f"Bearer {(tmp_path / 'admin_token').read_text().strip()}"}
    assert len(gateway.get("/conversations", admin).json["conversations"]) == 6
    assert len(gateway.get("/conversations?user_id=grace", admin).json["conversations"]) == 1
