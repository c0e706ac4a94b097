"""OpenAI's embeddings as a caller asks for them: the body of a request to canonical values.

Source: OpenAI's API reference, "Create embeddings".
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import EmbeddingRequest, JsonObject, Native

PROTOCOL: Final = "openai"
AUTO: Final = "auto"
MAX_INPUTS: Final = 2048


class EmbeddingsBody(msgspec.Struct, frozen=True):
    """`POST /v1/embeddings`."""

    input: str | Annotated[list[str | int | list[int]], Meta(min_length=1, max_length=MAX_INPUTS)]
    model: str | None = None
    encoding_format: str | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None


def embedding_request(body: JsonObject) -> EmbeddingRequest:
    """The canonical request of an embeddings body. Texts become `inputs`; token numbers, which nobody here can read, stay in the
    body, for providers of this wire alone.

    Raises:
        msgspec.ValidationError: a field has the wrong type.
        InvalidRequest: texts and token numbers are mixed, or `encoding_format` is unknown.
    """
    said = msgspec.convert(body, EmbeddingsBody)
    if said.encoding_format not in {None, "float", "base64"}:
        raise InvalidRequest("encoding_format: expected float or base64", param="encoding_format")
    inputs, only = _inputs(said.input)
    return EmbeddingRequest(
        inputs=inputs,
        model=None if said.model in {None, "", AUTO} else said.model,
        dimensions=said.dimensions,
        end_user=said.user,
        native=Native(PROTOCOL, body, only),
    )


def _inputs(said: str | list[str | int | list[int]]) -> tuple[tuple[str, ...], str]:
    if isinstance(said, str):
        return (said,), ""
    texts = tuple(item for item in said if isinstance(item, str))
    if len(texts) == len(said):
        return texts, ""
    if texts:
        raise InvalidRequest("input: expected texts, or token numbers, not both", param="input")
    return (), "token numbers in place of text"
