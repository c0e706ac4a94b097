"""`llm-gateway services` and `llm-gateway workflow`: how the integrated services fare; run, list, show and cancel workflows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from llm_gateway.cli.outcome import CommandFailed, Exit
from llm_gateway.cli.screen import Listing, Screen, mark, reasons
from llm_gateway.cli.talking import DEFAULT_URL, AsJson, Gateway, Key, Url, print_json

app = typer.Typer()
_out = Screen()
User = Annotated[str | None, typer.Option("--user", "-u", help="Whose workflows and runs they are, where no keys are used.")]


@app.command()
def services(url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Show the ten integrated services: where each runs and how it fares. Exit code 1 when one is not healthy."""
    found = Gateway(url, api_key).get("/services/status")
    if as_json:
        print_json(found)
    else:
        shown = Listing("service", "state", "mode", "level", "latency", "at", wraps={"at"}, figures={"latency"})
        for each in found["services"].values():
            latency = "" if each["latency_ms"] is None else f"{each['latency_ms']:.1f} ms"
            shown.add(each["service"], mark(each["status"]), each["mode"], each["security_level"], latency, each["url"] or "")
        _out.print(shown, *reasons(found["services"].values(), "service", "last_error"), sep="\n")
    if found["healthy"] < found["total"]:
        raise CommandFailed(f"{found['total'] - found['healthy']} of {found['total']} services are not healthy")


workflow = typer.Typer(name="workflow", help="Workflows of a running gateway: run, list, show, cancel.", no_args_is_help=True)
app.add_typer(workflow)


def _ask(gateway: Gateway, operation: str, user: str | None, **fields: Any) -> Mapping[str, Any]:
    with gateway.client() as client:
        result: Mapping[str, Any] = client.integrate("orchestrator", operation, user_id=user, **fields).result
        return result


@workflow.command("list")
def list_workflows(user: User = None, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """List workflows that can be run, and the newest runs."""
    found = _ask(Gateway(url, api_key), "get_workflow", user)
    if as_json:
        print_json(found)
        return
    known = Listing("workflow", "steps", "what for", wraps={"what for"}, figures={"steps"})
    for each in found["workflows"]:
        known.add(each["name"], str(len(each["steps"])), each["description"])
    _out.print(known)
    runs = Listing("run", "status", "workflow", "took", "error", wraps={"workflow", "error"}, figures={"took"})
    for run in found["runs"]:
        runs.add(run["run_id"], run["status"], run["name"], f"{run['took']:.2f} s", run["error"])
    if found["runs"]:
        _out.print(runs)


@workflow.command()
def show(
    run_id: Annotated[str, typer.Argument(help="As `list` shows it.")],
    user: User = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show a run with its steps."""
    _show(_ask(Gateway(url, api_key), "get_workflow", user, run_id=run_id)["runs"][0], as_json=as_json)


@workflow.command()
def run(
    workflow: Annotated[str, typer.Argument(help="A workflow's name, or a JSON file that holds one.")],
    inputs: Annotated[list[str] | None, typer.Option("--input", "-i", help="name=value; repeat for more.")] = None,
    background: Annotated[bool, typer.Option("--background", help="Do not wait for its end.")] = False,
    user: User = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Run a workflow. Exit code 1 when it fails."""
    meant = {"workflow": _read(Path(workflow))} if workflow.endswith(".json") else {"name": workflow}
    given = dict(_pair(each) for each in inputs or [])
    record = _ask(Gateway(url, api_key), "execute_workflow", user, inputs=given, wait=not background, **meant)
    _show(record, as_json=as_json)
    if record["status"] in {"failed", "cancelled"}:
        raise CommandFailed(f"the run {record['status']}: {record['error']}")


@workflow.command()
def cancel(
    run_id: Annotated[str, typer.Argument(help="As `list` shows it.")],
    user: User = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """End a run."""
    _show(_ask(Gateway(url, api_key), "cancel_run", user, run_id=run_id), as_json=as_json)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise CommandFailed(f"--input {text}: expected name=value", Exit.USAGE)
    return name, value


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as failure:
        raise CommandFailed(f"{path}: {failure.strerror}", Exit.USAGE) from None
    except ValueError as failure:
        raise CommandFailed(f"{path}: not JSON: {failure}", Exit.USAGE) from None


def _show(record: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(record)
        return
    _out.print(f"{record['run_id']}  {record['name']}: {record['status']} after {record['took']:.2f} s")
    steps = Listing("step", "status", "operation", "method", "took", "error", wraps={"operation", "error"}, figures={"took"})
    for step in record["steps"]:
        name = f"{step['service']}.{step['operation']}"
        steps.add(step["id"], step["status"], name, step["method"], f"{step['took']:.3f} s", step["error"])
    _out.print(steps)
