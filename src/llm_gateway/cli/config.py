"""`llm-gateway check` and `llm-gateway config`: what is in force, where it comes from, what a setting means. Needs no running gateway."""

import difflib
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from llm_gateway.cli.outcome import CommandFailed, Exit
from llm_gateway.cli.screen import Listing, Screen
from llm_gateway.cli.serve import Config
from llm_gateway.cli.talking import AsJson, print_json
from llm_gateway.configuration import Loaded, Row, explain, load
from llm_gateway.configuration.loading import DEFAULT_ORIGIN
from llm_gateway.configuration.shape import expected, find
from llm_gateway.gateway import upstream

app = typer.Typer(
    name="config", help="The configuration: what is in force, what a setting means, whether a file is right.", no_args_is_help=True
)
_out = Screen()
_MOST_HINTS: Final = 3


@app.command("show")
def show(
    config: Config = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only what differs from the defaults.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print every setting in force, and where it comes from; secrets are masked."""
    _show(load(config, os.environ, {}), changed=changed, as_json=as_json)


@app.command("check")
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Validate the configuration and print what is in force, and where each value comes from."""
    _show(load(config, os.environ, {}), changed=False, as_json=as_json)


def _show(loaded: Loaded, *, changed: bool, as_json: bool) -> None:
    rows = [row for row in explain(loaded) if not (changed and row.origin.startswith(DEFAULT_ORIGIN))]
    if as_json:
        print_json({"settings": {row.path: {"value": row.value, "origin": row.origin} for row in rows}, "warnings": loaded.warnings})
        return
    title = "Settings that differ from the defaults" if changed else "Configuration in force"
    shown = Listing("setting", "value", "from", wraps={"setting", "value", "from"}, title=title)
    for row in rows:
        shown.add(row.path, str(row.value), row.origin)
    _out.print(shown)
    for name, settings in loaded.settings.providers.items():
        found = upstream(name, settings)
        state = f"configured, {found.destination.security_level} security" if found.provider else f"unconfigured: {found.missing}"
        _out.print(f"provider {name}: {state}")
    _print_warnings(loaded)


def _print_warnings(loaded: Loaded) -> None:
    for warning in loaded.warnings:
        _out.print(f"warning: {warning}", style="yellow")


@app.command("explain")
def explained(
    setting: Annotated[str, typer.Argument(help="Its path, like routing.strategy; a section shows all of its settings.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say what a setting means, what it takes, and what is in force."""
    rows = explain(load(config, os.environ, {}))
    found = [row for row in rows if row.path == setting or row.path.startswith(f"{setting}.")]
    if not found:
        close = difflib.get_close_matches(setting, [row.path for row in rows], _MOST_HINTS, 0.5)
        hint = f"; did you mean {', '.join(close)}?" if close else ": `llm-gateway config show` lists them"
        raise CommandFailed(f"there is no setting {setting!r}{hint}", Exit.USAGE)
    if as_json:
        print_json({row.path: {"value": row.value, "origin": row.origin, **_meaning(row)} for row in found})
        return
    for row in found:
        meaning = _meaning(row)
        _out.print(row.path, style="bold")
        for name, text in (("in force", row.value), ("from", row.origin), ("takes", meaning["takes"]), ("meaning", meaning["meaning"])):
            if text:
                _out.print(f"  {name:<9} {text}")


def _meaning(row: Row) -> dict[str, str]:
    place = find(tuple(row.path.split(".")))
    if place is None:
        return {"takes": "", "meaning": ""}
    return {"takes": expected(place), "meaning": (place.field.description if place.field is not None else None) or ""}


@app.command("validate")
def validate(
    file: Annotated[Path | None, typer.Argument(help="YAML file (else LLM_GATEWAY_CONFIG, else defaults).")] = None, as_json: AsJson = False
) -> None:
    """Check a configuration with the environment as it is. Exit code 0: it is right, 2: it is not, and why."""
    loaded = load(file, os.environ, {})
    usable = [name for name, settings in loaded.settings.providers.items() if upstream(name, settings).provider is not None]
    if as_json:
        print_json({"valid": True, "warnings": loaded.warnings, "providers": usable})
        return
    _print_warnings(loaded)
    sys.stdout.write(f"valid; providers that can be used: {', '.join(usable) or 'none'}\n")
