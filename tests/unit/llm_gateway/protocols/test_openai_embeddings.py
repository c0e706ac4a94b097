import base64
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import ProviderBadResponse, ProviderError, ProviderUnavailable
from llm_gateway.core.types import Chunk, EmbeddingRequest, JsonObject, Native, Usage
from llm_gateway.protocols.openai_embeddings import EmbeddingsAnswer, encode_embeddings


def body_of(request: EmbeddingRequest) -> JsonObject:
    return msgspec.json.decode(encode_embeddings(request, "m"), type=dict)


def fail(body: bytes) -> ProviderError:
    return ProviderUnavailable(f"told of {len(body)} bytes")


def decode(body: bytes, expected: int = 0) -> list[Chunk]:
    decoder = EmbeddingsAnswer("openai", fail, expected)
    assert decoder.feed(body[:7]) == decoder.feed(body[7:]) == []
    return decoder.finish()


def answer(*vectors: object, **more: object) -> bytes:
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    return msgspec.json.encode({"object": "list", "data": data, "model": "e-3", "usage": {"prompt_tokens": 5, "total_tokens": 5}, **more})


def test_encoding_format_is_omitted_rather_than_null() -> None:
    assert body_of(EmbeddingRequest(("a", "b"))) == {"model": "m", "input": ["a", "b"]}


def test_every_option_has_its_field() -> None:
    request = EmbeddingRequest(("a",), dimensions=256, end_user="u")
    assert body_of(request) == {"model": "m", "input": ["a"], "dimensions": 256, "user": "u"}


def test_a_native_body_keeps_everything_but_the_model() -> None:
    body: JsonObject = {"model": "x", "input": [[1, 2]], "encoding_format": "base64", "odd": True}
    assert body_of(EmbeddingRequest((), native=Native("openai", body))) == {**body, "model": "m"}


def test_numbers() -> None:
    body = answer([0.5, -1.0], [1, 2])
    [chunk] = decode(body, 2)
    assert chunk == Chunk(embeddings=[[0.5, -1.0], [1.0, 2.0]], usage=Usage(5), response_model="e-3", raw=body, raw_protocol="openai")


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=20))
def test_base64_is_little_endian_floats(vector: list[float]) -> None:
    packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    assert decode(answer(packed))[0].embeddings == [vector]


def test_vectors_stand_in_the_order_of_their_index() -> None:
    body = b'{"data":[{"index":1,"embedding":[1]},{"index":0,"embedding":[0]}]}'
    assert decode(body)[0].embeddings == [[0.0], [1.0]]


def test_vectors_without_an_index_keep_their_order() -> None:
    assert decode(b'{"data":[{"embedding":[1]},{"embedding":[0]}]}')[0].embeddings == [[1.0], [0.0]]


def test_missing_usage_is_not_zero() -> None:
    assert decode(b'{"data":[{"embedding":[1]}]}')[0].usage is None
    assert decode(b'{"data":[{"embedding":[1]}],"usage":{"prompt_tokens":0}}')[0].usage == Usage(0)


def test_an_error_object_in_a_successful_answer() -> None:
    with pytest.raises(ProviderUnavailable, match="told of"):
        decode(b'{"error":{"message":"no"}}')
    assert decode(b'{"error":null,"data":[{"embedding":[1]}]}')[0].embeddings == [[1.0]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>canary</html>",
        b"\xff\xfe",
        b'"canary"',
        b'{"canary":1}',
        b'{"data":[]}',
        b'{"canary":' + b"[" * 5000,
        b'{"data":[{"embedding":["canary"]}]}',
        b'{"data":[{"embedding":"canary!!"}]}',
        b'{"data":[{"embedding":"QUJ DRA=="}]}',
        b'{"data":[{"embedding":"QUJDRA=="},{"embedding":"QUJD"}]}',
    ],
)
def test_what_is_no_list_of_embeddings_is_a_bad_response_that_echoes_nothing(body: bytes) -> None:
    with pytest.raises(ProviderBadResponse) as caught:
        decode(body)
    assert "canary" not in caught.value.message
    assert caught.value.provider == "openai"


def test_a_vector_for_each_input_or_none_at_all() -> None:
    with pytest.raises(ProviderBadResponse, match="1 vectors for 2 inputs"):
        decode(answer([1.0]), 2)
