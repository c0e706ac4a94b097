"""Fixtures that every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.postgres import empty, fresh_database, server

from llm_gateway.simulator import SimulatorProcess, simulator_process

for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(name, None)  # what the terminal is that tests are started from must not matter to them

# Two shared cores: a slow machine is no finding.
settings.register_profile("default", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", deadline=None, max_examples=5000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def simulator_of_session() -> Iterator[SimulatorProcess]:
    with simulator_process() as simulator:
        yield simulator


@pytest.fixture
def simulator(simulator_of_session: SimulatorProcess) -> Iterator[SimulatorProcess]:
    """The five upstreams as a process of their own; log, faults and pace are fresh for each test."""
    simulator_of_session.clear_log()
    yield simulator_of_session
    simulator_of_session.clear_faults()
    simulator_of_session.set_latency("none")
    simulator_of_session.set_replies([])
    for kind in set(simulator_of_session.urls) - set(simulator_of_session.running()):
        simulator_of_session.start(kind)


@pytest.fixture(scope="session")
def postgres_of_session() -> Iterator[str]:
    """The URL of a PostgreSQL server, with a database `gateway_template` that has the schema."""
    with server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_database(postgres_of_session: str) -> Iterator[str]:
    with fresh_database(postgres_of_session, template="gateway_template") as url:
        yield url


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """A PostgreSQL database with the schema and nothing in it."""
    empty(postgres_database)
    return postgres_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the test's own with the schema, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gateway.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
