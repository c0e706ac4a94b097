"""What Amazon Bedrock's Converse and ConverseStream answer.

Source: Amazon Bedrock API Reference, "Converse" and "ConverseStream" (API version 2023-09-30), and the user guide's "Prompt caching":
`inputTokens` counts neither what was read from the cache nor what was written to it. One family deviates, see `_usage`.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from llm_gateway.core.errors import ProviderBadResponse
from llm_gateway.core.types import Chunk, FinishReason, JsonObject, Thinking, ToolCallDelta, Usage

PROTOCOL: Final = "bedrock"

_FINISH: Final = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "tool_use": FinishReason.TOOL_CALLS,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "refusal": FinishReason.REFUSAL,
    "pause_turn": FinishReason.PAUSE,
}
_MALFORMED: Final = ("malformed_model_output", "malformed_tool_use")
_SERVER_TOOL: Final = "server_tool_use"
"""A call that Bedrock itself has answered: none of the caller's business."""


class _Wire(msgspec.Struct, rename="camel", gc=False):
    """An object of the answer; fields that are not named here are skipped."""


class _TokenUsage(_Wire):
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0


class _ToolUse(_Wire):
    tool_use_id: str
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")
    type: str = ""


class _ReasoningText(_Wire):
    text: str = ""
    signature: str = ""


class _Reasoning(_Wire):
    reasoning_text: _ReasoningText | None = None
    redacted_content: str = ""


class _CitedText(_Wire):
    text: str = ""


class _Citations(_Wire):
    content: list[_CitedText] = []


class _Block(_Wire):
    text: str = ""
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: _Citations | None = None


class _Message(_Wire):
    content: list[_Block]


class _Output(_Wire):
    message: _Message


class _Response(_Wire):
    output: _Output | None = None
    stop_reason: str = ""
    usage: _TokenUsage | None = None
    additional_model_response_fields: JsonObject | None = None


class _StartedBlock(_Wire):
    tool_use: _ToolUse | None = None


class _BlockStart(_Wire):
    start: _StartedBlock
    content_block_index: int


class _ToolUseDelta(_Wire):
    input: str = ""


class _ReasoningDelta(_Wire):
    text: str = ""
    signature: str = ""
    redacted_content: str = ""


class _Delta(_Wire):
    text: str = ""
    tool_use: _ToolUseDelta | None = None
    reasoning_content: _ReasoningDelta | None = None


class _BlockDelta(_Wire):
    delta: _Delta
    content_block_index: int


class _BlockStop(_Wire):
    content_block_index: int


class _MessageStop(_Wire):
    stop_reason: str
    additional_model_response_fields: JsonObject | None = None


class _Metadata(_Wire):
    usage: _TokenUsage | None = None


_response = msgspec.json.Decoder(_Response)
_block_start = msgspec.json.Decoder(_BlockStart)
_block_delta = msgspec.json.Decoder(_BlockDelta)
_block_stop = msgspec.json.Decoder(_BlockStop)
_message_stop = msgspec.json.Decoder(_MessageStop)
_metadata = msgspec.json.Decoder(_Metadata)


def whole(body: bytes, model: str, answer_tool: str = "") -> Chunk:
    """The one chunk of a Converse answer.

    Args:
        answer_tool: the tool whose input is the answer itself, when the request forced one.

    Raises:
        ProviderBadResponse: the body is not an answer: not the protocol, without output, or malformed by the model.
    """
    try:
        response = _response.decode(body)
    except msgspec.DecodeError as failure:
        raise ProviderBadResponse(f"the provider's answer is not Converse's: {failure}") from failure
    if response.output is None:
        raise ProviderBadResponse("the provider answered without any output", same_again=True)
    text: list[str] = []
    thinking: list[Thinking] = []
    calls: list[ToolCallDelta] = []
    answer: str | None = None
    for block in response.output.message.content:
        if block.text:
            text.append(block.text)
        if block.citations_content is not None:
            text += [piece.text for piece in block.citations_content.content]
        if block.reasoning_content is not None:
            thinking.append(_whole_thinking(block.reasoning_content))
        use = block.tool_use
        if use is None or use.type == _SERVER_TOOL:
            continue
        arguments = bytes(use.input).decode()
        if answer_tool and use.name == answer_tool:
            answer = arguments
        else:
            calls.append(ToolCallDelta(len(calls), use.tool_use_id, use.name, arguments))
    return Chunk(
        text="".join(text) if answer is None else answer,
        thinking=_joined(thinking),
        tool_calls=tuple(calls),
        finish_reason=_finish(response.stop_reason, answered=answer is not None and not calls),
        usage=_usage(response.usage),
        response_model=model,
        stop_sequence=_stop_sequence(response.additional_model_response_fields),
        raw=None if answer_tool else body,
        raw_protocol=PROTOCOL,
    )


def _whole_thinking(reasoning: _Reasoning) -> Thinking:
    told = reasoning.reasoning_text or _ReasoningText()
    return Thinking(told.text, told.signature, reasoning.redacted_content)


def _joined(thinking: list[Thinking]) -> Thinking | None:
    """Several blocks as one: a chunk holds one. The last signature stands for them."""
    if len(thinking) < 2:
        return thinking[0] if thinking else None
    signatures = [block.signature for block in thinking if block.signature]
    redacted = [block.redacted for block in thinking if block.redacted]
    return Thinking("".join([block.text for block in thinking]), signatures[-1] if signatures else "", redacted[-1] if redacted else "")


class ConverseStream:
    """The chunks of one ConverseStream answer: at most one an event.

    `raw` of a chunk starts with the bytes of the events before it that had nothing to say, so that all of them together are the
    answer as it came; it is None where a forced answer tool is turned back into text.
    """

    def __init__(self, model: str, answer_tool: str = "") -> None:
        self._model = model
        self._answer_tool = answer_tool
        self._silent = b""
        self._held: list[str] = []
        """Text while an answer by tool is expected: dropped when the tool comes, else it is the answer."""
        self._tools: dict[int, int] = {}
        """From a content block's index to the dense index of its call."""
        self._answers: set[int] = set()
        self._foreign: set[int] = set()
        self._unfed: set[int] = set()
        """Tool blocks that had no input yet."""
        self._stopped = False
        self._metered = False
        self._readers: dict[str, Callable[[bytes], Chunk | None]] = {
            "contentBlockDelta": self._on_delta,
            "contentBlockStart": self._on_start,
            "contentBlockStop": self._on_stop,
            "messageStop": self._on_message_stop,
            "metadata": self._on_metadata,
        }

    def event(self, kind: str, payload: bytes, raw: bytes) -> Chunk | None:
        """Take one event; `kind` is its `:event-type`.

        Raises:
            ProviderBadResponse: the event is not the protocol's, or the model's output was malformed.
        """
        reader = self._readers.get(kind)
        try:
            chunk = None if reader is None else reader(payload)
        except msgspec.DecodeError as failure:
            raise ProviderBadResponse(f"the provider sent an unreadable {kind} event: {failure}") from failure
        if not self._answer_tool:
            raw = self._silent + raw if self._silent else raw
            self._silent = raw if chunk is None else b""
        if chunk is None:
            return None
        chunk.response_model = self._model
        chunk.raw_protocol = PROTOCOL
        chunk.raw = None if self._answer_tool else raw
        return chunk

    def finish(self) -> None:
        """The events have ended.

        Raises:
            ProviderBadResponse: before `messageStop`, or before the `metadata` that follows it.
        """
        if not (self._stopped and self._metered):
            missing = "metadata" if self._stopped else "messageStop"
            raise ProviderBadResponse(f"the provider's stream ended before its {missing} event", same_again=True)

    def _on_start(self, payload: bytes) -> Chunk | None:
        event = _block_start.decode(payload)
        use, index = event.start.tool_use, event.content_block_index
        if use is None:
            return None
        if use.type == _SERVER_TOOL:
            self._foreign.add(index)
            return None
        self._unfed.add(index)
        if self._answer_tool and use.name == self._answer_tool:
            self._answers.add(index)
            return None
        self._tools[index] = len(self._tools)
        return Chunk(tool_calls=(ToolCallDelta(self._tools[index], use.tool_use_id, use.name),))

    def _on_delta(self, payload: bytes) -> Chunk | None:
        event = _block_delta.decode(payload)
        delta = event.delta
        if delta.text:
            if not self._answer_tool:
                return Chunk(text=delta.text)
            self._held.append(delta.text)
        elif delta.tool_use is not None and delta.tool_use.input:
            self._unfed.discard(event.content_block_index)
            return self._on_input(event.content_block_index, delta.tool_use.input)
        elif delta.reasoning_content is not None:
            reasoning = delta.reasoning_content
            return Chunk(thinking=Thinking(reasoning.text, reasoning.signature, reasoning.redacted_content))
        return None

    def _on_input(self, index: int, text: str) -> Chunk | None:
        if index in self._answers:
            return Chunk(text=text)
        if index in self._foreign:
            return None
        if index not in self._tools:
            raise ProviderBadResponse("the provider sent the input of a tool call that it never started")
        return Chunk(tool_calls=(ToolCallDelta(self._tools[index], arguments=text),))

    def _on_stop(self, payload: bytes) -> Chunk | None:
        index = _block_stop.decode(payload).content_block_index
        if index not in self._unfed:
            return None
        self._unfed.discard(index)
        return self._on_input(index, "{}")

    def _on_message_stop(self, payload: bytes) -> Chunk:
        event = _message_stop.decode(payload)
        self._stopped = True
        return Chunk(
            text="" if self._answers else "".join(self._held),
            finish_reason=_finish(event.stop_reason, answered=bool(self._answers) and not self._tools),
            stop_sequence=_stop_sequence(event.additional_model_response_fields),
        )

    def _on_metadata(self, payload: bytes) -> Chunk:
        self._metered = True
        return Chunk(usage=_usage(_metadata.decode(payload).usage, streamed_by=self._model))


def _finish(reason: str, answered: bool) -> FinishReason:
    if reason in _MALFORMED:
        raise ProviderBadResponse(f"the model's output was malformed ({reason})", same_again=True)
    finish = _FINISH.get(reason, FinishReason.STOP)
    return FinishReason.STOP if answered and finish is FinishReason.TOOL_CALLS else finish


def _stop_sequence(fields: JsonObject | None) -> str | None:
    value = (fields or {}).get("stop_sequence")
    return value if isinstance(value, str) else None


def _usage(usage: _TokenUsage | None, streamed_by: str = "") -> Usage | None:
    """Bedrock's count as ours, whose input includes the cached part.

    OpenAI's models have been seen to include it already, in streams only; a count that is too small for it shows that it does not.
    """
    if usage is None:
        return None
    read, write = usage.cache_read_input_tokens, usage.cache_write_input_tokens
    included = "openai." in streamed_by and usage.input_tokens >= read + write
    return Usage(
        input_tokens=usage.input_tokens if included else usage.input_tokens + read + write,
        output_tokens=usage.output_tokens,
        cache_read_tokens=read,
        cache_write_tokens=write,
    )
