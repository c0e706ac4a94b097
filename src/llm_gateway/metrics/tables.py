"""Where records and aggregates lie: four SQL tables, and the statements on them.

`requests` has a row for each request, `request_grounds` what many of them have in common. `metric_spans` has the aggregates of minutes,
one row a process; what is older is summed up into hours, then days. `metric_totals` has everything that a process has counted since it
began, so that counters never fall: a process that ended leaves its row.
"""

from collections.abc import Sequence
from typing import Any, Final

import structlog
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    select,
)
from sqlalchemy.exc import InterfaceError, OperationalError, StatementError

from llm_gateway.core.rows import statements
from llm_gateway.metrics.aggregate import Aggregate, merged, unpack
from llm_gateway.metrics.records import COLUMNS, RENEWED_AFTER_US, USUAL, Grounds, Row
from llm_gateway.stores.sql import metadata

requests = Table(
    "requests",
    metadata,
    Column("process", String(32), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("correlation_id", String(128), nullable=False),
    Column("caller", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("operation", String(16), nullable=False),
    Column("ingress", String(32), nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("strategy", String(16), nullable=False),
    Column("streamed", Integer, nullable=False),
    Column("cache", String(16), nullable=False),
    Column("sensitive", Integer, nullable=False),
    Column("score", Float),
    Column("status", Integer, nullable=False),
    Column("error_type", String(32), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_pico_usd", BigInteger),
    Column("duration_us", BigInteger, nullable=False),
    Column("first_us", BigInteger),
    Column("queued_us", BigInteger, nullable=False),
    Column("overhead_us", BigInteger, nullable=False),
    Column("max_tokens", BigInteger),
    Column("digest", String(32), nullable=False),
    Column("prefix", String(32), nullable=False),
    Column("prefix_tokens", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("grounds", BigInteger),
)
Index("requests_by_time", requests.c.at_us)
Index("requests_by_correlation_id", requests.c.correlation_id)

grounds = Table(
    "request_grounds",
    metadata,
    Column("process", String(32), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
)
Index("request_grounds_by_time", grounds.c.at_us)

spans = Table(
    "metric_spans",
    metadata,
    Column("start_s", BigInteger, primary_key=True, autoincrement=False),
    Column("width_s", Integer, primary_key=True, autoincrement=False),
    Column("process", String(32), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

totals = Table(
    "metric_totals",
    metadata,
    Column("process", String(32), primary_key=True),
    Column("instance", String(32), nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

_log = structlog.get_logger(__name__)
_AWAY: Final = (OperationalError, InterfaceError)
"""What a database raises when it is not the rows' fault."""
_ABOUT_ROWS: Final = (StatementError, OverflowError, TypeError, ValueError)
MINUTE_S: Final = 60
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
MOST_REMOVED: Final = 1_000
"""Rows removed, or spans summed up, in one transaction: others wait for it."""
SUMMED: Final = ""
"""The process of a span that sums up those of all processes."""
KEPT_S: Final = {MINUTE_S: DAY_S, HOUR_S: 35 * DAY_S}
"""How long spans of a width are kept before they are summed up into the next one."""
_OWN: Final = len(COLUMNS) - len(USUAL)
_USUAL_SQL: Final = "".join(", NULL" if value is None else f", {value!r}" for value in USUAL)
"""SQLite takes what stands in the statement at a fraction of the cost of an argument."""
_INSERT: Final = f"INSERT INTO requests ({', '.join(COLUMNS)})"
_INSERT_GROUNDS: Final = f"INSERT INTO request_grounds ({', '.join(Grounds._fields)})"
_ONCE: Final = "ON CONFLICT DO NOTHING"
_PUT_SPAN: Final = (
    "INSERT INTO metric_spans (start_s, width_s, process, data) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (start_s, width_s, process) DO UPDATE SET data = excluded.data"
)
_PUT_TOTALS: Final = "UPDATE metric_totals SET updated_us = ?, data = ? WHERE process = ?"
_BEGIN_TOTALS: Final = "INSERT INTO metric_totals (process, instance, updated_us, data) VALUES (?, ?, ?, ?)"
"""Names here are our own. A batch that is written again, because nobody knows whether it was, counts once."""


def put_rows(connection: Connection, rows: Sequence[Row], on: Sequence[Grounds] = ()) -> int:
    """Store records, and the grounds `on` which they rest. Gives how many of them the database refused by themselves; nothing was
    wrong with the others."""
    if on:
        _insert(connection, _INSERT_GROUNDS, on)
    try:
        if connection.dialect.name == "sqlite":  # where a statement that fails spoils no transaction
            _insert_rows(connection, rows)
        else:
            with connection.begin_nested():
                _insert_rows(connection, rows)
        return 0
    except _AWAY:
        raise
    except _ABOUT_ROWS:
        return sum(not _inserted(connection, row) for row in rows)


def _inserted(connection: Connection, row: Row) -> bool:
    try:
        with connection.begin_nested():
            _insert_rows(connection, [row])
    except _AWAY:
        raise
    except _ABOUT_ROWS:
        _log.exception("the database refused the record of a request", correlation_id=row.correlation_id)
        return False
    return True


def _insert_rows(connection: Connection, rows: Sequence[Row]) -> None:
    if connection.dialect.name != "sqlite":
        _insert(connection, _INSERT, rows)
        return
    usual: list[tuple[Any, ...]] = []
    unusual: list[Row] = []
    for row in rows:
        if row[_OWN:] == USUAL:
            usual.append(row[:_OWN])
        else:
            unusual.append(row)
    _insert(connection, _INSERT, usual, _USUAL_SQL)
    _insert(connection, _INSERT, unusual)


def _insert(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]], constants: str = "") -> None:
    # Past SQLAlchemy's compiler, which costs more than the rows.
    if connection.dialect.name == "sqlite":
        for whole, values in statements(statement, rows, _ONCE, constants):
            connection.exec_driver_sql(whole, values)
    elif rows:
        places = ", ".join(f"${place}" for place in range(1, len(rows[0]) + 1))
        connection.exec_driver_sql(f"{statement} VALUES ({places}) {_ONCE}", list(rows))


def _run(connection: Connection, statement: str, values: tuple[Any, ...]) -> int:
    """Run a statement that every database understands, `?` for each value. Gives how many rows it changed."""
    if connection.dialect.name != "sqlite":
        for place in range(1, len(values) + 1):
            statement = statement.replace("?", f"${place}", 1)
    return connection.exec_driver_sql(statement, values).rowcount


def put_span(connection: Connection, start_s: int, process: str, data: bytes, width_s: int = MINUTE_S) -> None:
    """Store what a process counted in a minute, in place of what it has stored for it."""
    _run(connection, _PUT_SPAN, (start_s, width_s, process, data))


def put_totals(connection: Connection, process: str, instance: str, updated_us: int, data: bytes, *, known: bool) -> bool:
    """Store what a process has counted since it began; `known` says whether it has stored some before. False: that is gone, because
    the process was taken for dead and summed up, and nothing is stored now."""
    if _run(connection, _PUT_TOTALS, (updated_us, data, process)):
        return True
    if not known:
        _run(connection, _BEGIN_TOTALS, (process, instance, updated_us, data))
    return not known


def sum_up_totals(connection: Connection, instance: str, before_us: int) -> int:
    """Sum up the figures of an instance's processes that were not heard of since. Gives their number."""
    past = f"past-{instance}"[:32]
    ended = (totals.c.instance == instance) & (totals.c.updated_us < before_us) & (totals.c.process != past)
    found = connection.execute(select(totals.c.process, totals.c.data).where(ended)).all()
    if not found:
        return 0
    known = connection.execute(select(totals.c.data).where(totals.c.process == past)).scalar()
    whole = merged(unpack(data) for _, data in found)
    whole.in_flight = 0
    if known is not None:
        whole.merge(unpack(known))
    put_totals(connection, past, instance, before_us, whole.pack(), known=False)
    return connection.execute(delete(totals).where(totals.c.process.in_([process for process, _ in found]))).rowcount


def read_totals(connection: Connection, alive_us: int, instance: str | None = None) -> list[tuple[str, Aggregate]]:
    """(process, figures) of every process; with `instance`, of those that share a data folder. What a process that was not heard of since
    `alive_us` had in flight is over."""
    query = select(totals.c.process, totals.c.updated_us, totals.c.data)
    if instance is not None:
        query = query.where(totals.c.instance == instance)
    found: list[tuple[str, Aggregate]] = []
    for process, updated_us, data in connection.execute(query):
        each = unpack(data)
        each.in_flight = each.in_flight if updated_us >= alive_us else 0
        found.append((process, each))
    return found


def read_spans(connection: Connection, since_s: float, until_s: float) -> list[tuple[int, int, Aggregate]]:
    """(`start_s`, `width_s`, figures) of the spans that begin in that time, oldest first, all processes together."""
    query = select(spans.c.start_s, spans.c.width_s, spans.c.data).where(spans.c.start_s >= since_s, spans.c.start_s < until_s)
    found: dict[tuple[int, int], Aggregate] = {}
    for start_s, width_s, data in connection.execute(query.order_by(spans.c.start_s, spans.c.width_s)):
        found.setdefault((start_s, width_s), Aggregate()).merge(unpack(data))
    return [(start_s, width_s, each) for (start_s, width_s), each in found.items()]


def sum_up(connection: Connection, now_s: float) -> int:
    """Sum up some of the old spans into wider ones. Gives how many went; 0: there are no more."""
    gone = 0
    for width_s, wider_s in ((MINUTE_S, HOUR_S), (HOUR_S, DAY_S)):
        before_s = int(now_s - KEPT_S[width_s]) // wider_s * wider_s
        old = (spans.c.width_s == width_s) & (spans.c.start_s < before_s)
        first_s = connection.execute(select(spans.c.start_s).where(old).order_by(spans.c.start_s).limit(1)).scalar()
        if first_s is None:
            continue
        start_s = first_s // wider_s * wider_s
        part = old & (spans.c.start_s < start_s + wider_s)
        known = (spans.c.width_s == wider_s) & (spans.c.start_s == start_s) & (spans.c.process == SUMMED)
        pieces = connection.execute(select(spans.c.data).where(part | known)).scalars().all()
        put_span(connection, start_s, SUMMED, merged(map(unpack, pieces)).pack(), wider_s)
        gone += connection.execute(delete(spans).where(part)).rowcount
    return gone


def remove_before(connection: Connection, before_us: int) -> int:
    """Remove some of what is older. Gives the number of rows; 0: there are no more."""
    is_old = requests.c.at_us < before_us
    oldest = connection.execute(select(requests.c.at_us).where(is_old).order_by(requests.c.at_us).limit(MOST_REMOVED)).scalars().all()
    gone = 0
    if oldest:
        gone = connection.execute(delete(requests).where(is_old, requests.c.at_us <= oldest[-1])).rowcount
    gone += connection.execute(delete(grounds).where(grounds.c.at_us < before_us - RENEWED_AFTER_US)).rowcount
    before_s = before_us // 1_000_000
    gone += connection.execute(delete(spans).where(spans.c.start_s + spans.c.width_s < before_s)).rowcount
    # An instance that nobody has heard of for so long does not come back: its counters end as if the machine were taken down.
    heard = select(totals.c.instance).where(totals.c.updated_us >= before_us)
    gone += connection.execute(delete(totals).where(totals.c.instance.not_in(heard))).rowcount
    return gone
