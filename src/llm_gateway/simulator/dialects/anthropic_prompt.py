"""Reads and checks the body of an Anthropic message.

Source: Anthropic API reference, "Messages", "Tool use", "Prompt caching", "Extended thinking"; the refusals are those
that the real service makes.
"""

from llm_gateway.simulator.dialects.base import list_of, object_of, stops_of, string_of
from llm_gateway.simulator.exchange import Json, JsonObject, Refused, encode, words
from llm_gateway.simulator.mind import Prompt, ToolSpec

_FIELDS = frozenset(
    words(
        "model messages max_tokens system stop_sequences stream temperature top_k top_p tools tool_choice thinking metadata "
        "service_tier container context_management mcp_servers output_config output_format cache_control inference_geo speed"
    )
)
_BLOCKS = frozenset(
    words(
        "text image document tool_use tool_result thinking redacted_thinking search_result server_tool_use web_search_tool_result "
        "container_upload"
    )
)
_MOST_CACHE_MARKS = 4


class Read:
    """A message request understood. `breakpoints` are the bytes of text before each cache mark, with a copy of it."""

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.breakpoints: list[tuple[int, bytes]] = []
        self._seen: list[bytes] = []

    def add(self, text: str, block: JsonObject) -> None:
        """Counts a block's text, and remembers the place when the block carries a cache mark."""
        self._seen.append(text.encode())
        self.prompt.size_bytes += len(self._seen[-1])
        if block.get("cache_control"):
            self.breakpoints.append((self.prompt.size_bytes, b"\x00".join(self._seen)))
            if len(self.breakpoints) > _MOST_CACHE_MARKS:
                raise Refused(400, "A maximum of 4 blocks with cache_control may be provided.")


def read(body: JsonObject, *, counting: bool = False) -> Read:
    """The request understood. Raises `Refused` 400 as the vendor would; `counting` asks for no `max_tokens`."""
    unknown = body.keys() - _FIELDS
    if unknown:
        raise Refused(400, f"{min(unknown)}: Extra inputs are not permitted")
    model, limit, messages = body.get("model"), body.get("max_tokens"), body.get("messages")
    if not isinstance(model, str) or not model:
        raise Refused(400, "model: Field required")
    if limit is None and not counting:
        raise Refused(400, "max_tokens: Field required")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise Refused(400, "max_tokens: Input should be greater than or equal to 1")
    if not isinstance(messages, list):
        raise Refused(400, "messages: Field required")
    if not messages:
        raise Refused(400, "messages: at least one message is required")
    temperature = body.get("temperature")
    if temperature is not None and (not isinstance(temperature, int | float) or not 0 <= temperature <= 1):
        raise Refused(400, "temperature: Input should be less than or equal to 1")
    found = Read(Prompt("anthropic", model, "", 0, max_tokens=limit, stop=stops_of(body.get("stop_sequences")), lead_in=True))
    _tools(body, found)
    _system(body.get("system"), found)
    _messages(messages, found)
    _thinking(body, found, limit)
    _format(body, found.prompt)
    return found


def _tools(body: JsonObject, found: Read) -> None:
    tools, choice = list_of(body.get("tools")), object_of(body.get("tool_choice"))
    specs: list[ToolSpec] = []
    for index, tool in enumerate(map(object_of, tools)):
        name = string_of(tool.get("name"))
        if not name:
            raise Refused(400, f"tools.{index}.name: Field required")
        own = tool.get("type", "custom") in (None, "custom")
        if own and "input_schema" not in tool:
            raise Refused(400, f"tools.{index}.custom.input_schema: Field required")
        if own:
            specs.append(ToolSpec(name, object_of(tool.get("input_schema"))))
        found.add(encode(tool).decode(), tool)
    prompt, mode = found.prompt, choice.get("type", "auto")
    prompt.tools = specs
    prompt.parallel = choice.get("disable_parallel_tool_use") is not True
    if choice and not tools:
        raise Refused(400, "tool_choice may only be specified while providing tools.")
    if mode == "tool":
        prompt.tool_mode, prompt.tool_name = "function", string_of(choice.get("name"))
        if prompt.tool_name not in [spec.name for spec in specs]:
            raise Refused(400, f"Tool '{prompt.tool_name}' not found in provided tools")
    elif mode == "any":
        prompt.tool_mode = "required"
    elif mode == "none":
        prompt.tool_mode = "none"
    elif mode != "auto":
        raise Refused(
            400,
            f"tool_choice: Input tag '{mode}' found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'",
        )


def _system(system: Json, found: Read) -> None:
    if isinstance(system, str):
        found.add(system, {})
    elif system is not None:
        for index, block in enumerate(list_of(system)):
            if object_of(block).get("type") != "text":
                raise Refused(400, f"system.{index}.type: Input should be 'text'")
            found.add(string_of(object_of(block).get("text")), object_of(block))


def _messages(messages: list[Json], found: Read) -> None:
    waiting: list[str] = []
    for index, message in enumerate(map(object_of, messages)):
        role, content = message.get("role"), message.get("content")
        if role == "system":
            hint = 'The Messages API accepts a top-level `system` parameter, not "system" as an input message role.'
            raise Refused(400, f'messages.{index}: Unexpected role "system". {hint}')
        if role not in ("user", "assistant"):
            raise Refused(400, f"messages.{index}.role: Input should be 'user' or 'assistant'")
        if index == 0 and role != "user":
            raise Refused(400, 'messages: first message must use the "user" role')
        blocks: list[Json] = [{"type": "text", "text": content}] if isinstance(content, str) else list_of(content)
        if not blocks or content == "":
            raise Refused(
                400, f"messages.{index}: all messages must have non-empty content except for the optional final assistant message"
            )
        waiting = _turn(blocks, str(role), waiting, index, found)
    if waiting:
        raise Refused(400, f"messages: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(waiting)}.")


def _turn(blocks: list[Json], role: str, waiting: list[str], index: int, found: Read) -> list[str]:
    """Reads one turn; returns the tool calls that the next turn must answer."""
    prompt, opened, texts = found.prompt, [], []
    if role == "user":
        prompt.tool_result = None
    for at, block in enumerate(map(object_of, blocks)):
        kind = string_of(block.get("type"))
        if kind not in _BLOCKS:
            raise Refused(
                400, f"messages.{index}.content.{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
            )
        if kind == "tool_result":
            call_id = string_of(block.get("tool_use_id"))
            if call_id not in waiting:
                raise Refused(400, f"messages.{index}.content.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {call_id}.")
            waiting.remove(call_id)
            prompt.tool_result = _result_text(block.get("content"), prompt)
            found.add(prompt.tool_result, block)
        elif kind == "tool_use":
            if not isinstance(block.get("input"), dict):
                raise Refused(400, f"messages.{index}.content.{at}.tool_use.input: Input should be a valid dictionary")
            opened.append(string_of(block.get("id")))
            found.add(string_of(block.get("name")) + encode(block["input"]).decode(), block)
        elif kind == "text":
            text = string_of(block.get("text"))
            if not text:
                raise Refused(400, "messages: text content blocks must be non-empty")
            texts.append(text)
            found.add(text, block)
        elif kind == "thinking":
            if not string_of(block.get("signature")):
                raise Refused(400, f"messages.{index}.content.{at}.thinking.signature: Field required")
            found.add(string_of(block.get("thinking")), block)
        else:
            prompt.images += kind == "image"
            found.add("", block)
    if waiting:
        raise Refused(
            400, f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(waiting)}."
        )
    if role == "user" and texts:
        prompt.text = "\n".join(texts)
    return opened


def _result_text(content: Json, prompt: Prompt) -> str:
    if isinstance(content, str):
        return content
    parts = [object_of(part) for part in list_of(content)]
    prompt.images += sum(part.get("type") == "image" for part in parts)
    return "".join(string_of(part.get("text")) for part in parts)


def _thinking(body: JsonObject, found: Read, limit: int | None) -> None:
    thinking = object_of(body.get("thinking"))
    kind = thinking.get("type", "disabled")
    if kind == "disabled":
        return
    if kind not in ("enabled", "adaptive"):
        raise Refused(400, "thinking.type: Input should be 'enabled', 'disabled' or 'adaptive'")
    budget = thinking.get("budget_tokens")
    if kind == "enabled":
        if not isinstance(budget, int) or budget < 1024:
            raise Refused(400, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if limit is not None and budget >= limit:
            raise Refused(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    if body.get("temperature") not in (None, 1):
        raise Refused(400, "`temperature` may only be set to 1 when thinking is enabled.")
    if found.prompt.tool_mode in ("required", "function"):
        raise Refused(400, "Thinking may not be enabled when tool_choice forces tool use.")
    found.prompt.thinking = True


def _format(body: JsonObject, prompt: Prompt) -> None:
    shape = object_of(body.get("output_format")) or object_of(object_of(body.get("output_config")).get("format"))
    if shape.get("type") == "json_schema":
        prompt.json_schema = object_of(shape.get("schema"))
