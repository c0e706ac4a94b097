"""Bedrock's own runtime: Converse, ConverseStream, and embeddings by InvokeModel.

Source: Amazon Bedrock API reference; "Titan text embeddings" and "Cohere Embed" for the bodies of InvokeModel. Usage comes
in `metadata`, after `messageStop`. The model id stands in the path and is not echoed.
"""

from urllib.parse import unquote

from llm_gateway.simulator.dialects.base import Tape, argument_pieces, bearer, list_of, signature_of, string_of
from llm_gateway.simulator.dialects.bedrock_prompt import converse_prompt
from llm_gateway.simulator.dialects.eventstream import event, exception
from llm_gateway.simulator.dialects.sigv4 import check_signature
from llm_gateway.simulator.exchange import Answer, Bill, Json, JsonObject, Kind, Refused, Request, body_of, encode, json_answer
from llm_gateway.simulator.mind import Completion, bill, pieces_of, think
from llm_gateway.simulator.tokens import size_of, tokens_of
from llm_gateway.simulator.vectors import vector
from llm_gateway.simulator.world import World

_STOP = {"stop": "end_turn", "stop_sequence": "stop_sequence", "length": "max_tokens", "tool": "tool_use"}
_ERRORS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
_STREAM_ERRORS = {
    400: "validationException",
    408: "modelTimeoutException",
    424: "modelStreamErrorException",
    429: "throttlingException",
    500: "internalServerException",
    503: "serviceUnavailableException",
}
_TITAN_V2_DIMENSIONS = (1024, 512, 256)
_PADDING = "abcdefghijklmnopqrstuvwxyz"


class BedrockNative:
    """`/model/{id}/...` of bedrock-runtime, and `/foundation-models` of the control plane."""

    kind: Kind = "bedrock_native"

    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, request: Request) -> Answer:
        self._authenticate(request)
        if request.method == "GET" and request.path == "/foundation-models":
            return json_answer(
                {"modelSummaries": [_summary(name) for name in self._world.models[self.kind]]}, headers=self._headers(request)
            )
        steps = request.path.split("/")
        if len(steps) != 4 or steps[1] != "model" or request.method != "POST":
            raise Refused(404, "The requested operation is not known.", code="UnknownOperationException")
        model, operation = unquote(steps[2]), steps[3]
        if not self._world.knows_model(
            self.kind, model.split(".", 1)[1] if model.startswith(("us.", "eu.", "apac.", "global.")) else model
        ):
            raise Refused(400, "The provided model identifier is invalid.")
        if operation in ("converse", "converse-stream"):
            return self._converse(request, model, stream=operation == "converse-stream")
        if operation == "invoke":
            answer = _embedding(model, body_of(request))
            answer.headers = (*answer.headers, *self._headers(request))
            return answer
        raise Refused(404, "The requested operation is not known.", code="UnknownOperationException")

    def _authenticate(self, request: Request) -> None:
        given = request.header("authorization")
        if not given:
            raise Refused(403, "Missing Authentication Token", code="MissingAuthenticationTokenException")
        if not given.lower().startswith("bearer "):
            check_signature(request, self._world.aws_secrets, self._world.wall_s())
        elif not bearer(request) or not self._world.accepts_key(self.kind, bearer(request)):
            raise Refused(403, "Authentication failed: Please make sure your API Key is valid.")

    def refusal(self, request: Request, refused: Refused) -> Answer:
        name = refused.code or _ERRORS.get(refused.status, "InternalServerException" if refused.status >= 500 else "ValidationException")
        return json_answer(
            {"message": refused.message}, status=refused.status, headers=(*self._headers(request), ("x-amzn-errortype", name))
        )

    def stream_error(self, status: int, message: str) -> bytes:
        return exception(_STREAM_ERRORS.get(status, "internalServerException"), message)

    def _headers(self, request: Request) -> tuple[tuple[str, str], ...]:
        number = f"{request.number:032x}"
        return (("x-amzn-requestid", "-".join((number[:8], number[8:12], number[12:16], number[16:20], number[20:]))),)

    def _converse(self, request: Request, model: str, *, stream: bool) -> Answer:
        prompt = converse_prompt(model, body_of(request))
        completion = think(prompt, self._world.replies)
        charged = bill(prompt, completion)
        content = _content(request, completion)
        usage: JsonObject = {
            "inputTokens": charged.input_tokens,
            "outputTokens": charged.output_tokens,
            "totalTokens": charged.input_tokens + charged.output_tokens,
            "cacheReadInputTokens": 0,
            "cacheWriteInputTokens": 0,
        }
        stop = _STOP[completion.finish]
        if stream:
            tape = _stream(content, stop, None if "omit_usage" in request.quirks else usage)
            answer = Answer(
                200, "application/vnd.amazon.eventstream", tape.pieces, "eventstream", bill=charged, marks=tape.marks, texts=tape.texts
            )
        else:
            payload: JsonObject = {
                "metrics": {"latencyMs": 1},
                "output": {"message": {"content": content, "role": "assistant"}},
                "stopReason": stop,
            }
            payload["usage"] = usage
            for quirk, name in (("omit_usage", "usage"), ("no_output", "output")):
                if quirk in request.quirks:
                    del payload[name]
            answer = json_answer(payload, bill=charged)
            answer.texts = len(completion.text) // 6
        answer.headers = self._headers(request)
        return answer


def _content(request: Request, completion: Completion) -> list[Json]:
    content: list[Json] = []
    if completion.thoughts:
        thought: JsonObject = {"text": completion.thoughts, "signature": signature_of(completion.thoughts)}
        content.append({"reasoningContent": {"reasoningText": thought}})
    if completion.text:
        content.append({"text": completion.text})
    for at, call in enumerate(completion.calls):
        content.append({"toolUse": {"toolUseId": f"tooluse_{request.number:018x}{at:04x}", "name": call.name, "input": call.arguments}})
    return content


class _Recorder:
    """Writes events on a tape, padded as the service pads them."""

    def __init__(self) -> None:
        self.tape = Tape()

    def put(self, name: str, payload: JsonObject, slot: int = 0, size_bytes: int = 0) -> None:
        width = (len(self.tape.pieces) * 7) % len(_PADDING) + 1
        self.tape.add(event(name, {**payload, "p": _PADDING[:width]}), slot, size_bytes)

    def delta(self, index: int, delta: JsonObject, size_bytes: int) -> None:
        self.put("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}, index, size_bytes)


def _stream(content: list[Json], stop: str, usage: JsonObject | None) -> Tape:
    out = _Recorder()
    out.put("messageStart", {"role": "assistant"})
    for index, block in enumerate(content):
        if isinstance(block, dict):
            _block(out, index, block)
    out.put("messageStop", {"stopReason": stop})
    if usage is not None:
        out.put("metadata", {"metrics": {"latencyMs": 1}, "usage": usage})
    return out.tape


def _block(out: _Recorder, index: int, block: JsonObject) -> None:
    """Text and reasoning start without a start event; a tool call has one."""
    match block:
        case {"toolUse": {"toolUseId": call_id, "name": str(name), "input": given}}:
            started: JsonObject = {"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": call_id, "name": name}}}
            out.put("contentBlockStart", started, index, size_of(name))
            for piece in argument_pieces(encode(given).decode()):
                out.delta(index, {"toolUse": {"input": piece}}, size_of(piece))
        case {"reasoningContent": {"reasoningText": {"text": str(text), "signature": signature}}}:
            for piece in pieces_of(text):
                out.delta(index, {"reasoningContent": {"text": piece}}, size_of(piece))
            out.delta(index, {"reasoningContent": {"signature": signature}}, 0)
        case {"text": str(text)}:
            for piece in pieces_of(text):
                out.delta(index, {"text": piece}, size_of(piece))
    out.put("contentBlockStop", {"contentBlockIndex": index})


def _embedding(model: str, body: JsonObject) -> Answer:
    if "titan-embed" in model:
        return _titan(model, body)
    if "cohere.embed" in model:
        return _cohere(model, body)
    raise Refused(400, "Only embedding models are offered by InvokeModel here; use Converse.")


def _titan(model: str, body: JsonObject) -> Answer:
    second = "v2" in model
    unknown = body.keys() - ({"inputText", "dimensions", "normalize", "embeddingTypes"} if second else {"inputText"})
    if unknown:
        raise Refused(
            400, f"Malformed input request: extraneous key [{min(unknown)}] is not permitted, please reformat your input and try again."
        )
    text = string_of(body.get("inputText"))
    if not text:
        raise Refused(400, "Malformed input request: expected minLength: 1, actual: 0, please reformat your input and try again.")
    wanted = body.get("dimensions", 1024 if second else 1536)
    if not isinstance(wanted, int) or (second and wanted not in _TITAN_V2_DIMENSIONS):
        raise Refused(400, "Malformed input request: dimensions must be 1024, 512 or 256, please reformat your input and try again.")
    values: list[Json] = [*vector(text, wanted)]
    tokens = tokens_of(text)
    payload: JsonObject = {"embedding": values, "inputTextTokenCount": tokens}
    if second:
        payload["embeddingsByType"] = {"float": values}
    return json_answer(payload, headers=(("x-amzn-bedrock-input-token-count", str(tokens)),), bill=Bill(model, tokens))


def _cohere(model: str, body: JsonObject) -> Answer:
    texts = [text for text in list_of(body.get("texts")) if isinstance(text, str)]
    if not 1 <= len(texts) <= 96:
        raise Refused(400, "Malformed input request: texts must have 1 to 96 members, please reformat your input and try again.")
    if body.get("input_type") not in ("search_document", "search_query", "classification", "clustering"):
        raise Refused(400, "Malformed input request: input_type is required, please reformat your input and try again.")
    vectors: list[Json] = [[*vector(text, 1024)] for text in texts]
    tokens = sum(map(tokens_of, texts))
    by_type = [kind for kind in list_of(body.get("embedding_types")) if isinstance(kind, str)]
    payload: JsonObject = {"id": "00000000-0000-4000-8000-000000000001", "texts": [*texts]}
    if by_type:
        payload.update({"embeddings": {"float": vectors}, "response_type": "embeddings_by_type"})
    else:
        payload.update({"embeddings": vectors, "response_type": "embeddings_floats"})
    return json_answer(payload, headers=(("x-amzn-bedrock-input-token-count", str(tokens)),), bill=Bill(model, tokens))


def _summary(name: str) -> JsonObject:
    output = "EMBEDDING" if "embed" in name else "TEXT"
    return {
        "modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{name}",
        "modelId": name,
        "modelName": name,
        "providerName": name.split(".", 1)[0].title(),
        "inputModalities": ["TEXT"],
        "outputModalities": [output],
        "responseStreamingSupported": output == "TEXT",
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"},
    }
