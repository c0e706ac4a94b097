"""The HTTP server: uvicorn's start, signals and orderly stop, over connections of our own (`http_protocol`)."""

import ctypes
import gc
import socket
import sys
from typing import Any, Final

import uvicorn

from llm_gateway.core.settings import ServerSettings
from llm_gateway.http_protocol import HttpProtocol, Times

GC_ALLOCATIONS: Final = 25_000
"""Containers more than were freed, until the collector looks at the young ones. A call holds some hundred while it waits for its
provider, so that the default of 700 would look at every waiting call many times, and find nothing."""


def protocol_class(settings: ServerSettings) -> type[HttpProtocol]:
    """The connection class with the deadlines of `settings`."""

    class ConfiguredProtocol(HttpProtocol):
        times = Times(settings.header_timeout_s, settings.body_timeout_s, settings.keep_alive_s)
        max_connections = settings.max_connections

    return ConfiguredProtocol


class GracefulServer(uvicorn.Server):
    """A server that was asked to stop, and did, has not failed: the process may exit with 0.

    uvicorn raises the signal again when it is done, which would end the process by that signal.
    """

    _has_process = False

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, as what this process is for."""
        self._has_process = True
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        if self._has_process:  # what stands by now stays: the cycle collector need not look at it, not even once
            _give_back_memory()
            gc.freeze()
            gc.set_threshold(GC_ALLOCATIONS, *gc.get_threshold()[1:])
            gc.enable()

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        await super()._serve(sockets)
        self._captured_signals.clear()


def _give_back_memory() -> None:
    """Let the system have what starting took and nobody needs any more: some megabytes, which the C library would keep."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; other C libraries have nothing of the kind
        if trim is not None:
            trim(0)


def server(app: Any, settings: ServerSettings) -> uvicorn.Server:
    """A server for `app`. Its `run()` returns after SIGTERM or Ctrl-C, when running calls have ended or `drain_s` is over."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        interface="asgi3",
        http=protocol_class(settings),
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=int(settings.keep_alive_s) or 1,
        timeout_graceful_shutdown=int(settings.drain_s) or 1,
        h11_max_incomplete_event_size=None,
    )
    return GracefulServer(config)
