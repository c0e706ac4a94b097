from pathlib import Path

import pytest

from llm_gateway.core.errors import ConfigurationError
from llm_gateway.identity.sealing import FILE_NAME, sealer


def test_a_key_is_made_once_and_its_owner_alone_reads_it(tmp_path: Path) -> None:
    sealed = sealer("", tmp_path).seal(b"content", "here")
    assert sealer("", tmp_path).open(sealed, "here") == b"content"
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_the_operators_key_comes_first_and_needs_no_file(tmp_path: Path) -> None:
    key = "k" * 32
    sealed = sealer(key, tmp_path).seal(b"content", "here")
    assert sealer(key, tmp_path / "elsewhere").open(sealed, "here") == b"content"
    assert not (tmp_path / FILE_NAME).exists()


def test_a_short_key_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"storage\.encryption_key: expected at least 32") as failure:
        sealer("tooshort", tmp_path)
    assert "tooshort" not in str(failure.value)


def test_a_damaged_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"half")
    with pytest.raises(ConfigurationError, match="has 4 bytes"):
        sealer("", tmp_path)
