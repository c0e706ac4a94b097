"""Where the ledger lies: two SQL tables, and the statements on them that budgets and the journal need."""

import sqlite3
from collections.abc import Sequence
from typing import Final, cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    not_,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from llm_gateway.core.errors import InvalidRequest, NotFound
from llm_gateway.core.rows import statements
from llm_gateway.ledger.accounts import AccountKey
from llm_gateway.ledger.budgets import Budget
from llm_gateway.ledger.rows import COLUMNS, KEY, OPEN, RECOVERED, Row
from llm_gateway.stores.sql import metadata

ledger = Table(
    "ledger",
    metadata,
    Column("process", String(32), primary_key=True),
    Column("call", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("correlation_id", String(128), nullable=False),
    Column("caller", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("operation", String(16), nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("estimated", Integer, nullable=False),
    Column("cost_pico_usd", BigInteger),
    Column("price_source", String(32), nullable=False),
    Column("catalogue", String(64), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("lease_us", BigInteger, nullable=False),
)
Index("ledger_by_time", ledger.c.at_us)
Index("ledger_by_owner", ledger.c.owner, ledger.c.at_us)
Index("ledger_by_caller", ledger.c.caller, ledger.c.at_us)
_with_key = ledger.c.key_id != ""
Index("ledger_by_key", ledger.c.key_id, ledger.c.at_us, sqlite_where=_with_key)  # on PostgreSQL the first migration says so

budgets = Table(
    "budgets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("scope", String(16), nullable=False),
    Column("subject", Text, nullable=False),
    Column("period", String(8), nullable=False),
    Column("limit_pico_usd", BigInteger, nullable=False),
    Column("on_unknown_price", String(8), nullable=False),
    Column("caps_answers", Boolean, nullable=False),
)

MILLION: Final = 10**6
"""Costs are summed in two parts, above and below it: a database's own sum of pico-dollars overflows at 9.2 million dollars."""
MOST_REMOVED: Final = 1_000
"""Rows removed in one transaction: others wait for it."""
_FIGURES: Final = tuple(name for name in COLUMNS if name not in KEY)
_INSERT: Final = f"INSERT INTO ledger ({', '.join(COLUMNS)})"
_UNLESS_THERE: Final = (
    f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _FIGURES)
    + f" WHERE ledger.outcome IN ('{OPEN}', '{RECOVERED}')"
)
"""A row stands for good once its call has ended: writing it again changes nothing. Names here are our own."""
_PUT_ON_POSTGRES: Final = f"{_INSERT} VALUES ({', '.join(f'${place}' for place in range(1, len(COLUMNS) + 1))}) {_UNLESS_THERE}"


def put(connection: Connection, rows: Sequence[Row]) -> None:
    """Store rows. One that is there already stays as it is, unless it stood for a call that was still running."""
    # Past SQLAlchemy, which costs more than the rows.
    if connection.dialect.name == "sqlite":
        for statement, values in statements(_INSERT, rows, _UNLESS_THERE):
            _execute(connection, statement, values)
    else:
        connection.exec_driver_sql(_PUT_ON_POSTGRES, list(rows))


def _execute(connection: Connection, statement: str, values: tuple[object, ...]) -> None:
    driver = cast(sqlite3.Connection, connection.connection.driver_connection)
    try:
        driver.execute(statement, values)
    except sqlite3.Error as failure:
        raise DBAPIError.instance(statement, None, failure, sqlite3.Error, hide_parameters=True) from failure


def spent(connection: Connection, key: AccountKey, process: str) -> int:
    """Pico-dollars that the ledger counts for an account. Running calls of other processes count with what they hold; those of
    `process` do not: it knows them itself."""
    return money(connection.execute(select(*MONEY).where(_on_account(key, process))).one())


def spent_by_process(connection: Connection, key: AccountKey, process: str) -> dict[str, int]:
    """As `spent`, for each process that has spent something."""
    query = select(ledger.c.process, *MONEY).where(_on_account(key, process)).group_by(ledger.c.process)
    return {name: money(parts) for name, *parts in connection.execute(query)}


def _on_account(key: AccountKey, process: str) -> ColumnElement[bool]:
    running_here = (ledger.c.outcome == OPEN) & (ledger.c.process == process)
    where = (ledger.c.at_us >= key.start_us) & (ledger.c.at_us < key.end_us) & not_(running_here)
    return where if key.scope == "global" else where & belongs(key.scope, key.subject)


def belongs(scope: str, subject: str) -> ColumnElement[bool]:
    """Rows of a key, of a tenant, or, with a slash in the name, of one of its users."""
    if scope == "key":
        return (ledger.c.key_id == subject) & _with_key
    return ledger.c.caller == subject if "/" in subject else ledger.c.owner == subject


MONEY: Final = (
    func.coalesce(func.sum(ledger.c.cost_pico_usd // MILLION), 0).label("millions"),
    func.coalesce(func.sum(ledger.c.cost_pico_usd % MILLION), 0).label("rest"),
)


def money(parts: Sequence[int]) -> int:
    """Pico-dollars of the two parts of a sum."""
    return int(parts[0]) * MILLION + int(parts[1])


def recover(connection: Connection, now_us: int) -> int:
    """Close the rows of calls that are over for certain and were never closed: their process died. Gives their number."""
    lost = (ledger.c.outcome == OPEN) & (ledger.c.lease_us < now_us)
    return connection.execute(update(ledger).where(lost).values(outcome=RECOVERED)).rowcount


def remove_before(connection: Connection, before_us: int) -> int:
    """Remove some of the rows that are older. Gives their number; 0: there are no more."""
    oldest = connection.execute(
        select(ledger.c.process, ledger.c.call, ledger.c.attempt)
        .where(ledger.c.at_us < before_us)
        .order_by(ledger.c.at_us)
        .limit(MOST_REMOVED)
    ).all()
    for process, call, attempt in oldest:
        same = (ledger.c.process == process) & (ledger.c.call == call) & (ledger.c.attempt == attempt)
        connection.execute(delete(ledger).where(same))
    return len(oldest)


def read_budgets(connection: Connection) -> list[Budget]:
    """The budgets that were made with the admin API, by name."""
    found = connection.execute(select(budgets).order_by(budgets.c.name))
    return [
        Budget(row.name, row.scope, row.subject, row.period, row.limit_pico_usd, row.on_unknown_price, bool(row.caps_answers), "created")
        for row in found
    ]


def add_budget(budget: Budget, connection: Connection) -> None:
    """Store a budget.

    Raises:
        InvalidRequest: there is one of that name.
    """
    if connection.execute(select(budgets.c.name).where(budgets.c.name == budget.name)).first() is not None:
        raise name_taken(budget.name)
    connection.execute(insert(budgets).values(**_columns(budget)))


def name_taken(name: str) -> InvalidRequest:
    return InvalidRequest(f"name: there is a budget {name!r} already", param="name", code="name_taken")


def change_budget(budget: Budget, connection: Connection) -> None:
    """Replace the budget of that name.

    Raises:
        NotFound: there is none.
    """
    if connection.execute(update(budgets).where(budgets.c.name == budget.name).values(**_columns(budget))).rowcount == 0:
        raise no_budget(budget.name)


def remove_budget(name: str, connection: Connection) -> None:
    """Remove a budget.

    Raises:
        NotFound: there is none.
    """
    if connection.execute(delete(budgets).where(budgets.c.name == name)).rowcount == 0:
        raise no_budget(name)


def no_budget(name: str) -> NotFound:
    return NotFound(f"there is no budget {name[:64]!r} that was made here", param="name")


def _columns(budget: Budget) -> dict[str, object]:
    return {
        "name": budget.name,
        "scope": budget.scope,
        "subject": budget.subject,
        "period": budget.period,
        "limit_pico_usd": budget.limit_pico_usd,
        "on_unknown_price": budget.on_unknown_price,
        "caps_answers": budget.caps_answers,
    }
