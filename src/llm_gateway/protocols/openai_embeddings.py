"""OpenAI's embeddings: `POST /embeddings`, request and answer.

Source: OpenAI's API reference, "Create embeddings". With `encoding_format: base64` a vector is the base64 of little-endian
32-bit floats; the official SDKs ask for that unless told otherwise.
"""

import binascii
import struct
from collections.abc import Callable
from typing import Final

import msgspec

from llm_gateway.core.errors import ProviderBadResponse, ProviderError
from llm_gateway.core.types import Chunk, EmbeddingRequest, JsonObject, Usage

PROTOCOL: Final = "openai"

_NOTHING: Final = msgspec.Raw(b"null")
_FLOAT_BYTES: Final = 4


class _Embedding(msgspec.Struct, gc=False):
    embedding: list[float] | str
    index: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None


class _Answer(msgspec.Struct, gc=False):
    data: list[_Embedding] | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = _NOTHING


_decoder = msgspec.json.Decoder(_Answer)
_encoder = msgspec.json.Encoder()


def encode_embeddings(request: EmbeddingRequest, model: str) -> bytes:
    """The JSON body that asks `model` for the vectors of `request`. `encoding_format` stands in it only if the caller's own body
    has one: some servers refuse null."""
    native = request.native
    if native is not None and native.protocol == PROTOCOL:
        return _encoder.encode({**native.body, "model": model})
    body: JsonObject = {"model": model, "input": list(request.inputs)}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    if request.end_user is not None:
        body["user"] = request.end_user
    return _encoder.encode(body)


class EmbeddingsAnswer:
    """Decodes the answer into one chunk with a vector for each input, in the inputs' order.

    `expected` is the number of inputs; 0 when it is not known (the caller sent token numbers).
    """

    __slots__ = ("_expected", "_fail", "_parts", "_provider")

    def __init__(self, provider: str, fail: Callable[[bytes], ProviderError], expected: int) -> None:
        self._provider = provider
        self._fail = fail
        self._expected = expected
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> list[Chunk]:
        self._parts.append(data)
        return []

    def finish(self) -> list[Chunk]:
        """The one chunk.

        Raises:
            ProviderError: the body is an error object.
            ProviderBadResponse: the body is not a list of embeddings, or not one for each input.
        """
        body = b"".join(self._parts)
        try:
            answer = _decoder.decode(body)
            if answer.error is not _NOTHING and bytes(answer.error) != b"null":
                raise self._fail(body)
            if answer.data is None:
                raise self._bad("no `data`")
            vectors = [(item.index, _vector(item.embedding)) for item in answer.data]
        except msgspec.DecodeError as error:
            raise self._bad(str(error)) from None
        except RecursionError:
            raise self._bad("nested too deeply") from None
        except (UnicodeDecodeError, ValueError, struct.error):
            raise self._bad("a vector that is neither numbers nor base64 of 32-bit floats") from None
        if not vectors or (self._expected and len(vectors) != self._expected):
            raise self._bad(f"{len(vectors)} vectors for {self._expected} inputs")
        if all(index is not None for index, _ in vectors):
            vectors.sort(key=lambda pair: pair[0] or 0)
        usage = answer.usage
        return [
            Chunk(
                embeddings=[vector for _, vector in vectors],
                usage=None if usage is None or usage.prompt_tokens is None else Usage(usage.prompt_tokens),
                response_model=answer.model or "",
                raw=body,
                raw_protocol=PROTOCOL,
            )
        ]

    def _bad(self, why: str) -> ProviderBadResponse:
        return ProviderBadResponse(
            f"{self._provider} answered with something that is not a list of embeddings: {why}", provider=self._provider
        )


def _vector(embedding: list[float] | str) -> list[float]:
    if isinstance(embedding, list):
        return embedding
    data = binascii.a2b_base64(embedding, strict_mode=True)
    return list(struct.unpack(f"<{len(data) // _FLOAT_BYTES}f", data))
