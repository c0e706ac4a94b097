"""Many rows in one statement are the rows, whatever their number: in their order, or those that are alike together."""

import sqlite3
from contextlib import closing

from hypothesis import example, given
from hypothesis import strategies as st

from llm_gateway.core.rows import PIECE, Alike, statements


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


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2**40), st.sampled_from("ab"), st.integers(0, 1)), max_size=3 * PIECE))
@example([("a", 5, "b", 0), ("a", 6, "b", 1)])
def test_rows_that_are_alike_arrive_as_they_are(made: list[tuple[object, ...]]) -> None:
    rows = [(number, *row) for number, row in enumerate(made)]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (c0 PRIMARY KEY, c1, c2, c3, c4, c5)")
        for statement, values in statements("INSERT INTO t", rows, "ON CONFLICT DO NOTHING", ", 'end'", Alike([1, 3], 5)):
            connection.execute(statement, values)
        assert connection.execute("SELECT * FROM t ORDER BY c0").fetchall() == [(*row, "end") for row in rows]


def test_what_rows_share_is_handed_over_once() -> None:
    rows = [(number, "alice", 5, "chat") for number in range(2 * PIECE)]
    for place, (_, values) in enumerate(statements("INSERT INTO t", rows, alike=Alike([1, 3], 4))):
        own = [value for row in rows[place * PIECE : (place + 1) * PIECE] for value in (row[0], 5)]
        assert values == ("alice", "chat", *own)
