"""Many rows in one SQL statement: SQLite takes them at half the cost of one statement for each."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

PIECE: Final = 32
"""Rows in a statement. Each number of rows is a statement of its own, which the driver prepares once and keeps."""


def statements(before: str, rows: Sequence[tuple[Any, ...]], after: str = "") -> Iterator[tuple[str, tuple[Any, ...]]]:
    """`before VALUES (?, ...), ... after` with its arguments, for pieces of rows of one width."""
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        yield _statement(before, len(piece), len(piece[0]), after), tuple([value for row in piece for value in row])


@lru_cache(maxsize=1024)
def _statement(before: str, rows: int, width: int, after: str) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{before} VALUES {', '.join([row] * rows)} {after}"
