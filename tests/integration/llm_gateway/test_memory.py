"""What a call leaves behind in memory: nothing, without the help of Python's cycle collector.

A call that is part of a reference cycle stays, with its prompt, its answer and all that was made of them, until the collector comes
by. Under load those are thousands of calls: tens of megabytes, no memory that is still in the processor's caches for the next call, and
pauses of tens of milliseconds for everybody when the collector does come.
"""

import gc
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import FaultRule, SimulatorProcess

CALLS = 8
ASKED = {"messages": [{"role": "user", "content": "Tell me of qubits"}], "model": "gpt-4o"}
CASES: dict[str, tuple[str, dict[str, object], int]] = {
    "native": ("/query", {"prompt": "Tell me of qubits"}, 200),
    "native stream": ("/stream", {"prompt": "Tell me of qubits"}, 200),
    "OpenAI": ("/v1/chat/completions", ASKED, 200),
    "OpenAI stream": ("/v1/chat/completions", {**ASKED, "stream": True}, 200),
    "Anthropic": ("/v1/messages", {**ASKED, "max_tokens": 50}, 200),
    "Anthropic stream": ("/v1/messages", {**ASKED, "max_tokens": 50, "stream": True}, 200),
    "Ollama stream": ("/api/chat", {**ASKED, "model": "llama3.2"}, 200),
    "embeddings": ("/embeddings", {"text": "qubits"}, 200),
    "redacted": ("/query", {"prompt": "Call me at +1 415 555 0132 about the qubits"}, 200),
    "bad request": ("/query", {"prompt": 5}, 400),
    "unknown model": ("/query", {"prompt": "Tell me of qubits", "model": "nothing-like-it"}, 404),
}


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path, simulator, {"routing.retry_base_s": 0.01, "cache.max_size": 0}) as running:
        yield running


@contextmanager
def left_behind() -> Iterator[Counter[str]]:
    """What of the gateway's own only the cycle collector found, by class."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        time.sleep(0.1)  # the last call's ends
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        gc.set_debug(0)
        for thing in gc.garbage:
            kind = type(thing)
            if kind.__module__.startswith("llm_gateway."):
                found[f"{kind.__module__}.{kind.__qualname__}"] += 1
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("case", CASES)
def test_a_call_leaves_nothing_for_the_cycle_collector(case: str, gateway: RunningGateway) -> None:
    path, body, status = CASES[case]
    assert gateway.call("POST", path, body).status == status  # what is made once is made
    with left_behind() as found:
        for _ in range(CALLS):
            gateway.call("POST", path, body)
    assert not {kind: number for kind, number in found.items() if number >= CALLS}


@pytest.mark.parametrize(
    "failing", [["openai"], ["openai", "anthropic", "bedrock", "grok", "ollama"]], ids=["one provider", "all providers"]
)
def test_nor_does_one_whose_providers_fail(failing: list[str], gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    for kind in failing:
        simulator.add_faults(FaultRule(kind=kind, method="POST", status=500))
    body = {"prompt": "Tell me of qubits"}
    gateway.call("POST", "/query", body)
    with left_behind() as found:
        for _ in range(CALLS):
            gateway.call("POST", "/query", body)
    assert not {kind: number for kind, number in found.items() if number >= CALLS}


def test_nor_does_one_whose_caller_leaves(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(method="POST", chunk_delay_s=0.2))
    request = b"POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n" + b'{"prompt":"Tell me of qubits"}'

    def leave() -> None:
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as caller:
            caller.sendall(request)
            assert caller.recv(100).startswith(b"HTTP/1.1 200")

    leave()
    with left_behind() as found:
        for _ in range(CALLS):
            leave()
        time.sleep(0.5)
    assert not {kind: number for kind, number in found.items() if number >= CALLS}
