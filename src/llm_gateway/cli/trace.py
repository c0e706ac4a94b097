"""`llm-gateway trace`: every decision about one request, in the order in which it was made."""

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.text import Text
from rich.tree import Tree

from llm_gateway.cli.screen import Listing, Screen
from llm_gateway.cli.talking import DEFAULT_URL, AsJson, Gateway, Key, Url, print_json

app = typer.Typer()
_out = Screen()


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
    tree = Tree(Text.assemble((record["correlation_id"], "bold"), f"  {at}"))
    asked = "/".join(filter(None, (record["asked"]["provider"], record["asked"]["model"]))) or "anything"
    streamed = ", streamed" if record["streamed"] else ""
    tree.add(f"asked by {record['caller']} through {record['ingress']} ({record['operation']}{streamed}) of {asked}")
    tree.add(_judged(record))
    if record["cache"]:
        tree.add(f"cache: {record['cache']}")
    if record["route"]:
        _add_route(tree, record["route"])
    for number, attempt in enumerate(record["attempts"], 1):
        said = (
            f"attempt {number} after {attempt['after_s']:.3f} s: {attempt['provider']}/{attempt['model']} ({attempt['level']}): "
            f"{attempt['outcome']}, {attempt['duration_s']:.3f} s, {attempt['input_tokens']} in, {attempt['output_tokens']} out, "
            f"{_usd(attempt['cost_usd'])}"
        )
        tree.add(_marked(said, is_good=attempt["outcome"] == "ok"))
    said = (
        f"{record['error_type'] or 'answered'} after {record['duration_s']:.3f} s (HTTP {record['status']}), "
        f"own time {record['overhead_s']:.3f} s, {_usd(record['cost_usd'])}"
    )
    tree.add(_marked(said, is_good=not record["error_type"]))
    return tree


def _marked(said: str, *, is_good: bool) -> Text:
    return Text.assemble(("✓", "green") if is_good else ("✗", "red"), f" {said}")


def _judged(record: dict[str, Any]) -> str:
    found = record["sensitivity"]
    if found["score"] is None:
        return f"content not judged{': ' + found['unjudged'] if found['unjudged'] else ''}"
    kinds = ", ".join(f"{kind} {confidence:.2f}" for kind, confidence in found["kinds"].items())
    verdict = "sensitive" if found["sensitive"] else "not sensitive"
    said = f"content {verdict}, score {found['score']:.2f}{' (' + kinds + ')' if kinds else ''}"
    return f"{said}; may go to {', '.join(record['eligible']) or 'nobody'}"


def _add_route(tree: Tree, route: dict[str, Any]) -> None:
    branch = tree.add(f"route by {route['strategy']}: {route['reason']}")
    ranked = Listing("rank", "provider", "model", "score", "why", wraps={"model", "why"}, figures={"rank", "score"})
    for number, each in enumerate(route["ranked"], 1):
        ranked.add(str(number), each["provider"], each["model"], f"{each['score']:.3f}", "; ".join(each["reasons"]))
    if route["ranked"]:
        branch.add(ranked)
    for each in route["rejected"]:
        branch.add(f"not {each['provider']}: {each['reason']}")


def _usd(amount: float | None) -> str:
    return "price unknown" if amount is None else f"${amount:.6f}"
