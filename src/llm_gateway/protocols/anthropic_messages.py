"""The Anthropic Messages wire, requests: a canonical request as the body of `POST /v1/messages`.

Sources: the API reference at platform.claude.com/docs/en/api/messages and `MessageCreateParams` of Anthropic's own
Python SDK, API version 2023-06-01. Answers are read by `anthropic_answers`.
"""

from typing import Final, TypeAlias

import msgspec

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import ChatRequest, Document, Image, Json, Message, Part, Text, Thinking, Tool, ToolCall, ToolResult

PROTOCOL: Final = "anthropic"
BETA_FIELD: Final = "anthropic_beta"
"""Where a native body holds the values of the `anthropic-beta` header (as on Bedrock and Vertex), so that they are judged with it."""
DEFAULT_MAX_TOKENS: Final = 4096
"""Sent where the caller set no limit: this wire requires one, and every model allows this much."""
MAX_TEMPERATURE: Final = 1.0
MIN_THINKING_TOKENS: Final = 1024
"""The smallest thinking budget the API takes; it must also be below `max_tokens`."""
EFFORT_BUDGET_TOKENS: Final = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 24_576, "max": 32_000}
"""What an effort stands for on models that think by budget only."""
JSON_INSTRUCTION: Final = "Answer with one valid JSON object and nothing else: no prose, no code fence."
"""How `json_object` is said: the wire knows JSON by schema only."""

_ADAPTIVE: Final = (4, 6)
"""Models from here on decide by themselves how long to think, guided by an effort."""
_ADAPTIVE_ONLY: Final = (4, 7)
"""From here on a thinking budget, temperature and top_p are refused, and the effort `xhigh` exists."""
_ONE_SAMPLING_FIELD: Final = (4, 1)
"""From here on temperature and top_p are refused together."""

Fields: TypeAlias = dict[str, object]

_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def encode_chat(request: ChatRequest, model: str) -> bytes:
    """The body of `POST /v1/messages`.

    A native body passes with every field it has, except `model` and `stream`, and the values of `betas`. Otherwise the
    canonical fields are translated. `seed` and message names, which this wire lacks, are left out; so are temperature and top_p where the
    model refuses them (when it thinks, and on models from 4.7 on), and thinking blocks without a signature.

    Raises:
        InvalidRequest: the request asks for what this wire cannot say; `param` names the field.
    """
    native = request.native
    if native is not None and native.protocol == PROTOCOL and "messages" in native.body:
        body: Fields = {**native.body, "model": model}
        body.pop(BETA_FIELD, None)
        if request.stream or "stream" in body:
            body["stream"] = request.stream
        return _encode(body)
    _refuse_unsayable(request)
    system, turns = _turns(request.messages)
    body = {"model": model, "max_tokens": DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens, "messages": turns}
    if request.response_format is not None:
        _put_format(request, body, system)
    if system:
        body["system"] = system
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        choice = _tool_choice(request)
        if choice:
            body["tool_choice"] = choice
    if request.reasoning_effort is not None or request.thinking_budget_tokens is not None:
        _put_thinking(request, body, generation(model))
    _put_sampling(request, body, generation(model))
    if request.stop:
        body["stop_sequences"] = request.stop
    if request.end_user is not None:
        body["metadata"] = {"user_id": request.end_user}
    if request.stream:
        body["stream"] = True
    return _encode(body)


def betas(request: ChatRequest) -> str:
    """The value of the `anthropic-beta` header that a native body came with; "" for none."""
    native = request.native
    said = native.body.get(BETA_FIELD) if native is not None and native.protocol == PROTOCOL else None
    names = [name for name in said if isinstance(name, str)] if isinstance(said, list) else []
    return ",".join([name for name in names if name.isascii() and name.isprintable()])


def generation(model: str) -> tuple[int, int]:
    """Version of a Claude model by its name, `claude-opus-4-6` -> (4, 6); (0, 0) for other vendors' names.

    Dates (`-20250514`) are not versions. A Claude name without any version is a recent preview.
    """
    _, found, rest = model.lower().replace(".", "-").rpartition("claude")
    if not found:
        return (0, 0)
    parts = rest.split("-")
    for index, part in enumerate(parts):
        if part.isdecimal() and len(part) <= 2:
            after = parts[index + 1] if index + 1 < len(parts) else ""
            return (int(part), int(after) if after.isdecimal() and len(after) <= 2 else 0)
    return (5, 0)


def _refuse_unsayable(request: ChatRequest) -> None:
    if request.n != 1:
        raise InvalidRequest(f"n: the Anthropic API gives one answer only, not {request.n}", param="n")
    for name in ("logprobs", "top_logprobs"):
        if getattr(request, name):
            raise InvalidRequest(f"{name}: the Anthropic API gives no log probabilities", param=name)
    for name in ("frequency_penalty", "presence_penalty"):
        if getattr(request, name):
            raise InvalidRequest(f"{name}: the Anthropic API has no penalties", param=name)
    if any(not stop.strip() for stop in request.stop):
        raise InvalidRequest("stop: the Anthropic API takes no stop sequence of white space alone", param="stop")


def _turns(messages: tuple[Message, ...]) -> tuple[list[Fields], list[Fields]]:
    """System blocks, and turns that alternate: tool results belong to the user's, neighbours of one role are one turn."""
    system: list[Fields] = []
    turns: list[Fields] = []
    blocks: list[Fields] = []
    last_role = ""
    for index, message in enumerate(messages):
        if message.role == "system":
            for part in message.parts():
                if not isinstance(part, Text):
                    raise InvalidRequest(f"messages[{index}]: a system message holds text only", param="messages")
                if part.text.strip():
                    system.append(_text(part))
            continue
        new = [block for part in message.parts() for block in _blocks(part, index)]
        if not new:
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if role != last_role:
            blocks, last_role = [], role
            turns.append({"role": role, "content": blocks})
        blocks += new
    if not turns:
        raise InvalidRequest("messages: at least one user message with content is needed", param="messages")
    return system, turns


def _blocks(part: Part, index: int) -> list[Fields]:
    """Content blocks of a part; none for what is empty (the API refuses empty text) or cannot be replayed."""
    if isinstance(part, Text):
        return [_text(part)] if part.text.strip() else []
    if isinstance(part, Thinking):
        blocks: list[Fields] = []
        if part.signature:
            blocks.append({"type": "thinking", "thinking": part.text, "signature": part.signature})
        if part.redacted:
            blocks.append({"type": "redacted_thinking", "data": part.redacted})
        return blocks
    if isinstance(part, ToolCall):
        return [{"type": "tool_use", "id": part.id, "name": part.name, "input": _arguments(part, index)}]
    if isinstance(part, ToolResult):
        result: Fields = {"type": "tool_result", "tool_use_id": part.tool_call_id}
        content = [block for inner in part.content for block in _blocks(inner, index)]
        if content:
            result["content"] = content
        if part.is_error:
            result["is_error"] = True
        return [result]
    return [_image(part) if isinstance(part, Image) else _document(part)]


def _text(part: Text) -> Fields:
    return _cached({"type": "text", "text": part.text}, part)


def _image(part: Image) -> Fields:
    source = {"type": "url", "url": part.url} if part.url else {"type": "base64", "media_type": part.media_type, "data": part.data}
    return _cached({"type": "image", "source": source}, part)


def _document(part: Document) -> Fields:
    if part.url:
        source = {"type": "url", "url": part.url}
    elif part.text:
        source = {"type": "text", "media_type": "text/plain", "data": part.text}
    else:
        source = {"type": "base64", "media_type": part.media_type or "application/pdf", "data": part.data}
    block: Fields = {"type": "document", "source": source}
    if part.name:
        block["title"] = part.name
    return _cached(block, part)


def _cached(block: Fields, part: Text | Image | Document) -> Fields:
    if part.cache_control is not None:
        block["cache_control"] = part.cache_control
    return block


def _arguments(call: ToolCall, index: int) -> msgspec.Raw:
    """The arguments as they are, once it is sure that they are one JSON object, which this wire needs."""
    text = call.arguments.strip().encode() or b"{}"
    try:
        _decode_object(text)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest(
            f"messages[{index}].tool_calls: the arguments must be a JSON object for the Anthropic API", param="messages"
        ) from None
    return msgspec.Raw(text)


def _tool(tool: Tool) -> Fields:
    fields: Fields = {"name": tool.name, "input_schema": {"type": "object", **tool.parameters}}
    if tool.description:
        fields["description"] = tool.description
    if tool.strict:
        fields["strict"] = True
    return fields


_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any", "function": "tool"}


def _tool_choice(request: ChatRequest) -> Fields | None:
    choice = request.tool_choice
    single = request.parallel_tool_calls is False
    if choice is None:
        return {"type": "auto", "disable_parallel_tool_use": True} if single else None
    fields: Fields = {"type": _CHOICES[choice.mode]}
    if choice.mode == "function":
        fields["name"] = choice.name
    if single and choice.mode != "none":
        fields["disable_parallel_tool_use"] = True
    return fields


def _put_format(request: ChatRequest, body: Fields, system: list[Fields]) -> None:
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return
    if wanted.type == "json_object":
        system.append({"type": "text", "text": JSON_INSTRUCTION})
        return
    if wanted.json_schema is None:
        raise InvalidRequest("response_format.json_schema: a schema is needed", param="response_format")
    body["output_config"] = {"format": {"type": "json_schema", "schema": _closed(wanted.json_schema)}}


_SCHEMAS_BY_NAME: Final = ("properties", "$defs", "definitions")
_SCHEMA_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")


def _closed(schema: Json) -> Json:
    """The schema with every object closed (`additionalProperties: false`), which structured outputs demand."""
    if not isinstance(schema, dict):
        return schema
    closed = dict(schema)
    for name in _SCHEMAS_BY_NAME:
        inner = closed.get(name)
        if isinstance(inner, dict):
            closed[name] = {key: _closed(value) for key, value in inner.items()}
    for name in _SCHEMA_LISTS:
        variants = closed.get(name)
        if isinstance(variants, list):
            closed[name] = [_closed(variant) for variant in variants]
    if "items" in closed:
        closed["items"] = _closed(closed["items"])
    if closed.get("type") == "object" or "properties" in closed:
        closed["additionalProperties"] = False
    return closed


def _put_thinking(request: ChatRequest, body: Fields, version: tuple[int, int]) -> None:
    effort, budget = request.reasoning_effort, request.thinking_budget_tokens
    if effort is not None and effort != "none" and effort not in EFFORT_BUDGET_TOKENS:
        raise InvalidRequest(f"reasoning_effort: one of none, {', '.join(EFFORT_BUDGET_TOKENS)} is expected", param="reasoning_effort")
    if budget == 0 or (budget is None and effort == "none"):
        body["thinking"] = {"type": "disabled"}
        return
    if version >= _ADAPTIVE and (budget is None or version >= _ADAPTIVE_ONLY):
        if effort is not None and effort != "none":
            config = body.get("output_config")
            body["output_config"] = {**(config if isinstance(config, dict) else {}), "effort": _effort(effort, version)}
        if not _forced(request):
            body["thinking"] = {"type": "adaptive"}
            if request.max_tokens is None:
                body["max_tokens"] = DEFAULT_MAX_TOKENS + EFFORT_BUDGET_TOKENS.get(effort or "", budget or 0)
        return
    # A forced tool, or a running tool call whose thinking is not in the history, makes the API refuse budgeted thinking.
    if _forced(request) or _lacks_thinking(request.messages):
        return
    limit = request.max_tokens
    if budget is not None:
        if budget < MIN_THINKING_TOKENS or (limit is not None and budget >= limit):
            raise InvalidRequest(
                f"thinking_budget_tokens: at least {MIN_THINKING_TOKENS} and less than max_tokens is expected",
                param="thinking_budget_tokens",
            )
    elif effort is not None:
        budget = EFFORT_BUDGET_TOKENS[effort]
        if limit is not None and budget >= limit:
            budget = limit // 2
        if budget < MIN_THINKING_TOKENS:
            return
    if limit is None and budget is not None:
        body["max_tokens"] = DEFAULT_MAX_TOKENS + budget
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _effort(effort: str, version: tuple[int, int]) -> str:
    if effort == "minimal":
        return "low"
    return "high" if effort == "xhigh" and version < _ADAPTIVE_ONLY else effort


def _forced(request: ChatRequest) -> bool:
    return bool(request.tools) and request.tool_choice is not None and request.tool_choice.mode in {"required", "function"}


def _lacks_thinking(messages: tuple[Message, ...]) -> bool:
    """Whether the last assistant turn calls tools and came without a thinking block that could be sent back."""
    for message in reversed(messages):
        if message.role == "assistant":
            parts = message.parts()
            return any(isinstance(part, ToolCall) for part in parts) and not any(
                isinstance(part, Thinking) and (part.signature or part.redacted) for part in parts
            )
    return False


def _put_sampling(request: ChatRequest, body: Fields, version: tuple[int, int]) -> None:
    thinking = body.get("thinking")
    if version >= _ADAPTIVE_ONLY or (isinstance(thinking, dict) and thinking["type"] != "disabled"):
        return
    if request.temperature is not None:
        body["temperature"] = min(request.temperature, MAX_TEMPERATURE)
    if request.top_p is not None and (request.temperature is None or version < _ONE_SAMPLING_FIELD):
        body["top_p"] = request.top_p
