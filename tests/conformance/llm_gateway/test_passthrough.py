"""What the gateway has no words for, through the vendors' own packages: files, batches, fine-tuning, pictures, sound."""

import base64
import io
import json
from collections.abc import Iterator
from os import urandom
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from tests.support import RunningGateway, running_gateway

from llm_gateway.identity.keys import new_key
from llm_gateway.simulator import FaultRule, SimulatorProcess

SECRET = "password = hunter2-Quokka-8841"
LINE = json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-4o", "messages": []}}).encode()


def sent(simulator: SimulatorProcess, kind: str = "openai") -> list[tuple[dict[str, str], bytes]]:
    """Headers and body of what reached a provider, but for health checks."""
    entries: list[dict[str, Any]] = [entry for entry in simulator.log(kind) if "/v1/models" not in str(entry["path"])]
    return [(dict(entry["headers"]), base64.b64decode(entry["body"])) for entry in entries]


@pytest.fixture(scope="module")
def gateway_of_module(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[RunningGateway]:
    """Of an operator who trusts both vendors with files."""
    settings = {
        "providers.openai.security_level": "high",
        "providers.anthropic.security_level": "high",
        "providers.openai.api_key": "sk-of-the-operator-0123456789",
        "routing.retry_base_s": 0.01,
    }
    with running_gateway(tmp_path_factory.mktemp("gateway"), simulator_of_session, settings) as running:
        yield running


@pytest.fixture
def gateway(gateway_of_module: RunningGateway, simulator: SimulatorProcess) -> RunningGateway:
    return gateway_of_module


@pytest.fixture
def careful(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    """As it comes: OpenAI and Anthropic are of level medium."""
    with running_gateway(tmp_path, simulator) as running:
        yield running


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/openai/v1", api_key="any", max_retries=0) as made:
        yield made


def test_files(client: openai.OpenAI, simulator: SimulatorProcess) -> None:
    content = b"\x00\xff" * 100_000
    made = client.files.create(file=("data.bin", io.BytesIO(content)), purpose="user_data")
    assert (made.filename, made.bytes) == ("data.bin", len(content))
    assert made.id in [found.id for found in client.files.list()]
    assert client.files.retrieve(made.id).id == made.id
    got = client.files.content(made.id)
    assert got.read() == content
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError) as raised:
        client.files.retrieve(made.id)
    assert "No such object" in raised.value.message
    (headers, body), *_ = sent(simulator)
    assert headers["authorization"] == "Bearer sk-of-the-operator-0123456789"
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    assert content in body
    assert not {"x-api-key", "x-stainless-lang", "cookie"} & headers.keys()


def test_batches(client: openai.OpenAI) -> None:
    source = client.files.create(file=("in.jsonl", LINE), purpose="batch")
    batch = client.batches.create(
        endpoint="/v1/chat/completions", input_file_id=source.id, completion_window="24h", metadata={"for": "tests"}
    )
    assert batch.status == "completed"
    assert batch.output_file_id is not None
    assert json.loads(client.files.content(batch.output_file_id).read())["custom_id"] == "a"
    assert [found.id for found in client.batches.list(limit=5)] == [batch.id]
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_fine_tuning(client: openai.OpenAI) -> None:
    source = client.files.create(file=("train.jsonl", LINE), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=source.id)
    assert job.status == "queued"
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"


def test_pictures_and_sound(client: openai.OpenAI) -> None:
    pictures = client.images.generate(model="gpt-image-1", prompt="a small square", n=2).data
    assert pictures is not None
    assert [picture.b64_json is not None for picture in pictures] == [True, True]
    with client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="Hello there. " * 500) as answer:
        assert answer.headers["content-type"] == "audio/mpeg"
        sizes = [len(piece) for piece in answer.iter_bytes(8192)]
    assert sum(sizes) > 500_000
    heard = client.audio.transcriptions.create(model="whisper-1", file=("talk.mp3", b"ID3" + bytes(5000)))
    assert "5003 bytes of talk.mp3" in heard.text


def test_a_conversation_can_be_passed_through_too(client: openai.OpenAI, gateway: RunningGateway) -> None:
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Tell me of qubits"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices).startswith("[simulated openai")
    answer = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=[{"role": "user", "content": "Tell me of qubits"}])
    assert answer.headers["x-ratelimit-limit-requests"] == "10000"  # OpenAI's own, in place of the gateway's
    assert answer.headers["x-gateway-provider"] == "openai"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.parse().usage is not None


def test_batches_of_messages(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    client = anthropic.Anthropic(base_url=f"{gateway.url}/anthropic", api_key="any", max_retries=0)
    params: anthropic.types.message_create_params.MessageCreateParamsNonStreaming = {
        "model": "claude-sonnet-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}],
    }  # fmt: skip
    batch = client.messages.batches.create(requests=[{"custom_id": "a", "params": params}])
    assert batch.processing_status == "ended"
    assert client.messages.batches.retrieve(batch.id).id == batch.id
    answer = gateway.get(f"/anthropic/v1/messages/batches/{batch.id}/results")
    assert json.loads(answer.body)["custom_id"] == "a"
    betas: list[anthropic.types.AnthropicBetaParam] = ["files-api-2025-04-14"]
    uploaded = client.beta.files.upload(file=("a.txt", b"hello", "text/plain"), betas=betas)
    assert client.beta.files.list(betas=betas).data[0].id == uploaded.id
    assert client.beta.files.delete(uploaded.id, betas=betas).type == "file_deleted"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve("msgbatch_none")
    assert all(headers["anthropic-version"] for headers, _ in sent(simulator, "anthropic"))


def test_what_cannot_be_read_goes_to_no_provider_below_the_level(careful: RunningGateway, simulator: SimulatorProcess) -> None:
    with openai.OpenAI(base_url=f"{careful.url}/openai/v1", api_key="any", max_retries=0) as client:
        with pytest.raises(openai.PermissionDeniedError) as raised:
            client.files.create(file=("notes.txt", b"harmless"), purpose="user_data")
        assert raised.value.code == "sensitive_content_blocked"
        with pytest.raises(openai.PermissionDeniedError) as raised:
            client.images.generate(model="gpt-image-1", prompt=f"a poster that says {SECRET}")
        assert raised.value.code == "sensitive_content_blocked"
        assert not sent(simulator)
        assert client.images.generate(model="gpt-image-1", prompt="a small square").data
    assert not [body for _, body in sent(simulator) if SECRET.encode() in body]


@pytest.mark.parametrize(
    "path",
    [
        "/openai/files/password%20%3D%20hunter2-Quokka-8841",
        "/openai/files?after=password%20%3D%20hunter2-Quokka-8841",
    ],
)
def test_paths_and_queries_are_judged(careful: RunningGateway, simulator: SimulatorProcess, path: str) -> None:
    answer = careful.get(path)
    assert (answer.status, answer.json["error"]["code"]) == (403, "sensitive_content_blocked")
    assert not sent(simulator)


def test_pictures_may_be_trusted_and_files_not(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {"security.policies": {"unreadable.body": "allow"}}) as gateway:
        client = openai.OpenAI(base_url=f"{gateway.url}/openai/v1", api_key="any", max_retries=0)
        assert client.files.create(file=("notes.txt", b"harmless"), purpose="user_data").id
        body = {"model": "gpt-image-1", "prompt": "edit", "image_url": "https://example.org/a.png"}
        answer = gateway.post("/openai/images/generations", **body)
        assert answer.status == 403, answer.body


@pytest.mark.parametrize(
    "path",
    [
        "/openai/../health",
        "/openai/%2e%2e/health",
        "/openai/files/%2e%2e/%2e%2e/admin",
        "/openai/files/a%2Fb",
        "/openai/files/a%5Cb",
        "/openai//evil.example/files",
        "/openai/files/a%0d%0ax",
        "/openai/files/%25%32%65",
        "/openai/",
        "/openai/" + "a" * 3000,
    ],
)
def test_no_path_leads_elsewhere(gateway: RunningGateway, simulator: SimulatorProcess, path: str) -> None:
    answer = gateway.get(path)
    assert answer.status == 400, answer
    assert answer.json["error"]["code"] == "invalid_path"
    assert not sent(simulator)
    assert not sent(simulator, "anthropic")


def test_accounts_are_not_managed_through_the_gateway(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    for path in ("/openai/organization/users", "/openai/v1/organization/admin_api_keys", "/anthropic/v1/organizations/users"):
        answer = gateway.get(path)
        assert answer.status == 403
    assert gateway.get("/openai/organization/users").json["error"]["code"] == "passthrough_refused"
    assert not sent(simulator)
    assert not sent(simulator, "anthropic")


def test_it_can_be_switched_off(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {"passthrough.enabled": False}) as gateway:
        assert gateway.get("/openai/files").json["error"]["code"] == "passthrough_disabled"
        assert not sent(simulator)


def test_budgets_treat_it_as_of_unknown_cost(tmp_path: Path, simulator: SimulatorProcess) -> None:
    budget = {"budgets.all.limit_usd": 1.0, "budgets.all.period": "day"}
    with running_gateway(tmp_path / "a", simulator, budget) as gateway:
        answer = gateway.get("/openai/files")
        assert (answer.status, answer.json["error"]["code"]) == (402, "price_unknown")
        assert answer.headers["x-should-retry"] == "false"
    with running_gateway(tmp_path / "b", simulator, {**budget, "budgets.all.on_unknown_price": "flag"}) as gateway:
        assert gateway.get("/openai/files").status == 200


def test_keys_limits_and_the_trail_hold(tmp_path: Path, simulator: SimulatorProcess) -> None:
    secret, narrow_secret = new_key(urandom), new_key(urandom)
    settings = {
        "auth.keys.team": {"key": secret, "tier": "slow"},
        "auth.keys.narrow": {"key": narrow_secret, "allowed_models": ["gpt-4o"]},
        "rate_limiting.slow.requests_per_minute": 1,
        "rate_limiting.slow.cooldown_seconds": 0,
    }
    with running_gateway(tmp_path, simulator, settings) as gateway:
        assert gateway.get("/openai/files").status == 401
        mine = {"authorization": f"Bearer {secret}"}
        assert gateway.get("/openai/files", mine).status == 200
        limited = gateway.get("/openai/files", mine)
        assert limited.status == 429
        assert float(limited.headers["retry-after-ms"]) > 0
        narrow = gateway.get("/openai/files", {"authorization": f"Bearer {narrow_secret}"})
        assert narrow.status == 403
        admin = (tmp_path / "admin_token").read_text().strip()
        rows = gateway.get("/audit?limit=50", {"authorization": f"Bearer {admin}"}).json
        shown = json.dumps(rows)
        assert "openai-passthrough" in shown
        assert "intent" in shown
        assert "outcome" in shown


def test_a_refused_key_is_the_gateways_matter(gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(kind="openai", status=401))
    answer = gateway.get("/openai/files")
    assert answer.status == 502
    assert "sk-of-the-operator" not in answer.body.decode()


def test_only_what_may_be_repeated_is_sent_twice(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {"routing.retry_base_s": 0.01}) as gateway:
        simulator.add_faults(FaultRule(kind="openai", method="GET", path="/v1/files", status=500, times=1))
        assert gateway.get("/openai/files").status == 200
        assert len(sent(simulator)) == 2
        simulator.clear_log()
        simulator.add_faults(FaultRule(kind="openai", method="POST", status=500))
        assert gateway.post("/openai/images/generations", model="gpt-image-1", prompt="a small square").status == 502
        assert len(sent(simulator)) == 1
