"""Many rows in one statement are the rows, in their order, whatever their number."""

import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.rows import PIECE, statements


@given(st.integers(0, 3 * PIECE + 1), st.integers(1, 5))
def test_every_row_arrives_once_and_in_order(count: int, width: int) -> None:
    rows = [(number, *["x"] * (width - 1)) for number in range(count)]
    names = ", ".join(f"c{place}" for place in range(width))
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE t ({names}, UNIQUE (c0))")
        for _ in range(2):
            for statement, values in statements(f"INSERT INTO t ({names})", rows, "ON CONFLICT DO NOTHING"):
                connection.execute(statement, values)
        assert connection.execute(f"SELECT {names} FROM t ORDER BY rowid").fetchall() == rows
    assert len(list(statements("", rows))) == -(-count // PIECE)
