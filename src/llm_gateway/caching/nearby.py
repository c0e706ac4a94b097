"""Which cached questions are near to one: vectors and normal forms by frame, in this process's memory.

A frame is everything that decides an answer but the question itself (owner, model, system prompt, history, sampling, policy): only
questions of one frame are compared. Answers are not here: what is found is the name of a cache entry, which may be gone by then.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from llm_gateway.caching.meaning import Meaning, agree

Vector = npt.NDArray[np.float32]
LOOKED_AT: Final = 32
"""Nearest questions whose words are compared."""
_FIRST_ROWS: Final = 8


class _Shelf:
    """The questions of one frame, oldest use first; row i of `vectors` belongs to the i-th of `names` and `meanings`."""

    __slots__ = ("ends_s", "meanings", "names", "vectors")

    def __init__(self, dimensions: int) -> None:
        self.names: list[str] = []
        self.meanings: list[Meaning] = []
        self.ends_s: list[float] = []
        self.vectors: Vector = np.empty((_FIRST_ROWS, dimensions), np.float32)

    def add(self, name: str, vector: Vector, meaning: Meaning, ends_s: float) -> int:
        """Says how many questions there are more than before."""
        if name in self.names:
            self.ends_s[self.names.index(name)] = ends_s
            return 0
        count = len(self.names)
        if count == len(self.vectors):
            grown = np.empty((2 * count, self.vectors.shape[1]), np.float32)
            grown[:count] = self.vectors
            self.vectors = grown
        self.vectors[count] = vector
        self.names.append(name)
        self.meanings.append(meaning)
        self.ends_s.append(ends_s)
        return 1

    def drop(self, place: int) -> None:
        count = len(self.names)
        self.vectors[place : count - 1] = self.vectors[place + 1 : count]
        del self.names[place], self.meanings[place], self.ends_s[place]


class Nearby:
    """At most `max_entries` questions: the oldest of the frame that was used least recently makes room."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._shelves: OrderedDict[str, _Shelf] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def resize(self, max_entries: int) -> None:
        """A new bound."""
        self._max_entries = max_entries
        self._make_room()

    def add(self, frame: str, name: str, vector: Vector, meaning: Meaning, ends_s: float) -> None:
        """Remember that the entry `name` answers this question, until `ends_s`."""
        shelf = self._shelves.get(frame)
        if shelf is None:
            shelf = self._shelves[frame] = _Shelf(len(vector))
        self._shelves.move_to_end(frame)
        self._size += shelf.add(name, vector, meaning, ends_s)
        self._make_room()

    def near(self, frame: str, vector: Vector, meaning: Meaning, threshold: float) -> Iterator[tuple[str, float]]:
        """Names of entries whose question asks the same, with their similarity: the nearest first."""
        shelf = self._shelves.get(frame)
        if shelf is None or not shelf.names:
            return
        self._shelves.move_to_end(frame)
        similar = shelf.vectors[: len(shelf.names)] @ vector
        order = np.argsort(-similar)[:LOOKED_AT]
        found = [(shelf.names[place], float(similar[place])) for place in order if self._fits(shelf, place, similar, threshold, meaning)]
        yield from found

    @staticmethod
    def _fits(shelf: _Shelf, place: int, similar: Vector, threshold: float, meaning: Meaning) -> bool:
        return bool(similar[place] >= threshold) and agree(shelf.meanings[place], meaning)

    def forget(self, frame: str, name: str) -> None:
        """An entry is gone."""
        shelf = self._shelves.get(frame)
        if shelf is not None and name in shelf.names:
            self._drop(frame, shelf, shelf.names.index(name))

    def clear(self, selects: Callable[[str], bool]) -> None:
        """Forget the entries whose name is selected."""
        self._remove(lambda shelf, place: selects(shelf.names[place]))

    def sweep(self, now_s: float) -> None:
        """Forget what has come to its end."""
        self._remove(lambda shelf, place: shelf.ends_s[place] <= now_s)

    def _remove(self, which: Callable[[_Shelf, int], bool]) -> None:
        for frame, shelf in list(self._shelves.items()):
            for place in range(len(shelf.names) - 1, -1, -1):
                if which(shelf, place):
                    self._drop(frame, shelf, place)

    def _drop(self, frame: str, shelf: _Shelf, place: int) -> None:
        shelf.drop(place)
        self._size -= 1
        if not shelf.names:
            del self._shelves[frame]

    def _make_room(self) -> None:
        while self._size > self._max_entries:
            frame, shelf = next(iter(self._shelves.items()))
            self._drop(frame, shelf, 0)
