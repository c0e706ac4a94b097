"""Where records and aggregates lie: three SQL tables, and the statements on them.

`requests` has a row for each request. `metric_spans` has the aggregates of minutes, one row a process; what is older is summed up
into hours, then days. `metric_totals` has everything that a process has counted since it began, so that counters never fall:
a process that ended leaves its row.
"""

from collections.abc import Sequence
from typing import Final

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
    insert,
    select,
    update,
)
from sqlalchemy.exc import InterfaceError, OperationalError, StatementError

from llm_gateway.core.rows import statements
from llm_gateway.metrics.aggregate import Aggregate, merged, unpack
from llm_gateway.metrics.records import COLUMNS, Row
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
)
Index("requests_by_time", requests.c.at_us)
Index("requests_by_correlation_id", requests.c.correlation_id)

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
_INSERT: Final = f"INSERT INTO requests ({', '.join(COLUMNS)})"
_ONCE: Final = "ON CONFLICT DO NOTHING"
_PUT_ON_POSTGRES: Final = f"{_INSERT} VALUES ({', '.join(f'${place}' for place in range(1, len(COLUMNS) + 1))}) {_ONCE}"
"""Names here are our own. A batch that is written again, because nobody knows whether it was, counts once."""


def put_rows(connection: Connection, rows: Sequence[Row]) -> int:
    """Store records. Gives how many the database refused by themselves; nothing was wrong with the others."""
    try:
        with connection.begin_nested():
            _insert(connection, rows)
        return 0
    except _AWAY:
        raise
    except _ABOUT_ROWS:
        return sum(not _inserted(connection, row) for row in rows)


def _inserted(connection: Connection, row: Row) -> bool:
    try:
        with connection.begin_nested():
            _insert(connection, [row])
    except _AWAY:
        raise
    except _ABOUT_ROWS:
        _log.exception("the database refused the record of a request", correlation_id=row.correlation_id)
        return False
    return True


def _insert(connection: Connection, rows: Sequence[Row]) -> None:
    # Past SQLAlchemy's compiler, which costs more than the rows.
    if connection.dialect.name == "sqlite":
        for statement, values in statements(_INSERT, rows, _ONCE):
            connection.exec_driver_sql(statement, values)
    else:
        connection.exec_driver_sql(_PUT_ON_POSTGRES, list(rows))


def put_span(connection: Connection, start_s: int, process: str, data: bytes, width_s: int = MINUTE_S) -> None:
    """Store what a process counted in a minute, in place of what it has stored for it."""
    same = (spans.c.start_s == start_s) & (spans.c.width_s == width_s) & (spans.c.process == process)
    if not connection.execute(update(spans).where(same).values(data=data)).rowcount:
        connection.execute(insert(spans).values(start_s=start_s, width_s=width_s, process=process, data=data))


def put_totals(connection: Connection, process: str, instance: str, updated_us: int, data: bytes, *, known: bool) -> bool:
    """Store what a process has counted since it began; `known` says whether it has stored some before. False: that is gone, because
    the process was taken for dead and summed up, and nothing is stored now."""
    mine = totals.c.process == process
    if connection.execute(update(totals).where(mine).values(updated_us=updated_us, data=data)).rowcount:
        return True
    if not known:
        connection.execute(insert(totals).values(process=process, instance=instance, updated_us=updated_us, data=data))
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
    before_s = before_us // 1_000_000
    gone += connection.execute(delete(spans).where(spans.c.start_s + spans.c.width_s < before_s)).rowcount
    # An instance that nobody has heard of for so long does not come back: its counters end as if the machine were taken down.
    heard = select(totals.c.instance).where(totals.c.updated_us >= before_us)
    gone += connection.execute(delete(totals).where(totals.c.instance.not_in(heard))).rowcount
    return gone
