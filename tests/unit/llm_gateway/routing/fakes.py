"""A clock that tests turn, a provider with a wire of plain lines, and a door that plays a script."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from llm_gateway.core.clearance import Clearance, WireBytes
from llm_gateway.core.errors import ProviderBadResponse, ProviderError
from llm_gateway.core.exchange import Credentials, Exchange
from llm_gateway.core.routing import Destination
from llm_gateway.core.seal import seal
from llm_gateway.core.settings import ProviderSettings, RoutingSettings, Settings
from llm_gateway.core.types import ChatRequest, Chunk, EmbeddingRequest, FinishReason, Message, Request, SecurityLevel, Usage
from llm_gateway.core.upstream import error_of_status, retry_after_s
from llm_gateway.core.wire import Capabilities, Decoder, HttpRequest, Provider
from llm_gateway.provider_router import ProviderRouter
from llm_gateway.transport import Deadlines

LEVELS = {"ollama": SecurityLevel.HIGH, "bedrock": SecurityLevel.HIGH}
MODELS = {
    "ollama": "llama3",
    "openai": "gpt-4o",
    "anthropic": "claude-3.5-sonnet",
    "bedrock": "anthropic.claude-3-sonnet-20240229-v1:0",
    "grok": "grok-3",
}
FIVE = tuple(MODELS)


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s + 1_800_000_000.0


class LineDecoder:
    """`t text`, `u input output`, `c cost`, `p` (nothing to read), `x` (malformed); `end` closes the answer."""

    def __init__(self) -> None:
        self.rest = b""
        self.ended = False

    def feed(self, data: bytes) -> list[Chunk]:
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [self._chunk(line.decode()) for line in lines]

    def _chunk(self, line: str) -> Chunk:
        word, _, rest = line.partition(" ")
        if word == "t":
            return Chunk(text=rest)
        if word == "u":
            first, second = map(int, rest.split())
            return Chunk(usage=Usage(first, second))
        if word == "c":
            return Chunk(cost_usd=float(rest))
        if word == "e":
            return Chunk(embeddings=[[1.0]])
        if word == "p":
            return Chunk(response_id="made")
        if word == "end":
            self.ended = True
            return Chunk(finish_reason=FinishReason.STOP)
        raise ProviderBadResponse("not its protocol")

    def finish(self) -> list[Chunk]:
        if not self.ended:
            raise ProviderBadResponse("it broke off")
        return []


class FakeProvider:
    kind: ClassVar[str] = "openai"
    protocol: ClassVar[str] = "lines"

    def __init__(self, name: str, destination: Destination, capabilities: Capabilities | None = None) -> None:
        self.name = name
        self.destination = destination
        self.capabilities = capabilities or Capabilities(embeddings=name not in {"anthropic", "grok"})
        self.probes = True
        self.refuses: Exception | None = None

    def encode(self, request: Request, model: str, now_s: float) -> HttpRequest:
        if self.refuses is not None:
            raise self.refuses
        return HttpRequest("POST", self.destination.origin + "/call", (), model.encode())

    def decoder(self, request: Request, model: str) -> Decoder:
        return LineDecoder()

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return error_of_status(status, body.decode(), provider=self.name, retry_after_s=retry_after_s(headers))

    def probe(self) -> HttpRequest | None:
        return HttpRequest("GET", self.destination.origin + "/models", ()) if self.probes else None

    def models(self, body: bytes) -> list[str]:
        return body.decode().split()


@dataclass(frozen=True)
class FakeUpstream:
    name: str
    kind: str
    settings: ProviderSettings
    destination: Destination
    provider: Provider | None
    missing: str = ""


@dataclass
class Script:
    """One answer. `pieces` may hold an error, which is raised when its turn comes; `takes_s` passes before the headers."""

    status: int = 200
    pieces: tuple[bytes | Exception, ...] = (b"t hello\nu 10 5\nend\n",)
    headers: Mapping[str, str] = field(default_factory=dict)
    takes_s: float = 0.0
    meanwhile: Callable[[], Any] | None = None


class FakeResponse:
    def __init__(self, script: Script) -> None:
        self.status = script.status
        self.headers = script.headers
        self.pieces = script.pieces
        self.closed = 0

    async def chunks(self) -> AsyncIterator[bytes]:  # type: ignore[override]
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def aclose(self) -> None:
        self.closed += 1


class FakeDoor:
    """Plays each provider's scripts in order, the last one for ever. `sent` holds (provider, model) of every model call."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.scripts: dict[str, list[Script | Exception]] = defaultdict(lambda: [Script()])
        self.probes: dict[str, Script | Exception] = {}
        self.sent: list[tuple[str, str]] = []
        self.deadlines: list[Deadlines] = []
        self.responses: list[FakeResponse] = []

    async def _next(self, wire: WireBytes, deadlines: Deadlines) -> Script:
        name = wire.destination.provider
        self.deadlines.append(deadlines)
        self.sent.append((name, wire.http.body.decode()))
        scripts = self.scripts[name]
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        if isinstance(script, Exception):
            raise script
        self.clock.now_s += script.takes_s
        if script.meanwhile is not None:
            await script.meanwhile()
        return script

    async def fetch(
        self, wire: WireBytes, deadlines: Deadlines, max_response_bytes: int, *, local: bool
    ) -> tuple[int, Mapping[str, str], bytes]:
        if wire.http.method == "GET":
            probe = self.probes.get(wire.destination.provider, Script(pieces=(b"",)))
            if isinstance(probe, Exception):
                raise probe
            return probe.status, probe.headers, b"".join(piece for piece in probe.pieces if isinstance(piece, bytes))
        script = await self._next(wire, deadlines)
        for piece in script.pieces:
            if isinstance(piece, Exception):
                raise piece
        return script.status, script.headers, b"".join(piece for piece in script.pieces if isinstance(piece, bytes))

    async def open(self, wire: WireBytes, deadlines: Deadlines, max_response_bytes: int, *, local: bool) -> FakeResponse:
        response = FakeResponse(await self._next(wire, deadlines))
        self.responses.append(response)
        return response


def destination(name: str, level: SecurityLevel | None = None) -> Destination:
    return Destination(name, f"http://{name}.test", level or LEVELS.get(name, SecurityLevel.MEDIUM))


class House:
    """A router over fakes. `providers` maps names to settings; a setting `missing=...` makes one unconfigured."""

    def __init__(
        self,
        providers: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        routing: Mapping[str, Any] | None = None,
        missing: Mapping[str, str] | None = None,
        capabilities: Mapping[str, Capabilities] | None = None,
        settings: Mapping[str, Any] | None = None,
        **router: Any,
    ) -> None:
        self.clock = FakeClock()
        self.transport = FakeDoor(self.clock)
        self.slept: list[float] = []
        named = {name: {} for name in FIVE} if providers is None else providers
        configured = {
            name: ProviderSettings.model_validate({"model": MODELS.get(name, "m"), "kind": name if name in FIVE else "openai", **given})
            for name, given in named.items()
        }
        rules = RoutingSettings.model_validate({"strategy": "priority", **(routing or {})})
        self.settings = Settings.model_validate({"providers": configured, "routing": rules, **(settings or {})})
        self.upstreams = {
            name: FakeUpstream(
                name, given.kind or name, given, at := destination(name, given.security_level),
                None if name in (missing or {}) else FakeProvider(name, at, (capabilities or {}).get(name)), (missing or {}).get(name, ""),
            )
            for name, given in configured.items()
        }  # fmt: skip
        self.router = ProviderRouter(self.settings, self.upstreams, self, uniform=lambda: 0.5, sleep=self.sleep, **router)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.now_s += seconds

    def clearance(self, request: Request, *names: str) -> Clearance:
        allowed = names or tuple(self.upstreams)
        return seal(request, frozenset(self.upstreams[name].destination for name in allowed), "v1")

    def exchange(self, request: Request, *names: str, left_s: float = 60.0) -> Exchange:
        exchange = Exchange(
            request, correlation_id="c", credentials=Credentials(), ingress="native", received_s=self.clock.now_s,
            deadline_s=self.clock.now_s + left_s,
        )  # fmt: skip
        exchange.clearance = self.clearance(request, *names)
        return exchange

    async def run(self, request: Request, *names: str, **kwargs: Any) -> tuple[Exchange, list[Chunk]]:
        exchange = self.exchange(request, *names, **kwargs)
        async with exchange:
            reply = await self.router(exchange)
            return exchange, [chunk async for chunk in reply]

    def script(self, name: str, *scripts: Script | Exception) -> None:
        self.transport.scripts[name] = list(scripts)

    def seat(self, name: str) -> Any:
        return self.router._roster.by_name[name]

    def at_rest(self) -> bool:
        """Whether every place was given back."""
        return all(seat.slots.in_flight == 0 and seat.slots.queued == 0 for seat in self.router._roster.seats)


async def until(condition: Callable[[], bool]) -> None:
    """Let the other tasks run until something holds."""
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to hold")


def ask(text: str = "hello there", **fields: Any) -> ChatRequest:
    return msgspec.structs.replace(ChatRequest((Message("user", text),)), **fields)


def embed(*texts: str, **fields: Any) -> EmbeddingRequest:
    return msgspec.structs.replace(EmbeddingRequest(texts or ("x",)), **fields)
