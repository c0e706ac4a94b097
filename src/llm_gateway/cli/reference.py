"""The reference part of docs/cli.md, made from the commands themselves: what `--help` says of each.

`python -m llm_gateway.cli.reference docs/cli.md` renews the page; a test keeps it true.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from typer.main import get_command

from llm_gateway.cli.main import app
from llm_gateway.cli.outcome import Exit

_PART: Final = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_EXITS: Final = {
    Exit.DONE: "done",
    Exit.FAILED: "the call failed, or what was checked does not hold (a broken audit trail, an unhealthy service)",
    Exit.USAGE: "wrong usage, or a wrong configuration",
    Exit.UNREACHABLE: "no gateway answers at that address",
    Exit.NOT_ALLOWED: "the key or the admin token is missing, wrong, or not allowed to do this",
    Exit.INTERRUPTED: "interrupted with Ctrl-C",
}


def refreshed(page: str) -> str:
    """The page with its generated parts renewed.

    Raises:
        KeyError: the page asks for a part that there is not.
    """
    makers = {"commands": _commands, "exits": _exits}
    return _PART.sub(lambda part: part[1] + "".join(f"{line}\n" for line in makers[part[2]]()) + part[3], page)


def _exits() -> Iterator[str]:
    yield "| code | meaning |"
    yield "| --- | --- |"
    for code in Exit:
        yield f"| {code.value} | {_EXITS[code]} |"


def _commands() -> Iterator[str]:
    root: Any = get_command(app)
    for name in root.list_commands(None):
        yield from _command(f"llm-gateway {name}", root.get_command(None, name))


def _command(name: str, command: Any) -> Iterator[str]:
    """A command, or a group and its commands."""
    yield f"### `{name}`"
    yield ""
    yield _line(command.help)
    yield ""
    members = getattr(command, "commands", None)
    if members is not None:
        for member in members:
            yield from _command(f"{name} {member}", members[member])
        return
    shown = [each for each in command.params if each.name != "help"]
    if shown:
        yield "| | |"
        yield "| --- | --- |"
        for each in shown:
            yield f"| {_names(each)} | {_meaning(each)} |"
        yield ""


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _meaning(parameter: Any) -> str:
    said = _line(getattr(parameter, "help", None))
    variable = getattr(parameter, "envvar", None)
    return said + (f" Else `{variable}`." if variable else "")


def _line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def main(page_path: str) -> None:
    """Renew a page in place."""
    page = Path(page_path)
    page.write_text(refreshed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
