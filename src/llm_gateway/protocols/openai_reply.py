"""OpenAI's Chat Completions, the reply: one JSON object, or a stream of server-sent chunks that ends in `[DONE]`.

Source: OpenAI's API reference, "The chat completion object" and "The chat completion chunk object". What imitators add or leave
out is read where its meaning is clear: `reasoning_content`/`reasoning` (DeepSeek, vLLM, xAI, OpenRouter), content in parts
(Mistral), tool calls without an index (Gemini), `cost_in_usd_ticks` (xAI).
"""

from collections.abc import Callable
from typing import Final

import msgspec

from llm_gateway.core.errors import ProviderBadResponse, ProviderError
from llm_gateway.core.sse import SseEvent, SseParser
from llm_gateway.core.types import Chunk, FinishReason, Json, Thinking, ToolCallDelta, Usage

PROTOCOL: Final = "openai"
USD_PER_TICK: Final = 1e-10
"""xAI states what a call cost in ticks: 10,000,000,000 to the dollar (docs.x.ai, "Cost Tracking")."""

Fail = Callable[[bytes], ProviderError]
"""Makes the error that an error object inside a successful response means, from the JSON of the whole object."""

_NOTHING: Final = msgspec.Raw(b"null")
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the JSON decoder raises on foreign bytes; the last on deep nesting."""
_STOP: Final = FinishReason.STOP
"""By a name of its own: looking a member up costs ten times as much."""
_FINISH: Final = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "model_length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "insufficient_system_resource": FinishReason.LENGTH,
}
"""The last three are Mistral's, several servers', and DeepSeek's for an answer that was cut."""


class _InputDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cost_in_usd_ticks: float | None = None


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, msgspec.Raw] | None = None


class _ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _ContentPart(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    thinking: list["_ContentPart"] = []


class _Message(msgspec.Struct, gc=False):
    """A whole message, or what a stream adds to one."""

    content: str | list[_ContentPart] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct, gc=False):
    message: _Message
    index: int = 0
    finish_reason: str | None = None
    logprobs: Json = None


class _Answer(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = _NOTHING


class _StreamChoice(msgspec.Struct, gc=False):
    delta: _Message | None = None
    index: int = 0
    finish_reason: str | None = None
    logprobs: Json = None


class _Event(msgspec.Struct, gc=False):
    choices: list[_StreamChoice] | None = None
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = _NOTHING


_answer_decoder = msgspec.json.Decoder(_Answer)
_event_decoder = msgspec.json.Decoder(_Event)
_encoder = msgspec.json.Encoder()


class _Calls:
    """The tool calls of one choice: gives each a dense index, and its id and name once."""

    __slots__ = ("_by_index", "_ids", "_last")

    def __init__(self) -> None:
        self._by_index: dict[int, int] = {}
        self._ids: list[str] = []
        self._last = -1

    def add(self, call: _ToolCall, new_id: str) -> ToolCallDelta:
        function = call.function or _Function()
        name = function.name or ""
        arguments = function.arguments
        if not isinstance(arguments, str):
            arguments = "" if arguments is None else _encoder.encode(arguments).decode()
        index = self._known(call, name)
        if index is not None:
            self._last = index
            return ToolCallDelta(index, arguments=arguments)
        self._last = len(self._ids)
        self._ids.append(call.id or "")
        if call.index is not None:
            self._by_index[call.index] = self._last
        return ToolCallDelta(self._last, call.id or f"{new_id}_{self._last}", name, arguments)

    def _known(self, call: _ToolCall, name: str) -> int | None:
        """The call that this piece belongs to, or None for a new one. Servers that count badly send every call as index 0 or
        without an index; another id together with a name begins another call."""
        if call.index is not None:
            index = self._by_index.get(call.index)
            if index is not None and call.id and name and call.id != self._ids[index]:
                return None
            return index
        if call.id:
            return self._ids.index(call.id) if call.id in self._ids else None
        return self._last if self._last >= 0 and not name else None


class _ChoiceState:
    """What is known of one choice while its pieces arrive."""

    __slots__ = ("calls", "finished", "refused")

    def __init__(self) -> None:
        self.calls: _Calls | None = None
        self.finished = False
        self.refused = False


def _content(message: _Message, state: _ChoiceState) -> tuple[str, Thinking | None]:
    content = message.content
    reasoning = message.reasoning_content or message.reasoning
    if content is None:
        text = ""
    elif isinstance(content, str):
        text = content
    else:
        text = "".join(part.text for part in content)
        reasoning = reasoning or "".join(inner.text for part in content for inner in part.thinking)
    if message.refusal:
        state.refused = True
        text += message.refusal
    return text, Thinking(reasoning) if reasoning else None


def _tool_calls(calls: list[_ToolCall], state: _ChoiceState, choice: int, response_id: str | None) -> tuple[ToolCallDelta, ...]:
    known = state.calls
    if known is None:
        known = state.calls = _Calls()
    new_id = f"call_{response_id or ''}_{choice}"
    return tuple([known.add(call, new_id) for call in calls])


def _finish_reason(reason: str, state: _ChoiceState) -> FinishReason:
    """`reason` in our words. Some servers say stop, or nothing, where tools were called or the model refused."""
    meant = _FINISH.get(reason, _STOP)
    if meant is _STOP:
        if state.calls is not None:
            return FinishReason.TOOL_CALLS
        if state.refused:
            return FinishReason.REFUSAL
    return meant


def _usage(usage: _Usage | None) -> Usage | None:
    """The counts; None when none were given. `completion_tokens` includes reasoning at OpenAI, not at xAI: the total tells."""
    if usage is None or (usage.prompt_tokens is None and usage.completion_tokens is None):
        return None
    sent, answered = usage.prompt_tokens or 0, usage.completion_tokens or 0
    details, out = usage.prompt_tokens_details, usage.completion_tokens_details
    if details is None and out is None:
        return Usage(sent, answered, usage.prompt_cache_hit_tokens or 0)
    reasoning = (out.reasoning_tokens or 0) if out is not None else 0
    if reasoning and (usage.total_tokens == sent + answered + reasoning or reasoning > answered):
        answered += reasoning
    cached = (details.cached_tokens or 0) if details is not None else 0
    written = (details.cache_write_tokens or 0) if details is not None else 0
    return Usage(sent, answered, cached or usage.prompt_cache_hit_tokens or 0, written, reasoning)


def _cost_usd(usage: _Usage | None) -> float | None:
    ticks = usage.cost_in_usd_ticks if usage is not None else None
    return None if ticks is None or ticks < 0 else ticks * USD_PER_TICK


def _is_set(raw: msgspec.Raw) -> bool:
    return raw is not _NOTHING and bytes(raw) != b"null"


class ChatAnswer(msgspec.Struct, eq=False, gc=False):
    """Decodes an answer that is not streamed: nothing until `finish`, then a chunk for each choice."""

    _provider: str
    _fail: Fail
    _body: bytes = b""

    def feed(self, data: bytes) -> list[Chunk]:
        self._body += data
        return []

    def finish(self) -> list[Chunk]:
        """The chunks: the body's bytes (`raw`) on the first and none more on the others, usage and cost on the last. As long as
        each still has its `raw`, nobody has changed any of them.

        Raises:
            ProviderError: the body is an error object.
            ProviderBadResponse: the body is not a chat completion, or holds no choice.
        """
        body = self._body
        try:
            answer = _answer_decoder.decode(body)
        except _UNDECODABLE as error:
            raise _not_the_protocol(self._provider, error) from None
        if answer.error is not _NOTHING and _is_set(answer.error):
            raise self._fail(body)
        choices = answer.choices
        if not choices:
            raise ProviderBadResponse(f"{self._provider} answered without a choice", provider=self._provider)
        raw: bytes | None = body
        for choice in choices:
            if not choice.finish_reason:  # such a body must not reach the caller as it is: their tools would not run
                raw = None
        chunks: list[Chunk] = []
        for choice in choices:
            chunks.append(_answer_chunk(choice, answer, raw))
            if raw:
                raw = b""
        usage = answer.usage
        if usage is not None:
            chunks[-1].usage = _usage(usage)
            if usage.cost_in_usd_ticks is not None:
                chunks[-1].cost_usd = _cost_usd(usage)
        return chunks


def _answer_chunk(choice: _Choice, answer: _Answer, raw: bytes | None) -> Chunk:
    message, content, reason = choice.message, choice.message.content, choice.finish_reason or ""
    calls: tuple[ToolCallDelta, ...] = ()
    if type(content) is str and not (message.refusal or message.reasoning_content or message.reasoning or message.tool_calls):
        text, thinking, finish = content, None, _FINISH.get(reason, _STOP)
    else:
        state = _ChoiceState()
        text, thinking = _content(message, state)
        if message.tool_calls:
            calls = _tool_calls(message.tool_calls, state, choice.index, answer.id)
        finish = _finish_reason(reason, state)
    response_id, model, protocol = answer.id or "", answer.model or "", "" if raw is None else PROTOCOL
    return Chunk(
        text, thinking, calls, finish, choice.index, None, None, response_id, model, None, choice.logprobs, None, raw, protocol,
    )  # fmt: skip


class ChatStream:
    """Decodes a streamed answer: a chunk for each event and choice.

    `show_usage` says whether the caller asked for the event that holds usage alone: without it that chunk carries no `raw`.
    """

    __slots__ = ("_done", "_fail", "_id", "_model", "_parser", "_provider", "_show_usage", "_states")

    def __init__(self, provider: str, fail: Fail, *, show_usage: bool) -> None:
        self._provider = provider
        self._fail = fail
        self._show_usage = show_usage
        self._parser = SseParser()
        self._states: dict[int, _ChoiceState] = {}
        self._done = False
        self._id = ""
        self._model = ""

    def feed(self, data: bytes) -> list[Chunk]:
        return self._decode(self._parser.feed(data))

    def finish(self) -> list[Chunk]:
        """The body has ended. A last event whose empty line is missing still counts.

        Raises:
            ProviderBadResponse: `[DONE]` did not come, or nothing came before it.
        """
        events = self._parser.finish()
        if self._parser.pending:
            events += self._parser.feed(b"\n\n")
        chunks = self._decode(events)
        if not self._done:
            raise ProviderBadResponse(f"{self._provider} broke off its answer: the stream ended without [DONE]", provider=self._provider)
        if not self._states:
            raise ProviderBadResponse(f"{self._provider} answered without a choice", provider=self._provider)
        return chunks

    def _decode(self, events: list[SseEvent]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for sse in events:
            if self._done:
                break
            data = sse.data
            if data == b"[DONE]":
                self._done = True
                self._close(chunks)
                break
            try:
                event = _event_decoder.decode(data)
            except _UNDECODABLE as error:
                raise _not_the_protocol(self._provider, error) from None
            choices = event.choices
            if choices is not None and len(choices) == 1 and event.error is _NOTHING:
                chunks.append(self._chunk(choices[0], event, sse.raw))
            else:
                self._rarer(event, sse, chunks)
        return chunks

    def _chunk(self, choice: _StreamChoice, event: _Event, raw: bytes | None) -> Chunk:
        index, delta = choice.index, choice.delta
        state = self._states.get(index)
        if state is None:
            state = self._states[index] = _ChoiceState()
            self._id = self._id or event.id or ""
            self._model = self._model or event.model or ""
        chunk = Chunk(
            choice=index,
            response_id=event.id or "",
            response_model=event.model or "",
            raw=raw,
            raw_protocol="" if raw is None else PROTOCOL,
        )
        if delta is not None:
            if type(delta.content) is str and not (delta.refusal or delta.reasoning_content or delta.reasoning):
                chunk.text = delta.content
            else:
                chunk.text, chunk.thinking = _content(delta, state)
            if delta.tool_calls:
                chunk.tool_calls = _tool_calls(delta.tool_calls, state, index, event.id)
        if choice.finish_reason and not state.finished:
            state.finished = True
            chunk.finish_reason = _finish_reason(choice.finish_reason, state)
        if choice.logprobs is not None:
            chunk.logprobs = choice.logprobs
        if event.usage is not None:
            chunk.usage, chunk.cost_usd = _usage(event.usage), _cost_usd(event.usage)
        return chunk

    def _rarer(self, event: _Event, sse: SseEvent, chunks: list[Chunk]) -> None:
        """Errors, usage alone, and events with several choices, whose bytes no single chunk can stand for."""
        if _is_set(event.error) or sse.event == "error":
            raise self._fail(sse.data)
        if event.choices:
            several = len(event.choices) > 1
            chunks += [self._chunk(choice, event, None if several else sse.raw) for choice in event.choices]
            return
        if event.choices is None and event.usage is None:
            raise ProviderBadResponse(f"{self._provider} sent an event that is no part of a chat completion", provider=self._provider)
        shown = event.usage is None or self._show_usage
        chunks.append(
            Chunk(
                usage=_usage(event.usage),
                cost_usd=_cost_usd(event.usage),
                response_id=event.id or "",
                response_model=event.model or "",
                raw=sse.raw if shown else None,
                raw_protocol=PROTOCOL if shown else "",
            )
        )

    def _close(self, chunks: list[Chunk]) -> None:
        """Says why each choice ended where the server did not."""
        for index, state in self._states.items():
            if not state.finished:
                state.finished = True
                reason = _finish_reason("", state)
                chunks.append(Chunk(finish_reason=reason, choice=index, response_id=self._id, response_model=self._model))


def _not_the_protocol(provider: str, error: Exception) -> ProviderBadResponse:
    """`error` names the place that is wrong, never what stands there."""
    why = str(error) if isinstance(error, msgspec.DecodeError) else "not UTF-8, or nested too deeply"
    return ProviderBadResponse(f"{provider} answered with something that is not a chat completion: {why}", provider=provider)
