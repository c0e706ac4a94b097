"""The commands on a running gateway: what they print, and how they end."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from structlog.testing import capture_logs
from tests.support import RunningGateway, free_port, running_gateway

from llm_gateway.cli.main import run
from llm_gateway.cli.outcome import Exit
from llm_gateway.simulator import SimulatorProcess

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningGateway]:
    for name in ("LLM_GATEWAY_API_KEY", "ADMIN_TOKEN", "LLM_GATEWAY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    # The gateway runs in this process: its log is not what the commands print.
    with capture_logs(), running_gateway(tmp_path, simulator) as running:
        monkeypatch.setenv("LLM_GATEWAY_URL", running.url)
        monkeypatch.setenv("LLM_GATEWAY_DATA_DIR", str(tmp_path))
        yield running


def printed(capsys: Captured, *words: str) -> Any:
    """The JSON that a command prints, which must be all of its standard output."""
    capsys.readouterr()
    assert run([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def said(capsys: Captured, *words: str) -> str:
    capsys.readouterr()
    assert run([*words]) == 0
    return capsys.readouterr().out


def test_every_command_prints_what_the_api_answers(gateway: RunningGateway, capsys: Captured) -> None:
    answer = gateway.post("/query", prompt="hello", user_id="ada", provider="openai")
    name = answer.json["correlation_id"]
    assert [each["name"] for each in printed(capsys, "providers")["providers"]] == ["ollama", "openai", "anthropic", "bedrock", "grok"]
    assert {each["provider"] for each in printed(capsys, "providers", "--models")["models"]} >= {"openai"}
    assert printed(capsys, "top")["metrics"]["total_requests"] == 1
    assert printed(capsys, "trace", name)["requests"][0]["caller"] == "ada"
    assert printed(capsys, "usage")["total"]["attempts"] == 1
    assert printed(capsys, "cache", "status")["total_entries"] == 1
    assert printed(capsys, "route", "hello")["ranked"]
    assert printed(capsys, "keys", "list") == {"keys": []}
    assert printed(capsys, "budget", "list") == {"budgets": [], "events": []}
    assert printed(capsys, "ask", "hello")["provider"]


def test_tables_say_the_same(gateway: RunningGateway, capsys: Captured) -> None:
    asked = {"prompt": "Analyze this internal API key: sk-1234567890abcdef", "provider": "openai", "user_id": "[red]ada[/]"}
    name = gateway.post("/query", **asked).json["correlation_id"]
    assert "● available" in said(capsys, "providers", "--models")
    assert "gpt-4o" in said(capsys, "providers", "--models")
    told = said(capsys, "trace", name)
    for part in ("[red]ada[/]", "secret.api_key", "rerouted", "not openai: its level (medium)", "✓ attempt 1", "✓ answered"):
        assert part in told
    told = said(capsys, "top", "--count", "2", "--interval", "0.1")
    assert "[red]ada[/]" in told
    assert name in told


COLUMNS_80 = (
    ("providers", "--models"), ("top", "--count", "2", "--interval", "0.1"), ("trace", "{name}"), ("usage",), ("usage", "--by", "caller"),
    ("route", "hello"), ("keys", "list"), ("budget", "list"), ("cache", "status"), ("services",), ("workflow", "list"),
    ("audit", "list", "--file", "{file}"), ("audit", "report", "--month", "{month}", "--file", "{file}"),
    ("config", "show", "--config", "{config}"), ("replay", "--config", "{config}"),
)  # fmt: skip


@pytest.mark.parametrize("term", ["dumb", "xterm-256color"])
def test_every_table_fits_eighty_columns(
    gateway: RunningGateway, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    caller = "a-service-with-a-rather-long-name@example.com"
    name = gateway.post("/query", prompt="hello", user_id=caller, provider="openai").json["correlation_id"]
    gateway.post("/query", prompt="hello", user_id="[bold]x[/]", provider="bedrock", temperature=9)
    assert run(["budget", "set", "every-caller", "--scope", "caller", "--limit-usd", "12345.678901"]) == 0
    config = tmp_path / "config.yaml"
    config.write_text(f"server: {{data_dir: {tmp_path}}}\n")
    month = datetime.now(UTC).strftime("%Y-%m")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", term)
    for words in COLUMNS_80:
        told = said(capsys, *(word.format(name=name, file=tmp_path / "gateway.sqlite3", month=month, config=config) for word in words))
        assert [line for line in told.splitlines() if cell_len(line.rstrip()) > 80] == [], words
        if words[0] in {"providers", "top"}:
            assert told.count("● available") == 5, told
        if words[0] in {"trace", "top"} or words[:2] == ("audit", "list"):
            assert name in told, "an id is copied: it stays whole"
    # With a key the ledger and every other list needs one: the keys come last.
    assert run(["keys", "create", "nightly report", "--owner", "acme-corporation", "--provider", "openai", "--expires-in", "90d"]) == 0
    told = said(capsys, "keys", "list")
    assert max(map(len, told.splitlines())) <= 80
    assert "acme-corporation" in told


def test_budgets_are_made_changed_and_removed(gateway: RunningGateway, capsys: Captured) -> None:
    assert printed(capsys, "budget", "set", "team", "--limit-usd", "12.50", "--period", "day")["limit_usd"] == "12.5"
    assert "team: $20 a month, global *" in said(capsys, "budget", "set", "team", "--limit-usd", "20")
    assert "team" in said(capsys, "budget", "list")
    assert printed(capsys, "budget", "remove", "team") == {"removed": "team"}
    assert run(["budget", "remove", "team"]) == Exit.FAILED
    assert run(["budget", "set", "team", "--limit-usd", "much"]) == Exit.FAILED
    assert "limit_usd" in capsys.readouterr().err


def test_who_is_not_let_in_is_told_what_to_show(gateway: RunningGateway, tmp_path: Path, capsys: Captured) -> None:
    assert run(["keys", "create", "ci", "--owner", "acme"]) == 0
    key = capsys.readouterr().out.strip()
    for words in (["usage"], ["providers"], ["trace", "x"], ["ask", "hello"]):
        assert run(words) == Exit.NOT_ALLOWED, words
        assert "--api-key or LLM_GATEWAY_API_KEY" in capsys.readouterr().err
        assert run([*words, "--api-key", key]) in {Exit.DONE, Exit.FAILED}, words
    assert run(["top", "--count", "1"]) == Exit.DONE, "the figures are open to this machine"
    assert run(["budget", "list", "--admin-token", key]) == Exit.NOT_ALLOWED
    assert run(["budget", "list", "--data-dir", str(tmp_path / "elsewhere")]) == Exit.USAGE
    assert "--admin-token or ADMIN_TOKEN" in capsys.readouterr().err


def test_no_gateway_is_said_in_one_line(capsys: Captured, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    for words in (["usage"], ["providers"], ["top"], ["trace", "x"], ["ask", "hello"], ["cache", "status"], ["route", "x"]):
        assert run([*words, "--url", url]) == Exit.UNREACHABLE, words
        told = capsys.readouterr().err
        assert told.startswith(f"llm-gateway: no gateway answers at {url}")
        assert told.count("\n") == 1


def test_what_can_be_no_key_is_said_and_not_shown(capsys: Captured) -> None:
    assert run(["usage", "--api-key", "gw_secret\nsecond line"]) == Exit.USAGE
    told = capsys.readouterr().err
    assert "line breaks" in told
    assert "secret" not in told


def test_a_call_that_nobody_knows_of(gateway: RunningGateway, capsys: Captured) -> None:
    assert run(["trace", "gw-none"]) == Exit.FAILED
    assert "not_found" in capsys.readouterr().err


def test_the_configuration_is_explained_without_a_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.delenv("LLM_GATEWAY_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "gateway.yaml"
    file.write_text("routing: {strategy: cost}\nproviders: {openai: {api_key: sk-not-shown-anywhere}}\n")
    assert set(printed(capsys, "config", "show", "--changed", "--config", str(file))["settings"]) >= {"routing.strategy"}
    explained = printed(capsys, "config", "explain", "routing.strategy", "--config", str(file))["routing.strategy"]
    assert explained["value"] == "cost"
    assert "priority" in explained["takes"]
    assert explained["meaning"] == "How eligible targets are ranked."
    assert "in force" in said(capsys, "config", "explain", "routing", "--config", str(file))
    assert run(["config", "explain", "routing.stratgy"]) == Exit.USAGE
    assert "did you mean routing.strategy" in capsys.readouterr().err
    assert printed(capsys, "config", "validate", str(file))["valid"] is True
    assert "sk-not-shown" not in said(capsys, "check", "--config", str(file))
    file.write_text("routing: {strategy: fastest}\n")
    assert run(["config", "validate", str(file)]) == Exit.USAGE
    assert "routing.strategy" in capsys.readouterr().err
