"""`demo` and `simulate`: everything the README shows, without a key or a network."""

import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from llm_gateway.cli.serve import Host, Port, run_gateway
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.identity.admin_token import FILE_NAME
from llm_gateway.simulator import ConfigurationError as SimulatorConfigurationError
from llm_gateway.simulator import Kind, SimulatorConfig, load_scenario, simulator_process
from llm_gateway.simulator.config import latency_of

app = typer.Typer()
PROVIDERS: Final[tuple[Kind, ...]] = ("ollama", "openai", "anthropic", "bedrock", "grok")
DEFAULT_PORT = 5055
_GREETING = """
LLM Gateway, with five simulated providers (every answer says that it is simulated).

  open   {url}/dashboard     what it does, live; and a playground
         {url}/docs          every endpoint, with a line to paste
         admin token, for keys and budgets: {token}

  curl -X POST "{url}/query" -H "Content-Type: application/json" \\
    -d '{{"prompt": "Explain quantum computing in simple terms", "temperature": 0.7, "max_tokens": 500}}'

  # a secret: asked of openai, answered by a secure provider
  curl -X POST "{url}/query" -H "Content-Type: application/json" \\
    -d '{{"prompt": "Analyze this internal API key: sk-1234567890abcdef", "provider": "openai"}}'

  # why? nothing is sent
  curl -X POST "{url}/route/explain" -H "Content-Type: application/json" -d '{{"prompt": "Hello, world!"}}'

  curl -N -X POST "{url}/stream" -H "Content-Type: application/json" \\
    -d '{{"prompt": "Write a short story about AI", "provider": "openai"}}'

  curl "{url}/providers"

  # what the simulated openai saw, byte for byte; stop it, and ask again to see the fallback
  curl "{control}/log?kind=openai"
  curl -X POST "{control}/stop/openai"

  # a tour of the integrated services: keep a document, ask with all that is known, see who took part ("integrations")
  curl -X POST "{url}/documents?user_id=developer123&filename=auth.md" -H "Content-Type: text/markdown" \\
    --data-binary "An authentication error means that the token has expired: renew it with POST /renew."
  curl -X POST "{url}/enhanced-query" -H "Content-Type: application/json" \\
    -d '{{"prompt": "Explain this authentication error", "user_id": "developer123"}}'
  curl -N -X POST "{url}/workflow-query" -H "X-Workflow-Type: research" -H "Accept: text/event-stream" \\
    -H "Content-Type: application/json" -d '{{"prompt": "What does an authentication error mean?", "user_id": "developer123"}}'
  curl "{url}/services/status"

Ctrl-C ends it.

"""


@app.command()
def demo(host: Host = None, port: Port = None) -> None:
    """Run the gateway with five simulated providers: no keys, no network, everything can be tried."""
    host, port = host or "127.0.0.1", port if port is not None else DEFAULT_PORT
    _must_be_free(host, port)
    config = SimulatorConfig(latency=latency_of("lifelike"))
    with simulator_process(config) as simulator, tempfile.TemporaryDirectory(prefix="llm-gateway-demo-") as folder:
        url = f"http://{'localhost' if host in {'127.0.0.1', '0.0.0.0'} else host}:{port}"  # noqa: S104 - compared, not bound
        greeting = _GREETING.format(url=url, control=simulator.control_url, token=Path(folder) / FILE_NAME)
        flags = {"host": host, "port": port, "data_dir": folder, "log_level": "warning"}
        run_gateway(None, flags, environ_of(simulator.urls), greeting)


def environ_of(urls: Mapping[Kind, str]) -> dict[str, str]:
    """An environment that points the five default providers at simulated upstreams. Nothing of the real one is taken over."""
    environ = {f"{kind.upper()}_ENDPOINT": urls[kind] for kind in PROVIDERS}
    return environ | {f"{kind.upper()}_API_KEY": "simulated" for kind in ("openai", "anthropic", "grok")}


@app.command()
def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    scenario: Annotated[Path | None, typer.Option(help="JSON or YAML file with latency and faults.")] = None,
) -> None:
    """Run only the simulated upstreams and print their addresses."""
    config = SimulatorConfig(host=host, latency=latency_of("lifelike"))
    try:
        with simulator_process(config.with_scenario(load_scenario(scenario)) if scenario else config) as simulator:
            sys.stdout.write("".join(f"export {name}={value}\n" for name, value in environ_of(simulator.urls).items()))
            sys.stdout.write(f"# what they saw, and faults: {simulator.control_url}/log and /faults\n")
            sys.stdout.flush()
            simulator.process.wait()
    except SimulatorConfigurationError as failure:
        raise ConfigurationError(str(failure)) from None


def _must_be_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as failure:
            raise ConfigurationError(f"{host}:{port} is taken ({failure.strerror}): choose another with --port") from None
