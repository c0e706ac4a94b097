"""`python -m llm_gateway.simulator`: the simulated upstreams as one process, a port for each kind."""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from llm_gateway.simulator.config import ConfigurationError, SimulatorConfig, latency_of, load_scenario
from llm_gateway.simulator.exchange import KINDS, Kind
from llm_gateway.simulator.server import Ready, Simulator

try:
    from uvloop import Loop as EventLoop
except ImportError:
    from asyncio import SelectorEventLoop as EventLoop  # type: ignore[assignment] # either serves


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m llm_gateway.simulator", description="Simulated Ollama, OpenAI, Anthropic, Bedrock and Grok."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--ports", default="", help="ports by kind, like ollama=11434,openai=0; 0 or absent takes a free one")
    parser.add_argument("--kinds", default="", help=f"only these kinds, of {','.join(KINDS)}")
    parser.add_argument("--control-port", type=int, default=0, help="port of the control API (default: a free one)")
    parser.add_argument(
        "--scenario", type=Path, action="append", default=[], help="file with faults, latency, replies, keys (YAML or JSON); may repeat"
    )
    parser.add_argument("--latency", default="none", help="none or lifelike (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of jitter and of faults by chance")
    parser.add_argument(
        "--key", action="append", default=[], metavar="KIND=KEY", help="a key that the kind accepts; without any it takes all"
    )
    parser.add_argument("--log-entries", type=int, default=100_000, help="most requests kept in the log; 0 keeps none")
    parser.add_argument(
        "--from-stdin", action="store_true", help="read the settings as one line of JSON from standard input, and end when it closes"
    )
    return parser


def _kind(name: str, option: str) -> Kind:
    for kind in KINDS:
        if kind == name:
            return kind
    raise ConfigurationError(f"{option}: expected one of {', '.join(KINDS)}, got {name!r}")


def config_from(arguments: argparse.Namespace) -> SimulatorConfig:
    """The settings that the command line asks for. Raises `ConfigurationError` naming the option."""
    config = SimulatorConfig(
        host=arguments.host, control_port=arguments.control_port, seed=arguments.seed, log_entries=arguments.log_entries
    )
    config.latency = latency_of(arguments.latency)
    for pair in filter(None, arguments.ports.split(",")):
        name, _, port = pair.partition("=")
        if not port.isdigit() or int(port) > 65_535:
            raise ConfigurationError(f"--ports: expected KIND=PORT, got {pair!r}")
        config.ports[_kind(name.strip(), "--ports")] = int(port)
    if arguments.kinds:
        config.kinds = tuple(_kind(name.strip(), "--kinds") for name in arguments.kinds.split(","))
    for pair in arguments.key:
        name, _, key = pair.partition("=")
        kind = _kind(name, "--key")
        config.keys[kind] = (*config.keys.get(kind, ()), key)
    for path in arguments.scenario:
        config = config.with_scenario(load_scenario(path))
    return config


def _config_from_stdin() -> SimulatorConfig:
    return msgspec.json.decode(sys.stdin.buffer.readline(), type=SimulatorConfig)


async def _serve(config: SimulatorConfig, until_stdin_ends: bool) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    if until_stdin_ends:
        await loop.connect_read_pipe(lambda: _UntilClosed(ended), sys.stdin)
    async with Simulator(config) as simulator:
        ready = Ready(simulator.urls, simulator.control_url, os.getpid())
        sys.stdout.write(msgspec.json.encode(ready).decode() + "\n")
        sys.stdout.flush()
        gc.collect()
        gc.freeze()
        await ended.wait()


class _UntilClosed(asyncio.Protocol):
    """Notes the end of standard input."""

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()


def main(arguments_given: Sequence[str] | None = None) -> int:
    """Runs until SIGINT, SIGTERM, or (with --from-stdin) the end of standard input. 2 on wrong settings."""
    arguments = _parser().parse_args(arguments_given)
    try:
        config = _config_from_stdin() if arguments.from_stdin else config_from(arguments)
        with asyncio.Runner(loop_factory=EventLoop) as runner:
            runner.run(_serve(config, arguments.from_stdin))
    except (ConfigurationError, msgspec.DecodeError, OSError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
