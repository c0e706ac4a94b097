"""`llm-gateway audit`: verify, list and report from a file, without a running gateway."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from llm_gateway.audit.chain import AuditKey
from llm_gateway.audit.content import fingerprint_of
from llm_gateway.audit.content import opened as opened_content
from llm_gateway.audit.export import csv_header, csv_line
from llm_gateway.audit.keys import KEY_FILE, read_key
from llm_gateway.audit.offline import opened
from llm_gateway.audit.report import Report, month_filters, report
from llm_gateway.audit.rows import Row
from llm_gateway.audit.search import Filters, document, microseconds
from llm_gateway.audit.verification import Verdict
from llm_gateway.cli.outcome import CommandFailed
from llm_gateway.cli.screen import Listing, Screen
from llm_gateway.core.errors import ConfigurationError, InvalidRequest, NotFound
from llm_gateway.core.sealing import CannotOpen
from llm_gateway.identity.sealing import sealer

_out = Screen()
_notes = Screen(stderr=True)
_encode = msgspec.json.Encoder(decimal_format="string").encode
T = TypeVar("T")
KEY_VARIABLE = "AUDIT_KEY"

app = typer.Typer(name="audit", help="The audit trail: verify, list, report. Reads a file; nothing is written.", no_args_is_help=True)

File = Annotated[Path, typer.Option("--file", "-f", help="The SQLite file, or a JSON Lines export.")]
KeyFile = Annotated[Path | None, typer.Option("--key-file", help=f"The key (else {KEY_VARIABLE}, else {KEY_FILE} beside the file).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_FILE = Path("data/gateway.sqlite3")


@app.command()
def verify(file: File = DEFAULT_FILE, key_file: KeyFile = None, as_json: AsJson = False) -> None:
    """Check every row and name the first broken one. Exit code 0: intact, 1: it is not, 2: it could not be checked."""
    key = _key(file, key_file)
    columns = (SpinnerColumn(), TextColumn("verifying"), TimeElapsedColumn())
    with Progress(*columns, console=_notes, transient=True) as progress, opened(file) as trail:
        progress.add_task("", total=None)
        verdict = trail.verify(key)
    if as_json:
        sys.stdout.write(msgspec.json.format(_encode(verdict)).decode() + "\n")
    else:
        _tell(verdict)
    if not verdict.intact:
        raise typer.Exit(1)


def _key(file: Path, key_file: Path | None) -> AuditKey:
    if key_file is None and (secret := os.environ.get(KEY_VARIABLE, "").strip()):
        return AuditKey.of_text(secret)
    path = key_file or file.with_name(KEY_FILE)
    try:
        return read_key(path)
    except OSError as failure:
        hint = "name it with --key-file" if key_file is None else "--key-file must name the key of this trail"
        raise ConfigurationError(f"{path}: the audit key cannot be read ({failure.strerror}); {hint}") from None


def _checked(make: Callable[[], T]) -> T:
    """What a command line's options make; a wrong one is a matter of usage."""
    try:
        return make()
    except InvalidRequest as failure:
        raise ConfigurationError(f"--{failure.message}") from None


def _tell(verdict: Verdict) -> None:
    figures = ("rows", "from", "to", "open calls")
    chains = Listing("chain", "state", *figures, "verdict", wraps={"verdict"}, figures=figures)
    for chain in verdict.chains:
        said = "intact" if chain.problem is None else f"BROKEN: {chain.problem.what}"
        numbers = ("" if number is None else str(number) for number in (chain.rows, chain.first, chain.last))
        chains.add(chain.chain, chain.state, *numbers, str(chain.open_calls), said)
    _out.print(chains)
    for problem in verdict.problems:
        _out.print(f"broken: {problem}")
    if verdict.partial:
        _out.print("this is an extract: rows that are missing between these cannot be told")
    _out.print(f"{verdict.rows} rows, {'intact' if verdict.intact else 'NOT intact'}")


@app.command("report")
def report_(
    month: Annotated[str, typer.Option(help="A month like 2026-11 (UTC).")], file: File = DEFAULT_FILE, as_json: AsJson = False
) -> None:
    """A month on one page: calls and what came of them, where sensitive content went, tokens, cost, gaps."""
    filters = _checked(lambda: month_filters(month))
    with opened(file) as trail:
        sums = report(month, trail.rows(filters))
    if as_json:
        sys.stdout.write(msgspec.json.format(_encode(sums)).decode() + "\n")
    else:
        _print_report(sums)


def _print_report(sums: Report) -> None:
    _out.print(f"Audit report {sums.month} (UTC)")
    _out.print(f"calls: {sums.calls}  ({_counted(sums.outcomes)})")
    _out.print(f"errors: {_counted(sums.errors)}")
    _out.print(f"sensitive calls: {sums.sensitive_calls}  ({_counted(sums.kinds)})")
    _out.print(f"attempts with sensitive content, by security level: {_counted(sums.sensitive_attempts_by_level)}")
    _out.print(f"tokens: {sums.tokens}   cost: ${sums.cost_usd:f}   answers without a known price: {sums.unpriced}")
    _out.print(f"policy versions: {_counted(sums.policies)}   administrators' acts: {sums.admin_acts}")
    _out.print(f"turned away while nothing could be written: {sums.turned_away}   rows lost: {sums.rows_lost}")
    if sums.unreadable:
        _out.print(f"unreadable rows: {sums.unreadable}: run `llm-gateway audit verify`")
    figures = ("attempts", "failed", "sensitive", "tokens", "cost USD")
    providers = Listing("provider", "levels", *figures, wraps={"provider", "levels"}, figures=figures, title="Providers")
    for name, each in sorted(sums.providers.items()):
        numbers = (str(number) for number in (each.attempts, each.failed, each.sensitive, each.tokens))
        providers.add(name, ", ".join(sorted(each.levels)), *numbers, f"{each.cost_usd:f}")
    _out.print(providers)
    callers = Listing("caller", "calls", wraps={"caller"}, figures={"calls"}, title="Callers")
    for name, calls in sums.callers.most_common(20):
        callers.add(name, str(calls))
    _out.print(callers)


def _counted(counts: "dict[str, int]") -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1])) or "none"


@app.command("list")
def list_(
    file: File = DEFAULT_FILE,
    since: Annotated[str | None, typer.Option(help="Unix seconds or ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option(help="Unix seconds or ISO 8601.")] = None,
    kind: Annotated[str | None, typer.Option(help="Rows of this kind: intent, outcome, admin, ...")] = None,
    caller: Annotated[str | None, typer.Option(help="Rows of this caller.")] = None,
    provider: Annotated[str | None, typer.Option(help="Rows about this provider.")] = None,
    sensitive: Annotated[
        bool | None, typer.Option("--sensitive/--not-sensitive", help="Rows of calls with, or without, sensitive content.")
    ] = None,
    outcome: Annotated[str | None, typer.Option(help="Rows with this outcome: ok, error, aborted, blocked, recovered.")] = None,
    correlation_id: Annotated[str | None, typer.Option(help="Rows of this call.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    output: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
    as_json: AsJson = False,
) -> None:
    """The newest rows that match, oldest of them first."""
    filters = _checked(
        lambda: Filters(
            since_us=microseconds("since", since),
            until_us=microseconds("until", until),
            kind=kind,
            caller=caller,
            provider=provider,
            sensitive=sensitive,
            outcome=outcome,
            correlation_id=correlation_id,
        )
    )
    output = "json" if as_json else output
    if output not in {"table", "json", "csv"}:
        raise ConfigurationError("--format: expected table, json or csv")
    with opened(file) as trail:
        rows = trail.newest(filters, limit)[::-1]
    match output:
        case "json":
            sys.stdout.write("".join(_encode(document(row)).decode() + "\n" for row in rows))
        case "csv":
            sys.stdout.write(csv_header().decode() + "".join(csv_line(row).decode() for row in rows))
        case _:
            _print_rows(rows)


def _print_rows(rows: list[Row]) -> None:
    listed = Listing(
        "time (UTC)", "kind", "outcome", "sensitive", "caller", "provider", "correlation id", "row", wraps={"time (UTC)", "caller", "row"}
    )
    for row in rows:
        listed.add(*_cells(document(row)))
    _out.print(listed)


def _cells(shown: dict[str, Any]) -> tuple[str, ...]:
    if "damaged" in shown:
        return ("", "damaged", "", "", "", "", "", f"{shown['chain']}/{shown['seq']}")
    at = datetime.fromtimestamp(shown["at"], UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return (
        at, shown["kind"], shown["outcome"], "yes" if shown["sensitive"] else "", shown["caller"], shown["provider"],
        shown["correlation_id"], f"{shown['chain']}/{shown['seq']}",
    )  # fmt: skip


@app.command()
def digest(file: File = DEFAULT_FILE, key_file: KeyFile = None) -> None:
    """The digest that rows show of an answer, read from standard input byte for byte: `detail.answer` of its outcome."""
    _out.print(_key(file, key_file).content_digest(fingerprint_of(sys.stdin.buffer.read().decode("utf-8", "surrogateescape"))))


@app.command()
def content(correlation_id: str, file: File = DEFAULT_FILE) -> None:
    """Question and answer of a call as JSON, where audit.store_content kept them; needs storage.key or STORAGE_ENCRYPTION_KEY."""
    seals = sealer(os.environ.get("STORAGE_ENCRYPTION_KEY", "").strip(), file.parent, make=False)
    with opened(file) as trail:
        rows = trail.newest(_checked(lambda: Filters(kind="outcome", correlation_id=correlation_id)), 1)
    if not rows:
        raise CommandFailed(f"{file} has no outcome of a call {correlation_id}")
    try:
        said = opened_content(msgspec.json.decode(rows[0].detail).get("content", ""), correlation_id, seals)
    except (NotFound, CannotOpen) as failure:
        raise CommandFailed(failure.message) from None
    sys.stdout.write(msgspec.json.format(said).decode() + "\n")
