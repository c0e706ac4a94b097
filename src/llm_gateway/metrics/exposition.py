"""The figures as Prometheus reads them: its text format 0.0.4, and OpenMetrics 1.0.

Sources: https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics 1.0 specification. Names and labels of
OpenTelemetry's conventions come from `core.semconv`, translated as OpenTelemetry's Prometheus compatibility page says.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from llm_gateway.core import semconv
from llm_gateway.core.semconv import exposed, provider_name
from llm_gateway.metrics.aggregate import Aggregate, AttemptCell, RequestCell
from llm_gateway.metrics.sketch import SECONDS, Sketch

Kind = Literal["counter", "gauge", "histogram"]
Labels = tuple[tuple[str, str], ...]

SECOND_BORDERS: Final = tuple(SECONDS * 2.0**power for power in range(-4, 15))
"""From 0.6 ms to 164 s; the conventions' own borders among them, on which counts are exact."""
TOKEN_BORDERS: Final = tuple(4.0**power for power in range(14))
"""The conventions' own."""
TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_OPERATION: Final = exposed(semconv.OPERATION_NAME)
_PROVIDER: Final = exposed(semconv.PROVIDER_NAME)
_MODEL: Final = exposed(semconv.REQUEST_MODEL)
_ERROR: Final = exposed(semconv.ERROR_TYPE)
_TOKEN: Final = exposed(semconv.TOKEN_TYPE)


class Metric(NamedTuple):
    """A family: `samples` are (labels, value or distribution)."""

    name: str
    kind: Kind
    help: str
    samples: Sequence[tuple[Labels, int | float | Sketch]]
    borders: tuple[float, ...] = SECOND_BORDERS


class Gauges(NamedTuple):
    """What is so now, of this process: `up` by provider says whether it can answer, `build` is the version."""

    version: str
    started_wall_s: float
    up: Mapping[str, bool]
    cache_entries: int
    cache_bytes: int
    ledger_rows_waiting: int


def families(whole: Aggregate, now: Gauges) -> list[Metric]:
    """Every metric that there is."""
    return [*_of_requests(whole), *_of_calls(whole), *_of_process(whole, now)]


def _summed(pairs: Iterable[tuple[Labels, int | float]]) -> list[tuple[Labels, int | float | Sketch]]:
    sums: dict[Labels, int | float] = {}
    for labels, value in pairs:
        sums[labels] = sums.get(labels, 0) + value
    return sorted(sums.items())


def _of_requests(whole: Aggregate) -> list[Metric]:
    cells = [(_target(*key), cell) for key, cell in whole.requests.items()]

    def distribution(of: Callable[[RequestCell], Sketch]) -> list[tuple[Labels, int | float | Sketch]]:
        return sorted(((labels, of(cell)) for labels, cell in cells if of(cell).count), key=lambda sample: sample[0])

    outcomes = _summed(((*labels, (_ERROR, kind)), count) for labels, cell in cells for kind, count in cell.outcomes.items())
    cache = _summed(((("state", state),), count) for _, cell in cells for state, count in cell.cache.items())
    return [
        Metric("llm_gateway_requests_total", "counter", "Requests that are over; error_type is empty for those that went well.", outcomes),
        Metric("llm_gateway_cache_requests_total", "counter", "Requests by what the cache did.", cache),
        Metric(
            "llm_gateway_sensitive_requests_total", "counter", "Requests that counted as sensitive, by the provider that answered.",
            _summed((labels[1:2], cell.sensitive) for labels, cell in cells),
        ),
        Metric(
            exposed(semconv.SERVER_REQUEST_DURATION, "seconds"), "histogram", "Time of answered requests, all of it.",
            distribution(lambda cell: cell.total),
        ),
        Metric(
            exposed(semconv.SERVER_TIME_TO_FIRST_TOKEN, "seconds"), "histogram", "Time to the first content of streams.",
            distribution(lambda cell: cell.first),
        ),
        Metric(
            "llm_gateway_overhead_seconds", "histogram", "The gateway's own time of answered requests.",
            distribution(lambda cell: cell.overhead),
        ),
        Metric(
            "llm_gateway_queue_seconds", "histogram", "Time that requests waited for a place at a provider, if they did.",
            distribution(lambda cell: cell.queue),
        ),
    ]  # fmt: skip


def _of_calls(whole: Aggregate) -> list[Metric]:
    cells = [((*_target(*key[:3]), (_ERROR, "" if key[3] == "ok" else key[3])), key, cell) for key, cell in whole.attempts.items()]

    def tokens(of: Callable[[AttemptCell], int], kind: str) -> list[tuple[Labels, int | float]]:
        return [((*labels[:3], (_TOKEN, kind)), of(cell)) for labels, _, cell in cells]

    sizes: dict[Labels, Sketch] = {}
    for labels, _, cell in cells:
        for kind, sketch in (("input", cell.input_sizes), ("output", cell.output_sizes)):
            sizes.setdefault((*labels[:3], (_TOKEN, kind)), Sketch(sketch.base)).merge(sketch)
    durations = sorted(((labels, cell.duration) for labels, _, cell in cells), key=lambda sample: sample[0])
    firsts = sorted(((labels[:3], cell.first) for labels, _, cell in cells if cell.first.count), key=lambda sample: sample[0])
    parts = (
        *tokens(lambda cell: cell.cache_read_tokens, "cache_read"),
        *tokens(lambda cell: cell.cache_write_tokens, "cache_write"),
        *tokens(lambda cell: cell.reasoning_tokens, "reasoning"),
    )
    return [
        Metric(exposed(semconv.CLIENT_OPERATION_DURATION, "seconds"), "histogram", "Time of the providers' calls.", durations),
        Metric(exposed(semconv.CLIENT_TIME_TO_FIRST_CHUNK, "seconds"), "histogram", "Time to the first content of their streams.", firsts),
        Metric(
            exposed(semconv.CLIENT_TOKEN_USAGE), "histogram", "Tokens of the providers' calls.", sorted(sizes.items()), TOKEN_BORDERS
        ),
        Metric(
            "llm_gateway_token_parts_total", "counter", "Tokens that are part of the others: cached input, reasoning in the output.",
            _summed(parts),
        ),
        Metric(
            "llm_gateway_cost_usd_total", "counter", "What the providers' calls cost, as the ledger counts it.",
            _summed((labels[:3], cell.cost_pico_usd / 1e12) for labels, _, cell in cells),
        ),
        Metric(
            "llm_gateway_unpriced_calls_total", "counter", "Calls of providers whose price nobody knows.",
            _summed((labels[:3], cell.unpriced) for labels, _, cell in cells),
        ),
    ]  # fmt: skip


def _of_process(whole: Aggregate, now: Gauges) -> list[Metric]:
    return [
        Metric("llm_gateway_requests_in_flight", "gauge", "Requests that are running.", [((), whole.in_flight)]),
        Metric("llm_gateway_event_loop_lag_seconds", "histogram", "How late the event loop ran what was due.", [((), whole.lag)]),
        Metric("llm_gateway_observed_seconds_total", "counter", "Seconds in which a gateway ran.", [((), whole.observed_s)]),
        Metric("llm_gateway_available_seconds_total", "counter", "Those in which a provider could answer.", [((), whole.available_s)]),
        Metric("llm_gateway_lost_records_total", "counter", "Records of requests that could not be kept.", [((), whole.lost_rows)]),
        Metric(
            "llm_gateway_provider_up", "gauge", "Whether a provider can answer now (1) or not (0).",
            [(((_PROVIDER, provider_name(name)),), int(up)) for name, up in sorted(now.up.items())],
        ),
        Metric("llm_gateway_cache_entries", "gauge", "Entries of the response cache.", [((), now.cache_entries)]),
        Metric("llm_gateway_cache_bytes", "gauge", "Bytes of the response cache.", [((), now.cache_bytes)]),
        Metric("llm_gateway_ledger_rows_waiting", "gauge", "Rows of the ledger not committed yet.", [((), now.ledger_rows_waiting)]),
        Metric("llm_gateway_start_time_seconds", "gauge", "When this process began, in Unix seconds.", [((), now.started_wall_s)]),
        Metric("llm_gateway_build_info", "gauge", "The version that runs.", [((("version", now.version),), 1)]),
    ]  # fmt: skip


def _target(operation: str, provider: str, model: str) -> Labels:
    return (_OPERATION, operation), (_PROVIDER, provider_name(provider)), (_MODEL, model)


def render(metrics: Iterable[Metric], *, openmetrics: bool = False) -> str:
    """The metrics as text, in one of the two formats."""
    lines: list[str] = []
    for metric in metrics:
        name = metric.name.removesuffix("_total") if openmetrics and metric.kind == "counter" else metric.name
        lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}"]
        for labels, value in metric.samples:
            if isinstance(value, Sketch):
                lines += _histogram(metric, labels, value)
            else:
                lines.append(f"{metric.name}{_braced(labels)} {_number(value)}")
    if openmetrics:
        lines.append("# EOF")
    return "\n".join(lines) + "\n"


def _histogram(metric: Metric, labels: Labels, sketch: Sketch) -> list[str]:
    lines = [f"{metric.name}_bucket{_braced((*labels, ('le', _number(each))))} {sketch.up_to(each)}" for each in metric.borders]
    lines.append(f"{metric.name}_bucket{_braced((*labels, ('le', '+Inf')))} {sketch.count}")
    lines.append(f"{metric.name}_sum{_braced(labels)} {_number(sketch.total)}")
    lines.append(f"{metric.name}_count{_braced(labels)} {sketch.count}")
    return lines


def _braced(labels: Labels) -> str:
    return "{" + ",".join([f'{name}="{_escaped(value)}"' for name, value in labels]) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return repr(float(value)) if isinstance(value, float) else str(value)


def accepts(accept: str) -> Literal["json", "text", "openmetrics"]:
    """What an `Accept` header prefers of the three; JSON where it does not care. The first of equals wins."""
    best: tuple[float, Literal["json", "text", "openmetrics"]] = (0.0, "json")
    for item in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in item.split(";"))
        weight = next((_weight(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
        choice = _KINDS.get(kind)
        if choice is not None and weight > best[0]:
            best = weight, choice
    return best[1]


_KINDS: Final[Mapping[str, Literal["json", "text", "openmetrics"]]] = {
    "application/json": "json",
    "*/*": "json",
    "application/*": "json",
    "text/html": "json",
    "text/plain": "text",
    "application/openmetrics-text": "openmetrics",
}


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
