"""Reads and checks the body of a chat completion, for the vendors that speak OpenAI's form.

Source: OpenAI API reference, "Create chat completion"; the refusals are those that the real service makes.
"""

from llm_gateway.simulator.dialects.base import list_of, number_between, object_of, stops_of, string_of, text_of, whole_number
from llm_gateway.simulator.exchange import Json, JsonObject, Kind, Refused, encode, words
from llm_gateway.simulator.mind import Prompt, ToolMode, ToolSpec
from llm_gateway.simulator.tokens import size_of

_ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))
_PART_TYPES = frozenset(("text", "image_url", "input_audio", "file", "refusal"))
KNOWN_FIELDS = frozenset(
    words(
        "messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens metadata "
        "modalities n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_retention reasoning_effort "
        "response_format safety_identifier seed service_tier stop store stream stream_options temperature tool_choice tools "
        "top_logprobs top_p user verbosity web_search_options"
    )
)


class _Reading:
    """What has been gathered from the messages so far."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.images = 0
        self.text = ""
        self.tool_result: str | None = None
        self.open_calls: list[str] = []

    def content(self, content: Json, at: str) -> str:
        if isinstance(content, str):
            self.size_bytes += size_of(content)
            return content
        if not isinstance(content, list):
            raise Refused(400, f"Invalid value for 'content': expected a string, got {type(content).__name__}.", param=f"{at}.content")
        texts: list[str] = []
        for index, part in enumerate(content):
            kind = string_of(object_of(part).get("type"))
            if kind not in _PART_TYPES:
                raise Refused(
                    400, f"Invalid value: '{kind}'. Supported values are: {sorted(_PART_TYPES)}.", param=f"{at}.content[{index}].type"
                )
            text = string_of(object_of(part).get("text" if kind == "text" else "refusal"))
            self.images += kind == "image_url"
            self.size_bytes += size_of(text)
            texts.append(text)
        return "".join(texts)

    def message(self, message: Json, index: int) -> None:
        at = f"messages[{index}]"
        if not isinstance(message, dict):
            raise Refused(400, f"Invalid type for '{at}': expected an object.", param=at)
        role = message.get("role")
        if role not in _ROLES:
            raise Refused(400, f"Invalid value: '{role}'. Supported values are: {sorted(_ROLES)}.", param=f"{at}.role")
        if role == "tool":
            self._tool_answer(message, at, index)
        elif self.open_calls:
            raise Refused(
                400,
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
                f"The following tool_call_ids did not have response messages: {', '.join(self.open_calls)}",
                param=at,
            )
        calls = list_of(message.get("tool_calls"))
        content = message.get("content")
        text = "" if content is None and role == "assistant" else self.content(content, at)
        if role == "tool":
            self.tool_result = text
        elif role == "user":
            self.text, self.tool_result = text, None
        elif role == "assistant":
            self.tool_result = None
            self._calls(calls, at)

    def _tool_answer(self, message: JsonObject, at: str, index: int) -> None:
        call_id = string_of(message.get("tool_call_id"))
        if call_id not in self.open_calls:
            raise Refused(
                400,
                f"Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls' ({index}).",
                param=f"{at}.role",
            )
        self.open_calls.remove(call_id)

    def _calls(self, calls: list[Json], at: str) -> None:
        for index, call in enumerate(calls):
            function = object_of(object_of(call).get("function"))
            name, arguments = function.get("name"), function.get("arguments")
            if not isinstance(name, str) or not isinstance(arguments, str):
                raise Refused(
                    400, "Invalid type for 'function.arguments': expected a string.", param=f"{at}.tool_calls[{index}].function.arguments"
                )
            self.size_bytes += size_of(name) + size_of(arguments)
            self.open_calls.append(string_of(object_of(call).get("id")))


def chat_prompt(kind: Kind, body: JsonObject) -> Prompt:
    """The prompt of a chat completion. Raises `Refused` 400 as the vendor would."""
    model = text_of(body, "model")
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise Refused(400, "Missing required parameter: 'messages'.", code="missing_required_parameter", param="messages")
    if not messages:
        raise Refused(
            400, "Invalid 'messages': empty array. Expected an array with minimum length 1.", code="empty_array", param="messages"
        )
    reading = _Reading()
    for index, message in enumerate(messages):
        reading.message(message, index)
    if reading.open_calls:
        raise Refused(400, f"The following tool_call_ids did not have response messages: {', '.join(reading.open_calls)}", param="messages")
    number_between(body, "temperature", 0, 2)
    number_between(body, "top_p", 0, 1)
    for penalty in ("frequency_penalty", "presence_penalty"):
        number_between(body, penalty, -2, 2)
    prompt = Prompt(
        kind, model, reading.text, reading.size_bytes, reading.images, tool_result=reading.tool_result, stop=stops_of(body.get("stop"))
    )
    prompt.max_tokens = whole_number(body, "max_completion_tokens")
    if prompt.max_tokens is None:
        prompt.max_tokens = whole_number(body, "max_tokens")
    elif body.get("max_tokens") is not None:
        raise Refused(400, "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", param="max_tokens")
    if len(prompt.stop) > 4:
        raise Refused(400, "Invalid 'stop': array too long. Expected an array with maximum length 4.", param="stop")
    _tools(body, prompt)
    _format(body, prompt)
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Refused(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise Refused(400, "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", param="top_logprobs")
    return prompt


def _tools(body: JsonObject, prompt: Prompt) -> None:
    if "tools" not in body or body["tools"] is None:
        for field in ("tool_choice", "parallel_tool_calls"):
            if body.get(field) is not None and (field, body[field]) != ("tool_choice", "none"):
                raise Refused(400, f"'{field}' is only allowed when 'tools' are specified.", param=field)
        return
    tools = body["tools"]
    if not isinstance(tools, list) or not tools:
        raise Refused(400, "Invalid 'tools': empty array. Expected an array with minimum length 1.", code="empty_array", param="tools")
    specs: list[ToolSpec] = []
    for index, tool in enumerate(tools):
        function = object_of(object_of(tool).get("function"))
        name = function.get("name")
        if object_of(tool).get("type") != "function" or not isinstance(name, str) or not name:
            raise Refused(400, f"Missing required parameter: 'tools[{index}].function.name'.", param=f"tools[{index}].function")
        specs.append(ToolSpec(name, object_of(function.get("parameters"))))
    prompt.tools = specs
    prompt.size_bytes += len(encode(tools))
    prompt.parallel = body.get("parallel_tool_calls") is not False
    prompt.tool_mode, prompt.tool_name = _tool_choice(body.get("tool_choice"), specs)


def _tool_choice(choice: Json, specs: list[ToolSpec]) -> tuple[ToolMode, str]:
    if choice in (None, "auto"):
        return "auto", ""
    if choice == "none":
        return "none", ""
    if choice == "required":
        return "required", ""
    name = string_of(object_of(object_of(choice).get("function")).get("name"))
    if name not in [spec.name for spec in specs]:
        raise Refused(400, f"Invalid value for 'tool_choice': tool '{name}' is not among the 'tools'.", param="tool_choice")
    return "function", name


def _format(body: JsonObject, prompt: Prompt) -> None:
    wanted = object_of(body.get("response_format"))
    kind = wanted.get("type", "text")
    if kind == "json_schema":
        described = object_of(wanted.get("json_schema"))
        if not string_of(described.get("name")):
            raise Refused(400, "Missing required parameter: 'response_format.json_schema.name'.", param="response_format.json_schema.name")
        prompt.json_schema = object_of(described.get("schema"))
        prompt.size_bytes += len(encode(prompt.json_schema))
    elif kind == "json_object":
        if "json" not in str(body.get("messages")).lower():
            raise Refused(
                400,
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                param="messages",
            )
        prompt.json_mode = True
    elif kind != "text":
        raise Refused(
            400, f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and 'text'.", param="response_format.type"
        )
