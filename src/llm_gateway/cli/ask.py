"""Commands that talk to a running gateway."""

import json
import sys
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from llm_gateway_client import GatewayClient

_out = Console()
_notes = Console(stderr=True)


class Gateway(NamedTuple):
    """Where the gateway is, and the key to show it."""

    url: str
    api_key: str | None

    def client(self) -> GatewayClient:
        return GatewayClient(self.url, api_key=self.api_key)


def prompt_of(argument: str | None) -> str:
    """The prompt given as an argument, or standard input."""
    return sys.stdin.read().strip() if argument in {None, "-"} else argument or ""


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def ask(prompt: str, fields: dict[str, Any], gateway: Gateway, *, as_json: bool) -> None:
    """Ask and print."""
    with gateway.client() as client:
        if as_json:
            sys.stdout.write(json.dumps(client.query(prompt, **_given(fields)).raw, indent=2, ensure_ascii=False) + "\n")
            return
        for frame in client.stream(prompt, **_given(fields)):
            sys.stdout.write(frame.chunk)
            sys.stdout.flush()
            if frame.finished:
                sys.stdout.write("\n")
                _notes.print(_summary(frame.raw), style="dim", highlight=False)


def chat(conversation: str | None, fields: dict[str, Any], gateway: Gateway) -> None:
    """Read prompts until the end of input, answer each within one conversation."""
    with gateway.client() as client:
        while True:
            try:
                prompt = _notes.input("[bold]you[/bold] ") if sys.stdin.isatty() else input()
            except EOFError:
                break
            if not prompt.strip():
                continue
            result = client.chat(prompt, conversation, **_given(fields))
            conversation = result.conversation_id
            _out.print(result.response, markup=False, highlight=False)
            _notes.print(_summary(result.raw), style="dim", highlight=False)
    if conversation:
        _notes.print(f"go on with: llm-gateway chat --conversation {conversation}", style="dim", highlight=False)


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


def route(prompt: str, fields: dict[str, Any], gateway: Gateway, *, as_json: bool) -> None:
    """Explain a routing decision."""
    with gateway.client() as client:
        answer = client.call("POST", "/route/explain", json.dumps(_given({"prompt": prompt} | fields)).encode())
    if as_json:
        sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
        return
    sensitivity = answer["sensitivity"]
    verdict = "sensitive" if sensitivity["sensitive"] else "not sensitive"
    _out.print(f"{verdict} (score {sensitivity['score']:.2f})", markup=False, highlight=False)
    for finding in sensitivity["findings"]:
        _out.print(f"  {finding['kind']} at {finding['place']}, confidence {finding['confidence']:.2f}", markup=False, highlight=False)
    ranked = Table("rank", "provider", "model", "score", "cost", "why", title=answer["reason"])
    for number, candidate in enumerate(answer["ranked"], 1):
        cost = candidate["predicted_cost"]
        money = "unknown" if cost is None else f"${cost:.6f}"
        ranked.add_row(
            str(number), candidate["provider"], candidate["model"], f"{candidate['score']:.2f}", money, "; ".join(candidate["reasons"])
        )
    _out.print(ranked)
    if answer["rejected"]:
        rejected = Table("not", "because")
        for rejection in answer["rejected"]:
            rejected.add_row(rejection["provider"], rejection["reason"])
        _out.print(rejected)
