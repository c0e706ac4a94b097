"""Many rows in one SQL statement: SQLite takes them at half the cost of one statement for each."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final

PIECE: Final = 32
"""Rows in a statement. Each number of rows is a statement of its own, which the driver prepares once and keeps."""


class Alike:
    """The columns, by their places, in which rows are often the same. Rows that are so in all of them hand such a value over once: of
    what a row of short texts costs, a third is their handing over."""

    __slots__ = ("own_of", "places", "shared_of")

    def __init__(self, places: Sequence[int], width: int) -> None:
        """`places` are at least two, and leave at least two of the `width` columns. Their values must be of one sortable type."""
        self.places = frozenset(places)
        self.shared_of: itemgetter[tuple[Any, ...]] = itemgetter(*sorted(places))
        self.own_of: itemgetter[tuple[Any, ...]] = itemgetter(*(place for place in range(width) if place not in self.places))


def statements(
    before: str, rows: Sequence[tuple[Any, ...]], after: str = "", constants: str = "", alike: Alike | None = None
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """`before VALUES (?, ... constants), ... after` with its arguments, for pieces of rows of one width. `constants` are SQL, each after a
    comma: the last values of every row. With `alike` the rows come in another order."""
    if alike is not None and len(rows) > 1:
        rows = sorted(rows, key=alike.shared_of)
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        width = len(piece[0])
        if alike is not None and len(piece) > 1 and (shared := alike.shared_of(piece[0])) == alike.shared_of(piece[-1]):
            values = chain(shared, chain.from_iterable(map(alike.own_of, piece)))
            yield _statement(before, len(piece), width, after, constants, alike.places), tuple(values)
        else:
            yield _statement(before, len(piece), width, after, constants), tuple(chain.from_iterable(piece))


@lru_cache(maxsize=1024)
def _statement(before: str, rows: int, width: int, after: str, constants: str, shared: frozenset[int] = frozenset()) -> str:
    """Values of the columns `shared` come first, once for all rows; then each row's own."""
    once = {place: f"?{number}" for number, place in enumerate(sorted(shared), 1)}
    own = [place for place in range(width) if place not in shared]
    said: list[str] = []
    for first in range(len(once) + 1, len(once) + 1 + rows * len(own), len(own)):
        each = once | {place: f"?{number}" for number, place in enumerate(own, first)}
        said.append(f"({', '.join(each[place] for place in range(width))}{constants})")
    return f"{before} VALUES {', '.join(said)} {after}"
