"""OpenAI's Chat Completions as a caller sends them: the body of a request to canonical values.

Source: OpenAI's API reference, "Create chat completion". Fields that imitators added and that clients send
back (`reasoning_content` of DeepSeek and vLLM, `reasoning_details` of OpenRouter) are read too. The caller's own body travels along
(`Native`), so a provider that speaks this wire gets every field; `Native.only` names what nobody else can be told.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import (
    ChatRequest,
    Document,
    Image,
    Json,
    JsonObject,
    Message,
    Native,
    Part,
    ResponseFormat,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

PROTOCOL: Final = "openai"
AUTO: Final = "auto"
MAX_STOP: Final = 16
MAX_CHOICES: Final = 128


class _ImageUrl(msgspec.Struct, frozen=True):
    url: str
    detail: str | None = None


class _File(msgspec.Struct, frozen=True):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _Part(msgspec.Struct, frozen=True):
    type: str
    text: str = ""
    refusal: str = ""
    image_url: _ImageUrl | str | None = None
    file: _File | None = None


class _Function(msgspec.Struct, frozen=True):
    name: str
    arguments: str = ""


class _ToolCall(msgspec.Struct, frozen=True):
    id: str
    type: str = "function"
    function: _Function | None = None


class _ReasoningDetail(msgspec.Struct, frozen=True):
    type: str
    text: str | None = None
    summary: str | None = None
    signature: str | None = None
    data: str | None = None


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[_Part] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[_ReasoningDetail] | None = None
    function_call: JsonObject | None = None
    audio: JsonObject | None = None


class _FunctionTool(msgspec.Struct, frozen=True):
    name: Annotated[str, Meta(min_length=1)]
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class _Tool(msgspec.Struct, frozen=True):
    type: str
    function: _FunctionTool | None = None


class _Named(msgspec.Struct, frozen=True):
    name: str


class _ToolChoice(msgspec.Struct, frozen=True):
    type: str
    function: _Named | None = None


class _Schema(msgspec.Struct, frozen=True):
    name: str = ""
    schema: JsonObject | None = None
    strict: bool | None = None


class _Format(msgspec.Struct, frozen=True):
    type: str
    json_schema: _Schema | None = None


class ChatBody(msgspec.Struct, frozen=True):
    """`POST /v1/chat/completions`, the fields that every provider may need to be told. Unknown ones are let be."""

    messages: Annotated[list[_Message], Meta(min_length=1)]
    model: str | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=MAX_STOP)] | None = None
    seed: int | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: _Format | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    logit_bias: dict[str, float] | None = None
    modalities: list[str] | None = None
    audio: JsonObject | None = None
    web_search_options: JsonObject | None = None
    functions: list[JsonObject] | None = None


def asked(model: str | None) -> str | None:
    """The `model` of a body; None where the choice is the gateway's."""
    return None if model in {None, "", AUTO} else model


def chat_request(body: JsonObject) -> ChatRequest:
    """The canonical request of a chat completion's body.

    Raises:
        msgspec.ValidationError: a field has the wrong type, or is out of range.
        InvalidRequest: a field is inconsistent in itself; `param` names it.
    """
    said = msgspec.convert(body, ChatBody)
    only = _Only()
    tools = _tools(said.tools, only) if said.tools else ()
    messages = _messages(said.messages, only)
    if said.logit_bias or said.audio or said.web_search_options or said.functions:
        for name in ("logit_bias", "audio", "web_search_options", "functions"):
            if getattr(said, name):
                only.add(name)
    if said.modalities is not None and said.modalities != ["text"]:
        only.add("modalities")
    stop = said.stop
    return ChatRequest(
        messages=messages,
        model=asked(said.model),
        stream=bool(said.stream),
        temperature=said.temperature,
        top_p=said.top_p,
        max_tokens=said.max_completion_tokens if said.max_completion_tokens is not None else said.max_tokens,
        stop=() if stop is None else (stop,) if isinstance(stop, str) else tuple(stop),
        seed=said.seed,
        n=said.n or 1,
        frequency_penalty=said.frequency_penalty or None,
        presence_penalty=said.presence_penalty or None,
        logprobs=bool(said.logprobs),
        top_logprobs=said.top_logprobs,
        response_format=_format(said.response_format, only) if said.response_format is not None else None,
        tools=tools,
        tool_choice=_choice(said.tool_choice, only) if tools and said.tool_choice is not None else None,
        parallel_tool_calls=said.parallel_tool_calls if tools else None,
        reasoning_effort=said.reasoning_effort,
        end_user=said.user or said.safety_identifier,
        native=Native(PROTOCOL, body, ", ".join(only) if only else ""),
    )


class _Only(dict[str, None]):
    """Collects what no other wire than this one can say."""

    __slots__ = ()

    def add(self, name: str) -> None:
        self[name[:64]] = None


def _messages(said: list[_Message], only: _Only) -> tuple[Message, ...]:
    names: dict[str, str] = {}
    messages: list[Message] = []
    for index, message in enumerate(said):
        match message.role:
            case "user":
                messages.append(_plain("user", message, index, only))
            case "system" | "developer":
                messages.append(_plain("system", message, index, only))
            case "assistant":
                for call in message.tool_calls or ():
                    if call.function is not None:
                        names[call.id] = call.function.name
                messages.append(_assistant(message, index, only))
            case "tool":
                messages.append(_tool_result(message, index, names, only))
            case "function":
                only.add("messages of role function")
                messages.append(_plain("user", message, index, only))
            case _:
                raise InvalidRequest(
                    f"messages[{index}].role: expected one of developer, system, user, assistant, tool", param=f"messages[{index}].role"
                )
    return tuple(messages)


def _plain(role: Role, message: _Message, index: int, only: _Only) -> Message:
    content = message.content
    if isinstance(content, str):
        return Message(role, content, message.name or "")
    if content is None:
        raise InvalidRequest(f"messages[{index}].content: expected text or parts", param=f"messages[{index}].content")
    return Message(role, _parts(content, index, only), message.name or "")


def _parts(said: list[_Part], index: int, only: _Only) -> tuple[Part, ...]:
    parts: list[Part] = []
    for place, part in enumerate(said):
        match part.type:
            case "text":
                parts.append(Text(part.text))
            case "refusal":
                parts.append(Text(part.refusal))
            case "image_url" if part.image_url is not None:
                parts.append(_image(part.image_url, f"messages[{index}].content[{place}].image_url"))
            case "file" if part.file is not None and part.file.file_data:
                parts.append(_document(part.file))
            case "image_url" | "file" if part.file is None:
                field = f"messages[{index}].content[{place}].{part.type}"
                raise InvalidRequest(f"{field}: expected an object", param=field)
            case _:
                only.add(f"content of type {part.type}")
    return tuple(parts)


def _image(image: _ImageUrl | str, field: str) -> Image:
    url, detail = (image, None) if isinstance(image, str) else (image.url, image.detail)
    if url.startswith(("https://", "http://")):
        return Image(url=url, detail=detail or "")
    head, comma, data = url.partition(",")
    if head.startswith("data:") and head.endswith(";base64") and comma:
        return Image(media_type=head[5:-7], data=data, detail=detail or "")
    raise InvalidRequest(f"{field}.url: expected a data:image/...;base64 URI or an http(s) URL", param=f"{field}.url")


def _document(file: _File) -> Document:
    data = file.file_data or ""
    head, comma, payload = data.partition(",")
    if head.startswith("data:") and head.endswith(";base64") and comma:
        return Document(media_type=head[5:-7], data=payload, name=file.filename or "")
    return Document(data=data, name=file.filename or "")


def _assistant(message: _Message, index: int, only: _Only) -> Message:
    if message.function_call is not None:
        only.add("function_call")
    if message.audio is not None:
        only.add("audio")
    content = message.content
    thinking = _thinking(message)
    if isinstance(content, str) and not thinking and not message.tool_calls:
        return Message("assistant", content, message.name or "")
    parts: list[Part] = [*thinking]
    if isinstance(content, str):
        parts += [Text(content)] if content else []
    elif content is not None:
        parts += _parts(content, index, only)
    if message.refusal:
        parts.append(Text(message.refusal))
    for place, call in enumerate(message.tool_calls or ()):
        if call.function is None:
            only.add(f"tool calls of type {call.type}")
            if call.type == "function":
                field = f"messages[{index}].tool_calls[{place}].function"
                raise InvalidRequest(f"{field}: expected the function that was called", param=field)
        else:
            parts.append(ToolCall(call.id, call.function.name, call.function.arguments))
    return Message("assistant", tuple(parts), message.name or "")


def _thinking(message: _Message) -> list[Thinking]:
    details = message.reasoning_details
    if not details:
        return [Thinking(message.reasoning_content)] if message.reasoning_content else []
    blocks = [Thinking(detail.text or detail.summary or "", detail.signature or "", detail.data or "") for detail in details]
    if message.reasoning_content and not any(block.text for block in blocks):
        # Put together from a stream: the text came on its own, the signature after it.
        for index, block in enumerate(blocks):
            if not block.redacted:
                blocks[index] = msgspec.structs.replace(block, text=message.reasoning_content)
                break
    return blocks


def _tool_result(message: _Message, index: int, names: dict[str, str], only: _Only) -> Message:
    call = message.tool_call_id
    if not call:
        field = f"messages[{index}].tool_call_id"
        raise InvalidRequest(f"{field}: expected the id of the call that this answers", param=field)
    content = message.content
    parts: tuple[Part, ...] = () if content is None else (Text(content),) if isinstance(content, str) else _parts(content, index, only)
    held = tuple(part for part in parts if isinstance(part, Text | Image | Document))
    return Message("tool", (ToolResult(call, held, name=names.get(call, "")),))


def _tools(said: list[_Tool], only: _Only) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for index, tool in enumerate(said):
        function = tool.function
        if tool.type != "function":
            only.add(f"tools of type {tool.type}")
        elif function is None:
            raise InvalidRequest(f"tools[{index}].function: expected the function's name and schema", param=f"tools[{index}].function")
        else:
            tools.append(Tool(function.name, function.description or "", function.parameters or {}, function.strict))
    return tuple(tools)


def _choice(said: str | _ToolChoice, only: _Only) -> ToolChoice | None:
    if isinstance(said, str):
        match said:
            case "auto" | "none" | "required":
                return ToolChoice(said)
            case _:
                raise InvalidRequest("tool_choice: expected auto, none, required, or a function", param="tool_choice")
    if said.type == "function" and said.function is not None:
        return ToolChoice("function", said.function.name)
    only.add(f"tool_choice of type {said.type}")
    return None


def _format(said: _Format, only: _Only) -> ResponseFormat | None:
    match said.type:
        case "text" | "json_object":
            return ResponseFormat(said.type)
        case "json_schema":
            schema = said.json_schema
            if schema is None or schema.schema is None:
                field = "response_format.json_schema.schema"
                raise InvalidRequest(f"{field}: expected a JSON schema, as type is json_schema", param=field)
            return ResponseFormat("json_schema", schema.name, schema.schema, schema.strict)
    only.add(f"response_format of type {said.type}")
    return None


_EVERYWHERE: Final = frozenset(
    {
        "messages", "model", "stream", "stream_options", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "n",
        "logprobs", "top_logprobs", "response_format", "tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "user",
        "input", "encoding_format", "dimensions", "function_call",
    }
)  # fmt: skip
"""Fields that every wire can be told, or that make a provider refuse (which the caller sees)."""
_NOT_CARRIED: Final[dict[str, frozenset[str]]] = {
    "anthropic": frozenset({"seed"}),
    "bedrock": frozenset({"seed", "frequency_penalty", "presence_penalty", "user", "parallel_tool_calls"}),
    "bedrock_proxy": frozenset({"seed", "frequency_penalty", "presence_penalty", "user", "parallel_tool_calls", "reasoning_effort"}),
    "ollama": frozenset({"user"}),
}
_CARRIED: Final[dict[str, frozenset[str]]] = {
    "anthropic": frozenset({"frequency_penalty", "presence_penalty", "safety_identifier"}),
    "bedrock": frozenset(),
    "bedrock_proxy": frozenset(),
    "ollama": frozenset({"seed", "frequency_penalty", "presence_penalty"}),
}


def dropped(body: JsonObject, protocol: str) -> tuple[str, ...]:
    """The fields of a body that a provider of another wire is not told, sorted; nulls and empty values count as absent."""
    missing = _NOT_CARRIED.get(protocol, frozenset())
    known = (_EVERYWHERE | _CARRIED.get(protocol, frozenset())) - missing
    return tuple(sorted(name[:64] for name, value in body.items() if name not in known and not _empty(value)))


def _empty(value: Json) -> bool:
    return value is None or value in ([], {}, "")
