"""Reading a trail from a file, without a gateway: the SQLite database (never written), or a JSON Lines export."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from heapq import nlargest
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

import msgspec
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from llm_gateway.audit import export, tables
from llm_gateway.audit.chain import AuditKey, Checkpoint, Head
from llm_gateway.audit.rows import Row
from llm_gateway.audit.search import Filters
from llm_gateway.audit.verification import TrailCheck, Verdict
from llm_gateway.core.errors import ConfigurationError

PIECE_ROWS: Final = 2_000
_SQLITE: Final = b"SQLite format 3\0"


class TrailFile(Protocol):
    """A trail that lies in a file."""

    def rows(self, filters: Filters) -> Iterable[Row]: ...
    def newest(self, filters: Filters, limit: int) -> list[Row]: ...
    def verify(self, key: AuditKey) -> Verdict: ...


@contextmanager
def opened(path: Path) -> Iterator[TrailFile]:
    """The trail in a file.

    Raises:
        ConfigurationError: there is no such file, it is neither of the two formats, or it is damaged beyond reading.
    """
    try:
        with path.open("rb") as file:
            is_sqlite = file.read(len(_SQLITE)) == _SQLITE
    except OSError as failure:
        raise ConfigurationError(f"{path}: it cannot be read ({failure.strerror})") from None
    if not is_sqlite:
        yield ExportFile(path)
        return
    try:
        with _read_only(path) as connection:
            yield DatabaseFile(connection)
    except (DBAPIError, sqlite3.DatabaseError) as failure:
        reason = failure.orig if isinstance(failure, DBAPIError) else failure
        raise ConfigurationError(f"{path}: the database cannot be read: {reason}") from None


@contextmanager
def _read_only(path: Path) -> Iterator[Connection]:
    address = f"file:{quote(str(path.resolve()))}?mode=ro"
    # On a medium that cannot be written, a database in WAL mode opens as an immutable one only.
    wal = path.with_name(path.name + "-wal")
    try:
        sqlite3.connect(address, uri=True).execute("SELECT 1 FROM sqlite_master").close()
    except sqlite3.OperationalError:
        if wal.exists() and wal.stat().st_size:
            raise
        address += "&immutable=1"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True, isolation_level=None), poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            # One transaction: a gateway that writes meanwhile does not disturb what is read.
            connection.exec_driver_sql("BEGIN")
            yield connection
    finally:
        engine.dispose()


class DatabaseFile:
    """A trail in a SQLite file, through a connection that reads one state of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, filters: Filters) -> Iterator[Row]:
        """The rows that match, chain by chain in order."""
        after: tuple[str, int] | None = None
        while rows := tables.oldest(self._connection, filters.where(), after, PIECE_ROWS):
            yield from rows
            after = rows[-1].chain, rows[-1].seq

    def newest(self, filters: Filters, limit: int) -> list[Row]:
        """The newest rows that match, newest first."""
        return tables.newest(self._connection, filters.where(), None, limit)

    def verify(self, key: AuditKey) -> Verdict:
        """Check all of it."""
        outline = tables.outline(self._connection)
        trail = TrailCheck(key, outline.heads, outline.checkpoints, outline.anchors)
        for name, end in outline.ends.items():
            check, since = trail.chain(name), 0
            while rows := tables.rows_from(self._connection, name, since, end, PIECE_ROWS):
                for row in rows:
                    check.feed(row)
                since = rows[-1].seq + 1
        return trail.verdict()


class ExportFile:
    """A trail in JSON Lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _lines(self) -> Iterator[export.Export | Head | Checkpoint | Row]:
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        yield export.parse(line)
                    except (msgspec.MsgspecError, ValueError) as failure:
                        raise ConfigurationError(f"{self._path}, line {number}: it is no line of an audit export ({failure})") from None

    def rows(self, filters: Filters) -> Iterator[Row]:
        """The rows that match, in the order of the file."""
        return (line for line in self._lines() if isinstance(line, Row) and filters.matches(line))

    def newest(self, filters: Filters, limit: int) -> list[Row]:
        """The newest rows that match, newest first."""
        return nlargest(limit, self.rows(filters), key=lambda row: (row.at_us, row.chain, row.seq))

    def verify(self, key: AuditKey) -> Verdict:
        """Check all of it; of an extract, what can be checked."""
        heads: list[Head] = []
        checkpoints: list[Checkpoint] = []
        anchors: list[str] = []
        complete = False
        for line in self._lines():
            match line:
                case Head():
                    heads.append(line)
                case Checkpoint():
                    checkpoints.append(line)
                case Row():
                    if line.kind == "anchor":
                        anchors.append(line.detail)
                case _:
                    complete = complete or line.complete
        trail = TrailCheck(key, heads, checkpoints, anchors, partial=not complete)
        for row in self.rows(Filters()):
            trail.chain(row.chain).feed(row)
        return trail.verdict()
