"""Vectors of pieces: one byte a dimension in the database, compared all at once in memory. numpy is loaded when the first is met."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CACHE_BYTES: Final = 64 << 20
"""Memory for matrices, all owners together; the least recently used make room."""
RANK_CONSTANT: Final = 60
"""k of reciprocal rank fusion (Cormack, Clarke, Buettcher: Reciprocal Rank Fusion outperforms Condorcet, SIGIR 2009)."""

Stamp = tuple[int, int]
"""How many vectors an owner has, and the newest one's id: changes with every change."""


class Matrix(NamedTuple):
    """The vectors of one owner: `rows` of unit length, one for each of `ids`."""

    stamp: Stamp
    ids: list[int]
    rows: "NDArray[np.float32]"


def packed(vector: Sequence[float]) -> bytes | None:
    """A vector at unit length, one signed byte a dimension; None for one that has no direction."""
    import numpy as np  # noqa: PLC0415 - loaded when vectors are used

    array = np.asarray(vector, dtype=np.float32)
    largest = float(np.max(np.abs(array), initial=0.0))
    if not array.size or not np.isfinite(largest) or largest == 0.0:
        return None
    return bytes(np.round(array / largest * 127).astype(np.int8).tobytes())


def matrix_of(stamp: Stamp, stored: Iterable[tuple[int, bytes]]) -> Matrix:
    """The matrix of stored vectors; those of another length than the first are left out."""
    import numpy as np  # noqa: PLC0415

    rows = list(stored)
    width = len(rows[0][1]) if rows else 0
    fitting = [row for row in rows if len(row[1]) == width]
    values = np.frombuffer(b"".join([row[1] for row in fitting]), dtype=np.int8).reshape(len(fitting), width).astype(np.float32)
    if fitting:
        values /= np.linalg.norm(values, axis=1, keepdims=True)
    return Matrix(stamp, [row[0] for row in fitting], values)


def nearest(matrix: Matrix, vector: Sequence[float], limit: int) -> list[tuple[int, float]]:
    """The ids of the rows nearest to `vector`, with their cosine, best first; none where the lengths differ."""
    import numpy as np  # noqa: PLC0415

    asked = np.asarray(vector, dtype=np.float32)
    length = float(np.linalg.norm(asked))
    if not matrix.ids or asked.size != matrix.rows.shape[1] or not np.isfinite(length) or length == 0.0:
        return []
    cosines = matrix.rows @ (asked / length)
    best = np.argsort(-cosines, kind="stable")[:limit]
    return [(matrix.ids[int(place)], float(cosines[int(place)])) for place in best]


def fused(*rankings: Sequence[int]) -> list[tuple[int, float]]:
    """Ids of several rankings in one order, by reciprocal rank fusion; best first."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for place, name in enumerate(ranking):
            scores[name] = scores.get(name, 0.0) + 1.0 / (RANK_CONSTANT + place + 1)
    return sorted(scores.items(), key=lambda item: -item[1])


class MatrixCache:
    """Matrices by owner, as long as their stamp is the database's. Used from reader threads: each step is one dictionary operation."""

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, Matrix] = OrderedDict()

    def get(self, owner: str, stamp: Stamp) -> Matrix | None:
        """The owner's matrix, if it is the one of this stamp."""
        found = self._kept.get(owner)
        return found if found is not None and found.stamp == stamp else None

    def put(self, owner: str, matrix: Matrix) -> None:
        """Keep a matrix, as far as there is room for it."""
        self._kept.pop(owner, None)
        self._kept[owner] = matrix
        while self._kept and sum(kept.rows.nbytes for kept in list(self._kept.values())) > self._max_bytes:
            self._kept.popitem(last=False)
