"""The Grafana dashboard and the alert rules ask for metrics and labels that exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.llm_gateway.metrics.finished_calls import call
from tests.unit.llm_gateway.metrics.test_counting import counted

from llm_gateway.metrics.exposition import Gauges, families, render

DEPLOY = Path(__file__).parents[4] / "deploy"
NAME = re.compile(r"\b(?:llm_gateway|gen_ai)_[a-z_]+\b(?=\{|\[|\)|,| |$)")
SELECTOR = re.compile(r"\b((?:llm_gateway|gen_ai)_[a-z_]+)\{([^}]*)\}")
GROUPING = re.compile(r"by \(([^)]*)\)")
BY_PROMETHEUS = {"job", "instance", "le"}


def existing() -> dict[str, set[str]]:
    """Every series name with its labels."""
    whole = counted(call(), call(stream=True), call(cache="hit"))
    for cell in whole.requests.values():
        cell.queue.add(0.1)
    whole.lag.add(0.001)
    text = render(families(whole, Gauges("1.0", 0.0, {"openai": True}, 0, 0, 0)))
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, labels = re.match(r"([a-z_]+)(\{([^}]*)\})? ", line).groups()  # type: ignore[union-attr]
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels or ""))
    return found


def dashboard_queries() -> list[str]:
    dashboard = json.loads((DEPLOY / "grafana" / "llm-gateway.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


QUERIES = [*dashboard_queries(), *(rule["expr"] for rule in rules())]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_what_there_is(query: str) -> None:
    known = existing()
    without_groups = GROUPING.sub("", query)
    names = set(NAME.findall(re.sub(r"\{[^}]*\}", "{", without_groups)))
    assert names - {"up"} <= known.keys(), names - known.keys()
    for name, labels in SELECTOR.findall(query):
        assert set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"", labels)) <= known[name] | BY_PROMETHEUS
    for group in GROUPING.findall(query):
        wanted = {label.strip() for label in group.split(",")} - BY_PROMETHEUS
        assert all(wanted <= known[name] for name in names)
    assert query.count("(") == query.count(")")


def test_every_metric_that_people_should_see_is_on_the_dashboard() -> None:
    shown = " ".join(dashboard_queries())
    unseen = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in existing()}
    unseen = {name for name in unseen if name not in shown}
    assert unseen == {
        "gen_ai_client_operation_time_to_first_chunk_seconds", "llm_gateway_observed_seconds_total", "llm_gateway_available_seconds_total",
        "llm_gateway_cache_entries", "llm_gateway_cache_bytes", "llm_gateway_start_time_seconds", "llm_gateway_build_info",
    }  # fmt: skip


def test_every_alert_says_what_it_is_and_how_bad() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) >= 10
    for rule in rules():
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        assert rule["alert"] in (Path(__file__).parents[4] / "docs" / "metrics.md").read_text()


def test_the_panels_lie_beside_each_other_and_each_has_its_number() -> None:
    panels = json.loads((DEPLOY / "grafana" / "llm-gateway.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_prometheus_is_told_where_the_figures_are() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert job["metrics_path"] == "/metrics/prometheus"
    assert {rule["expr"] for rule in rules() if rule["alert"] == "LlmGatewayDown"} == {f'up{{job="{job["job_name"]}"}} == 0'}
