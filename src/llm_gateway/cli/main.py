"""The commands by name. Each stands in a module of its own that is loaded when it is called: `serve` loads no other."""

import gc
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from llm_gateway import __version__
from llm_gateway.cli.outcome import CommandFailed, Exit
from llm_gateway.core.errors import ConfigurationError

COMMANDS: Final[dict[str, str]] = {
    "serve": "serve",
    "migrate": "migrate",
    "check": "config",
    "config": "config",
    "demo": "demo",
    "simulate": "demo",
    "ask": "ask",
    "chat": "ask",
    "route": "ask",
    "top": "top",
    "trace": "trace",
    "usage": "usage",
    "providers": "providers",
    "docs": "docs",
    "services": "services",
    "workflow": "services",
    "cache": "cache",
    "keys": "keys",
    "budget": "budget",
    "audit": "audit",
    "replay": "replay",
}
"""Every command, in the order of `--help`, and the module of this package whose `app` has it: as a command of that name, or, where
the app itself has the name, as its group."""


_SERVERS: Final = frozenset({"serve", "demo"})
"""Commands that start a server. It stands on all that it loads, so the cycle collector would look through it many times, for a
quarter of the start, and find nothing: it rests until calls can be served."""


class LazyGroup(TyperGroup):
    """Knows its commands by name and loads the module of the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, for `--help`."""
        return [*COMMANDS, *(name for name in self.commands if name not in COMMANDS)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None when there is none."""
        if cmd_name not in self.commands and cmd_name in COMMANDS:
            if cmd_name in _SERVERS:
                gc.disable()
            if cmd_name == "serve":
                _load_structlog_alone()
            group = get_group(import_module(f"llm_gateway.cli.{COMMANDS[cmd_name]}").app)
            self.add_command(group if group.name == cmd_name else group.commands[cmd_name], cmd_name)
        return super().get_command(ctx, cmd_name)


def _load_structlog_alone() -> None:
    """Load structlog without rich, which it takes in for tracebacks that this gateway prints otherwise: 6 MiB of a server's memory."""
    if "rich" not in sys.modules and "structlog" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]  # what Python takes for "not installed"
        try:
            import_module("structlog")
        finally:
            del sys.modules["rich"]


app = typer.Typer(
    name="llm-gateway",
    cls=LazyGroup,
    help="One door to every model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"llm-gateway {__version__}")
        raise typer.Exit


def run(argv: list[str]) -> int:
    """Run one command line. Gives its exit code; what they mean is in `Exit`."""
    command: Callable[..., object] = app
    collects = gc.isenabled()
    try:
        command(args=argv, prog_name="llm-gateway", standalone_mode=True)
    except ConfigurationError as failure:
        sys.stderr.write(f"llm-gateway: {failure.message}\n")
        return Exit.USAGE
    except CommandFailed as failure:
        sys.stderr.write(f"llm-gateway: {failure.message}\n")
        return failure.code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        if collects:
            gc.enable()
    return Exit.DONE
