"""One request and one answer, in words that belong to no vendor.

An ingress (native, OpenAI, Anthropic, Ollama) decodes into these, a provider encodes from them. The words
are OpenTelemetry's GenAI conventions where they have one. Everything that goes *to* a provider is frozen: what
the security filter judged cannot change under it.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
else:
    Json = Any  # msgspec cannot decode a recursive alias; it decodes any JSON value as what it is
JsonObject: TypeAlias = dict[str, Json]
Role = Literal["system", "user", "assistant", "tool"]
PASSTHROUGH: Final = "passthrough"
"""Stands for the model of what is passed through, and marks the bytes that come back."""


class SecurityLevel(StrEnum):
    """How far an origin is trusted. Ordered by `rank`; belongs to a configured endpoint, never to a name."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        return _RANK[self]


_RANK = {SecurityLevel.LOW: 0, SecurityLevel.MEDIUM: 1, SecurityLevel.HIGH: 2}


class FinishReason(StrEnum):
    """Why a model stopped, in one vocabulary (OpenAI's, widened by what others distinguish)."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PAUSE = "pause"


class _Value(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A frozen value that encodes to its shortest form."""


class _Part(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type"):
    """A piece of a message; `type` names which."""


class Text(_Part, frozen=True, tag="text"):
    text: str
    cache_control: JsonObject | None = None


class Image(_Part, frozen=True, tag="image"):
    """An image: base64 `data` with its `media_type`, or a `url` the provider fetches (the gateway never does)."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    detail: str = ""
    cache_control: JsonObject | None = None


class Document(_Part, frozen=True, tag="document"):
    """A file: base64 `data` with its `media_type`, or plain `text`, or a `url`."""

    media_type: str = ""
    data: str = ""
    text: str = ""
    url: str = ""
    name: str = ""
    cache_control: JsonObject | None = None


class ToolCall(_Part, frozen=True, tag="tool_call"):
    """The model asks for a function. `arguments` is JSON text, passed on as it came even when malformed."""

    id: str
    name: str
    arguments: str = "{}"


class ToolResult(_Part, frozen=True, tag="tool_result"):
    """What a function answered. `name` is the function's, where a wire needs it (Ollama)."""

    tool_call_id: str
    content: tuple["Text | Image | Document", ...] = ()
    is_error: bool = False
    name: str = ""


class Thinking(_Part, frozen=True, tag="thinking"):
    """A reasoning block. `redacted` holds opaque bytes in place of `text`; `signature` must return unchanged."""

    text: str = ""
    signature: str = ""
    redacted: str = ""


Part: TypeAlias = Text | Image | Document | ToolCall | ToolResult | Thinking


class Message(_Value, frozen=True):
    """One turn. `content` is plain text or parts; `tool` turns hold `ToolResult`s."""

    role: Role
    content: str | tuple[Part, ...]
    name: str = ""

    def parts(self) -> tuple[Part, ...]:
        """The content as parts, whatever form it came in."""
        return (Text(self.content),) if isinstance(self.content, str) else self.content

    def text(self) -> str:
        """All plain text of the turn, joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, Text))


class Tool(_Value, frozen=True):
    """A function the model may call; `parameters` is a JSON schema."""

    name: str
    description: str = ""
    parameters: JsonObject = {}
    strict: bool | None = None


class ToolChoice(_Value, frozen=True):
    """`auto`, `none`, `required`, or `function` with its name."""

    mode: Literal["auto", "none", "required", "function"]
    name: str = ""


class ResponseFormat(_Value, frozen=True):
    """What shape the answer must have: free text, any JSON, or JSON that obeys `json_schema`."""

    type: Literal["text", "json_object", "json_schema"]
    name: str = ""
    json_schema: JsonObject | None = None
    strict: bool | None = None


class Native(_Value, frozen=True):
    """The caller's own body, when it came in a vendor's protocol.

    A provider that speaks the same `protocol` starts from `body`, so that fields nobody here knows survive. The
    body is judged with everything else: it is part of the request. `only` names, in words, what stands in it that no
    other wire can say: with any, only providers of this protocol can answer.
    """

    protocol: str
    body: JsonObject
    only: str = ""


class ChatRequest(_Value, frozen=True):
    """A generation. `model` and `provider` are what the caller asked for; None or "auto" leaves it to the router.

    Units: temperature 0-2, `max_tokens` output tokens, penalties -2..2.
    """

    messages: tuple[Message, ...]
    model: str | None = None
    provider: str | None = None
    stream: bool = False
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    n: int = 1
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    response_format: ResponseFormat | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    thinking_budget_tokens: int | None = None
    end_user: str | None = None
    native: Native | None = None


class EmbeddingRequest(_Value, frozen=True):
    """Texts to embed, answered by one chunk with a vector for each, in order."""

    inputs: tuple[str, ...]
    model: str | None = None
    provider: str | None = None
    dimensions: int | None = None
    end_user: str | None = None
    native: Native | None = None


class Passthrough(_Value, frozen=True):
    """An operation that the gateway has no words for (files, batches, pictures), for one `provider` and nobody else.

    `path` is below the provider's base URL, normalised, without a leading slash; `query` its parameters in order. `headers` are the few of
    the caller's that go along, names in lower case. A JSON body is in `body`, parsed; any other is in `data`, which nobody here can read.
    """

    provider: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: Json = None
    data: bytes = b""
    model: str = PASSTHROUGH
    """What its calls are listed under: which model does the work, if any, is the provider's matter."""
    end_user: None = None
    native: None = None
    stream: bool = True


ModelRequest: TypeAlias = ChatRequest | EmbeddingRequest
"""What a model is asked: a provider's translation has words for it."""
Request: TypeAlias = ModelRequest | Passthrough


def operation_name(request: Request) -> Literal["chat", "embeddings", "passthrough"]:
    """`gen_ai.operation.name` of a request."""
    if isinstance(request, ChatRequest):
        return "chat"
    return "embeddings" if isinstance(request, EmbeddingRequest) else PASSTHROUGH


class Usage(_Value, frozen=True):
    """Tokens of one answer.

    `input_tokens` includes the cached ones (`cache_read_tokens`, `cache_write_tokens`), `output_tokens` includes
    `reasoning_tokens`. `estimated` marks figures we counted because the provider gave none. None in a
    `Usage | None` field means *not reported*; a reported 0 stays 0.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class ToolCallDelta(_Value, frozen=True):
    """A piece of a tool call. `index` is dense from 0; `id` and `name` come with the first piece of an index."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Chunk(msgspec.Struct, omit_defaults=True, gc=False):
    """A piece of a reply. A reply that was not streamed is one chunk.

    `choice` is the answer's index when several were asked for. `usage` is cumulative: the last one seen counts.
    `raw` holds the upstream's own bytes of exactly this piece, in `raw_protocol`, while no stage has changed it: an
    ingress of that protocol sends them on as they are. A stage that changes any other field sets `raw` to None.
    """

    text: str = ""
    thinking: Thinking | None = None
    tool_calls: tuple[ToolCallDelta, ...] = ()
    finish_reason: FinishReason | None = None
    choice: int = 0
    usage: Usage | None = None
    cost_usd: float | None = None
    response_id: str = ""
    response_model: str = ""
    embeddings: list[list[float]] | None = None
    logprobs: Json = None
    stop_sequence: str | None = None
    raw: bytes | None = None
    raw_protocol: str = ""

    @property
    def has_content(self) -> bool:
        """Whether a reader would see something: from here on no other provider may answer."""
        return bool(
            self.text
            or self.thinking
            or self.tool_calls
            or self.finish_reason
            or self.embeddings is not None
            or self.raw_protocol == PASSTHROUGH
        )
