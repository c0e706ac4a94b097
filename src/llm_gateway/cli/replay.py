"""`llm-gateway replay`: what recorded traffic would have cost, and where it would have gone, under another policy."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.progress import Progress
from sqlalchemy import Connection

from llm_gateway.app import open_store
from llm_gateway.cli.outcome import CommandFailed
from llm_gateway.cli.screen import Listing, Screen
from llm_gateway.configuration import load
from llm_gateway.configuration.yaml_file import parse
from llm_gateway.core.errors import ConfigurationError, InvalidRequest
from llm_gateway.core.settings import Settings
from llm_gateway.ledger.desk import time_us
from llm_gateway.metrics.view import Record, Wanted, read_records
from llm_gateway.replay.deciding import Policy
from llm_gateway.replay.report import Replay, Shown, models_of, replay

app = typer.Typer()
_out = Screen()
_notes = Screen(stderr=True)
_MOVES: Final = ("first choice", "would be", "requests")
MOST_REQUESTS: Final = 200_000
"""Requests that are replayed; of more, the newest."""


@app.command("replay")
def replay_(
    policy: Annotated[
        Path | None, typer.Option("--policy", help="YAML with the sections that differ; default: the policy in force, as a check.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="YAML file (else LLM_GATEWAY_CONFIG, else defaults).")] = None,
    since: Annotated[str, typer.Option(help="From when on: an age like 24h or 7d, a date, or Unix seconds.")] = "7d",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What recorded traffic would have cost, how fast, and where it would have gone, under another policy. Nothing is sent."""
    current = load(config, os.environ, {}).settings
    other = load(config, os.environ, policy_sections(policy)).settings if policy is not None else current
    records = recorded(current, since)
    if not records:
        raise CommandFailed(f"no requests are on record since {since} in the database of this configuration")
    result = replayed(records, other, quiet=as_json)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(result)).decode() + "\n")
    else:
        _print(result)


def policy_sections(path: Path) -> dict[str, object]:
    """The sections of a policy file: a configuration, or any part of one.

    Raises:
        ConfigurationError: it cannot be read, or is no YAML.
    """
    try:
        document = parse(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as failure:
        raise ConfigurationError(f"--policy {path}: the file cannot be read ({type(failure).__name__})") from None
    if document.faults:
        fault = document.faults[0]
        raise ConfigurationError(f"--policy {path}:{fault.line}: {fault.path} {fault.text}")
    return dict(document.values)


def recorded(settings: Settings, since: str) -> list[Record]:
    """What the database of a configuration has on record, oldest first."""
    try:
        since_us = time_us("--since", since, int(time.time() * 1_000_000))
    except InvalidRequest as failure:
        raise ConfigurationError(failure.message) from None

    def work(connection: Connection) -> list[Record]:
        return read_records(connection, Wanted(since_us=since_us), MOST_REQUESTS)[::-1]

    async def read() -> list[Record]:
        return await store.read(work)

    store = open_store(settings)
    try:
        return asyncio.run(read())
    finally:
        store.close()


def replayed(records: list[Record], settings: Settings, *, quiet: bool) -> Replay:
    """The comparison; a progress bar shows on standard error unless `quiet`."""
    policy = Policy(settings, models_of(records))
    with Progress(console=_notes, transient=True, disable=quiet) as progress:
        task = progress.add_task("replaying", total=len(records))
        return asyncio.run(replay(records, policy, lambda: progress.advance(task)))


def _print(result: Replay) -> None:
    same = 100 * result.same / result.decisions if result.decisions else 100.0
    _out.print(
        f"{result.requests} requests on record, {result.decisions} decisions made again: {result.same} ({same:.1f} %) come out the same"
    )
    for why, count in result.not_decided.items():
        _out.print(f"  {count} not decided again: {why}")
    for kind, count in result.refused.items():
        _out.print(f"  {count} would be refused: {kind}")
    figures = ("requests", "cost USD", "mean s", "p50 s", "p95 s")
    answered = Listing("", *figures, "where", wraps={"where"}, figures=figures, title="Answered requests")
    for name, shown in (("as it was", result.answered), ("under the policy", result.would_be)):
        answered.add(name, *_cells(shown))
    _out.print(answered)
    if result.moves:
        moves = Listing(*_MOVES, wraps=_MOVES[:2], figures=_MOVES[2:], title="What moves")
        for move in result.moves:
            moves.add(move.was or "(refused)", move.would_be or "(refused)", str(move.requests))
        _out.print(moves)
    for why, count in result.why.items():
        _out.print(f"  {count} x {why}")
    for note in [*result.notes, *_limits(result)]:
        _out.print(f"note: {note}")


def _limits(result: Replay) -> list[str]:
    notes = []
    if result.would_be.unpriced:
        notes.append(f"{result.would_be.unpriced} requests would go to a model whose price nobody knows: they are in no sum")
    if result.would_be.untimed:
        notes.append(f"{result.would_be.untimed} requests would go to a model that nobody has measured: they are in no time")
    return notes


def _cells(shown: Shown) -> tuple[str, ...]:
    where = ", ".join(f"{name} {count}" for name, count in shown.by_provider.items())
    times = ("" if value is None else f"{value:.3f}" for value in (shown.mean_s, shown.p50_s, shown.p95_s))
    return str(shown.requests), f"{shown.cost_usd:.6f}", *times, where
