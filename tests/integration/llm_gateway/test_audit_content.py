"""What the trail keeps of what was said: digests always, question and answer sealed where the operator asks for it."""

import hashlib
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support import RunningGateway, running_gateway

from llm_gateway.audit.keys import KEY_FILE, read_key
from llm_gateway.cli.main import run
from llm_gateway.cli.outcome import Exit
from llm_gateway.simulator import SimulatorProcess

Captured = pytest.CaptureFixture[str]
ADMIN = "an-admin-token-for-tests-only"
SECRET = "Analyze this internal API key: sk-1234567890abcdef"
MAIL = "Write to ada.lovelace@kensington-labs.co.uk, please"


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    changes = {"audit.store_content": True, "security.policies": {"pii": "redact"}, "auth.admin_token": ADMIN}
    with running_gateway(tmp_path, simulator, changes) as running:
        yield running


def outcome(gateway: RunningGateway, name: str) -> dict[str, Any]:
    """The detail of a call's outcome, when it is written."""
    waiting = threading.Event()
    for _ in range(1000):
        if rows := gateway.get(f"/audit?kind=outcome&correlation_id={name}", {"authorization": f"Bearer {ADMIN}"}).json["rows"]:
            detail: dict[str, Any] = rows[0]["detail"]
            return detail
        waiting.wait(0.02)
    raise AssertionError("the outcome is not written")


def test_question_and_answer_are_kept_sealed_if_nothing_in_them_is_sensitive(
    gateway: RunningGateway, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = gateway.post("/query", prompt="What is a lighthouse?").json
    kept = outcome(gateway, asked["correlation_id"])
    file = str(tmp_path / "gateway.sqlite3")
    capsys.readouterr()
    assert run(["audit", "content", asked["correlation_id"], "--file", file]) == Exit.DONE
    told = json.loads(capsys.readouterr().out)
    assert told["answer"] == asked["response"]
    assert told["request"]["messages"][0]["content"] == "What is a lighthouse?"

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(asked["response"].encode())))
    assert run(["audit", "digest", "--file", file]) == Exit.DONE
    assert capsys.readouterr().out.strip() == kept["answer"]
    key = read_key(tmp_path / KEY_FILE)
    assert kept["answer"] == key.content_digest(hashlib.blake2b(asked["response"].encode(), digest_size=32).digest())
    assert "lighthouse" not in msgspec.json.encode(kept).decode()
    assert run(["audit", "verify", "--file", file]) == Exit.DONE


@pytest.mark.parametrize("prompt", [SECRET, MAIL])
def test_of_what_is_sensitive_or_was_redacted_only_digests_are(
    gateway: RunningGateway, tmp_path: Path, capsys: Captured, prompt: str
) -> None:
    asked = gateway.post("/query", prompt=prompt).json
    kept = outcome(gateway, asked["correlation_id"])
    assert kept["answer"]
    assert "content" not in kept
    capsys.readouterr()
    assert run(["audit", "content", asked["correlation_id"], "--file", str(tmp_path / "gateway.sqlite3")]) == Exit.FAILED
    assert "was not kept" in capsys.readouterr().err


def test_a_stream_has_the_digest_of_its_whole_text(gateway: RunningGateway, tmp_path: Path) -> None:
    frames, done = gateway.frames(prompt="What is a lighthouse?")
    assert done
    text = "".join(frame.get("chunk", "") for frame in frames)
    kept = outcome(gateway, frames[-1]["correlation_id"])
    key = read_key(tmp_path / KEY_FILE)
    assert kept["answer"] == key.content_digest(hashlib.blake2b(text.encode(), digest_size=32).digest())
