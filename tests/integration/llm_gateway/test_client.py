"""Both clients against a running gateway: every endpoint, streams, retries, and what goes wrong."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import SimulatorProcess
from llm_gateway_client import (
    AsyncGatewayClient,
    AuthenticationFailed,
    GatewayClient,
    GatewayUnavailable,
    InvalidRequest,
    NotFound,
    ProviderFailed,
    RateLimited,
    Retries,
)  # fmt: skip

ADMIN = "q8Zr3XbTv5LmW2nKc9Ys4HdF"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path_factory.mktemp("client"), simulator_of_session, {"auth.admin_token": ADMIN}) as running:
        yield running


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[GatewayClient]:
    with GatewayClient(gateway.url, user_id="ann") as found:
        yield found


@pytest.fixture
def admin(gateway: RunningGateway) -> Iterator[GatewayClient]:
    with GatewayClient(gateway.url, api_key=ADMIN) as found:
        yield found


def test_model_calls(client: GatewayClient) -> None:
    answer = client.query("What is a qubit?", provider="ollama", max_tokens=50)
    assert (answer.provider, answer.cost_usd, answer.tokens_used) == (
        "ollama",
        0,
        answer.usage["input_tokens"] + answer.usage["output_tokens"],
    )
    assert answer.correlation_id.startswith("gw-")
    first = client.chat("My name is Ann.")
    second = client.chat("What is my name?", first.conversation_id)
    assert second.conversation_id == first.conversation_id
    vectors = client.embeddings(["a", "b"], provider="openai")
    assert (len(vectors.vectors), len(vectors.vectors[0])) == (2, vectors.dimensions)
    frames = list(client.stream("Count to three", provider="openai"))
    assert frames[-1].finished
    assert "".join(frame.chunk for frame in frames)
    assert frames[-1].raw["provider"] == "openai"
    explained = client.explain("hello", strategy="cost")
    assert explained.ranked
    assert explained.strategy == "cost"
    assert not explained.sensitivity.sensitive


def test_conversations(client: GatewayClient) -> None:
    made = client.chat("Remember me.").conversation_id or ""
    found = client.conversation(made)
    assert [turn.role for turn in found.turns] == ["user", "assistant"]
    assert made in {entry.conversation_id for entry in client.conversations(limit=10).conversations}
    client.erase_conversation(made)
    with pytest.raises(NotFound):
        client.conversation(made)


def test_integrated_services(client: GatewayClient) -> None:
    kept = client.upload_document(b"# Falcons\n\nA falcon dives at 320 km/h.", "falcons.md", doc_id="falcons", metadata={"by": "test"})
    assert (kept.doc_id, kept.format, kept.chunks) == ("falcons", "markdown", 1)
    found = client.integrate("doc-store", "search", query="falcon")
    assert (found.service, found.operation, found.mode, found.method) == ("doc_store", "search", "embedded", None)
    assert found.result["hits"][0]["doc_id"] == "falcons"
    asked = client.integrate("interpreter", "interpret_query", query="analyze this code")
    assert asked.method in {"llm", "rules"}
    assert {service.name for service in client.integrations().services} >= {"doc_store", "orchestrator"}
    status = client.services_status()
    assert (status.status, status.healthy, status.total) == ("healthy", 10, 10)
    assert status.services["doc_store"].mode == "embedded"
    for answer in (
        client.enhanced_query("How fast is a falcon?"),
        client.contextual_query("How fast is it?", context={"search_terms": "falcon"}),
        client.workflow_query("Summarize what falcons do", "summarization"),
    ):
        assert answer.response
        assert answer.integrations
    steps = list(client.workflow_progress("Summarize what falcons do", "summarization"))
    assert steps[0].event == "workflow"
    assert steps[-1].event == "done"
    assert {"step"} <= {step.event for step in steps}


def test_management(client: GatewayClient, gateway: RunningGateway) -> None:
    asked = client.query("once more")
    assert {provider.name for provider in client.providers().providers} == {"ollama", "openai", "anthropic", "bedrock", "grok"}
    assert client.provider_limits("openai").raw["provider"] == "openai"
    assert client.models().models
    assert client.health().status in {"healthy", "degraded"}
    assert client.ready().ready
    assert client.detailed_health().providers["ollama"].available
    assert client.metrics().total_requests > 0
    assert "# TYPE" in client.prometheus()
    assert client.performance(since="1h").raw["all"]
    assert client.timeseries(minutes=5).raw["points"] is not None
    assert client.costs(since="1h").total.attempts > 0
    assert client.usage(since="1h").caller == "ann"
    assert "requests" in client.requests(since="1h").raw
    assert client.request(asked.correlation_id).raw["correlation_id"] == asked.correlation_id
    assert client.cache_status().store == "memory"
    assert client.clear_cache(user_id="ann").entries_cleared >= 0
    assert client.limit_status().user_id == "ann"


def test_administration(admin: GatewayClient) -> None:
    assert admin.reset_limits(user_id="ann").reset == ["caller:ann"]
    budget = admin.create_budget("test", "12.50", scope="caller", subject="ann")
    assert budget.limit_usd == "12.5"
    assert admin.change_budget("test", period="day").period == "day"
    assert "test" in {each.name for each in admin.budgets().budgets}
    admin.remove_budget("test")
    assert admin.audit(limit=5).rows
    assert admin.verify_audit().intact


def test_keys(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {"auth.admin_token": ADMIN}) as gateway, GatewayClient(gateway.url, api_key=ADMIN) as admin:
        made = admin.create_key("ci", owner="team", tier="default")
        assert made.key.startswith("gw_")
        assert made.key not in repr(made)
        assert made.id in {key.id for key in admin.keys().keys}
        with GatewayClient(gateway.url, api_key=made.key) as client:
            assert client.query("hello").response
        admin.revoke_key(made.id)
        with GatewayClient(gateway.url, api_key=made.key) as client, pytest.raises(AuthenticationFailed):
            client.query("hello")


def test_what_is_refused(client: GatewayClient) -> None:
    with pytest.raises(InvalidRequest) as wrong:
        client.query("x", temperature=9)
    assert wrong.value.param == "temperature"
    with pytest.raises(NotFound, match="doc_store"):
        client.integrate("nobody", "search")
    with pytest.raises(NotFound):
        client.query("x", model="no-such-model")


def test_the_async_client(gateway: RunningGateway) -> None:
    async def talking() -> None:
        async with AsyncGatewayClient(gateway.url, user_id="bob") as client:
            answers = await asyncio.gather(*(client.query(f"question {number}") for number in range(5)))
            assert all(answer.response for answer in answers)
            frames = [frame async for frame in client.stream("Count")]
            assert frames[-1].finished
            steps = [
                step async for step in client.workflow_progress("Summarize it", "summarization", context="A text about birds and bees.")
            ]
            assert steps[-1].event == "done"
            assert (await client.usage()).caller == "bob"
            assert (await client.services_status()).total == 10
            with pytest.raises(InvalidRequest):
                await client.query("")

    asyncio.run(talking())


class _Moody(http.server.BaseHTTPRequestHandler):
    """Answers as its server's list says: (status, headers, body), or None to break off."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        server: Any = self.server
        server.seen.append({name.lower(): value for name, value in self.headers.items()})
        answer = server.answers.pop(0)
        if answer is None:
            self.close_connection = True
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        if "content-length" in headers:  # more was promised: it breaks off once the caller has what came
            self.wfile.flush()
            assert server.got.wait(60)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def moody() -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Moody)
    server.seen, server.answers, server.got = [], [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def failing(kind: str, status: int, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return status, headers, json.dumps({"error": {"type": kind, "message": "m"}}).encode()


GOOD = (200, {}, b'{"response": "yes"}')
QUICK = Retries(most=2, base_s=0.001)


def url(moody: Any) -> str:
    return f"http://127.0.0.1:{moody.server_address[1]}"


def test_calls_are_made_again_under_one_idempotency_key(moody: Any) -> None:
    moody.answers += [failing("provider_bad_response", 502), None, GOOD]
    with GatewayClient(url(moody), retries=QUICK) as client:
        assert client.query("x").response == "yes"
    keys = [headers["idempotency-key"] for headers in moody.seen]
    assert len(keys) == 3
    assert len(set(keys)) == 1

    async def same() -> None:
        moody.answers += [failing("overloaded", 503, **{"retry-after": "0"}), GOOD]
        async with AsyncGatewayClient(url(moody), retries=QUICK) as client:
            assert (await client.query("y")).response == "yes"

    asyncio.run(same())
    assert len(moody.seen) == 5


def test_a_call_that_is_no_model_call_is_not_made_twice(moody: Any) -> None:
    moody.answers += [failing("internal", 500), GOOD]
    with GatewayClient(url(moody), retries=QUICK) as client, pytest.raises(Exception, match="m"):
        client.create_key("x")
    assert len(moody.seen) == 1
    assert "idempotency-key" not in moody.seen[0]


def test_a_long_wait_is_the_callers_to_make(moody: Any) -> None:
    moody.answers += [failing("rate_limited", 429, **{"retry-after": "600"})]
    with GatewayClient(url(moody), retries=QUICK) as client, pytest.raises(RateLimited) as refusal:
        client.query("x")
    assert refusal.value.retry_after_s == 600


def test_a_stream_is_begun_again_and_never_gone_on_with(moody: Any) -> None:
    frame = b'data: {"chunk": "a", "finished": false}\n\n'
    moody.answers += [failing("overloaded", 503), (200, {"content-type": "text/event-stream"}, frame)]
    with GatewayClient(url(moody), retries=QUICK) as client:
        got = []
        with pytest.raises(GatewayUnavailable, match="broke off"):
            got.extend(frame.chunk for frame in client.stream("x"))
    assert len(moody.seen) == 2
    moody.answers += [(200, {"content-type": "text/event-stream", "content-length": "999"}, frame), GOOD]
    with GatewayClient(url(moody), retries=QUICK) as client:
        pieces = client.stream("x")
        assert next(pieces).chunk == "a"
        moody.got.set()
        with pytest.raises(GatewayUnavailable):
            next(pieces)
    assert len(moody.seen) == 3

    async def same() -> None:
        moody.got.clear()
        moody.answers[:] = [(200, {"content-type": "text/event-stream", "content-length": "999"}, frame), GOOD]
        async with AsyncGatewayClient(url(moody), retries=QUICK) as client:
            pieces = client.stream("x")
            assert (await anext(pieces)).chunk == "a", "a piece is handed on as it comes"
            moody.got.set()
            with pytest.raises(GatewayUnavailable):
                await anext(pieces)

    asyncio.run(same())
    assert len(moody.seen) == 4


def test_no_gateway_and_no_patience(moody: Any) -> None:
    moody.answers += [(200, {}, b"<html>hello</html>")]
    with GatewayClient(url(moody), retries=Retries(most=0)) as client, pytest.raises(ProviderFailed, match="right address"):
        client.health()
    with GatewayClient("http://127.0.0.1:9", retries=Retries(most=0), connect_timeout_s=1) as client, pytest.raises(GatewayUnavailable):
        client.health()
