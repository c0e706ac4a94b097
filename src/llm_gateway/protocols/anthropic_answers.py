"""The Anthropic Messages wire, answers: one JSON document, or server-sent events, as chunks.

Sources: the streaming reference at platform.claude.com/docs/en/build-with-claude/streaming and `Message`,
`RawMessageStreamEvent`, `StopReason` and `ErrorObject` of Anthropic's own Python SDK, API version 2023-06-01.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from llm_gateway.core.errors import ProviderBadResponse, ProviderError
from llm_gateway.core.sse import SseEvent, SseParser
from llm_gateway.core.types import Chunk, FinishReason, Thinking, ToolCallDelta, Usage

PROTOCOL: Final = "anthropic"

Failure: TypeAlias = Callable[[str, str], ProviderError]
"""Makes the error for an error document inside a successful answer, from its `type` and `message`."""

STATUS_OF_ERROR: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The HTTP status that belongs to an error type, for errors that arrive inside a 200 stream."""

FINISH_REASONS: Final = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "pause_turn": FinishReason.PAUSE,
    "compaction": FinishReason.PAUSE,
    "refusal": FinishReason.REFUSAL,
}


class _Details(msgspec.Struct, gc=False):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _Details | None = None


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"")
    thinking: str = ""
    signature: str | None = None
    data: str = ""


class _Error(msgspec.Struct, gc=False):
    type: str = ""
    message: str = ""


class _Answer(msgspec.Struct, gc=False):
    type: str = ""
    id: str = ""
    model: str = ""
    content: list[_Block] = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: _Usage | None = None
    error: _Error | None = None


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: _Block | None = None
    message: _Answer | None = None
    usage: _Usage | None = None
    error: _Error | None = None


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode
_EMPTY_INPUTS: Final = frozenset({b"", b"{}", b'""', b"null"})


def _input_text(raw: msgspec.Raw) -> str:
    """A tool's input as JSON text; nothing and "" mean no arguments."""
    data = bytes(raw)
    return "{}" if data in _EMPTY_INPUTS else data.decode()


def _usage(counts: _Usage) -> Usage | None:
    """Canonical usage: `input_tokens` on this wire leaves out cached tokens, ours holds them. None when incomplete."""
    if counts.input_tokens is None or counts.output_tokens is None:
        return None
    read, written = counts.cache_read_input_tokens or 0, counts.cache_creation_input_tokens or 0
    details = counts.output_tokens_details
    return Usage(
        input_tokens=counts.input_tokens + read + written,
        output_tokens=counts.output_tokens,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=(details.thinking_tokens or 0) if details is not None else 0,
    )


class AnswerDecoder:
    """One JSON document. `finish` gives one chunk; each thinking block after the first precedes the rest in a chunk of
    its own, since a chunk holds one and a block must keep its signature. `raw` is on the first, usage on the last."""

    def __init__(self, provider: str, failure: Failure) -> None:
        self._provider = provider
        self._failure = failure
        self._body: list[bytes] = []

    def feed(self, data: bytes) -> list[Chunk]:
        self._body.append(data)
        return []

    def finish(self) -> list[Chunk]:
        body = b"".join(self._body)
        try:
            answer = _decode_answer(body)
            return self._chunks(answer, body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProviderBadResponse(
                f"{self._provider} sent a body that is not an Anthropic message", provider=self._provider, upstream_status=200
            ) from None

    def _chunks(self, answer: _Answer, body: bytes) -> list[Chunk]:
        if answer.error is not None:
            raise self._failure(answer.error.type, answer.error.message)
        if answer.type != "message":
            raise ProviderBadResponse(f"{self._provider} sent no message", provider=self._provider, upstream_status=200)
        text = ""
        thinking: list[Thinking] = []
        calls: list[ToolCallDelta] = []
        for block in answer.content:
            if block.type == "text":
                text += block.text
            elif block.type == "tool_use":
                calls.append(ToolCallDelta(len(calls), block.id, block.name, _input_text(block.input)))
            elif block.type == "thinking":
                thinking.append(Thinking(block.thinking, block.signature or ""))
            elif block.type == "redacted_thinking":
                thinking.append(Thinking(redacted=block.data))
        chunks = [Chunk(thinking=block) for block in thinking[:-1]]
        chunks.append(
            Chunk(
                text=text,
                thinking=thinking[-1] if thinking else None,
                tool_calls=tuple(calls),
                finish_reason=FINISH_REASONS.get(answer.stop_reason or "", FinishReason.STOP),
                usage=None if answer.usage is None else _usage(answer.usage),
                response_id=answer.id,
                response_model=answer.model,
                stop_sequence=answer.stop_sequence,
            )
        )
        chunks[0].raw, chunks[0].raw_protocol = body, PROTOCOL
        return chunks


class StreamDecoder:
    """Server-sent events. Every event gives a chunk, if only to carry its bytes, so that a client of the same protocol
    sees `ping` and block borders too.

    An error event is raised at once when nothing came before it in the same read, and otherwise by the next call, so
    that what is delivered does not hang on how the bytes were cut.
    """

    def __init__(self, provider: str, failure: Failure) -> None:
        self._provider = provider
        self._failure = failure
        self._parser = SseParser()
        self._counts = _Usage()
        self._calls = 0
        self._open: dict[int, _OpenCall] = {}
        self._finished = False
        self._ended = False
        self._held: ProviderError | None = None

    def feed(self, data: bytes) -> list[Chunk]:
        if self._held is not None:
            raise self._held
        return [] if self._ended else self._take(self._parser.feed(data))

    def finish(self) -> list[Chunk]:
        if self._held is not None:
            raise self._held
        chunks = [] if self._ended else self._take(self._parser.finish())
        if not self._ended:
            raise self._held or self._bad("broke its stream off before message_stop")
        return chunks

    def _take(self, events: list[SseEvent]) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            for event in events:
                chunks.append(self._chunk(event))
                if self._ended:
                    break
        except ProviderError as failure:
            self._held = failure
            if not chunks:
                raise
        return chunks

    def _bad(self, what: str) -> ProviderBadResponse:
        return ProviderBadResponse(f"{self._provider} {what}", provider=self._provider, upstream_status=200)

    def _chunk(self, event: SseEvent) -> Chunk:
        try:
            return self._meaning(_decode_event(event.data), event.raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._bad("sent an event that is not of the Anthropic protocol") from None

    def _meaning(self, said: _Event, raw: bytes) -> Chunk:
        kind = said.type
        if kind == "content_block_delta" and said.delta is not None:
            return self._delta(said.index, said.delta, raw)
        chunk = Chunk(raw=raw, raw_protocol=PROTOCOL)
        if kind == "content_block_start" and said.content_block is not None:
            self._start(said.index, said.content_block, chunk)
        elif kind == "content_block_stop":
            call = self._open.pop(said.index, None)
            if call is not None:
                chunk.tool_calls = call.rest()
        elif kind == "message_start" and said.message is not None:
            chunk.response_id, chunk.response_model = said.message.id, said.message.model
            if said.message.usage is not None:
                self._count(said.message.usage)
                # A placeholder: only message_delta knows the output.
                self._counts.output_tokens = None
        elif kind == "message_delta":
            self._message_delta(said, chunk)
        elif kind == "message_stop":
            self._ended = True
            if not self._finished:
                chunk.finish_reason = FinishReason.STOP
        elif kind == "error":
            error = said.error or _Error()
            raise self._failure(error.type, error.message)
        return chunk

    def _delta(self, index: int, delta: _Delta, raw: bytes) -> Chunk:
        kind = delta.type
        if kind == "text_delta":
            return Chunk(text=delta.text, raw=raw, raw_protocol=PROTOCOL)
        chunk = Chunk(raw=raw, raw_protocol=PROTOCOL)
        if kind == "input_json_delta":
            # An index that is not open belongs to a tool that the vendor runs itself.
            call = self._open.get(index)
            if call is not None and delta.partial_json:
                call.begun = True
                chunk.tool_calls = (ToolCallDelta(call.index, arguments=delta.partial_json),)
        elif kind == "thinking_delta":
            chunk.thinking = Thinking(delta.thinking)
        elif kind == "signature_delta":
            chunk.thinking = Thinking(signature=delta.signature)
        return chunk

    def _start(self, index: int, block: _Block, chunk: Chunk) -> None:
        if block.type == "text":
            chunk.text = block.text
        elif block.type == "tool_use":
            self._open[index] = call = _OpenCall(self._calls, _input_text(block.input))
            self._calls += 1
            chunk.tool_calls = (ToolCallDelta(call.index, block.id, block.name),)
        elif block.type == "thinking" and (block.thinking or block.signature):
            chunk.thinking = Thinking(block.thinking, block.signature or "")
        elif block.type == "redacted_thinking":
            chunk.thinking = Thinking(redacted=block.data)

    def _message_delta(self, said: _Event, chunk: Chunk) -> None:
        if said.usage is not None:
            self._count(said.usage)
            chunk.usage = _usage(self._counts)
        delta = said.delta
        if delta is not None and delta.stop_reason is not None and not self._finished:
            self._finished = True
            chunk.finish_reason = FINISH_REASONS.get(delta.stop_reason, FinishReason.STOP)
            chunk.stop_sequence = delta.stop_sequence
            chunk.tool_calls = tuple(piece for call in self._open.values() for piece in call.rest())
            self._open.clear()

    def _count(self, seen: _Usage) -> None:
        """Counts are cumulative: what is there replaces what was, what is missing changes nothing."""
        counts = self._counts
        if seen.input_tokens is not None:
            counts.input_tokens = seen.input_tokens
        if seen.output_tokens is not None:
            counts.output_tokens = seen.output_tokens
        if seen.cache_read_input_tokens is not None:
            counts.cache_read_input_tokens = seen.cache_read_input_tokens
        if seen.cache_creation_input_tokens is not None:
            counts.cache_creation_input_tokens = seen.cache_creation_input_tokens
        if seen.output_tokens_details is not None:
            counts.output_tokens_details = seen.output_tokens_details


class _OpenCall:
    """A tool call whose block has not ended. `input` is what its start held, for when no delta follows."""

    __slots__ = ("begun", "index", "input")

    def __init__(self, index: int, start_input: str) -> None:
        self.index = index
        self.input = start_input
        self.begun = False

    def rest(self) -> tuple[ToolCallDelta, ...]:
        return () if self.begun else (ToolCallDelta(self.index, arguments=self.input),)
