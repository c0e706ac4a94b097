"""OpenAI's Chat Completions and embeddings as a caller reads them: canonical chunks to JSON and to server-sent events.

Source: OpenAI's API reference, "The chat completion object", "The chat completion chunk object", "The embedding object". What came
from a provider of this wire goes out as it came while no stage has changed it (`Chunk.raw`); everything else is written here.

A reasoning text goes out as `reasoning_content` (DeepSeek, vLLM, xAI); what must come back unchanged with the next request, a signature
or an opaque block, in `reasoning_details` (OpenRouter). A refusal has no finish reason of its own here: the text goes out as `refusal`.
"""

import binascii
import struct
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from llm_gateway.core.types import Chunk, FinishReason, Json, JsonObject, Thinking, ToolCallDelta, Usage

PROTOCOL: Final = "openai"
DONE: Final = b"data: [DONE]\n\n"
REFUSED: Final = "The model refused to answer."
"""Stands for a refusal that came without words."""

_FINISH: Final = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.REFUSAL: "stop",
    FinishReason.PAUSE: "stop",
}
_encode = msgspec.json.Encoder().encode


def usage_object(usage: Usage) -> JsonObject:
    """The counts as this wire gives them: reasoning within the completion, cached tokens within the prompt."""
    prompt: JsonObject = {"cached_tokens": usage.cache_read_tokens}
    if usage.cache_write_tokens:
        prompt["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


class Head(msgspec.Struct, frozen=True):
    """What every object and event of one answer begins with. `created_s` is Unix seconds."""

    id: str
    created_s: int
    model: str


def as_it_came(chunks: Sequence[Chunk]) -> bytes | None:
    """The provider's own bytes, where all of the answer is as it came over this wire."""
    first = chunks[0] if chunks else None
    if first is None or not first.raw or first.raw_protocol != PROTOCOL:
        return None
    return first.raw if len(chunks) == 1 or all(chunk.raw is not None for chunk in chunks) else None


def whole(head: Head, chunks: Sequence[Chunk], usage: Usage | None) -> bytes:
    """The answer as one `chat.completion`, written anew."""
    said = {index: [chunk for chunk in chunks if chunk.choice == index] for index in sorted({chunk.choice for chunk in chunks})}
    document: JsonObject = {
        "id": next((chunk.response_id for chunk in chunks if chunk.response_id), head.id),
        "object": "chat.completion",
        "created": head.created_s,
        "model": next((chunk.response_model for chunk in chunks if chunk.response_model), head.model),
        "choices": [_choice(index, mine) for index, mine in said.items()],
    }
    if usage is not None:
        document["usage"] = usage_object(usage)
    return _encode(document)


def _choice(index: int, chunks: Sequence[Chunk]) -> JsonObject:
    text = "".join([chunk.text for chunk in chunks])
    finish = next((chunk.finish_reason for chunk in reversed(chunks) if chunk.finish_reason is not None), FinishReason.STOP)
    refused = finish is FinishReason.REFUSAL
    message: JsonObject = {"role": "assistant", "content": text or None, "refusal": None}
    if refused:
        message |= {"content": None, "refusal": text or REFUSED}
    elif not text and not any(chunk.tool_calls for chunk in chunks):
        message["content"] = ""
    thoughts = [chunk.thinking for chunk in chunks if chunk.thinking is not None]
    if thoughts:
        message |= _whole_thoughts(thoughts)
    calls = _whole_calls(piece for chunk in chunks for piece in chunk.tool_calls)
    if calls:
        message["tool_calls"] = calls
    return {
        "index": index,
        "message": message,
        "logprobs": _whole_logprobs([chunk.logprobs for chunk in chunks if chunk.logprobs is not None]),
        "finish_reason": _FINISH[finish],
    }


def _whole_calls(pieces: Iterable[ToolCallDelta]) -> list[Json]:
    calls: dict[int, list[str]] = {}
    for piece in pieces:
        call = calls.setdefault(piece.index, ["", "", ""])
        call[0] += piece.id
        call[1] += piece.name
        call[2] += piece.arguments
    return [
        {"id": name_id, "type": "function", "function": {"name": name, "arguments": arguments or "{}"}}
        for name_id, name, arguments in calls.values()
    ]


def _whole_thoughts(thoughts: list[Thinking]) -> JsonObject:
    fields: JsonObject = {}
    text = "".join([thought.text for thought in thoughts])
    if text:
        fields["reasoning_content"] = text
    if any(thought.signature or thought.redacted for thought in thoughts):
        fields["reasoning_details"] = _blocks(thoughts)
    return fields


def _blocks(thoughts: list[Thinking]) -> list[Json]:
    """The blocks that their pieces make: a signature ends one, an opaque block stands alone."""
    blocks: list[Json] = []
    text = ""
    for thought in thoughts:
        text += thought.text
        if thought.redacted:
            blocks += [{"type": "reasoning.text", "text": text}] if text else []
            blocks.append({"type": "reasoning.encrypted", "data": thought.redacted})
            text = ""
        elif thought.signature:
            blocks.append({"type": "reasoning.text", "text": text, "signature": thought.signature})
            text = ""
    return [*blocks, {"type": "reasoning.text", "text": text}] if text else blocks


def _whole_logprobs(pieces: list[Json]) -> Json:
    """The log probabilities of one answer: their lists joined."""
    if len(pieces) < 2:
        return pieces[0] if pieces else None
    joined: dict[str, list[Json]] = {}
    for piece in pieces:
        if isinstance(piece, dict):
            for name, items in piece.items():
                if isinstance(items, list):
                    joined.setdefault(name, []).extend(items)
    return dict(joined.items())


class ChatEvents:
    """Writes one streamed answer as server-sent events, a call of `feed` for each chunk, then `finish`.

    `include_usage` says whether the caller asked for the usage of the stream: then each event written here has `usage: null`, and
    one with the counts comes last, whoever the provider was.
    """

    __slots__ = ("_fixed", "_head", "_id", "_include_usage", "_model", "_started", "_usage_sent")

    def __init__(self, head: Head, *, include_usage: bool) -> None:
        self._head = head
        self._include_usage = include_usage
        self._id = ""
        self._model = ""
        self._started: set[int] = set()
        self._usage_sent = False

    def feed(self, chunk: Chunk) -> bytes:
        """The events of a chunk; none where it says nothing to a caller."""
        raw = chunk.raw
        if raw is not None and chunk.raw_protocol == PROTOCOL:
            if chunk.usage is not None and not chunk.has_content:
                self._usage_sent = True
            elif chunk.choice not in self._started:
                self._started.add(chunk.choice)
                self._name(chunk)
            return raw
        self._name(chunk)
        if not chunk.has_content and chunk.logprobs is None:
            return b""
        return self._event(chunk)

    def _name(self, chunk: Chunk) -> None:
        """The first id and model that the provider gave are those of every event written here."""
        self._id = self._id or chunk.response_id
        self._model = self._model or chunk.response_model

    def _event(self, chunk: Chunk) -> bytes:
        delta: JsonObject = {}
        if chunk.choice not in self._started:
            self._started.add(chunk.choice)
            delta["role"] = "assistant"
            if chunk.text or not (chunk.thinking or chunk.tool_calls):
                delta["content"] = ""
        if chunk.finish_reason is FinishReason.REFUSAL:
            delta["refusal"] = chunk.text or REFUSED
        elif chunk.text:
            delta["content"] = chunk.text
        if chunk.thinking is not None:
            delta |= _thought(chunk.thinking)
        if chunk.tool_calls:
            delta["tool_calls"] = [_call(piece) for piece in chunk.tool_calls]
        choice: JsonObject = {
            "index": chunk.choice,
            "delta": delta,
            "logprobs": chunk.logprobs,
            "finish_reason": _FINISH[chunk.finish_reason] if chunk.finish_reason is not None else None,
        }
        return self._write([choice], None)

    def _write(self, choices: list[Json], usage: Usage | None) -> bytes:
        event: JsonObject = {
            "id": self._id or self._head.id,
            "object": "chat.completion.chunk",
            "created": self._head.created_s,
            "model": self._model or self._head.model,
            "choices": choices,
        }
        if self._include_usage:
            event["usage"] = None if usage is None else usage_object(usage)
        return b"data: " + _encode(event) + b"\n\n"

    def finish(self, usage: Usage | None) -> bytes:
        """The end of an answer that came to its end: what it used, if that was asked for and not said, and `[DONE]`."""
        if self._include_usage and not self._usage_sent and usage is not None:
            return self._write([], usage) + DONE
        return DONE


def _thought(thought: Thinking) -> JsonObject:
    fields: JsonObject = {}
    if thought.text:
        fields["reasoning_content"] = thought.text
    if thought.signature:
        fields["reasoning_details"] = [{"type": "reasoning.text", "text": "", "signature": thought.signature}]
    elif thought.redacted:
        fields["reasoning_details"] = [{"type": "reasoning.encrypted", "data": thought.redacted}]
    return fields


def _call(piece: ToolCallDelta) -> JsonObject:
    if not (piece.id or piece.name):
        return {"index": piece.index, "function": {"arguments": piece.arguments}}
    return {
        "index": piece.index,
        "id": piece.id,
        "type": "function",
        "function": {"name": piece.name, "arguments": piece.arguments},
    }


def embeddings(chunks: Sequence[Chunk], model: str, usage: Usage | None, *, base64: bool) -> bytes:
    """The vectors as a list of embeddings: the provider's own bytes where they came over this wire, else written anew.

    A body that came over this wire has the form (numbers, or base64 of little-endian 32-bit floats) that the caller's own body asked
    for, since that is what was sent.
    """
    first = chunks[0]
    if len(chunks) == 1 and first.raw is not None and first.raw_protocol == PROTOCOL:
        return first.raw
    vectors = [vector for chunk in chunks for vector in chunk.embeddings or ()]
    tokens = usage.input_tokens if usage is not None else 0
    return _encode(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _base64(vector) if base64 else vector}
                for index, vector in enumerate(vectors)
            ],
            "model": next((chunk.response_model for chunk in chunks if chunk.response_model), model),
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _base64(vector: list[float]) -> str:
    return binascii.b2a_base64(struct.pack(f"<{len(vector)}f", *vector), newline=False).decode()
