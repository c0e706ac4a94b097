"""What Prometheus reads: its own parser is the judge."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from tests.unit.llm_gateway.metrics.finished_calls import call
from tests.unit.llm_gateway.metrics.test_counting import counted

from llm_gateway.metrics.aggregate import Aggregate
from llm_gateway.metrics.exposition import Gauges, accepts, families, render
from llm_gateway.metrics.summary import summary_of

NOW = Gauges("1.0.0", 1_700_000_000.0, {"openai": True, "bedrock": False}, 3, 1_000, 2)


def samples(whole: Aggregate) -> dict[str, float]:
    found: dict[str, float] = {}
    for family in parse_text(render(families(whole, NOW))):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def test_the_sums_are_those_of_the_json() -> None:
    whole = counted(call(), call(stream=True), call(cache="hit"), call(provider="ollama", model="llama3", cost_pico_usd=0))
    found, summary = samples(whole), summary_of(whole)
    assert found["llm_gateway_requests_total"] == summary.total_requests
    assert found["gen_ai_client_operation_duration_seconds_count"] == summary.upstream_calls
    assert found["gen_ai_client_token_usage_sum"] == summary.total_tokens_used
    assert found["llm_gateway_cost_usd_total"] == pytest.approx(summary.total_cost)
    assert found["gen_ai_server_time_to_first_token_seconds_count"] == 1


def test_names_are_those_of_the_conventions_and_labels_translated() -> None:
    lines = render(families(counted(call(provider="bedrock", model="x")), NOW)).splitlines()
    assert any(
        line.startswith('gen_ai_client_operation_duration_seconds_bucket{gen_ai_operation_name="chat",gen_ai_provider_name="aws.bedrock",')
        for line in lines
    )
    assert 'llm_gateway_provider_up{gen_ai_provider_name="aws.bedrock"} 0' in lines


def test_openmetrics_parses_and_says_the_same() -> None:
    whole = counted(call(), call(stream=True))
    text = render(families(whole, NOW), openmetrics=True)
    assert text.endswith("# EOF\n")
    names = {sample.name for family in parse_openmetrics(text) for sample in family.samples}
    assert names == set(samples(whole))


def test_buckets_are_cumulative_and_end_with_all() -> None:
    whole = counted(*[call(stream=True) for _ in range(5)])
    for family in parse_text(render(families(whole, NOW))):
        buckets = [(float(sample.labels["le"]), sample.value) for sample in family.samples if sample.name.endswith("_bucket")]
        by_series: dict[str, list[float]] = {}
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                key = str(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
                by_series.setdefault(key, []).append(sample.value)
        assert all(values == sorted(values) for values in by_series.values())
        assert not buckets or max(border for border, _ in buckets) == float("inf")


def test_a_label_cannot_break_out_of_its_quotes() -> None:
    whole = counted(call())
    cell = whole.requests.pop(("chat", "openai", "gpt-4o"))
    whole.requests["chat", 'a"} 1\nb\\', "x"] = cell
    names = [sample.labels for family in parse_text(render(families(whole, NOW))) for sample in family.samples]
    assert any(labels.get("gen_ai_provider_name") == 'a"} 1\nb\\' for labels in names)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "json"),
        ("text/plain", "text"),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text"),
        ("application/json;q=0.2, text/plain;q=0.9", "text"),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
            "text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "openmetrics",
        ),
        ("text/plain;q=nonsense", "json"),
    ],
)
def test_the_form_is_what_accept_prefers(accept: str, wanted: str) -> None:
    assert accepts(accept) == wanted
