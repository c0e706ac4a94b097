"""SIGTERM while streams run: nothing new is let in, what runs ends well or in an error event, and the exit code is 0."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support import free_port

from llm_gateway.cli.demo import environ_of
from llm_gateway.simulator import Drip, FaultRule, Latency, SimulatorProcess

STREAMS = 50


@asynccontextmanager
async def gateway_process(folder: Path, simulator: SimulatorProcess, drain_s: float) -> AsyncIterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    config = folder / "config.yaml"
    config.write_text(json.dumps({"server": {"port": port, "host": "127.0.0.1", "data_dir": str(folder), "drain_s": drain_s}}))
    command = [sys.executable, "-m", "llm_gateway", "serve", "--config", str(config)]
    unlimited = dict.fromkeys(("RATE_LIMIT_BURST_LIMIT", "RATE_LIMIT_REQUESTS_PER_MINUTE"), "1000") | {
        "RATE_LIMIT_TOKENS_PER_MINUTE": "10000000"
    }
    environ = {"PATH": "/usr/bin:/bin", **environ_of(simulator.urls), **unlimited}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stderr=log)  # noqa: ASYNC220 - returns at once
    try:
        for _ in range(600):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                break
        yield process, port
    finally:
        process.kill()
        process.wait()


async def open_stream(port: int, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"prompt": "Tell me long story %d", "provider": "openai"}' % number
    writer.write(b"POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await reader.readuntil(b'"finished":false')
    return reader, writer


async def rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def ends(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.wait_for(asyncio.to_thread(process.wait), 20)


async def test_streams_finish_within_the_drain_time(tmp_path: Path, simulator: SimulatorProcess) -> None:
    simulator.set_latency({"openai": Latency(per_chunk_s=0.02)})
    async with gateway_process(tmp_path, simulator, drain_s=15) as (process, port):
        streams = await asyncio.gather(*(open_stream(port, number) for number in range(STREAMS)))
        process.send_signal(signal.SIGTERM)
        rests = await asyncio.gather(*(rest(*stream) for stream in streams))
        assert all(b"data: [DONE]" in end for end in rests)
        assert await ends(process) == 0


async def test_streams_that_take_longer_end_in_an_error_event(tmp_path: Path, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(kind="openai", method="POST", drip=Drip(size_bytes=300, every_s=0.3)))
    async with gateway_process(tmp_path, simulator, drain_s=1) as (process, port):
        streams = await asyncio.gather(*(open_stream(port, number) for number in range(STREAMS)))
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            refused = False
        except OSError:
            refused = True
        rests = await asyncio.gather(*(rest(*stream) for stream in streams))
        assert refused, "a stopping gateway took a new connection"
        assert {b"shutting_down" in end and b"[DONE]" not in end for end in rests} == {True}, set(rests)
        assert await ends(process) == 0
