"""OpenAI's embeddings, models, and the old text completions."""

from llm_gateway.simulator.dialects.base import Tape, list_of, number_between, object_of, stops_of, text_of, whole_number
from llm_gateway.simulator.exchange import Answer, Bill, Json, JsonObject, Kind, Refused, Request, body_of, encode, json_answer, words
from llm_gateway.simulator.mind import Prompt, bill, pieces_of, think
from llm_gateway.simulator.tokens import size_of, tokens_of
from llm_gateway.simulator.vectors import base64_vector, vector
from llm_gateway.simulator.world import World

DIMENSIONS = {"text-embedding-3-large": 3072, "text-embedding-3-small": 1536, "text-embedding-ada-002": 1536}
_SHORTENABLE = ("text-embedding-3-large", "text-embedding-3-small")
_MOST_INPUTS = 2048
_COMPLETION_FIELDS = frozenset(
    words(
        "model prompt best_of echo frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop stream "
        "stream_options suffix temperature top_p user"
    )
)


def models(world: World, kind: Kind, owner: str) -> Answer:
    """`GET /v1/models`."""
    return json_answer({"object": "list", "data": [_model(name, owner) for name in world.models[kind]]})


def one_model(world: World, kind: Kind, name: str, owner: str) -> Answer:
    """`GET /v1/models/{name}`."""
    if name not in world.models[kind]:
        raise Refused(404, f"The model '{name}' does not exist", code="model_not_found", param="model")
    return json_answer(_model(name, owner))


def _model(name: str, owner: str) -> JsonObject:
    return {"id": name, "object": "model", "created": 1_735_689_600, "owned_by": owner}


def embeddings(world: World, request: Request) -> Answer:
    """`POST /v1/embeddings`: one vector for each input, as floats or as base64 of 32-bit floats."""
    body = body_of(request)
    model = text_of(body, "model")
    unknown = body.keys() - {"model", "input", "encoding_format", "dimensions", "user"}
    if unknown:
        raise Refused(400, f"Unrecognized request argument supplied: {', '.join(sorted(unknown))}")
    if model not in DIMENSIONS and not world.knows_model("openai", model):
        raise Refused(404, f"The model `{model}` does not exist or you do not have access to it.", code="model_not_found", param="model")
    dimensions = whole_number(body, "dimensions")
    full = DIMENSIONS.get(model, 1536)
    if dimensions is not None and (model not in _SHORTENABLE or dimensions > full):
        raise Refused(400, f"This model does not support {dimensions} dimensions.", param="dimensions")
    encoding = body.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        raise Refused(400, "Invalid value for 'encoding_format': expected 'float' or 'base64'.", param="encoding_format")
    inputs = _inputs(body.get("input"))
    data: list[Json] = []
    for index, (text, _) in enumerate(inputs):
        values = vector(text, dimensions or full)
        data.append({"object": "embedding", "index": index, "embedding": base64_vector(values) if encoding == "base64" else [*values]})
    tokens = sum(count for _, count in inputs)
    payload: JsonObject = {"object": "list", "data": data, "model": model}
    if "omit_usage" not in request.quirks:
        payload["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_answer(payload, bill=Bill(model, tokens))


def _inputs(value: Json) -> list[tuple[str, int]]:
    """Each input as (text, tokens); token lists count their members and stand for their digits."""
    given = [value] if isinstance(value, str) or (isinstance(value, list) and value and isinstance(value[0], int)) else list_of(value)
    if not given or len(given) > _MOST_INPUTS:
        raise Refused(400, f"'$.input' is invalid: expected a text or a list of 1 to {_MOST_INPUTS}.", param="input")
    inputs: list[tuple[str, int]] = []
    for item in given:
        if isinstance(item, str) and item:
            inputs.append((item, tokens_of(item)))
        elif isinstance(item, list) and item and all(isinstance(token, int) for token in item):
            inputs.append((" ".join(map(str, item)), len(item)))
        else:
            raise Refused(400, "'$.input' is invalid: an input must be a text or token list that is not empty.", param="input")
    return inputs


def text_completion(world: World, request: Request) -> Answer:
    """`POST /v1/completions`: one prompt (or a list of them), whole or as a stream."""
    body = body_of(request)
    unknown = body.keys() - _COMPLETION_FIELDS
    if unknown:
        raise Refused(400, f"Unrecognized request argument supplied: {', '.join(sorted(unknown))}")
    model = text_of(body, "model")
    given = body.get("prompt", "")
    texts = [given] if isinstance(given, str) else [item for item in list_of(given) if isinstance(item, str)]
    if not texts:
        raise Refused(400, "Invalid value for 'prompt': expected a text or a list of texts.", param="prompt")
    number_between(body, "temperature", 0, 2)
    limit = whole_number(body, "max_tokens", least=0)
    prompts = [
        Prompt("openai", model, text, size_of(text), max_tokens=16 if limit is None else limit, stop=stops_of(body.get("stop")))
        for text in texts
    ]
    completions = [think(prompt, world.replies) for prompt in prompts]
    charged = bill(prompts[0], completions[0])
    charged.input_tokens = sum(prompt.input_tokens for prompt in prompts)
    charged.output_tokens = sum(completion.output_tokens for completion in completions)
    head: JsonObject = {
        "id": world.identifier("cmpl-", request),
        "object": "text_completion",
        "created": int(world.wall_s()),
        "model": model,
        "system_fingerprint": "fp_simulated",
    }
    usage: JsonObject = {
        "prompt_tokens": charged.input_tokens,
        "completion_tokens": charged.output_tokens,
        "total_tokens": charged.input_tokens + charged.output_tokens,
    }
    finishes = ["length" if completion.finish == "length" else "stop" for completion in completions]
    if not body.get("stream"):
        choices: list[Json] = [
            {"text": completion.text, "index": index, "logprobs": None, "finish_reason": finishes[index]}
            for index, completion in enumerate(completions)
        ]
        return json_answer({**head, "choices": choices, "usage": usage}, bill=charged)
    tape = Tape()
    for index, completion in enumerate(completions):
        for piece in pieces_of(completion.text):
            tape.add(_text_frame(head, index, piece, None), index, size_of(piece))
        tape.add(_text_frame(head, index, "", finishes[index]))
    if object_of(body.get("stream_options")).get("include_usage"):
        tape.add(b"data: " + encode({**head, "choices": [], "usage": usage}) + b"\n\n")
    tape.add(b"data: [DONE]\n\n")
    return Answer(200, "text/event-stream; charset=utf-8", tape.pieces, "sse", bill=charged, marks=tape.marks, texts=tape.texts)


def _text_frame(head: JsonObject, index: int, text: str, finish: str | None) -> bytes:
    return b"data: " + encode({**head, "choices": [{"text": text, "index": index, "logprobs": None, "finish_reason": finish}]}) + b"\n\n"
