"""Ollama's own wire, both ways: `POST /api/chat` and `POST /api/generate` (one document, or NDJSON), and `POST /api/embed`.

Source: docs/api.md and api/types.go of github.com/ollama/ollama. The server's OpenAI-compatible routes are not used:
they know neither `num_ctx` nor `think`, so a long prompt is cut without a word.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from llm_gateway.core.errors import InvalidRequest, ProviderBadResponse, ProviderError
from llm_gateway.core.sse import LineParser
from llm_gateway.core.types import (
    ChatRequest,
    Chunk,
    EmbeddingRequest,
    FinishReason,
    Image,
    Json,
    Message,
    Native,
    Part,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)

PROTOCOL: Final = "ollama"
THINK_OF_EFFORT: Final[dict[str, bool | str]] = {
    "none": False, "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "max",
}  # fmt: skip
"""`think` takes a bool, or low, medium, high, max."""

Fields: TypeAlias = dict[str, object]
Failure: TypeAlias = Callable[[str], ProviderError]
"""Makes the error for an error document inside a successful answer, from its words."""

_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_string = msgspec.json.Decoder(str).decode


class Loading(msgspec.Struct, frozen=True):
    """How the operator wants models loaded: context length in tokens, and how long they stay (`5m`, seconds, -1 for ever).

    Sent with every call that does not choose for itself, native bodies included: a call without them would make the
    server load the model again with its own small context.
    """

    num_ctx: int | None = None
    keep_alive: str | None = None

    def add_to(self, body: Fields) -> None:
        """Put into `body` what it does not say itself."""
        if self.num_ctx is not None:
            options = body.get("options")
            if options is None:
                body["options"] = {"num_ctx": self.num_ctx}
            elif isinstance(options, dict) and "num_ctx" not in options:
                body["options"] = {**options, "num_ctx": self.num_ctx}
        if self.keep_alive is not None and body.get("keep_alive") is None:
            # A bare number is seconds, and the server refuses it as a string.
            digits = self.keep_alive.removeprefix("-")
            body["keep_alive"] = int(self.keep_alive) if digits.isdecimal() else self.keep_alive


# --- requests -----------------------------------------------------------------------------------------------------


def encode_chat(request: ChatRequest, model: str, loading: Loading) -> bytes:
    """The body of `POST /api/chat`.

    A native body passes with every field it has, except `model` and `stream`. Otherwise the canonical fields are
    translated; message names, `end_user`, a tool's `strict` and a result's `is_error`, which this wire lacks, are left
    out.

    Raises:
        InvalidRequest: the request asks for what this wire cannot say; `param` names the field.
    """
    native = _native(request.native, "messages")
    if native is not None:
        body: Fields = {**native.body, "model": model, "stream": request.stream}
        loading.add_to(body)
        return _encode(body)
    _refuse_unsayable(request)
    body = {"model": model, "stream": request.stream, "messages": _messages(request.messages)}
    options = _options(request)
    if options:
        body["options"] = options
    if request.tools and (request.tool_choice is None or request.tool_choice.mode != "none"):
        body["tools"] = [
            {"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters}}
            for tool in request.tools
        ]
    if request.response_format is not None and request.response_format.type != "text":
        body["format"] = _format(request.response_format)
    think = _think(request)
    if think is not None:
        body["think"] = think
    if request.logprobs:
        body["logprobs"] = True
        if request.top_logprobs is not None:
            body["top_logprobs"] = request.top_logprobs
    loading.add_to(body)
    return _encode(body)


def asks_completion(request: ChatRequest) -> bool:
    """Whether the caller's own body is one of `POST /api/generate`, which alone knows templates, raw prompts and suffixes."""
    return _native(request.native, "prompt") is not None and _native(request.native, "messages") is None


def encode_completion(request: ChatRequest, model: str, loading: Loading) -> bytes:
    """The body of `POST /api/generate`: a native one, with every field it has, except `model` and `stream`."""
    native = _native(request.native, "prompt")
    body: Fields = {**(native.body if native is not None else {}), "model": model, "stream": request.stream}
    loading.add_to(body)
    return _encode(body)


def encode_embedding(request: EmbeddingRequest, model: str, loading: Loading) -> bytes:
    """The body of `POST /api/embed`; a native body passes with every field it has, except `model`."""
    native = _native(request.native, "input")
    body: Fields = {**native.body, "model": model} if native is not None else {"model": model, "input": request.inputs}
    if native is None and request.dimensions is not None:
        body["dimensions"] = request.dimensions
    loading.add_to(body)
    return _encode(body)


def calls_before(request: ChatRequest) -> int:
    """How many tool calls the history holds: made-up ids go on from there, so that no id comes twice in a conversation."""
    return sum(
        isinstance(part, ToolCall) for message in request.messages if not isinstance(message.content, str) for part in message.content
    )


def _native(native: Native | None, field: str) -> Native | None:
    """The native body, if it is one of the operation that has `field`."""
    return native if native is not None and native.protocol == PROTOCOL and field in native.body else None


def _refuse_unsayable(request: ChatRequest) -> None:
    if request.n != 1:
        raise InvalidRequest(f"n: Ollama gives one answer only, not {request.n}", param="n")
    if not request.tools:
        return
    if request.tool_choice is not None and request.tool_choice.mode in {"required", "function"}:
        raise InvalidRequest("tool_choice: Ollama cannot be made to call a tool; auto or none is expected", param="tool_choice")
    if request.parallel_tool_calls is False:
        raise InvalidRequest("parallel_tool_calls: Ollama cannot be kept to one tool call", param="parallel_tool_calls")


def _options(request: ChatRequest) -> Fields:
    options: Fields = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "num_predict": request.max_tokens,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "stop": request.stop or None,
    }
    return {name: value for name, value in options.items() if value is not None}


def _format(wanted: ResponseFormat) -> Json:
    if wanted.type == "json_object":
        return "json"
    if wanted.json_schema is None:
        raise InvalidRequest("response_format.json_schema: a schema is needed", param="response_format")
    return wanted.json_schema


def _think(request: ChatRequest) -> bool | str | None:
    effort = request.reasoning_effort
    if effort is not None:
        if effort not in THINK_OF_EFFORT:
            raise InvalidRequest(f"reasoning_effort: one of {', '.join(THINK_OF_EFFORT)} is expected", param="reasoning_effort")
        return THINK_OF_EFFORT[effort]
    return None if request.thinking_budget_tokens is None else request.thinking_budget_tokens > 0


def _messages(messages: tuple[Message, ...]) -> list[Fields]:
    out: list[Fields] = []
    names: dict[str, str] = {}
    for index, message in enumerate(messages):
        if isinstance(message.content, str):
            out.append({"role": message.role, "content": message.content})
            continue
        rest: list[Part] = []
        for part in message.content:
            if isinstance(part, ToolResult):
                out.append(_tool_result(part, names, index))
            else:
                rest.append(part)
        if rest or not message.content:
            out.append(_turn(message.role, rest, names, index))
    return out


def _turn(role: str, parts: list[Part], names: dict[str, str], index: int) -> Fields:
    """One message of text, images, thinking and tool calls; notes the calls' names for their results."""
    fields = _content(role, parts, index)
    thinking = "".join(part.text for part in parts if isinstance(part, Thinking))
    if thinking:
        fields["thinking"] = thinking
    calls = [part for part in parts if isinstance(part, ToolCall)]
    if calls:
        names.update((call.id, call.name) for call in calls)
        fields["tool_calls"] = [{"id": call.id, "function": {"name": call.name, "arguments": _arguments(call, index)}} for call in calls]
    return fields


def _tool_result(result: ToolResult, names: dict[str, str], index: int) -> Fields:
    fields = _content("tool", result.content, index)
    name = result.name or names.get(result.tool_call_id, "")
    if name:
        fields["tool_name"] = name
    if result.tool_call_id:
        fields["tool_call_id"] = result.tool_call_id
    return fields


def _content(role: str, parts: tuple[Part, ...] | list[Part], index: int) -> Fields:
    text: list[str] = []
    images: list[str] = []
    for part in parts:
        if isinstance(part, Text):
            text.append(part.text)
        elif isinstance(part, Image):
            if part.url:
                raise InvalidRequest(f"messages[{index}]: Ollama takes images as data, not by URL", param="messages")
            images.append(part.data)
        elif not isinstance(part, Thinking | ToolCall):
            raise InvalidRequest(f"messages[{index}]: Ollama takes text and images, no {type(part).__name__.lower()}", param="messages")
    fields: Fields = {"role": role, "content": "".join(text)}
    if images:
        fields["images"] = images
    return fields


def _arguments(call: ToolCall, index: int) -> msgspec.Raw:
    """The arguments as they are, once it is sure that they are one JSON object, which this wire needs."""
    text = call.arguments.strip().encode() or b"{}"
    try:
        _decode_object(text)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest(f"messages[{index}].tool_calls: the arguments must be a JSON object for Ollama", param="messages") from None
    return msgspec.Raw(text)


# --- answers ------------------------------------------------------------------------------------------------------


class _Function(msgspec.Struct, gc=False):
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Call(msgspec.Struct, gc=False):
    function: _Function
    id: str = ""


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Alternative(msgspec.Struct, gc=False):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Logprob(msgspec.Struct, gc=False):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[_Alternative] = []


class _Line(msgspec.Struct, gc=False):
    model: str = ""
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    logprobs: list[_Logprob] | None = None
    error: msgspec.Raw = msgspec.Raw(b"")


class _Embedded(msgspec.Struct, gc=False):
    model: str = ""
    embeddings: list[list[float]] | None = None
    embedding: list[float] | None = None
    """The one vector of the older operation, in which some servers answer the newer one too."""
    prompt_eval_count: int | None = None
    error: msgspec.Raw = msgspec.Raw(b"")


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_embedded = msgspec.json.Decoder(_Embedded).decode
_NO_ERROR: Final = frozenset({b"", b"null", b'""'})


def _raise_error(raw: msgspec.Raw, failure: Failure) -> None:
    if (error := bytes(raw)) not in _NO_ERROR:
        raise failure(_decode_string(error) if error.startswith(b'"') else "")


def _arguments_text(raw: msgspec.Raw) -> str:
    """Arguments as JSON text: this wire has an object here, some servers a string that holds one."""
    data = bytes(raw)
    if data.startswith(b'"'):
        return _decode_string(data) or "{}"
    return "{}" if data == b"null" else data.decode()


def _logprobs(tokens: list[_Logprob]) -> Json:
    """In OpenAI's shape, which is the canonical one."""
    content: list[Json] = [
        {
            "token": token.token,
            "logprob": token.logprob,
            "bytes": list(token.bytes) if token.bytes is not None else None,
            "top_logprobs": [
                {"token": other.token, "logprob": other.logprob, "bytes": list(other.bytes) if other.bytes is not None else None}
                for other in token.top_logprobs
            ],
        }
        for token in tokens
    ]
    return {"content": content}


class _Lines:
    """What both chat decoders share: the meaning of one document, and the calls seen so far."""

    __slots__ = ("_calls", "_failure", "_first_call", "_provider", "done")

    def __init__(self, provider: str, failure: Failure, first_call: int) -> None:
        self._provider = provider
        self._failure = failure
        self._first_call = first_call
        self._calls = 0
        self.done = False

    def chunk(self, line: bytes, raw: bytes) -> Chunk:
        try:
            said = _decode_line(line)
            _raise_error(said.error, self._failure)
            return self._chunk(said, raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self.bad("sent a line that is not of the Ollama protocol") from None

    def _chunk(self, said: _Line, raw: bytes) -> Chunk:
        chunk = Chunk(response_model=said.model, raw=raw, raw_protocol=PROTOCOL)
        message = said.message
        if said.response is not None or said.thinking is not None:
            chunk.text = said.response or ""
            if said.thinking:
                chunk.thinking = Thinking(said.thinking)
        if message is not None:
            chunk.text = message.content or ""
            if message.thinking:
                chunk.thinking = Thinking(message.thinking)
            if message.tool_calls:
                chunk.tool_calls = tuple(self._call(call) for call in message.tool_calls)
        if said.logprobs:
            chunk.logprobs = _logprobs(said.logprobs)
        if said.done:
            self.done = True
            chunk.finish_reason = self._finish_reason(said.done_reason)
            # Both counts leave the wire when they are 0, and the prompt's when it was cached: half a count is none.
            if said.prompt_eval_count is not None and said.eval_count is not None:
                chunk.usage = Usage(said.prompt_eval_count, said.eval_count)
        return chunk

    def _call(self, call: _Call) -> ToolCallDelta:
        index = self._calls
        self._calls += 1
        return ToolCallDelta(
            index, call.id or f"call_{self._first_call + index}", call.function.name, _arguments_text(call.function.arguments)
        )

    def _finish_reason(self, reason: str | None) -> FinishReason:
        if reason == "length":
            return FinishReason.LENGTH
        return FinishReason.TOOL_CALLS if self._calls else FinishReason.STOP

    def bad(self, what: str) -> ProviderBadResponse:
        return ProviderBadResponse(f"{self._provider} {what}", provider=self._provider, upstream_status=200)


class ChatDecoder:
    """One JSON document (`stream: false`). Usage is None when the server left one of its two counts out.

    `first_call` is the number that made-up tool call ids begin with.
    """

    def __init__(self, provider: str, failure: Failure, first_call: int = 0) -> None:
        self._lines = _Lines(provider, failure, first_call)
        self._body: list[bytes] = []

    def feed(self, data: bytes) -> list[Chunk]:
        self._body.append(data)
        return []

    def finish(self) -> list[Chunk]:
        body = b"".join(self._body)
        chunk = self._lines.chunk(body, body)
        if not self._lines.done:
            raise self._lines.bad("sent an answer that is not done")
        return [chunk]


class ChatStreamDecoder:
    """Newline-delimited JSON (`stream: true`), a chunk a line. Usage is None when the last line lacks one of its two counts.

    An error line is raised at once when nothing came before it in the same read, and otherwise by the next call, so
    that what is delivered does not hang on how the bytes were cut.
    """

    def __init__(self, provider: str, failure: Failure, first_call: int = 0) -> None:
        self._lines = _Lines(provider, failure, first_call)
        self._parser = LineParser()
        self._held: ProviderError | None = None

    def feed(self, data: bytes) -> list[Chunk]:
        if self._held is not None:
            raise self._held
        return [] if self._lines.done else self._take(self._parser.feed(data))

    def finish(self) -> list[Chunk]:
        if self._held is not None:
            raise self._held
        chunks = [] if self._lines.done else self._take(self._parser.finish())
        if not self._lines.done:
            raise self._held or self._lines.bad("broke its stream off before it was done")
        return chunks

    def _take(self, lines: list[bytes]) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            for line in lines:
                chunks.append(self._lines.chunk(line, line + b"\n"))
                if self._lines.done:
                    break
        except ProviderError as failure:
            self._held = failure
            if not chunks:
                raise
        return chunks


class EmbeddingDecoder:
    """One document with a vector for each of `inputs` texts."""

    def __init__(self, provider: str, failure: Failure, inputs: int) -> None:
        self._provider = provider
        self._failure = failure
        self._inputs = inputs
        self._body: list[bytes] = []

    def feed(self, data: bytes) -> list[Chunk]:
        self._body.append(data)
        return []

    def finish(self) -> list[Chunk]:
        body = b"".join(self._body)
        try:
            said = _decode_embedded(body)
            _raise_error(said.error, self._failure)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._bad("sent a body that is no embedding answer") from None
        usage = None if said.prompt_eval_count is None else Usage(said.prompt_eval_count)
        vectors = said.embeddings or []
        if not vectors and said.embedding and self._inputs == 1:
            return [Chunk(usage=usage, response_model=said.model, embeddings=[said.embedding])]
        if len(vectors) != self._inputs:
            raise self._bad(f"sent {len(vectors)} vectors for {self._inputs} texts")
        return [Chunk(usage=usage, response_model=said.model, embeddings=vectors, raw=body, raw_protocol=PROTOCOL)]

    def _bad(self, what: str) -> ProviderBadResponse:
        return ProviderBadResponse(f"{self._provider} {what}", provider=self._provider, upstream_status=200)
