"""OpenAI's Chat Completions, the request: canonical values to the body of `POST /chat/completions`.

Source: OpenAI's API reference, "Create chat completion". Servers that imitate it differ in what they refuse; a `Dialect`
says how, so that one function serves them all. The reply is `openai_reply`'s matter.
"""

from typing import Final

import msgspec

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
    ToolResult,
)

PROTOCOL: Final = "openai"
NO_PARAMETERS: Final[JsonObject] = {"type": "object", "properties": {}}
"""The schema of a function without arguments: an empty one is refused."""
DEFAULT_FILE_NAME: Final = "document"
DEFAULT_MEDIA_TYPE: Final = "application/octet-stream"
DEFAULT_SCHEMA_NAME: Final = "response"
SAMPLING_FIELDS: Final = frozenset({"temperature", "top_p", "frequency_penalty", "presence_penalty"})

_encode = msgspec.json.Encoder().encode


class Dialect(msgspec.Struct, frozen=True):
    """How a server, or one of its models, differs from the common ground.

    `max_tokens_field` is what the limit of output tokens is called; `refused` names top-level fields that make the server
    refuse a request and that can be left out without changing what is asked; `named_roles` may carry a `name`; `files` says
    whether `file` parts are known.
    """

    max_tokens_field: str = "max_tokens"
    refused: frozenset[str] = frozenset()
    named_roles: frozenset[Role] = frozenset({"system", "user", "assistant"})
    files: bool = True
    efforts: tuple[str, ...] = ()
    """The degrees of `reasoning_effort`, rising, that a thinking budget may be told as; none where a model may not know the field."""


EFFORT_IS_A_HINT: Final = "anthropic"
"""The wire whose clients name an effort with every call, whatever the model: one that may not know the field is not told."""
EFFORT_TOKENS: Final = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384}
"""Thinking tokens that a degree stands for, as towards Anthropic: a budget is told as the least degree that holds it."""

COMMON: Final = Dialect()


def encode_chat(request: ChatRequest, model: str, dialect: Dialect = COMMON) -> bytes:
    """The JSON body that asks `model` for `request`.

    A body that came in this protocol is taken as it is: only the model, the stream flag and the wish for usage are ours. It is
    adapted to `dialect` only when it was written for another model than the one it goes to.

    Raises:
        InvalidRequest: a part that this wire cannot carry; `param` names its place.
    """
    native = request.native
    if native is not None and native.protocol == PROTOCOL:
        return _encode(_from_native(native.body, request, model, dialect))
    body = _options(request, model, dialect)
    body["messages"] = _messages(request.messages, dialect)
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    if dialect.refused:
        for field in dialect.refused:
            body.pop(field, None)
    return _encode(body)


def asks_usage(request: ChatRequest) -> bool:
    """Whether the caller asked in this protocol for the usage of a stream, so that its chunk is theirs to see."""
    native = request.native
    if native is None or native.protocol != PROTOCOL:
        return False
    options = native.body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _from_native(native: JsonObject, request: ChatRequest, model: str, dialect: Dialect) -> JsonObject:
    body = {**native, "model": model}
    if request.stream:
        options = native.get("stream_options")
        body["stream"] = True
        body["stream_options"] = {**options, "include_usage": True} if isinstance(options, dict) else {"include_usage": True}
    else:
        body.pop("stream_options", None)
        if "stream" in body:
            body["stream"] = False
    if native.get("model") != model:
        for field in ("max_tokens", "max_completion_tokens"):
            if field != dialect.max_tokens_field and field in body:
                limit = body.pop(field)
                body.setdefault(dialect.max_tokens_field, limit)
        for field in dialect.refused:
            body.pop(field, None)
    return body


def _options(request: ChatRequest, model: str, dialect: Dialect) -> JsonObject:
    body: JsonObject = {"model": model}
    if request.max_tokens is not None:
        body[dialect.max_tokens_field] = request.max_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    if request.n != 1:
        body["n"] = request.n
    if request.frequency_penalty is not None:
        body["frequency_penalty"] = request.frequency_penalty
    if request.presence_penalty is not None:
        body["presence_penalty"] = request.presence_penalty
    if request.logprobs or request.top_logprobs is not None:
        body["logprobs"] = True
        if request.top_logprobs is not None:
            body["top_logprobs"] = request.top_logprobs
    if request.response_format is not None and request.response_format.type != "text":
        body["response_format"] = _response_format(request.response_format)
    if request.tools:
        _add_tools(body, request)
    if request.reasoning_effort is not None:
        if dialect.efforts or request.native is None or request.native.protocol != EFFORT_IS_A_HINT:
            body["reasoning_effort"] = request.reasoning_effort
    elif request.thinking_budget_tokens and dialect.efforts:
        body["reasoning_effort"] = effort_of(request.thinking_budget_tokens, dialect.efforts)
    if request.end_user is not None:
        body["user"] = request.end_user
    return body


def effort_of(budget_tokens: int, efforts: tuple[str, ...]) -> str:
    """The least of `efforts` that stands for as many thinking tokens, else the greatest."""
    return next((effort for effort in efforts if EFFORT_TOKENS[effort] >= budget_tokens), efforts[-1])


def _add_tools(body: JsonObject, request: ChatRequest) -> None:
    body["tools"] = [_tool(tool) for tool in request.tools]
    choice = request.tool_choice
    if choice is not None:
        body["tool_choice"] = {"type": "function", "function": {"name": choice.name}} if choice.mode == "function" else choice.mode
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _tool(tool: Tool) -> JsonObject:
    function: JsonObject = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or NO_PARAMETERS
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _response_format(form: ResponseFormat) -> JsonObject:
    if form.type == "json_object":
        return {"type": "json_object"}
    if form.json_schema is None:
        raise InvalidRequest("response_format of type json_schema needs a schema", param="response_format.json_schema")
    schema: JsonObject = {"name": form.name or DEFAULT_SCHEMA_NAME, "schema": form.json_schema}
    if form.strict is not None:
        schema["strict"] = form.strict
    return {"type": "json_schema", "json_schema": schema}


def _messages(messages: tuple[Message, ...], dialect: Dialect) -> list[Json]:
    wire: list[Json] = []
    for index, message in enumerate(messages):
        content = message.content
        if isinstance(content, str) and message.role != "tool":
            turn: JsonObject = {"role": message.role, "content": content}
            wire.append(_named(turn, message, dialect) if message.name else turn)
        elif message.role == "assistant":
            wire.append(_named(_assistant(message.parts(), index), message, dialect))
        else:
            wire.extend(_turn(message, index, dialect))
    return wire


def _named(wire: JsonObject, message: Message, dialect: Dialect) -> JsonObject:
    if message.name and message.role in dialect.named_roles:
        wire["name"] = message.name
    return wire


def _turn(message: Message, index: int, dialect: Dialect) -> list[Json]:
    """A turn that is not the model's: tool results become messages of their own, and what they cannot hold (images, files)
    follows in a user message, after all of them, since the answers to one turn's calls must stand together."""
    results: list[Json] = []
    rest: list[Json] = []
    for part in message.parts():
        if isinstance(part, ToolResult):
            results.append({"role": "tool", "tool_call_id": part.tool_call_id, "content": _result_text(part)})
            rest.extend(_input_part(item, index, dialect) for item in part.content if not isinstance(item, Text))
        elif message.role == "tool":
            raise InvalidRequest("a tool message holds tool results only: name the call it answers", param=f"messages[{index}].content")
        elif not isinstance(part, Thinking):
            rest.append(_input_part(part, index, dialect))
    if rest or not results:
        role = "user" if message.role == "tool" else message.role
        results.append(_named({"role": role, "content": _compact(rest)}, message, dialect))
    return results


def _result_text(result: ToolResult) -> str:
    return "".join(part.text for part in result.content if isinstance(part, Text))


def _compact(parts: list[Json]) -> Json:
    """A lone text as a plain string: every server knows that form."""
    match parts:
        case []:
            return ""
        case [{"type": "text", "text": str(text)}]:
            return text
    return parts


def _assistant(parts: tuple[Part, ...], index: int) -> JsonObject:
    """The model's own turn. Reasoning is left out: servers refuse or ignore it."""
    texts: list[Json] = []
    calls: list[Json] = []
    for part in parts:
        if isinstance(part, Text):
            texts.append({"type": "text", "text": part.text})
        elif isinstance(part, ToolCall):
            calls.append({"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}})
        elif not isinstance(part, Thinking):
            raise InvalidRequest(f"an assistant message holds text and tool calls, not a {_kind(part)}", param=f"messages[{index}].content")
    if not calls:
        return {"role": "assistant", "content": _compact(texts)}
    return {"role": "assistant", "content": _compact(texts) if texts else None, "tool_calls": calls}


def _input_part(part: Part, index: int, dialect: Dialect) -> JsonObject:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        return _image(part, index)
    if isinstance(part, Document):
        return _document(part, index, dialect)
    raise InvalidRequest(f"a {_kind(part)} belongs into an assistant message", param=f"messages[{index}].content")


def _image(image: Image, index: int) -> JsonObject:
    if image.data:
        url = f"data:{image.media_type or DEFAULT_MEDIA_TYPE};base64,{image.data}"
    elif image.url:
        url = image.url
    else:
        raise InvalidRequest("an image needs data or a url", param=f"messages[{index}].content")
    inner: JsonObject = {"url": url}
    if image.detail:
        inner["detail"] = image.detail
    return {"type": "image_url", "image_url": inner}


def _document(document: Document, index: int, dialect: Dialect) -> JsonObject:
    if document.text:
        return {"type": "text", "text": document.text}
    if not dialect.files:
        raise InvalidRequest("this provider takes documents as plain text only", param=f"messages[{index}].content")
    if not document.data:
        raise InvalidRequest("this provider takes a document as data or text, not as a url", param=f"messages[{index}].content")
    data = f"data:{document.media_type or DEFAULT_MEDIA_TYPE};base64,{document.data}"
    return {"type": "file", "file": {"filename": document.name or DEFAULT_FILE_NAME, "file_data": data}}


def _kind(part: Part) -> str:
    return str(part.__struct_config__.tag).replace("_", " ")
