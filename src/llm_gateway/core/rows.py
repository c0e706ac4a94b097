"""Many rows in one SQL statement: SQLite takes them at half the cost of one statement for each."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

PIECE: Final = 32
"""Rows in a statement. Each number of rows is a statement of its own, which the driver prepares once and keeps."""


def statements(before: str, rows: Sequence[tuple[Any, ...]], after: str = "", constants: str = "") -> Iterator[tuple[str, tuple[Any, ...]]]:
    """`before VALUES (?, ... constants), ... after` with its arguments, for pieces of rows of one width. `constants` are SQL, each after a
    comma: the last values of every row."""
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        yield _statement(before, len(piece), len(piece[0]), after, constants), tuple(chain.from_iterable(piece))


@lru_cache(maxsize=1024)
def _statement(before: str, rows: int, width: int, after: str, constants: str) -> str:
    row = f"({', '.join('?' * width)}{constants})"
    return f"{before} VALUES {', '.join([row] * rows)} {after}"
