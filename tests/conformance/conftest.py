"""Two gateways that clients are tried against: one that lets everybody in, and one that refuses in every way there is."""

import gc
import warnings
from collections.abc import Iterator
from os import urandom

import httpx2
import pytest
from tests.support import RunningGateway, running_gateway

from llm_gateway.identity.keys import new_key
from llm_gateway.simulator import FaultRule, SimulatorProcess

PLENTY = {"routing.retry_base_s": 0.01, "cache.max_size": 0, "security.unreadable_parts": "allow"}
SLOW = "slow as slow can be"
"""A prompt with these words is answered late."""
FAILS = "please fail"
"""A prompt with these words makes the provider refuse it."""


class Counted:
    """Counts the requests that an SDK makes, so that its retries show."""

    def __init__(self) -> None:
        self.calls = 0

    def client(self) -> httpx2.Client:
        def count(_: httpx2.Request) -> None:
            self.calls += 1

        return httpx2.Client(event_hooks={"request": [count]}, timeout=30)

    def async_client(self) -> httpx2.AsyncClient:
        async def count(_: httpx2.Request) -> None:
            self.calls += 1

        return httpx2.AsyncClient(event_hooks={"request": [count]}, timeout=30)


class Refusing:
    """A gateway with keys, and what each of them meets."""

    def __init__(self, gateway: RunningGateway, keys: dict[str, str]) -> None:
        self.gateway = gateway
        self.url = gateway.url
        self.good, self.limited, self.broke = keys["good"], keys["limited"], keys["broke"]


@pytest.fixture(scope="module")
def unclosed() -> Iterator[None]:
    """For packages that leave their connections to the garbage collector: it runs here, with nobody complaining."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def open_gateway_of_session(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path_factory.mktemp("open"), simulator_of_session, PLENTY) as running:
        yield running


@pytest.fixture
def open_gateway(open_gateway_of_session: RunningGateway, simulator: SimulatorProcess) -> RunningGateway:
    """Everybody is let in, and pictures may go anywhere."""
    return open_gateway_of_session


@pytest.fixture(scope="session")
def refusing_of_session(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[Refusing]:
    keys = {name: new_key(urandom) for name in ("good", "limited", "broke")}
    settings = {
        **PLENTY,
        "routing.explicit_fallback": False,
        "routing.max_attempts": 1,
        "auth.keys": {
            "good": {"key": keys["good"]},
            "limited": {"key": keys["limited"], "tier": "tight"},
            "broke": {"key": keys["broke"], "budget_usd": 0},
        },
        "rate_limiting.tight.requests_per_minute": 1,
        "rate_limiting.tight.cooldown_seconds": 0,
    }
    with running_gateway(tmp_path_factory.mktemp("refusing"), simulator_of_session, settings) as running:
        yield Refusing(running, keys)


@pytest.fixture
def refusing(refusing_of_session: Refusing, simulator: SimulatorProcess) -> Refusing:
    """Wants keys: one is good, one has its only request of the minute behind it, one has no money."""
    simulator.add_faults(
        FaultRule(method="POST", contains=SLOW, delay_s=5),
        FaultRule(method="POST", contains=FAILS, status=400, message="this cannot be answered"),
    )
    headers = {"authorization": f"Bearer {refusing_of_session.limited}"}
    refusing_of_session.gateway.post("/query", headers, prompt="the only one", provider="ollama")
    return refusing_of_session
