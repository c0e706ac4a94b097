"""`llm-gateway usage`: what was used and what it cost, from a running gateway."""

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table

from llm_gateway.cli.talking import DEFAULT_URL, AsJson, Gateway, Key, Url, print_json

app = typer.Typer()
_out = Console()
By = Literal["provider", "model", "caller", "key", "day"]
_NAMES: dict[str, tuple[str, ...]] = {
    "provider": ("provider",),
    "model": ("provider", "model"),
    "caller": ("caller",),
    "key": ("key_id",),
    "day": ("day",),
}


@app.command()
def usage(
    by: Annotated[By, typer.Option(help="What to sum up by.")] = "model",
    since: Annotated[str, typer.Option(help="From when on: an age like 24h or 7d, a date, or Unix seconds.")] = "7d",
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """What was used and what it cost: a key shows its own tenant's, the admin token everybody's."""
    with Gateway(url, api_key).client() as client:
        document = client.call("GET", "/metrics/costs?" + urlencode({"since": since}))
        mine = client.call("GET", "/usage?" + urlencode({"since": since, "limit": 1}))
    if as_json:
        print_json(document | {"budgets": mine["budgets"]})
        return
    names = _NAMES[by]
    whose = "everybody" if document["whose"] == "*" else document["whose"]
    table = Table(*(name.replace("_", " ") for name in names), title=f"Usage of {whose} since {since} ago", show_footer=True)
    table.columns[0].footer = "total"
    for heading, name in (("attempts", "attempts"), ("input", "input_tokens"), ("output", "output_tokens"), ("USD", "cost_usd")):
        table.add_column(heading, justify="right", footer=str(document["total"][name]))
    for group in document[f"by_{by}"]:
        table.add_row(*(group[name] for name in names), *_figures(group))
    _out.print(table)
    for note in _notes(document["total"]):
        _out.print(note, markup=False, highlight=False)
    if mine["budgets"]:
        _print_budgets(mine["budgets"])


def _figures(group: dict[str, Any]) -> tuple[str, ...]:
    return str(group["attempts"]), str(group["input_tokens"]), str(group["output_tokens"]), group["cost_usd"]


def _notes(total: dict[str, Any]) -> list[str]:
    notes = []
    if total["estimated"]:
        notes.append(f"{total['estimated']} attempts are estimates: their provider did not say what they used")
    if total["unpriced"]:
        notes.append(f"{total['unpriced']} attempts are in no amount: nobody knows their price")
    return notes


def _print_budgets(budgets: list[dict[str, Any]]) -> None:
    table = Table("budget", "period", "limit USD", "spent", "held", "left", "%")
    for share in budgets:
        amounts = (share[name] for name in ("limit_usd", "spent_usd", "held_usd", "left_usd"))
        table.add_row(share["budget"], share["period"], *amounts, f"{share['percent']:.1f}")
    _out.print(table)
