"""The commands and their options."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from llm_gateway import __version__
from llm_gateway.cli import ask as asking
from llm_gateway.cli import audit, cache, keys
from llm_gateway.cli import demo as demonstrating
from llm_gateway.cli import serve as serving
from llm_gateway.cli import usage as using
from llm_gateway.core.errors import ConfigurationError
from llm_gateway_client import DEFAULT_URL, GatewayError

app = typer.Typer(
    name="llm-gateway", help="One door to every model.", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
)

app.add_typer(audit.app)
app.add_typer(keys.app)
app.add_typer(cache.app)

Config = Annotated[Path | None, typer.Option("--config", "-c", help="YAML file (else LLM_GATEWAY_CONFIG, else defaults).")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.")]
Url = Annotated[str, typer.Option("--url", envvar="LLM_GATEWAY_URL", help="The gateway to talk to.")]
Key = Annotated[str | None, typer.Option("--api-key", envvar="LLM_GATEWAY_API_KEY", help="A key of that gateway.")]
ProviderName = Annotated[str | None, typer.Option("--provider", "-p", help="Ask this provider (the security policy still rules).")]
ModelName = Annotated[str | None, typer.Option("--model", "-m", help="Ask this model, or provider/model.")]
User = Annotated[str | None, typer.Option("--user", "-u", help="The user to count the call against.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the raw JSON.")]
Prompt = Annotated[str | None, typer.Argument(help="What to ask; read from standard input when absent or `-`.")]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"llm-gateway {__version__}")
        raise typer.Exit


@app.command()
def serve(config: Config = None, host: Host = None, port: Port = None) -> None:
    """Run the gateway on the providers that the configuration and the environment name."""
    serving.serve(config, {"server.host": host, "server.port": port})


@app.command()
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Validate the configuration and print what is in force, and where each value comes from."""
    serving.check(config, as_json=as_json)


@app.command()
def demo(host: Host = None, port: Port = None) -> None:
    """Run the gateway with five simulated providers: no keys, no network, everything can be tried."""
    demonstrating.demo(host, port)


@app.command()
def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    scenario: Annotated[Path | None, typer.Option(help="JSON or YAML file with latency and faults.")] = None,
) -> None:
    """Run only the simulated upstreams and print their addresses."""
    demonstrating.simulate(host, scenario)


@app.command()
def ask(
    prompt: Prompt = None,
    provider: ProviderName = None,
    model: ModelName = None,
    user: User = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer, in tokens.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2)] = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Ask one question; the answer streams, then provider, cost and time follow."""
    fields = {"provider": provider, "model": model, "user_id": user, "max_tokens": max_tokens, "temperature": temperature}
    asking.ask(asking.prompt_of(prompt), fields, asking.Gateway(url, api_key), as_json=as_json)


@app.command()
def chat(
    conversation: Annotated[str | None, typer.Option("--conversation", help="Go on with this conversation.")] = None,
    provider: ProviderName = None,
    model: ModelName = None,
    user: User = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
) -> None:
    """Talk in turns; the gateway remembers. End with Ctrl-D."""
    asking.chat(conversation, {"provider": provider, "model": model, "user_id": user}, asking.Gateway(url, api_key))


@app.command()
def route(
    prompt: Prompt = None,
    provider: ProviderName = None,
    model: ModelName = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Explain where a prompt would go and why, without sending it."""
    asking.route(asking.prompt_of(prompt), {"provider": provider, "model": model}, asking.Gateway(url, api_key), as_json=as_json)


@app.command()
def usage(
    by: Annotated[using.By, typer.Option(help="What to sum up by.")] = "model",
    since: Annotated[str, typer.Option(help="From when on: an age like 24h or 7d, a date, or Unix seconds.")] = "7d",
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """What was used and what it cost: a key shows its own tenant's, the admin token everybody's."""
    using.usage(by, since, asking.Gateway(url, api_key), as_json=as_json)


def run(argv: list[str]) -> int:
    """Run one command line. Exit codes: 0 done, 1 the call failed, 2 wrong usage or configuration, 130 interrupted."""
    command: Callable[..., object] = app
    try:
        command(args=argv, prog_name="llm-gateway", standalone_mode=True)
    except ConfigurationError as failure:
        sys.stderr.write(f"llm-gateway: {failure.message}\n")
        return 2
    except GatewayError as failure:
        sys.stderr.write(f"llm-gateway: {failure.error_type or 'error'}: {failure.message}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
