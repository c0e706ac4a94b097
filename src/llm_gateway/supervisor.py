"""Several worker processes on one listening socket.

The supervisor binds the socket, forks the workers and serves nothing itself. All workers accept from the same queue, so a worker that
dies takes only the calls with it that it was answering; it is replaced. SIGTERM and SIGINT drain all workers, SIGHUP reloads all. Workers
whose supervisor has died stop by themselves.
"""

import gc
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import Final, NoReturn

import structlog

_log = structlog.get_logger(__name__)
BACKLOG: Final = 2048
CLOSE_S: Final = 15.0
"""How much longer than its drain a worker may take to write what it has to write."""
RETRY_S: Final = 0.5
RETRY_MAX_S: Final = 10.0
SETTLED_S: Final = 10.0
"""A worker that lived as long as that is replaced at once."""
_STOP: Final = (signal.SIGTERM, signal.SIGINT)


class Lifeline:
    """What a worker knows of its supervisor: `ready` tells it that calls are served, `fileno` reads as ended when it is gone."""

    def __init__(self, ready_fd: int, alive_fd: int) -> None:
        self._ready_fd = ready_fd
        self._alive_fd = alive_fd

    def fileno(self) -> int:
        return self._alive_fd

    def ready(self) -> None:
        """Tell the supervisor, once."""
        os.write(self._ready_fd, b"!")
        os.close(self._ready_fd)


Serve = Callable[[int, socket.socket, Lifeline], None]
"""Serves from a socket as the worker of that number, until SIGTERM or the end of the lifeline."""


class _Worker:
    """A place among the workers, and the process that fills it (pid 0: none)."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pid = 0
        self.ready_fd = -1
        self.since_s = 0.0
        self.again_s = 0.0
        """When it is to be started again."""
        self.wait_s = RETRY_S


class Supervisor:
    """Keeps `count` processes that run `serve` with `listening`."""

    def __init__(self, count: int, listening: socket.socket, serve: Serve, *, drain_s: float) -> None:
        self._listening = listening
        self._serve = serve
        self._drain_s = drain_s
        self._workers = [_Worker(number) for number in range(1, count + 1)]
        self._any_ready = False
        self._alive_read, self._alive_write = os.pipe()
        self._wake_read, self._wake_write = socket.socketpair()

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT. Gives the exit code: 0 after an orderly end, 1 when no worker could start."""
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        for each in (*_STOP, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(each, lambda *_: None)  # what came is read from the pipe
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        gc.freeze()  # what the workers share stays shared
        for worker in self._workers:
            self._start(worker)
        gc.enable()
        while True:
            stop = False
            for caught in self._next_signals():
                if caught == signal.SIGHUP:
                    self._send_all(signal.SIGHUP)
                elif caught in _STOP:
                    stop = True
            self._reap()
            if stop:
                return self._stop()
            if not self._any_ready and not any(worker.pid for worker in self._workers):
                _log.error("no worker could be started")
                return 1
            for worker in self._workers:
                if not worker.pid and self._any_ready and time.monotonic() >= worker.again_s:
                    self._start(worker)

    def _next_signals(self) -> bytes:
        dues = [worker.again_s for worker in self._workers if not worker.pid]
        timeout_s = max(min(dues) - time.monotonic(), 0.0) if dues else None
        waiting = [worker.ready_fd for worker in self._workers if worker.ready_fd >= 0]
        readable, _, _ = select.select([self._wake_read.fileno(), *waiting], [], [], timeout_s)
        for worker in self._workers:
            if worker.ready_fd in readable:
                if os.read(worker.ready_fd, 1):
                    self._any_ready = True
                    _log.info("a worker serves", worker=worker.number, pid=worker.pid)
                os.close(worker.ready_fd)
                worker.ready_fd = -1
        try:
            return self._wake_read.recv(4096)
        except BlockingIOError:
            return b""

    def _start(self, worker: _Worker) -> None:
        ready_read, ready_write = os.pipe()
        worker.since_s = time.monotonic()
        worker.pid = os.fork()
        if worker.pid == 0:
            os.close(ready_read)
            self._become(worker, Lifeline(ready_write, self._alive_read))
        os.close(ready_write)
        worker.ready_fd = ready_read

    def _become(self, worker: _Worker, lifeline: Lifeline) -> NoReturn:
        """In the new process: serve, and end."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in (*_STOP, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(each, signal.SIG_DFL)
            os.close(self._alive_write)
            for other in self._workers:
                if other.ready_fd >= 0:
                    os.close(other.ready_fd)
            self._wake_read.close()
            self._wake_write.close()
            self._serve(worker.number, self._listening, lifeline)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:  # the parent's code must not run in two processes
            _log.exception("a worker failed", worker=worker.number)
        finally:
            os._exit(code)

    def _reap(self) -> None:
        for worker in self._workers:
            if worker.pid and os.waitpid(worker.pid, os.WNOHANG)[0]:
                lived_s = time.monotonic() - worker.since_s
                worker.wait_s = RETRY_S if lived_s >= SETTLED_S else min(worker.wait_s * 2, RETRY_MAX_S)
                worker.again_s = time.monotonic() + (0.0 if lived_s >= SETTLED_S else worker.wait_s)
                if self._any_ready:
                    _log.error("a worker died; it is replaced", worker=worker.number, pid=worker.pid, lived_s=round(lived_s, 1))
                worker.pid = 0

    def _send_all(self, which: int) -> None:
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, which)

    def _stop(self) -> int:
        """Let the workers finish; those that do not are killed."""
        self._listening.close()
        self._send_all(signal.SIGTERM)
        until_s = time.monotonic() + self._drain_s + CLOSE_S
        while any(worker.pid for worker in self._workers):
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                _log.error("workers did not end in time; they are killed")
                self._send_all(signal.SIGKILL)
                left_s = CLOSE_S
            select.select([self._wake_read], [], [], left_s)
            self._ended(self._wake_read.recv(4096) if select.select([self._wake_read], [], [], 0)[0] else b"")
        return 0

    def _ended(self, caught: bytes) -> None:
        if any(each in _STOP for each in caught):
            self._send_all(signal.SIGINT)  # asked a second time: a worker that gets it leaves its calls
        for worker in self._workers:
            if worker.pid and os.waitpid(worker.pid, os.WNOHANG)[0]:
                worker.pid = 0


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Port 0 takes a free one.

    Raises:
        OSError: the address is taken, or is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)
