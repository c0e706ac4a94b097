"""Ollama: chat, generate, embed and what tells of models.

Source: Ollama's docs/api.md. Streams are lines of JSON; a stream is the default. Durations are in nanoseconds. Tool calls
come in a line that is not the last, with arguments as an object and without an id.
"""

from llm_gateway.simulator.dialects.base import Tape, list_of, object_of, stops_of, string_of
from llm_gateway.simulator.exchange import Answer, Bill, Json, JsonObject, Kind, Refused, Request, body_of, encode, json_answer
from llm_gateway.simulator.mind import Completion, Prompt, ToolSpec, bill, pieces_of, think
from llm_gateway.simulator.tokens import size_of, tokens_of
from llm_gateway.simulator.vectors import vector
from llm_gateway.simulator.world import World

VERSION = "0.12.6"
_EMBEDDERS = {"nomic-embed-text": 768, "mxbai-embed-large": 1024, "all-minilm": 384, "bge-m3": 1024, "snowflake-arctic-embed": 1024}
_THINKERS = ("qwen3", "deepseek-r1", "gpt-oss", "magistral")
_WITHOUT_TOOLS = ("llama2", "gemma2", "gemma:", "phi3", "codellama", "deepseek-coder")
_SIZE_BYTES = 2_019_393_189
_NDJSON = "application/x-ndjson"
_ROLES = ("system", "user", "assistant", "tool")


def _dimensions(model: str) -> int | None:
    return _EMBEDDERS.get(model.split(":", 1)[0])


class Ollama:
    """Everything under `/api`."""

    kind: Kind = "ollama"

    def __init__(self, world: World) -> None:
        self._world = world
        self._post = {
            "/api/chat": self._chat,
            "/api/generate": self._generate,
            "/api/embed": self._embed,
            "/api/embeddings": self._old_embeddings,
            "/api/show": self._show,
        }
        self._get = {"/api/tags": self._tags, "/api/ps": self._running, "/api/version": self._version}

    def answer(self, request: Request) -> Answer:
        if request.method == "POST" and request.path in self._post:
            return self._post[request.path](request, body_of(request))
        if request.method in ("GET", "HEAD"):
            if request.path in self._get:
                return self._get[request.path]()
            if request.path == "/":
                return Answer(200, "text/plain; charset=utf-8", [b"Ollama is running"])
        if request.path in self._post or request.path in self._get:
            return Answer(405, "text/plain", [b"405 method not allowed"])
        return Answer(404, "text/plain", [b"404 page not found"])

    def refusal(self, request: Request, refused: Refused) -> Answer:
        return json_answer({"error": refused.message}, status=refused.status)

    def stream_error(self, status: int, message: str) -> bytes:
        return encode({"error": message}) + b"\n"

    # chat and generate

    def _chat(self, request: Request, body: JsonObject) -> Answer:
        prompt = self._prompt(body)
        messages = body.get("messages")
        if messages is not None and not isinstance(messages, list):
            raise Refused(400, "json: cannot unmarshal into Go struct field ChatRequest.messages of type []api.Message")
        if not messages:
            return self._loaded(body, prompt.model, {"message": {"role": "assistant", "content": ""}})
        for message in map(object_of, messages):
            _turn(message, prompt)
        return self._generated(request, body, prompt, chat=True)

    def _generate(self, request: Request, body: JsonObject) -> Answer:
        prompt = self._prompt(body)
        text = string_of(body.get("prompt"))
        if not text:
            return self._loaded(body, prompt.model, {"response": ""})
        prompt.text = text
        prompt.size_bytes += size_of(text) + size_of(string_of(body.get("system"))) + size_of(string_of(body.get("suffix")))
        prompt.images += len(list_of(body.get("images")))
        return self._generated(request, body, prompt, chat=False)

    def _prompt(self, body: JsonObject) -> Prompt:
        model = self._model(body)
        if _dimensions(model) is not None:
            raise Refused(400, f'"{model}" does not support chat')
        options = object_of(body.get("options"))
        limit = options.get("num_predict")
        prompt = Prompt(self.kind, model, "", 0, stop=stops_of(options.get("stop")))
        prompt.max_tokens = limit if isinstance(limit, int) and limit >= 0 else None
        shape = body.get("format")
        prompt.json_schema = shape if isinstance(shape, dict) else None
        prompt.json_mode = shape == "json"
        if shape not in (None, "", "json") and prompt.json_schema is None:
            raise Refused(400, 'invalid format: expected "json" or a JSON schema')
        tools = [object_of(object_of(tool).get("function")) for tool in list_of(body.get("tools"))]
        if tools and model.startswith(_WITHOUT_TOOLS):
            raise Refused(400, f"registry.ollama.ai/library/{model} does not support tools")
        prompt.tools = [ToolSpec(string_of(tool.get("name")), object_of(tool.get("parameters"))) for tool in tools]
        prompt.size_bytes += len(encode(tools)) if tools else 0
        prompt.thinking = body.get("think") not in (None, False)
        if prompt.thinking and not model.startswith(_THINKERS):
            raise Refused(400, f'"{model}" does not support thinking')
        return prompt

    def _model(self, body: JsonObject) -> str:
        model = string_of(body.get("model")) or string_of(body.get("name"))
        if not model:
            raise Refused(400, "model is required")
        if not self._world.knows_model(self.kind, model):
            raise Refused(404, f"model '{model}' not found")
        return model

    def _loaded(self, body: JsonObject, model: str, empty: JsonObject) -> Answer:
        """An empty request only loads the model, or unloads it."""
        reason = "unload" if body.get("keep_alive") in (0, "0", "0s") else "load"
        payload = {"model": model, "created_at": self._world.iso(), **empty, "done": True, "done_reason": reason}
        return json_answer(payload)

    def _generated(self, request: Request, body: JsonObject, prompt: Prompt, *, chat: bool) -> Answer:
        completion = think(prompt, self._world.replies)
        charged = bill(prompt, completion)
        head: JsonObject = {"model": prompt.model, "created_at": self._world.iso()}
        end: JsonObject = {"done": True, "done_reason": "length" if completion.finish == "length" else "stop", **_counts(request, charged)}
        if body.get("stream") is False:
            payload = {**head, **_part(chat, completion.text, completion.thoughts, completion), **end}
            answer = json_answer(payload, bill=charged)
            answer.content_type, answer.texts = "application/json; charset=utf-8", len(completion.text) // 6
            return answer
        tape = Tape()
        for piece in pieces_of(completion.thoughts):
            tape.add(_line({**head, **_part(chat, "", piece), "done": False}), 1, size_of(piece))
        for piece in pieces_of(completion.text):
            tape.add(_line({**head, **_part(chat, piece), "done": False}), 0, size_of(piece))
        for at, call in enumerate(completion.calls):
            one = Completion("", "tool", 0, calls=(call,))
            tape.add(_line({**head, **_part(chat, "", "", one), "done": False}), 2 + at, size_of(call.name) + len(encode(call.arguments)))
        tape.add(_line({**head, **_part(chat, ""), **end}))
        return Answer(200, _NDJSON, tape.pieces, "ndjson", bill=charged, marks=tape.marks, texts=tape.texts)

    # embeddings

    def _embed(self, request: Request, body: JsonObject) -> Answer:
        model = self._model(body)
        given = body.get("input")
        inputs = [given] if isinstance(given, str) else [item for item in list_of(given) if isinstance(item, str)]
        if given is None or (isinstance(given, list) and len(inputs) != len(given)):
            raise Refused(400, "invalid input type")
        wanted = body.get("dimensions")
        dimensions = wanted if isinstance(wanted, int) and wanted > 0 else _dimensions(model) or 3072
        tokens = sum(map(tokens_of, inputs))
        payload: JsonObject = {"model": model, "embeddings": [[*vector(text, dimensions)] for text in inputs if text]}
        payload.update({"total_duration": 14_143_917, "load_duration": 1_019_500, "prompt_eval_count": tokens})
        if "omit_usage" in request.quirks:
            del payload["prompt_eval_count"]
        return json_answer(payload, bill=Bill(model, tokens))

    def _old_embeddings(self, request: Request, body: JsonObject) -> Answer:
        model, text = self._model(body), string_of(body.get("prompt"))
        return json_answer({"embedding": [*vector(text, _dimensions(model) or 3072)] if text else []}, bill=Bill(model, tokens_of(text)))

    # models

    def _tags(self) -> Answer:
        return json_answer({"models": [_entry(name) for name in self._world.models[self.kind]]})

    def _version(self) -> Answer:
        return json_answer({"version": VERSION})

    def _running(self) -> Answer:
        name = self._world.models[self.kind][0]
        return json_answer({"models": [{**_entry(name), "expires_at": self._world.iso(300), "size_vram": 0, "context_length": 4096}]})

    def _show(self, request: Request, body: JsonObject) -> Answer:
        model = self._model(body)
        entry = _entry(model)
        size = _dimensions(model)
        abilities: list[Json] = ["embedding"] if size else ["completion"]
        if not size and not model.startswith(_WITHOUT_TOOLS):
            abilities.append("tools")
        if model.startswith(_THINKERS):
            abilities.append("thinking")
        info: JsonObject = {"general.architecture": "llama", "general.parameter_count": 3_212_749_888, "llama.context_length": 131_072}
        info["llama.embedding_length"] = size or 3072
        return json_answer(
            {
                "modelfile": f"FROM {model}",
                "parameters": "",
                "template": "{{ .Prompt }}",
                "details": entry["details"],
                "model_info": info,
                "capabilities": abilities,
                "modified_at": entry["modified_at"],
            }
        )


def _turn(message: JsonObject, prompt: Prompt) -> None:
    role, text = message.get("role"), string_of(message.get("content"))
    if role not in _ROLES:
        raise Refused(400, f"invalid role: {role}")
    prompt.size_bytes += size_of(text)
    prompt.images += len(list_of(message.get("images")))
    if role == "user":
        prompt.text, prompt.tool_result = text, None
    elif role == "tool":
        prompt.tool_result = text
    for call in list_of(message.get("tool_calls")):
        function = object_of(object_of(call).get("function"))
        if not isinstance(function.get("arguments"), dict):
            raise Refused(400, "json: cannot unmarshal string into Go struct field .messages.tool_calls.function.arguments")
        prompt.size_bytes += size_of(string_of(function.get("name"))) + len(encode(function["arguments"]))


def _part(chat: bool, text: str, thinking: str = "", completion: Completion | None = None) -> JsonObject:
    """What one line says: as a message in chat, as plain fields in generate."""
    if not chat:
        return {"response": text, "thinking": thinking} if thinking else {"response": text}
    message: JsonObject = {"role": "assistant", "content": text}
    if thinking:
        message["thinking"] = thinking
    if completion is not None and completion.calls:
        message["tool_calls"] = [{"function": {"name": call.name, "arguments": call.arguments}} for call in completion.calls]
    return {"message": message}


def _counts(request: Request, charged: Bill) -> JsonObject:
    """Durations in nanoseconds, and token counts: a millisecond for an input token, twenty for an output token."""
    reading_ns, writing_ns = charged.input_tokens * 1_000_000, charged.output_tokens * 20_000_000
    counts: JsonObject = {"total_duration": 5_000_000 + reading_ns + writing_ns, "load_duration": 5_000_000}
    counts.update({"prompt_eval_count": charged.input_tokens, "prompt_eval_duration": reading_ns})
    counts.update({"eval_count": charged.output_tokens, "eval_duration": writing_ns})
    for quirk, names in (("omit_usage", ("prompt_eval_count", "eval_count")), ("omit_input_usage", ("prompt_eval_count",))):
        for name in names if quirk in request.quirks else ():
            counts.pop(name, None)
    return counts


def _line(payload: JsonObject) -> bytes:
    return encode(payload) + b"\n"


def _entry(name: str) -> JsonObject:
    full = name if ":" in name else f"{name}:latest"
    family = "nomic-bert" if _dimensions(name) else "llama"
    details: JsonObject = {
        "parent_model": "",
        "format": "gguf",
        "family": family,
        "families": [family],
        "parameter_size": "3.2B",
        "quantization_level": "Q4_K_M",
    }
    return {"name": full, "model": full, "modified_at": "2026-01-15T09:30:00Z", "size": _SIZE_BYTES, "digest": "0" * 64, "details": details}
