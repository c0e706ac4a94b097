"""Traces from socket to socket: sent to a collector on loopback, as OTLP, the upstream being told its parent."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.support import free_port, running_gateway

from llm_gateway.simulator import FaultRule, SimulatorProcess

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Collector:
    """Takes spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.raw = b""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.raw += body
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans += scope.spans
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def configured(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Collector:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    return collector


def attributes(span: Span) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in span.attributes}


def by_kind(spans: list[Span]) -> tuple[list[Span], list[Span]]:
    served = [span for span in spans if span.kind == Span.SPAN_KIND_SERVER]
    return served, [span for span in spans if span.kind == Span.SPAN_KIND_CLIENT]


@contextmanager
def upstream_headers(simulator: SimulatorProcess) -> Iterator[list[dict[str, str]]]:
    simulator.clear_log()
    found: list[dict[str, str]] = []
    yield found
    found += [dict(entry["headers"]) for entry in simulator.log() if entry["method"] == "POST"]  # type: ignore[call-overload]


def test_a_call_and_its_attempts_are_spans_of_the_callers_trace(tmp_path: Path, simulator: SimulatorProcess, configured: Collector) -> None:
    simulator.add_faults(FaultRule(kind="openai", method="POST", status=503))
    with upstream_headers(simulator) as sent, running_gateway(tmp_path, simulator, {"routing.retry_base_s": 0.01}) as gateway:
        answer = gateway.call("POST", "/query", {"prompt": "CANARY", "provider": "openai", "max_tokens": 64}, {"traceparent": PARENT})
        assert answer.status == 200
    (served,), called = by_kind(configured.spans)
    assert served.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert served.parent_span_id.hex() == "00f067aa0ba902b7"
    assert len(called) == len(answer.json["route"]["attempts"]) >= 2
    assert {span.parent_span_id for span in called} == {served.span_id}
    whole = attributes(served)
    assert whole["gen_ai.operation.name"] == "chat"
    assert whole["gen_ai.usage.output_tokens"] == answer.json["usage"]["output_tokens"]
    assert whole["llm_gateway.correlation_id"] == answer.json["correlation_id"]
    assert whole["gen_ai.request.max_tokens"] == 64
    called.sort(key=lambda span: span.start_time_unix_nano)
    first, last = attributes(called[0]), attributes(called[-1])
    assert (first["error.type"], first["http.response.status_code"], first["llm_gateway.attempt"]) == ("provider_bad_response", 503, 1)
    assert called[0].status.code == 2
    assert last["gen_ai.provider.name"] == answer.json["provider"]
    assert all(served.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano for span in called)
    assert called[-1].end_time_unix_nano <= served.end_time_unix_nano
    parents = [headers["traceparent"] for headers in sent]
    assert parents == [f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01" for span in called]
    assert b"CANARY" not in configured.raw, "content is in no span"


def test_a_caller_without_a_trace_begins_one_and_nonsense_is_no_parent(
    tmp_path: Path, simulator: SimulatorProcess, configured: Collector
) -> None:
    with running_gateway(tmp_path, simulator) as gateway:
        for number, parent in enumerate((None, "nonsense", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", PARENT + "-more")):
            gateway.call("POST", "/query", {"prompt": f"x{number}"}, {"traceparent": parent} if parent else None)
        gateway.frames(prompt="a story", provider="ollama")
    served, _ = by_kind(configured.spans)
    assert len(served) == 5
    assert len({span.trace_id for span in served}) == 5
    assert all(not span.parent_span_id for span in served)
    assert attributes(next(span for span in served if attributes(span)["gen_ai.request.stream"]))["gen_ai.provider.name"] == "ollama"


def test_a_call_that_the_caller_does_not_sample_is_not_recorded_and_says_so_upstream(
    tmp_path: Path, simulator: SimulatorProcess, configured: Collector
) -> None:
    with upstream_headers(simulator) as sent, running_gateway(tmp_path, simulator) as gateway:
        gateway.call("POST", "/query", {"prompt": "x"}, {"traceparent": PARENT[:-2] + "00"})
    assert configured.spans == []
    assert sent[0]["traceparent"].startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    assert sent[0]["traceparent"].endswith("-00")


def test_content_is_shown_only_when_asked_for_and_only_when_harmless(
    tmp_path: Path, simulator: SimulatorProcess, configured: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    with running_gateway(tmp_path, simulator) as gateway:
        assert gateway.post("/query", prompt="HARMLESS words").status == 200
        assert gateway.post("/query", prompt="my password is Xk9#mPq2vL, CANARY").status == 200
    shown = [attributes(span).get("gen_ai.input.messages", "") for span in by_kind(configured.spans)[0]]
    assert sum("HARMLESS words" in text for text in shown) == 1
    assert sum(bool(text) for text in shown) == 1
    assert b"CANARY" not in configured.raw


def test_without_an_endpoint_nothing_is_traced_and_no_header_goes_out(
    tmp_path: Path, simulator: SimulatorProcess, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    with upstream_headers(simulator) as sent, running_gateway(tmp_path, simulator) as gateway:
        gateway.call("POST", "/query", {"prompt": "x"}, {"traceparent": PARENT})
        assert gateway.app.gateway.shared.tracing is None
    assert "traceparent" not in sent[0]
    assert collector.spans == []


def test_an_operation_of_a_service_is_a_span_with_the_model_calls_inside(
    tmp_path: Path, simulator: SimulatorProcess, configured: Collector
) -> None:
    with running_gateway(tmp_path, simulator) as gateway:
        answer = gateway.call(
            "POST", "/integrations/interpreter/interpret_query", {"query": "create a user system"}, {"traceparent": PARENT}
        )
        assert answer.status == 200, answer
    inner = [span for span in configured.spans if span.kind == Span.SPAN_KIND_INTERNAL]
    assert [span.name for span in inner] == ["interpreter interpret_query"]
    assert inner[0].parent_span_id.hex() == "00f067aa0ba902b7"
    assert attributes(inner[0])["llm_gateway.service"] == "interpreter"
    for span in by_kind(configured.spans)[0]:
        assert span.parent_span_id == inner[0].span_id


def test_a_collector_that_is_away_costs_callers_nothing_and_does_not_keep_the_gateway_from_stopping(
    tmp_path: Path, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    with running_gateway(tmp_path, simulator) as gateway:
        assert [gateway.post("/query", prompt=f"x{number}").status for number in range(5)] == [200] * 5
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 30
