"""Clients in JavaScript against the gateway: OpenAI's own package, and the Vercel AI SDK with its OpenAI and Anthropic providers.

Needs node and npm; without them the tests are skipped. Versions are pinned by the lock file.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.conftest import FAILS, SLOW, Refusing
from tests.support import RunningGateway

SOURCE = Path(__file__).parents[1] / "js"
LOCK = (SOURCE / "package-lock.json").read_bytes()
FOLDER = Path(__file__).parents[3] / ".tools" / f"js-{hashlib.sha256(LOCK).hexdigest()[:12]}"
CLIENTS = ("openai", "ai-openai-chat", "ai-openai-responses", "ai-anthropic")
MODELS = ("openai/gpt-4o", "anthropic/claude-sonnet-4-5", "ollama/llama3.1:8b", "grok/grok-4")


@pytest.fixture(scope="module")
def script() -> Path:
    """The script beside its packages."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm")
    if not (FOLDER / "node_modules").exists():
        _install()
    # Packages are looked for beside the script: it is copied, and stays one file in the repository.
    return Path(shutil.copy(SOURCE / "clients.mjs", FOLDER / f"clients-{os.getpid()}.mjs"))


def _install() -> None:
    """Fetch them beside their place and move them there in one step: another run may be doing the same."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.parent, ignore_cleanup_errors=True) as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, folder)
        done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--prefix", folder], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with contextlib.suppress(OSError):  # somebody else was faster
            Path(folder).rename(FOLDER)


def run(script: Path, url: str, client: str, scenarios: str, models: Iterable[str], **environ: str) -> dict[str, dict[str, Any]]:
    """What a client met with each model in each scenario; `failed` where it met what it does not know."""
    command = ["node", str(script), client, scenarios, ",".join(models)]
    variables = {**os.environ, "GATEWAY_URL": url, "AI_SDK_LOG_WARNINGS": "false", **environ}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, timeout=300)
    assert done.returncode == 0, done.stderr
    results: dict[str, dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    return results


@pytest.mark.parametrize("client", CLIENTS)
def test_what_clients_do(script: Path, open_gateway: RunningGateway, client: str) -> None:
    scenarios = "chat,stream,tools,structured" + (",responses" if client == "openai" else "")
    for name, results in run(script, open_gateway.url, client, scenarios, MODELS).items():
        mark = f"[simulated {name.partition('/')[0]}"
        for told in (results["chat"], results["stream"]):
            assert mark in told["text"]
            assert told["finish"] == "stop"
            assert told["tokens"] > 0
        assert results["stream"]["text"] == results["chat"]["text"]
        called = results["tools"]
        assert (called["name"], called["finish"].replace("-", "_")) == ("get_weather", "tool_calls")
        assert isinstance(called["city"], str)
        assert "sunny in Paris" in called["text"]
        if (client, name) == ("ai-anthropic", "ollama/llama3.1:8b"):  # it forces a tool, which Ollama cannot be told
            assert "tool_choice" in results["structured"]["failed"]
        else:
            assert isinstance(results["structured"]["name"], str)
            assert isinstance(results["structured"]["inhabitants"], int)
        if client == "openai":
            assert mark in results["responses"]["text"]
            assert results["responses"]["status"] == "completed"


@pytest.mark.parametrize("client", ["openai", "ai-openai-chat"])
def test_embeddings(script: Path, open_gateway: RunningGateway, client: str) -> None:
    for results in run(
        script, open_gateway.url, client, "embeddings", ("openai/text-embedding-3-small", "ollama/nomic-embed-text")
    ).values():
        told = results["embeddings"]
        assert (told["count"], told["size"] > 100, told["tokens"] > 0) == (2, True, True)


@pytest.mark.parametrize("client", CLIENTS)
def test_errors_are_of_the_class_that_the_package_promises(script: Path, refusing: Refusing, client: str) -> None:
    keys = {"GOOD_KEY": refusing.good, "LIMITED_KEY": refusing.limited, "BROKE_KEY": refusing.broke}
    (results,) = run(script, refusing.url, client, "errors", MODELS[:1], SLOW_PROMPT=SLOW, FAILING_PROMPT=FAILS, **keys).values()
    told = results["errors"]
    statuses = {name: each["status"] for name, each in told.items()}
    assert statuses == {
        "authentication": 401, "bad_request": 400, "refused_by_provider": 400, "rate_limit": 429, "budget": 402, "timeout": None,
    }  # fmt: skip
    # One request each: nothing of this is worth a second one, and the client was told so.
    assert {name: each["calls"] for name, each in told.items()} == dict.fromkeys(told, 1)
    classes = {name: each["error"] for name, each in told.items()}
    if client == "openai":
        assert classes == {
            "authentication": "AuthenticationError", "bad_request": "BadRequestError", "refused_by_provider": "BadRequestError",
            "rate_limit": "RateLimitError", "budget": "APIError", "timeout": "APIConnectionTimeoutError",
        }  # fmt: skip
        assert told["budget"]["code"] == "budget_exhausted"
    else:
        assert {name for name, kind in classes.items() if kind != "APICallError"} == {"timeout"}
        assert told["budget"]["retryable"] is False
        assert told["rate_limit"]["retryable"] is True
