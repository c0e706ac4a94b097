"""How each ingress says what the conformance page asks of it, and how its answers are read. Plain JSON: no client stands between."""

import base64
import json
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.support import Answer

Body = dict[str, Any]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
QUESTION = "Tell me of qubits"
IN_JSON = "Answer in JSON: what is a qubit?"
ONE_TOOL = "Call get_weather for Paris"
TWO_TOOLS = "Call get_weather for Paris, and get_time for Rome"
PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "inhabitants": {"type": "integer"}},
    "required": ["name", "inhabitants"],
    "additionalProperties": False,
}
MARK = {"type": "ephemeral"}
USER = "user-0815"
TERSE = "Answer tersely."
SUNNY = "sunny in Paris"


class Outcome(NamedTuple):
    """What a caller got. `failed`: the stream told of an error, and had no end."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    tokens: int = 0
    logprobs: bool = False
    answers: int = 1
    vectors: tuple[tuple[float, ...], ...] = ()
    failed: bool = False


class Told(NamedTuple):
    """An error as a caller reads it."""

    message: str
    code: str


class Ingress(NamedTuple):
    """One endpoint: `says` gives the further fields of a feature (None: it cannot be said), `base` those of every request."""

    title: str
    path: str
    protocol: str
    base: Callable[[str, str], Body]
    says: dict[str, Body]
    whole: Callable[[Any], Outcome]
    events: Callable[[str], Outcome]
    error: Callable[[Any], Told]
    embeds: bool = False

    def asked(self, key: str, model: str) -> Body | None:
        """The body that asks for a feature."""
        if key not in self.says:
            return None
        text = {"tools": ONE_TOOL, "forced": ONE_TOOL, "single": ONE_TOOL, "parallel": TWO_TOOLS}.get(key, QUESTION)
        return {**self.base(model, text), **self.says[key]}

    def read(self, answer: Answer, *, streamed: bool) -> Outcome:
        """What an answer says."""
        return self.events(answer.body.decode()) if streamed else self.whole(answer.json)


def frames(body: str) -> list[Any]:
    """The JSON documents of server-sent events; `None` stands for `[DONE]`."""
    data = [line[5:].strip() for line in body.split("\n") if line.startswith("data:")]
    return [None if text == "[DONE]" else json.loads(text) for text in data]


# --- OpenAI -----------------------------------------------------------------------------------------------------------


def _openai_error(document: Any) -> Told:
    error = document["error"]
    return Told(error["message"], error["code"] or error["param"] or error["type"])


def _chat_whole(document: Any) -> Outcome:
    choices = document["choices"]
    message = choices[0]["message"]
    calls = tuple((call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls") or ())
    tokens = document.get("usage", {}).get("completion_tokens", 0)
    return Outcome(message["content"] or "", calls, tokens, bool((choices[0].get("logprobs") or {}).get("content")), len(choices))


def _chat_events(body: str) -> Outcome:
    found = frames(body)
    deltas = [choice["delta"] for frame in found if frame and "choices" in frame for choice in frame["choices"]]
    failed = any(frame is not None and "error" in frame for frame in found)
    assert failed is (found[-1] is not None), "an error and an end, or neither"
    return Outcome("".join(delta.get("content") or "" for delta in deltas), failed=failed)


def _function(name: str) -> Body:
    return {"type": "function", "function": {"name": name, "description": f"{name} of a city", "parameters": PLACE}}


_CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
_CHAT: dict[str, Body] = {
    "text": {},
    "stream": {"stream": True},
    "usage": {},
    "system": {"messages": [{"role": "system", "content": TERSE}, {"role": "user", "content": QUESTION}]},
    "tools": {"tools": [_function("get_weather")]},
    "parallel": {"tools": [_function("get_weather"), _function("get_time")]},
    "single": {"tools": [_function("get_weather")], "parallel_tool_calls": False},
    "forced": {"tools": [_function("get_weather")], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
    "results": {
        "tools": [_function("get_weather")],
        "messages": [
            {"role": "user", "content": ONE_TOOL},
            {"role": "assistant", "content": None, "tool_calls": [_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": SUNNY},
        ],
    },
    "images": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": QUESTION},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                ],
            }
        ]
    },
    "json_object": {
        "response_format": {"type": "json_object"},
        "messages": [{"role": "user", "content": IN_JSON}],
    },
    "json_schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY, "strict": True}}},
    "stop": {"stop": ["zebra"]},
    "seed": {"seed": 7},
    "temperature": {"temperature": 1.5},
    "penalty": {"frequency_penalty": 0.5},
    "logprobs": {"logprobs": True},
    "n": {"n": 2},
    "effort": {"reasoning_effort": "low"},
    "user": {"user": USER},
    "refusal": {},
    "cut": {"stream": True},
}


def _chat_base(model: str, text: str) -> Body:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


def _completion_whole(document: Any) -> Outcome:
    return Outcome(document["choices"][0]["text"], tokens=document["usage"]["completion_tokens"], answers=len(document["choices"]))


def _completion_events(body: str) -> Outcome:
    found = frames(body)
    failed = any(frame is not None and "error" in frame for frame in found)
    assert failed is (found[-1] is not None)
    return Outcome("".join(choice["text"] for frame in found if frame and "choices" in frame for choice in frame["choices"]), failed=failed)


_COMPLETIONS = {
    key: _CHAT[key] for key in ("text", "stream", "usage", "stop", "seed", "temperature", "penalty", "n", "user", "refusal", "cut")
}


def _responses_whole(document: Any) -> Outcome:
    items = document["output"]
    text = "".join(part.get("text", "") for item in items if item["type"] == "message" for part in item["content"])
    calls = tuple((item["name"], item["arguments"]) for item in items if item["type"] == "function_call")
    return Outcome(text, calls, document["usage"]["output_tokens"])


def _responses_events(body: str) -> Outcome:
    found = frames(body)
    numbers = [frame["sequence_number"] for frame in found]
    assert numbers == list(range(len(numbers)))
    text = "".join(frame["delta"] for frame in found if frame["type"] == "response.output_text.delta")
    return Outcome(text, failed=found[-1]["type"] in {"response.failed", "error"})


def _responses_function(name: str) -> Body:
    return {"type": "function", "name": name, "description": f"{name} of a city", "parameters": PLACE}


_RESPONSES: dict[str, Body] = {
    "text": {},
    "stream": {"stream": True},
    "usage": {},
    "system": {"instructions": TERSE},
    "tools": {"tools": [_responses_function("get_weather")]},
    "parallel": {"tools": [_responses_function("get_weather"), _responses_function("get_time")]},
    "single": {"tools": [_responses_function("get_weather")], "parallel_tool_calls": False},
    "forced": {"tools": [_responses_function("get_weather")], "tool_choice": {"type": "function", "name": "get_weather"}},
    "results": {
        "tools": [_responses_function("get_weather")],
        "input": [
            {"role": "user", "content": ONE_TOOL},
            {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Paris"}'},
            {"type": "function_call_output", "call_id": "call_1", "output": SUNNY},
        ],
    },
    "images": {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": QUESTION},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
                ],
            }
        ]
    },
    "json_object": {"text": {"format": {"type": "json_object"}}, "input": IN_JSON},
    "json_schema": {"text": {"format": {"type": "json_schema", "name": "city", "schema": CITY, "strict": True}}},
    "temperature": {"temperature": 1.5},
    "effort": {"reasoning": {"effort": "low"}},
    "user": {"user": USER},
    "refusal": {},
    "cut": {"stream": True},
}


def _openai_vectors(document: Any) -> Outcome:
    vectors: list[tuple[float, ...]] = []
    for item in document["data"]:
        given = item["embedding"]
        if isinstance(given, str):
            raw = base64.b64decode(given)
            given = struct.unpack(f"<{len(raw) // 4}f", raw)
        vectors.append(tuple(given))
    return Outcome(tokens=document["usage"]["prompt_tokens"], vectors=tuple(vectors))


def _no_events(body: str) -> Outcome:
    raise AssertionError("this endpoint does not stream")


# --- Anthropic --------------------------------------------------------------------------------------------------------


def _anthropic_error(document: Any) -> Told:
    error = document["error"]
    return Told(error["message"], error.get("details", {}).get("error_code", "") or error["type"])


def _message_whole(document: Any) -> Outcome:
    content = document["content"]
    calls = tuple((block["name"], json.dumps(block["input"])) for block in content if block["type"] == "tool_use")
    return Outcome("".join(block.get("text", "") for block in content), calls, document["usage"]["output_tokens"])


def _message_events(body: str) -> Outcome:
    found = frames(body)
    failed = any(frame["type"] == "error" for frame in found)
    assert failed is (found[-1]["type"] != "message_stop")
    return Outcome("".join(frame["delta"].get("text", "") for frame in found if frame["type"] == "content_block_delta"), failed=failed)


def _anthropic_tool(name: str) -> Body:
    return {"name": name, "description": f"{name} of a city", "input_schema": PLACE}


_MESSAGES: dict[str, Body] = {
    "text": {},
    "stream": {"stream": True},
    "usage": {},
    "system": {"system": [{"type": "text", "text": TERSE}]},
    "tools": {"tools": [_anthropic_tool("get_weather")]},
    "parallel": {"tools": [_anthropic_tool("get_weather"), _anthropic_tool("get_time")]},
    "single": {"tools": [_anthropic_tool("get_weather")], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    "forced": {"tools": [_anthropic_tool("get_weather")], "tool_choice": {"type": "tool", "name": "get_weather"}},
    "results": {
        "tools": [_anthropic_tool("get_weather")],
        "messages": [
            {"role": "user", "content": ONE_TOOL},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": SUNNY}]},
        ],
    },
    "images": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": QUESTION},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                ],
            }
        ]
    },
    "json_schema": {"output_config": {"format": {"type": "json_schema", "schema": CITY}}},
    "stop": {"stop_sequences": ["zebra"]},
    "effort": {"output_config": {"effort": "low"}},
    "budget": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    "cache": {"system": [{"type": "text", "text": TERSE, "cache_control": MARK}]},
    "user": {"metadata": {"user_id": USER}},
    "refusal": {},
    "cut": {"stream": True},
}


def _message_base(model: str, text: str) -> Body:
    return {"model": model, "max_tokens": 2048, "messages": [{"role": "user", "content": text}]}


# --- Ollama -----------------------------------------------------------------------------------------------------------


def _ollama_error(document: Any) -> Told:
    return Told(document["error"], "")


def _ollama_whole(document: Any) -> Outcome:
    message = document.get("message", {"content": document.get("response", "")})
    calls = tuple((call["function"]["name"], json.dumps(call["function"]["arguments"])) for call in message.get("tool_calls") or ())
    return Outcome(message["content"], calls, document.get("eval_count", 0), bool(document.get("logprobs")))


def _ollama_events(body: str) -> Outcome:
    lines = [json.loads(line) for line in body.splitlines() if line]
    failed = any("error" in line for line in lines)
    assert failed is not lines[-1].get("done", False)
    said = (line.get("message", {}).get("content", "") or line.get("response", "") for line in lines)
    return Outcome("".join(said), failed=failed)


_OLLAMA: dict[str, Body] = {
    "text": {},
    "stream": {"stream": True},
    "usage": {},
    "system": {"messages": [{"role": "system", "content": TERSE}, {"role": "user", "content": QUESTION}]},
    "tools": {"tools": [_function("get_weather")]},
    "parallel": {"tools": [_function("get_weather"), _function("get_time")]},
    "results": {
        "tools": [_function("get_weather")],
        "messages": [
            {"role": "user", "content": ONE_TOOL},
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}]},
            {"role": "tool", "tool_name": "get_weather", "content": SUNNY},
        ],
    },
    "images": {"messages": [{"role": "user", "content": QUESTION, "images": [PIXEL]}]},
    "json_object": {"format": "json", "messages": [{"role": "user", "content": IN_JSON}]},
    "json_schema": {"format": CITY},
    "stop": {"options": {"stop": ["zebra"]}},
    "seed": {"options": {"seed": 7}},
    "temperature": {"options": {"temperature": 1.5}},
    "penalty": {"options": {"frequency_penalty": 0.5}},
    "logprobs": {"logprobs": True},
    "effort": {"think": "low"},
    "refusal": {},
    "cut": {"stream": True},
}


def _ollama_base(model: str, text: str) -> Body:
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": False}


_GENERATE = {
    **{key: value for key, value in _OLLAMA.items() if "messages" not in value and "tools" not in value},
    "system": {"system": TERSE},
    "images": {"images": [PIXEL]},
    "json_object": {"format": "json", "prompt": IN_JSON},
}


def _ollama_vectors(document: Any) -> Outcome:
    return Outcome(tokens=document.get("prompt_eval_count", 0), vectors=tuple(map(tuple, document["embeddings"])))


# --- native -----------------------------------------------------------------------------------------------------------


def _native_error(document: Any) -> Told:
    error = document["error"]
    return Told(error["message"], error["code"] or error["param"] or error["type"])


def _native_whole(document: Any) -> Outcome:
    calls = tuple((call["name"], call["arguments"]) for call in document.get("tool_calls", ()))
    return Outcome(document["response"], calls, document["usage"]["output_tokens"])


def _native_events(body: str) -> Outcome:
    found = frames(body)
    failed = any(frame is not None and "error" in frame for frame in found)
    assert failed is (found[-1] is not None)
    return Outcome("".join(frame.get("chunk", "") for frame in found if frame), failed=failed)


_NATIVE: dict[str, Body] = {
    "text": {},
    "usage": {},
    "system": {"context": TERSE},
    "tools": {"tools": [_function("get_weather")]},
    "parallel": {"tools": [_function("get_weather"), _function("get_time")]},
    "images": {"images": [f"data:image/png;base64,{PIXEL}"]},
    "json_object": {"response_format": {"type": "json_object"}, "prompt": IN_JSON},
    "json_schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}},
    "stop": {"stop": ["zebra"]},
    "seed": {"seed": 7},
    "temperature": {"temperature": 1.5},
    "refusal": {},
}


def _native_base(model: str, text: str) -> Body:
    return {"model": model, "prompt": text}


def _native_vectors(document: Any) -> Outcome:
    found = document["embeddings"]
    vectors = found if isinstance(found[0], list) else [found]
    return Outcome(tokens=document["usage"]["input_tokens"], vectors=tuple(map(tuple, vectors)))


_OPENAI_EMBEDDINGS: dict[str, Body] = {
    "one": {"input": "one"}, "many": {"input": ["one", "two"]}, "embed_usage": {"input": "one"},
    "dimensions": {"input": "one", "dimensions": 256}, "base64": {"input": "one", "encoding_format": "base64"},
}  # fmt: skip
_PLAIN_EMBEDDINGS = {key: value for key, value in _OPENAI_EMBEDDINGS.items() if key != "base64"}
_NATIVE_EMBEDDINGS = {
    key: {("text" if name == "input" else name): value for name, value in fields.items()} for key, fields in _PLAIN_EMBEDDINGS.items()
}

INGRESSES = (
    Ingress("OpenAI chat completions", "/v1/chat/completions", "openai", _chat_base, _CHAT, _chat_whole, _chat_events, _openai_error),
    Ingress(
        "OpenAI responses", "/v1/responses", "openai_responses", lambda model, text: {"model": model, "input": text}, _RESPONSES,
        _responses_whole, _responses_events, _openai_error,
    ),
    Ingress(
        "OpenAI completions", "/v1/completions", "openai_completions", lambda model, text: {"model": model, "prompt": text}, _COMPLETIONS,
        _completion_whole, _completion_events, _openai_error,
    ),
    Ingress("Anthropic messages", "/v1/messages", "anthropic", _message_base, _MESSAGES, _message_whole, _message_events, _anthropic_error),
    Ingress("Ollama chat", "/api/chat", "ollama", _ollama_base, _OLLAMA, _ollama_whole, _ollama_events, _ollama_error),
    Ingress(
        "Ollama generate", "/api/generate", "ollama", lambda model, text: {"model": model, "prompt": text, "stream": False}, _GENERATE,
        _ollama_whole, _ollama_events, _ollama_error,
    ),
    Ingress("Native query", "/query", "native", _native_base, _NATIVE, _native_whole, _no_events, _native_error),
    Ingress("Native chat", "/chat", "native", _native_base, _NATIVE, _native_whole, _no_events, _native_error),
    Ingress(
        "Native stream", "/stream", "native", _native_base, {"stream": {}, "cut": {}, "refusal": {}}, _native_whole,
        _native_events, _native_error,
    ),
    Ingress(
        "OpenAI embeddings", "/v1/embeddings", "openai", lambda model, _: {"model": model}, _OPENAI_EMBEDDINGS, _openai_vectors, _no_events,
        _openai_error, embeds=True,
    ),
    Ingress(
        "Ollama embed", "/api/embed", "ollama", lambda model, _: {"model": model}, _PLAIN_EMBEDDINGS, _ollama_vectors, _no_events,
        _ollama_error, embeds=True,
    ),
    Ingress(
        "Native embeddings", "/embeddings", "native", lambda model, _: {"model": model}, _NATIVE_EMBEDDINGS, _native_vectors, _no_events,
        _native_error, embeds=True,
    ),
)  # fmt: skip
