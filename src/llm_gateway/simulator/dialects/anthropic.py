"""Anthropic: messages (whole and streamed), token counting, models.

Source: Anthropic API reference ("Messages", "Streaming messages", "Errors", "Rate limits"). `input_tokens` excludes what
was read from or written to the prompt cache. `message_start` carries placeholder usage, `message_delta` the cumulative one.
"""

from llm_gateway.simulator.dialects.anthropic_jobs import Jobs
from llm_gateway.simulator.dialects.anthropic_prompt import Read, read
from llm_gateway.simulator.dialects.base import Tape, argument_pieces, bearer, signature_of
from llm_gateway.simulator.exchange import Answer, Bill, Json, JsonObject, Kind, Refused, Request, body_of, encode, json_answer
from llm_gateway.simulator.mind import Completion, bill, pieces_of, think
from llm_gateway.simulator.tokens import size_of, tokens_of_bytes
from llm_gateway.simulator.world import REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE, World

_STOP = {"stop": "end_turn", "stop_sequence": "stop_sequence", "length": "max_tokens", "tool": "tool_use"}
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_TEXT_SLOT, _THOUGHT_SLOT, _CALL_SLOT = 0, 1, 2


def _event(name: str, fields: JsonObject) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + encode({"type": name, **fields}) + b"\n\n"


def _error(status: int, message: str) -> JsonObject:
    kind = _ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


class Anthropic:
    """Everything under `/v1` of Anthropic."""

    kind: Kind = "anthropic"

    def __init__(self, world: World) -> None:
        self._world = world
        self._jobs = Jobs(world)

    def answer(self, request: Request) -> Answer:
        self._authenticate(request)
        if not request.header("anthropic-version"):
            raise Refused(400, "anthropic-version: header is required")
        if request.method == "POST" and request.path == "/v1/messages":
            return self._messages(request)
        if request.method == "POST" and request.path == "/v1/messages/count_tokens":
            found = read(body_of(request), counting=True)
            return json_answer({"input_tokens": found.prompt.input_tokens}, headers=self._headers(request, None))
        if request.method == "GET" and request.path == "/v1/models":
            data: list[Json] = [_model(name) for name in self._world.models[self.kind]]
            names = self._world.models[self.kind]
            return json_answer(
                {"data": data, "has_more": False, "first_id": names[0], "last_id": names[-1]}, headers=self._headers(request, None)
            )
        other = self._jobs.answer(request)
        if other is not None:
            other.headers = (*other.headers, *self._headers(request, None))
            return other
        name = request.path.removeprefix("/v1/models/")
        if request.method == "GET" and name in self._world.models[self.kind]:
            return json_answer(_model(name), headers=self._headers(request, None))
        raise Refused(404, "Not Found" if name == request.path else f"model: {name}")

    def _authenticate(self, request: Request) -> None:
        key = request.header("x-api-key")
        if not self._world.accepts_key(self.kind, key or bearer(request)):
            raise Refused(401, "invalid x-api-key" if key else "x-api-key header is required")

    def refusal(self, request: Request, refused: Refused) -> Answer:
        number = self._world.identifier("req_", request)
        return json_answer(
            {**_error(refused.status, refused.message), "request_id": number}, status=refused.status, headers=(("request-id", number),)
        )

    def stream_error(self, status: int, message: str) -> bytes:
        return b"event: error\ndata: " + encode(_error(status, message)) + b"\n\n"

    def _headers(self, request: Request, charged: Bill | None) -> tuple[tuple[str, str], ...]:
        spent = charged.input_tokens + charged.output_tokens if charged is not None else 0
        requests_left, tokens_left, reset_s = self._world.remaining(self.kind, spent)
        reset = self._world.iso(reset_s)[:19] + "Z"
        limits = (
            ("requests", REQUESTS_PER_MINUTE, requests_left),
            *((name, TOKENS_PER_MINUTE, tokens_left) for name in ("tokens", "input-tokens", "output-tokens")),
        )
        headers = [("request-id", self._world.identifier("req_", request)), ("anthropic-organization-id", "simulated")]
        for name, limit, left in limits:
            start = f"anthropic-ratelimit-{name}"
            headers += [(f"{start}-limit", str(limit)), (f"{start}-remaining", str(left)), (f"{start}-reset", reset)]
        return tuple(headers)

    def _messages(self, request: Request) -> Answer:
        body = body_of(request)
        found = read(body)
        if not self._world.knows_model(self.kind, found.prompt.model):
            raise Refused(404, f"model: {found.prompt.model}")
        completion = think(found.prompt, self._world.replies)
        read_tokens, written_tokens = self._cache(found)
        charged = bill(found.prompt, completion, cache_read_tokens=read_tokens, cache_write_tokens=written_tokens)
        message: JsonObject = {
            "id": self._world.identifier("msg_", request),
            "type": "message",
            "role": "assistant",
            "model": found.prompt.model,
            "content": _blocks(request, completion),
            "stop_reason": _STOP[completion.finish],
            "stop_sequence": completion.stop_sequence or None,
        }
        usage = _usage(charged)
        if body.get("stream"):
            answer = self._stream(request, message, completion, usage, charged)
        else:
            answer = json_answer(message if "omit_usage" in request.quirks else {**message, "usage": usage}, bill=charged)
            answer.texts = len(completion.text) // 6
        answer.headers = self._headers(request, charged)
        return answer

    def _cache(self, found: Read) -> tuple[int, int]:
        """Tokens read from and written to the prompt cache: up to the last mark known, and from there to the last mark."""
        known_bytes = 0
        for size_bytes, prefix in found.breakpoints:
            if self._world.seen(found.prompt.model, prefix):
                known_bytes = size_bytes
        if not found.breakpoints:
            return 0, 0
        read_tokens = tokens_of_bytes(known_bytes)
        return read_tokens, min(found.prompt.input_tokens, tokens_of_bytes(found.breakpoints[-1][0])) - read_tokens

    def _stream(self, request: Request, message: JsonObject, completion: Completion, usage: JsonObject, charged: Bill) -> Answer:
        tape = Tape()
        counted = "omit_usage" not in request.quirks
        start: JsonObject = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
        if counted:
            start["usage"] = {**usage, "output_tokens": 1}
        tape.add(_event("message_start", {"message": start}))
        blocks = message["content"]
        for index, block in enumerate(blocks if isinstance(blocks, list) else []):
            if isinstance(block, dict):
                _block_events(tape, index, block)
        delta: JsonObject = {"delta": {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}}
        if counted:
            names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
            delta["usage"] = {name: usage[name] for name in names}
        tape.add(_event("message_delta", delta))
        tape.add(_event("message_stop", {}))
        return Answer(200, "text/event-stream; charset=utf-8", tape.pieces, "sse", bill=charged, marks=tape.marks, texts=tape.texts)


def _usage(charged: Bill) -> JsonObject:
    return {
        "input_tokens": charged.input_tokens - charged.cache_read_tokens - charged.cache_write_tokens,
        "cache_creation_input_tokens": charged.cache_write_tokens,
        "cache_read_input_tokens": charged.cache_read_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": charged.cache_write_tokens, "ephemeral_1h_input_tokens": 0},
        "output_tokens": charged.output_tokens,
        "service_tier": "standard",
    }


def _blocks(request: Request, completion: Completion) -> list[Json]:
    blocks: list[Json] = []
    if completion.thoughts:
        blocks.append({"type": "thinking", "thinking": completion.thoughts, "signature": signature_of(completion.thoughts)})
    if completion.text:
        blocks.append({"type": "text", "text": completion.text})
    for at, call in enumerate(completion.calls):
        blocks.append({"type": "tool_use", "id": f"toolu_{request.number:020x}{at:04x}", "name": call.name, "input": call.arguments})
    return blocks


def _block_events(tape: Tape, index: int, block: JsonObject) -> None:
    """One content block as start, deltas, stop. A tool without arguments sends one empty delta."""
    kind = block["type"]
    empty: JsonObject = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}
    shell = empty[str(kind)]
    started: JsonObject = {**block, **(shell if isinstance(shell, dict) else {})}
    slot = _CALL_SLOT + index
    tape.add(_event("content_block_start", {"index": index, "content_block": started}), slot, size_of(str(block.get("name", ""))))
    if index == 0:
        tape.add(_event("ping", {}))
    if kind == "tool_use":
        arguments = encode(block["input"]).decode()
        tape.add(_delta(index, {"type": "input_json_delta", "partial_json": ""}), slot, 0 if block["input"] else size_of(arguments))
        for piece in argument_pieces(arguments) if block["input"] else ():
            tape.add(_delta(index, {"type": "input_json_delta", "partial_json": piece}), slot, size_of(piece))
    elif kind == "thinking":
        for piece in pieces_of(str(block["thinking"])):
            tape.add(_delta(index, {"type": "thinking_delta", "thinking": piece}), _THOUGHT_SLOT, size_of(piece))
        tape.add(_delta(index, {"type": "signature_delta", "signature": block["signature"]}))
    else:
        for piece in pieces_of(str(block["text"])):
            tape.add(_delta(index, {"type": "text_delta", "text": piece}), _TEXT_SLOT, size_of(piece))
    tape.add(_event("content_block_stop", {"index": index}))


def _delta(index: int, delta: JsonObject) -> bytes:
    return _event("content_block_delta", {"index": index, "delta": delta})


def _model(name: str) -> JsonObject:
    shown = name.replace("-", " ").title()
    return {"type": "model", "id": name, "display_name": shown, "created_at": "2025-01-01T00:00:00Z"}
