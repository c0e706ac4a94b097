"""Anthropic's Messages API as a caller sends it: the body of `POST /v1/messages` to canonical values.

Sources: the API reference at platform.claude.com/docs/en/api/messages, and `MessageCreateParams` and `MessageCountTokensParams` of
Anthropic's own Python SDK, API version 2023-06-01. The caller's own body travels along (`Native`), so a provider that speaks this wire
gets every field; `Native.only` names what nobody else can be told. What comes back is `anthropic_egress`'s matter.
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

PROTOCOL: Final = "anthropic"
AUTO: Final = "auto"
MAX_USER_CHARACTERS: Final = 64
"""The longest name of a user that OpenAI takes; Claude Code's are longer, and stay with Anthropic."""
BILLING_MARK: Final = "x-anthropic-billing-header:"
"""How a system block of Claude Code begins that is meant for Anthropic's accounts: to another model it is noise, new in every call."""
BETA_FIELD: Final = "anthropic_beta"
"""Where the values of an `anthropic-beta` header stand in a native body, as on Bedrock and Vertex: so they are judged with the rest."""

_encode = msgspec.json.Encoder().encode


class _Source(msgspec.Struct, frozen=True):
    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: Json = None


class _Block(msgspec.Struct, frozen=True):
    type: str
    text: str = ""
    source: _Source | str | None = None
    thinking: str = ""
    signature: str | None = None
    data: str = ""
    id: str = ""
    name: str = ""
    input: JsonObject | None = None
    tool_use_id: str = ""
    content: Json = None
    is_error: bool | None = None
    title: str | None = None
    cache_control: JsonObject | None = None


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[_Block]


class _Tool(msgspec.Struct, frozen=True):
    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: JsonObject | None = None
    strict: bool | None = None


class _ToolChoice(msgspec.Struct, frozen=True):
    type: str
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class _Thinking(msgspec.Struct, frozen=True):
    type: str
    budget_tokens: int | None = None


class _Format(msgspec.Struct, frozen=True):
    type: str
    schema: JsonObject | None = None


class _OutputConfig(msgspec.Struct, frozen=True):
    effort: str | None = None
    format: _Format | None = None


class _Metadata(msgspec.Struct, frozen=True):
    user_id: str | None = None


class CountBody(msgspec.Struct, frozen=True):
    """`POST /v1/messages/count_tokens`, the fields that every provider may need to be told. Unknown ones are let be."""

    messages: Annotated[list[_Message], Meta(min_length=1)]
    model: Annotated[str, Meta(min_length=1)]
    system: str | list[_Block] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _ToolChoice | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None


class MessagesBody(CountBody, frozen=True, kw_only=True):
    """`POST /v1/messages`, likewise."""

    max_tokens: Annotated[int, Meta(ge=0)]
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop_sequences: list[str] | None = None
    metadata: _Metadata | None = None


def chat_request(body: JsonObject, betas: str = "") -> ChatRequest:
    """The canonical request of a message's body. `betas` is the `anthropic-beta` header.

    Raises:
        msgspec.ValidationError: a field has the wrong type, or is out of range.
        InvalidRequest: a field is inconsistent in itself; `param` names it.
    """
    said = msgspec.convert(body, MessagesBody)
    only: dict[str, None] = {name: None for name in _ONLY_HERE if body.get(name) is not None}
    if said.max_tokens == 0:
        only["max_tokens 0"] = None
    request = _request(said, only)
    native = _replayable(body)
    if betas:
        native = {**native, BETA_FIELD: [name.strip() for name in betas.split(",")]}
    return msgspec.structs.replace(
        request,
        stream=bool(said.stream),
        temperature=said.temperature,
        top_p=said.top_p,
        max_tokens=said.max_tokens,
        stop=tuple(said.stop_sequences or ()),
        end_user=_user(said.metadata),
        native=Native(PROTOCOL, native, ", ".join(only)),
    )


def counted_request(body: JsonObject) -> ChatRequest:
    """The canonical request of a body whose tokens are to be counted. Errors as in `chat_request`."""
    return _request(msgspec.convert(body, CountBody), {})


def _user(said: _Metadata | None) -> str | None:
    """The end user, where other wires take so long a name."""
    name = said.user_id if said is not None else None
    return name if name is not None and len(name) <= MAX_USER_CHARACTERS else None


def _request(said: CountBody, only: dict[str, None]) -> ChatRequest:
    messages = _system(said.system, only) if said.system else []
    for index, message in enumerate(said.messages):
        messages += _turn(message, index, only)
    tools = _tools(said.tools, only) if said.tools else ()
    choice = said.tool_choice if said.tools else None
    wanted = said.output_format
    if said.output_config is not None and said.output_config.format is not None:
        wanted = said.output_config.format
    return ChatRequest(
        messages=tuple(messages),
        model=None if said.model == AUTO else said.model,
        tools=tools,
        tool_choice=_choice(choice) if choice is not None else None,
        parallel_tool_calls=False if choice is not None and choice.disable_parallel_tool_use else None,
        response_format=_format(wanted, only) if wanted is not None else None,
        reasoning_effort=said.output_config.effort if said.output_config is not None else None,
        thinking_budget_tokens=_budget(said.thinking) if said.thinking is not None else None,
    )


# --- what is said ---------------------------------------------------------------------------------------------------


def _system(said: str | list[_Block], only: dict[str, None]) -> list[Message]:
    if isinstance(said, str):
        return [Message("system", said)]
    told = [block for block in said if not block.text.startswith(BILLING_MARK)]
    return [Message("system", _content(told, "system", only))] if told else []


def _turn(message: _Message, index: int, only: dict[str, None]) -> list[Message]:
    at = f"messages[{index}]"
    content = message.content
    role: Role
    match message.role:
        case "user" | "assistant" | "system":
            role = message.role
        case _:
            raise InvalidRequest(f"{at}.role: expected user, assistant or system", param=f"{at}.role")
    if isinstance(content, str):
        return [Message(role, content)]
    parts = _content(content, f"{at}.content", only)
    if role != "user" or not any(isinstance(part, ToolResult) for part in parts):
        return [Message(role, parts)]
    # Results of tools are turns of their own everywhere else.
    turns: list[Message] = []
    run: list[Part] = []
    for part in parts:
        if run and isinstance(part, ToolResult) is not isinstance(run[-1], ToolResult):
            turns.append(_run(run))
            run = []
        run.append(part)
    return [*turns, _run(run)]


def _run(parts: list[Part]) -> Message:
    return Message("tool" if isinstance(parts[0], ToolResult) else "user", tuple(parts))


def _content(blocks: list[_Block], at: str, only: dict[str, None]) -> tuple[Part, ...]:
    parts = (_part(block, f"{at}[{index}]", only) for index, block in enumerate(blocks))
    return tuple(part for part in parts if part is not None)


def _part(block: _Block, at: str, only: dict[str, None]) -> Part | None:
    match block.type:
        case "text":
            return Text(block.text, block.cache_control)
        case "tool_use":
            if not block.id or not block.name or block.input is None:
                raise InvalidRequest(f"{at}: a tool_use needs id, name and input", param=at)
            return ToolCall(block.id, block.name, _encode(block.input).decode())
        case "tool_result":
            if not block.tool_use_id:
                raise InvalidRequest(f"{at}.tool_use_id: expected the id of the tool_use that this answers", param=f"{at}.tool_use_id")
            return ToolResult(block.tool_use_id, _result(block.content, f"{at}.content", only), bool(block.is_error))
        case "thinking":
            return Thinking(block.thinking, block.signature or "")
        case "redacted_thinking":
            return Thinking(redacted=block.data)
        case "image":
            return _image(block, at, only)
        case "document":
            return _document(block, at, only)
        case "search_result":
            text = "\n".join(part.text for part in _result(block.content, f"{at}.content", only) if isinstance(part, Text))
            return Document(media_type="text/plain", text=text, name=block.title or "", cache_control=block.cache_control)
    only[f"{block.type[:64]} blocks"] = None
    return None


def _result(content: Json, at: str, only: dict[str, None]) -> tuple[Text | Image | Document, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    try:
        blocks = msgspec.convert(content, list[_Block])
    except msgspec.ValidationError:
        raise InvalidRequest(f"{at}: expected text or a list of blocks", param=at) from None
    return tuple(part for part in _content(blocks, at, only) if isinstance(part, Text | Image | Document))


def _source(block: _Block, at: str) -> _Source:
    if not isinstance(block.source, _Source):
        raise InvalidRequest(f"{at}.source: expected an object", param=f"{at}.source")
    return block.source


def _image(block: _Block, at: str, only: dict[str, None]) -> Image | None:
    source = _source(block, at)
    match source.type:
        case "base64":
            return Image(source.media_type, source.data, cache_control=block.cache_control)
        case "url":
            return Image(url=source.url, cache_control=block.cache_control)
    only[f"images by {source.type[:64]}"] = None
    return None


def _document(block: _Block, at: str, only: dict[str, None]) -> Document | None:
    source = _source(block, at)
    name, mark = block.title or "", block.cache_control
    match source.type:
        case "base64":
            return Document(media_type=source.media_type, data=source.data, name=name, cache_control=mark)
        case "text":
            return Document(media_type="text/plain", text=source.data, name=name, cache_control=mark)
        case "url":
            return Document(url=source.url, name=name, cache_control=mark)
        case "content":
            parts = _result(source.content, f"{at}.source.content", only)
            if all(isinstance(part, Text) for part in parts):
                text = "\n".join(part.text for part in parts if isinstance(part, Text))
                return Document(media_type="text/plain", text=text, name=name, cache_control=mark)
    only[f"documents by {source.type[:64]}"] = None
    return None


# --- how it is to be answered ---------------------------------------------------------------------------------------


def _tools(said: list[_Tool], only: dict[str, None]) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for index, tool in enumerate(said):
        if tool.type not in {None, "custom"}:
            only[f"tools of type {(tool.type or '')[:64]}"] = None
        elif not tool.name or tool.input_schema is None:
            raise InvalidRequest(f"tools[{index}]: a tool needs name and input_schema", param=f"tools[{index}]")
        else:
            tools.append(Tool(tool.name, tool.description or "", tool.input_schema, tool.strict))
    return tuple(tools)


def _choice(said: _ToolChoice) -> ToolChoice:
    match said.type:
        case "auto" | "none":
            return ToolChoice(said.type)
        case "any":
            return ToolChoice("required")
        case "tool" if said.name:
            return ToolChoice("function", said.name)
    raise InvalidRequest("tool_choice: expected type auto, any, none, or tool with its name", param="tool_choice")


def _format(said: _Format, only: dict[str, None]) -> ResponseFormat | None:
    if said.type != "json_schema":
        only[f"output_config.format of type {said.type[:64]}"] = None
        return None
    if said.schema is None:
        raise InvalidRequest("output_config.format.schema: expected a JSON schema", param="output_config.format.schema")
    return ResponseFormat("json_schema", json_schema=said.schema)


def _budget(said: _Thinking) -> int | None:
    """A budget that is named, 0 for no thinking, None where the model decides (`adaptive`)."""
    match said.type:
        case "disabled":
            return 0
        case "enabled":
            if said.budget_tokens is None:
                raise InvalidRequest("thinking.budget_tokens: expected a number, as type is enabled", param="thinking.budget_tokens")
            return said.budget_tokens
    return None


def _replayable(body: JsonObject) -> JsonObject:
    """The body without thinking that nobody signed: it came from a provider of another wire, and Anthropic refuses it.

    Signed blocks pass untouched. What is not a message is left for `chat_request` to name.
    """
    messages = body.get("messages")
    if not isinstance(messages, list) or not any(_unsigned(block) for turn in messages for block in _blocks_of(turn)):
        return body
    signed: list[Json] = []
    for turn in messages:
        blocks = _blocks_of(turn)
        if isinstance(turn, dict) and any(map(_unsigned, blocks)):
            kept = [block for block in blocks if not _unsigned(block)]
            signed += [{**turn, "content": kept}] if kept else []
        else:
            signed.append(turn)
    return {**body, "messages": signed}


def _blocks_of(turn: Json) -> list[Json]:
    content = turn.get("content") if isinstance(turn, dict) else None
    return content if isinstance(content, list) else []


def _unsigned(block: Json) -> bool:
    return isinstance(block, dict) and block.get("type") == "thinking" and not block.get("signature")


# --- what is left behind --------------------------------------------------------------------------------------------

_ONLY_HERE: Final = ("container", "inference_geo", "mcp_servers", "user_profile_id")
"""Fields without which a request means something else: no provider of another wire may answer it."""
_EVERYWHERE: Final = frozenset(
    {
        "messages", "model", "max_tokens", "stream", "system", "stop_sequences", "temperature", "top_p", "tools", "tool_choice",
        "output_config", "output_format", "thinking",
    }
)  # fmt: skip
"""Fields that every wire can be told, or that make a provider refuse (which the caller sees)."""
_CARRIED: Final[dict[str, frozenset[str]]] = {
    "openai": frozenset({"metadata"}),
}


def dropped(body: JsonObject, protocol: str) -> tuple[str, ...]:
    """The fields of a native body that a provider of another wire is not told, sorted; nulls and empty values count as absent."""
    if protocol == PROTOCOL:
        return ()
    known = _EVERYWHERE | _CARRIED.get(protocol, frozenset())
    left = [name for name, value in body.items() if name not in known and value not in (None, [], {}, "")]
    thinking = body.get("thinking")
    if isinstance(thinking, dict) and thinking.get("type") not in {"enabled", "disabled"}:
        left.append("thinking")
    metadata = body.get("metadata")
    if "metadata" in known and isinstance(metadata, dict) and len(str(metadata.get("user_id") or "")) > MAX_USER_CHARACTERS:
        left.append("metadata")
    return tuple(sorted("anthropic-beta" if name == BETA_FIELD else name[:64] for name in left))
