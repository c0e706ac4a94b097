"""One Valkey for the tests of a worker, and the counters over it."""

from collections.abc import Iterator

import pytest
from tests.valkey import Valkey


@pytest.fixture(scope="session")
def valkey_of_session() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture
def valkey(valkey_of_session: Valkey) -> Valkey:
    """A server that is up and empty."""
    valkey_of_session.command("FLUSHALL")
    return valkey_of_session
