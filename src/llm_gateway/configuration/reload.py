"""New settings while the gateway runs: a valid file takes effect as a whole, a broken one changes nothing."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from functools import reduce
from pathlib import Path as FilePath
from typing import Final

import msgspec
from pydantic import BaseModel

from llm_gateway.configuration.loading import Loaded
from llm_gateway.configuration.shape import Path, leaves, path_text
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import LLMGatewayError
from llm_gateway.core.settings import Settings

NEEDS_RESTART: Final[tuple[Path, ...]] = (
    ("server", "host"),
    ("server", "port"),
    ("server", "workers"),
    ("server", "data_dir"),
    ("storage", "database_url"),
    ("storage", "redis_url"),
    ("storage", "auto_migrate"),
    ("limits", "max_callers"),
    ("limits", "replicas"),
    ("limits", "store_timeout_s"),
    ("auth", "key_pepper"),
    ("storage", "encryption_key"),
    ("integrations", "workflow_engine"),
    ("audit", "key"),
    ("audit", "commit_timeout_s"),
)
"""Settings that a running gateway keeps as it started."""


class Reload(msgspec.Struct, frozen=True):
    """A change that is to take effect now. `loaded` holds the running values where `needs_restart` (dotted paths) says so."""

    loaded: Loaded
    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]


class ReloadState(msgspec.Struct, frozen=True):
    """What became of the last attempt, for health pages: Unix seconds, and the problem if there was one."""

    at_s: float
    problem: str = ""


Publish = Callable[[Reload], Awaitable[None]]
Report = Callable[[LLMGatewayError], None]


class Reloader:
    """Watches the file of a configuration, and takes requests (SIGHUP).

    `load` gives a new configuration or raises ConfigurationError. `publish` puts it into effect; while it has not returned,
    or when it raises one of our errors, the old one is the current one. `report` is told of every problem, once a version of the file.
    A file that someone is still writing is left alone: it must look the same in two polls. A request does not wait.
    """

    def __init__(
        self, current: Loaded, load: Callable[[], Loaded], publish: Publish, report: Report, *, clock: Clock, poll_interval_s: float = 1.0
    ) -> None:
        self.current = current
        self.state = ReloadState(clock.wall_s())
        self._load = load
        self._publish = publish
        self._report = report
        self._clock = clock
        self._poll_interval_s = poll_interval_s
        self._requested = asyncio.Event()
        self._turn = asyncio.Lock()
        self._seen: tuple[int, ...] | None = None
        """What the file system said of the file when its content was last judged."""
        self._judged = current.digest
        self._pending: str | None = None

    def request(self) -> None:
        """Read the configuration now. For `loop.add_signal_handler(signal.SIGHUP, ...)`: call it on the loop's thread."""
        self._requested.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._poll_interval_s):
                    await self._requested.wait()
            except TimeoutError:
                await self.poll()
            else:
                self._requested.clear()
                await self.reload()

    async def poll(self) -> None:
        """One look at the file; a new content that looks the same as at the last look is taken."""
        path = self.current.path
        if path is None:
            return
        seen = await asyncio.to_thread(_look, path)
        if seen == self._seen:
            return
        digest = await asyncio.to_thread(_digest, path)
        if digest == self._judged:
            self._seen, self._pending = seen, None
        elif digest == self._pending:
            await self._take(digest, must_match=True)
            self._seen = seen if self._pending is None else None
        else:
            self._pending = digest

    async def reload(self) -> None:
        """Read the configuration and put it into effect, whatever the file looked like before."""
        path = self.current.path
        await self._take("" if path is None else await asyncio.to_thread(_digest, path), must_match=False)

    async def _take(self, digest: str, *, must_match: bool) -> None:
        """Load and publish. `digest` is that of the file as we looked at it; with `must_match` no other content will do."""
        async with self._turn:
            self._pending = None
            try:
                loaded = await asyncio.to_thread(self._load)
                if must_match and loaded.digest != digest:
                    self._pending = loaded.digest  # written between our look and the load: look again
                    return
                await self._put_into_effect(loaded)
                self._judged = loaded.digest
            except LLMGatewayError as error:
                self._judged = digest
                self.state = ReloadState(self._clock.wall_s(), error.message)
                self._report(error)

    async def _put_into_effect(self, loaded: Loaded) -> None:
        change = _change(self.current, loaded)
        if change.changed or change.needs_restart:
            await self._publish(change)
        self.current = change.loaded
        self.state = ReloadState(self._clock.wall_s())


def _look(path: FilePath) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _digest(path: FilePath) -> str:
    """The content's digest, as in `Loaded`; a file that cannot be read has one of its own."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"unreadable {error.errno}"


def _change(old: Loaded, new: Loaded) -> Reload:
    before = dict(leaves(old.settings))
    after = dict(leaves(new.settings))
    differ = [path for path in (*after, *(path for path in before if path not in after)) if before.get(path) != after.get(path)]
    waiting = [path for path in differ if path in NEEDS_RESTART]
    settings = reduce(lambda kept, path: _keep(kept, path, before[path]), waiting, new.settings)
    origins = new.origins | {path_text(path): old.origins[path_text(path)] for path in waiting}
    loaded = msgspec.structs.replace(new, settings=settings, origins=origins)
    return Reload(loaded, tuple(path_text(path) for path in differ if path not in waiting), tuple(map(path_text, waiting)))


def _keep(settings: Settings, path: Path, value: object) -> Settings:
    section, key = map(str, path)
    part: BaseModel = getattr(settings, section)
    return settings.model_copy(update={section: part.model_copy(update={key: value})})
