import os
import signal
import subprocess
import sys

import msgspec
import pytest
from tests.unit.llm_gateway.simulator.wire import Wire

from llm_gateway.simulator import Ready, SimulatorConfig, SimulatorError, simulator_process


def test_the_child_takes_its_settings_and_ends_with_the_block() -> None:
    with simulator_process(SimulatorConfig(kinds=("grok",), keys={"grok": ("xai-1",)})) as simulator:
        assert [*simulator.urls] == ["grok"]
        assert simulator.pid == simulator.process.pid
        wire = Wire(simulator)
        assert wire.get("grok", "/v1/models", {"authorization": "Bearer xai-1"}).status == 200
        assert wire.get("grok", "/v1/models", {"authorization": "Bearer wrong"}).status == 400
    assert simulator.process.returncode == 0


def test_a_child_that_cannot_start_says_why() -> None:
    taken = SimulatorConfig(kinds=("openai",), host="192.0.2.1")
    with pytest.raises(SimulatorError, match="simulator: "), simulator_process(taken):
        pytest.fail("it must not start on a foreign address")


def test_it_ends_when_standard_input_closes() -> None:
    with simulator_process(SimulatorConfig(kinds=("openai",))) as simulator:
        assert simulator.process.stdin is not None
        simulator.process.stdin.close()
        assert simulator.process.wait(5) == 0


def test_the_command_prints_one_ready_line_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "llm_gateway.simulator", "--kinds", "openai,ollama", "--ports", "openai=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        ready = msgspec.json.decode(child.stdout.readline(), type=Ready)
        assert ({*ready.urls}, ready.pid) == ({"openai", "ollama"}, child.pid)
        os.kill(child.pid, signal.SIGTERM)
        assert (child.stdout.read(), child.wait(5)) == (b"", 0)
