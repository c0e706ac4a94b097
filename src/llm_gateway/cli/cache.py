"""`llm-gateway cache`: what a running gateway's cache holds, and clearing it."""

import json
from typing import Annotated

import typer

from llm_gateway.cli.screen import Listing, Screen
from llm_gateway.cli.talking import DEFAULT_URL, AsJson, Gateway, Key, Url, print_json

app = typer.Typer(name="cache", help="The response cache of a running gateway.", no_args_is_help=True)
_out = Screen()


@app.command()
def status(url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Show what the cache holds and what it has saved."""
    with Gateway(url, api_key).client() as client:
        found = client.call("GET", "/cache/status")
    if as_json:
        print_json(found)
        return
    _out.print(
        f"{found['status']}: {found['total_entries']} entries, {found['total_size_mb']:.2f} MB in {found['store']}; "
        f"{found['hits']} hits of {found['hits'] + found['misses']} ({found['hit_rate']:.1%}); "
        f"saved {found['saved_tokens']} tokens, ${found['saved_cost']:.6f}",
        markup=False,
        highlight=False,
    )
    if found["by_caller"]:
        figures = ("entries", "KB", "hits", "misses", "saved tokens", "saved cost")
        callers = Listing("caller", *figures, wraps={"caller"}, figures=figures)
        for name, row in found["by_caller"].items():
            counts = (row["entries"], f"{row['bytes'] / 1000:.1f}", row["hits"], row["misses"], row["saved_tokens"])
            callers.add(name, *map(str, counts), f"${row['saved_cost']:.6f}")
        _out.print(callers)
    if found["by_model"]:
        saved = ("hits", "saved tokens", "saved cost")
        models = Listing("model", *saved, wraps={"model"}, figures=saved)
        for name, row in found["by_model"].items():
            models.add(name, str(row["hits"]), str(row["saved_tokens"]), f"${row['saved_cost']:.6f}")
        _out.print(models)


@app.command()
def clear(
    pattern: Annotated[str | None, typer.Option("--pattern", help="Names to clear, like `user123_*`; absent: all.")] = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Clear the entries of this caller.")] = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Clear cached answers."""
    asked = {name: value for name, value in (("pattern", pattern), ("user_id", user)) if value is not None}
    with Gateway(url, api_key).client() as client:
        done = client.call("POST", "/cache/clear", json.dumps(asked).encode(), {"content-type": "application/json"})
    if as_json:
        print_json(done)
        return
    _out.print(f"{done['entries_cleared']} entries cleared")
