"""Ollama's API as a caller sends it: the bodies of `/api/chat`, `/api/generate`, `/api/embed` and `/api/embeddings` to canonical values.

Source: docs/api.md and api/types.go of github.com/ollama/ollama. The caller's own body travels along (`Native`), so an Ollama server
gets every field and option; `Native.only` names what nobody else can be told. What comes back is `ollama_egress`'s matter.
"""

from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import (
    ChatRequest,
    EmbeddingRequest,
    Image,
    Json,
    JsonObject,
    Message,
    Native,
    Part,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)

PROTOCOL: Final = "ollama"
AUTO: Final = "auto"
LATEST: Final = ":latest"
"""The tag that Ollama's clients add to a name without one."""
MAX_INPUTS: Final = 2048
THINKING_EFFORT: Final = "medium"
"""How hard a model thinks that is told to (`think: true`), where its wire asks for a degree."""

Model = Annotated[str, Meta(min_length=1)]
_encode = msgspec.json.Encoder().encode

_MEDIA_TYPES: Final = (("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"))
"""How images begin in base64; this wire sends them without their type."""
_OTHER_MEDIA_TYPE: Final = "image/jpeg"


class _Function(msgspec.Struct, frozen=True):
    name: Annotated[str, Meta(min_length=1)]
    arguments: JsonObject | str | None = None


class _Call(msgspec.Struct, frozen=True):
    function: _Function
    id: str = ""


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[_Call] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class _ToolFunction(msgspec.Struct, frozen=True):
    name: Annotated[str, Meta(min_length=1)]
    description: str | None = None
    parameters: JsonObject | None = None


class _Tool(msgspec.Struct, frozen=True):
    function: _ToolFunction
    type: str | None = None


class _Options(msgspec.Struct, frozen=True):
    temperature: Annotated[float, Meta(ge=0)] | None = None
    top_p: float | None = None
    seed: int | None = None
    num_predict: int | None = None
    stop: str | list[str] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    model: Model
    stream: bool | None = None
    format: str | JsonObject | None = None
    options: _Options | None = None
    think: bool | str | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None


class ChatBody(_Asked, frozen=True, kw_only=True):
    """`POST /api/chat`, the fields that every provider may need to be told. Unknown ones are let be."""

    messages: list[_Message] | None = None
    tools: list[_Tool] | None = None


class GenerateBody(_Asked, frozen=True, kw_only=True):
    """`POST /api/generate`, likewise."""

    prompt: str | None = None
    system: str | None = None
    suffix: str | None = None
    template: str | None = None
    context: list[int] | None = None
    raw: bool | None = None
    images: list[str] | None = None


class EmbedBody(msgspec.Struct, frozen=True):
    """`POST /api/embed`."""

    model: Model
    input: str | Annotated[list[str], Meta(max_length=MAX_INPUTS)]
    dimensions: Annotated[int, Meta(ge=1)] | None = None


class EmbeddingsBody(msgspec.Struct, frozen=True):
    """`POST /api/embeddings`, which `/api/embed` replaced."""

    model: Model
    prompt: str = ""


def asked(model: str) -> str | None:
    """The `model` of a body; None where the choice is the gateway's."""
    return None if model.removesuffix(LATEST) == AUTO else model


def chat_request(body: JsonObject) -> ChatRequest:
    """The canonical request of a chat. Without messages it only loads the model, or, with `keep_alive: 0`, frees it.

    Raises:
        msgspec.ValidationError: a field has the wrong type.
        InvalidRequest: a field is inconsistent in itself; `param` names it.
    """
    said = msgspec.convert(body, ChatBody)
    only: dict[str, None] = {}
    tools = tuple(Tool(tool.function.name, tool.function.description or "", tool.function.parameters or {}) for tool in said.tools or ())
    return _request(said, body, _messages(said.messages or (), only), tools, only)


def generate_request(body: JsonObject) -> ChatRequest:
    """The canonical request of a completion: a chat of one turn. Without a prompt it only loads or frees the model.

    Errors as in `chat_request`.
    """
    said = msgspec.convert(body, GenerateBody)
    only: dict[str, None] = {name: None for name in ("suffix", "template", "context", "raw", "width", "height", "steps") if body.get(name)}
    messages = [Message("system", said.system)] if said.system else []
    if said.prompt or said.images:
        messages.append(_user(said.prompt or "", said.images))
    # The prompt is what tells a completion's body from a chat's.
    native = {"prompt": "", **body}
    native.pop("messages", None)
    return _request(said, native, messages, (), only)


def _request(said: _Asked, body: JsonObject, messages: list[Message], tools: tuple[Tool, ...], only: dict[str, None]) -> ChatRequest:
    options = said.options or _Options()
    stop = options.stop
    return ChatRequest(
        messages=tuple(messages),
        model=asked(said.model),
        stream=said.stream is not False,
        temperature=options.temperature,
        top_p=options.top_p,
        # -1 and -2 stand for no limit.
        max_tokens=options.num_predict if options.num_predict is not None and options.num_predict >= 0 else None,
        stop=() if stop is None else (stop,) if isinstance(stop, str) else tuple(stop),
        seed=options.seed,
        frequency_penalty=options.frequency_penalty or None,
        presence_penalty=options.presence_penalty or None,
        logprobs=bool(said.logprobs),
        top_logprobs=said.top_logprobs,
        response_format=_format(said.format) if said.format else None,
        tools=tools,
        reasoning_effort=_effort(said.think),
        thinking_budget_tokens=0 if said.think is False else None,
        native=Native(PROTOCOL, body, ", ".join(only)),
    )


def _format(said: str | JsonObject) -> ResponseFormat:
    if isinstance(said, dict):
        return ResponseFormat("json_schema", json_schema=said)
    if said == "json":
        return ResponseFormat("json_object")
    raise InvalidRequest("format: expected json, or a JSON schema", param="format")


def _effort(think: bool | str | None) -> str | None:
    return (THINKING_EFFORT if think else None) if isinstance(think, bool) else think or None


# --- turns ----------------------------------------------------------------------------------------------------------


def _messages(said: Iterable[_Message], only: dict[str, None]) -> list[Message]:
    messages: list[Message] = []
    ids = _CallIds()
    for index, message in enumerate(said):
        match message.role:
            case "user":
                messages.append(_user(message.content or "", message.images))
            case "system" | "developer":
                messages.append(Message("system", message.content or ""))
            case "assistant":
                messages.append(_assistant(message, ids))
            case "tool":
                parts: list[Text | Image] = [Text(message.content)] if message.content else []
                parts += [_image(data) for data in message.images or ()]
                call_id = ids.answered(message.tool_call_id or "", message.tool_name or "")
                messages.append(Message("tool", (ToolResult(call_id, tuple(parts), name=message.tool_name or ids.name_of(call_id)),)))
            case "":
                raise InvalidRequest(f"messages[{index}].role: expected user, assistant, system or tool", param=f"messages[{index}].role")
            case _:
                only[f"messages of role {message.role[:64]}"] = None
                messages.append(_user(message.content or "", message.images))
    return messages


class _CallIds:
    """Ids for tool calls, which this wire may leave out, and which of the calls a result answers.

    Made-up ids count all calls of the conversation, as those of an Ollama provider's answers do.
    """

    __slots__ = ("_count", "_names", "_waiting")

    def __init__(self) -> None:
        self._count = 0
        self._waiting: list[str] = []
        self._names: dict[str, str] = {}

    def made(self, call: _Call) -> str:
        """The id of a call."""
        name = call.id or f"call_{self._count}"
        self._count += 1
        self._waiting.append(name)
        self._names[name] = call.function.name
        return name

    def answered(self, call_id: str, tool: str) -> str:
        """The id of the call that a result answers: the named one, else the first open call of the tool, else of any."""
        if not call_id:
            open_calls = [name for name in self._waiting if not tool or self._names[name] == tool] or self._waiting
            call_id = open_calls[0] if open_calls else f"call_{tool or self._count}"
        if call_id in self._waiting:
            self._waiting.remove(call_id)
        return call_id

    def name_of(self, call_id: str) -> str:
        """The tool that was called; "" when no such call is in the conversation."""
        return self._names.get(call_id, "")


def _user(text: str, images: list[str] | None) -> Message:
    if not images:
        return Message("user", text)
    return Message("user", (*((Text(text),) if text else ()), *map(_image, images)))


def _assistant(message: _Message, ids: _CallIds) -> Message:
    if not message.thinking and not message.tool_calls:
        return Message("assistant", message.content or "")
    parts: list[Part] = [Thinking(message.thinking)] if message.thinking else []
    if message.content:
        parts.append(Text(message.content))
    parts += [ToolCall(ids.made(call), call.function.name, _arguments(call.function.arguments)) for call in message.tool_calls or ()]
    return Message("assistant", tuple(parts))


def _arguments(said: JsonObject | str | None) -> str:
    return said or "{}" if isinstance(said, str) else _encode(said or {}).decode()


def _image(data: str) -> Image:
    return Image(next((kind for start, kind in _MEDIA_TYPES if data.startswith(start)), _OTHER_MEDIA_TYPE), data)


# --- embeddings -----------------------------------------------------------------------------------------------------


def embed_request(body: JsonObject) -> EmbeddingRequest:
    """The canonical request of `/api/embed`.

    Raises:
        msgspec.ValidationError: a field has the wrong type.
    """
    said = msgspec.convert(body, EmbedBody)
    inputs = ((said.input,) if said.input else ()) if isinstance(said.input, str) else tuple(said.input)
    return EmbeddingRequest(inputs, asked(said.model), dimensions=said.dimensions, native=Native(PROTOCOL, body))


def embeddings_request(body: JsonObject) -> EmbeddingRequest:
    """The canonical request of `/api/embeddings`; its native body is the one that `/api/embed` takes. Errors as in `embed_request`."""
    said = msgspec.convert(body, EmbeddingsBody)
    native = {name: value for name, value in body.items() if name != "prompt"} | {"input": said.prompt}
    return EmbeddingRequest((said.prompt,) if said.prompt else (), asked(said.model), native=Native(PROTOCOL, native))


# --- what is left behind --------------------------------------------------------------------------------------------

_EVERYWHERE: Final = frozenset(
    {
        "model", "messages", "prompt", "system", "images", "input", "tools", "format", "options", "stream", "think", "logprobs",
        "top_logprobs", "dimensions",
    }
)  # fmt: skip
_OPTIONS: Final = frozenset({"temperature", "top_p", "num_predict", "stop", "seed", "frequency_penalty", "presence_penalty"})
_NOT_CARRIED: Final[dict[str, frozenset[str]]] = {
    "anthropic": frozenset({"options.seed"}),
    "bedrock": frozenset({"options.seed", "options.frequency_penalty", "options.presence_penalty"}),
    "bedrock_proxy": frozenset({"options.seed", "options.frequency_penalty", "options.presence_penalty", "think"}),
}


def dropped(body: JsonObject, protocol: str) -> tuple[str, ...]:
    """The fields and options of a native body that a provider of another wire is not told, sorted. Nulls and empty values are absent."""
    if protocol == PROTOCOL:
        return ()
    options = body.get("options")
    named: dict[str, Json] = {name: value for name, value in body.items() if name not in _EVERYWHERE}
    if isinstance(options, dict):
        named |= {f"options.{name}": value for name, value in options.items() if name not in _OPTIONS}
        named |= {name: options.get(name[8:]) for name in _NOT_CARRIED.get(protocol, ()) if name.startswith("options.")}
    if body.get("think") is not None and ("think" in _NOT_CARRIED.get(protocol, ()) or (protocol == "openai" and body["think"] is False)):
        named["think"] = True
    return tuple(sorted(name[:64] for name, value in named.items() if value not in (None, [], {}, "")))
