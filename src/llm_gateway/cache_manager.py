"""Answers a request from an equal one's answer, where that is safe, and keeps new answers for the next.

Stands behind the security filter: a hit is judged by today's rules, counted by today's limits, and shown in metrics and audit
like any call. An answer is kept when it is complete and came to a good end, and when neither question nor conversation is
sensitive. Of identical requests at one time, one makes the answer.

The store is a convenience: when it is away, every request is a miss.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from os import urandom
from typing import Any, Final, Literal, Protocol

import structlog

from llm_gateway.caching.cache import Cache
from llm_gateway.caching.collecting import Collector, in_words, is_whole
from llm_gateway.caching.entries import Codec, CorruptEntry, Entry, packed, unpacked
from llm_gateway.caching.flights import ABANDONED, Flight, Outcome, Resembling, outcome_of_failure, own_copy
from llm_gateway.caching.keys import Keys, digest_of
from llm_gateway.caching.store import StoreUnavailable
from llm_gateway.core.errors import ClientClosedRequest, LLMGatewayError, ProviderTimeout
from llm_gateway.core.exchange import Exchange, Next, Reply
from llm_gateway.core.routing import Candidate, Decision, Target
from llm_gateway.core.settings import CacheSettings, Settings
from llm_gateway.core.types import ChatRequest, Chunk, Passthrough, Request
from llm_gateway.routing.streaming import Ready

_log = structlog.get_logger(__name__)
EVERYBODY: Final = "shared"
"""The owner of entries in the shared scope."""
FIRST_POLL_S: Final = 0.02
LONGEST_POLL_S: Final = 0.25
"""How often another process's answer is looked for; the wait doubles from the first to the longest."""


_Found = tuple[bytes, Entry]
"""An entry as the bytes that others are given, and decoded for the one who found it."""


class Wordings(Protocol):
    """The semantic cache: finds entries by other wordings of their question. A probe is a question that was read."""

    async def read(self, exchange: Exchange, name_of: Callable[[Request], str]) -> Any: ...
    def near(self, probe: Any) -> Iterator[tuple[str, float]]: ...
    def add(self, probe: Any, name: str, ttl_s: float) -> None: ...
    def forget(self, probe: Any, name: str) -> None: ...


def configuration_digest(settings: Settings) -> bytes:
    """A digest of the settings that decide what a target answers: another configuration finds none of the old entries."""
    named = {"kind", "enabled", "endpoint", "model", "models", "embedding_model", "num_ctx", "region", "headers"}
    providers = {name: provider.model_dump(mode="json", include=named) for name, provider in settings.providers.items()}
    return digest_of((providers, settings.routing.explicit_fallback, settings.security.on_forbidden_provider))


class CacheManager:
    """The stage, for one configuration.

    `meant` says which provider and model a request's names mean ("" where they leave it open). `is_sensitive` judges answers
    in the shared scope, where others may get them. `wordings` is the semantic cache, where it is switched on.
    """

    def __init__(
        self,
        settings: Settings,
        cache: Cache,
        meant: Callable[[Request], Target],
        is_sensitive: Callable[[str], bool] | None = None,
        wordings: Wordings | None = None,
    ) -> None:
        self.settings: CacheSettings = settings.cache
        self._is_on = self.settings.max_size > 0
        self.cache = cache
        secret = self.settings.secret.get_secret_value().encode()
        self.codec = Codec(secret, compress=self.settings.enable_compression)
        self._keys = Keys(configuration_digest(settings), secret)
        self._strategy = settings.routing.strategy
        self._meant = meant
        self._wordings = wordings
        self._is_sensitive = is_sensitive if self.settings.scope == "shared" else None
        cache.store.resize(self.settings.max_size, self.settings.max_bytes)

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[Reply]:
        return self._answer(exchange, call_next) if self._is_on and self.is_cacheable(exchange) else call_next(exchange)

    async def _answer(self, exchange: Exchange, call_next: Next) -> Reply:
        meant = self._meant(exchange.request)
        name = self._name(exchange, meant)
        if exchange.force_refresh:
            return await self._make(_Maker(self, exchange, meant, name), call_next)
        store = self.cache.store
        if not store.shared:  # nobody else can be making an entry that is there
            found = await self._opened(name, await store.get(name))
            if found is not None:
                return self._replay(exchange, found[1], "from the cache")
        outwaited: Flight | None = None
        while (flight := self.cache.flights.get(name)) is not None and flight is not outwaited:
            outcome = await self._outcome(flight, exchange)
            if isinstance(outcome, bytes):
                self.cache.figures.shared_answers += 1
                return self._replay(exchange, unpacked(outcome), "an identical request was under way")
            if isinstance(outcome, Resembling):
                return self._replay(exchange, unpacked(outcome.content), "an identical request was under way", outcome.similarity)
            if isinstance(outcome, LLMGatewayError):
                raise own_copy(outcome)
            outwaited = flight
        flight = self.cache.flights.begin(name)
        try:
            # What this process had not a moment ago it has not now, unless somebody was waited for.
            found, claim = await self._find(name, exchange) if store.shared or outwaited is not None else (None, b"")
        except BaseException:
            self.cache.flights.end(name, flight, ABANDONED)
            raise
        if found is not None:
            content, entry = found
            self.cache.flights.end(name, flight, content)
            return self._replay(exchange, entry, "from the cache")
        maker = _Maker(self, exchange, meant, name, flight, claim)
        if self._wordings is not None and not is_sensitive(exchange):
            reply = await self._in_other_words(maker, self._wordings)
            if reply is not None:
                return reply
        exchange.cache_state = "miss"
        self.cache.figures.miss(exchange.caller.id)
        return await self._make(maker, call_next)

    async def _in_other_words(self, maker: "_Maker", wordings: Wordings) -> Reply | None:
        """The answer to another wording of this question, where one is cached; it is handed to those that wait, too."""
        exchange = maker.exchange
        try:
            maker.probe = await wordings.read(exchange, lambda request: self._named(request, maker.meant, exchange))
            found = await self._nearest(maker.probe, wordings) if maker.probe is not None else None
        except BaseException:
            await maker.leave(ABANDONED)
            raise
        if found is None:
            return None
        (content, entry), similarity = found
        await maker.leave(Resembling(content, similarity))
        return self._replay(exchange, entry, "from the cache", similarity)

    async def _nearest(self, probe: Any, wordings: Wordings) -> tuple[_Found, float] | None:
        for name, similarity in wordings.near(probe):
            try:
                found = await self._opened(name, await self.cache.store.get(name))
            except StoreUnavailable:
                return None
            if found is not None:
                return found, similarity
            wordings.forget(probe, name)
        return None

    def is_cacheable(self, exchange: Exchange) -> bool:
        """Whether an answer to this request may come from the cache, and go there."""
        settings, request = self.settings, exchange.request
        if not settings.max_size or exchange.clearance is None or isinstance(request, Passthrough):
            return False
        if not settings.store_sensitive and is_sensitive(exchange):
            return False
        if isinstance(request, ChatRequest):
            if request.temperature is not None and request.temperature > settings.max_temperature:
                return False
            # Log probabilities belong to tokens, whose borders are lost when a stream is joined.
            return not (request.stream and request.logprobs)
        return True

    @property
    def state(self) -> Literal["healthy", "degraded", "disabled"]:
        """degraded: the store does not answer, and every request is a miss."""
        if not self.settings.max_size:
            return "disabled"
        return "healthy" if self.cache.store.healthy else "degraded"

    async def has(self, name: str) -> bool:
        """Whether there is an entry of that name."""
        try:
            return await self.cache.store.get(name) is not None
        except StoreUnavailable:
            return False

    def name_of(self, exchange: Exchange) -> str:
        """The name that the answer to a judged request has here.

        Raises:
            UnknownProvider, UnknownModel, InvalidRequest: what was asked for does not exist.
        """
        return self._name(exchange, self._meant(exchange.request))

    def _name(self, exchange: Exchange, meant: Target) -> str:
        return self._named(exchange.request, meant, exchange)

    def _named(self, request: Request, meant: Target, exchange: Exchange) -> str:
        clearance = exchange.clearance
        assert clearance is not None
        owner = exchange.caller.id if self.settings.scope == "caller" else EVERYBODY
        return self._keys.name(request, meant, clearance, owner, exchange.strategy or self._strategy)

    async def _outcome(self, flight: Flight, exchange: Exchange) -> Outcome | None:
        """What came of an identical request, or None when the patience was over first."""
        began_s = self.cache.clock.monotonic_s()
        left_s = exchange.deadline_s - began_s
        outcome = await flight.wait(min(left_s, self.settings.wait_timeout))
        exchange.upstream_s += self.cache.clock.monotonic_s() - began_s
        if outcome is None and left_s <= self.settings.wait_timeout:
            raise ProviderTimeout("the time for this request was over before an identical one under way was answered", code="total")
        return outcome

    async def _find(self, name: str, exchange: Exchange) -> tuple[_Found | None, bytes]:
        """The entry; or none, and the claim with which it is ours to make (empty: none was needed, or to be had)."""
        store = self.cache.store
        try:
            if not store.shared:
                return await self._opened(name, await store.get(name)), b""
            return await self._find_or_claim(name, exchange)
        except StoreUnavailable:
            return None, b""

    async def _find_or_claim(self, name: str, exchange: Exchange) -> tuple[_Found | None, bytes]:
        clock, claim, lease_s = self.cache.clock, urandom(12), self.settings.wait_timeout
        began_s = clock.monotonic_s()
        until_s = min(began_s + self.settings.wait_timeout, exchange.deadline_s)
        pause_s = FIRST_POLL_S
        idle = Flight()  # never ends: waiting for it is a pause
        while True:
            found = await self.cache.store.claim(name, claim, lease_s)
            if found is None:
                return None, claim
            if isinstance(found, bytes):
                return await self._opened(name, found), b""
            now_s = clock.monotonic_s()
            if now_s >= until_s:
                return None, b""
            await idle.wait(min(pause_s, until_s - now_s))
            exchange.upstream_s += clock.monotonic_s() - now_s
            pause_s = min(2 * pause_s, LONGEST_POLL_S)

    async def _opened(self, name: str, sealed: bytes | None) -> _Found | None:
        if sealed is None:
            return None
        try:
            content = self.codec.open(name, sealed)
            return content, unpacked(content)
        except CorruptEntry as failure:
            self.cache.figures.corrupt += 1
            _log.warning("a cache entry is corrupt and was dropped", problem=str(failure))
            await self.cache.store.remove(name)
            return None

    def _replay(self, exchange: Exchange, entry: Entry, how: str, similarity: float | None = None) -> Reply:
        target = Target(entry.provider, entry.model)
        exchange.cache_state = "hit"
        if similarity is not None:
            exchange.cache_state, exchange.similarity = "semantic", round(similarity, 4)
            self.cache.figures.semantic_hits += 1
            how = f"{how}, to the same question in other words (similarity {similarity:.2f})"
        exchange.usage = entry.usage
        exchange.cost_usd = 0.0
        exchange.finish_reason = entry.finish_reason
        exchange.chosen = Candidate(target, 1.0, (how,))
        asked = str(target)
        reason = f"{how}: {asked} answered at {_iso(int(entry.made_s))}"
        exchange.decision = Decision(exchange.strategy or self._strategy, (exchange.chosen,), (), reason)
        self.cache.figures.hit(exchange.caller.id, asked, entry.usage, entry.cost_usd)
        streams = isinstance(exchange.request, ChatRequest) and exchange.request.stream
        return Reply(Ready(in_words(entry.chunks)) if streams else entry.chunks)

    @staticmethod
    async def _make(maker: "_Maker", call_next: Next) -> Reply:
        maker.exchange.at_end(maker.end)
        reply = await call_next(maker.exchange)
        return reply.through(maker)

    def remember(self, probe: Any, name: str) -> None:
        """The entry of that name answers a question that was read; other wordings of it may be answered from there."""
        if self._wordings is not None:
            self._wordings.add(probe, name, self.settings.default_ttl)

    def may_keep(self, exchange: Exchange, meant: Target, chunks: list[Chunk]) -> bool:
        """Whether a finished answer is one to keep."""
        if not is_whole(exchange.request, chunks) or (not self.settings.store_sensitive and is_sensitive(exchange)):
            return False
        chosen, clearance = exchange.chosen, exchange.clearance
        if chosen is None or clearance is None:
            return False
        if meant.provider and chosen.target.provider != meant.provider and any(at.provider == meant.provider for at in clearance.eligible):
            return False  # the provider that was asked for could not answer; the next time it may
        return self._is_sensitive is None or self.settings.store_sensitive or not any(map(self._is_sensitive, _texts(chunks)))


@lru_cache(1_024)
def _iso(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")


def is_sensitive(exchange: Exchange) -> bool:
    """Whether question or conversation is sensitive; what nobody judged is."""
    return exchange.tainted or exchange.sensitivity is None or exchange.sensitivity.sensitive


def _texts(chunks: Iterable[Chunk]) -> Iterable[str]:
    for chunk in chunks:
        if chunk.text:
            yield chunk.text
        for call in chunk.tool_calls:
            yield call.arguments


class _Maker:
    """A `ReplyPart` that keeps the answer as it passes, and at the end of the call stores it and tells those that wait."""

    __slots__ = ("_claim", "_collector", "_finished", "_flight", "_manager", "_name", "exchange", "meant", "probe")

    def __init__(
        self, manager: CacheManager, exchange: Exchange, meant: Target, name: str, flight: Flight | None = None, claim: bytes = b""
    ) -> None:
        self.exchange = exchange
        self._manager = manager
        self.meant = meant
        self.probe: Any = None
        """The question as the semantic cache read it."""
        self._name = name
        self._flight = flight
        self._claim = claim
        self._finished = False
        request = exchange.request
        native = request.native.protocol if request.native is not None else ""
        self._collector = Collector(streamed=isinstance(request, ChatRequest) and request.stream, raw_protocol=native)

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        self._collector.add(chunk)
        return (chunk,)

    def finish(self) -> Iterable[Chunk]:
        self._finished = True
        return ()

    async def end(self) -> None:
        """The call is over."""
        outcome: Outcome = ABANDONED
        try:
            failure = self.exchange.failure
            # A caller who leaves while the last bytes are sent has not made the answer a worse one.
            if self._finished and (failure is None or isinstance(failure, ClientClosedRequest)):
                outcome = await self._keep()
            else:
                outcome = outcome_of_failure(failure)
        finally:
            if self._flight is not None:
                self._manager.cache.flights.end(self._name, self._flight, outcome)
        if self._claim and isinstance(outcome, LLMGatewayError | type(ABANDONED)):
            await self._release()

    async def leave(self, outcome: Outcome) -> None:
        """Nothing will be made: tell those that wait, and let others claim the name."""
        if self._flight is not None:
            self._manager.cache.flights.end(self._name, self._flight, outcome)
        await self._release()

    async def _keep(self) -> Outcome:
        manager, exchange = self._manager, self.exchange
        chosen = exchange.chosen
        if chosen is None:
            return ABANDONED
        chunks = self._collector.chunks()
        content = packed(
            Entry(
                chosen.target.provider, chosen.target.model, manager.cache.clock.wall_s(), exchange.usage, exchange.cost_usd,
                exchange.finish_reason, isinstance(exchange.request, ChatRequest) and exchange.request.stream, chunks,
            )
        )  # fmt: skip
        if not manager.may_keep(exchange, self.meant, chunks):
            await self._release()
            return content
        sealed = manager.codec.seal(self._name, content)
        with contextlib.suppress(StoreUnavailable):  # the answer is served all the same
            kept = await manager.cache.store.put(self._name, sealed, manager.settings.default_ttl)
            manager.cache.figures.stored += kept
            if kept and self.probe is not None:
                manager.remember(self.probe, self._name)
        return content

    async def _release(self) -> None:
        if self._claim:
            with contextlib.suppress(StoreUnavailable):  # its lease ends by itself
                await self._manager.cache.store.release(self._name, self._claim)
