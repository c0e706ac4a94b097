"""`llm-gateway usage`: what was used and what it cost, from a running gateway."""

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import typer

from llm_gateway.cli.screen import Listing, Screen
from llm_gateway.cli.talking import DEFAULT_URL, AsJson, Gateway, Key, Url, print_json

app = typer.Typer()
_out = Screen()
By = Literal["provider", "model", "caller", "key", "day"]
_NAMES: dict[str, tuple[str, ...]] = {
    "provider": ("provider",),
    "model": ("provider", "model"),
    "caller": ("caller",),
    "key": ("key_id",),
    "day": ("day",),
}
_FIGURES = ("attempts", "input", "output", "USD")


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
    headings = [name.replace("_", " ") for name in names]
    shown = Listing(*headings, *_FIGURES, wraps=headings, figures=_FIGURES, title=f"Usage of {whose} since {since}")
    for group in document[f"by_{by}"]:
        shown.add(*(group[name] for name in names), *_figures(group))
    shown.add("total", *("" for _ in names[1:]), *_figures(document["total"]))
    _out.print(shown)
    for note in _notes(document["total"]):
        _out.print(note)
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
    figures = ("limit USD", "spent", "held", "left", "%")
    shown = Listing("budget", "period", *figures, wraps={"budget"}, figures=figures)
    for share in budgets:
        amounts = (share[name] for name in ("limit_usd", "spent_usd", "held_usd", "left_usd"))
        shown.add(share["budget"], share["period"], *amounts, f"{share['percent']:.1f}")
    _out.print(shown)
