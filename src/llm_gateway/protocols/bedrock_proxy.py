"""The Bedrock proxy: one POST with a prompt, one JSON answer with a text.

    {"model", "prompt", "params": {"temperature", "max_tokens", ...}, "region"?, "format"?} -> {"output", "model", "region"}

It has no turns, so a conversation is written into the prompt in a plain form. A lone user message is the prompt as it stands;
anything else becomes paragraphs `System: ...`, `User: ...`, `Assistant: ...` with an empty line between, and ends in a line
`Assistant:` for the model to go on from. The form is a convention, not a boundary: a text may contain such a line itself.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from llm_gateway.core.errors import InvalidRequest, ProviderBadResponse
from llm_gateway.core.types import ChatRequest, Chunk, FinishReason, Json, JsonObject, ModelRequest, Text, Thinking

PROTOCOL: Final = "bedrock_proxy"
MAX_TEMPERATURE: Final = 1.0

_LABELS: Final = {"system": "System", "user": "User", "assistant": "Assistant"}


class _Answer(msgspec.Struct):
    output: Json = None
    model: str | None = None


_encoder = msgspec.json.Encoder()
_answer = msgspec.json.Decoder(_Answer)


def encode(request: ModelRequest, model: str, region: str) -> bytes:
    """The proxy's body for a chat request.

    Dropped: `seed`, penalties, `end_user`, reasoning wishes and earlier reasoning.

    Raises:
        InvalidRequest: embeddings, tools, a schema, several answers, log probabilities, or anything but text in a message.
    """
    if not isinstance(request, ChatRequest):
        raise InvalidRequest("the Bedrock proxy makes no embeddings", param="input")
    if request.native is not None and request.native.protocol == PROTOCOL:
        return _encoder.encode(request.native.body | {"model": model})
    _refuse(request)
    params: JsonObject = {}
    if request.temperature is not None:
        params["temperature"] = min(request.temperature, MAX_TEMPERATURE)
    if request.max_tokens is not None:
        params["max_tokens"] = request.max_tokens
    if request.top_p is not None:
        params["top_p"] = request.top_p
    if request.stop:
        params["stop"] = list(request.stop)
    body: JsonObject = {"model": model, "prompt": prompt(request), "params": params}
    if region:
        body["region"] = region
    if request.response_format is not None and request.response_format.type == "json_object":
        body["format"] = "json"
    return _encoder.encode(body)


def _refuse(request: ChatRequest) -> None:
    for field, asked in (
        ("tools", bool(request.tools)),
        ("n", request.n != 1),
        ("logprobs", request.logprobs or request.top_logprobs is not None),
        ("response_format", request.response_format is not None and request.response_format.type == "json_schema"),
    ):
        if asked:
            raise InvalidRequest(f"{field}: the Bedrock proxy takes a prompt and gives a text, it knows no {field}", param=field)


def prompt(request: ChatRequest) -> str:
    """The conversation as one text, in the form this module states."""
    turns = list(_turns(request))
    if len(turns) == 1 and turns[0][0] == "user":
        return turns[0][1]
    return "\n\n".join([f"{_LABELS[role]}: {text}" for role, text in turns] + ["Assistant:"])


def _turns(request: ChatRequest) -> Iterator[tuple[str, str]]:
    for index, message in enumerate(request.messages):
        where = f"messages[{index}]"
        if message.role == "tool":
            raise InvalidRequest(f"{where}: the Bedrock proxy knows no tools", param=where)
        for part in message.parts():
            if not isinstance(part, Text | Thinking):
                kind = type(part).__name__.lower()
                raise InvalidRequest(f"{where}: the Bedrock proxy takes text only, not {kind}", param=where)
        yield message.role, message.text()


def whole(body: bytes, model: str) -> Chunk:
    """The one chunk of an answer. The proxy counts no tokens and gives no reason for the end: usage is None, the reason `stop`.

    Raises:
        ProviderBadResponse: the body is not the proxy's, or has no output.
    """
    try:
        answer = _answer.decode(body)
    except msgspec.DecodeError as failure:
        raise ProviderBadResponse(f"the Bedrock proxy's answer is not JSON of its form: {failure}") from failure
    if answer.output is None:
        raise ProviderBadResponse("the Bedrock proxy answered without any output", same_again=True)
    return Chunk(
        text=answer.output if isinstance(answer.output, str) else _encoder.encode(answer.output).decode(),
        finish_reason=FinishReason.STOP,
        response_model=answer.model or model,
        raw=body,
        raw_protocol=PROTOCOL,
    )
