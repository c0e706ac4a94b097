"""Anthropic's Messages API as a caller reads it: canonical chunks to one message, or to server-sent events.

Sources: the streaming reference at platform.claude.com/docs/en/build-with-claude/streaming, and `Message` and
`RawMessageStreamEvent` of Anthropic's own Python SDK, API version 2023-06-01. What came from a provider of this wire goes out as it
came while no stage has changed it (`Chunk.raw`); everything else is written here, and the two may take turns within one stream.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from llm_gateway.core.errors import ProviderBadResponse
from llm_gateway.core.sse import SseParser
from llm_gateway.core.types import Chunk, FinishReason, Json, JsonObject, Thinking, ToolCallDelta, Usage

PROTOCOL: Final = "anthropic"
PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'

_STOP_REASONS: Final = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.REFUSAL: "refusal",
    FinishReason.PAUSE: "pause_turn",
}
_UNCHANGING: Final = (b"event: content_block_delta\n", b"event: ping\n")
"""Events that open and close nothing: while all is as it came, they pass unread."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(JsonObject).decode


class _Named(msgspec.Struct, gc=False):
    type: str = ""


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    content_block: _Named | None = None


_decode_event = msgspec.json.Decoder(_Event).decode


class Head(msgspec.Struct, frozen=True):
    """What a message begins with, where the provider does not say so itself."""

    id: str
    model: str


def usage_object(usage: Usage) -> JsonObject:
    """The counts as this wire gives them: `input_tokens` without the cached ones."""
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    fields: JsonObject = {
        "input_tokens": max(0, usage.input_tokens - cached),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        fields["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return fields


def stop_reason(reason: FinishReason | None, stop_sequence: str | None, *, calls: bool) -> str:
    """The word for a finish reason. Clients run tools when they read `tool_use`, so it stands where there are calls, and only there."""
    if stop_sequence is not None and reason in {None, FinishReason.STOP}:
        return "stop_sequence"
    if reason in {None, FinishReason.STOP, FinishReason.TOOL_CALLS}:
        return "tool_use" if calls else "end_turn"
    return _STOP_REASONS[reason or FinishReason.STOP]


# --- one message ----------------------------------------------------------------------------------------------------


def whole(head: Head, chunks: Sequence[Chunk], usage: Usage | None) -> bytes:
    """The answer as one `message`, written anew.

    Raises:
        ProviderBadResponse: the arguments of a tool call are no JSON object, which is all that this wire has for them.
    """
    content: list[JsonObject] = []
    arguments: dict[int, str] = {}
    calls: dict[int, JsonObject] = {}
    finish: FinishReason | None = None
    stop: str | None = None
    for chunk in chunks:
        if chunk.thinking is not None:
            _think(content, chunk.thinking)
        if chunk.text:
            if content and content[-1]["type"] == "text":
                content[-1]["text"] = f"{content[-1]['text']}{chunk.text}"
            else:
                content.append({"type": "text", "text": chunk.text})
        for piece in chunk.tool_calls:
            if piece.index not in calls:
                calls[piece.index] = {"type": "tool_use", "id": piece.id, "name": piece.name, "input": {}}
                content.append(calls[piece.index])
            arguments[piece.index] = arguments.get(piece.index, "") + piece.arguments
        finish = chunk.finish_reason or finish
        stop = chunk.stop_sequence if chunk.stop_sequence is not None else stop
    for index, call in calls.items():
        call["input"] = _input(arguments[index], str(call["name"]))
    document: JsonObject = {
        "id": _message_id(next((chunk.response_id for chunk in chunks if chunk.response_id), ""), head),
        "type": "message",
        "role": "assistant",
        "model": _model(chunks, head),
        "content": [*content],
        "stop_reason": stop_reason(finish, stop, calls=bool(calls)),
        "stop_sequence": stop,
        "usage": usage_object(usage or Usage()),
    }
    return _encode(document)


def _message_id(said: str, head: Head) -> str:
    """The provider's id where it is one of this wire: clients show it, and send it back as that of an earlier message."""
    return said if said.startswith("msg_") else head.id


def _model(chunks: Iterable[Chunk], head: Head) -> str:
    return next((chunk.response_model for chunk in chunks if chunk.response_model), head.model)


def _think(content: list[JsonObject], thinking: Thinking) -> None:
    if thinking.redacted:
        content.append({"type": "redacted_thinking", "data": thinking.redacted})
        return
    if not (thinking.text or thinking.signature):
        return
    if not (content and content[-1]["type"] == "thinking" and not content[-1]["signature"]):
        content.append({"type": "thinking", "thinking": "", "signature": ""})
    block = content[-1]
    block["thinking"] = f"{block['thinking']}{thinking.text}"
    block["signature"] = thinking.signature


def _input(arguments: str, name: str) -> Json:
    try:
        return _decode(arguments.strip() or "{}")
    except (msgspec.DecodeError, RecursionError):
        raise ProviderBadResponse(f"the model called the tool {name[:64]!r} with arguments that are no JSON object") from None


# --- events ---------------------------------------------------------------------------------------------------------


class MessageEvents:
    """Writes one streamed answer as server-sent events: `feed` for each chunk, then `finish`.

    As long as every chunk brings the bytes of its event, they pass as they are. From the first that does not, blocks are opened and
    closed here where the events that would have done it are missing, one at a time, and the rest of the provider's own are counted on
    from there. A tool call that goes on after the next block began is told in its own block all the same: clients find it by its index.

    `input_tokens` gives an estimate to begin with, which the provider's own count replaces at the end.
    """

    __slots__ = (
        "_finish", "_head", "_id", "_input_tokens", "_mixed", "_model", "_next", "_numbers", "_open", "_parser", "_started", "_stop",
        "_stopped", "_told", "_tools", "_usage",
    )  # fmt: skip

    def __init__(self, head: Head, input_tokens: Callable[[], int]) -> None:
        self._head = head
        self._input_tokens = input_tokens
        self._id = ""
        self._model = ""
        self._parser = SseParser()
        self._started = False
        self._mixed = False
        """Whether something was written here, so that the provider's events no longer stand by themselves."""
        self._next = 0
        """The index that a new block gets."""
        self._open: dict[int, str] = {}
        """Kinds of the blocks that are open, by index."""
        self._numbers: dict[int, int] = {}
        """The provider's indices and ours."""
        self._tools: dict[int, int] = {}
        """Index of the block of each tool call."""
        self._usage: Usage | None = None
        self._finish: FinishReason | None = None
        self._stop: str | None = None
        self._told = False
        """Whether the stop reason is out."""
        self._stopped = False

    def feed(self, chunk: Chunk) -> bytes:
        """The events of a chunk; none where it says nothing to a caller."""
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.raw is not None and chunk.raw_protocol == PROTOCOL:
            if not self._mixed and chunk.raw.startswith(_UNCHANGING):
                return chunk.raw
            return self._pass(chunk, chunk.raw)
        return self._say(chunk)

    def finish(self, usage: Usage | None) -> bytes:
        """The end of an answer that came to its end."""
        if usage is not None:
            self._usage = usage
        if self._stopped:
            return b""
        self._stopped = True
        return self._start() + self._tell() + b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

    # Events that came.

    def _pass(self, chunk: Chunk, raw: bytes) -> bytes:
        data = self._parser.feed(raw)[0].data
        event = _decode_event(data)
        match event.type:
            case "message_start":
                first, self._started = not self._started, True
                return raw if first else b""
            case "content_block_start":
                return self._pass_start(chunk, event, raw, data)
            case "content_block_delta":
                index = self._numbers.get(event.index)
                return self._say(chunk) if index not in self._open else self._numbered(index, event, raw, data)
            case "content_block_stop":
                index = self._numbers.get(event.index)
                if index not in self._open:
                    return self._say(chunk)
                del self._open[index]
                return self._numbered(index, event, raw, data)
            case "message_delta":
                if self._finish is not None:  # an earlier one was changed: the end is written here
                    return b""
                self._told = self._told or chunk.finish_reason is not None
                return self._start() + self._close_open() + raw if self._mixed else raw
            case "message_stop":
                self._stopped = True
                return self._start() + self._tell() + raw if self._mixed else raw
        return raw

    def _pass_start(self, chunk: Chunk, event: _Event, raw: bytes, data: bytes) -> bytes:
        out = self._start() + self._close_open() if self._mixed else b""
        index = self._next if self._mixed else event.index
        self._next = index + 1
        self._numbers[event.index] = index
        self._open[index] = kind = event.content_block.type if event.content_block is not None else ""
        if kind == "tool_use":
            for call in chunk.tool_calls:
                self._tools[call.index] = index
        return out + self._numbered(index, event, raw, data)

    @staticmethod
    def _numbered(index: int | None, event: _Event, raw: bytes, data: bytes) -> bytes:
        """The event under the index that its block has here."""
        return raw if index == event.index else _event(event.type, {**_decode(data), "index": index})

    # Events that are written here.

    def _say(self, chunk: Chunk) -> bytes:
        self._mixed = True
        self._id = self._id or chunk.response_id
        self._model = self._model or chunk.response_model
        if chunk.finish_reason is not None:
            self._finish, self._stop = chunk.finish_reason, chunk.stop_sequence
        thinking, calls = chunk.thinking, chunk.tool_calls
        if not (chunk.text or thinking or calls):
            return b""
        out = self._start()
        if thinking is not None:
            out += self._thinking(thinking)
        if chunk.text:
            opened, index = self._block("text", b'{"type":"text","text":""}')
            out += opened + _delta(index, b'"text_delta","text":', chunk.text)
        for call in calls:
            out += self._call(call)
        return out

    def _start(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        usage = {"input_tokens": self._input_tokens(), "output_tokens": 0}
        message: JsonObject = {
            "id": _message_id(self._id, self._head),
            "type": "message",
            "role": "assistant",
            "model": self._model or self._head.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage},
        }
        return _event("message_start", {"type": "message_start", "message": message}) + PING

    def _thinking(self, thinking: Thinking) -> bytes:
        if thinking.redacted:
            opened, _ = self._open_new("redacted_thinking", _encode({"type": "redacted_thinking", "data": thinking.redacted}))
            return opened + self._close_open()
        if not (thinking.text or thinking.signature):
            return b""
        out, index = self._block("thinking", b'{"type":"thinking","thinking":"","signature":""}')
        if thinking.text:
            out += _delta(index, b'"thinking_delta","thinking":', thinking.text)
        if thinking.signature:  # it ends its block
            out += _delta(index, b'"signature_delta","signature":', thinking.signature)
            out += self._close_open()
        return out

    def _call(self, call: ToolCallDelta) -> bytes:
        out = b""
        index = self._tools.get(call.index)
        if index is None:
            out, index = self._open_new("tool_use", _encode({"type": "tool_use", "id": call.id, "name": call.name, "input": {}}))
            self._tools[call.index] = index
        if call.arguments:
            out += _delta(index, b'"input_json_delta","partial_json":', call.arguments)
        return out

    def _block(self, kind: str, content: bytes) -> tuple[bytes, int]:
        """The open block if it is of that kind, else a new one."""
        for index, there in self._open.items():
            if there == kind:
                return b"", index
        return self._open_new(kind, content)

    def _open_new(self, kind: str, content: bytes) -> tuple[bytes, int]:
        out = self._close_open()
        index = self._next
        self._next = index + 1
        self._open[index] = kind
        start = b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,"content_block":%b}\n\n'
        return out + start % (index, content), index

    def _close_open(self) -> bytes:
        if not self._open:
            return b""
        stop = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
        out = b"".join([stop % index for index in self._open])
        self._open.clear()
        return out

    def _tell(self) -> bytes:
        """What stands before the end: blocks are closed, and the stop reason is told if it was not."""
        out = self._close_open()
        if self._told:
            return out
        self._told = True
        delta: JsonObject = {
            "stop_reason": stop_reason(self._finish, self._stop, calls=bool(self._tools)),
            "stop_sequence": self._stop,
        }
        usage = usage_object(self._usage or Usage())
        return out + _event("message_delta", {"type": "message_delta", "delta": delta, "usage": usage})


def _event(name: str, document: JsonObject) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(document))


def _delta(index: int, kind_and_field: bytes, text: str) -> bytes:
    return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":%b%b}}\n\n' % (
        index, kind_and_field, _encode(text),
    )  # fmt: skip
