"""`llm-gateway migrate`: brings a database's schema up to date."""

import asyncio
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from llm_gateway.cli.serve import Config
from llm_gateway.configuration import load
from llm_gateway.integrations.workflows.dbos_engine import dbos_carries_out
from llm_gateway.stores.schema import statements, version
from llm_gateway.stores.sql import SqlStore

app = typer.Typer()


@app.command()
def migrate(
    config: Config = None,
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL for an empty database, and do nothing.")] = False,
) -> None:
    """Bring the schema of the database up to date. Run it before newer gateways are started; running it again does nothing."""
    settings = load(config, os.environ, {}).settings
    url = settings.storage.database_url.get_secret_value()
    if sql:
        sys.stdout.write(statements("postgresql" if url.startswith("postgres") else "sqlite"))
        return
    dbos = dbos_carries_out(settings.integrations, settings.storage)
    store = SqlStore(url, migrate=True) if url else SqlStore.sqlite(Path(settings.server.data_dir) / "gateway.sqlite3")
    try:
        found = asyncio.run(_version(store))
    finally:
        store.close()
    sys.stdout.write(f"the database has schema {found}, the newest that this gateway knows\n")
    if dbos:
        import_module("llm_gateway.integrations.workflows.dbos_process").make_tables(url)
        sys.stdout.write("DBOS's tables, which workflows run on, are up to date\n")


async def _version(store: SqlStore) -> str | None:
    return await store.read(version)
