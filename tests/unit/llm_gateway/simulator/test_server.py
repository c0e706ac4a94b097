"""The simulator inside the test's own event loop, and its ports closing and opening."""

import asyncio
import json
import socket
from urllib.parse import urlsplit

import pytest

from llm_gateway.simulator import ConfigurationError, FaultRule, Kind, Latency, Simulator, SimulatorConfig

_BODY = json.dumps({"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()
_REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: s\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(_BODY) + _BODY


def _port(simulator: Simulator, kind: Kind) -> int:
    port = urlsplit(simulator.urls[kind]).port
    assert port is not None
    return port


async def _open(simulator: Simulator, kind: Kind = "openai") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", _port(simulator, kind))


async def _ask(simulator: Simulator, kind: Kind = "openai") -> bytes:
    reader, writer = await _open(simulator, kind)
    writer.write(_REQUEST)
    data = await reader.read()
    writer.close()
    await writer.wait_closed()
    return data


async def test_urls_have_the_form_that_the_vendors_sdk_takes() -> None:
    async with Simulator() as simulator:
        paths = {kind: urlsplit(url).path for kind, url in simulator.urls.items()}
        ports = {urlsplit(url).port for url in (*simulator.urls.values(), simulator.control_url)}
    assert paths == {"ollama": "", "openai": "/v1", "anthropic": "", "bedrock": "/invoke", "bedrock_native": "", "grok": "/v1"}
    assert len(ports) == 7
    assert 0 not in ports


async def test_it_answers_logs_and_charges() -> None:
    async with Simulator(SimulatorConfig(kinds=("openai",))) as simulator:
        assert (await _ask(simulator)).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        (entry,) = simulator.log("openai")
        assert (entry.outcome, entry.status, simulator.totals("openai")["gpt-4o"].requests) == ("answered", 200, 1)
        simulator.clear_log()
        assert (simulator.log(), simulator.totals("openai")) == ([], {})


async def test_a_closed_kind_refuses_and_comes_back_on_the_same_port_while_others_go_on() -> None:
    async with Simulator() as simulator:
        port = _port(simulator, "openai")
        for _ in range(3):
            simulator.stop("openai")
            assert simulator.running == [kind for kind in simulator.config.kinds if kind != "openai"]
            with pytest.raises(ConnectionRefusedError):
                await _open(simulator)
            assert b"HTTP/1.1 200" in await _ask(simulator, "grok")
            simulator.start("openai")
            assert _port(simulator, "openai") == port
            assert b"HTTP/1.1 200" in await _ask(simulator)


async def test_opening_right_after_closing_works_within_one_turn_of_the_loop() -> None:
    async with Simulator() as simulator:
        simulator.stop("openai")
        simulator.start("openai")
        simulator.stop("openai")
        simulator.start("openai")
        assert b"HTTP/1.1 200" in await _ask(simulator)


async def test_closing_cuts_running_streams() -> None:
    async with Simulator(SimulatorConfig(latency={"openai": Latency(per_chunk_s=5)})) as simulator:
        reader, writer = await _open(simulator)
        writer.write(_REQUEST)
        await reader.readuntil(b"data: ")
        simulator.stop("openai")
        try:
            rest = await reader.read()
        except ConnectionResetError:
            rest = b""
        writer.close()
        assert b"[DONE]" not in rest
        assert simulator.log()[0].outcome == "stopped"


async def test_a_black_hole_answers_no_attempt_to_connect() -> None:
    async with Simulator() as simulator:
        simulator.stop("openai", "blackhole")
        assert "openai" not in simulator.running
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_open(simulator), 0.3)
        simulator.start("openai")
        assert b"HTTP/1.1 200" in await _ask(simulator)


async def test_a_port_that_somebody_has_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        simulator = Simulator(SimulatorConfig(kinds=("openai",), ports={"openai": taken.getsockname()[1]}))
        with pytest.raises(OSError, match="in use"):
            await simulator.__aenter__()


async def test_faults_from_code() -> None:
    async with Simulator(SimulatorConfig(faults=(FaultRule(kind="grok", status=503),))) as simulator:
        assert b"HTTP/1.1 503" in await _ask(simulator, "grok")
        simulator.clear_faults()
        simulator.add_faults(FaultRule(kind="openai", status=529))
        assert b"HTTP/1.1 200" in await _ask(simulator, "grok")
        assert b"HTTP/1.1 529 Overloaded" in await _ask(simulator)


async def test_unknown_kinds_are_named() -> None:
    async with Simulator() as simulator:
        with pytest.raises(ConfigurationError, match="bard"):
            simulator.stop("bard")
