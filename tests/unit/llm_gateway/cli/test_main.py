"""The commands are loaded when they are called, and the page that lists them is what `--help` says."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from llm_gateway.cli import reference
from llm_gateway.cli.main import COMMANDS, run
from llm_gateway.cli.outcome import CommandFailed, Exit
from llm_gateway.cli.top import Rates, Sample, curve, rates, screen_of

ROOT = Path(__file__).parents[4]
LOADED = """
import sys
from llm_gateway.cli.main import app
from typer.main import get_command
get_command(app).get_command(None, {command!r})
print(" ".join(sorted(sys.modules)))
"""


def loaded_by(command: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", LOADED.format(command=command)], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_server_loads_nothing_that_a_server_does_not_need() -> None:
    loaded = loaded_by("serve")
    assert "llm_gateway.app" in loaded
    foreign = ("rich", "pyreqwest", "redis", "jinja2", "numpy", "alembic", "networkx", "playwright", "fastapi", "starlette")
    assert {name.partition(".")[0] for name in loaded} & set(foreign) == set()
    assert {"sqlalchemy.dialects.postgresql", "xml.etree.ElementTree"} & loaded == set()
    ours = {
        name
        for name in loaded
        if name.startswith(("llm_gateway_client", "llm_gateway.simulator", "llm_gateway.dashboard", "llm_gateway.cli."))
    }
    assert ours == {
        "llm_gateway.dashboard",
        "llm_gateway.dashboard.door",
        *(f"llm_gateway.cli.{name}" for name in ("main", "outcome", "serve")),
    }


def test_the_cycle_collector_rests_while_a_server_starts_and_no_longer() -> None:
    program = LOADED.format(command="serve") + "import gc; sys.exit(gc.isenabled())"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0
    assert run(["serve", "--help"]) == 0
    assert gc.isenabled()


def test_a_client_loads_no_server() -> None:
    loaded = loaded_by("ask")
    assert "llm_gateway_client" in loaded
    assert {"llm_gateway.app", "fastapi", "sqlalchemy", "uvicorn"} & loaded == set()


def test_every_command_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    for name in COMMANDS:
        assert f" {name} " in said
        assert run([name, "--help"]) == 0
    assert run(["no-such-command"]) == 2


def test_the_page_lists_what_help_says() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert reference.refreshed(page) == page, "renew it: python -m llm_gateway.cli.reference docs/cli.md"
    for name in COMMANDS:
        assert f"### `llm-gateway {name}`" in page


def test_every_option_is_explained() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line.startswith("| `--") and line.endswith("|  |")] == []


def test_an_exit_code_means_one_thing() -> None:
    assert [code.value for code in Exit] == [0, 1, 2, 3, 4, 130]
    assert CommandFailed("x").code is Exit.FAILED


def sample(at_s: float, requests: int = 0) -> Sample:
    metrics = {
        "total_requests": requests, "total_tokens_used": requests * 10, "total_cost": requests * 0.5, "requests_in_flight": 1,
        "uptime_percentage": 100.0, "average_response_time": 0.1, "cache_hit_rate": 0.5, "error_rate": 1.0, "requests_by_provider": {},
    }  # fmt: skip
    return Sample(at_s, metrics, [], {}, [])


def test_rates_are_between_two_looks_and_never_below_nothing() -> None:
    assert rates(sample(10), sample(12, 20)) == Rates(10, 100, 5)
    assert rates(sample(10, 20), sample(12)) == Rates(0, 0, 0)


def test_a_curve_is_as_long_as_its_values() -> None:
    assert curve([0, 1, 2, 4]) == "▁▃▅█"
    assert curve([0, 0]) == "▁▁"
    assert curve([]) == ""


def test_the_screen_is_drawn_without_providers_or_requests() -> None:
    assert screen_of(sample(1), Rates(1, 2, 3), [1.0, 2.0], "http://localhost:5055").renderables
