"""Lets every test of a module that takes it run on each kind of database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.llm_gateway.ledger.desk_of_tests import DATABASES


@pytest.fixture(autouse=True)
def on_each_database(database_url: str, tmp_path: Path) -> Iterator[None]:
    """`house(tmp_path)` opens the test's own database."""
    DATABASES[tmp_path] = database_url
    yield
    del DATABASES[tmp_path]


__all__ = ["on_each_database"]
