"""Many streams at once: memory a stream, and what a new call takes meanwhile.

The simulator's openai sends each stream a chunk now and then, and callers hold all of them open; calls go to its anthropic,
which answers at once. Memory is the gateway's resident set, before and with them.

    python -m benchmarks.streams [--streams 9000] [--calls 200]
"""

import argparse
import asyncio
import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from benchmarks.run import Process, answers, free_port, wait_until
from llm_gateway.simulator import SimulatorConfig, SimulatorProcess, simulator_process
from llm_gateway.simulator.config import Latency

SECONDS_PER_CHUNK = 10.0
ASKED_AT_ONCE = 100
DESCRIPTORS_PER_STREAM = 2
"""Of the gateway: the caller's connection and the provider's."""
SPARE_DESCRIPTORS = 500
PLENTY = 1_000_000_000


def settings(folder: str, port: int, simulator: SimulatorProcess, streams: int) -> dict[str, object]:
    limits = ("requests_per_minute", "requests_per_hour", "tokens_per_minute", "burst_limit")
    return {
        "server": {"port": port, "host": "127.0.0.1", "data_dir": folder},
        "providers": {
            "openai": {"endpoint": simulator.urls["openai"], "api_key": "simulated", "max_concurrency": streams},
            "anthropic": {"endpoint": simulator.urls["anthropic"], "api_key": "simulated"},
        },
        "routing": {"health_interval_s": 3600},
        "rate_limiting": {"default": dict.fromkeys(limits, PLENTY)},
        "cache": {"max_size": 0},
    }


async def asked(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"prompt": "Tell a long story. " * 10, "provider": "openai"}).encode()
    head = b"POST /stream HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    writer.write(head % len(body) + body)
    return reader, writer


async def begun(reader: asyncio.StreamReader) -> None:
    """Wait for a stream's first chunk."""
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"a stream was refused: {head + await reader.read(500)!r}")
    await reader.readuntil(b"data: ")


async def call(port: int) -> float:
    """Milliseconds that a call to `/query` took."""
    started_s = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"prompt": "What is a qubit?", "provider": "anthropic"}'
    writer.write(b"POST /query HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    if not (await reader.read()).startswith(b"HTTP/1.1 200"):
        raise RuntimeError("a call failed")
    writer.close()
    return (time.perf_counter() - started_s) * 1e3


async def measure(port: int, gateway: Process, streams: int, calls: int) -> None:
    alone_ms = [await call(port) for _ in range(calls)]
    before_mib = gateway.memory_mib()
    held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    started_s = time.perf_counter()
    while len(held) < streams:
        held += await asyncio.gather(*(asked(port) for _ in range(min(ASKED_AT_ONCE, streams - len(held)))))
    await asyncio.gather(*(begun(reader) for reader, _ in held))
    took_s = time.perf_counter() - started_s
    with_mib = gateway.memory_mib()
    among_ms = [await call(port) for _ in range(calls)]
    print(f"{streams} streams, all begun within {took_s:.1f} s, a chunk every {SECONDS_PER_CHUNK:.0f} s")
    print(f"memory: {before_mib:.0f} MiB before, {with_mib:.0f} MiB with them: {(with_mib - before_mib) * 1024 / streams:.1f} KiB a stream")
    for name, taken_ms in (("alone", alone_ms), ("among them", among_ms)):
        print(f"a call {name}: p50 {statistics.median(taken_ms):.1f} ms, p99 {statistics.quantiles(taken_ms, n=100)[98]:.1f} ms")
    for _, writer in held:
        writer.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=9000)
    parser.add_argument("--calls", type=int, default=200)
    options = parser.parse_args()
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = options.streams * DESCRIPTORS_PER_STREAM + SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and hard < needed:
        print(
            f"{options.streams} streams need {needed} file descriptors, this machine allows {hard}: raise it (ulimit -Hn) or ask for fewer",
            file=sys.stderr,
        )
        return 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, needed), hard))
    upstream = SimulatorConfig(kinds=("openai", "anthropic"), latency={"openai": Latency(0, SECONDS_PER_CHUNK, 0.5)}, log_entries=0)
    with (
        simulator_process(upstream) as simulator,
        tempfile.TemporaryDirectory() as folder,
    ):
        port = free_port()
        config = Path(folder) / "config.yaml"
        config.write_text(json.dumps(settings(folder, port, simulator, options.streams)))
        gateway = Process([sys.executable, "-m", "llm_gateway", "serve", "--config", str(config)], 0)
        try:
            wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), 60)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(measure(port, gateway, options.streams, options.calls))
        finally:
            gateway.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
