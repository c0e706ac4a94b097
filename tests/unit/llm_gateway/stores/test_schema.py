"""The migrations and the tables in the code come to the same, on both kinds of database, whatever they start from."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from tests.postgres import fresh_database

import llm_gateway.app  # noqa: F401 - every module that owns tables
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.stores import migrations
from llm_gateway.stores.schema import HEAD, REVISIONS, TABLES, VERSION_TABLE, prepare, statements, upgrade, version
from llm_gateway.stores.sql import SqlStore, metadata

OURS = [table for table in metadata.tables.values() if not table.name.endswith("_of_tests")]


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database."""
    if request.param == "sqlite":
        made = create_engine(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
        yield made
        made.dispose()
        return
    with fresh_database(request.getfixturevalue("postgres_of_session")) as url:
        made = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        yield made
        made.dispose()


def differences(connection: Connection) -> list[Any]:
    def ours(_: object, name: str | None, kind: str, reflected: bool, __: object) -> bool:
        # The full-text index is SQL of each database's own, beside the tables.
        if kind == "table":
            return name in {table.name for table in OURS}
        return not (reflected and name in {"terms", "search_entries_terms"})

    context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": ours})
    return list(compare_metadata(context, metadata))


def test_the_code_knows_the_versions_that_there_are() -> None:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(configuration)
    assert [script.revision for script in scripts.walk_revisions()] == list(REVISIONS[::-1])
    assert scripts.get_heads() == [HEAD]
    assert {table.name for table in OURS} == TABLES


def test_migrations_make_the_tables_of_the_code(engine: Engine) -> None:
    with engine.begin() as connection:
        upgrade(connection)
        assert version(connection) == HEAD
        assert differences(connection) == []


def test_tables_that_were_made_before_there_were_versions_are_taken_over(engine: Engine) -> None:
    with engine.begin() as connection:
        metadata.create_all(connection, tables=OURS[: len(OURS) // 2])
        prepare(connection, migrate=True)
        assert version(connection) == HEAD
        assert differences(connection) == []


def test_an_empty_sqlite_file_gets_the_same_at_once_without_alembic(tmp_path: Path) -> None:
    program = f"""
import sys
import llm_gateway.app
from pathlib import Path
from llm_gateway.stores.sql import SqlStore
for _ in range(2):
    SqlStore.sqlite(Path({str(tmp_path / "a.sqlite3")!r})).close()
sys.exit("alembic" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    engine = create_engine(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    with engine.connect() as connection:
        assert version(connection) == HEAD
        assert differences(connection) == []
        found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))
        made = {name: sql for name, sql in found}  # noqa: C416 - rows are no pairs to mypy
    engine.dispose()
    migrated = create_engine("sqlite://")
    with migrated.begin() as connection:
        upgrade(connection)
        names = {name for (name,) in connection.execute(text("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))}
    migrated.dispose()
    assert made.keys() == names


def test_only_some_of_the_modules_make_the_whole_schema_too(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from llm_gateway.stores.sql import SqlStore
SqlStore.sqlite(Path({str(tmp_path / "a.sqlite3")!r})).close()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    engine = create_engine(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    with engine.connect() as connection:
        assert differences(connection) == []
    engine.dispose()


def test_postgresql_is_changed_when_it_is_asked_for_only(postgres_of_session: str) -> None:
    with fresh_database(postgres_of_session) as url:
        with pytest.raises(ConfigurationError, match=r"run `llm-gateway migrate` first, or set storage\.auto_migrate"):
            SqlStore(url)
        SqlStore(url, migrate=True).close()
        SqlStore(url).close()


def test_the_schema_of_a_newer_gateway_is_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES ('9999')"))
        with pytest.raises(ConfigurationError, match="9999, made by a newer gateway"):
            prepare(connection, migrate=True)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_the_printed_sql_makes_the_schema(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statements("postgresql").replace("BEGIN;", "").replace("COMMIT;", "").replace("%", "%%"))
        assert version(connection) == HEAD
        assert set(inspect(connection).get_table_names()) >= TABLES
        assert differences(connection) == []


def test_two_who_migrate_at_once_take_turns(postgres_of_session: str) -> None:
    with fresh_database(postgres_of_session) as url:
        program = "import sys; from llm_gateway.stores.sql import SqlStore; SqlStore(sys.argv[1], migrate=True).close()"
        both = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(2)]
        assert [process.wait(60) for process in both] == [0, 0]
