"""Recorded traffic decided again: the same policy makes the same decisions, another one moves what it should."""

import json
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support import RunningGateway, running_gateway

from llm_gateway.cli.demo import environ_of
from llm_gateway.cli.main import run
from llm_gateway.cli.replay import recorded, replayed
from llm_gateway.configuration import load
from llm_gateway.core.settings import Settings
from llm_gateway.metrics.view import Record
from llm_gateway.replay.report import Replay
from llm_gateway.simulator import FaultRule, SimulatorProcess

SECRET = "my password is Xk9#mPq2vL, keep it"
TIERS = {
    "providers.openai.prices": {"priced": {"input": 2.5, "output": 10}},
    "providers.grok.models": ["grok-1", "priced"],
    "providers.openai.models": ["gpt-4o", "priced"],
    "aliases": {"fast": "grok/grok-1"},
    "routing.breaker_open_s": 0.3,
    "routing.breaker_open_max_s": 0.6,
    "routing.retry_base_s": 0.01,
    "routing.health_interval_s": 0.5,
}


def ask(gateway: RunningGateway, number: int) -> None:
    dice = random.Random(number)
    strategy = dice.choice((None, None, "cost", "latency", "quality", "priority", "round_robin"))
    body: dict[str, object] = {"prompt": f"question {number}" + (SECRET if number % 9 == 0 else ""), "user_id": f"user{number % 5}"}
    body["provider"] = dice.choice((None, None, None, "openai", "bedrock", "auto", "xai"))
    body["model"] = dice.choice((None, None, None, "priced", "fast", "openai/gpt-4o")) if body["provider"] is None else None
    body["max_tokens"] = dice.choice((None, 20, 5000))
    headers = {"x-gateway-strategy": strategy} if strategy else {}
    if number % 11 == 0:
        headers["x-gateway-minimum-level"] = "high"
    if number % 7 == 0:
        gateway.call("POST", "/embeddings", {"text": f"words {number}", "user_id": "ada"}, headers)
    else:
        gateway.call("POST", "/stream" if number % 3 == 0 else "/query", body, headers)


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> tuple[Settings, list[Record]]:
    """Three hundred requests of all sorts, some while a provider fails and its circuit opens; and what is on record of them."""
    folder = tmp_path_factory.mktemp("replay")
    simulator = simulator_of_session
    with running_gateway(folder, simulator, TIERS) as gateway, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: ask(gateway, number), range(150)))
        simulator.add_faults(
            FaultRule(kind="ollama", method="POST", status=503), FaultRule(kind="openai", method="POST", status=429, probability=0.5)
        )
        list(pool.map(lambda number: ask(gateway, number), range(150, 250)))
        simulator.clear_faults()
        list(pool.map(lambda number: ask(gateway, number), range(250, 300)))
        settings = gateway.app.gateway.settings
    return settings, recorded(settings, "1d")


def under(settings: Settings, records: list[Record], **policy: object) -> Replay:
    """The replay under the same settings but for some of `routing` and `security`."""
    sections = {name: getattr(settings, name).model_copy(update=dict(change)) for name, change in policy.items()}  # type: ignore[call-overload]
    return replayed(records, settings.model_copy(update=sections), quiet=True)


def test_the_same_policy_makes_the_same_decisions(traffic: tuple[Settings, list[Record]]) -> None:
    settings, records = traffic
    found = replayed(records, settings, quiet=True)
    assert found.requests == 300
    assert found.decisions >= 270
    assert found.same >= 0.99 * found.decisions, found.differences
    assert found.same_first >= 0.99 * found.decisions
    assert sum(found.why.values()) == found.decisions - found.same, "each difference is explained"
    assert found.answered == found.would_be
    unwell = {each.code for record in records if record.route is not None for each in record.route.rejected}
    assert unwell >= {"security", "health"}, "the traffic met what makes decisions hard"


def test_another_strategy_moves_what_left_the_choice_open(traffic: tuple[Settings, list[Record]]) -> None:
    settings, records = traffic
    found = under(settings, records, routing={"strategy": "quality"})
    assert found.same < found.decisions
    assert found.would_be.cost_usd > found.answered.cost_usd, "the best models are not the cheapest"
    asked = {record.row.correlation_id for record in records if record.detail.strategy or record.detail.provider or record.detail.model}
    moved = {each.correlation_id for each in found.differences if each.was != each.would_be}
    assert moved
    assert not moved & {name for name in asked if name in {r.row.correlation_id for r in records if r.detail.strategy}}


def test_a_stricter_policy_keeps_more_at_home_and_says_so(traffic: tuple[Settings, list[Record]]) -> None:
    settings, records = traffic
    found = under(settings, records, security={"auto_classification": False})
    assert set(found.would_be.by_provider) <= {"ollama", "bedrock"}
    assert any("no longer eligible" in why for why in found.why)
    looser = under(settings, records, security={"policies": {"secret": "allow", "keyword": "allow"}})
    assert any("newly eligible" in why for why in looser.why)


def test_a_provider_that_is_switched_off_gets_nothing(traffic: tuple[Settings, list[Record]]) -> None:
    settings, records = traffic
    off = {**settings.providers, "grok": settings.providers["grok"].model_copy(update={"enabled": False})}
    found = replayed(records, settings.model_copy(update={"providers": off}), quiet=True)
    assert "grok" not in found.would_be.by_provider
    assert found.answered.by_provider["grok"] > 0
    assert "unknown_provider" in found.refused or "unknown_model" in found.refused or "no_eligible_provider" in found.refused


def test_the_command_reads_the_database_of_a_configuration(
    tmp_path: Path, simulator: SimulatorProcess, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gateway(tmp_path, simulator) as gateway:
        for number in range(5):
            gateway.post("/query", prompt=f"question {number}")
        gateway.post("/query", prompt="question 1")
    config, policy = tmp_path / "config.yaml", tmp_path / "policy.yaml"
    config.write_text(f"server:\n  data_dir: {tmp_path}\n")
    policy.write_text("routing:\n  strategy: quality\n")
    for name, value in environ_of({**simulator.urls}).items():
        if not name.endswith("KEY"):  # replay needs no keys: what could be used then is on record
            monkeypatch.setenv(name, value)
    capsys.readouterr()
    assert run(["replay", "--config", str(config), "--json"]) == 0
    same = json.loads(capsys.readouterr().out)
    assert (same["requests"], same["decisions"], same["same"]) == (6, 5, 5)
    assert same["not_decided"] == {"answered from the cache": 1}
    assert run(["replay", "--config", str(config), "--policy", str(policy)]) == 0
    shown = capsys.readouterr().out
    assert "would be" in shown
    assert run(["replay", "--config", str(config), "--since", "2099-01-01"]) == 1
    policy.write_text("routing:\n  strategy: nonsense\n")
    assert run(["replay", "--config", str(config), "--policy", str(policy)]) == 2
    assert "strategy" in capsys.readouterr().err
    assert load(config, os.environ, {}).settings.routing.strategy == "balanced"
