"""OpenAI: chat completions, and the way to its other operations.

Source: OpenAI API reference ("Chat completions", "Streaming", "Rate limits: headers", "Error codes").
"""

import codecs

from llm_gateway.simulator.dialects.base import Tape, argument_pieces, bearer, masked, object_of
from llm_gateway.simulator.dialects.openai_jobs import Jobs
from llm_gateway.simulator.dialects.openai_other import embeddings, models, one_model, text_completion
from llm_gateway.simulator.dialects.openai_prompt import KNOWN_FIELDS, chat_prompt
from llm_gateway.simulator.dialects.openai_responses import respond
from llm_gateway.simulator.exchange import Answer, Bill, Json, JsonObject, Kind, Refused, Request, body_of, encode
from llm_gateway.simulator.mind import Completion, Prompt, bill, pieces_of, think
from llm_gateway.simulator.tokens import size_of, token_bytes
from llm_gateway.simulator.world import REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE, World

FINISH: dict[str, str] = {"stop": "stop", "stop_sequence": "stop", "length": "length", "tool": "tool_calls"}
_TYPES = {401: "invalid_request_error", 403: "invalid_request_error", 429: "requests", 500: "server_error", 503: "server_error"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_FINGERPRINT = "fp_simulated"
_CACHED_FROM_TOKENS = 1024
DONE = b"data: [DONE]\n\n"


def sse(payload: object) -> bytes:
    """One nameless server-sent event."""
    return b"data: " + encode(payload) + b"\n\n"


def thinks(model: str, effort: Json) -> bool:
    """Whether OpenAI reasons with this model before it answers."""
    return model.startswith(("o1", "o3", "o4", "gpt-5")) and "chat" not in model and effort not in ("none", "minimal")


class OpenAi:
    """Everything under `/v1`."""

    kind: Kind = "openai"

    def __init__(self, world: World) -> None:
        self.world = world
        self._jobs = Jobs(world)

    def answer(self, request: Request) -> Answer:
        self.authenticate(request)
        if self.kind == "openai" and (other := self._jobs.answer(request)) is not None:
            other.headers = (*other.headers, *self.standing_headers(request, other.bill))
            return other
        if request.method == "POST":
            return self._post(request)
        if request.path == "/v1/models":
            return models(self.world, self.kind, self.owner)
        if request.path.startswith("/v1/models/"):
            return one_model(self.world, self.kind, request.path.removeprefix("/v1/models/"), self.owner)
        raise Refused(404, f"Invalid URL ({request.method} {request.path})", code="unknown_url")

    owner = "openai"

    def _post(self, request: Request) -> Answer:
        if request.path == "/v1/chat/completions":
            answer = self._chat(request)
        elif request.path == "/v1/embeddings":
            answer = embeddings(self.world, request)
        elif request.path == "/v1/responses":
            answer = respond(self.world, request)
        elif request.path == "/v1/completions":
            answer = text_completion(self.world, request)
        else:
            raise Refused(404, f"Invalid URL (POST {request.path})", code="unknown_url")
        answer.headers = (*answer.headers, *self.standing_headers(request, answer.bill))
        return answer

    def authenticate(self, request: Request) -> None:
        """Raises `Refused` 401 on a wrong key."""
        key = bearer(request)
        if not self.world.accepts_key(self.kind, key):
            text = f"Incorrect API key provided: {masked(key)}." if key else "You didn't provide an API key."
            raise Refused(401, text, code="invalid_api_key")

    def refusal(self, request: Request, refused: Refused) -> Answer:
        answer = Answer(refused.status, "application/json", [encode(self._error(refused))])
        answer.headers = (("x-request-id", self.world.identifier("req_", request, 32)),)
        return answer

    def stream_error(self, status: int, message: str) -> bytes:
        return sse(self._error(Refused(status, message)))

    def _error(self, refused: Refused) -> JsonObject:
        kind = _TYPES.get(refused.status, "server_error" if refused.status >= 500 else "invalid_request_error")
        code = refused.code or _CODES.get(refused.status) if refused.status != 404 else refused.code or None
        return {"error": {"message": refused.message, "type": kind, "param": refused.param or None, "code": code or None}}

    def standing_headers(self, request: Request, charged: Bill | None) -> tuple[tuple[str, str], ...]:
        """Rate limits and ids, as on every good answer of this vendor."""
        tokens = charged.input_tokens + charged.output_tokens if charged is not None else 0
        requests_left, tokens_left, reset_s = self.world.remaining(self.kind, tokens)
        reset = f"{reset_s:.3f}s"
        return (
            ("x-request-id", self.world.identifier("req_", request, 32)),
            ("openai-version", "2020-10-01"),
            ("openai-organization", "simulated"),
            ("openai-processing-ms", "1"),
            ("x-ratelimit-limit-requests", str(REQUESTS_PER_MINUTE)),
            ("x-ratelimit-limit-tokens", str(TOKENS_PER_MINUTE)),
            ("x-ratelimit-remaining-requests", str(requests_left)),
            ("x-ratelimit-remaining-tokens", str(tokens_left)),
            ("x-ratelimit-reset-requests", reset),
            ("x-ratelimit-reset-tokens", reset),
        )

    # what a cousin of OpenAI words differently

    def check(self, body: JsonObject, prompt: Prompt) -> None:
        """Refuses what this vendor's models do not take, and notes whether the model reasons."""
        unknown = body.keys() - KNOWN_FIELDS
        if unknown:
            raise Refused(400, f"Unrecognized request argument supplied: {', '.join(sorted(unknown))}")
        prompt.thinking = thinks(prompt.model, body.get("reasoning_effort"))
        if prompt.thinking:
            if body.get("max_tokens") is not None:
                message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
                raise Refused(400, message, code="unsupported_parameter", param="max_tokens")
            if body.get("temperature") not in (None, 1):
                message = (
                    "Unsupported value: 'temperature' does not support this value with this model. Only the default (1) value is supported."
                )
                raise Refused(400, message, code="unsupported_value", param="temperature")
        elif body.get("reasoning_effort") is not None and not prompt.model.startswith(("o1", "o3", "o4", "gpt-5")):
            raise Refused(400, "Unrecognized request argument supplied: reasoning_effort")

    def usage(self, charged: Bill) -> JsonObject:
        """The usage block: cached tokens are part of the prompt's, reasoning tokens of the completion's."""
        return {
            "prompt_tokens": charged.input_tokens,
            "completion_tokens": charged.output_tokens,
            "total_tokens": charged.input_tokens + charged.output_tokens,
            "prompt_tokens_details": {"cached_tokens": charged.cache_read_tokens, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": charged.reasoning_tokens,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def message_extras(self, completion: Completion) -> JsonObject:
        """Fields of an unstreamed message beside role and content."""
        return {"refusal": None, "annotations": []}

    def shown_thoughts(self, completion: Completion) -> str:
        """Thoughts that go out in a stream; OpenAI keeps them to itself."""
        return ""

    def envelope(self, request: Request, prompt: Prompt, object_name: str) -> JsonObject:
        """The fields that stand around the choices."""
        return {
            "id": self.world.identifier("chatcmpl-", request),
            "object": object_name,
            "created": int(self.world.wall_s()),
            "model": prompt.model,
            "service_tier": "default",
            "system_fingerprint": _FINGERPRINT,
        }

    # chat

    def _chat(self, request: Request) -> Answer:
        body = body_of(request)
        prompt = chat_prompt(self.kind, body)
        if not self.world.knows_model(self.kind, prompt.model):
            raise Refused(
                404, f"The model `{prompt.model}` does not exist or you do not have access to it.", code="model_not_found", param="model"
            )
        self.check(body, prompt)
        wanted = body.get("n") or 1
        if not isinstance(wanted, int) or not 1 <= wanted <= 128:
            raise Refused(400, "Invalid 'n': expected an integer from 1 to 128.", param="n")
        completions: list[Completion] = []
        for choice in range(wanted):
            prompt.choice = choice
            completions.append(think(prompt, self.world.replies))
        charged = bill(prompt, completions[0], cache_read_tokens=self._cached(request, prompt))
        charged.output_tokens = sum(completion.output_tokens for completion in completions)
        charged.reasoning_tokens = sum(completion.reasoning_tokens for completion in completions)
        if body.get("stream"):
            return self._stream(request, body, prompt, completions, charged)
        return self._whole(request, body, prompt, completions, charged)

    def _cached(self, request: Request, prompt: Prompt) -> int:
        """Tokens that OpenAI would have found in its prompt cache: the first 1,024, once they came before."""
        if prompt.input_tokens <= _CACHED_FROM_TOKENS:
            return 0
        start = request.body.find(b'"messages"')
        return _CACHED_FROM_TOKENS if self.world.seen(prompt.model, request.body[start : start + 4 * _CACHED_FROM_TOKENS]) else 0

    def _whole(self, request: Request, body: JsonObject, prompt: Prompt, completions: list[Completion], charged: Bill) -> Answer:
        choices: list[Json] = []
        for index, completion in enumerate(completions):
            message: JsonObject = {"role": "assistant", "content": completion.text or (None if completion.calls else "")}
            message.update(self.message_extras(completion))
            if completion.calls:
                message["tool_calls"] = [
                    _call(request, index, at, call.name, encode(call.arguments).decode()) for at, call in enumerate(completion.calls)
                ]
            logprobs: Json = {"content": _logprobs(token_bytes(completion.text), body), "refusal": None} if body.get("logprobs") else None
            choices.append({"index": index, "message": message, "logprobs": logprobs, "finish_reason": _finish(request, completion)})
        payload = self.envelope(request, prompt, "chat.completion")
        payload["choices"] = choices
        if "omit_usage" not in request.quirks:
            payload["usage"] = self.usage(charged)
        texts = sum(len(completion.text) for completion in completions) // 6
        return Answer(200, "application/json", [encode(payload)], bill=charged, texts=texts)

    def _stream(self, request: Request, body: JsonObject, prompt: Prompt, completions: list[Completion], charged: Bill) -> Answer:
        options = object_of(body.get("stream_options"))
        asked = bool(options.get("include_usage"))
        head = self.envelope(request, prompt, "chat.completion.chunk")
        tail: JsonObject = {"usage": None} if asked else {}
        frames = _Frames(head, tail, bool(body.get("logprobs")))
        tape = Tape()
        if not any(self.shown_thoughts(completion) for completion in completions):
            tape.charge(charged.reasoning_tokens)
        queues = [self._deltas(request, body, frames, index, completion) for index, completion in enumerate(completions)]
        for turn in range(max(map(len, queues))):
            for queue in queues:
                if turn < len(queue):
                    tape.add(*queue[turn])
        if asked and "omit_usage" not in request.quirks:
            tape.add(sse({**head, "choices": [], "usage": self.usage(charged)}))
        tape.add(DONE)
        return Answer(200, "text/event-stream; charset=utf-8", tape.pieces, "sse", bill=charged, marks=tape.marks, texts=tape.texts)

    def _deltas(
        self, request: Request, body: JsonObject, frames: "_Frames", index: int, completion: Completion
    ) -> list[tuple[bytes, int, int]]:
        """The frames of one choice as (frame, slot, size in bytes); a slot is unique among all choices."""
        slot = index * 1000
        out: list[tuple[bytes, int, int]] = [(frames.delta(index, {"role": "assistant", "content": "", "refusal": None}), slot, 0)]
        for piece in pieces_of(self.shown_thoughts(completion)):
            out.append((frames.delta(index, {"reasoning_content": piece}), slot + 1, size_of(piece)))
        if body.get("logprobs"):
            decoder = codecs.getincrementaldecoder("utf-8")()
            for token in token_bytes(completion.text):
                out.append((frames.delta(index, {"content": decoder.decode(token)}, _logprobs([token], body)), slot, len(token)))
        else:
            out.extend((frames.content(index, piece), slot, size_of(piece)) for piece in pieces_of(completion.text))
        for at, call in enumerate(completion.calls):
            started: JsonObject = {"index": at, **_call(request, index, at, call.name, "")}
            out.append((frames.delta(index, {"tool_calls": [started]}), slot + 2 + at, size_of(call.name)))
            for piece in argument_pieces(encode(call.arguments).decode()):
                out.append(
                    (frames.delta(index, {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}), slot + 2 + at, size_of(piece))
                )
        out.append((frames.delta(index, {}, finish=_finish(request, completion)), slot, 0))
        return out


class _Frames:
    """Makes chunks; the plain text ones are cut from a form made once."""

    def __init__(self, head: JsonObject, tail: JsonObject, with_logprobs: bool) -> None:
        self._head = head
        self._tail = tail
        self._with_logprobs = with_logprobs
        self._forms: dict[int, list[bytes]] = {}

    def delta(self, index: int, delta: JsonObject, logprobs: list[Json] | None = None, finish: str | None = None) -> bytes:
        shown: Json = {"content": logprobs, "refusal": None} if self._with_logprobs and logprobs is not None else None
        return sse({**self._head, "choices": [{"index": index, "delta": delta, "logprobs": shown, "finish_reason": finish}], **self._tail})

    def content(self, index: int, text: str) -> bytes:
        form = self._forms.get(index)
        if form is None:
            form = self._forms[index] = self.delta(index, {"content": "\x00"}).split(b'"\\u0000"')
        return form[0] + encode(text) + form[1]


def _call(request: Request, choice: int, at: int, name: str, arguments: str) -> JsonObject:
    return {"id": f"call_{request.number:016x}{choice:04x}{at:04x}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _finish(request: Request, completion: Completion) -> str:
    if completion.finish == "tool" and "finish_stop_on_tools" in request.quirks:
        return "stop"
    return FINISH[completion.finish]


def _logprobs(tokens: list[bytes], body: JsonObject) -> list[Json]:
    """An entry for each token: likelihoods are made up, but the same each time."""
    top = body.get("top_logprobs") or 0
    entries: list[Json] = []
    for token in tokens:
        text = token.decode("utf-8", "replace")
        raw: list[Json] = [*token]
        value = -0.01 * (1 + sum(token) % 7)
        others: list[Json] = [
            {"token": text if rank == 0 else f"~{rank}", "logprob": value - rank, "bytes": raw if rank == 0 else [*f"~{rank}".encode()]}
            for rank in range(top if isinstance(top, int) else 0)
        ]
        entries.append({"token": text, "logprob": value, "bytes": raw, "top_logprobs": others})
    return entries
