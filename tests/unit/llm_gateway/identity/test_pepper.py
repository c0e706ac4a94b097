import stat
from pathlib import Path

import pytest

from llm_gateway.core.errors import ConfigurationError
from llm_gateway.identity.keys import Pepper
from llm_gateway.identity.pepper import pepper


def test_the_first_start_makes_one_and_the_next_finds_it(tmp_path: Path) -> None:
    first = pepper("", tmp_path)
    path = tmp_path / "key_pepper"
    assert len(path.read_bytes()) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert pepper("", tmp_path).check == first.check == Pepper(path.read_bytes()).check


def test_the_configurations_own_makes_no_file(tmp_path: Path) -> None:
    assert pepper("s" * 40, tmp_path).check == Pepper(b"s" * 40).check
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_not_made_do_with(tmp_path: Path) -> None:
    (tmp_path / "key_pepper").write_bytes(b"half")
    with pytest.raises(ConfigurationError, match="has 4 bytes where 32 were written"):
        pepper("", tmp_path)
