"""The simulator as a library: all upstreams and the control port on the running event loop."""

from types import TracebackType
from typing import Self

import msgspec

from llm_gateway import __version__
from llm_gateway.simulator.config import ConfigurationError, SimulatorConfig
from llm_gateway.simulator.control import Control
from llm_gateway.simulator.exchange import Kind
from llm_gateway.simulator.faults import FaultBook, FaultRule
from llm_gateway.simulator.journal import Entry, Journal, Totals
from llm_gateway.simulator.listener import Listener
from llm_gateway.simulator.upstream import Shared, Upstream
from llm_gateway.simulator.world import World

# the base URL as the vendor's own SDK takes it
_BASE_PATHS: dict[Kind, str] = {"openai": "/v1", "grok": "/v1", "bedrock": "/invoke"}


class Ready(msgspec.Struct, frozen=True):
    """What the process prints, as one line of JSON, when all ports are open."""

    urls: dict[Kind, str]
    control_url: str
    pid: int
    version: str = __version__


class Simulator:
    """`async with Simulator(SimulatorConfig()) as simulator: simulator.urls["openai"]`."""

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self.config = config if config is not None else SimulatorConfig()
        self._world = World()
        self._world.models.update(self.config.models)
        self._world.only_known_models = self.config.only_known_models
        self._world.keys = dict(self.config.keys)
        self._world.aws_secrets = dict(self.config.aws_secrets)
        self._world.replies = self.config.replies
        self._faults = FaultBook(self.config.seed)
        self._faults.add(self.config.faults)
        self._journal = Journal(self.config.log_entries, self.config.log_bytes)
        self._shared = Shared(self._world, self._faults, self._journal, self.config.seed)
        self._shared.latency = dict(self.config.latency)
        host = self.config.host
        self._listeners = {kind: Listener(Upstream(kind, self._shared), host, self.config.ports.get(kind, 0)) for kind in self.config.kinds}
        self._control = Listener(Control(self._shared, self.stop, self.start, lambda: self.running), host, self.config.control_port)

    async def __aenter__(self) -> Self:
        try:
            for listener in (*self._listeners.values(), self._control):
                listener.open()
        except OSError:
            self._close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def _close(self) -> None:
        for listener in (*self._listeners.values(), self._control):
            listener.close()

    @property
    def urls(self) -> dict[Kind, str]:
        """Base URL of each kind."""
        return {kind: f"{self._origin(listener)}{_BASE_PATHS.get(kind, '')}" for kind, listener in self._listeners.items()}

    @property
    def control_url(self) -> str:
        """Where the control port is."""
        return self._origin(self._control)

    @property
    def running(self) -> list[Kind]:
        """The kinds that answer."""
        return [kind for kind, listener in self._listeners.items() if listener.state == "open"]

    def _origin(self, listener: Listener) -> str:
        host = self.config.host
        return f"http://{f'[{host}]' if ':' in host else host}:{listener.port}"

    def stop(self, kind: str, mode: str = "close") -> None:
        """Closes a kind's port and cuts its connections; mode `blackhole` leaves attempts to connect unanswered instead."""
        listener = self._listener(kind)
        if mode == "close":
            listener.close()
        elif mode == "blackhole":
            listener.swallow()
        else:
            raise ConfigurationError(f"mode: expected close or blackhole, got {mode!r}")

    def start(self, kind: str) -> None:
        """Opens a kind's port again, under the same number."""
        self._listener(kind).open()

    def _listener(self, kind: str) -> Listener:
        for name, listener in self._listeners.items():
            if name == kind:
                return listener
        raise ConfigurationError(f"kind: expected one of {', '.join(self._listeners)}, got {kind!r}")

    def add_faults(self, *rules: FaultRule) -> None:
        """Puts rules in force, after those already there."""
        self._faults.add(rules)

    def clear_faults(self) -> None:
        """Drops all fault rules."""
        self._faults.clear()

    def log(self, kind: str = "") -> list[Entry]:
        """The requests received, oldest first."""
        return self._journal.entries(kind)

    def clear_log(self) -> None:
        """Empties log and ledger."""
        self._journal.clear()

    def totals(self, kind: Kind) -> dict[str, Totals]:
        """The ledger of a kind, by model."""
        return self._journal.totals.get(kind, {})
