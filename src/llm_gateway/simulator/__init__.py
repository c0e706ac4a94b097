"""Simulated upstreams: Ollama, OpenAI, Anthropic, Bedrock (proxy and native) and Grok over real TCP.

The independent other side of the wire: it shares no code with what speaks to it. Every answer says that it is
simulated, is the same for the same request, and is counted by one stated token rule (`tokens`). Faults are scripted by
request (`faults`). As a library (`Simulator`), as a child process (`simulator_process`), or from a terminal
(`python -m llm_gateway.simulator`).
"""

from llm_gateway.simulator.config import PROFILES, ConfigurationError, Latency, Scenario, SimulatorConfig, load_scenario
from llm_gateway.simulator.exchange import KINDS, Kind
from llm_gateway.simulator.faults import Drip, Fault, FaultRule, Huge
from llm_gateway.simulator.mind import RecordedReply
from llm_gateway.simulator.process import ControlClient, SimulatorError, SimulatorProcess, simulator_process
from llm_gateway.simulator.server import Ready, Simulator

__all__ = [
    "KINDS",
    "PROFILES",
    "ConfigurationError",
    "ControlClient",
    "Drip",
    "Fault",
    "FaultRule",
    "Huge",
    "Kind",
    "Latency",
    "Ready",
    "RecordedReply",
    "Scenario",
    "Simulator",
    "SimulatorConfig",
    "SimulatorError",
    "SimulatorProcess",
    "load_scenario",
    "simulator_process",
]
