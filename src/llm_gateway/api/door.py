"""The door of the management endpoints: what the gateway loads of them at start. The rest comes with the first request for one."""

import asyncio
import gc
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from llm_gateway.api.asgi import Receive, Scope, Send

if TYPE_CHECKING:
    from llm_gateway.api.management import View


class Endpoints(Protocol):
    """The endpoints, behind their guard."""

    def serves(self, scope: Scope) -> bool: ...
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class ManagementModule(Protocol):
    """`api.management`."""

    def guarded(self, view: "View") -> Endpoints: ...


class Management:
    """Gives the endpoints of `view`. FastAPI and all their types take 15 MiB, and as long to make as a fifth of the start."""

    def __init__(self, view: "View") -> None:
        self._view = view
        self._made: Endpoints | None = None
        self._making = asyncio.Lock()

    async def endpoints(self) -> Endpoints:
        """The endpoints; made when they are first asked for."""
        if self._made is None:
            async with self._making:
                if self._made is None:
                    # On a thread: it takes longer than a running call should wait.
                    self._made = await asyncio.to_thread(self._make)
                    if gc.get_freeze_count():  # the server has the collector leave alone what stands for good: this too
                        gc.freeze()
        return self._made

    def _make(self) -> Endpoints:
        return cast(ManagementModule, import_module("llm_gateway.api.management")).guarded(self._view)
