"""A trail in a database, as a gateway leaves it."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, insert, text
from tests.unit.llm_gateway.audit.trails import Trail

from llm_gateway.audit import tables

KEY_TEXT = "k" * 64


def database(path: Path, trail: Trail) -> Path:
    """Write a trail into a new SQLite file (in WAL mode, like the gateway's)."""
    engine = create_engine(f"sqlite:///{path}")
    tables.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
        _insert(connection, trail)
    engine.dispose()
    return path


def store_trail(url: str, trail: Trail) -> None:
    """Write a trail into a database that has the schema."""
    engine = create_engine(plain(url))
    with engine.begin() as connection:
        _insert(connection, trail)
    engine.dispose()


def plain(url: str) -> str:
    """The URL for a program that waits for its answers."""
    return url.replace("postgresql://", "postgresql+psycopg://")


def _insert(connection: Connection, trail: Trail) -> None:
    for rows in trail.rows.values():
        connection.execute(insert(tables.audit), [row._asdict() for row in rows])
    for table, records in ((tables.heads, trail.heads), (tables.checkpoints, trail.checkpoints)):
        if records:
            connection.execute(insert(table), [record._asdict() for record in records.values()])


def harm(place: Path | str, statement: str, **values: Any) -> None:
    """Do something to a database, a SQLite file or one at a URL."""
    engine = create_engine(f"sqlite:///{place}" if isinstance(place, Path) else plain(place))
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()
