from collections.abc import Iterator

import pytest
from tests.unit.llm_gateway.simulator.wire import Wire

from llm_gateway.simulator import SimulatorProcess, simulator_process


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[SimulatorProcess]:
    with simulator_process() as simulator:
        yield simulator


@pytest.fixture
def wire(running_simulator: SimulatorProcess) -> Iterator[Wire]:
    """A client of a simulator with an empty log, no faults and no delay."""
    running_simulator.clear_log()
    running_simulator.clear_faults()
    running_simulator.set_latency("none")
    running_simulator.set_replies([])
    yield Wire(running_simulator)
    running_simulator.clear_faults()
