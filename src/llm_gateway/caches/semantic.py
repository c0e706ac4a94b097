"""Answers to a question from another wording of it: vectors say which are near, words say whether they ask the same.

Loaded only where `cache.semantic.enabled` is set. A vector comes from the offline model, or from a provider: then by a call of its own
on the way of every call (audit, budget, security filter, router), so that a question goes nowhere it is not cleared for.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

import msgspec
import numpy as np
import structlog

from llm_gateway.caching.meaning import MAX_CHARACTERS, Meaning, read
from llm_gateway.caching.nearby import Nearby, Vector
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import LLMGatewayError
from llm_gateway.core.exchange import Exchange, Next
from llm_gateway.core.settings import SemanticCacheSettings
from llm_gateway.core.types import ChatRequest, EmbeddingRequest, Json, JsonObject, Message, Native, Request, Text

if TYPE_CHECKING:
    from llm_gateway.caching.minilm import Encoder

_log = structlog.get_logger(__name__)
OFFLINE: Final = "offline"
MOST_WAITING: Final = 32
"""Questions that wait for the offline model; more are not looked up."""
REMEMBERED: Final = 1_024
"""Vectors kept by their text."""
SAID_AGAIN_S: Final = 60.0
_QUESTION: Final = "\0question"


class Embedder(Protocol):
    """Makes vectors. `name` says whose: those of two names cannot be compared."""

    @property
    def name(self) -> str: ...

    async def vector(self, text: str, exchange: Exchange) -> Vector | None:
        """The vector of a question of this exchange; None: there is none. Raises what the call raises."""
        ...


class Probe(NamedTuple):
    """A question, read once: to be looked for, and to be remembered with its answer."""

    frame: str
    vector: Vector
    meaning: Meaning


class SemanticCache:
    """The lookup, for one configuration. `nearby` outlives it."""

    def __init__(self, settings: SemanticCacheSettings, embedder: Embedder, nearby: Nearby, clock: Clock) -> None:
        self.settings = settings
        self._embedder = embedder
        self._nearby = nearby
        self._clock = clock
        self._vectors: OrderedDict[str, Vector] = OrderedDict()
        self._said_s = float("-inf")
        nearby.resize(settings.max_entries)

    async def read(self, exchange: Exchange, name_of: Callable[[Request], str]) -> Probe | None:
        """What is to be looked for; None: this request is not one to be answered from another wording, or its vector is not to be had.

        `name_of` names a request; requests that differ in their question alone are given one name here, their frame.
        """
        asked = framed(exchange.request)
        if asked is None:
            return None
        text, rest = asked
        meaning = read(text)
        if meaning is None:
            return None
        vector = self._vectors.get(text)
        if vector is None:
            vector = await self._vector(text, exchange)
            if vector is None:
                return None
            self._vectors[text] = vector
            if len(self._vectors) > REMEMBERED:
                self._vectors.popitem(last=False)
        return Probe(f"{self._embedder.name} {name_of(rest)}", vector, meaning)

    async def _vector(self, text: str, exchange: Exchange) -> Vector | None:
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                found = await self._embedder.vector(text, exchange)
        except (LLMGatewayError, TimeoutError) as failure:
            now_s = self._clock.monotonic_s()
            if now_s - self._said_s >= SAID_AGAIN_S:
                self._said_s = now_s
                why = failure.error_type if isinstance(failure, LLMGatewayError) else "it takes too long"
                _log.warning(
                    "no vectors for the semantic cache: questions are answered without it", embeddings=self._embedder.name, why=why
                )
            return None
        length = 0.0 if found is None else float(np.linalg.norm(found))
        return found / np.float32(length) if found is not None and length > 0 and np.isfinite(length) else None

    def near(self, probe: Probe) -> Iterator[tuple[str, float]]:
        """Names of entries that answer the question, with their similarity, the nearest first."""
        return self._nearby.near(probe.frame, probe.vector, probe.meaning, self.settings.threshold)

    def add(self, probe: Probe, name: str, ttl_s: float) -> None:
        """The entry of that name answers the question."""
        self._nearby.add(probe.frame, name, probe.vector, probe.meaning, self._clock.monotonic_s() + ttl_s)

    def forget(self, probe: Probe, name: str) -> None:
        """The entry of that name is gone."""
        self._nearby.forget(probe.frame, name)


def framed(request: Request) -> tuple[str, Request] | None:
    """The question of a request, and the request without it; None: it is not one text, or more than words decides the answer."""
    if not isinstance(request, ChatRequest) or request.tools or request.n != 1 or request.logprobs:
        return None
    last = request.messages[-1] if request.messages else None
    if last is None or last.role != "user":
        return None
    content = last.content
    if not isinstance(content, str):
        if len(content) != 1 or not isinstance(content[0], Text):
            return None
        content = content[0].text
    if not content or len(content) > MAX_CHARACTERS:
        return None
    native = request.native
    if native is not None:
        body, times = _without(native.body, content)
        if times != 1:
            return None
        native = Native(native.protocol, cast(JsonObject, body), native.only)
    messages = (*request.messages[:-1], Message("user", _QUESTION, last.name))
    return content, msgspec.structs.replace(request, messages=messages, native=native)


def _without(value: Json, text: str) -> tuple[Json, int]:
    """A JSON value with a mark in the place of each string that is `text`, and how many there were."""
    if value == text:
        return _QUESTION, 1
    if isinstance(value, list):
        items = [_without(item, text) for item in value]
        return [item for item, _ in items], sum([times for _, times in items])
    if isinstance(value, dict):
        fields = {key: _without(inner, text) for key, inner in value.items()}
        return {key: inner for key, (inner, _) in fields.items()}, sum([times for _, times in fields.values()])
    return value, 0


class OfflineEmbedder:
    """all-MiniLM-L6-v2 on a thread of its own. Its weights are read while the gateway starts.

    Raises:
        ConfigurationError: they are not installed.
    """

    name = OFFLINE

    def __init__(self) -> None:
        module = import_module("llm_gateway.caching.minilm")  # numpy, tokenizers and safetensors come with it
        module.check_installed()
        self._thread = ThreadPoolExecutor(1, "semantic-cache")
        self._encoder: Future[Encoder] = self._thread.submit(module.Encoder)
        self._waiting = 0

    async def vector(self, text: str, exchange: Exchange) -> Vector | None:
        if self._waiting >= MOST_WAITING:
            return None
        self._waiting += 1
        running = asyncio.wrap_future(self._thread.submit(self._run, text))
        running.add_done_callback(self._done)
        return await asyncio.shield(running)

    def _run(self, text: str) -> Vector | None:
        return self._encoder.result().vector(text)

    def _done(self, _: object) -> None:
        self._waiting -= 1


@cache
def offline() -> OfflineEmbedder:
    """The one of this process: configurations come and go, the weights stay."""
    return OfflineEmbedder()


class ProviderEmbedder:
    """A configured provider's vectors, by calls on `way`, which judges each text and seals where it may go."""

    def __init__(self, settings: SemanticCacheSettings, way: Next, clock: Clock) -> None:
        self._provider = settings.embeddings.provider
        self._model = settings.embeddings.model or None
        self._timeout_s = settings.timeout_s
        self._way = way
        self._clock = clock
        self.name = f"{self._provider}/{self._model or ''}"

    async def vector(self, text: str, exchange: Exchange) -> Vector | None:
        allowed = exchange.caller.allowed_providers
        if allowed is not None and self._provider not in allowed:
            return None
        now_s = self._clock.monotonic_s()
        call = Exchange(
            EmbeddingRequest((text,), self._model, self._provider),
            correlation_id=exchange.correlation_id,
            credentials=exchange.credentials,
            ingress="semantic_cache",
            received_s=now_s,
            deadline_s=min(exchange.deadline_s, now_s + self._timeout_s),
        )
        # Nobody else may answer in its place: vectors of two models have nothing to say to each other.
        call.caller = msgspec.structs.replace(exchange.caller, allowed_providers=frozenset((self._provider,)))
        call.minimum_level = exchange.minimum_level
        try:
            async with call:
                chunks = await (await self._way(call)).collect()
        finally:
            exchange.upstream_s += call.upstream_s
        vectors = [vector for chunk in chunks for vector in chunk.embeddings or ()]
        return np.asarray(vectors[0], np.float32) if len(vectors) == 1 else None


class House(Protocol):
    """What outlives a configuration."""

    questions: Any


def semantic_cache(settings: SemanticCacheSettings, house: House, clock: Clock, way: Next) -> SemanticCache:
    """The lookup of a configuration, over the questions that are remembered already.

    Raises:
        ConfigurationError: the offline model is asked for, and not installed.
    """
    if house.questions is None:
        house.questions = Nearby(settings.max_entries)
    embedder: Embedder = offline() if settings.embeddings.provider == OFFLINE else ProviderEmbedder(settings, way, clock)
    return SemanticCache(settings, embedder, house.questions, clock)
