"""Reads and checks the body of a Bedrock Converse call.

Source: Amazon Bedrock API reference, "Converse"; the refusals are those that the real service makes.
"""

import re

import msgspec

from llm_gateway.simulator.dialects.base import list_of, number_between, object_of, stops_of, string_of, whole_number
from llm_gateway.simulator.exchange import JsonObject, Refused, decode, encode, words
from llm_gateway.simulator.mind import Prompt, ToolSpec
from llm_gateway.simulator.tokens import size_of

_FIELDS = frozenset(
    words(
        "messages system inferenceConfig toolConfig guardrailConfig additionalModelRequestFields promptVariables "
        "additionalModelResponseFieldPaths requestMetadata performanceConfig serviceTier outputConfig"
    )
)
_INFERENCE = frozenset(("maxTokens", "temperature", "topP", "stopSequences"))
_DOCUMENT_NAME = re.compile(r"(?!.*\s{2})[A-Za-z0-9\s\-()\[\]]{1,200}\Z")


def converse_prompt(model: str, body: JsonObject) -> Prompt:
    """The prompt of a Converse call. Raises `Refused` 400 as the service would."""
    unknown = body.keys() - _FIELDS
    if unknown:
        raise Refused(400, f"The request field {min(unknown)} is not known to this operation.")
    inference = object_of(body.get("inferenceConfig"))
    if inference.keys() - _INFERENCE:
        raise Refused(400, f"The field inferenceConfig.{min(inference.keys() - _INFERENCE)} is not known to this operation.")
    prompt = Prompt(
        "bedrock_native", model, "", 0, max_tokens=whole_number(inference, "maxTokens"), stop=stops_of(inference.get("stopSequences"))
    )
    number_between(inference, "temperature", 0, 1)
    number_between(inference, "topP", 0, 1)
    prompt.size_bytes = sum(size_of(string_of(object_of(block).get("text"))) for block in list_of(body.get("system")))
    _tools(body, prompt)
    _messages(body, prompt)
    extra = object_of(object_of(body.get("additionalModelRequestFields")).get("thinking"))
    prompt.thinking = extra.get("type") in ("enabled", "adaptive")
    shape = object_of(object_of(object_of(object_of(body.get("outputConfig")).get("textFormat")).get("structure")).get("jsonSchema"))
    if "schema" in shape:
        prompt.json_schema = _schema(string_of(shape["schema"]))
    return prompt


def _schema(text: str) -> JsonObject:
    """A JSON schema that travels as text."""
    try:
        return object_of(decode(text))
    except msgspec.DecodeError:
        raise Refused(400, "The schema of outputConfig.textFormat is not valid JSON.") from None


def _tools(body: JsonObject, prompt: Prompt) -> None:
    config = object_of(body.get("toolConfig"))
    if "toolConfig" not in body:
        return
    if not list_of(config.get("tools")):
        raise Refused(400, "The value at toolConfig.tools must have at least one member.")
    specs: list[ToolSpec] = []
    for index, tool in enumerate(map(object_of, list_of(config.get("tools")))):
        spec = object_of(tool.get("toolSpec"))
        if "toolSpec" in tool:
            schema = object_of(spec.get("inputSchema")).get("json")
            if not string_of(spec.get("name")) or not isinstance(schema, dict):
                raise Refused(400, f"The value at toolConfig.tools.{index}.toolSpec must have a name and inputSchema.json.")
            specs.append(ToolSpec(string_of(spec["name"]), schema))
    prompt.tools = specs
    prompt.size_bytes += len(encode(config["tools"]))
    choice = object_of(config.get("toolChoice"))
    if "any" in choice:
        prompt.tool_mode = "required"
    elif "tool" in choice:
        prompt.tool_mode, prompt.tool_name = "function", string_of(object_of(choice["tool"]).get("name"))


def _messages(body: JsonObject, prompt: Prompt) -> None:
    messages = [object_of(message) for message in list_of(body.get("messages"))]
    if not messages:
        raise Refused(400, "A conversation must have at least one message.")
    previous, waiting = "", set[str]()
    for index, message in enumerate(messages):
        role = string_of(message.get("role"))
        if role not in ("user", "assistant"):
            raise Refused(400, f"Value '{role}' at 'messages.{index}.role' failed to satisfy enum value set: [user, assistant]")
        if index == 0 and role != "user":
            raise Refused(
                400, "A conversation must start with a user message. Try again with a conversation that starts with a user message."
            )
        if role == previous:
            raise Refused(
                400, "A conversation must alternate between user and assistant roles. Make sure the conversation alternates and try again."
            )
        previous = role
        waiting = _turn(message, role, waiting, index, prompt)
    if waiting:
        raise Refused(
            400, f"Expected toolResult blocks at messages.{len(messages)}.content for the following Ids: {', '.join(sorted(waiting))}"
        )


def _turn(message: JsonObject, role: str, waiting: set[str], index: int, prompt: Prompt) -> set[str]:
    """Reads one turn; returns the tool calls that the next turn must answer."""
    blocks = [object_of(block) for block in list_of(message.get("content"))]
    if not blocks:
        raise Refused(
            400, f"The content field in the Message object at messages.{index} is empty. Add a ContentBlock object and try again."
        )
    opened, texts = set[str](), []
    if role == "user":
        prompt.tool_result = None
    for at, block in enumerate(blocks):
        if ("toolUse" in block or "toolResult" in block) and not prompt.tools:
            raise Refused(400, "The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        if "text" in block:
            text = string_of(block["text"])
            if not text.strip():
                raise Refused(
                    400, f"The text field in the ContentBlock object at messages.{index}.content.{at} is blank. Add text and try again."
                )
            texts.append(text)
            prompt.size_bytes += size_of(text)
        elif "toolUse" in block:
            use = object_of(block["toolUse"])
            if not isinstance(use.get("input"), dict):
                raise Refused(
                    400, f"The format of the value at messages.{index}.content.{at}.toolUse.input is invalid. Provide a json object."
                )
            opened.add(string_of(use.get("toolUseId")))
            prompt.size_bytes += size_of(string_of(use.get("name"))) + len(encode(use["input"]))
        elif "toolResult" in block:
            result = object_of(block["toolResult"])
            call_id = string_of(result.get("toolUseId"))
            if call_id not in waiting:
                raise Refused(400, "The number of toolResult blocks exceeds the number of toolUse blocks of previous turn.")
            waiting.discard(call_id)
            prompt.tool_result = _result_text(result)
            prompt.size_bytes += size_of(prompt.tool_result)
        elif "document" in block:
            _document(object_of(block["document"]))
        prompt.images += "image" in block
    if waiting:
        raise Refused(400, f"Expected toolResult blocks at messages.{index}.content for the following Ids: {', '.join(sorted(waiting))}")
    if role == "user" and texts:
        prompt.text = "\n".join(texts)
    return opened


def _document(document: JsonObject) -> None:
    if _DOCUMENT_NAME.match(string_of(document.get("name"))) is None:
        raise Refused(
            400,
            "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, "
            "and square brackets. The name can't contain more than one consecutive whitespace character.",
        )


def _result_text(result: JsonObject) -> str:
    parts = [object_of(part) for part in list_of(result.get("content"))]
    return "".join(string_of(part.get("text")) or (encode(part["json"]).decode() if "json" in part else "") for part in parts)
