import http.client
import json
import time

import pytest
from tests.unit.llm_gateway.simulator.wire import Wire

from llm_gateway.simulator import FaultRule, Latency, RecordedReply, SimulatorError


def _command(wire: Wire, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection(wire.simulator.control_url.removeprefix("http://"), timeout=5)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_health_names_the_kinds_that_run(wire: Wire) -> None:
    status, health = _command(wire, "GET", "/health")
    assert (status, health["status"]) == (200, "ok")
    assert health["running"] == ["ollama", "openai", "anthropic", "bedrock", "bedrock_native", "grok"]


@pytest.mark.parametrize(
    "form", [b'{"name": "a", "status": 503}', b'[{"name": "a", "status": 503}]', b'{"rules": [{"name": "a", "status": 503}]}']
)
def test_faults_come_alone_or_as_a_list(wire: Wire, form: bytes) -> None:
    assert _command(wire, "POST", "/faults", form)[0] == 200
    assert wire.chat().status == 503
    (state,) = wire.simulator.faults()
    assert (state["seen"], state["applied"], state["rule"]) == (1, 1, {"name": "a", "status": 503})
    wire.simulator.clear_faults()
    assert wire.chat().status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "named"),
    [
        ("POST", "/faults", b'{"statuss": 1}', 400, "statuss"),
        ("POST", "/faults", b"{", 400, "truncated"),
        ("POST", "/latency", b'"warp"', 400, "warp"),
        ("POST", "/latency", b'{"bard": {}}', 400, "bard"),
        ("POST", "/replies", b'[{"contains": "x"}]', 400, "text"),
        ("POST", "/stop/bard", b"", 400, "bard"),
        ("POST", "/stop/openai?mode=maybe", b"", 400, "maybe"),
        ("GET", "/log?since=x", b"", 400, "x"),
        ("GET", "/nothing", b"", 404, "/nothing"),
        ("PUT", "/log", b"", 404, "PUT"),
    ],
)
def test_a_wrong_command_is_refused_by_name(wire: Wire, method: str, path: str, body: bytes, status: int, named: str) -> None:
    got, answer = _command(wire, method, path, body)
    assert got == status
    assert named in str(answer["error"])


def test_web_pages_may_not_command(wire: Wire) -> None:
    assert _command(wire, "DELETE", "/log", headers={"Origin": "https://evil.example"})[0] == 403


def test_log_and_counts(wire: Wire) -> None:
    wire.chat()
    wire.get("ollama", "/api/tags")
    entries = wire.simulator.log()
    assert [entry["kind"] for entry in entries] == ["openai", "ollama"]
    assert wire.simulator.log("openai") == entries[:1]
    assert wire.simulator.log(since=int(str(entries[0]["number"]))) == entries[1:]
    counts = wire.simulator.counts()
    assert (counts["openai"].received, counts["openai"].models["gpt-4o-mini"].requests) == (1, 1)
    wire.simulator.clear_log()
    assert (wire.simulator.log(), wire.simulator.counts()) == ([], {})


def test_latency_can_be_set(wire: Wire) -> None:
    wire.simulator.set_latency({"openai": Latency(first_byte_s=0.2)})
    started = time.monotonic()
    wire.chat()
    assert time.monotonic() - started >= 0.2


def test_replies_can_be_laid_down(wire: Wire) -> None:
    wire.simulator.set_replies([RecordedReply("Paris, of course.", contains="capital of France")])
    assert (
        wire.chat("What is the capital of France?").json["choices"][0]["message"]["content"]
        == "[simulated openai/gpt-4o-mini] Paris, of course."
    )


def test_a_client_raises_what_the_control_port_says(wire: Wire) -> None:
    with pytest.raises(SimulatorError, match="bard"):
        wire.simulator.stop("bard")
    wire.simulator.add_faults(FaultRule(name="kept", kind="grok"))
    assert len(wire.simulator.faults()) == 1
