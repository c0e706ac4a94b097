"""`llm-gateway top`: a running gateway at a glance, renewed every few seconds."""

import time
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from llm_gateway.cli.screen import Listing, Screen, mark, reasons
from llm_gateway.cli.talking import DEFAULT_URL, Gateway, Key, Url, print_json
from llm_gateway_client import GatewayClient, GatewayError

app = typer.Typer()
_out = Screen()
_BARS: Final = "▁▂▃▄▅▆▇█"
_KEPT: Final = 60
"""Samples that the curve shows."""


class Sample(NamedTuple):
    """What the gateway said at one moment (monotonic seconds). What the key does not open is empty."""

    at_s: float
    metrics: dict[str, Any]
    providers: list[dict[str, Any]]
    performance: dict[str, Any]
    requests: list[dict[str, Any]]


class Rates(NamedTuple):
    """What happened a second between two samples."""

    requests: float
    tokens: float
    usd: float


def rates(before: Sample, now: Sample) -> Rates:
    """How fast the totals grew; 0 where a restart set them back."""
    spent_s = max(now.at_s - before.at_s, 1e-9)

    def rate(name: str) -> float:
        return max(0.0, float(now.metrics[name]) - float(before.metrics[name])) / spent_s

    return Rates(rate("total_requests"), rate("total_tokens_used"), rate("total_cost"))


def curve(values: list[float]) -> str:
    """The values as a line of little bars, the largest one full."""
    most = max(values, default=0.0)
    return "".join(_BARS[min(len(_BARS) - 1, int(value / most * (len(_BARS) - 1) + 0.5))] if most else _BARS[0] for value in values)


def _ask(client: GatewayClient) -> Sample:
    metrics = client.call("GET", "/metrics")
    providers = _optional(client, "/providers").get("providers", [])
    performance = _optional(client, "/metrics/performance")
    recent = _optional(client, "/requests?limit=8").get("requests", [])
    return Sample(time.monotonic(), metrics, providers, performance, recent)


def _optional(client: GatewayClient, path: str) -> dict[str, Any]:
    """A document that not everybody may see, or not every gateway has."""
    try:
        return client.call("GET", path)
    except GatewayError as failure:
        if failure.status in {401, 403, 404}:
            return {}
        raise


@app.command()
def top(
    interval: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between two looks.")] = 2.0,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many looks; default: with Ctrl-C.")] = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one look as JSON, and end.")] = False,
) -> None:
    """Watch traffic, latency, cost, errors and providers live. Ctrl-C ends it."""
    with Gateway(url, api_key).client() as client:
        before = _ask(client)
        if as_json:
            print_json({name: value for name, value in before._asdict().items() if name != "at_s"})
            return
        history: list[float] = []
        with Live(screen_of(before, Rates(0, 0, 0), history, url), console=_out, auto_refresh=False, screen=_out.is_terminal) as live:
            looks = 1
            while count is None or looks < count:
                try:
                    time.sleep(interval)
                except KeyboardInterrupt:
                    return
                now = _ask(client)
                fast = rates(before, now)
                history = [*history, fast.requests][-_KEPT:]
                live.update(screen_of(now, fast, history, url), refresh=True)
                before, looks = now, looks + 1
        if not _out.is_terminal:
            _out.line()


def screen_of(sample: Sample, fast: Rates, history: list[float], url: str) -> Group:
    """What is shown of a sample."""
    metrics = sample.metrics
    line = Text.assemble(
        ("LLM Gateway ", "bold"), (f"{url}   ", "dim"),
        f"{metrics['requests_in_flight']} in flight   up {metrics['uptime_percentage']:.2f} %",
    )  # fmt: skip
    totals = Listing("requests", "tokens", "cost", title="since start, and now")
    totals.add(
        f"{metrics['total_requests']:,}  ({fast.requests:.1f}/s)",
        f"{metrics['total_tokens_used']:,}  ({fast.tokens:.0f}/s)",
        f"${metrics['total_cost']:.4f}  (${fast.usd * 3600:.2f}/h)",
    )
    figures = Listing("mean time", "cache hits", "errors")
    figures.add(f"{metrics['average_response_time']:.3f} s", f"{metrics['cache_hit_rate']:.1%}", f"{metrics['error_rate']:.2f} %")
    parts: list[Any] = [line, totals, figures]
    if history:
        parts.append(Text(f"requests/s  {curve(history)}  most {max(history):.1f}", no_wrap=True))
    parts += [_providers(sample), *reasons(sample.providers, "name", "reason")]
    if sample.requests:
        parts.append(_requests(sample.requests))
    return Group(*parts)


def _providers(sample: Sample) -> Listing:
    figures = ("requests", "in flight", "latency", "errors")
    shown = Listing("provider", "state", *figures, figures=figures)
    for each in sample.providers:
        live = each.get("live") or {}
        latency = live.get("total_s") or live.get("first_chunk_s")
        shown.add(
            each["name"],
            mark(each["status"]),
            f"{sample.metrics['requests_by_provider'].get(each['name'], 0):,}",
            str(live.get("in_flight", "")),
            "" if latency is None else f"{latency:.2f} s",
            f"{live['error_rate']:.0%}" if live else "",
        )
    return shown


def _requests(requests: list[dict[str, Any]]) -> Listing:
    figures = ("seconds", "USD")
    shown = Listing("newest requests", "caller", "provider", "outcome", *figures, wraps={"caller"}, figures=figures)
    for each in requests:
        money = "unknown" if each["cost_usd"] is None else f"{each['cost_usd']:.6f}"
        names = (each["correlation_id"], each["caller"], each["provider"], each["error_type"] or "ok")
        shown.add(*names, f"{each['duration_s']:.2f}", money)
    return shown
