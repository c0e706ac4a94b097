"""OpenAI's Responses API as a caller sends it: the body of `POST /v1/responses`, and items of earlier turns, to canonical values.

Source: OpenAI's API reference, "Create a model response" and "Input items". No provider is asked in this form, so what only OpenAI's own
platform can do (its built-in tools, files and prompts stored there, background work) is refused by name.
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

AUTO: Final = "auto"
_SIGNATURE: Final = "s:"
_REDACTED: Final = "r:"
"""What stands before a signature or an opaque block in `encrypted_content`."""


class _Part(msgspec.Struct, frozen=True):
    type: str
    text: str = ""
    refusal: str = ""
    image_url: str | None = None
    detail: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


class _Summary(msgspec.Struct, frozen=True):
    text: str = ""


class _Item(msgspec.Struct, frozen=True):
    type: str = "message"
    id: str | None = None
    role: str = ""
    content: str | list[_Part] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str | list[_Part] | None = None
    summary: list[_Summary] | None = None
    encrypted_content: str | None = None


class _Input(msgspec.Struct, frozen=True):
    input: list[_Item]


class _Tool(msgspec.Struct, frozen=True):
    type: str
    name: str = ""
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class _Choice(msgspec.Struct, frozen=True):
    type: str
    name: str = ""


class _Format(msgspec.Struct, frozen=True):
    type: str = "text"
    name: str = ""
    schema: JsonObject | None = None
    strict: bool | None = None


class _TextOptions(msgspec.Struct, frozen=True):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(msgspec.Struct, frozen=True):
    effort: str | None = None
    summary: str | None = None


class ResponsesBody(msgspec.Struct, frozen=True):
    """`POST /v1/responses`. Unknown fields are let be."""

    input: str | list[JsonObject]
    model: str | None = None
    instructions: str | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _Choice | None = None
    parallel_tool_calls: bool | None = None
    text: _TextOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    reasoning: _Reasoning | None = None
    include: list[str] | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    truncation: str | None = None
    background: bool | None = None
    conversation: str | JsonObject | None = None
    prompt: JsonObject | None = None

    @property
    def stored(self) -> bool:
        return self.store is not False

    @property
    def show_encrypted(self) -> bool:
        return self.include is not None and "reasoning.encrypted_content" in self.include

    def items(self) -> list[Json]:
        """The input as items."""
        return [{"type": "message", "role": "user", "content": self.input}] if isinstance(self.input, str) else [*self.input]


_CARRIED: Final = frozenset(ResponsesBody.__struct_fields__) - {"truncation"}


def read_body(body: JsonObject) -> ResponsesBody:
    """The body, checked for what cannot be had here.

    Raises:
        msgspec.ValidationError: a field has the wrong type, or is out of range.
        InvalidRequest: it asks for what only OpenAI's platform has; `param` names the field.
    """
    said = msgspec.convert(body, ResponsesBody)
    if not isinstance(said.input, str):
        msgspec.convert(body, _Input)  # so that a mistake is named by its place
    for name, how in (
        ("background", "ask with stream: true"),
        ("conversation", "go on from an answer with previous_response_id"),
        ("prompt", "send the text itself"),
    ):
        if getattr(said, name):
            raise InvalidRequest(f"{name}: this is kept on OpenAI's platform, not here; {how}", param=name)
    return said


def left_out(body: JsonObject) -> tuple[str, ...]:
    """The fields of a body that no provider is told, sorted: `truncation`, `verbosity` and those that nobody here knows."""
    names = {name[:64] for name, value in body.items() if name not in _CARRIED and value not in (None, [], {}, "disabled")}
    text = body.get("text")
    if isinstance(text, dict) and text.get("verbosity") is not None:
        names.add("text.verbosity")
    return tuple(sorted(names))


def responses_request(said: ResponsesBody, earlier: list[Json], items: list[Json]) -> ChatRequest:
    """The canonical request: `earlier` are the items of earlier turns, `items` those of this body.

    Raises:
        InvalidRequest: an item, a tool or a format that cannot be served here.
    """
    messages = item_messages(earlier + items, len(earlier))
    if said.instructions:
        messages = [Message("system", said.instructions), *messages]
    if not messages:
        raise InvalidRequest("input: expected text, or at least one item", param="input")
    tools = tuple(_tool(tool, index) for index, tool in enumerate(said.tools or ()))
    return ChatRequest(
        messages=tuple(messages),
        model=None if said.model in {None, "", AUTO} else said.model,
        stream=bool(said.stream),
        temperature=said.temperature,
        top_p=said.top_p,
        max_tokens=said.max_output_tokens,
        logprobs=bool(said.top_logprobs) or "message.output_text.logprobs" in (said.include or ()),
        top_logprobs=said.top_logprobs,
        response_format=_format(said.text.format) if said.text is not None and said.text.format is not None else None,
        tools=tools,
        tool_choice=_tool_choice(said.tool_choice) if tools and said.tool_choice is not None else None,
        parallel_tool_calls=said.parallel_tool_calls if tools else None,
        reasoning_effort=said.reasoning.effort if said.reasoning is not None else None,
        end_user=said.user or said.safety_identifier,
    )


def _tool(tool: _Tool, index: int) -> Tool:
    if tool.type != "function":
        raise InvalidRequest(
            f"tools[{index}].type: {tool.type[:64]!r} runs on OpenAI's platform, not here; function tools are served",
            param=f"tools[{index}].type",
        )
    if not tool.name:
        raise InvalidRequest(f"tools[{index}].name: expected the function's name", param=f"tools[{index}].name")
    return Tool(tool.name, tool.description or "", tool.parameters or {}, tool.strict)


def _tool_choice(said: str | _Choice) -> ToolChoice:
    match said:
        case "auto" | "none" | "required":
            return ToolChoice(said)
        case _Choice(type="function", name=name) if name:
            return ToolChoice("function", name)
    raise InvalidRequest("tool_choice: expected auto, none, required, or a function with its name", param="tool_choice")


def _format(said: _Format) -> ResponseFormat | None:
    match said.type:
        case "text" | "json_object":
            return ResponseFormat(said.type)
        case "json_schema" if said.schema is not None:
            return ResponseFormat("json_schema", said.name, said.schema, said.strict)
        case "json_schema":
            raise InvalidRequest("text.format.schema: expected a JSON schema, as type is json_schema", param="text.format.schema")
    raise InvalidRequest("text.format.type: expected text, json_object or json_schema", param="text.format.type")


def item_messages(items: list[Json], earlier: int) -> list[Message]:
    """Items as turns: what the model said and called in one turn becomes one message, the results of its calls another.

    Raises:
        InvalidRequest: an item of a kind that is not served here; the first `earlier` items do not count in its place.
    """
    messages: list[Message] = []
    turn: list[Part] = []
    results: list[Part] = []
    names: dict[str, str] = {}

    def close() -> None:
        if turn:
            messages.append(Message("assistant", tuple(turn)))
            turn.clear()
        if results:
            messages.append(Message("tool", tuple(results)))
            results.clear()

    for index, item in enumerate(msgspec.convert(items, list[_Item]), -earlier):
        match item.type:
            case "message" if item.role == "assistant":
                if results:
                    close()
                turn += _parts(item, index)
            case "message":
                close()
                messages.append(_message(item, index))
            case "reasoning" | "function_call":
                if results:
                    close()
                if item.type == "reasoning":
                    turn += _thinking(item)
                else:
                    names[item.call_id] = item.name
                    turn.append(ToolCall(item.call_id, item.name, item.arguments))
            case "function_call_output":
                results.append(_result(item, names, index))
            case _:
                raise InvalidRequest(f"input[{index}].type: {item.type[:64]!r} is not served here", param=f"input[{index}].type")
        if turn and results:
            messages.append(Message("assistant", tuple(turn)))
            turn.clear()
    close()
    return messages


_ROLES: Final[dict[str, Role]] = {"user": "user", "system": "system", "developer": "system"}


def _message(item: _Item, index: int) -> Message:
    role = _ROLES.get(item.role)
    if role is None:
        raise InvalidRequest(f"input[{index}].role: expected user, assistant, system or developer", param=f"input[{index}].role")
    return Message(role, item.content if isinstance(item.content, str) else _parts(item, index))


def _parts(item: _Item, index: int) -> tuple[Part, ...]:
    content = item.output if item.type == "function_call_output" else item.content
    if content is None:
        raise InvalidRequest(f"input[{index}].content: expected text or parts", param=f"input[{index}].content")
    if isinstance(content, str):
        return (Text(content),) if content else ()
    return tuple(_part(part, f"input[{index}].content[{place}]") for place, part in enumerate(content))


def _part(part: _Part, field: str) -> Part:
    match part.type:
        case "input_text" | "output_text" | "text":
            return Text(part.text)
        case "refusal":
            return Text(part.refusal)
        case "input_image" if part.image_url:
            url = part.image_url
            head, comma, data = url.partition(",")
            if head.startswith("data:") and head.endswith(";base64") and comma:
                return Image(media_type=head[5:-7], data=data, detail=part.detail or "")
            if url.startswith(("https://", "http://")):
                return Image(url=url, detail=part.detail or "")
            raise InvalidRequest(f"{field}.image_url: expected a data:image/...;base64 URI or an http(s) URL", param=f"{field}.image_url")
        case "input_file" if part.file_url:
            return Document(url=part.file_url, name=part.filename or "")
        case "input_file" if part.file_data:
            head, comma, data = part.file_data.partition(",")
            if head.startswith("data:") and head.endswith(";base64") and comma:
                return Document(media_type=head[5:-7], data=data, name=part.filename or "")
            return Document(data=part.file_data, name=part.filename or "")
    raise InvalidRequest(f"{field}.type: expected input_text, input_image with its url, or input_file with its data", param=f"{field}.type")


def _result(item: _Item, names: dict[str, str], index: int) -> ToolResult:
    if not item.call_id:
        raise InvalidRequest(f"input[{index}].call_id: expected the call that this answers", param=f"input[{index}].call_id")
    parts = tuple(part for part in _parts(item, index) if isinstance(part, Text | Image | Document))
    return ToolResult(item.call_id, parts, name=names.get(item.call_id, ""))


def _thinking(item: _Item) -> list[Thinking]:
    text = "".join(part.text for part in item.summary or ())
    sealed = item.encrypted_content or ""
    if sealed.startswith(_SIGNATURE):
        return [Thinking(text, signature=sealed.removeprefix(_SIGNATURE))]
    if sealed.startswith(_REDACTED):
        return [Thinking(redacted=sealed.removeprefix(_REDACTED))]
    return [Thinking(text)] if text else []


def sealed(thought: Thinking) -> str | None:
    """What `encrypted_content` holds of a reasoning block, so that it comes back unchanged; None where nothing must."""
    if thought.redacted:
        return _REDACTED + thought.redacted
    return _SIGNATURE + thought.signature if thought.signature else None


def item_owner(item_id: str) -> str:
    """The response that an item of ours belongs to: `msg_<name>_<place>` is of `resp_<name>`. "" for foreign names."""
    _, name, place = (*item_id.split("_"), "", "", "")[:3]
    return f"resp_{name}" if name and place.isdecimal() else ""
