"""The `llm` command line against the gateway: models of its own list, with its own configuration folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from llm.cli import cli
from tests.conformance.conftest import FAILS, Refusing
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import FaultRule, SimulatorProcess

pytestmark = [pytest.mark.usefixtures("unclosed"), pytest.mark.filterwarnings("ignore::ResourceWarning")]

MODELS = {
    "openai": "openai/gpt-4o",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "ollama": "ollama/llama3.1:8b",
    "grok": "grok/grok-4",
}
PAGE = Path(__file__).parents[3] / "docs" / "clients.md"


def documented(url: str) -> str:
    """The `extra-openai-models.yaml` of the documentation."""
    block = PAGE.read_text(encoding="utf-8").partition("extra-openai-models.yaml")[2].partition("```yaml\n")[2].partition("```")[0]
    assert "http://localhost:5055/v1" in block
    return block.replace("http://localhost:5055", url)


class Llm:
    """The command, with a folder of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        rest = f"  api_base: {url}/v1\n  api_key_name: gateway\n  supports_tools: true\n  supports_schema: true\n"
        models = [f"- model_id: {kind}\n  model_name: {name}\n{rest}" for kind, name in MODELS.items()]
        (folder / "extra-openai-models.yaml").write_text(documented(url) + "".join(models))

    def __call__(self, *arguments: str, key: str = "any") -> Result:
        return CliRunner().invoke(cli, [*arguments, "--key", key, "--no-log"], env={"LLM_USER_PATH": str(self.folder)})


@pytest.fixture
def llm(tmp_path: Path, open_gateway: RunningGateway) -> Llm:
    return Llm(tmp_path / "llm", open_gateway.url)


@pytest.mark.parametrize("kind", MODELS)
def test_chat_and_stream(llm: Llm, kind: str) -> None:
    whole = llm("-m", kind, "--no-stream", "-s", "Be brief.", "Tell me of qubits")
    assert whole.exit_code == 0, whole.stderr
    assert f"[simulated {kind}" in whole.stdout
    assert llm("-m", kind, "-s", "Be brief.", "Tell me of qubits").stdout == whole.stdout


def test_the_models_of_the_documentation(llm: Llm) -> None:
    assert "[simulated " in llm("-m", "gateway", "Tell me of qubits").stdout
    environ = {**os.environ, "LLM_USER_PATH": str(llm.folder)}
    command = [sys.executable, "-m", "llm", "-m", "sonnet", "Tell me of qubits", "--key", "any", "--no-log"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=300)
    assert answer.returncode == 0, answer.stderr
    assert "[simulated anthropic" in answer.stdout


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_tools_and_structured_output(llm: Llm, kind: str) -> None:
    code = "def get_weather(city: str) -> str:\n    'Weather of a city'\n    return f'sunny in {city}'\n"
    told = llm("-m", kind, "--functions", code, "Call get_weather for Paris")
    assert told.exit_code == 0, told.stderr
    assert "sunny in" in told.stdout
    found = llm("-m", kind, "--schema", "name, inhabitants int", "Describe a city")
    assert found.exit_code == 0, found.stderr
    assert set(json.loads(found.stdout)) == {"name", "inhabitants"}


def test_embeddings(llm: Llm, open_gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its embedding models are a fixed list, of OpenAI's: the package's own variable says where they are."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{open_gateway.url}/v1")
    environ = {"LLM_USER_PATH": str(llm.folder), "OPENAI_API_KEY": "any"}
    told = CliRunner().invoke(cli, ["embed", "-m", "3-small", "-c", "one text"], env=environ)
    assert told.exit_code == 0, told.stderr
    assert len(json.loads(told.stdout)) > 100


def test_a_providers_limit(tmp_path: Path, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(method="POST", status=429, message="slow down", retry_after=0))
    with running_gateway(tmp_path, simulator, {"routing.max_attempts": 1, "routing.explicit_fallback": False}) as gateway:
        told = Llm(tmp_path / "llm", gateway.url)("-m", "openai", "hello")
    assert told.exit_code == 1
    assert "Error code: 429" in told.stderr
    assert "slow down" in told.stderr


def test_errors(tmp_path: Path, refusing: Refusing) -> None:
    llm = Llm(tmp_path / "llm", refusing.url)
    for key, text, status in (
        ("wrong", "hello", "401"), (refusing.good, FAILS, "400"), (refusing.broke, "hello", "402"),
    ):  # fmt: skip
        told = llm("-m", "openai", text, key=key)
        assert told.exit_code == 1
        assert f"Error code: {status}" in told.stderr
