"""What is said to Amazon Bedrock's Converse and ConverseStream.

Source: Amazon Bedrock API Reference, "Converse" and "ConverseStream" (API version 2023-09-30): both take the same body, the model
stands in the path. What the reference leaves open (blank text, tool history without tools) follows what the service does.
"""

import base64
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

import msgspec

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import ChatRequest, Document, Image, Json, JsonObject, Message, Part, Text, Thinking, Tool, ToolCall, ToolResult

ANSWER_TOOL: Final = "structured_answer"
"""The tool that a model must call so that its answer obeys a schema; its input is turned back into text."""

MAX_TEMPERATURE: Final = 1.0

_ANSWER_TOOL_TEXT: Final = "Give the final answer by calling this tool."
_JSON_TEXT: Final = "Answer with one JSON object and nothing else."
_SCHEMA_TEXT: Final = "Answer with one JSON value that obeys this JSON schema, and with nothing else: "
_NO_TOOLS_TEXT: Final = "Do not call any tool in this answer."
_DEFAULT_ANSWER_TOKENS: Final = 4096
"""Room for the answer itself where a thinking budget must stay below `maxTokens` and the caller named none."""
_LEAST_THINKING_TOKENS: Final = 1024
_EFFORT_TOKENS: Final = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16_384, "xhigh": 32_768, "max": 32_768}

_REGION_PREFIXES = frozenset({"us", "eu", "apac", "jp", "au", "ca", "global", "us-gov"})
_TOOL_FORCING = ("anthropic.claude-", "amazon.nova")
_NO_TOOLS = ("anthropic.claude-v", "anthropic.claude-instant")
_CACHING = ("anthropic.claude-", "amazon.nova")
_ERROR_STATUS = ("anthropic.claude-", "amazon.nova")
_NO_THINKING_HISTORY = ("amazon.", "meta.", "mistral.", "cohere.", "ai21.", "deepseek.")
_BUDGETED = tuple(
    f"anthropic.claude-{version}"
    for version in ("3-7-", "sonnet-4-2", "opus-4-2", "opus-4-1", "sonnet-4-5", "haiku-4-5", "opus-4-5")
)  # fmt: skip
"""Claude models that think for a number of tokens; later ones take an effort."""
_UNTHINKING = ("anthropic.claude-v", "anthropic.claude-instant", "anthropic.claude-3-")

_IMAGE_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENT_FORMATS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_NAME_MARKS = frozenset("-()[]")
_MAX_NAME_CHARS = 200
_ID_MARKS = frozenset("_.:-")
_MAX_ID_CHARS = 64

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def bare_name(model: str) -> str:
    """The foundation model's own id: of an ARN its last part, without the region prefix of an inference profile.

    An application inference profile has an opaque id, which tells nothing about the model behind it.
    """
    name = model.rpartition("/")[2] if model.startswith("arn:") else model
    prefix, dot, rest = name.partition(".")
    return rest if dot and prefix in _REGION_PREFIXES else name


def answers_by_tool(request: ChatRequest, model: str) -> bool:
    """Whether `encode` makes the model give its answer as the input of `ANSWER_TOOL`.

    Only models known to obey a forced tool choice do, and never while they think or while the caller forces a tool of its own; the
    others get the schema as an instruction.
    """
    wanted = request.response_format
    if _is_native(request) or wanted is None or wanted.type != "json_schema":
        return False
    if wanted.json_schema is None or wanted.json_schema.get("type") != "object":
        return False
    if request.thinking_budget_tokens is not None or (request.tool_choice and request.tool_choice.mode in ("required", "function")):
        return False
    name = bare_name(model)
    return name.startswith(_TOOL_FORCING) and not name.startswith(_NO_TOOLS)


def _is_native(request: ChatRequest) -> bool:
    return request.native is not None and request.native.protocol == "bedrock"


def encode(request: ChatRequest, model: str) -> bytes:
    """The body of a Converse or ConverseStream request.

    Dropped because nothing answers to them here: `seed`, penalties, `end_user`, `parallel_tool_calls`, a tool's `strict`, and
    thinking without a signature. A system message in the midst of a conversation joins the ones at its start.

    Raises:
        InvalidRequest: several answers, log probabilities, media by URL (but s3://) or of an unknown kind, or an empty user turn.
    """
    if request.n != 1:
        raise InvalidRequest("n must be 1: Bedrock gives one answer to a request", param="n")
    if request.logprobs or request.top_logprobs is not None:
        raise InvalidRequest("logprobs: Bedrock Converse reports none", param="logprobs")
    if request.native is not None and _is_native(request):
        return _encoder.encode({key: value for key, value in request.native.body.items() if key not in ("modelId", "stream")})
    return _encoder.encode(_body(request, bare_name(model), answers_by_tool(request, model)))


def _body(request: ChatRequest, name: str, by_tool: bool) -> JsonObject:
    blocks = _Blocks(name)
    system: list[Json] = []
    messages: list[Json] = []
    for index, message in enumerate(request.messages):
        if message.role == "system":
            system += blocks.system(message)
        else:
            _append(messages, "assistant" if message.role == "assistant" else "user", list(blocks.turn(message, index)))
    tools = _tool_config(request, by_tool)
    system += [{"text": text} for text in _instructions(request, by_tool, tools is not None)]
    inference = _inference(request)
    extra: JsonObject = {}
    body: JsonObject = {"messages": messages}
    _think(request, name, by_tool, inference, extra, body)
    optional: JsonObject = {"system": system, "inferenceConfig": inference, "toolConfig": tools, "additionalModelRequestFields": extra}
    body |= {key: value for key, value in optional.items() if value}
    if request.stop and name.startswith("anthropic."):
        body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]
    return body


def _append(messages: list[Json], role: str, content: list[Json]) -> None:
    """Add a turn. Turns of one role in a row become one: Bedrock wants the roles to alternate, tool results in one user turn."""
    if not content:
        return
    last = messages[-1] if messages else None
    if isinstance(last, dict) and last["role"] == role and isinstance(last["content"], list):
        last["content"] += content
    else:
        messages.append({"role": role, "content": content})


class _Blocks:
    """Content blocks of one request. Document names are unique in it, as Bedrock demands."""

    def __init__(self, name: str) -> None:
        self._caches = name.startswith(_CACHING)
        self._error_status = name.startswith(_ERROR_STATUS)
        self._thinks = not name.startswith(_NO_THINKING_HISTORY)
        self._names: set[str] = set()

    def system(self, message: Message) -> Iterator[JsonObject]:
        for part in message.parts():
            if not isinstance(part, Text):
                raise InvalidRequest(f"a system message of Bedrock takes text only, not {_kind(part)}", param="messages")
            if part.text.strip():
                yield {"text": part.text}
                yield from self._cache_point(part.cache_control)

    def turn(self, message: Message, index: int) -> Iterator[JsonObject]:
        """The blocks of one turn; blank text gives none, for Bedrock refuses it."""
        empty = True
        for part in message.parts():
            for block in self._block(part):
                empty = False
                yield block
        if empty and message.role == "user":
            where = f"messages[{index}].content"
            raise InvalidRequest(f"{where} is empty: Bedrock refuses a user turn that says nothing", param=where)

    def _block(self, part: Part) -> Iterator[JsonObject]:
        match part:
            case Text() | Image() | Document():
                if isinstance(part, Text) and not part.text.strip():
                    return
                yield self._media(part)
                yield from self._cache_point(part.cache_control)
            case ToolCall():
                yield {"toolUse": {"toolUseId": _tool_id(part.id), "name": part.name, "input": _tool_input(part.arguments)}}
            case ToolResult():
                yield {"toolResult": self._result(part)}
                for inner in part.content:
                    yield from self._cache_point(inner.cache_control)
            case Thinking():
                if self._thinks and part.redacted:
                    yield {"reasoningContent": {"redactedContent": part.redacted}}
                elif self._thinks and part.signature:
                    yield {"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature}}}

    def _media(self, part: Text | Image | Document) -> JsonObject:
        match part:
            case Text():
                return {"text": part.text}
            case Image():
                return {"image": {"format": _format(part.media_type, _IMAGE_FORMATS, "image"), "source": _source(part, "image")}}
            case Document():
                kind = _format(part.media_type or ("text/plain" if part.text else ""), _DOCUMENT_FORMATS, "document")
                return {"document": {"format": kind, "name": self._name(part.name), "source": _source(part, "document")}}

    def _result(self, part: ToolResult) -> JsonObject:
        content: list[Json] = [self._media(inner) for inner in part.content]
        told = any(not isinstance(inner, Text) or inner.text.strip() for inner in part.content)
        result: JsonObject = {"toolUseId": _tool_id(part.tool_call_id), "content": content or [{"text": ""}]}
        # An error that says nothing is refused, an empty answer is not.
        if part.is_error and told and self._error_status:
            result["status"] = "error"
        return result

    def _cache_point(self, control: JsonObject | None) -> Iterator[JsonObject]:
        if control is not None and self._caches:
            ttl = control.get("ttl")
            point: JsonObject = {"type": "default", "ttl": ttl} if ttl in ("5m", "1h") else {"type": "default"}
            yield {"cachePoint": point}

    def _name(self, wanted: str) -> str:
        """`wanted` in the letters Bedrock allows in a document's name: letters, digits, single spaces, - ( ) [ ]."""
        kept = "".join(char if (char.isascii() and char.isalnum()) or char in _NAME_MARKS else " " for char in wanted)
        stem = " ".join(kept.split())[: _MAX_NAME_CHARS - 8].strip() or "document"
        name, count = stem, 1
        while name in self._names:
            count += 1
            name = f"{stem} ({count})"
        self._names.add(name)
        return name


def _kind(part: Part) -> str:
    return type(part).__name__.lower()


def _format(media_type: str, formats: dict[str, str], what: str) -> str:
    kind = formats.get(media_type.partition(";")[0].strip().lower())
    if kind is None:
        known = ", ".join(formats)
        raise InvalidRequest(f"{what} of type {media_type[:80]!r}: Bedrock takes {known}", param="messages")
    return kind


def _source(part: Image | Document, what: str) -> JsonObject:
    if part.data:
        return {"bytes": part.data}
    if isinstance(part, Document) and part.text:
        return {"bytes": base64.b64encode(part.text.encode()).decode()}
    if part.url.startswith("s3://"):
        return {"s3Location": {"uri": part.url}}
    raise InvalidRequest(f"{what}: Bedrock takes base64 data or an s3:// URL, no other address", param="messages")


def _tool_id(wanted: str) -> str:
    """`wanted` if Bedrock takes it as the id of a call, else a stable name for it: the same for the call and its result."""
    if 0 < len(wanted) <= _MAX_ID_CHARS and all((char.isascii() and char.isalnum()) or char in _ID_MARKS for char in wanted):
        return wanted
    return "call_" + blake2b(wanted.encode(), digest_size=16).hexdigest()


def _tool_input(arguments: str) -> Json:
    """The arguments as the object Bedrock wants; text that is no JSON object is kept as it is inside one."""
    if not arguments.strip():
        return {}
    try:
        value: Json = _decoder.decode(arguments)
    except msgspec.DecodeError:
        return {"malformed_arguments": arguments}
    return value if isinstance(value, dict) else {"malformed_arguments": arguments}


def _tool_config(request: ChatRequest, by_tool: bool) -> JsonObject | None:
    """The tools and which of them must be called.

    Bedrock refuses a history with calls or results when no tools are declared: the functions named there are declared then.
    """
    choice = request.tool_choice
    history = dict.fromkeys(_called(request.messages))
    usable = () if choice is not None and choice.mode == "none" and not history else request.tools
    tools: list[Json] = [_tool(tool) for tool in usable] or [_tool(Tool(name)) for name in history]
    if by_tool and request.response_format is not None:
        schema = request.response_format.json_schema or {}
        alone = not request.tools or (choice is not None and choice.mode == "none")
        forced: JsonObject = {"tool": {"name": ANSWER_TOOL}} if alone else {"any": {}}
        return {"tools": [*tools, _tool(Tool(ANSWER_TOOL, _ANSWER_TOOL_TEXT, schema))], "toolChoice": forced}
    if not tools:
        return None
    config: JsonObject = {"tools": tools}
    if choice is not None and request.tools and choice.mode != "none":
        config["toolChoice"] = {"tool": {"name": choice.name}} if choice.mode == "function" else {_CHOICES[choice.mode]: {}}
    return config


_CHOICES = {"auto": "auto", "required": "any"}


def _called(messages: Iterable[Message]) -> Iterator[str]:
    """The functions that a history calls, or answers for."""
    for message in messages:
        if not isinstance(message.content, str):
            for part in message.content:
                if isinstance(part, ToolCall) or (isinstance(part, ToolResult) and part.name):
                    yield part.name


def _tool(tool: Tool) -> JsonObject:
    schema: JsonObject = {"type": "object", "properties": {}, **tool.parameters}
    spec: JsonObject = {"name": tool.name, "inputSchema": {"json": schema}}
    if tool.description:
        spec["description"] = tool.description
    return {"toolSpec": spec}


def _instructions(request: ChatRequest, by_tool: bool, has_tools: bool) -> Iterator[str]:
    """What the wire has no field for, said to the model in words."""
    wanted = request.response_format
    if wanted is not None and wanted.type != "text" and not by_tool:
        schema = wanted.json_schema if wanted.type == "json_schema" else None
        yield _JSON_TEXT if schema is None else _SCHEMA_TEXT + _encoder.encode(schema).decode()
    if request.tool_choice is not None and request.tool_choice.mode == "none" and has_tools and not by_tool:
        yield _NO_TOOLS_TEXT


def _inference(request: ChatRequest) -> JsonObject:
    inference: JsonObject = {}
    if request.max_tokens is not None:
        inference["maxTokens"] = request.max_tokens
    if request.temperature is not None:
        inference["temperature"] = min(request.temperature, MAX_TEMPERATURE)
    # 1.0 cuts nothing off, and some models refuse it beside a temperature.
    if request.top_p is not None and request.top_p < 1.0:
        inference["topP"] = request.top_p
    if request.stop:
        inference["stopSequences"] = list(request.stop)
    return inference


def _think(request: ChatRequest, name: str, by_tool: bool, inference: JsonObject, extra: JsonObject, body: JsonObject) -> None:
    """Ask for reasoning in the words of the model's maker; a wish that the model has no words for is dropped."""
    effort = request.reasoning_effort
    if not name.startswith("anthropic."):
        if effort in ("low", "medium", "high") and name.startswith("openai."):
            extra["reasoning_effort"] = effort
        return
    budget_tokens = request.thinking_budget_tokens
    if budget_tokens is None and effort in _EFFORT_TOKENS and not name.startswith(_UNTHINKING) and not name.startswith(_BUDGETED):
        body["outputConfig"] = {"effort": "low" if effort == "minimal" else effort}
    if budget_tokens is None and effort in _EFFORT_TOKENS and name.startswith(_BUDGETED) and not by_tool:
        budget_tokens = _budget(request, effort)
    if budget_tokens is None:
        return
    extra["thinking"] = {"type": "enabled", "budget_tokens": budget_tokens}
    inference.setdefault("maxTokens", budget_tokens + _DEFAULT_ANSWER_TOKENS)
    # A thinking Claude takes no sampling parameters.
    inference.pop("temperature", None)
    inference.pop("topP", None)


def _budget(request: ChatRequest, effort: str) -> int | None:
    """The thinking tokens that an effort stands for; None where thinking would make a request invalid that is valid without it."""
    if request.tool_choice is not None and request.tool_choice.mode in ("required", "function"):
        return None
    for message in request.messages:
        kinds = {type(part) for part in message.parts()}
        if ToolCall in kinds and Thinking not in kinds:
            return None
    budget_tokens = _EFFORT_TOKENS[effort]
    if request.max_tokens is not None:
        budget_tokens = min(budget_tokens, request.max_tokens // 2)
    return budget_tokens if budget_tokens >= _LEAST_THINKING_TOKENS else None
