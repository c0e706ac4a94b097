"""SIGKILL in the middle of a workflow: the next process finishes it, and no finished step is run twice."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from tests.postgres import fresh_database
from tests.siblings import Siblings, sibling_server
from tests.support import free_port, running_gateway

from llm_gateway.cli.demo import environ_of
from llm_gateway.simulator import SimulatorProcess

STEPS = 6
HUNG = "note 3"


def workflow() -> dict[str, Any]:
    """Interactions remembered one after the other, by a service elsewhere that counts them."""
    return {
        "name": "notes",
        "steps": [
            {
                "id": f"s{number}", "service": "memory_agent", "operation": "store_interaction", "input": {"prompt": f"note {number}"},
                "depends_on": [f"s{number - 1}"] if number else [],
            }
            for number in range(STEPS)
        ],
    }  # fmt: skip


@pytest.fixture(params=["own engine, SQLite", "own engine, PostgreSQL", "DBOS, PostgreSQL"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The engine, and the URL of its database."""
    engine, database = request.param.split(", ")
    if database == "SQLite":
        yield "own", f"sqlite:///{tmp_path / 'gateway.sqlite3'}"
        return
    with fresh_database(request.getfixturevalue("postgres_of_session"), template="gateway_template") as url:
        yield ("dbos" if engine == "DBOS" else "own"), url


OURS = "SELECT step_id FROM workflow_steps ORDER BY started_s"
OF_DBOS = "SELECT function_name FROM llm_gateway_dbos.operation_outputs ORDER BY function_id"


def asked(database: str, query: str) -> list[str]:
    engine = create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            return list(connection.scalars(text(query)))
    finally:
        engine.dispose()


def settings_of(url: str, engine: str) -> dict[str, object]:
    return {
        "services.memory_agent.url": url, "services.memory_agent.timeout_s": 60, "integrations.run_lease_s": 1,
        "integrations.breaker_failures": 100, "integrations.workflow_engine": engine, "storage.auto_migrate": True,
    }  # fmt: skip


def nested(settings: dict[str, object]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, value in settings.items():
        *steps, last = path.split(".")
        place = found
        for step in steps:
            place = place.setdefault(step, {})
        place[last] = value
    return found


async def killed_in_the_middle(folder: Path, environ: dict[str, str], settings: dict[str, object], siblings: Siblings) -> None:
    port = free_port()
    config = folder / "config.yaml"
    server = {"server": {"port": port, "host": "127.0.0.1", "data_dir": str(folder)}}
    config.write_text(json.dumps(nested(settings) | server))
    command = [sys.executable, "-m", "llm_gateway", "serve", "--config", str(config)]
    process = subprocess.Popen(command, env={"PATH": os.defpath, **environ}, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        writer = None
        async with asyncio.timeout(60):
            while writer is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
            data = json.dumps({"workflow": workflow(), "user_id": "ann", "wait": False}).encode()
            head = b"POST /integrations/orchestrator/execute_workflow HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data)
            writer.write(head + data)
            while not any(prompt_of(entry) == HUNG for entry in siblings.log):
                await asyncio.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        writer.close()
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


def prompt_of(entry: dict[str, Any]) -> str:
    return str(entry["body"]["item"]["value"]["prompt"]) if entry["path"] == "/memory/put" else ""


def test_a_killed_workflow_is_finished_by_the_next_process(where: tuple[str, str], tmp_path: Path, simulator: SimulatorProcess) -> None:
    engine, database = where
    at_database = {"DATABASE_URL": database}
    with sibling_server() as (url, siblings):
        siblings.hang_on = HUNG
        settings = settings_of(url, engine)
        asyncio.run(killed_in_the_middle(tmp_path, {**environ_of(simulator.urls), **at_database}, settings, siblings))
        assert asked(database, OF_DBOS if engine == "dbos" else OURS) == ["s0", "s1", "s2"]
        siblings.hang_on = ""
        siblings.released.set()
        with running_gateway(tmp_path, simulator, settings, at_database) as gateway:

            def run() -> dict[str, Any]:
                answer = gateway.post("/integrations/orchestrator/get_workflow", user_id="ann").json
                found: dict[str, Any] = answer["result"]["runs"][0]
                return found

            async def finished() -> None:
                async with asyncio.timeout(60):
                    while run()["status"] == "running":
                        await asyncio.sleep(0.05)

            asyncio.run(finished())
            assert run()["status"] == "succeeded", run()
            assert [step["status"] for step in run()["steps"]] == ["succeeded"] * STEPS
        assert asked(database, OURS) == [f"s{number}" for number in range(STEPS)]
        told = [prompt_of(entry) for entry in siblings.log]
        once = [f"note {number}" for number in range(STEPS)]
        assert told == [*once[:4], *once[3:]], "only the step that was under way is run again"
    if engine == "dbos":
        assert asked(database, "SELECT status FROM llm_gateway_dbos.workflow_status") == ["SUCCESS"], "DBOS gave it to the next process"
