"""What pages of the documentation list is what there is."""

import re
from pathlib import Path

import pytest
from tests.browsing import PAGES
from tests.unit.llm_gateway.deploy.test_dashboards import existing

from llm_gateway.api.access import ROUTES, Access
from llm_gateway.dashboard.visit import MENU
from llm_gateway.metrics.performance import Pace, Performance
from llm_gateway.metrics.recorder import MIN_PREFIX_TOKENS
from llm_gateway.metrics.summary import Summary

DOCS = Path(__file__).parents[3] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def named_in_rows(text: str) -> set[str]:
    """Every word in code marks in the first cell of a table's rows."""
    return {name for row in re.findall(r"^\| ([^|]*`[^|]*) \|", text, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)}


def test_every_figure_of_metrics_is_explained() -> None:
    sums = page("metrics.md").partition("## Sums")[2].partition("\n## ")[0]
    assert named_in_rows(sums) == set(Summary.__struct_fields__)


def test_every_figure_of_speed_is_explained() -> None:
    speed = page("metrics.md").partition("## Speed")[2].partition("\n## ")[0]
    figures = {name for name in Pace.__struct_fields__ if name.endswith("_s")} | {"tokens_per_s", "event_loop_lag_s"}
    assert figures - {"event_loop_lag_s"} <= set(Pace.__struct_fields__)
    assert "event_loop_lag_s" in Performance.__struct_fields__
    assert named_in_rows(speed) == figures


def test_every_metric_of_prometheus_is_named_and_no_other() -> None:
    part = page("metrics.md").partition("## Prometheus")[2].partition("\n## ")[0]
    there = {re.sub(r"_(bucket|sum|count)$", "", name) for name in existing()}
    named = set(re.findall(r"`((?:llm_gateway|gen_ai)_\w+)`", part))
    labels = {"gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"}
    assert named - labels == there


def test_every_page_of_the_dashboard_is_listed_tested_and_shown() -> None:
    titles = [each.title for group in MENU.values() for each in group]
    text = page("dashboard.md")
    assert re.findall(r"^\| ([A-Z][A-Za-z ]+) \|", text, re.MULTILINE) == titles
    assert set(PAGES.values()) == {each.path for group in MENU.values() for each in group}
    for name in re.findall(r"\(screenshots/([\w.-]+)\)", text):
        assert (DOCS / "screenshots" / name).is_file()
    assert {path.name for path in (DOCS / "screenshots").iterdir()} == set(re.findall(r"\(screenshots/([\w.-]+)\)", text))


@pytest.mark.parametrize(
    ("row", "access"),
    [("`/`, `/health`", Access.OPEN), ("`/docs`", Access.LOCAL), ("model calls", Access.KEY), ("`/admin/...`", Access.ADMIN)],
)
def test_every_endpoint_that_the_page_on_identity_names_asks_for_that(row: str, access: Access) -> None:
    (line,) = [line for line in page("identity.md").splitlines() if line.startswith(f"| {row}")]
    for path in re.findall(r"`([^`]+)`", line):
        prefix = path.removesuffix("...")
        found = {kind for (_, route), kind in ROUTES.items() if (route.startswith(prefix) if prefix != path else route == path)}
        assert found == {access}, path


def test_the_page_on_costs_says_from_when_on_a_prompt_is_long() -> None:
    assert f"{MIN_PREFIX_TOKENS:,} tokens or more" in page("costs.md")
