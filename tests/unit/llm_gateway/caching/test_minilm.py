"""The offline model against what its authors publish, and the whole gate on labelled pairs."""

import numpy as np
import pytest
from benchmarks.semantic.__main__ import THRESHOLD, similarity, words_agree
from benchmarks.semantic.pairs import Pair, different, same

from llm_gateway.caching.minilm import DIMENSIONS, Encoder


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder()


# The example of https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, with the figures that its page computes.
@pytest.mark.parametrize(
    ("other", "cosine"),
    [("That is a happy dog", 0.694577), ("That is a very happy person", 0.942915), ("Today is a sunny day", 0.256876)],
)
def test_similarities_are_those_that_are_published(encoder: Encoder, other: str, cosine: float) -> None:
    assert similarity(encoder, Pair("", "That is a happy person", other)) == pytest.approx(cosine, abs=1e-5)


def test_vectors_have_length_one_and_do_not_change(encoder: Encoder) -> None:
    for text in ("a", "What is a qubit?", "Ünïcödé 東京 🎉", "word " * 200):
        vector = encoder.vector(text)
        assert vector is not None
        assert vector.shape == (DIMENSIONS,)
        assert vector.dtype == np.float32
        assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-5)
        assert (encoder.vector(text) == vector).all()


def test_what_the_model_cannot_read_whole_has_no_vector(encoder: Encoder) -> None:
    assert encoder.vector("word " * 300) is None


def test_the_gate_alone_would_serve_wrong_answers_and_the_words_stop_them(encoder: Encoder) -> None:
    pairs = different()[::8]
    close = [pair for pair in pairs if similarity(encoder, pair) >= THRESHOLD]
    assert len(close) > len(pairs) / 3  # which is why there is a second guard
    assert not [pair for pair in close if words_agree(pair)]


def test_paraphrases_that_the_words_let_pass_are_near(encoder: Encoder) -> None:
    agreeing = [pair for pair in same()["blind"] if words_agree(pair)]
    assert [pair for pair in agreeing if similarity(encoder, pair) < THRESHOLD] == []
