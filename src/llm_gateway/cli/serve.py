"""`serve` and `check`."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import structlog
from rich.console import Console
from rich.table import Table

from llm_gateway.app import App
from llm_gateway.configuration import Loaded, explain, load
from llm_gateway.gateway import Upstream, upstream
from llm_gateway.server import server

_out = Console()
_LIBRARY_FORMAT = '{"level":"%(levelname)s","logger":"%(name)s","event":"%(message)s"}'


def serve(config: Path | None, flags: Mapping[str, object], environ: Mapping[str, str] | None = None, greeting: str = "") -> None:
    """Run until SIGTERM or Ctrl-C. `flags` are settings from the command line, `environ` stands in for the process's own."""
    environ = os.environ if environ is None else environ

    def read() -> Loaded:
        return load(config, environ, flags)

    loaded = read()
    configure_logs(loaded.settings.server.log_level)
    log = structlog.get_logger("llm_gateway")
    for warning in loaded.warnings:
        log.warning(warning)
    upstreams = [upstream(name, settings) for name, settings in loaded.settings.providers.items()]
    for urgent, line in opening_lines(loaded, upstreams):
        (log.warning if urgent else log.info)(line)
    if greeting:
        sys.stdout.write(greeting)
        sys.stdout.flush()
    server(App(loaded, read), loaded.settings.server).run()


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


def check(config: Path | None, *, as_json: bool) -> None:
    """Print the configuration in force."""
    loaded = load(config, os.environ, {})
    rows = explain(loaded)
    if as_json:
        document = {row.path: {"value": row.value, "origin": row.origin} for row in rows}
        sys.stdout.write(json.dumps({"settings": document, "warnings": loaded.warnings}, indent=2) + "\n")
        return
    table = Table("setting", "value", "from", title="Configuration in force")
    for row in rows:
        table.add_row(row.path, str(row.value), row.origin)
    _out.print(table)
    for name, settings in loaded.settings.providers.items():
        found = upstream(name, settings)
        state = f"configured, {found.destination.security_level} security" if found.provider else f"unconfigured: {found.missing}"
        _out.print(f"provider {name}: {state}", markup=False, highlight=False)
    for warning in loaded.warnings:
        _out.print(f"warning: {warning}", style="yellow", markup=False, highlight=False)


def configure_logs(level: str) -> None:
    """JSON lines on standard error; readable ones where a person looks on."""
    person = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Never the values of local variables: they hold prompts and keys.
    plain = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback) if person else structlog.processors.JSONRenderer()
    )
    if not person:
        shared.append(structlog.processors.ExceptionRenderer(plain))
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format='{"level":"%(levelname)s","logger":"%(name)s","event":"%(message)s"}'
    )
