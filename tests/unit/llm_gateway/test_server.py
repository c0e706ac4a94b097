"""The server, as a process of its own."""

import subprocess
import sys

SERVING = """
import asyncio
import gc
from llm_gateway.configuration import load
from llm_gateway.server import GC_ALLOCATIONS, server

async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    while not running.started:
        await asyncio.sleep(0)
    running.should_exit = True
    await receive()
    await send({"type": "lifespan.shutdown.complete"})

settings = load(None, {}, {"server.port": 0}).settings.server
running = server(app, settings)
gc.disable()  # as the command line does for the start
running.run()
assert gc.isenabled()
assert gc.get_freeze_count() > 10_000
assert gc.get_threshold()[0] == GC_ALLOCATIONS
"""


def test_the_cycle_collector_works_again_once_calls_are_served_and_leaves_alone_what_stands() -> None:
    done = subprocess.run([sys.executable, "-c", SERVING], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
