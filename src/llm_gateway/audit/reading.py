"""Reading a running gateway's trail: a page, an export, a verification. Rows are read in pieces off the event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection

from llm_gateway.audit import tables
from llm_gateway.audit.chain import AuditKey
from llm_gateway.audit.export import csv_header, csv_line, opening_lines, row_line
from llm_gateway.audit.rows import Row
from llm_gateway.audit.search import Filters, Position
from llm_gateway.audit.verification import ChainCheck, TrailCheck, Verdict
from llm_gateway.core.errors import Overloaded

T = TypeVar("T")
PIECE_ROWS: Final = 500
"""Rows read at once: a few milliseconds of work."""


class Store(Protocol):
    """The database, for reading."""

    def read(self, work: Callable[[Connection], T]) -> Awaitable[T]: ...


class TrailReader:
    """`busy` is held while all of the trail is read: one at a time, and no rows are removed meanwhile."""

    def __init__(self, store: Store, key: AuditKey, busy: asyncio.Lock) -> None:
        self._store = store
        self._key = key
        self._busy = busy

    async def page(self, filters: Filters, after: Position | None, limit: int) -> list[Row]:
        """Rows, newest first."""
        return await self._store.read(lambda connection: tables.newest(connection, filters.where(), after, limit))

    async def jsonl(self, filters: Filters) -> AsyncIterator[bytes]:
        """An export as JSON Lines, piece by piece."""
        outline = await self._store.read(tables.outline)
        yield b"".join(opening_lines(self._key.key_id, filters, outline.heads, outline.checkpoints))
        # Rows that are written meanwhile are left out: the heads do not account for them.
        ends = {head.chain: head.seq for head in outline.heads}
        async for rows in self._pieces(filters):
            yield b"".join([row_line(row) for row in rows if row.seq <= max(ends.get(row.chain, -1), outline.ends.get(row.chain, -1))])

    async def csv(self, filters: Filters) -> AsyncIterator[bytes]:
        """An export as CSV, piece by piece."""
        yield csv_header()
        async for rows in self._pieces(filters):
            yield b"".join([csv_line(row) for row in rows])

    async def _pieces(self, filters: Filters) -> AsyncIterator[list[Row]]:
        after: tuple[str, int] | None = None
        while True:
            rows = await self._store.read(partial(_piece, filters, after))
            yield rows
            if len(rows) < PIECE_ROWS:
                return
            after = rows[-1].chain, rows[-1].seq

    async def verify(self) -> Verdict:
        """Check the whole trail as it is now.

        Raises:
            Overloaded: somebody else is at it.
        """
        if self._busy.locked():
            raise Overloaded("the audit trail is being verified already", retry_after_s=10)
        async with self._busy:
            outline = await self._store.read(tables.outline)
            trail = TrailCheck(self._key, outline.heads, outline.checkpoints, outline.anchors)
            for name, end in outline.ends.items():
                check, seq = trail.chain(name), -1
                while seq < end:
                    following = await self._store.read(partial(_check_piece, check, name, seq + 1, end))
                    if following is None:
                        break
                    seq = following
            return trail.verdict()


def _piece(filters: Filters, after: tuple[str, int] | None, connection: Connection) -> list[Row]:
    return tables.oldest(connection, filters.where(), after, PIECE_ROWS)


def _check_piece(check: ChainCheck, name: str, since: int, end: int, connection: Connection) -> int | None:
    """Check the next rows; gives the last one's number, or None when there are no more."""
    rows = tables.rows_from(connection, name, since, end, PIECE_ROWS)
    for row in rows:
        check.feed(row)
    return rows[-1].seq if rows else None
