"""Nobody reads the gateway's log any more: the pipe is full, and every call is answered all the same."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.processes import GatewayProcess, ask

from llm_gateway.simulator import SimulatorProcess

CALLS = 300


def test_every_call_is_answered(tmp_path: Path, simulator: SimulatorProcess) -> None:
    made = GatewayProcess(
        tmp_path,
        simulator,
        {"cache": {"max_size": 0}, "rate_limiting": {"default": {"requests_per_minute": 10_000, "burst_limit": 10_000}}},
        {},
    )
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    made.process = subprocess.Popen(
        [sys.executable, "-m", "llm_gateway", "serve", "--config", str(made.config)], env=made._environ, stdout=writing, stderr=writing
    )
    os.close(writing)

    async def calls() -> list[int]:
        replies = []
        for number in range(CALLS):
            replies.append(await ask(made.port, prompt=f"hello {number}", max_tokens=5, provider="openai", user_id="u"))
        return [reply.status for reply in replies]

    try:
        (tmp_path / "log").touch()
        made.wait()
        assert asyncio.run(calls()) == [200] * CALLS
        made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(30) == 0
    finally:
        if made.process.poll() is None:
            made.kill()
        os.close(reading)
