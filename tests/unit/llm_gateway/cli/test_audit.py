"""The commands, on files."""

import json
import os
from pathlib import Path

import pytest
from tests.unit.llm_gateway.audit.files import KEY_TEXT, database, harm
from tests.unit.llm_gateway.audit.trails import FIRST, OTHER_KEY, trail
from typer.testing import CliRunner, Result

from llm_gateway.audit.chain import AuditKey
from llm_gateway.audit.keys import KEY_FILE
from llm_gateway.cli.audit import app
from llm_gateway.core.errors import ConfigurationError

RUNNER = CliRunner()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / KEY_FILE).write_text(KEY_TEXT + "\n")
    return database(tmp_path / "gateway.sqlite3", trail(3, AuditKey.of_text(KEY_TEXT)))


def run(*arguments: object, environ: dict[str, str] | None = None) -> Result:
    """Run a command; what it raises is raised here. A wide terminal, and no key in the environment but the given one."""
    given = {**dict.fromkeys(os.environ.keys() & {"AUDIT_KEY"}), "COLUMNS": "200", **(environ or {})}
    result = RUNNER.invoke(app, [str(argument) for argument in arguments], env=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_an_intact_trail(path: Path) -> None:
    result = run("verify", "--file", path)
    assert result.exit_code == 0
    assert "14 rows, intact" in result.stdout


def test_the_first_broken_row_is_named(path: Path) -> None:
    harm(path, "UPDATE audit SET caller = 'eve' WHERE chain = :chain AND seq IN (3, 5)", chain=FIRST)
    result = run("verify", "--file", path)
    assert result.exit_code == 1
    assert f"broken: chain {FIRST}, row 3: it is not as it was written" in result.stdout
    assert "NOT intact" in result.stdout
    verdict = json.loads(run("verify", "--file", path, "--json").stdout)
    assert [(problem["chain"], problem["seq"]) for problem in verdict["problems"]] == [(FIRST, 3)]


def test_the_key_is_taken_from_where_it_is_said_to_be(path: Path) -> None:
    elsewhere = path.with_name("key.txt")
    (path.parent / KEY_FILE).rename(elsewhere)
    with pytest.raises(ConfigurationError, match=r"audit\.key.*--key-file"):
        run("verify", "--file", path)
    assert run("verify", "--file", path, "--key-file", elsewhere).exit_code == 0
    assert run("verify", "--file", path, environ={"AUDIT_KEY": KEY_TEXT}).exit_code == 0
    assert run("verify", "--file", path, environ={"AUDIT_KEY": "o" * 64}).exit_code == 1
    assert run("verify", "--file", path, "--key-file", elsewhere, environ={"AUDIT_KEY": "o" * 64}).exit_code == 0
    with pytest.raises(ConfigurationError, match="nowhere"):
        run("verify", "--file", path, "--key-file", path.with_name("nowhere"))


def test_a_trail_of_another_key_is_not_intact(path: Path) -> None:
    other = database(path.with_name("other.sqlite3"), trail(3, OTHER_KEY))
    result = run("verify", "--file", other)
    assert result.exit_code == 1
    assert "another key" in result.stdout


def test_the_newest_rows_are_listed(path: Path) -> None:
    result = run("list", "--file", path, "--kind", "outcome", "--limit", 2, "--format", "json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["kind"], row["correlation_id"]) for row in rows] == [("outcome", "gw-3"), ("outcome", "gw-3")]
    table = run("list", "--file", path, "--correlation-id", "gw-2").stdout
    assert table.count("gw-2") == 4
    assert "2027-01-15T08:00:00.000" in table
    csv_text = run("list", "--file", path, "--caller", "ann", "--format", "csv").stdout
    assert csv_text.count("\n") == 1 + 12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "x"], "--since: "),
        (["--outcome", "x"], "--outcome: expected one of"),
        (["--format", "x"], "--format: expected"),
    ],
)
def test_wrong_usage_names_the_option(path: Path, arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        run("list", "--file", path, *arguments)


def test_a_month_on_one_page(path: Path) -> None:
    result = run("report", "--month", "2027-01", "--file", path)
    assert "Audit report 2027-01" in result.stdout
    sums = json.loads(run("report", "--month", "2027-01", "--file", path, "--json").stdout)
    # These rows' details are bare, which is not what a gateway writes.
    assert sums["unreadable"] == 6
    assert "audit verify" in result.stdout
    assert json.loads(run("report", "--month", "2026-12", "--file", path, "--json").stdout)["unreadable"] == 0
    with pytest.raises(ConfigurationError, match="--month"):
        run("report", "--month", "January", "--file", path)
