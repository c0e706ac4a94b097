import base64
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.simulator.vectors import base64_vector, vector


def _cosine(left: str, right: str, dimensions: int = 768) -> float:
    return sum(a * b for a, b in zip(vector(left, dimensions), vector(right, dimensions), strict=True))


@given(st.text(max_size=80), st.sampled_from([8, 256, 1536]))
def test_every_vector_has_length_one(text: str, dimensions: int) -> None:
    values = vector(text, dimensions)
    assert len(values) == dimensions
    assert math.isclose(sum(value * value for value in values), 1, abs_tol=1e-5)


@pytest.mark.parametrize(
    ("query", "near", "far"),
    [
        ("How do I reset my password?", "Resetting a forgotten password", "Recipe for apple pie"),
        ("invoice for the month of March", "Monthly invoices are sent in March", "The cat sleeps on the sofa"),
        ("deploying containers with kubernetes", "Kubernetes container deployment", "History of the Roman empire"),
    ],
)
def test_texts_that_share_words_are_nearer(query: str, near: str, far: str) -> None:
    assert _cosine(query, near) > _cosine(query, far) + 0.2


def test_base64_holds_the_same_floats() -> None:
    values = vector("hello", 16)
    assert struct.unpack("<16f", base64.b64decode(base64_vector(values))) == values
