"""`llm-gateway keys`: make, list and revoke the API keys of a running gateway."""

import json
import re
import sys
from datetime import UTC, datetime
from os import urandom
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer

from llm_gateway.cli.screen import Listing, Screen
from llm_gateway.cli.talking import DATA_FOLDER, DEFAULT_URL, AdminToken, AsJson, DataFolder, Url, admin, print_json
from llm_gateway.identity.keys import fingerprint, new_key

app = typer.Typer(name="keys", help="Make, list and revoke API keys.", no_args_is_help=True)

_out = Screen()
_notes = Screen(stderr=True)
_PAGE: Final = 1000
_HEADINGS: Final = ("id", "status", "name", "begins", "owner", "tier", "may use", "budget", "last used")
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"(\d+)([smhdw])")


def seconds_of(text: str) -> int:
    """Seconds of a duration like `90d`, `12h`, `30m`.

    Raises:
        typer.BadParameter: it is none.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise typer.BadParameter("expected a number and a unit, like 90d, 12h or 30m", param_hint="--expires-in")
    return int(found[1]) * _UNITS_S[found[2]]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    owner: Annotated[str | None, typer.Option(help="Tenant that everything done with it belongs to; default: the name.")] = None,
    tier: Annotated[str, typer.Option(help="Tier of limits.")] = "default",
    provider: Annotated[list[str] | None, typer.Option(help="A provider that it may use (repeat it for more); default: all.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="A model that it may use (repeat it for more); default: all.")] = None,
    budget_usd: Annotated[str | None, typer.Option(help="USD that may be spent with it within the period.")] = None,
    budget_period: Annotated[str, typer.Option(help="day or month.")] = "month",
    expires_in: Annotated[str | None, typer.Option(help="When it ends, like 90d, 12h or 30m; default: never.")] = None,
    url: Url = DEFAULT_URL,
    admin_token: AdminToken = None,
    data_dir: DataFolder = DATA_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once, alone on standard output."""
    asked: dict[str, Any] = {
        "name": name,
        "owner": owner,
        "tier": tier,
        "allowed_providers": provider or None,
        "allowed_models": model or None,
        "budget": {"amount_usd": budget_usd, "period": budget_period} if budget_usd is not None else None,
        "expires_in_s": seconds_of(expires_in) if expires_in is not None else None,
    }
    body = json.dumps({field: value for field, value in asked.items() if value is not None}).encode()
    with admin(url, admin_token, data_dir).client() as client:
        made = client.call("POST", "/admin/keys", body)
    if as_json:
        print_json(made)
        return
    sys.stdout.write(made["key"] + "\n")
    note = f"{made['id']} of {made['owner']}, {_until(made['expires'])}. Keep it now: it cannot be shown again."
    _notes.print(note, style="dim")


@app.command("list")
def listed(
    owner: Annotated[str | None, typer.Option(help="Only the keys of this owner.")] = None,
    url: Url = DEFAULT_URL,
    admin_token: AdminToken = None,
    data_dir: DataFolder = DATA_FOLDER,
    as_json: AsJson = False,
) -> None:
    """List keys, revoked ones too."""
    found: list[dict[str, Any]] = []
    query: dict[str, str | int] = {"limit": _PAGE} | ({"owner": owner} if owner is not None else {})
    with admin(url, admin_token, data_dir).client() as client:
        after: str | None = ""
        while after is not None:
            page = client.call("GET", "/admin/keys?" + urlencode(query | {"after": after}))
            found += page["keys"]
            after = page["next"]
    if as_json:
        print_json({"keys": found})
        return
    shown = Listing(*_HEADINGS, wraps={"name", "owner", "may use", "budget"}, empty="no keys: `llm-gateway keys create NAME` makes one")
    for key in found:
        names = [*(key["allowed_providers"] or ()), *(key["allowed_models"] or ())]
        budget = key["budget"]
        money = f"${budget['amount_usd']} a {budget['period']}" if budget else ""
        ends = f" to {_day(key['expires'])}" if key["expires"] is not None else ""
        status = f"active{ends}" if key["status"] == "active" else key["status"]
        row = (key["id"], status, key["name"], key["hint"], key["owner"], key["tier"], ", ".join(names) or "all", money)
        shown.add(*row, _day(key["last_used"]) if key["last_used"] else "never")
    _out.print(shown)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")],
    url: Url = DEFAULT_URL,
    admin_token: AdminToken = None,
    data_dir: DataFolder = DATA_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Take a key back, for good: at once on the gateway asked, within seconds on others that share its database."""
    with admin(url, admin_token, data_dir).client() as client:
        key = client.call("DELETE", f"/admin/keys/{quote(key_id, safe='')}")
    if as_json:
        print_json(key)
        return
    _notes.print(f"{key['id']} ({key['name']} of {key['owner']}) is revoked.", style="dim")


@app.command()
def new(as_json: AsJson = False) -> None:
    """Make a key for a configuration file, without a gateway: the key, and the SHA-256 that may stand in the file instead."""
    key = new_key(urandom)
    if as_json:
        print_json({"key": key, "key_sha256": fingerprint(key).hex()})
        return
    sys.stdout.write(key + "\n")
    _notes.print(f"auth.keys.<name>.key_sha256: {fingerprint(key).hex()}", style="dim")


def _until(expires_s: float | None) -> str:
    return "no end" if expires_s is None else f"until {_time(expires_s)}"


def _day(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d")


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
