"""`llm-gateway ask`, `chat` and `route`: model calls, and what would become of one."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.text import Text

from llm_gateway.cli.outcome import plain
from llm_gateway.cli.screen import Listing, Screen
from llm_gateway.cli.talking import DEFAULT_URL, AsJson, Gateway, Key, Url, print_json

app = typer.Typer()
_out = Screen()
_notes = Screen(stderr=True)

ProviderName = Annotated[str | None, typer.Option("--provider", "-p", help="Ask this provider (the security policy still rules).")]
ModelName = Annotated[str | None, typer.Option("--model", "-m", help="Ask this model, or provider/model.")]
User = Annotated[str | None, typer.Option("--user", "-u", help="The user to count the call against.")]
Prompt = Annotated[str | None, typer.Argument(help="What to ask; read from standard input when absent or `-`.")]


def prompt_of(argument: str | None) -> str:
    """The prompt given as an argument, or standard input."""
    return sys.stdin.read().strip() if argument in {None, "-"} else argument or ""


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@app.command()
def ask(
    prompt: Prompt = None,
    provider: ProviderName = None,
    model: ModelName = None,
    user: User = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer, in tokens.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2, help="Randomness of the answer.")] = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Ask one question; the answer streams, then provider, cost and time follow."""
    asked = prompt_of(prompt)
    fields = {"provider": provider, "model": model, "user_id": user, "max_tokens": max_tokens, "temperature": temperature}
    with Gateway(url, api_key).client() as client:
        if as_json:
            print_json(client.query(asked, **_given(fields)).raw)
            return
        for frame in client.stream(asked, **_given(fields)):
            sys.stdout.write(plain(frame.chunk) if sys.stdout.isatty() else frame.chunk)
            sys.stdout.flush()
            if frame.finished:
                sys.stdout.write("\n")
                _notes.print(_summary(frame.raw), style="dim")


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
    fields = {"provider": provider, "model": model, "user_id": user}
    with Gateway(url, api_key).client() as client:
        while True:
            try:
                prompt = _notes.input(Text("you ", "bold")) if sys.stdin.isatty() else input()
            except EOFError:
                break
            if not prompt.strip():
                continue
            result = client.chat(prompt, conversation, **_given(fields))
            conversation = result.conversation_id
            _out.print(result.response)
            _notes.print(_summary(result.raw), style="dim")
    if conversation:
        _notes.print(f"go on with: llm-gateway chat --conversation {conversation}", style="dim")


def _summary(answer: dict[str, Any]) -> str:
    cost = answer.get("cost")
    money = "price unknown" if cost is None else f"${cost:.6f}"
    parts = [f"{answer.get('provider')}/{answer.get('model')}", f"{answer.get('tokens_used')} tokens", money]
    if "processing_time" in answer:
        parts.append(f"{answer['processing_time']:.2f} s")
    elif attempts := (answer.get("route") or {}).get("attempts"):
        parts.append(f"{attempts[-1]['duration_ms'] / 1000:.2f} s")
    if (answer.get("sensitivity") or {}).get("sensitive"):
        parts.append("sensitive: " + ", ".join(answer["sensitivity"]["kinds"]))
    return "  ".join(parts)


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
    asked = _given({"prompt": prompt_of(prompt), "provider": provider, "model": model})
    with Gateway(url, api_key).client() as client:
        answer = client.call("POST", "/route/explain", json.dumps(asked).encode())
    if as_json:
        print_json(answer)
        return
    sensitivity = answer["sensitivity"]
    verdict = "sensitive" if sensitivity["sensitive"] else "not sensitive"
    _out.print(f"{verdict} (score {sensitivity['score']:.2f})")
    for finding in sensitivity["findings"]:
        _out.print(f"  {finding['kind']} at {finding['place']}, confidence {finding['confidence']:.2f}")
    _out.print(answer["reason"])
    ranked = Listing("rank", "provider", "model", "score", "cost", "why", wraps={"model", "why"}, figures={"rank", "score", "cost"})
    for number, candidate in enumerate(answer["ranked"], 1):
        cost = candidate["predicted_cost"]
        money = "unknown" if cost is None else f"${cost:.6f}"
        ranked.add(
            str(number), candidate["provider"], candidate["model"], f"{candidate['score']:.2f}", money, "; ".join(candidate["reasons"])
        )
    _out.print(ranked)
    for rejection in answer["rejected"]:
        _out.print(f"not {rejection['provider']}: {rejection['reason']}")
