"""What the commands that ask a running gateway have in common: options, the connection, and what its errors mean."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from llm_gateway.cli.outcome import CommandFailed, Exit
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.identity.admin_token import FILE_NAME
from llm_gateway_client import DEFAULT_URL, AuthenticationFailed, GatewayClient, GatewayError, GatewayUnavailable

Url = Annotated[str, typer.Option("--url", envvar="LLM_GATEWAY_URL", help="The gateway to talk to.")]
Key = Annotated[str | None, typer.Option("--api-key", envvar="LLM_GATEWAY_API_KEY", help="A key of that gateway, or its admin token.")]
AdminToken = Annotated[str | None, typer.Option("--admin-token", envvar="ADMIN_TOKEN", help="Its admin token.")]
DataFolder = Annotated[
    Path, typer.Option("--data-dir", envvar="LLM_GATEWAY_DATA_DIR", help="Its data folder, where the token is read when none is given.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the raw JSON.")]
DATA_FOLDER = Path("data")
_CONTROLS = re.compile(r"[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What JSON would leave as it is, and a terminal would obey. They stand in strings alone."""

__all__ = ["DATA_FOLDER", "DEFAULT_URL", "AdminToken", "AsJson", "DataFolder", "Gateway", "Key", "Url", "admin", "print_json", "token_of"]


class Gateway(NamedTuple):
    """Where the gateway is, and the key or the admin token to show it."""

    url: str
    api_key: str | None

    @contextmanager
    def client(self) -> Iterator[GatewayClient]:
        """A client of it.

        Raises:
            CommandFailed: a call failed; says by whose fault, and what to do about it.
            ConfigurationError: the key cannot be one.
        """
        if self.api_key and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ConfigurationError("the key or token has characters that none has: line breaks, perhaps, or what surrounds it")
        try:
            with GatewayClient(self.url, api_key=self.api_key) as client:
                yield client
        except GatewayError as failure:
            raise _failed(failure, self.url) from failure

    def get(self, path: str) -> dict[str, Any]:
        """One JSON document. Raises what `client` raises."""
        with self.client() as client:
            return client.call("GET", path)


def _failed(failure: GatewayError, url: str) -> CommandFailed:
    if isinstance(failure, GatewayUnavailable):
        hint = "is it running (`llm-gateway serve`, or `llm-gateway demo`)? Another address: --url or LLM_GATEWAY_URL"
        return CommandFailed(f"no gateway answers at {url}: {hint}", Exit.UNREACHABLE)
    said = f"{failure.error_type or 'error'}: {failure.message}"
    if isinstance(failure, AuthenticationFailed):
        return CommandFailed(f"{said}: give a key with --api-key or LLM_GATEWAY_API_KEY, or the admin token", Exit.NOT_ALLOWED)
    if failure.status == 403 and failure.error_type == "forbidden":
        return CommandFailed(said, Exit.NOT_ALLOWED)
    return CommandFailed(said)


def admin(url: str, given: str | None, data_dir: Path) -> Gateway:
    """The gateway at `url`, for its administrator. Raises what `token_of` raises."""
    return Gateway(url, token_of(given, data_dir))


def token_of(given: str | None, data_dir: Path) -> str:
    """The admin token: as given, else as the gateway left it in its data folder.

    Raises:
        ConfigurationError: there is neither.
    """
    if given:
        return given
    path = data_dir / FILE_NAME
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as failure:
        raise ConfigurationError(
            f"no admin token: give --admin-token or ADMIN_TOKEN, or the gateway's data folder with --data-dir ({path}: {failure.strerror})"
        ) from None


def print_json(document: object) -> None:
    """A document as JSON, indented, on standard output; what would steer a terminal is escaped."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    sys.stdout.write(_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
