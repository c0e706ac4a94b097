"""Reversible placeholders: what must not leave is replaced by a name for it, and put back into the answer.

One `Vault` serves one request: the same value gets the same placeholder (`<EMAIL_1>`), wherever in the request it
stands. It is held in memory by that request alone and goes with it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from llm_gateway.core.types import (
    Chunk,
    Document,
    EmbeddingRequest,
    Json,
    JsonObject,
    Message,
    Native,
    Part,
    Passthrough,
    Request,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)

Key = TypeVar("Key")
Spans = Sequence[tuple[int, int, str]]
Locate = Callable[[str], Spans]
"""Gives `(start, end, kind)` of everything in a text that is to be replaced; overlaps are allowed."""

_PLACEHOLDER: Final = re.compile(r"<[A-Z][A-Z0-9_]*_[0-9]+>")
_encode_string = msgspec.json.Encoder().encode


class Vault:
    """The placeholders of one request. `taken` are the texts that no placeholder may collide with."""

    __slots__ = ("_by_placeholder", "_by_value", "_counts", "_pattern", "_taken")

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._by_value: dict[tuple[str, str], str] = {}
        self._by_placeholder: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._taken = {found for text in taken for found in _PLACEHOLDER.findall(text)}
        self._pattern: re.Pattern[str] | None = None

    def __repr__(self) -> str:
        return f"Vault({len(self._by_placeholder)} values)"

    def __len__(self) -> int:
        return len(self._by_placeholder)

    def placeholder(self, value: str, kind: str) -> str:
        """The name for a value of a kind (`pii.email` gives `<EMAIL_1>`)."""
        label = re.sub(r"[^A-Z0-9]+", "_", kind.rpartition(".")[2].upper()).strip("_") or "VALUE"
        if not label[0].isalpha():
            label = f"VALUE_{label}"
        known = self._by_value.get((label, value))
        if known is not None:
            return known
        while True:
            self._counts[label] = self._counts.get(label, 0) + 1
            name = f"<{label}_{self._counts[label]}>"
            if name not in self._taken:
                break
        self._by_value[label, value] = name
        self._by_placeholder[name] = value
        self._pattern = None
        return name

    def hide(self, text: str, spans: Spans) -> str:
        """`text` with each span replaced. Overlapping spans are replaced as one, under the first one's kind."""
        pieces: list[str] = []
        at = 0
        for start, end, kind in _merged(spans):
            pieces += [text[at:start], self.placeholder(text[start:end], kind)]
            at = end
        return "".join([*pieces, text[at:]])

    def restore(self, text: str, encode: Callable[[str], str] = str) -> str:
        """`text` with every placeholder replaced by its value; `encode` fits a value to where it goes (a JSON string)."""
        if self._pattern is None:
            longest_first = sorted(self._by_placeholder, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        return self._pattern.sub(lambda found: encode(self._by_placeholder[found[0]]), text)

    def unfinished(self, text: str) -> int:
        """Where in `text` the beginning of a placeholder stands that more text could complete; its length when nowhere."""
        at = text.rfind("<")
        if at >= 0 and any(name.startswith(text[at:]) and name != text[at:] for name in self._by_placeholder):
            return at
        return len(text)


def _merged(spans: Spans) -> list[tuple[int, int, str]]:
    merged: list[tuple[int, int, str]] = []
    for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        if end <= start:
            continue
        if merged and start < merged[-1][1]:
            first_start, first_end, first_kind = merged[-1]
            merged[-1] = (first_start, max(first_end, end), first_kind)
        else:
            merged.append((start, end, kind))
    return merged


def redacted(request: Request, locate: Locate, taken: Iterable[str]) -> tuple[Request, Vault]:
    """The request with everything that `locate` finds replaced, and the vault that can undo it.

    `taken` are all strings of the request. Only values are replaced: names of tools, keys of objects and opaque data
    (images, signatures) stay, and what is found there is for the policy to route or block.
    """
    vault = Vault(taken)
    if isinstance(request, Passthrough):  # its answer is bytes, in which nothing could be put back
        return request, vault

    def hide(text: str) -> str:
        spans = locate(text)
        return vault.hide(text, spans) if spans else text

    if isinstance(request, EmbeddingRequest):
        inputs = tuple(hide(text) for text in request.inputs)
        return msgspec.structs.replace(request, inputs=inputs, native=_native(request.native, hide), end_user=_user(request, hide)), vault
    changed = msgspec.structs.replace(
        request,
        messages=tuple(_message(message, hide) for message in request.messages),
        tools=tuple(_tool(tool, hide) for tool in request.tools),
        stop=tuple(hide(text) for text in request.stop),
        response_format=_format(request.response_format, hide),
        native=_native(request.native, hide),
        end_user=_user(request, hide),
    )
    return changed, vault


def _user(request: Request, hide: Callable[[str], str]) -> str | None:
    return None if request.end_user is None else hide(request.end_user)


def _message(message: Message, hide: Callable[[str], str]) -> Message:
    if isinstance(message.content, str):
        return msgspec.structs.replace(message, content=hide(message.content))
    return msgspec.structs.replace(message, content=tuple(_part(part, hide) for part in message.content))


def _part(part: Part, hide: Callable[[str], str]) -> Part:
    match part:
        case Text(text=text):
            return msgspec.structs.replace(part, text=hide(text))
        case Document(text=text, name=name):
            return msgspec.structs.replace(part, text=hide(text), name=hide(name))
        case Thinking(text=text) if not part.signature:
            return msgspec.structs.replace(part, text=hide(text))
        case ToolCall(arguments=arguments):
            return msgspec.structs.replace(part, arguments=_arguments(arguments, hide))
        case ToolResult(content=content):
            return msgspec.structs.replace(part, content=tuple(_part(inner, hide) for inner in content))
        case _:
            return part


def _arguments(arguments: str, hide: Callable[[str], str]) -> str:
    """Arguments are JSON text: values are found as they read, not as they are escaped."""
    try:
        document: Json = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return hide(arguments)
    changed = _json(document, hide)
    return arguments if changed == document else msgspec.json.encode(changed).decode()


def _json(value: Json, hide: Callable[[str], str]) -> Json:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, list):
        return [_json(item, hide) for item in value]
    if isinstance(value, dict):
        return {key: _json(item, hide) for key, item in value.items()}
    return value


def _object(value: JsonObject, hide: Callable[[str], str]) -> JsonObject:
    return {key: _json(item, hide) for key, item in value.items()}


def _tool(tool: Tool, hide: Callable[[str], str]) -> Tool:
    return msgspec.structs.replace(tool, description=hide(tool.description), parameters=_object(tool.parameters, hide))


def _format(wanted: ResponseFormat | None, hide: Callable[[str], str]) -> ResponseFormat | None:
    if wanted is None or wanted.json_schema is None:
        return wanted
    return msgspec.structs.replace(wanted, json_schema=_object(wanted.json_schema, hide))


def _native(native: Native | None, hide: Callable[[str], str]) -> Native | None:
    return None if native is None else msgspec.structs.replace(native, body=_object(native.body, hide))


def _in_json_string(value: str) -> str:
    return _encode_string(value)[1:-1].decode()


class Restorer:
    """A `ReplyPart` that puts values back: in text, in reasoning, and, escaped for JSON, in tool arguments.

    A placeholder may be cut by a chunk border anywhere: what could be the beginning of one is held back until more
    comes. Held are at most the characters of one unfinished placeholder for each answer and each tool call.
    """

    __slots__ = ("_arguments", "_text", "_thinking", "_vault")

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._text: dict[int, str] = {}
        self._thinking: dict[int, str] = {}
        self._arguments: dict[tuple[int, int], str] = {}

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        text, thinking, calls = chunk.text, chunk.thinking, chunk.tool_calls
        last = chunk.finish_reason is not None
        out = msgspec.structs.replace(chunk)
        if text or (last and self._text.get(chunk.choice)):
            out.text = self._turn(self._text, chunk.choice, text, last=last or bool(calls))
        if thinking is not None and thinking.text:
            out.thinking = msgspec.structs.replace(thinking, text=self._turn(self._thinking, chunk.choice, thinking.text, last=last))
        if calls or last:
            out.tool_calls = tuple(self._calls(chunk, last=last))
        if (out.text, out.thinking, out.tool_calls) != (text, thinking, calls):
            out.raw = None
        return (out,)

    def _calls(self, chunk: Chunk, *, last: bool) -> Iterable[ToolCallDelta]:
        for call in chunk.tool_calls:
            key = (chunk.choice, call.index)
            yield msgspec.structs.replace(call, arguments=self._turn(self._arguments, key, call.arguments, last=last, json=True))
        if last:
            for choice, index in [key for key, held in self._arguments.items() if held and key[0] == chunk.choice]:
                yield ToolCallDelta(index, arguments=self._turn(self._arguments, (choice, index), "", last=True, json=True))

    def _turn(self, held: dict[Key, str], key: Key, new: str, *, last: bool, json: bool = False) -> str:
        whole = held.pop(key, "") + new
        cut = len(whole) if last else self._vault.unfinished(whole)
        if cut < len(whole):
            held[key] = whole[cut:]
        return self._vault.restore(whole[:cut], _in_json_string if json else str)

    def finish(self) -> Iterable[Chunk]:
        """Whatever is still held was no placeholder after all, or a stream without an end: it goes out as it is."""
        left = [Chunk(text=held, choice=choice) for choice, held in self._text.items() if held]
        left += [Chunk(thinking=Thinking(text=held), choice=choice) for choice, held in self._thinking.items() if held]
        left += [
            Chunk(tool_calls=(ToolCallDelta(index, arguments=held),), choice=c) for (c, index), held in self._arguments.items() if held
        ]
        return left
