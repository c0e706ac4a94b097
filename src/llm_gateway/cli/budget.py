"""`llm-gateway budget`: what may be spent, what was, and changing it."""

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from llm_gateway.cli.screen import Listing, Screen
from llm_gateway.cli.talking import DATA_FOLDER, DEFAULT_URL, AdminToken, AsJson, DataFolder, Url, admin, print_json

app = typer.Typer(name="budget", help="Budgets of a running gateway: list, set, remove.", no_args_is_help=True)
_out = Screen()
_BAR_CELLS = 6
_EMPTY = "no budgets: `llm-gateway budget set NAME --limit-usd 25` makes one"


@app.command("list")
def listed(url: Url = DEFAULT_URL, admin_token: AdminToken = None, data_dir: DataFolder = DATA_FOLDER, as_json: AsJson = False) -> None:
    """Show the budgets, where they stand, and what they came to."""
    found = admin(url, admin_token, data_dir).get("/admin/budgets")
    if as_json:
        print_json(found)
        return
    figures = ("limit USD", "spent", "held", "left")
    shown = Listing("budget", "used", *figures, "period", "of", wraps={"budget", "of"}, figures=figures, empty=_EMPTY)
    for budget in found["budgets"]:
        for share in budget["shares"]:
            whose = budget["scope"] if budget["scope"] == "global" else f"{budget['scope']} {share['subject']}"
            amounts = (share[name] for name in ("limit_usd", "spent_usd", "held_usd", "left_usd"))
            shown.add(budget["name"], bar(share["percent"]), *amounts, budget["period"], whose)
        if not budget["shares"]:
            shown.add(budget["name"], "", budget["limit_usd"], "", "", "", budget["period"], f"each {budget['scope']}")
    _out.print(shown)
    for event in found["events"]:
        _out.print(f"{event['kind']}: {event['budget']} ({event['subject']}), {event['percent'] or 0} %")


def bar(percent: float) -> str:
    """A share in characters, like `██░░░░  41 %`."""
    full = min(_BAR_CELLS, round(percent / 100 * _BAR_CELLS))
    return f"{'█' * full}{'░' * (_BAR_CELLS - full)} {percent:3.0f} %"


@app.command("set")
def put(
    name: Annotated[str, typer.Argument(help="Its name.")],
    limit_usd: Annotated[str, typer.Option("--limit-usd", help="USD that may be spent within the period, like 12.50.")],
    scope: Annotated[str, typer.Option(help="global, caller or key.")] = "global",
    subject: Annotated[str, typer.Option(help="The caller or the id of the key; `*`: each of them.")] = "*",
    period: Annotated[str, typer.Option(help="day or month.")] = "month",
    url: Url = DEFAULT_URL,
    admin_token: AdminToken = None,
    data_dir: DataFolder = DATA_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Make a budget, or change the limit and the period of the one of that name; it holds at once."""
    with admin(url, admin_token, data_dir).client() as client:
        known = {each["name"] for each in client.call("GET", "/admin/budgets")["budgets"]}
        if name in known:
            changed = json.dumps({"limit_usd": limit_usd, "period": period}).encode()
            made: dict[str, Any] = client.call("PATCH", f"/admin/budgets/{quote(name, safe='')}", changed)
        else:
            asked = {"name": name, "limit_usd": limit_usd, "scope": scope, "subject": subject, "period": period}
            made = client.call("POST", "/admin/budgets", json.dumps(asked).encode())
    if as_json:
        print_json(made)
        return
    _out.print(f"{made['name']}: ${made['limit_usd']} a {made['period']}, {made['scope']} {made['subject']}")


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="Its name, as `budget list` shows it.")],
    url: Url = DEFAULT_URL,
    admin_token: AdminToken = None,
    data_dir: DataFolder = DATA_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Remove a budget that was made here."""
    with admin(url, admin_token, data_dir).client() as client:
        client.call("DELETE", f"/admin/budgets/{quote(name, safe='')}")
    if as_json:
        print_json({"removed": name})
        return
    _out.print(f"{name} is removed")
