import stat
from pathlib import Path

import pytest

from llm_gateway.audit.keys import KEY_FILE, key_in, read_key
from llm_gateway.core.errors import ConfigurationError


def test_a_key_is_made_once_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    first = key_in(folder)
    assert key_in(folder).key_id == first.key_id
    path = folder / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(bytes.fromhex(path.read_text())) == 32
    assert [entry.name for entry in folder.iterdir()] == [KEY_FILE]
    assert read_key(path).key_id == first.key_id


def test_two_folders_have_two_keys(tmp_path: Path) -> None:
    assert key_in(tmp_path / "a").key_id != key_in(tmp_path / "b").key_id


def test_a_setting_goes_first_and_makes_no_file(tmp_path: Path) -> None:
    assert key_in(tmp_path, "s" * 32).key_id == key_in(tmp_path / "other", "s" * 32).key_id
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_holds_no_key_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("short")
    with pytest.raises(ConfigurationError, match="at least 32"):
        key_in(tmp_path)
    assert (tmp_path / KEY_FILE).read_text() == "short"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"audit\.key"):
        key_in(tmp_path / "file" / "data")
