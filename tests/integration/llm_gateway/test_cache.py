"""The cache and idempotency keys from socket to socket."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support import Answer, RunningGateway, running_gateway
from tests.valkey import Valkey

from llm_gateway.caches.redis import RedisStore
from llm_gateway.cli.main import run
from llm_gateway.simulator import KINDS, Latency, SimulatorProcess
from llm_gateway_client import AsyncGatewayClient

UNLIMITED = {
    f"rate_limiting.default.{name}": 1_000_000_000
    for name in ("requests_per_minute", "requests_per_hour", "tokens_per_minute", "burst_limit")
} | {"cache.wait_timeout": 200}
SECRET = "Analyze this internal API key: sk-1234567890abcdef"


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path, simulator, UNLIMITED) as running:
        simulator.clear_log()
        yield running


def calls(simulator: SimulatorProcess) -> int:
    """Model calls that any upstream got."""
    return sum([entry["method"] == "POST" for entry in simulator.log()])


def state(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return answer.headers["x-gateway-cache"]


def test_a_hit_says_so_and_costs_nothing(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    first = gateway.post("/query", prompt="What is a qubit?", provider="openai", temperature=0.7)
    second = gateway.post("/query", provider="openai", temperature=0.7, prompt="What is a qubit?")
    assert (state(first), state(second)) == ("miss", "hit")
    one, other = first.json, second.json
    assert (one["cached"], other["cached"]) == (False, True)
    for field in ("response", "provider", "model", "tokens_used", "usage", "finish_reason"):
        assert one[field] == other[field]
    assert other["cost"] == 0
    assert other["correlation_id"] != one["correlation_id"]
    assert other["route"]["reason"].startswith("from the cache: openai/")
    assert second.headers["x-gateway-provider"] == "openai"
    assert calls(simulator) == 1
    assert gateway.get("/metrics").json["cache_hit_rate"] == 0.5


def test_streams_and_whole_answers_share_entries(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    whole = gateway.post("/query", prompt="Tell me of qubits").json
    frames, done = gateway.frames(prompt="Tell me of qubits")
    assert done
    assert "".join(frame["chunk"] for frame in frames) == whole["response"]
    assert len(frames) > 5
    assert (frames[-1]["cached"], frames[-1]["usage"]) == (True, whole["usage"])
    frames, _ = gateway.frames(prompt="And of bits")
    assert not frames[-1]["cached"]
    again = gateway.post("/query", prompt="And of bits").json
    assert again["cached"]
    assert again["response"] == "".join(frame["chunk"] for frame in frames)
    assert again["finish_reason"] == "stop"
    assert calls(simulator) == 2


def test_nobody_sees_anothers_entry(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    for body, headers in (({"user_id": "ann"}, {}), ({"user_id": "bob"}, {}), ({}, {"x-user-id": "eve"}), ({}, {})):
        assert state(gateway.post("/query", headers, prompt="hello", **body)) == "miss"
    assert state(gateway.post("/query", {"x-user-id": "ann"}, prompt="hello")) == "hit"
    assert calls(simulator) == 4


def test_sensitive_content_passes_the_cache_by(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    for _ in range(2):
        answer = gateway.post("/query", prompt=SECRET)
        assert (state(answer), answer.json["cached"]) == ("bypass", False)
    assert calls(simulator) == 2
    assert gateway.get("/cache/status").json["total_entries"] == 0


def test_force_refresh_skips_reading_and_replaces(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    gateway.post("/query", prompt="hello")
    assert gateway.post("/query", prompt="hello", force_refresh=True).json["cached"] is False
    assert gateway.post("/query", prompt="hello").json["cached"] is True
    assert calls(simulator) == 2


def test_embeddings_and_chats_are_cached(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    first, second = (gateway.post("/embeddings", text=["a", "b"], provider="openai") for _ in range(2))
    assert (state(first), state(second)) == ("miss", "hit")
    assert first.json["embeddings"] == second.json["embeddings"]
    first, second = (gateway.post("/chat", prompt="hello") for _ in range(2))
    assert (state(first), state(second)) == ("miss", "hit")
    assert first.json["conversation_id"] != second.json["conversation_id"]
    turns = gateway.get(f"/conversations/{second.json['conversation_id']}").json["turns"]
    assert [turn["content"] for turn in turns] == ["hello", second.json["response"]]
    assert state(gateway.post("/chat", prompt="hello", conversation_id=second.json["conversation_id"])) == "miss"
    assert calls(simulator) == 3


def test_a_thousand_identical_requests_are_one_call(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.set_latency({kind: Latency(first_byte_s=1.0) for kind in KINDS})

    async def ask() -> list[bool]:
        async with AsyncGatewayClient(gateway.url) as client:
            return [answer.raw["cached"] for answer in await asyncio.gather(*[client.query("What is a qubit?") for _ in range(1000)])]

    cached = asyncio.run(ask())
    assert sorted(cached) == [False] + [True] * 999
    assert calls(simulator) == 1
    assert gateway.get("/cache/status").json["hits"] == 999


def test_hundreds_of_identical_streams_are_one_call(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.set_latency({kind: Latency(first_byte_s=1.0) for kind in KINDS})
    body = json.dumps({"prompt": "What is a stream?", "user_id": "ann"}).encode()

    async def one() -> tuple[str, str, bool]:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"POST /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        text = rest.decode()
        frames = [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line.startswith("data: {")]
        return head.decode().lower().partition("x-gateway-cache: ")[2].split()[0], "".join(f["chunk"] for f in frames), "[DONE]" in text

    async def all_of_them() -> list[tuple[str, str, bool]]:
        return await asyncio.gather(*[one() for _ in range(400)])

    answers = asyncio.run(all_of_them())
    assert sorted(state for state, _, _ in answers) == ["hit"] * 399 + ["miss"]
    assert len({text for _, text, _ in answers}) == 1
    assert all(done for _, _, done in answers)
    assert calls(simulator) == 1


def test_a_hit_counts_as_a_request_and_costs_no_tokens(gateway: RunningGateway) -> None:
    def standing() -> tuple[int, int, int]:
        status = gateway.get("/rate-limit/status?user_id=ann").json
        return status["requests_per_minute"]["used"], status["tokens_per_minute"]["used"], status["tokens_held"]

    gateway.post("/query", prompt="What is a token?", user_id="ann")
    requests, tokens, held = standing()
    assert (requests, held) == (1, 0)
    assert tokens > 0
    assert state(gateway.post("/query", prompt="What is a token?", user_id="ann")) == "hit"
    assert standing() == (2, tokens, 0)


def test_status_and_clear_as_the_specification_shows_them(gateway: RunningGateway) -> None:
    for user in ("user123", "user123", "user4"):
        for prompt in ("one", "two"):
            gateway.post("/query", prompt=prompt, user_id=user, provider="openai")
    status = gateway.get("/cache/status").json
    assert (status["status"], status["store"], status["scope"], status["total_entries"]) == ("healthy", "memory", "caller", 4)
    assert (status["hits"], status["misses"], status["hit_rate"]) == (2, 4, 0.3333)
    assert status["saved_tokens"] > 0
    assert status["saved_cost"] > 0
    assert status["by_caller"]["user123"]["hits"] == status["by_caller"]["user123"]["entries"] == 2
    assert sum([row["bytes"] for row in status["by_caller"].values()]) == status["total_bytes"]
    assert [row["hits"] for row in status["by_model"].values()] == [2]
    health = gateway.get("/health/detailed").json["cache"]
    assert health == {"status": "healthy", "total_entries": 4, "total_size_mb": status["total_size_mb"]}
    forecast = gateway.post("/route/explain", prompt="one", user_id="user4", provider="openai").json["cache"]
    assert forecast["state"] == "hit"
    assert forecast["key"].startswith("user4_")

    asked: dict[str, Any] = {"pattern": "user123_*", "user_id": "user123"}
    assert gateway.post("/cache/clear", **asked).json == {"entries_cleared": 2, "pattern": "user123_*"}
    assert gateway.post("/cache/clear", user_id="user4").json == {"entries_cleared": 2, "pattern": None}
    gateway.post("/query", prompt="one")
    empty = gateway.call("POST", "/cache/clear", None, {"content-type": ""})
    assert (empty.status, empty.json) == (200, {"entries_cleared": 1, "pattern": None})
    assert gateway.post("/cache/clear").json["entries_cleared"] == 0
    assert gateway.post("/route/explain", prompt="one").json["cache"]["state"] == "miss"
    assert gateway.post("/route/explain", prompt=SECRET).json["cache"] == {"state": "bypass", "key": None}


@pytest.mark.parametrize(
    ("body", "content_type", "named"),
    [
        (b'{"patern": "x"}', "application/json", "patern"),
        (b'{"pattern": 5}', "application/json", "pattern"),
        (b'{"pattern": ""}', "application/json", "pattern"),
        (b"{", "application/json", "JSON"),
        (b'{"user_id": "x"}', "text/plain", "content-type"),
    ],
)
def test_a_request_to_clear_that_is_wrong_clears_nothing(gateway: RunningGateway, body: bytes, content_type: str, named: str) -> None:
    gateway.post("/query", prompt="hello")
    answer = gateway.call("POST", "/cache/clear", body, {"content-type": content_type})
    assert answer.status == 400
    assert named in answer.json["error"]["message"]
    assert gateway.get("/cache/status").json["total_entries"] == 1


def test_the_cache_can_be_switched_off(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {**UNLIMITED, "cache.max_size": 0}) as gateway:
        assert [state(gateway.post("/query", prompt="hello")) for _ in range(2)] == ["bypass"] * 2
        assert gateway.get("/health/detailed").json["cache"]["status"] == "disabled"


ADMIN = {"authorization": "Bearer kX9vT2mQ7wLz4RbN8yHd"}


@pytest.fixture
def closed(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    """A gateway with keys."""
    settings = {**UNLIMITED, "auth.admin_token": "kX9vT2mQ7wLz4RbN8yHd"}
    with running_gateway(tmp_path, simulator, settings) as running:
        simulator.clear_log()
        yield running


def key(gateway: RunningGateway, owner: str, **grant: object) -> dict[str, str]:
    answer = gateway.post("/admin/keys", ADMIN, name="n", owner=owner, **grant)
    assert answer.status == 201, answer.body
    return {"authorization": f"Bearer {answer.json['key']}"}


def test_with_keys_everybody_has_a_cache_of_its_own(closed: RunningGateway, simulator: SimulatorProcess) -> None:
    acme, other = key(closed, "acme"), key(closed, "other")
    ask: Mapping[str, object] = {"prompt": "hello", "provider": "openai"}
    for credentials, user in ((acme, "ann"), (acme, "bob"), (other, "ann")):
        assert state(closed.post("/query", credentials, **ask, user_id=user)) == "miss"
    assert state(closed.post("/query", acme, **ask, user_id="ann")) == "hit"
    status = closed.get("/cache/status", acme).json
    assert set(status["by_caller"]) == {"acme/ann", "acme/bob"}
    assert (status["hits"], status["misses"], status["total_entries"]) == (1, 2, 2)
    assert set(closed.get("/cache/status", ADMIN).json["by_caller"]) == {"acme/ann", "acme/bob", "other/ann"}
    assert closed.get("/cache/status").status == 401
    assert closed.post("/cache/clear").status == 401
    assert closed.post("/cache/clear", other, pattern="acme*").json["entries_cleared"] == 0
    assert closed.post("/cache/clear", other, user_id="acme/ann").json["entries_cleared"] == 0
    assert closed.post("/cache/clear", acme, user_id="ann").json["entries_cleared"] == 1
    assert closed.post("/cache/clear", acme).json["entries_cleared"] == 1
    assert closed.post("/cache/clear", ADMIN).json["entries_cleared"] == 1


def test_a_key_that_covers_less_does_not_get_what_another_of_its_owner_was_answered(
    closed: RunningGateway, simulator: SimulatorProcess
) -> None:
    wide, narrow = key(closed, "acme"), key(closed, "acme", allowed_providers=["ollama"])
    assert state(closed.post("/query", wide, prompt="hello", provider="openai")) == "miss"
    answer = closed.post("/query", narrow, prompt="hello", provider="openai")
    assert answer.status != 200 or answer.headers["x-gateway-provider"] == "ollama"
    models = key(closed, "acme", allowed_models=["llama3"])
    answer = closed.post("/query", models, prompt="hello", provider="openai")
    assert answer.status != 200 or answer.headers["x-gateway-provider"] == "ollama"


def test_an_idempotency_key_is_one_call(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.set_latency({kind: Latency(first_byte_s=1.0) for kind in KINDS})
    body = {"prompt": "once", "force_refresh": True}

    def ask(_: int) -> Answer:
        return gateway.post("/query", {"idempotency-key": "k1"}, **body)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(20)))
    assert calls(simulator) == 1
    assert {answer.status for answer in answers} <= {200, 409}
    again = gateway.post("/query", {"idempotency-key": "k1"}, **body)
    (first,) = {answer.body for answer in answers if answer.status == 200}
    assert again.body == first
    assert again.headers["x-gateway-idempotent-replay"] == "true"
    conflict = next(answer for answer in answers if answer.status == 409)
    assert conflict.json["error"]["type"] == "idempotency_conflict"
    assert conflict.headers["retry-after"] == "1"
    other = gateway.post("/query", {"idempotency-key": "k1"}, prompt="other")
    assert (other.status, other.json["error"]["type"], other.json["error"]["param"]) == (422, "idempotency_mismatch", "Idempotency-Key")
    assert calls(simulator) == 1


@pytest.mark.parametrize("path", ["/chat", "/stream", "/embeddings"])
def test_every_model_call_takes_an_idempotency_key(gateway: RunningGateway, simulator: SimulatorProcess, path: str) -> None:
    body = json.dumps({"text": "hello", "provider": "openai"} if path == "/embeddings" else {"prompt": "hello"}).encode()
    first, second = (gateway.call("POST", path, body, {"idempotency-key": "k1"}) for _ in range(2))
    assert first.status == 200, first.body
    assert first.body == second.body
    assert "x-gateway-idempotent-replay" not in first.headers
    assert second.headers["x-gateway-idempotent-replay"] == "true"
    assert second.headers["content-type"] == first.headers["content-type"]
    assert calls(simulator) == 1


def test_a_failed_call_frees_its_idempotency_key(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    body = {"prompt": "hello", "model": "no-such-model"}
    assert [gateway.post("/query", {"idempotency-key": "k1"}, **body).status for _ in range(2)] == [404, 404]
    assert gateway.post("/query", {"idempotency-key": "k1"}, prompt="hello").status == 200


def test_replicas_share_a_cache_and_do_without_it(tmp_path: Path, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RedisStore.__init__.__kwdefaults__, "timeout_s", 30)  # a busy machine makes misses of what should be hits
    with Valkey() as server:
        settings = {**UNLIMITED, "storage.redis_url": server.url}
        with (
            running_gateway(tmp_path / "one", simulator, settings) as one,
            running_gateway(tmp_path / "other", simulator, settings) as other,
        ):
            simulator.clear_log()
            assert state(one.post("/query", prompt="hello")) == "miss"
            assert state(other.post("/query", prompt="hello")) == "hit"
            assert state(other.post("/query", prompt="hello", user_id="ann")) == "miss"
            status = other.get("/cache/status").json
            assert (status["store"], status["total_entries"]) == ("redis", 2)
            assert one.post("/query", {"idempotency-key": "k1"}, prompt="once").status == 200
            replay = other.post("/query", {"idempotency-key": "k1"}, prompt="once")
            assert replay.headers["x-gateway-idempotent-replay"] == "true"
            assert one.post("/cache/clear", user_id="ann").json["entries_cleared"] == 1
            assert calls(simulator) == 3
            server.kill()
            assert state(one.post("/query", prompt="hello")) == "miss"
            assert one.get("/health/detailed").json["cache"]["status"] == "degraded"
            away = one.get("/cache/status")
            assert (away.status, away.json["error"]["code"]) == (503, "cache_unavailable")
            refused = one.post("/query", {"idempotency-key": "k1"}, prompt="once")
            assert (refused.status, refused.json["error"]["code"]) == (503, "idempotency_unavailable")


def test_of_many_identical_requests_at_two_replicas_one_is_sent(
    tmp_path: Path, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RedisStore.__init__.__kwdefaults__, "timeout_s", 30)
    simulator.set_latency({kind: Latency(first_byte_s=0.5) for kind in KINDS})
    with Valkey() as server:
        settings = {**UNLIMITED, "storage.redis_url": server.url}
        with (
            running_gateway(tmp_path / "one", simulator, settings) as one,
            running_gateway(tmp_path / "other", simulator, settings) as other,
        ):
            simulator.clear_log()

            def ask(number: int) -> str:
                gateway = (one, other)[number % 2]
                if number % 4 < 2:
                    return state(gateway.post("/query", prompt="What is a replica?", user_id="ann"))
                frames, done = gateway.frames(prompt="What is a replica?", user_id="ann")
                return "streamed" if done and "".join(frame["chunk"] for frame in frames) else "broken off"

            with ThreadPoolExecutor(40) as pool:
                states = Counter(pool.map(ask, range(80)))
            assert calls(simulator) == 1
            assert states["streamed"] == 40
            assert states["hit"] + states["miss"] == 40


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Exit code and output of a command line."""
    code = run(["cache", *words])
    return code, capsys.readouterr().out


def test_the_command_line_shows_and_clears(gateway: RunningGateway, capsys: pytest.CaptureFixture[str]) -> None:
    for user in ("user123", "user123", "user4"):
        gateway.post("/query", prompt="hello", user_id=user, provider="openai")
    capsys.readouterr()
    code, shown = command(capsys, "status", "--url", gateway.url)
    assert code == 0
    assert "healthy: 2 entries" in shown
    assert "1 hits of 3 (33.3%)" in shown
    assert "user123" in shown
    assert "openai/" in shown
    assert json.loads(command(capsys, "status", "--url", gateway.url, "--json")[1])["hits"] == 1
    code, said = command(capsys, "clear", "--url", gateway.url, "--pattern", "user123_*")
    assert (code, said.splitlines()[-1]) == (0, "1 entries cleared")
    _, said = command(capsys, "clear", "--url", gateway.url, "--user", "user4", "--json")
    assert json.loads(said[said.index("{\n") :]) == {"entries_cleared": 1, "pattern": None}
