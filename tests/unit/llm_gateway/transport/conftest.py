"""Every test here runs on both event loops that the gateway can run on."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from llm_gateway.core.clock import SystemClock
from llm_gateway.transport import Transport

if sys.platform != "win32":
    import uvloop

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if sys.platform != "win32":
    LOOPS["uvloop"] = uvloop.new_event_loop


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return LOOPS


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    made = Transport(SystemClock())
    yield made
    await made.aclose()
