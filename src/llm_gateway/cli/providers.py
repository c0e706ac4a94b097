"""`llm-gateway providers`: which providers there are, how they fare, and why one is not chosen."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llm_gateway.cli.talking import DEFAULT_URL, AsJson, Gateway, Key, Url, print_json

app = typer.Typer()
_out = Console()
MARKS = {"available": "[green]●[/] available", "degraded": "[yellow]◐[/] degraded", "unavailable": "[red]○[/] unavailable"}
"""How a state is shown: the shape says what the colour does."""


@app.command()
def providers(
    models: Annotated[bool, typer.Option("--models", help="List the models too, with their prices.")] = False,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show the providers, their state, and what keeps one from being chosen."""
    with Gateway(url, api_key).client() as client:
        found: dict[str, Any] = client.call("GET", "/providers")
        if models:
            found = found | client.call("GET", "/models")
    if as_json:
        print_json(found)
        return
    table = Table("provider", "state", "level", "model", "latency", "errors", "in flight", "USD/1M out", "why not")
    for each in found["providers"]:
        live = each.get("live") or {}
        price = each["cost_per_token"]
        table.add_row(
            Text(each["name"]),
            MARKS.get(each["status"], f"[dim]–[/] {each['status']}"),
            each["security_level"],
            Text(each["model"] or ""),
            _seconds(live.get("total_s") or live.get("first_chunk_s")),
            f"{live['error_rate']:.0%}" if live else "",
            str(live["in_flight"]) if live else "",
            "unknown" if price is None else f"{price * 1e6:.2f}",
            Text(each["reason"]),
        )
    _out.print(table)
    if models:
        _print_models(found["models"])


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def _print_models(models: list[dict[str, Any]]) -> None:
    table = Table("model", "context", "USD/1M in", "USD/1M out")
    for each in models:
        prices = (each["input_usd_per_million_tokens"], each["output_usd_per_million_tokens"])
        money = ("unknown" if price is None else f"{price:.2f}" for price in prices)
        table.add_row(Text(each["id"]), str(each["context_window"] or "unknown"), *money)
    _out.print(table)
