"""`llm-gateway providers`: which providers there are, how they fare, and why one is not chosen."""

from typing import Annotated, Any

import typer

from llm_gateway.cli.screen import Listing, Screen, mark, reasons
from llm_gateway.cli.talking import DEFAULT_URL, AsJson, Gateway, Key, Url, print_json

app = typer.Typer()
_out = Screen()


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
    shown = Listing(
        "provider",
        "state",
        "level",
        "model",
        "latency",
        "errors",
        "USD/1M out",
        wraps={"model"},
        figures={"latency", "errors", "USD/1M out"},
    )
    for each in found["providers"]:
        live = each.get("live") or {}
        price = each["cost_per_token"]
        shown.add(
            each["name"],
            mark(each["status"]),
            each["security_level"],
            each["model"] or "",
            _seconds(live.get("total_s") or live.get("first_chunk_s")),
            f"{live['error_rate']:.0%}" if live else "",
            "unknown" if price is None else f"{price * 1e6:.2f}",
        )
    _out.print(shown, *reasons(found["providers"], "name", "reason"), sep="\n")
    if models:
        _print_models(found["models"])


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def _print_models(models: list[dict[str, Any]]) -> None:
    figures = ("context", "USD/1M in", "USD/1M out")
    shown = Listing("model", *figures, wraps={"model"}, figures=figures)
    for each in models:
        prices = (each["input_usd_per_million_tokens"], each["output_usd_per_million_tokens"])
        money = ("unknown" if price is None else f"{price:.2f}" for price in prices)
        shown.add(each["id"], str(each["context_window"] or "unknown"), *money)
    _out.print(shown)
