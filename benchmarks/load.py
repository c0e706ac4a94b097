"""A closed-loop load generator: so many connections, each sending its next request when the last answer is whole, or, at a rate that is
asked for, when its turn has come too.

`python -m benchmarks.load URL --body JSON ...` prints one JSON line: requests, errors, seconds, latency percentiles.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from functools import partial
from urllib.parse import urlsplit

import uvloop


class Turns:
    """When requests are sent: at `rate` a second (0: as soon as may be) until `stop_s`."""

    def __init__(self, rate: float, started_s: float, stop_s: float) -> None:
        self.stop_s = stop_s
        self._interval_s = 1 / rate if rate else 0.0
        self._next_s = started_s

    def next_s(self) -> float:
        """The next turn; it is taken."""
        turn_s = self._next_s
        self._next_s += self._interval_s
        return turn_s


class Caller(asyncio.Protocol):
    """One keep-alive connection. Knows only as much HTTP as telling where an answer ends."""

    def __init__(self, request: bytes, turns: "Turns", done: "asyncio.Future[None]", latencies_s: list[float], failures: list[str]) -> None:
        self.request = request
        self.turns = turns
        self.stop_s = turns.stop_s
        self.done = done
        self.latencies_s = latencies_s
        self.failures = failures
        self.held = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is one
        self.transport = transport
        self._send_in_turn()

    def _send_in_turn(self) -> None:
        wait_s = self.turns.next_s() - time.perf_counter()
        if wait_s > 0:
            asyncio.get_running_loop().call_later(wait_s, self._send)
        else:
            self._send()

    def _send(self) -> None:
        self.sent_s = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.held = self.held + data if self.held else data
        end = _end(self.held)
        if end is None:
            return
        now_s = time.perf_counter()
        if self.held.startswith(b"HTTP/1.1 200"):
            self.latencies_s.append(now_s - self.sent_s)
        else:
            self.failures.append(self.held[:300].decode("latin-1"))
        self.held = b""
        if now_s < self.stop_s and len(self.failures) < 100:
            self._send_in_turn()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if time.perf_counter() < self.stop_s and len(self.failures) < 100:
            self.failures.append(f"connection lost: {exc}")
        if not self.done.done():
            self.done.set_result(None)


def _end(held: bytes) -> int | None:
    head = held.find(b"\r\n\r\n")
    if head < 0:
        return None
    lines = held[:head].lower()
    at = lines.find(b"content-length: ")
    if at >= 0:
        end = head + 4 + int(lines[at + 16 :].split(b"\r\n", 1)[0])
        return end if len(held) >= end else None
    return len(held) if held.endswith(b"0\r\n\r\n") else None


def _same(caller: Caller) -> Caller:
    return caller


async def run(url: str, body: bytes, connections: int, seconds: float, rate: float, headers: dict[str, str]) -> dict[str, object]:
    """Load `url` for `seconds`, at `rate` requests a second (0: as fast as it answers)."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    request = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items())]).encode() + b"\r\n\r\n" + body
    loop = asyncio.get_running_loop()
    latencies_s: list[float] = []
    failures: list[str] = []
    started_s = time.perf_counter()
    turns = Turns(rate, started_s, started_s + seconds)
    dones = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        caller = Caller(request, turns, done, latencies_s, failures)
        await loop.create_connection(partial(_same, caller), parts.hostname or "", parts.port or 80)
        dones.append(done)
    await asyncio.gather(*dones)
    elapsed_s = time.perf_counter() - started_s
    cuts = statistics.quantiles(latencies_s, n=100) if len(latencies_s) > 1 else [float("nan")] * 99
    return {
        "requests": len(latencies_s),
        "failures": len(failures),
        "failure": failures[0] if failures else "",
        "seconds": elapsed_s,
        "requests_per_s": len(latencies_s) / elapsed_s,
        "p50_ms": cuts[49] * 1000,
        "p99_ms": cuts[98] * 1000,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--body", required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--header", action="append", default=[])
    options = parser.parse_args()
    named = dict(pair.split(":", 1) for pair in options.header)
    json.dump(uvloop.run(run(options.url, options.body.encode(), options.connections, options.seconds, options.rate, named)), sys.stdout)
