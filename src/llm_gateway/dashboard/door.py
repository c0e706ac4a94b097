"""The dashboard's door: what the gateway loads of it at start. The rest comes with the first visit."""

import asyncio
from collections.abc import Awaitable
from importlib import import_module
from typing import Protocol, cast

from llm_gateway.api.asgi import Handler, Receive, Scope, Send
from llm_gateway.core.clock import Clock
from llm_gateway.gateway import Gateway

PATH = "/dashboard"


class Served(Protocol):
    """The application that the dashboard is part of, and asks."""

    clock: Clock

    @property
    def gateway(self) -> Gateway: ...
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]: ...


class SiteModule(Protocol):
    """`dashboard.site`."""

    def site(self, app: Served) -> Handler: ...


class Dashboard:
    """Handles everything below `PATH`."""

    def __init__(self, app: Served) -> None:
        self._app = app
        self._site: Handler | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._site is None:
            # On a thread: reading and compiling templates takes longer than a running call should wait.
            module = cast(SiteModule, await asyncio.to_thread(import_module, "llm_gateway.dashboard.site"))
            self._site = module.site(self._app)
        await self._site(scope, receive, send)
