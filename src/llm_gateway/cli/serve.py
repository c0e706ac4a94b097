"""`llm-gateway serve`: the gateway itself. Nothing is imported here that a server does not need."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated

import structlog
import typer

from llm_gateway.app import App
from llm_gateway.configuration import Loaded, load
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.gateway import Upstream, upstream
from llm_gateway.logs import Sink, configure_logs, hide, secrets_of
from llm_gateway.server import server
from llm_gateway.supervisor import Lifeline, Supervisor, listen

app = typer.Typer()

Config = Annotated[Path | None, typer.Option("--config", "-c", help="YAML file (else LLM_GATEWAY_CONFIG, else defaults).")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; more than one needs Redis.")]


@app.command()
def serve(config: Config = None, host: Host = None, port: Port = None, workers: Workers = None) -> None:
    """Run the gateway on the providers that the configuration and the environment name."""
    run_gateway(config, {"server.host": host, "server.port": port, "server.workers": workers})


def run_gateway(config: Path | None, flags: Mapping[str, object], environ: Mapping[str, str] | None = None, greeting: str = "") -> None:
    """Run until SIGTERM or Ctrl-C. `flags` are settings from the command line, `environ` stands in for the process's own."""
    environ = os.environ if environ is None else environ

    def read() -> Loaded:
        return load(config, environ, flags)

    loaded = read()
    hide(secrets_of(loaded.settings))
    sink = configure_logs(loaded.settings.server.log_level)
    log = structlog.get_logger("llm_gateway")
    for warning in loaded.warnings:
        log.warning(warning)
    upstreams = [upstream(name, settings) for name, settings in loaded.settings.providers.items()]
    for urgent, line in opening_lines(loaded, upstreams):
        (log.warning if urgent else log.info)(line)
    if greeting:
        sys.stdout.write(greeting)
        sys.stdout.flush()
    if loaded.settings.server.workers > 1:
        code = _run_workers(loaded, read, sink)
    else:
        running = server(App(loaded, read), loaded.settings.server)
        with sink:
            running.run()
        code = int(not running.started)
    if code:
        raise typer.Exit(code)


def _run_workers(loaded: Loaded, read: Callable[[], Loaded], sink: Sink) -> int:
    """Serve with several processes."""
    settings = loaded.settings.server
    import_module("llm_gateway.api.management")  # one process loads it when it is asked for; what is loaded before the fork is shared
    try:
        listening = listen(settings.host, settings.port)
    except OSError as failure:
        raise ConfigurationError(f"{settings.host}:{settings.port} cannot be listened on ({failure.strerror})") from None

    def work(number: int, sockets: socket.socket, lifeline: Lifeline) -> None:
        structlog.contextvars.bind_contextvars(worker=number)
        app = App(loaded, read)
        running = server(app, settings)

        def orphaned() -> None:
            asyncio.get_running_loop().remove_reader(lifeline.fileno())
            running.should_exit = True

        def started() -> None:
            asyncio.get_running_loop().add_reader(lifeline.fileno(), orphaned)
            lifeline.ready()

        app.on_started = started
        with sink:
            running.run(sockets=[sockets])
        if not running.started:
            sys.exit(1)

    structlog.get_logger("llm_gateway").info("workers are started", workers=settings.workers, port=listening.getsockname()[1])
    return Supervisor(settings.workers, listening, work, drain_s=settings.drain_s).run()


def opening_lines(loaded: Loaded, upstreams: list[Upstream]) -> list[tuple[bool, str]]:
    """What an operator should read at the start, the urgent marked: who is there, what would add whom."""
    settings = loaded.settings
    lines = [(False, f"listening on http://{settings.server.host}:{settings.server.port}")]
    for found in upstreams:
        if found.provider is None:
            lines.append((False, f"provider {found.name}: not configured: {found.missing}"))
            continue
        where = f"{found.settings.model} at {found.destination.origin}"
        lines.append((False, f"provider {found.name}: {where}, {found.destination.security_level} security"))
    return lines
