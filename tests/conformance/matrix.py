"""Every ingress with every kind of provider, feature by feature: what is said arrives, or the caller is told that it does not.

`python -m tests.conformance.matrix docs/conformance.md` writes the page; a test compares it. A cell is what was seen on both sides of a
running gateway, never what somebody expects: the request as the provider got it, the answer as the caller got it, the header that names
what was left out. A feature that is lost without a word stops the page from being made.
"""

import base64
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.conformance.dialects import INGRESSES, PIXEL, Ingress, Outcome
from tests.support import Answer, RunningGateway, running_gateway

from llm_gateway.simulator import FaultRule, SimulatorProcess, simulator_process

DROPPED = "x-gateway-dropped-params"
NOT_THERE = "–"


class Target(NamedTuple):
    """A provider of the page: its name, what it runs, the wire it speaks, and the simulated upstream behind it."""

    name: str
    title: str
    model: str
    embedder: str
    protocol: str
    upstream: str
    thinker: str = ""
    """The model that is asked to reason, where it is another one."""


_SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
TARGETS = (
    Target("openai", "OpenAI", "gpt-4o", "text-embedding-3-small", "openai", "openai", "gpt-5-mini"),
    Target("compatible", "OpenAI-compatible", "some-model", "text-embedding-3-small", "openai", "openai", "o3-mini"),
    Target("grok", "Grok", "grok-4", "", "openai", "grok", "grok-3-mini"),
    Target("anthropic", "Anthropic", "claude-sonnet-4-5", "", "anthropic", "anthropic"),
    Target("ollama", "Ollama", "llama3.1:8b", "nomic-embed-text", "ollama", "ollama", "qwen3:8b"),
    Target("bedrock", "Bedrock", _SONNET, "amazon.titan-embed-text-v2:0", "bedrock", "bedrock_native"),
    Target("proxy", "Bedrock proxy", "anthropic.claude-3-haiku-20240307-v1:0", "", "bedrock_proxy", "bedrock"),
)


class Feature(NamedTuple):
    """A feature: its title, the key by which an ingress says it, what shows on the provider's side that it arrived, and what of the
    caller's own names stands for it in the header of dropped fields."""

    title: str
    key: str
    arrives: str = ""
    names: str = ""


_ONE_CALL = r'"parallel_tool_calls": ?false|"disable_parallel_tool_use": ?true'
_EFFORT = r'"reasoning_effort"|"effort"|"budget_tokens"|"think": ?"?[a-z]'
FEATURES = (
    Feature("text", "text"),
    Feature("stream", "stream"),
    Feature("usage", "usage"),
    Feature("system prompt", "system", "Answer tersely"),
    Feature("tools", "tools", "get_weather"),
    Feature("parallel tool calls", "parallel", "get_time"),
    Feature(
        "one call at a time",
        "single",
        r'"parallel_tool_calls": ?false|"disable_parallel_tool_use": ?true',
        "parallel_tool_calls|tool_choice",
    ),
    Feature("forced tool", "forced", r'"tool_choice"|"toolChoice"', "tool_choice"),
    Feature("tool results", "results", "sunny in Paris"),
    Feature("pictures", "images", PIXEL[-24:].replace("+", r"\+")),
    Feature("JSON answer", "json_object", r'json_object|"format": ?"json"|JSON object and nothing else', "response_format|format|text"),
    Feature("answer by schema", "json_schema", "inhabitants", "response_format|format|output_config|text"),
    Feature("stop sequences", "stop", "zebra", "stop|stop_sequences|options.stop"),
    Feature("seed", "seed", r'"seed": ?7\b', "seed|options.seed"),
    Feature("temperature 1.5", "temperature", r'"temperature": ?1\.5', "temperature|options.temperature"),
    Feature("penalties", "penalty", r'"frequency_penalty": ?0\.5', "frequency_penalty|options.frequency_penalty"),
    Feature("log probabilities", "logprobs", r'"logprobs": ?true', "logprobs|top_logprobs"),
    Feature("several answers", "n", r'"n": ?2\b', "n"),
    Feature(
        "reasoning effort",
        "effort",
        r'"reasoning_effort"|"effort"|"budget_tokens"|"think": ?"?[a-z]',
        "reasoning_effort|output_config|reasoning|think",
    ),
    Feature("thinking budget", "budget", r'"budget_tokens"|"think"|"effort"|"reasoning_effort"', "thinking"),
    Feature("prompt cache marks", "cache", r'"cache_control"|"cachePoint"', "cache_control"),
    Feature("end user", "user", "user-0815", "user|metadata|safety_identifier"),
    Feature("provider's refusal", "refusal"),
    Feature("cut stream", "cut"),
)
EMBEDDINGS = (
    Feature("one text", "one"),
    Feature("several texts", "many"),
    Feature("usage", "embed_usage"),
    Feature("dimensions", "dimensions", r'"dimensions": ?256', "dimensions"),
    Feature("base64", "base64"),
)


class Bench:
    """A running gateway, and the providers behind it."""

    def __init__(self, gateway: RunningGateway, simulator: SimulatorProcess) -> None:
        self.gateway = gateway
        self.simulator = simulator

    def sent(self, target: Target) -> list[bytes]:
        """The bodies that a provider got."""
        return [base64.b64decode(str(entry["body"])) for entry in self.simulator.log(target.upstream) if entry["method"] == "POST"]

    def cell(self, ingress: Ingress, target: Target, feature: Feature) -> str:
        """What becomes of a feature."""
        model = target.embedder if ingress.embeds else target.model
        if feature.key in {"effort", "budget"}:
            model = target.thinker or model
        asked = ingress.asked(feature.key, f"{target.name}/{model or 'any'}")
        if asked is None:
            return NOT_THERE
        self.simulator.clear_log()
        self._faults(feature)
        try:
            answer = self.gateway.call("POST", ingress.path, asked)
        finally:
            self.simulator.clear_faults()
        sent = self.sent(target)
        where = f"{ingress.title} to {target.name}, {feature.title}"
        if answer.status != 200:
            return self._refused(ingress, feature, answer, sent, where)
        outcome = ingress.read(answer, streamed=feature.key in {"stream", "cut"})
        assert sent, where
        return self._judged(ingress, target, feature, asked, outcome, answer, sent[-1], where)

    def _faults(self, feature: Feature) -> None:
        if feature.key == "refusal":
            self.simulator.add_faults(FaultRule(method="POST", status=400, message="not with me"))
        elif feature.key == "cut":
            self.simulator.add_faults(FaultRule(method="POST", end_after_chunks=4))

    def _refused(self, ingress: Ingress, feature: Feature, answer: Answer, sent: list[bytes], where: str) -> str:
        told = ingress.error(answer.json)
        if feature.key == "refusal":
            assert answer.status == 400, (where, answer)
            assert "not with me" in told.message, (where, told)
            return f"{answer.status} with its message"
        if feature.key == "cut" and answer.status == 502:  # an answer that is no stream fails as a whole
            return f"error: 502 `{told.code}`" if told.code else "error: 502"
        assert not sent, f"{where}: {answer.status}, after it was sent: {told}"
        assert answer.status == 400, (where, answer)
        return f"refused: {answer.status}{f' `{told.code}`' if told.code else ''}"

    def _judged(
        self,
        ingress: Ingress,
        target: Target,
        feature: Feature,
        asked: dict[str, Any],
        got: Outcome,
        answer: Answer,
        sent: bytes,
        where: str,
    ) -> str:
        named = answer.headers.get(DROPPED, "")
        dropped = {name for name in named.split(", ") if name}
        if feature.key == "cut":
            assert got.failed, f"{where}: a cut stream must not end well"
            return "error, no end"
        assert not got.failed, (where, answer)
        mine = {name for name in dropped if re.fullmatch(feature.names or "-", name)}
        assert dropped == mine, f"{where}: {dropped - mine} dropped beside it"
        _check_answer(feature, got, target, where, told=bool(mine))
        if mine:
            return f"dropped: `{'`, `'.join(sorted(mine))}`"
        arrived = not feature.arrives or re.search(feature.arrives.encode(), sent) is not None
        if feature.key == "temperature" and not arrived:
            assert re.search(rb'"temperature": ?1(\.0)?[,}]', sent), (where, sent)
            return "clamped to 1"
        assert arrived, f"{where}: lost without a word: {sent.decode()[:600]}"
        if ingress.protocol == target.protocol and _same(asked, sent):
            return "lossless"
        return "translated"


def _check_answer(feature: Feature, got: Outcome, target: Target, where: str, *, told: bool) -> None:
    match feature.key:
        case "text" | "stream":
            assert f"[simulated {target.upstream}" in got.text or "[simulated " in got.text, (where, got)
        case "usage" | "embed_usage":
            assert got.tokens, (where, got)
        case "tools":
            assert [name for name, _ in got.calls] == ["get_weather"], (where, got)
            assert "city" in json.loads(got.calls[0][1]), (where, got)
        case "forced":
            assert [name for name, _ in got.calls] == ["get_weather"] or told, (where, got)
        case "parallel":
            assert [name for name, _ in got.calls] == ["get_weather", "get_time"], (where, got)
        case "results":
            assert "sunny in Paris" in got.text, (where, got)
        case "json_schema":
            assert isinstance(json.loads(got.text)["inhabitants"], int) or told, (where, got)
        case "logprobs":
            assert got.logprobs or told or target.upstream == "ollama", (where, got)  # the simulated one gives none
        case "n":
            assert got.answers == 2 or told, (where, got)
        case "one" | "dimensions" | "base64":
            assert len(got.vectors) == 1, (where, got)
            assert feature.key != "dimensions" or told or len(got.vectors[0]) == 256, (where, len(got.vectors[0]))
        case "many":
            assert len(got.vectors) == 2, (where, got)


def _same(asked: dict[str, Any], sent: bytes) -> bool:
    """Whether a provider of the caller's own wire got what the caller sent, but for the name of the model."""
    known: dict[str, Any] = json.loads(sent)
    for ours in ("model", "stream_options"):
        known.pop(ours, None)
    return known == {name: value for name, value in asked.items() if name not in {"model", "stream_options"}}


@contextmanager
def bench(folder: Path, simulator: SimulatorProcess) -> Iterator[Bench]:
    """A gateway with all the providers of the page."""
    settings: dict[str, Any] = {
        "security.unreadable_parts": "allow",
        "cache.max_size": 0,
        "routing.retry_base_s": 0.01,
        "routing.max_attempts": 1,
        "routing.explicit_fallback": False,
        "routing.breaker_failures": 1_000_000,
        "providers.compatible": {"kind": "openai", "endpoint": simulator.urls["openai"], "embedding_model": "text-embedding-3-small"},
        "providers.proxy": {"kind": "bedrock", "endpoint": simulator.urls["bedrock"]},
        "providers.bedrock.endpoint": simulator.urls["bedrock_native"],
        "providers.bedrock.api_key": "simulated",
    }
    with running_gateway(folder, simulator, settings) as gateway:
        yield Bench(gateway, simulator)


HEAD = """# Conformance

What becomes of what a client says, for every ingress and every kind of provider. The page is made by calling a running gateway and
looking at both sides: the request as a simulated provider got it, and the answer as the client got it. `python -m tests.conformance.matrix
docs/conformance.md` makes it anew, and the tests fail when it is out of date.

| | |
| --- | --- |
| lossless | the provider got the client's own fields, every one as it was |
| translated | said in the provider's words, and the answer in the client's |
| clamped | set to the nearest value that the provider takes |
| dropped | left out, and named in the response header `X-Gateway-Dropped-Params` |
| refused | answered with this status and code before anything was sent, or spent |
| – | this ingress has no way to say it |

Bedrock is asked through Converse, the proxy through its `/invoke`. Models: {models}.
"""


def page(bench: Bench) -> str:
    """The whole page."""
    models = ", ".join(f"`{target.name}/{model}`" for target in TARGETS for model in (target.model, target.thinker) if model)
    parts = [HEAD.format(models=models)]
    for ingress in INGRESSES:
        targets = [target for target in TARGETS if target.embedder or not ingress.embeds]
        rows = [f"\n## {ingress.title}, `{ingress.path}`\n", "| | " + " | ".join(target.title for target in targets) + " |"]
        rows.append("| --- |" + " --- |" * len(targets))
        for feature in EMBEDDINGS if ingress.embeds else FEATURES:
            cells = [bench.cell(ingress, target, feature) for target in targets]
            if set(cells) != {NOT_THERE}:
                rows.append(f"| {feature.title} | " + " | ".join(cells) + " |")
        parts.append("\n".join(rows) + "\n")
    return "".join(parts)


def main() -> None:
    """Write the page to the file that is named, or to standard output."""
    with tempfile.TemporaryDirectory() as folder, simulator_process() as simulator, bench(Path(folder), simulator) as made:
        text = page(made)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
