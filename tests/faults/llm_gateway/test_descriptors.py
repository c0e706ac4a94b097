"""No free file descriptors: who is connected is answered or told, nothing crashes or spins, and later all are served."""

import asyncio
import json
import os
import resource
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.processes import GatewayProcess, Gateways, ask

from llm_gateway.simulator import SimulatorProcess

CALLERS = 12
"""Connected from before; more at once than there are connections to providers."""
CROWD = 100
SPARE = 8
"""Descriptors that are free when the crowd comes."""
MOST_LINES = 20
"""Of log while it lasts: the trouble may be told, not each failed attempt's."""
BODY = b'{"prompt": "hello", "provider": "openai"}'


class CallerConnection:
    """One connection that asks again and again."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self) -> tuple[int, str]:
        """The status of an answer, and who gave it or what the error is called."""
        self.writer.write(b"POST /query HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY))
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 30)
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
        answer = json.loads(await self.reader.readexactly(int(length[16:])))
        return int(head[9:12]), answer["provider"] if "provider" in answer else answer["error"]["type"]


async def newcomer(port: int) -> tuple[int, str]:
    """The answer to one who comes again if hung up on: there may be no descriptor yet."""
    while True:
        try:
            answer = await ask(port, prompt="hello", provider="openai")
            return answer.status, answer.json.get("provider", "")
        except OSError:
            await asyncio.sleep(0.05)


async def filled(pid: int, limit: int) -> None:
    """Wait until the process has no descriptor left."""
    while len(os.listdir(f"/proc/{pid}/fd")) < limit:
        await asyncio.sleep(0.01)


async def crowded(gateway: GatewayProcess, simulator: SimulatorProcess) -> None:
    """Fill the gateway with connections, ask on those from before, let the crowd go, and ask again."""
    assert gateway.process is not None
    pid = gateway.process.pid
    connected = [CallerConnection(*await asyncio.open_connection("127.0.0.1", gateway.port)) for _ in range(CALLERS)]
    assert [await each.ask() for each in connected] == [(200, "openai")] * CALLERS
    limit = len(os.listdir(f"/proc/{pid}/fd")) + SPARE
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
    lines_before = len(gateway.log().splitlines())
    with ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
        await asyncio.wait_for(filled(pid, limit), 30)
        await asyncio.to_thread(simulator.set_latency, "lifelike")  # so that they are under way together
        answers = await asyncio.gather(*(each.ask() for each in connected))
        assert {status for status, _ in answers} == {200, 503}, answers
        assert {name for status, name in answers if status == 503} == {"overloaded"}
    await asyncio.to_thread(simulator.set_latency, "none")
    assert await asyncio.wait_for(newcomer(gateway.port), 60) == (200, "openai"), "openai was not to blame"
    assert [await each.ask() for each in connected] == [(200, "openai")] * CALLERS
    assert gateway.process.poll() is None
    trouble = [line for line in gateway.log().splitlines()[lines_before:] if '"event":"call"' not in line]
    assert len(trouble) <= MOST_LINES, trouble
    for each in connected:
        each.writer.close()
        await each.writer.wait_closed()


def test_no_free_descriptors(tmp_path: Path, simulator: SimulatorProcess) -> None:
    if not hasattr(resource, "prlimit"):
        pytest.skip("another process's limits can be set on Linux only")
    limits = {"default": {"burst_limit": 1_000_000, "requests_per_minute": 1_000_000, "requests_per_hour": 1_000_000}}
    settings = {"cache": {"max_size": 0}, "routing": {"health_interval_s": 3600}, "rate_limiting": limits}
    gateway = GatewayProcess(tmp_path, simulator, settings, {})
    with Gateways(gateway):
        asyncio.run(crowded(gateway, simulator))
