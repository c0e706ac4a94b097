"""Which schema a database has, and how it comes by the newest one.

The schema's versions are alembic's, in `migrations/`. A look at the version costs one small query, so alembic itself is loaded only
where something is to be done. An empty SQLite file gets the newest tables at once, which come to the same (a test compares them).
"""

from importlib import import_module
from importlib.resources import files
from io import StringIO
from typing import Any, Final

from sqlalchemy import Connection, inspect, text

from llm_gateway.core.errors import ConfigurationError
from llm_gateway.stores.database import metadata

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005")
"""Every version of the schema, oldest first."""
HEAD: Final = REVISIONS[-1]
TABLES: Final = frozenset(
    {
        "api_key_state",
        "api_keys",
        "audit",
        "audit_checkpoints",
        "audit_heads",
        "budget_alerts",
        "budgets",
        "caller_tiers",
        "conversation_turns",
        "conversations",
        "document_chunks",
        "documents",
        "ledger",
        "memories",
        "metric_spans",
        "metric_totals",
        "prompts",
        "request_grounds",
        "requests",
        "responses",
        "search_entries",
        "workflow_runs",
        "workflow_steps",
        "workflows",
    }
)
"""Every table of the newest schema."""
VERSION_TABLE: Final = "alembic_version"
_LOCK: Final = 0x6C6C6D6777
"""Who changes a PostgreSQL schema holds this advisory lock, so that two who start at once take turns."""


def version(connection: Connection) -> str | None:
    """The version of a database's schema; None: it has none, because it is empty or older than versions are."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - our own name


def prepare(connection: Connection, *, migrate: bool) -> None:
    """See to it that the schema is the newest, in the transaction of `connection`.

    Raises:
        ConfigurationError: it is an older one and `migrate` is False, or a newer one.
    """
    found = version(connection)
    if found == HEAD:
        return
    if found is not None and found not in REVISIONS:
        raise ConfigurationError(f"the database has the schema {found}, made by a newer gateway than this one, which knows {HEAD}")
    whole = metadata.tables.keys() >= TABLES  # not where only some of the modules that own tables are loaded
    if whole and connection.dialect.name == "sqlite" and found is None and not inspect(connection).get_table_names():
        metadata.create_all(connection)
        connection.execute(text(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES ('{HEAD}')"))  # noqa: S608 - our own names
        return
    if not migrate:
        has = f"has the schema {found}" if found is not None else "has no tables of the gateway yet"
        raise ConfigurationError(
            f"the database {has}, and {HEAD} is needed: run `llm-gateway migrate` first, or set storage.auto_migrate to true"
        )
    upgrade(connection)


def upgrade(connection: Connection) -> None:
    """Bring the schema up to date with alembic, in the transaction of `connection`."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    _alembic().upgrade(_configuration(connection=connection), HEAD)


def statements(dialect: str) -> str:
    """The SQL that makes the newest schema in an empty database of that dialect (`sqlite`, `postgresql`)."""
    written = StringIO()
    _alembic().upgrade(_configuration(written, dialect=dialect), HEAD, sql=True)
    return written.getvalue()


def _alembic() -> Any:
    return import_module("alembic.command")


def _configuration(output: StringIO | None = None, **attributes: object) -> Any:
    configuration = import_module("alembic.config").Config(output_buffer=output)
    configuration.set_main_option("script_location", str(files("llm_gateway.stores").joinpath("migrations")))
    configuration.attributes.update(attributes)
    return configuration
