"""CPU per request, throughput, added latency and memory of the gateway, beside a plain reverse proxy in the same run.

The gateway (or the proxy) runs alone on one processor; upstream and load share the other. CPU per request is the user
and system time of the whole process tree divided by the requests served: the figure to steer by, as it hardly moves with
the machine's mood. Throughput and latency do, so read their ratios.

Both write a line for every request to a file; with `--no-logs` neither does.

    python -m benchmarks.run [--seconds 5] [--rounds 3] [--no-logs] [--json out.json]
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
RATE = 1000
"""Requests a second, where both are asked as often: what a request costs falls with the load, and nginx's limit is another one."""
PROMPT = "Explain, for an engineer who knows classical circuits, how a quantum computer computes. " * 12
NATIVE = json.dumps({"prompt": PROMPT[:1000], "provider": "openai", "max_tokens": 500})
OPENAI = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": PROMPT[:1000]}], "max_tokens": 500})
OPENAI_STREAM = json.dumps(json.loads(OPENAI) | {"stream": True})


class Figure(NamedTuple):
    """One measurement; CPU in microseconds a request."""

    cpu_us: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failures: int


class Process:
    """A server under measurement, on one processor, with all its children. `log` takes what it says on its error stream."""

    def __init__(self, command: list[str], cpu: int, log: Path = Path(os.devnull)) -> None:
        with log.open("wb") as said:
            self.popen = subprocess.Popen(["taskset", "-c", str(cpu), *command], stdout=subprocess.PIPE, stderr=said, text=True)

    def pids(self) -> list[int]:
        found, waiting = [], [self.popen.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            with contextlib.suppress(OSError):
                for thread in Path(f"/proc/{pid}/task").iterdir():
                    waiting += [int(child) for child in (thread / "children").read_text().split()]
        return found

    def cpu_s(self) -> float:
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        return total / TICKS_PER_S

    def memory_mib(self) -> float:
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids()) * PAGE_BYTES / 2**20

    def stop(self) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(ready: Callable[[], bool], seconds: float) -> float:
    """Seconds until `ready()` was true."""
    started_s = time.perf_counter()
    while not ready():
        if time.perf_counter() - started_s > seconds:
            raise TimeoutError(f"not ready within {seconds} s")
        time.sleep(0.005)
    return time.perf_counter() - started_s


def answers(url: str, body: str | None = None) -> bool:
    request = urllib.request.Request(url, body.encode() if body else None, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return int(response.status) == 200
    except OSError:
        return False


def measure(server: Process, url: str, body: str, seconds: float, connections: int, load_cpu: int, rate: float = 0) -> Figure:
    """What a request costs `server` at `rate` requests a second (0: as many as it answers)."""
    before_s = server.cpu_s()
    command = ["taskset", "-c", str(load_cpu), sys.executable, "-m", "benchmarks.load", url, "--body", body]
    command += ["--connections", str(connections), "--seconds", str(seconds), "--rate", str(rate)]
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if result["failures"]:
        print(f"  {result['failures']} failures, first: {result['failure'][:200]!r}", file=sys.stderr)
    cpu_us = (server.cpu_s() - before_s) / max(1, result["requests"]) * 1e6
    return Figure(cpu_us, result["requests_per_s"], result["p50_ms"], result["p99_ms"], result["failures"])


@contextlib.contextmanager
def upstream(cpu: int) -> Iterator[int]:
    process = Process([sys.executable, "-m", "benchmarks.upstream"], cpu)
    try:
        assert process.popen.stdout is not None
        yield int(process.popen.stdout.readline())
    finally:
        process.stop()


@contextlib.contextmanager
def nginx(upstream_port: int, cpu: int, *, logs: bool) -> Iterator[tuple[Process, str]]:
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        config = Path(folder) / "nginx.conf"
        config.write_text(
            f"""worker_processes 1; daemon off; pid {folder}/pid; error_log /dev/null;
events {{ worker_connections 4096; }}
http {{ access_log {f"{folder}/access.log" if logs else "off"}; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
  fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream up {{ server 127.0.0.1:{upstream_port}; keepalive 128; keepalive_requests 10000000; }}
  server {{ listen 127.0.0.1:{port}; keepalive_requests 10000000; location / {{ proxy_pass http://up; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_buffering off; }} }} }}"""
        )
        process = Process([binary, "-c", str(config)], cpu)
        try:
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            wait_until(lambda: answers(url, OPENAI), 10)
            yield process, url
        finally:
            process.stop()


@contextlib.contextmanager
def gateway(upstream_port: int, cpu: int, *, logs: bool) -> Iterator[tuple[Process, str, float]]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(
            json.dumps(
                {
                    "server": {"port": port, "host": "127.0.0.1", "data_dir": folder, "log_level": "info" if logs else "warning"},
                    "providers": {"openai": {"endpoint": f"http://127.0.0.1:{upstream_port}/v1", "model": "gpt-4o"}},
                    "routing": {"health_interval_s": 3600},
                    "rate_limiting": {
                        "default": {
                            "requests_per_minute": 100_000_000,
                            "requests_per_hour": 1_000_000_000,
                            "tokens_per_minute": 1_000_000_000_000,
                            "burst_limit": 10_000_000,
                        }
                    },
                    "cache": {"max_size": 0},
                }
            )
        )
        process = Process([sys.executable, "-m", "llm_gateway", "serve", "--config", str(config)], cpu, Path(folder) / "log")
        try:
            url = f"http://127.0.0.1:{port}"
            cold_s = wait_until(lambda: answers(url + "/query", NATIVE), 30)
            yield process, url, cold_s
        finally:
            process.stop()


def median(figures: list[Figure]) -> Figure:
    columns = list(zip(*figures, strict=True))
    cpu_us, requests_per_s, p50_ms, p99_ms = (statistics.median(column) for column in columns[:4])
    return Figure(cpu_us, requests_per_s, p50_ms, p99_ms, int(sum(columns[4])))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=8, help="each is compared by itself: many short ones, because machines wander")
    parser.add_argument("--no-logs", dest="logs", action="store_false", help="neither nginx nor the gateway logs requests")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not (shutil.which("nginx") or Path("/usr/sbin/nginx").exists()):
        print("no nginx on this machine: the comparison needs it (apt-get install nginx-light)", file=sys.stderr)
        return 2
    cpus = sorted(os.sched_getaffinity(0))
    own, other = cpus[0], cpus[-1]
    rows: dict[str, list[Figure]] = {}
    with (
        upstream(other) as port,
        nginx(port, own, logs=options.logs) as (proxy, proxy_url),
        gateway(port, own, logs=options.logs) as (process, url, cold_s),
    ):
        idle_mib = process.memory_mib()
        plan = [
            ("nginx, unary", proxy, proxy_url, OPENAI, 64, 0),
            ("gateway /query", process, url + "/query", NATIVE, 64, 0),
            ("nginx, 50-chunk stream", proxy, proxy_url, OPENAI_STREAM, 16, 0),
            ("gateway /stream", process, url + "/stream", NATIVE, 16, 0),
            ("nginx, unary /v1", proxy, proxy_url, OPENAI, 64, 0),
            ("gateway /v1/chat", process, url + "/v1/chat/completions", OPENAI, 64, 0),
            ("nginx, stream /v1", proxy, proxy_url, OPENAI_STREAM, 16, 0),
            ("gateway /v1/chat, stream", process, url + "/v1/chat/completions", OPENAI_STREAM, 16, 0),
            ("nginx, 1 connection", proxy, proxy_url, OPENAI, 1, 0),
            ("gateway, 1 connection", process, url + "/query", NATIVE, 1, 0),
            (f"nginx, {RATE}/s", proxy, proxy_url, OPENAI, 64, RATE),
            (f"gateway /query, {RATE}/s", process, url + "/query", NATIVE, 64, RATE),
        ]
        for _, server, address, body, connections, rate in plan:  # warm-up
            measure(server, address, body, 1.0, connections, other, rate)
        for _ in range(options.rounds):
            for name, server, address, body, connections, rate in plan:
                rows.setdefault(name, []).append(measure(server, address, body, options.seconds, connections, other, rate))
        loaded_mib = process.memory_mib()
    report(rows, idle_mib, loaded_mib, cold_s, options.json)
    return 0


def report(rows: dict[str, list[Figure]], idle_mib: float, loaded_mib: float, cold_s: float, path: Path | None) -> None:
    medians = {name: median(figures) for name, figures in rows.items()}
    print(f"Python {platform.python_version()} ({Path(sys.executable).resolve()})")
    print(f"{'':24} {'CPU us/request':>15} {'requests/s':>11} {'p50 ms':>8} {'p99 ms':>8} {'failures':>9}")
    for name, figure in medians.items():
        print(
            f"{name:24} {figure.cpu_us:15.0f} {figure.requests_per_s:11.0f} {figure.p50_ms:8.2f} {figure.p99_ms:8.2f} {figure.failures:9d}"
        )
    pairs = list(rows.items())
    for (base_name, bases), (name, figures) in zip(pairs[::2], pairs[1::2], strict=True):
        base, figure = medians[base_name], medians[name]
        ratios = sorted(own.cpu_us / others.cpu_us for own, others in zip(figures, bases, strict=True))
        print(
            f"{name}: {statistics.median(ratios):.1f}x nginx's CPU ({ratios[0]:.1f} to {ratios[-1]:.1f} round by round), "
            f"{figure.p50_ms - base.p50_ms:+.2f} ms at p50, {figure.p99_ms - base.p99_ms:+.2f} ms at p99"
        )
    print(f"memory: {idle_mib:.0f} MiB idle, {loaded_mib:.0f} MiB after the load; cold start to first answer {cold_s:.2f} s")
    if path is not None:
        document = {name: figure._asdict() for name, figure in medians.items()}
        path.write_text(json.dumps({"rows": document, "idle_mib": idle_mib, "loaded_mib": loaded_mib, "cold_start_s": cold_s}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
