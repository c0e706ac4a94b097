"""Texts and token numbers to embed."""

from typing import Any

import pytest

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import EmbeddingRequest, Native
from llm_gateway.protocols.openai_embeddings_ingress import embedding_request


def test_embeddings_of_texts() -> None:
    body = {"input": ["a", "b"], "model": "m", "dimensions": 5, "user": "u", "encoding_format": "base64"}
    expected = EmbeddingRequest(("a", "b"), model="m", dimensions=5, end_user="u", native=Native("openai", body))
    assert embedding_request(body) == expected
    assert embedding_request({"input": "a"}).inputs == ("a",)


@pytest.mark.parametrize("numbers", [[1, 2, 3], [[1, 2], [3]]])
def test_token_numbers_stay_in_the_body(numbers: list[Any]) -> None:
    request = embedding_request({"input": numbers})
    assert request.inputs == ()
    assert request.native is not None
    assert request.native.only == "token numbers in place of text"


@pytest.mark.parametrize("body", [{"input": ["a", 1]}, {"input": "a", "encoding_format": "hex"}])
def test_embeddings_that_make_no_sense(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        embedding_request(body)
