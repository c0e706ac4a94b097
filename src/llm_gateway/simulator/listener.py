"""A listening port that can be closed, opened again on the same number, or made to swallow connections."""

import asyncio
import socket
from typing import Literal

from llm_gateway.simulator.http import App, Connection, Peers

_BACKLOG = 4096
_ACCEPTS_A_TURN = 64
State = Literal["closed", "open", "blackhole"]


class Listener:
    """One port and its live connections. Opening and closing happen at once, not in a later turn of the loop."""

    def __init__(self, app: App, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self.port = port
        self.state: State = "closed"
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._peers = Peers()
        self._fillers: list[socket.socket] = []
        self._greetings: set[asyncio.Task[object]] = set()

    def open(self) -> None:
        """Opens the port; a number once taken is kept. Raises OSError when somebody else has it."""
        if self.state == "open":
            return
        self.close()
        self._socket = self._bound(_BACKLOG)
        self._peers = Peers()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._accept, self._socket, self._peers)
        self.state = "open"

    def _accept(self, listening: socket.socket, peers: Peers) -> None:
        for _ in range(_ACCEPTS_A_TURN):
            try:
                accepted, _ = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._loop is not None:
                greeting = self._loop.create_task(self._loop.connect_accepted_socket(lambda: Connection(self._app, peers), accepted))
                self._greetings.add(greeting)
                greeting.add_done_callback(self._greetings.discard)

    def close(self) -> None:
        """Closes the port and cuts every live connection. From here on connecting is refused."""
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        if self._socket is not None:
            if self._loop is not None and self.state == "open":
                self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        self._peers.stop()
        self.state = "closed"

    def swallow(self) -> None:
        """Makes the port a black hole: its queue is full, further attempts to connect get no answer at all."""
        self.close()
        self._socket = self._bound(0)
        for _ in range(3):
            filler = socket.socket(self._socket.family, socket.SOCK_STREAM)
            filler.setblocking(False)
            filler.connect_ex((self._host, self.port))
            self._fillers.append(filler)
        self.state = "blackhole"

    def _bound(self, backlog: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setblocking(False)
            bound.bind((self._host, self.port))
            bound.listen(backlog)
        except OSError:
            bound.close()
            raise
        self.port = bound.getsockname()[1]
        return bound
