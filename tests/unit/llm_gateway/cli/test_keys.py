from pathlib import Path

import pytest
import typer

from llm_gateway.cli import keys
from llm_gateway.cli.main import run
from llm_gateway.cli.talking import token_of
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.identity.keys import fingerprint, is_well_formed


@pytest.mark.parametrize(("text", "seconds"), [("90d", 7_776_000), ("12h", 43_200), ("30m", 1800), ("45s", 45), ("2W", 1_209_600)])
def test_durations(text: str, seconds: int) -> None:
    assert keys.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "0d", "1.5h", "1 day", "1y"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="90d, 12h or 30m"):
        keys.seconds_of(text)


def test_the_admin_token_is_the_given_one_or_that_of_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "admin_token").write_text("from-the-file\n")
    assert token_of("given", tmp_path) == "given"
    assert token_of(None, tmp_path) == token_of("", tmp_path) == "from-the-file"
    with pytest.raises(ConfigurationError, match=r"--admin-token or ADMIN_TOKEN.*--data-dir"):
        token_of(None, tmp_path / "elsewhere")


def test_a_new_key_needs_no_gateway(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "new"]) == 0
    said = capsys.readouterr()
    key = said.out.strip()
    assert is_well_formed(key)
    assert f"auth.keys.<name>.key_sha256: {fingerprint(key).hex()}" in said.err.replace("\n", " ").replace("  ", " ")
    assert key not in said.err


def test_a_bad_duration_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "create", "ci", "--expires-in", "soon", "--admin-token", "x"]) == 2
    assert "--expires-in" in capsys.readouterr().err
