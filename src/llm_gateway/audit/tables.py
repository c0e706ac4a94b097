"""Where the trail lies: three SQL tables, and the statements on them. Nothing here updates or deletes a row but the removal of a
chain's oldest rows, which leaves a checkpoint.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import takewhile
from sqlite3 import Connection as SqliteConnection
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from llm_gateway.audit.chain import Checkpoint, Head
from llm_gateway.audit.rows import COLUMNS, Row
from llm_gateway.core.rows import PIECE

metadata = MetaData()
audit = Table(
    "audit",
    metadata,
    Column("chain", String(32), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("call", BigInteger, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("sensitive", Integer, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("prev", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Index("audit_by_time", "at_us"),
    Index("audit_by_correlation_id", "correlation_id"),
)
heads = Table(
    "audit_heads",
    metadata,
    Column("chain", String(32), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("oldest_open", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("seal", LargeBinary, nullable=False),
)
checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("chain", String(32), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)

_INSERT_ROWS: Final = f"INSERT INTO audit ({', '.join(COLUMNS)})"
_SET_HEAD: Final = "UPDATE audit_heads SET seq=?, mac=?, at_us=?, oldest_open=?, state=?, seal=? WHERE chain=?"
MOST_REMOVED: Final = 500
"""Rows removed in one transaction: others wait for it."""


def lock(connection: Connection) -> None:
    """Take the database's write lock before anything is read: a SQLite transaction that reads first may find, when it comes to
    write, that it has read what is old by then."""
    connection.execute(delete(heads).where(heads.c.chain == ""))


def append(connection: Connection, rows: Sequence[Row], head: Head) -> None:
    """Store rows, which follow each other, at the end of a chain that has a head, and the head that they make."""
    if connection.dialect.name == "sqlite":
        # Past SQLAlchemy's layers, which cost more than the rows: this is on the way of every request.
        driver = _sqlite(connection)
        for start in range(0, len(rows), PIECE):
            piece = rows[start : start + PIECE]
            # The driver takes a bytearray as it is; for bytes it asks around first who could turn them into something else.
            values: list[object] = [piece[0].chain, bytearray(piece[0].prev)]
            for row in piece:
                values += row[1:11]
                values.append(bytearray(row.mac))
            driver.execute(_insertion(len(piece)), values)
        driver.execute(_SET_HEAD, (*head[1:], head.chain))
    else:
        connection.execute(insert(audit), [row._asdict() for row in rows])
        put_head(connection, head)


@lru_cache(PIECE)
def _insertion(rows: int) -> str:
    """The statement that stores `rows` rows that follow each other in a chain. Its values: the chain, `prev` of the first row, then of
    each row what stands between `chain` and `prev`, and `mac`, which is the next row's `prev`."""
    own, said = len(COLUMNS) - 2, []
    for first in range(3, 3 + rows * own, own):
        between = ", ".join(f"?{place}" for place in range(first, first + own - 1))
        said.append(f"(?1, {between}, ?{first - 1}, ?{first + own - 1})")
    return f"{_INSERT_ROWS} VALUES {', '.join(said)}"


def _sqlite(connection: Connection) -> SqliteConnection:
    return cast(SqliteConnection, connection.connection.driver_connection)


def _readable(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def fetch(connection: Connection, query: Select[Any]) -> list[tuple[Any, ...]]:
    """What a query finds, as it is stored: a row that somebody damaged must be found, not stop the search with an error."""
    if connection.dialect.name != "sqlite":
        return [tuple(found) for found in connection.execute(query)]
    compiled = query.compile(connection, compile_kwargs={"render_postcompile": True})
    arguments = [compiled.params[name] for name in compiled.positiontup or ()]
    driver = _sqlite(connection)
    driver.text_factory = _readable
    try:
        return driver.execute(str(compiled), arguments).fetchall()
    finally:
        driver.text_factory = str


def put_head(connection: Connection, head: Head) -> None:
    """Replace a chain's head."""
    connection.execute(update(heads).where(heads.c.chain == head.chain).values(**head._asdict()))


def begin_chain(connection: Connection, rows: Sequence[Row], head: Head) -> None:
    """Store the first rows of a chain with its first head."""
    connection.execute(insert(heads).values(**head._asdict()))
    connection.execute(insert(audit), [row._asdict() for row in rows])


def has(connection: Connection, row: Row) -> bool:
    """Whether exactly this row is stored."""
    found = connection.execute(select(audit.c.mac).where(audit.c.chain == row.chain, audit.c.seq == row.seq)).scalar()
    return found == row.mac


def read_heads(connection: Connection) -> list[Head]:
    """All heads, oldest chain first."""
    return [Head(*found) for found in connection.execute(select(heads).order_by(heads.c.chain))]


def read_checkpoints(connection: Connection) -> list[Checkpoint]:
    return [Checkpoint(*found) for found in connection.execute(select(checkpoints).order_by(checkpoints.c.chain))]


def replace_head(old: Head, new: Head, connection: Connection) -> bool:
    """Replace a chain's head if it is still `old`."""
    same = (heads.c.chain == old.chain) & (heads.c.seal == old.seal)
    return connection.execute(update(heads).where(same).values(**new._asdict())).rowcount == 1


def rows_from(connection: Connection, chain: str, seq: int, until: int, limit: int) -> list[Row]:
    """Up to `limit` rows of a chain from `seq` to `until`, in order."""
    where = (audit.c.chain == chain) & (audit.c.seq >= seq) & (audit.c.seq <= until)
    return [Row(*found) for found in fetch(connection, select(audit).where(where).order_by(audit.c.seq).limit(limit))]


class Outline(NamedTuple):
    """What a trail consists of: its records, the number of the last row of every chain, what anchors say (unchecked)."""

    heads: list[Head]
    checkpoints: list[Checkpoint]
    ends: dict[str, int]
    anchors: list[str]


def outline(connection: Connection) -> Outline:
    """The trail at this moment."""
    ends: dict[str, int] = dict(fetch(connection, select(audit.c.chain, func.max(audit.c.seq)).group_by(audit.c.chain)))
    found_heads = [Head(*found) for found in fetch(connection, select(heads).order_by(heads.c.chain))]
    for head in found_heads:
        ends.setdefault(head.chain, -1)
    anchors = [
        detail for chain in ends for (detail,) in fetch(connection, select(audit.c.detail).where(audit.c.chain == chain, audit.c.seq == 0))
    ]
    points = [Checkpoint(*found) for found in fetch(connection, select(checkpoints).order_by(checkpoints.c.chain))]
    for point in points:
        ends.setdefault(point.chain, -1)
    return Outline(found_heads, points, dict(sorted(ends.items())), anchors)


def open_intents(connection: Connection, head: Head) -> Iterator[Row]:
    """The intents of a chain's calls that have no outcome, in its own rows or in a `recovered` row of another chain, in order."""
    since = (audit.c.chain == head.chain) & (audit.c.seq >= head.oldest_open)
    ended = select(audit.c.call).where(since, audit.c.kind == "outcome")
    query = select(audit).where(since, audit.c.kind == "intent", audit.c.call.not_in(ended)).order_by(audit.c.seq)
    for row in [Row(*found) for found in connection.execute(query)]:
        same = (audit.c.correlation_id == row.correlation_id) & (audit.c.kind == "recovered") & (audit.c.call == row.call)
        if not any(f'"chain":"{head.chain}"' in detail for (detail,) in connection.execute(select(audit.c.detail).where(same))):
            yield row


def removable(connection: Connection, head: Head, before_us: int) -> list[Row]:
    """The first rows of a chain that may be removed: all older than `before_us`, no open call among them, at most `MOST_REMOVED`."""
    rows = rows_from(connection, head.chain, 0, head.seq if head.state != "open" else head.oldest_open - 1, MOST_REMOVED)
    return list(takewhile(lambda row: row.at_us < before_us, rows))


def checkpoint_of(connection: Connection, chain: str) -> Checkpoint | None:
    """Where a chain begins, if rows were removed."""
    found = connection.execute(select(checkpoints).where(checkpoints.c.chain == chain)).first()
    return None if found is None else Checkpoint(*found)


def remove_until(connection: Connection, last: Row, checkpoint: Checkpoint) -> int:
    """Remove a chain's rows up to `last`, and say so in its checkpoint. Gives their number."""
    connection.execute(delete(checkpoints).where(checkpoints.c.chain == last.chain))
    connection.execute(insert(checkpoints).values(**checkpoint._asdict()))
    return connection.execute(delete(audit).where(audit.c.chain == last.chain, audit.c.seq <= last.seq)).rowcount


def newest(connection: Connection, where: Iterable[ColumnElement[bool]], after: tuple[int, str, int] | None, limit: int) -> list[Row]:
    """Up to `limit` rows, newest first, that come after the row at (`at_us`, `chain`, `seq`) in that order."""
    order = tuple_(audit.c.at_us, audit.c.chain, audit.c.seq)
    query = select(audit).where(*where)
    if after is not None:
        query = query.where(audit.c.at_us <= after[0], order < after)
    ordered = query.order_by(audit.c.at_us.desc(), audit.c.chain.desc(), audit.c.seq.desc()).limit(limit)
    return [Row(*found) for found in fetch(connection, ordered)]


def oldest(connection: Connection, where: Iterable[ColumnElement[bool]], after: tuple[str, int] | None, limit: int) -> list[Row]:
    """Up to `limit` rows, chain by chain in order, that come after the row at (`chain`, `seq`)."""
    query = select(audit).where(*where)
    if after is not None:
        query = query.where(tuple_(audit.c.chain, audit.c.seq) > after)
    return [Row(*found) for found in fetch(connection, query.order_by(audit.c.chain, audit.c.seq).limit(limit))]
