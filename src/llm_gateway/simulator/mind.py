"""The simulated model: what a dialect understood of a request goes in, what is to be answered comes out."""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from llm_gateway.simulator.exchange import Bill, JsonObject, Kind, encode
from llm_gateway.simulator.prose import answer_from_tool, answer_to, thoughts_on
from llm_gateway.simulator.schema import instance
from llm_gateway.simulator.tokens import IMAGE_TOKENS, first_tokens, size_of, tokens_of, tokens_of_bytes

_WORDS = re.compile(r"\s*\S+\s*\Z|\s*\S+|\s+")
_MOST_CALLS = 8

Finish = Literal["stop", "stop_sequence", "length", "tool"]
ToolMode = Literal["auto", "none", "required", "function"]


class ToolSpec(msgspec.Struct, gc=False):
    """A tool the request offers; `parameters` is its JSON schema."""

    name: str
    parameters: JsonObject


class Prompt(msgspec.Struct):
    """A request in no vendor's words.

    `text` is the last user turn's, `size_bytes` sums all text that goes in (system, turns, tool definitions).
    `tool_result` is set when a tool's answer is the last thing said. `thinking` asks for reasoning. `choice` counts
    the answers when several are asked for. `lead_in` has the model say a word before it calls a tool.
    """

    kind: Kind
    model: str
    text: str
    size_bytes: int
    images: int = 0
    tools: Sequence[ToolSpec] = ()
    tool_mode: ToolMode = "auto"
    tool_name: str = ""
    parallel: bool = True
    tool_result: str | None = None
    json_schema: JsonObject | None = None
    json_mode: bool = False
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    thinking: bool = False
    choice: int = 0
    lead_in: bool = False

    @property
    def input_tokens(self) -> int:
        """All tokens that go in; an image counts 85."""
        return max(1, tokens_of_bytes(self.size_bytes)) + self.images * IMAGE_TOKENS


class Call(msgspec.Struct, gc=False):
    """A tool call."""

    name: str
    arguments: JsonObject


class Completion(msgspec.Struct, gc=False):
    """An answer. `output_tokens` counts text, calls and `thoughts`; `reasoning_tokens` the thoughts alone."""

    text: str
    finish: Finish
    output_tokens: int
    reasoning_tokens: int = 0
    thoughts: str = ""
    calls: tuple[Call, ...] = ()
    stop_sequence: str = ""


class RecordedReply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer laid down in a scenario: given when `kind`, `model` and `contains` (in the last user turn) all fit.

    `text` is sent as it stands, after the "[simulated ...]" mark unless `unmarked`.
    """

    text: str
    kind: Kind | None = None
    model: str = ""
    contains: str = ""
    unmarked: bool = False

    def fits(self, prompt: Prompt) -> bool:
        """Whether this reply is meant for that prompt."""
        return self.kind in (None, prompt.kind) and self.model in ("", prompt.model) and self.contains in prompt.text


def think(prompt: Prompt, recorded: Sequence[RecordedReply] = ()) -> Completion:
    """The answer to a prompt: the same each time."""
    thoughts = thoughts_on(prompt.text) if prompt.thinking else ""
    reasoning_tokens = tokens_of(thoughts)
    limit = None if prompt.max_tokens is None else max(0, prompt.max_tokens - reasoning_tokens)
    if limit == 0 and thoughts:
        thoughts = first_tokens(thoughts, prompt.max_tokens or 0)
        return Completion("", "length", tokens_of(thoughts), tokens_of(thoughts), thoughts)
    calls = _calls(prompt)
    if calls:
        return _calling(prompt, calls, thoughts, limit)
    text, stop = _stopped(_text(prompt, recorded), prompt.stop)
    finish: Finish = "stop_sequence" if stop else "stop"
    if limit is not None and tokens_of(text) > limit:
        text, finish, stop = first_tokens(text, limit), "length", ""
    return Completion(text, finish, reasoning_tokens + tokens_of(text), reasoning_tokens, thoughts, stop_sequence=stop)


def pieces_of(text: str) -> list[str]:
    """A text in the portions in which it is streamed: word by word."""
    return _WORDS.findall(text)


def marks_of(pieces: Sequence[str], offset_bytes: int = 0) -> list[int]:
    """For each portion, the tokens charged once it is out: those of everything up to it, `offset_bytes` before all."""
    marks: list[int] = []
    for piece in pieces:
        offset_bytes += size_of(piece)
        marks.append(tokens_of_bytes(offset_bytes))
    return marks


def bill(prompt: Prompt, completion: Completion, *, cache_read_tokens: int = 0, cache_write_tokens: int = 0) -> Bill:
    """What the answer is charged."""
    return Bill(
        prompt.model,
        prompt.input_tokens,
        completion.output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        completion.reasoning_tokens,
    )


def call_tokens(call: Call) -> int:
    """Tokens of one tool call: its name and its arguments as compact JSON."""
    return tokens_of_bytes(len(call.name) + len(encode(call.arguments)))


def _calling(prompt: Prompt, calls: tuple[Call, ...], thoughts: str, limit: int | None) -> Completion:
    text = f"Let me look that up with {calls[0].name}." if prompt.lead_in else ""
    spent = tokens_of(text) + sum(map(call_tokens, calls))
    reasoning_tokens = tokens_of(thoughts)
    if limit is not None and spent > limit:
        text = first_tokens(text, limit)
        return Completion(text, "length", reasoning_tokens + tokens_of(text), reasoning_tokens, thoughts)
    return Completion(text, "tool", reasoning_tokens + spent, reasoning_tokens, thoughts, calls)


def _calls(prompt: Prompt) -> tuple[Call, ...]:
    if not prompt.tools or prompt.tool_mode == "none":
        return ()
    if prompt.tool_mode == "function":
        named = [tool for tool in prompt.tools if tool.name == prompt.tool_name]
    elif prompt.tool_result is not None:
        named = []
    else:
        named = _named(prompt)
    if not named and prompt.tool_mode == "required":
        named = [prompt.tools[0]]
    if not prompt.parallel:
        named = named[:1]
    return tuple(_call(prompt, tool, named[:index].count(tool)) for index, tool in enumerate(named[:_MOST_CALLS]))


def _named(prompt: Prompt) -> list[ToolSpec]:
    """The tools that the last user turn names, each as often as it does, in that order."""
    lowered = prompt.text.lower()
    found = [
        (match.start(), index)
        for index, tool in enumerate(prompt.tools)
        for match in re.finditer(rf"(?<![\w-]){re.escape(tool.name.lower())}(?![\w-])", lowered)
    ]
    return [prompt.tools[index] for _, index in sorted(found)]


def _call(prompt: Prompt, tool: ToolSpec, earlier: int) -> Call:
    """A call whose arguments satisfy the tool's schema; the n-th call of one tool takes its words from the n-th mention on."""
    rest = prompt.text
    mentions = [match.end() for match in re.finditer(re.escape(tool.name), rest, re.IGNORECASE)]
    if mentions:
        rest = "use " + rest[mentions[min(earlier, len(mentions) - 1)] :]
    if tool.parameters.get("type", "object") != "object":
        return Call(tool.name, {})
    made = instance({**tool.parameters, "type": "object"}, rest)
    return Call(tool.name, made if isinstance(made, dict) else {})


def _text(prompt: Prompt, recorded: Sequence[RecordedReply]) -> str:
    label = f"{prompt.kind}/{prompt.model}"
    for reply in recorded:
        if reply.fits(prompt):
            return reply.text if reply.unmarked else f"[simulated {label}] {reply.text}"
    if prompt.json_schema is not None:
        return encode(instance(prompt.json_schema, prompt.text)).decode()
    if prompt.json_mode:
        return encode({"simulated": True, "by": label, "answer": answer_to(prompt.text, label)}).decode()
    text = answer_to(prompt.text, label) if prompt.tool_result is None else answer_from_tool(prompt.tool_result, label)
    return text if not prompt.choice else f"{text} (choice {prompt.choice + 1})"


def _stopped(text: str, stops: Sequence[str]) -> tuple[str, str]:
    """The text up to the first stop sequence, and which one it was."""
    found = min(((at, stop) for stop in stops if stop and (at := text.find(stop)) >= 0), default=None)
    return (text, "") if found is None else (text[: found[0]], found[1])
