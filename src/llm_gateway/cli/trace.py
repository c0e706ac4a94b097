"""`llm-gateway trace`: every decision about one request, in the order in which it was made."""

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from llm_gateway.cli.talking import DEFAULT_URL, AsJson, Gateway, Key, Url, print_json

app = typer.Typer()
_out = Console()


@app.command()
def trace(
    correlation_id: Annotated[str, typer.Argument(help="As the X-Correlation-Id header of the answer has it.")],
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show what was decided about a request, and why: findings, route, attempts, outcome."""
    story = Gateway(url, api_key).get(f"/requests/{quote(correlation_id, safe='')}")
    if as_json:
        print_json(story)
        return
    for record in story["requests"]:
        _out.print(tree_of(record))


def tree_of(record: dict[str, Any]) -> Tree:
    """A record as a tree, decision by decision."""
    at = datetime.fromtimestamp(record["at"], UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    tree = Tree(f"[bold]{escape(record['correlation_id'])}[/]  {at}")
    asked = "/".join(filter(None, (record["asked"]["provider"], record["asked"]["model"]))) or "anything"
    streamed = ", streamed" if record["streamed"] else ""
    tree.add(escape(f"asked by {record['caller']} through {record['ingress']} ({record['operation']}{streamed}) of {asked}"))
    tree.add(escape(_judged(record)))
    if record["cache"]:
        tree.add(f"cache: {escape(record['cache'])}")
    if record["route"]:
        _add_route(tree, record["route"])
    for number, attempt in enumerate(record["attempts"], 1):
        mark = "[green]✓[/]" if attempt["outcome"] == "ok" else "[red]✗[/]"
        who = escape(f"{attempt['provider']}/{attempt['model']} ({attempt['level']})")
        cost = _usd(attempt["cost_usd"])
        tree.add(
            f"{mark} attempt {number} after {attempt['after_s']:.3f} s: {who}: {escape(attempt['outcome'])}, "
            f"{attempt['duration_s']:.3f} s, {attempt['input_tokens']} in, {attempt['output_tokens']} out, {cost}"
        )
    end = "[green]✓[/] answered" if not record["error_type"] else f"[red]✗[/] {escape(record['error_type'])}"
    tree.add(
        f"{end} after {record['duration_s']:.3f} s (HTTP {record['status']}), own time {record['overhead_s']:.3f} s, "
        f"{_usd(record['cost_usd'])}"
    )
    return tree


def _judged(record: dict[str, Any]) -> str:
    found = record["sensitivity"]
    if found["score"] is None:
        return f"content not judged{': ' + found['unjudged'] if found['unjudged'] else ''}"
    kinds = ", ".join(f"{kind} {confidence:.2f}" for kind, confidence in found["kinds"].items())
    verdict = "sensitive" if found["sensitive"] else "not sensitive"
    said = f"content {verdict}, score {found['score']:.2f}{' (' + kinds + ')' if kinds else ''}"
    return f"{said}; may go to {', '.join(record['eligible']) or 'nobody'}"


def _add_route(tree: Tree, route: dict[str, Any]) -> None:
    branch = tree.add(escape(f"route by {route['strategy']}: {route['reason']}"))
    ranked = Table("rank", "provider", "model", "score", "why")
    for number, each in enumerate(route["ranked"], 1):
        row = (str(number), each["provider"], each["model"], f"{each['score']:.3f}", "; ".join(each["reasons"]))
        ranked.add_row(*map(escape, row))
    if route["ranked"]:
        branch.add(ranked)
    for each in route["rejected"]:
        branch.add(escape(f"not {each['provider']}: {each['reason']}"))


def _usd(amount: float | None) -> str:
    return "price unknown" if amount is None else f"${amount:.6f}"
