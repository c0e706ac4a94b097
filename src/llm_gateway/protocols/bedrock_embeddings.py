"""Embedding models of Amazon Bedrock, asked through InvokeModel: each maker has its own body.

Source: Amazon Bedrock User Guide, "Amazon Titan Text Embeddings models" and "Cohere Embed and Cohere Embed v4".
"""

from typing import Final

import msgspec

from llm_gateway.core.errors import InvalidRequest, ProviderBadResponse
from llm_gateway.core.types import Chunk, EmbeddingRequest, JsonObject, Usage

MAX_COHERE_TEXTS: Final = 96
_TITAN: Final = "amazon.titan-embed-"
_TITAN_V2: Final = "amazon.titan-embed-text-v2"
_COHERE: Final = "cohere.embed-"
_COHERE_V4: Final = "cohere.embed-v4"
_INPUT_TYPE: Final = "search_document"
"""Cohere wants to know what a vector is for. Our callers do not say; texts of one kind compare well with each other."""


class _Titan(msgspec.Struct):
    embedding: list[float]
    inputTextTokenCount: int | None = None  # noqa: N815


class _ByType(msgspec.Struct, rename={"floats": "float"}):
    floats: list[list[float]]


class _Cohere(msgspec.Struct):
    embeddings: list[list[float]] | _ByType


_encoder = msgspec.json.Encoder()
_titan = msgspec.json.Decoder(_Titan)
_cohere = msgspec.json.Decoder(_Cohere)


def encode(request: EmbeddingRequest, name: str) -> bytes:
    """The InvokeModel body for the foundation model `name` (without region prefix).

    Raises:
        InvalidRequest: a model that is none of Titan's or Cohere's, more texts than it takes in one call, or dimensions it does not know.
    """
    if request.native is not None and request.native.protocol == "bedrock":
        return _encoder.encode(request.native.body)
    if name.startswith(_TITAN):
        return _encoder.encode(_titan_body(request, name))
    if name.startswith(_COHERE):
        return _encoder.encode(_cohere_body(request, name))
    raise InvalidRequest(f"model {name[:80]!r} makes no embeddings here: use one of {_TITAN}* or {_COHERE}*", param="model")


def _titan_body(request: EmbeddingRequest, name: str) -> JsonObject:
    if len(request.inputs) != 1:
        raise InvalidRequest(f"input: {name} embeds one text a call, not {len(request.inputs)} (Cohere's models take lists)", param="input")
    body: JsonObject = {"inputText": request.inputs[0]}
    if request.dimensions is not None:
        if not name.startswith(_TITAN_V2):
            raise InvalidRequest(f"dimensions: {name} has a fixed number of them", param="dimensions")
        body["dimensions"] = request.dimensions
    return body


def _cohere_body(request: EmbeddingRequest, name: str) -> JsonObject:
    if not 1 <= len(request.inputs) <= MAX_COHERE_TEXTS:
        raise InvalidRequest(f"input: {name} embeds 1 to {MAX_COHERE_TEXTS} texts a call, not {len(request.inputs)}", param="input")
    body: JsonObject = {"texts": list(request.inputs), "input_type": _INPUT_TYPE}
    if name.startswith(_COHERE_V4):
        body["embedding_types"] = ["float"]
    if request.dimensions is not None:
        if not name.startswith(_COHERE_V4):
            raise InvalidRequest(f"dimensions: {name} has a fixed number of them", param="dimensions")
        body["output_dimension"] = request.dimensions
    return body


def whole(body: bytes, name: str, model: str, wanted: int) -> Chunk:
    """The one chunk of an InvokeModel answer: a vector for each of the `wanted` texts, in order.

    Cohere's answer counts no tokens, so that usage is None there.

    Raises:
        ProviderBadResponse: the body is not an answer, or has another number of vectors.
    """
    usage: Usage | None = None
    try:
        if name.startswith(_COHERE):
            embeddings = _cohere.decode(body).embeddings
            vectors = embeddings.floats if isinstance(embeddings, _ByType) else embeddings
        else:
            titan = _titan.decode(body)
            vectors = [titan.embedding]
            usage = None if titan.inputTextTokenCount is None else Usage(input_tokens=titan.inputTextTokenCount)
    except msgspec.DecodeError as failure:
        raise ProviderBadResponse(f"the provider's answer has no embeddings: {failure}") from failure
    if len(vectors) != wanted:
        raise ProviderBadResponse(f"the provider sent {len(vectors)} embeddings for {wanted} texts")
    return Chunk(embeddings=vectors, usage=usage, response_model=model, raw=body, raw_protocol="bedrock")
