"""Embeddings without a model: unit vectors from hashed words and letter trigrams.

Texts that share words or parts of words share features, so that near texts have near vectors and a search over them
finds what it should. The same text gives the same vector on every machine.
"""

import base64
import math
import re
import sys
from array import array
from functools import lru_cache
from zlib import crc32

from llm_gateway.simulator.exchange import words

_WORDS = re.compile(r"\w+")
_COMMON = frozenset(
    words(
        "a an and are as at be but by do does for from has have how i in is it its me my of on or our that the their this to was we "
        "were what when where which who why will with you your"
    )
)
_WORD_WEIGHT, _COMMON_WEIGHT, _TRIGRAM_WEIGHT = 1.0, 0.1, 0.35
_PLACES = 3


@lru_cache(maxsize=512)
def vector(text: str, dimensions: int) -> tuple[float, ...]:
    """A vector of length 1 with that many dimensions."""
    values = [0.0] * dimensions
    for feature, weight in _features(text).items():
        digest = crc32(feature.encode())
        for _ in range(_PLACES):
            values[(digest >> 1) % dimensions] += weight if digest & 1 else -weight
            digest = (digest * 2_654_435_761 + 97) & 0xFFFF_FFFF
    norm = math.sqrt(sum(value * value for value in values))
    if norm == 0:
        values[0] = norm = 1.0
    return tuple(array("f", [value / norm for value in values]))


def _features(text: str) -> dict[str, float]:
    features: dict[str, float] = {"": 0.05}
    for word in _WORDS.findall(text.lower()):
        if word in _COMMON:
            features[word] = features.get(word, 0.0) + _COMMON_WEIGHT
            continue
        features[word] = features.get(word, 0.0) + _WORD_WEIGHT
        padded = f"<{word}>"
        for start in range(len(padded) - 2):
            trigram = padded[start : start + 3]
            features[trigram] = features.get(trigram, 0.0) + _TRIGRAM_WEIGHT
    return features


def base64_vector(values: tuple[float, ...]) -> str:
    """The vector as base64 of little-endian 32-bit floats, as OpenAI's `encoding_format: base64` has it."""
    packed = array("f", values)
    if packed.itemsize != 4:
        raise ValueError("this machine's floats are not four bytes wide")
    if sys.byteorder == "big":
        packed.byteswap()
    return base64.b64encode(packed.tobytes()).decode()
