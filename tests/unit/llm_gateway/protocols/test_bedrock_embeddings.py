"""Embedding bodies and answers of Titan and Cohere."""

import msgspec
import pytest

from llm_gateway.core.errors import InvalidRequest, ProviderBadResponse
from llm_gateway.core.types import EmbeddingRequest, Native, Usage
from llm_gateway.protocols.bedrock_embeddings import encode, whole

TITAN_V1, TITAN_V2 = "amazon.titan-embed-text-v1", "amazon.titan-embed-text-v2:0"
COHERE_V3, COHERE_V4 = "cohere.embed-english-v3", "cohere.embed-v4:0"


@pytest.mark.parametrize(
    ("request_", "name", "body"),
    [
        (EmbeddingRequest(("a",)), TITAN_V1, {"inputText": "a"}),
        (EmbeddingRequest(("a",), dimensions=256), TITAN_V2, {"inputText": "a", "dimensions": 256}),
        (EmbeddingRequest(("a", "b")), COHERE_V3, {"texts": ["a", "b"], "input_type": "search_document"}),
        (
            EmbeddingRequest(("a",), dimensions=512),
            COHERE_V4,
            {"texts": ["a"], "input_type": "search_document", "embedding_types": ["float"], "output_dimension": 512},
        ),
        (
            EmbeddingRequest(("a",), native=Native("bedrock", {"inputText": "a", "normalize": False})),
            TITAN_V2,
            {"inputText": "a", "normalize": False},
        ),
    ],
)
def test_bodies(request_: EmbeddingRequest, name: str, body: dict[str, object]) -> None:
    assert msgspec.json.decode(encode(request_, name)) == body


@pytest.mark.parametrize(
    ("request_", "name", "param", "says"),
    [
        (EmbeddingRequest(("a", "b")), TITAN_V2, "input", "one text a call"),
        (EmbeddingRequest(()), TITAN_V2, "input", "one text a call"),
        (EmbeddingRequest(("a",), dimensions=256), TITAN_V1, "dimensions", "fixed"),
        (EmbeddingRequest(("a",), dimensions=256), COHERE_V3, "dimensions", "fixed"),
        (EmbeddingRequest(("a",) * 97), COHERE_V3, "input", "1 to 96"),
        (EmbeddingRequest(()), COHERE_V3, "input", "1 to 96"),
        (EmbeddingRequest(("a",)), "anthropic.claude-3-haiku-20240307-v1:0", "model", "makes no embeddings"),
    ],
)
def test_what_a_model_cannot_do(request_: EmbeddingRequest, name: str, param: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as caught:
        encode(request_, name)
    assert caught.value.param == param


def test_ninety_six_texts_are_fine() -> None:
    assert len(msgspec.json.decode(encode(EmbeddingRequest(("a",) * 96), COHERE_V3))["texts"]) == 96


def test_titan_answers() -> None:
    body = b'{"embedding":[0.5,1],"inputTextTokenCount":3,"embeddingsByType":{"float":[0.5,1]}}'
    chunk = whole(body, TITAN_V2, "us." + TITAN_V2, 1)
    assert (chunk.embeddings, chunk.usage, chunk.response_model) == ([[0.5, 1.0]], Usage(3), "us." + TITAN_V2)
    assert (chunk.raw, chunk.raw_protocol) == (body, "bedrock")
    assert whole(b'{"embedding":[1]}', TITAN_V1, TITAN_V1, 1).usage is None


@pytest.mark.parametrize("embeddings", [b"[[1,2],[3,4]]", b'{"float":[[1,2],[3,4]]}'])
def test_cohere_answers_in_both_forms(embeddings: bytes) -> None:
    chunk = whole(b'{"embeddings":' + embeddings + b',"id":"x","texts":["a","b"]}', COHERE_V3, COHERE_V3, 2)
    assert chunk.embeddings == [[1.0, 2.0], [3.0, 4.0]]
    assert chunk.usage is None


@pytest.mark.parametrize(
    ("body", "name", "wanted"),
    [
        (b'{"embeddings":[[1]]}', COHERE_V3, 2),
        (b'{"message":"x"}', COHERE_V3, 1),
        (b'{"embedding":null}', TITAN_V2, 1),
        (b"", TITAN_V2, 1),
    ],
)
def test_bad_answers(body: bytes, name: str, wanted: int) -> None:
    with pytest.raises(ProviderBadResponse):
        whole(body, name, name, wanted)
