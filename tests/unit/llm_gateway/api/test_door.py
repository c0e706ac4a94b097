"""The management endpoints come with the first request for one."""

import asyncio
import threading
from typing import Any

import pytest

from llm_gateway.api.door import Management
from llm_gateway.app import App
from llm_gateway.configuration import load


def test_many_who_ask_at_once_get_the_same_endpoints() -> None:
    async def ask() -> list[Any]:
        management = Management(App(load(None, {}, {})).overview)
        return list(await asyncio.gather(*(management.endpoints() for _ in range(3)), return_exceptions=True))

    first, *others = asyncio.run(ask())
    assert first.serves({"type": "http", "method": "GET", "path": "/health", "headers": []})
    assert all(each is first for each in others)


def test_they_are_made_beside_the_calls_and_anew_when_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def make(self: Management) -> Any:
        threads.append(threading.get_ident())
        if len(threads) == 1:
            raise MemoryError
        return "made"

    async def ask() -> Any:
        management = Management(App(load(None, {}, {})).overview)
        with pytest.raises(MemoryError):
            await management.endpoints()
        return await management.endpoints()

    monkeypatch.setattr(Management, "_make", make)
    assert asyncio.run(ask()) == "made"
    assert threading.get_ident() not in threads
