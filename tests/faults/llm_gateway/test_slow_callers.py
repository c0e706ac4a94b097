"""Callers who send slowly, or not at all, are cut off; others do not notice."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import SimulatorProcess

SLOW = 200


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path, simulator, {"server.header_timeout_s": 0.5, "server.body_timeout_s": 0.5}) as running:
        yield running


async def drip(port: int, head: bytes) -> bytes:
    """Send `head`, then a byte now and then, until the server hangs up; what it said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head)
        while True:
            try:
                return await asyncio.wait_for(reader.read(), 0.1)
            except TimeoutError:
                writer.write(b"a")
            except ConnectionError:
                return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "head", [b"POST /query HTTP/1.1\r\nHost: x\r\nX-A: ", b"POST /query HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"]
)
async def test_a_request_must_arrive_in_time(gateway: RunningGateway, head: bytes) -> None:
    answers = await asyncio.wait_for(asyncio.gather(*(drip(gateway.port, head) for _ in range(SLOW))), 20)
    # A byte that crosses the hanging up resets the connection, and with it the answer: nothing is read then.
    assert {answer[:12] for answer in answers} - {b""} == {b"HTTP/1.1 408"}
    assert (await asyncio.to_thread(gateway.post, "/query", prompt="hello")).status == 200


async def test_a_slow_answer_is_no_slow_request(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.set_latency("lifelike")
    answer = await asyncio.to_thread(gateway.post, "/query", prompt="hello", provider="openai")
    assert answer.status == 200


async def test_an_idle_connection_may_send_its_next_request(gateway: RunningGateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    writer.write(request)
    assert b"200 OK" in await reader.readuntil(b"}")
    await asyncio.sleep(0.8)  # longer than a request may take to arrive, shorter than an idle connection is kept
    writer.write(request)
    assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"}"), 5)
    writer.close()
