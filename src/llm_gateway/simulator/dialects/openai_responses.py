"""OpenAI's Responses API: unstreamed, and as typed events with sequence numbers.

Source: OpenAI API reference, "Responses" and "Streaming events".
"""

from llm_gateway.simulator.dialects.base import Tape, argument_pieces, list_of, object_of, string_of, text_of, whole_number
from llm_gateway.simulator.exchange import Answer, Bill, Json, JsonObject, Refused, Request, body_of, encode, json_answer
from llm_gateway.simulator.mind import Completion, Prompt, ToolSpec, bill, pieces_of, think
from llm_gateway.simulator.tokens import size_of
from llm_gateway.simulator.world import World

_INPUT_TYPES = ("input_text", "output_text", "input_image", "input_file", "refusal", "summary_text")


def respond(world: World, request: Request) -> Answer:
    """`POST /v1/responses`."""
    body = body_of(request)
    prompt = _prompt(body)
    if not world.knows_model("openai", prompt.model):
        raise Refused(
            404, f"The model `{prompt.model}` does not exist or you do not have access to it.", code="model_not_found", param="model"
        )
    effort = object_of(body.get("reasoning")).get("effort")
    prompt.thinking = prompt.model.startswith(("o1", "o3", "o4", "gpt-5")) and effort not in ("none", "minimal")
    completion = think(prompt, world.replies)
    charged = bill(prompt, completion)
    response = _response(world, request, body, prompt)
    items = _items(request, completion)
    if not body.get("stream"):
        return json_answer(_finished(response, items, completion, charged), bill=charged)
    return _stream(response, items, completion, charged)


def _prompt(body: JsonObject) -> Prompt:
    model = text_of(body, "model")
    instructions = string_of(body.get("instructions"))
    prompt = Prompt("openai", model, "", size_of(instructions), max_tokens=whole_number(body, "max_output_tokens", least=16))
    given = body.get("input")
    if isinstance(given, str):
        prompt.text, prompt.size_bytes = given, prompt.size_bytes + size_of(given)
    elif isinstance(given, list) and given:
        for index, item in enumerate(given):
            _item(object_of(item), prompt, f"input[{index}]")
    else:
        raise Refused(400, "Missing required parameter: 'input'.", code="missing_required_parameter", param="input")
    tools = [object_of(tool) for tool in list_of(body.get("tools"))]
    prompt.tools = [
        ToolSpec(string_of(tool.get("name")), object_of(tool.get("parameters"))) for tool in tools if tool.get("type") == "function"
    ]
    prompt.size_bytes += len(encode(tools)) if tools else 0
    prompt.parallel = body.get("parallel_tool_calls") is not False
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        prompt.tool_mode, prompt.tool_name = "function", string_of(choice.get("name"))
    elif choice == "none":
        prompt.tool_mode = "none"
    elif choice == "required":
        prompt.tool_mode = "required"
    shape = object_of(object_of(body.get("text")).get("format"))
    if shape.get("type") == "json_schema":
        prompt.json_schema = object_of(shape.get("schema"))
    prompt.json_mode = shape.get("type") == "json_object"
    return prompt


def _item(item: JsonObject, prompt: Prompt, at: str) -> None:
    kind = item.get("type", "message")
    if kind == "message":
        text = _content(item.get("content"), prompt, at)
        if item.get("role") == "user":
            prompt.text, prompt.tool_result = text, None
    elif kind == "function_call_output":
        output = item.get("output")
        prompt.tool_result = output if isinstance(output, str) else _content(output, prompt, at)
        prompt.size_bytes += size_of(output) if isinstance(output, str) else 0
    elif kind == "function_call":
        prompt.size_bytes += size_of(string_of(item.get("name"))) + size_of(string_of(item.get("arguments")))
    elif kind not in ("reasoning", "item_reference"):
        raise Refused(400, f"Invalid value: '{kind}'.", param=f"{at}.type")


def _content(content: Json, prompt: Prompt, at: str) -> str:
    if isinstance(content, str):
        prompt.size_bytes += size_of(content)
        return content
    texts: list[str] = []
    for index, part in enumerate(list_of(content)):
        kind = object_of(part).get("type")
        if kind not in _INPUT_TYPES:
            raise Refused(
                400, f"Invalid value: '{kind}'. Supported values are: {', '.join(_INPUT_TYPES)}.", param=f"{at}.content[{index}].type"
            )
        prompt.images += kind == "input_image"
        texts.append(string_of(object_of(part).get("text")))
    prompt.size_bytes += sum(map(size_of, texts))
    return "".join(texts)


def _response(world: World, request: Request, body: JsonObject, prompt: Prompt) -> JsonObject:
    return {
        "id": world.identifier("resp_", request, 48),
        "object": "response",
        "created_at": int(world.wall_s()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": prompt.model,
        "output": [],
        "parallel_tool_calls": prompt.parallel,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": object_of(body.get("reasoning")).get("effort"), "summary": None},
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": list_of(body.get("tools")),
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": object_of(body.get("metadata")),
    }


def _items(request: Request, completion: Completion) -> list[JsonObject]:
    items: list[JsonObject] = []
    if completion.thoughts:
        items.append({"id": f"rs_{request.number:048x}", "type": "reasoning", "summary": []})
    if completion.text or not completion.calls:
        part: JsonObject = {"type": "output_text", "annotations": [], "logprobs": [], "text": completion.text}
        done = "incomplete" if completion.finish == "length" else "completed"
        items.append({"id": f"msg_{request.number:048x}", "type": "message", "status": done, "content": [part], "role": "assistant"})
    for at, call in enumerate(completion.calls):
        items.append(
            {
                "id": f"fc_{request.number:044x}{at:04x}",
                "type": "function_call",
                "status": "completed",
                "arguments": encode(call.arguments).decode(),
                "call_id": f"call_{request.number:020x}{at:04x}",
                "name": call.name,
            }
        )
    return items


def _finished(response: JsonObject, items: list[JsonObject], completion: Completion, charged: Bill) -> JsonObject:
    cut = completion.finish == "length"
    return {
        **response,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [*items],
        "usage": {
            "input_tokens": charged.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": charged.output_tokens,
            "output_tokens_details": {"reasoning_tokens": charged.reasoning_tokens},
            "total_tokens": charged.input_tokens + charged.output_tokens,
        },
    }


class _Events:
    """Numbers the events and writes them on the tape."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._number = 0

    def put(self, name: str, fields: JsonObject, slot: int = 0, size_bytes: int = 0) -> None:
        payload = {"type": name, "sequence_number": self._number, **fields}
        self._tape.add(b"event: " + name.encode() + b"\ndata: " + encode(payload) + b"\n\n", slot, size_bytes)
        self._number += 1


def _stream(response: JsonObject, items: list[JsonObject], completion: Completion, charged: Bill) -> Answer:
    tape = Tape()
    tape.charge(charged.reasoning_tokens)
    events = _Events(tape)
    events.put("response.created", {"response": response})
    events.put("response.in_progress", {"response": response})
    for index, item in enumerate(items):
        if item["type"] == "message":
            _message_events(events, index, item, completion.text)
        elif item["type"] == "function_call":
            _call_events(events, index, item)
        else:
            events.put("response.output_item.added", {"output_index": index, "item": item})
            events.put("response.output_item.done", {"output_index": index, "item": item})
    last = _finished(response, items, completion, charged)
    events.put(f"response.{last['status']}", {"response": last})
    return Answer(200, "text/event-stream; charset=utf-8", tape.pieces, "sse", bill=charged, marks=tape.marks, texts=tape.texts)


def _message_events(events: _Events, index: int, item: JsonObject, text: str) -> None:
    events.put("response.output_item.added", {"output_index": index, "item": {**item, "status": "in_progress", "content": []}})
    place: JsonObject = {"item_id": item["id"], "output_index": index, "content_index": 0}
    empty: JsonObject = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    events.put("response.content_part.added", {**place, "part": empty})
    for piece in pieces_of(text):
        events.put("response.output_text.delta", {**place, "delta": piece, "logprobs": []}, index, size_of(piece))
    events.put("response.output_text.done", {**place, "text": text, "logprobs": []})
    events.put("response.content_part.done", {**place, "part": {**empty, "text": text}})
    events.put("response.output_item.done", {"output_index": index, "item": item})


def _call_events(events: _Events, index: int, item: JsonObject) -> None:
    arguments = string_of(item["arguments"])
    started: JsonObject = {**item, "status": "in_progress", "arguments": ""}
    events.put("response.output_item.added", {"output_index": index, "item": started}, index, size_of(string_of(item["name"])))
    place: JsonObject = {"item_id": item["id"], "output_index": index}
    for piece in argument_pieces(arguments):
        events.put("response.function_call_arguments.delta", {**place, "delta": piece}, index, size_of(piece))
    events.put("response.function_call_arguments.done", {**place, "name": item["name"], "arguments": arguments})
    events.put("response.output_item.done", {"output_index": index, "item": item})
