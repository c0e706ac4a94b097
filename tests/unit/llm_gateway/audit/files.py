"""A trail in a SQLite file, as a gateway leaves it."""

from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, insert, text
from tests.unit.llm_gateway.audit.trails import Trail

from llm_gateway.audit import tables

KEY_TEXT = "k" * 64


def database(path: Path, trail: Trail) -> Path:
    """Write a trail into a new SQLite file (in WAL mode, like the gateway's)."""
    engine = create_engine(f"sqlite:///{path}")
    tables.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
        for rows in trail.rows.values():
            connection.execute(insert(tables.audit), [row._asdict() for row in rows])
        for table, records in ((tables.heads, trail.heads), (tables.checkpoints, trail.checkpoints)):
            if records:
                connection.execute(insert(table), [record._asdict() for record in records.values()])
    engine.dispose()
    return path


def harm(path: Path, statement: str, **values: Any) -> None:
    """Do something to a database."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()
