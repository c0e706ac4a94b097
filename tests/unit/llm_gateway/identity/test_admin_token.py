import os
import stat
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import ConfigurationError
from llm_gateway.identity.admin_token import AdminToken, admin_token, weakness

STRONG = "v8Rw2kQz7LmX4pTnYc"


@pytest.mark.parametrize(
    "token",
    [
        "", "admin-token", "short", "changeme-changeme", "adminadminadminadmin", "password12345678", "0123456789abcdef",
        "secret-admin-token", "aaaaaaaaaaaaaaaaaaaa", "abababababababababab", "my-secret-token-123", "your-admin-token-here",
        "qwertyuiopasdfghjkl", "ADMIN_TOKEN_CHANGEME", "llm-gateway-admin-token", "test-token-test-token", "deadbeefdeadbeefdeadbeef",
    ],
)  # fmt: skip
def test_tokens_that_everybody_tries_are_refused(token: str) -> None:
    fault = weakness(token)
    assert fault
    assert not token or token not in fault


@pytest.mark.parametrize("token", [STRONG, "correct-horse-battery-staple", "4f1d8c0b6a7e93d2c5b1", "admin-9fK2xQ7mZ4wL8"])
def test_others_are_taken(token: str) -> None:
    assert weakness(token) == ""


@given(st.binary(min_size=32, max_size=32))
def test_what_is_made_is_never_refused(value: bytes) -> None:
    token = urlsafe_b64encode(value).rstrip(b"=").decode()
    if len(set(value)) > 16:  # hypothesis makes bytes that no generator would
        assert weakness(token) == ""


@given(st.text(max_size=40), st.text(max_size=40))
def test_only_the_token_itself_matches(token: str, other: str) -> None:
    assert AdminToken(token).matches(token)
    assert AdminToken(token).matches(other) == (token == other)


def test_the_first_start_makes_a_token_that_only_its_owner_reads(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    made = admin_token("", folder)
    assert made.made
    assert made.path == folder / "admin_token"
    content = made.path.read_text().strip()
    assert len(content) == 43
    assert made.matches(content)
    assert content not in repr(made)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert [entry.name for entry in folder.iterdir()] == ["admin_token"]
    again = admin_token("", folder)
    assert not again.made
    assert again.matches(content)


def test_a_configured_token_makes_no_file(tmp_path: Path) -> None:
    token = admin_token(STRONG, tmp_path)
    assert token.path is None
    assert token.matches(STRONG)
    assert list(tmp_path.iterdir()) == []


def test_weak_tokens_stop_the_start_wherever_they_stand(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"auth\.admin_token"):
        admin_token("password-password", tmp_path)
    (tmp_path / "admin_token").write_text("password-password\n")
    with pytest.raises(ConfigurationError, match="remove the file") as caught:
        admin_token("", tmp_path)
    assert "password-password" not in caught.value.message


def test_a_folder_that_keeps_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"server\.data_dir"):
        admin_token("", tmp_path / "file")


def test_a_file_that_others_may_read_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token = admin_token("", tmp_path)
    assert token.path is not None
    os.chmod(token.path, 0o644)
    capsys.readouterr()
    admin_token("", tmp_path)
    said = "".join(capsys.readouterr())
    assert "chmod 600" in said
    assert token.path.read_text().strip() not in said
