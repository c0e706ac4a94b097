"""The cache as a stage: what is answered from it, what goes into it, and who waits for whom."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import msgspec
import pytest
from tests.unit.llm_gateway.routing.fakes import FakeClock, until

from llm_gateway.cache_manager import CacheManager
from llm_gateway.caches.memory import MemoryStore
from llm_gateway.caching.cache import Cache
from llm_gateway.caching.figures import Tally
from llm_gateway.caching.store import Claimed, StoreUnavailable
from llm_gateway.core.clock import SystemClock
from llm_gateway.core.errors import Forbidden, LLMGatewayError, ProviderTimeout, ProviderUnavailable
from llm_gateway.core.exchange import Caller, Credentials, Exchange, Next, Reply
from llm_gateway.core.findings import Finding, Sensitivity
from llm_gateway.core.routing import Candidate, Destination, Target
from llm_gateway.core.seal import seal
from llm_gateway.core.settings import Settings
from llm_gateway.core.types import ChatRequest, Chunk, EmbeddingRequest, FinishReason, Message, Native, Request, SecurityLevel, Usage

OLLAMA = Destination("ollama", "http://127.0.0.1:11434", SecurityLevel.HIGH)
OPENAI = Destination("openai", "https://api.openai.com", SecurityLevel.MEDIUM)
EVERYWHERE = frozenset({OLLAMA, OPENAI})
HARMLESS = Sensitivity(0.0, False)
SENSITIVE = Sensitivity(1.0, True, (Finding("secret.api_key", "/messages/0/content", 1.0),))
STOP = Chunk("An answer", finish_reason=FinishReason.STOP, usage=Usage(10, 5), response_id="id-1", response_model="gpt-4o-2024")


class Upstream:
    """Stands in for the router: answers, and writes to the exchange what the router writes."""

    def __init__(self) -> None:
        self.calls: list[Exchange] = []
        self.answers: list[list[Chunk] | LLMGatewayError | Exception] = [[STOP]]
        self.gate: asyncio.Event | None = None
        self.called = asyncio.Event()
        self.provider = "openai"
        self.cancelled = 0
        self.cost_usd: float | None = 0.25

    async def __call__(self, exchange: Exchange) -> Reply:
        self.calls.append(exchange)
        self.called.set()
        answer = self.answers[min(len(self.calls), len(self.answers)) - 1]
        try:
            if self.gate is not None:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(answer, Exception):
            raise answer
        exchange.chosen = Candidate(Target(self.provider, "gpt-4o"), 0.5)
        return Reply(self._chunks(exchange, answer))

    async def _chunks(self, exchange: Exchange, chunks: Iterable[Chunk]) -> AsyncIterator[Chunk]:
        for chunk in chunks:
            exchange.usage = chunk.usage or exchange.usage
            exchange.finish_reason = chunk.finish_reason or exchange.finish_reason
            yield msgspec.structs.replace(chunk)
        exchange.cost_usd = self.cost_usd


class House:
    """A cache over memory and a fake upstream, asked like the API asks."""

    def __init__(self, clock: Any = None, store: Any = None, is_sensitive: Callable[[str], bool] | None = None, **cache: Any) -> None:
        self.clock = clock or FakeClock()
        self.settings = Settings.model_validate({"cache": cache})
        self.cache = Cache(store or MemoryStore(self.clock, 1000, 1 << 24), self.clock)
        self.upstream = Upstream()
        self.meant: dict[tuple[str | None, str | None], Target] = {}
        self.manager = CacheManager(self.settings, self.cache, self.means, is_sensitive)

    def means(self, request: Request) -> Target:
        return self.meant.get((request.provider, request.model), Target(request.provider or "", request.model or ""))

    def exchange(self, request: Request | None = None, caller: str = "alice", **fields: Any) -> Exchange:
        request = request or ask()
        exchange = Exchange(
            request, correlation_id="c", credentials=Credentials(), ingress="native", received_s=self.clock.monotonic_s(),
            deadline_s=self.clock.monotonic_s() + fields.pop("left_s", 60.0),
        )  # fmt: skip
        exchange.caller = Caller(caller)
        exchange.sensitivity = HARMLESS
        exchange.clearance = seal(request, fields.pop("eligible", EVERYWHERE), fields.pop("policy", "p1"))
        for name, value in fields.items():
            setattr(exchange, name, value)
        return exchange

    async def run(self, exchange: Exchange, outer: Callable[[Chunk], None] | None = None) -> list[Chunk]:
        """The whole answer; `outer` is what a stage further out does to each chunk."""
        chunks = []
        async with exchange:
            reply = await self.manager(exchange, self.upstream)
            async for chunk in reply:
                if outer is not None:
                    outer(chunk)
                chunks.append(chunk)
        return chunks

    async def ask(self, request: Request | None = None, **fields: Any) -> tuple[Exchange, list[Chunk]]:
        exchange = self.exchange(request, **fields)
        return exchange, await self.run(exchange)

    @property
    def waiting(self) -> int:
        """Requests that wait for another's answer."""
        return sum([flight.waiting for flight in self.cache.flights._flights.values()])

    @property
    def entries(self) -> int:
        return self.cache.store.size[0]


def ask(text: str = "What is 6 times 7?", **fields: Any) -> ChatRequest:
    return msgspec.structs.replace(ChatRequest((Message("user", text),)), **fields)


def text(chunks: Iterable[Chunk]) -> str:
    return "".join([chunk.text for chunk in chunks])


@pytest.fixture
def house() -> House:
    return House()


async def test_the_second_of_two_equal_requests_is_a_hit(house: House) -> None:
    first, answer = await house.ask()
    assert (first.cache_state, first.cost_usd) == ("miss", 0.25)
    second, again = await house.ask()
    assert again == answer
    assert len(house.upstream.calls) == 1
    assert second.cache_state == "hit"
    assert second.cost_usd == 0.0
    assert second.usage == Usage(10, 5)
    assert second.finish_reason == "stop"
    assert second.chosen is not None
    assert second.chosen.target == Target("openai", "gpt-4o")
    assert second.decision is not None
    assert second.decision.reason == "from the cache: openai/gpt-4o answered at 2027-01-15T08:16:40Z"
    assert house.cache.figures.total == Tally(1, 1, 15, 0.25)


async def test_nobody_sees_anothers_entry(house: House) -> None:
    await house.ask(caller="alice")
    exchange, _ = await house.ask(caller="bob")
    assert exchange.cache_state == "miss"
    assert len(house.upstream.calls) == 2


async def test_in_the_shared_scope_all_share() -> None:
    house = House(scope="shared")
    await house.ask(caller="alice")
    exchange, _ = await house.ask(caller="bob")
    assert exchange.cache_state == "hit"
    assert house.cache.figures.callers()["bob"].hits == 1


async def test_in_the_shared_scope_answers_are_judged_before_others_get_them() -> None:
    house = House(scope="shared", is_sensitive=lambda text: "answer" in text)
    await house.ask()
    assert house.entries == 0
    house = House(scope="caller", is_sensitive=lambda text: "answer" in text)
    await house.ask()
    assert house.entries == 1


@pytest.mark.parametrize(
    "fields",
    [{"policy": "p2"}, {"eligible": frozenset({OLLAMA})}, {"strategy": "cost"}, {"request": ask("Other")}, {"request": ask(max_tokens=5)}],
)
async def test_other_circumstances_are_another_entry(house: House, fields: dict[str, Any]) -> None:
    await house.ask()
    exchange, _ = await house.ask(**fields)
    assert exchange.cache_state == "miss"


async def test_aliases_that_mean_the_same_share_an_entry(house: House) -> None:
    house.meant = {(None, "fast"): Target("openai", "gpt-4o"), ("openai", None): Target("openai", "gpt-4o")}
    await house.ask(ask(model="fast"))
    exchange, _ = await house.ask(ask(provider="openai"))
    assert exchange.cache_state == "hit"


async def test_a_configuration_in_which_targets_changed_finds_no_old_entries(house: House) -> None:
    await house.ask()
    for settings, state in (
        ({"providers": {"openai": {"model": "gpt-5"}}}, "miss"),
        ({"routing": {"health_interval_s": 3}, "cache": {"default_ttl": 60}}, "hit"),
    ):
        house.manager = CacheManager(Settings.model_validate(settings), house.cache, house.means)
        exchange, _ = await house.ask()
        assert exchange.cache_state == state


@pytest.mark.parametrize("state", [{"sensitivity": SENSITIVE}, {"tainted": True}, {"sensitivity": None}])
async def test_sensitive_content_is_neither_stored_nor_looked_up(house: House, state: dict[str, Any]) -> None:
    exchange, _ = await house.ask(**state)
    assert (exchange.cache_state, house.entries) == ("bypass", 0)
    await house.ask()
    assert house.entries == 1
    exchange, _ = await house.ask(**state)
    assert exchange.cache_state == "bypass"
    assert len(house.upstream.calls) == 3


async def test_sensitive_content_is_cached_where_the_operator_says_so() -> None:
    house = House(store_sensitive=True)
    await house.ask(sensitivity=SENSITIVE)
    exchange, _ = await house.ask(sensitivity=SENSITIVE)
    assert exchange.cache_state == "hit"


async def test_an_answer_that_taints_its_conversation_is_not_stored(house: House) -> None:
    exchange = house.exchange()

    def scan(_: Chunk) -> None:
        exchange.tainted = True

    await house.run(exchange, scan)
    assert house.entries == 0


async def test_what_stages_behind_do_to_the_answer_is_not_stored(house: House) -> None:
    def restore(chunk: Chunk) -> None:
        chunk.text = "alice@example.com"

    await house.run(house.exchange(), restore)
    _, again = await house.ask()
    assert text(again) == "An answer"


@pytest.mark.parametrize("end", [FinishReason.LENGTH, FinishReason.CONTENT_FILTER, FinishReason.REFUSAL, FinishReason.PAUSE, None])
async def test_an_answer_without_a_good_end_is_not_stored(house: House, end: FinishReason | None) -> None:
    house.upstream.answers = [[Chunk("part", finish_reason=end)]]
    await house.ask()
    assert house.entries == 0


async def test_a_failure_is_not_stored(house: House) -> None:
    house.upstream.answers = [ProviderUnavailable("down"), [STOP]]
    with pytest.raises(ProviderUnavailable):
        await house.ask()
    exchange, _ = await house.ask()
    assert (exchange.cache_state, len(house.upstream.calls), house.entries) == ("miss", 2, 1)
    assert len(house.cache.flights) == 0


async def test_half_an_answer_is_not_stored(house: House) -> None:
    house.upstream.answers = [[Chunk("half "), STOP]]
    exchange = house.exchange(ask(stream=True))
    async with exchange:
        reply = await house.manager(exchange, house.upstream)
        async for _ in reply:
            break
    assert house.entries == 0
    assert len(house.cache.flights) == 0


async def test_an_answer_that_was_refused_further_out_is_not_stored(house: House) -> None:
    def refuse(_: Chunk) -> None:
        raise Forbidden("not this")

    with pytest.raises(Forbidden):
        await house.run(house.exchange(), refuse)
    assert house.entries == 0


async def test_an_answer_that_was_refused_when_it_was_whole_is_not_stored(house: House) -> None:
    exchange = house.exchange()

    async def refused() -> None:
        async with exchange:
            reply = await house.manager(exchange, house.upstream)
            assert [chunk async for chunk in reply]
            raise Forbidden("not this")

    with pytest.raises(Forbidden):
        await refused()
    assert house.entries == 0


async def test_a_caller_who_leaves_with_the_last_byte_has_made_a_good_answer(house: House) -> None:
    exchange = house.exchange()

    async def left() -> None:
        async with exchange:
            reply = await house.manager(exchange, house.upstream)
            assert [chunk async for chunk in reply]
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await left()
    assert house.entries == 1


async def test_a_fallbacks_answer_is_not_stored_for_the_provider_that_was_asked_for(house: House) -> None:
    house.upstream.provider = "ollama"
    await house.ask(ask(provider="openai"))
    assert house.entries == 0
    # Where policy keeps the content from that provider, the other one's answer is the answer.
    await house.ask(ask(provider="openai"), eligible=frozenset({OLLAMA}))
    assert house.entries == 1


async def test_temperature_decides_by_setting() -> None:
    house = House(max_temperature=0.5)
    for temperature, state in ((0.5, "miss"), (0.6, "bypass"), (None, "miss")):
        exchange, _ = await house.ask(ask(temperature=temperature))
        assert exchange.cache_state == state
    assert House().settings.cache.max_temperature == 2


async def test_force_refresh_skips_reading_and_replaces_the_entry(house: House) -> None:
    house.upstream.answers = [[STOP], [Chunk("A newer answer", finish_reason=FinishReason.STOP)]]
    await house.ask()
    exchange, chunks = await house.ask(force_refresh=True)
    assert (exchange.cache_state, text(chunks)) == ("bypass", "A newer answer")
    _, chunks = await house.ask()
    assert text(chunks) == "A newer answer"
    assert len(house.upstream.calls) == 2


async def test_switched_off_it_does_nothing() -> None:
    house = House(max_size=0)
    for _ in range(2):
        exchange, _ = await house.ask()
        assert exchange.cache_state == "bypass"
    assert len(house.upstream.calls) == 2
    assert house.manager.state == "disabled"


async def test_an_entry_ends(house: House) -> None:
    await house.ask()
    house.clock.now_s += 3599
    assert (await house.ask())[0].cache_state == "hit"
    house.clock.now_s += 1
    assert (await house.ask())[0].cache_state == "miss"


async def test_a_flipped_bit_is_a_miss_and_the_entry_is_dropped(house: House) -> None:
    _, answer = await house.ask()
    (kept,) = house.cache.store._entries.values()  # type: ignore[attr-defined]
    kept.data = kept.data[:-1] + bytes([kept.data[-1] ^ 1])
    exchange, again = await house.ask()
    assert (exchange.cache_state, again) == ("miss", answer)
    assert house.cache.figures.corrupt == 1
    exchange, _ = await house.ask()
    assert exchange.cache_state == "hit"


async def test_another_callers_bytes_under_ones_own_name_are_a_miss(house: House) -> None:
    await house.ask(caller="alice")
    entries = house.cache.store._entries  # type: ignore[attr-defined]
    exchange = house.exchange(caller="bob")
    entries[house.manager.name_of(exchange)] = next(iter(entries.values()))
    await house.run(exchange)
    assert exchange.cache_state == "miss"


STREAM = [
    Chunk(response_id="id-1"),
    Chunk("An "),
    Chunk("answer "),
    Chunk("of words"),
    Chunk(finish_reason=FinishReason.STOP, usage=Usage(10, 5)),
]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("again", [True, False])
async def test_an_answer_is_replayed_streamed_or_not_however_it_came(house: House, stream: bool, again: bool) -> None:
    house.upstream.answers = [STREAM if stream else [Chunk("An answer of words", finish_reason=FinishReason.STOP, usage=Usage(10, 5))]]
    await house.ask(ask(stream=stream))
    exchange, chunks = await house.ask(ask(stream=again))
    assert exchange.cache_state == "hit"
    assert text(chunks) == "An answer of words"
    assert chunks[-1].finish_reason == "stop"
    assert chunks[-1].usage == exchange.usage == Usage(10, 5)
    assert len(chunks) == (5 if again else 1)


async def test_bytes_in_the_callers_own_protocol_serve_again_as_long_as_they_fit(house: House) -> None:
    native = Native("openai", {"messages": [], "x": 1})
    house.upstream.answers = [[msgspec.structs.replace(STOP, raw=b"raw", raw_protocol="openai")]]
    await house.ask(ask(native=native))
    _, (whole,) = await house.ask(ask(native=native))
    assert (whole.raw, whole.raw_protocol) == (b"raw", "openai")
    _, pieces = await house.ask(ask(native=native, stream=True))
    assert {piece.raw for piece in pieces} == {None}


async def test_embeddings_are_cached_too(house: House) -> None:
    house.upstream.answers = [[Chunk(embeddings=[[0.5, 0.25], [1.0, 2.0]], usage=Usage(4))]]
    request = EmbeddingRequest(("a", "b"))
    _, answer = await house.ask(request)
    exchange, again = await house.ask(request)
    assert (exchange.cache_state, again) == ("hit", answer)
    assert (await house.ask(EmbeddingRequest(("b", "a"))))[0].cache_state == "miss"


async def test_log_probabilities_are_cached_unstreamed_only(house: House) -> None:
    house.upstream.answers = [[msgspec.structs.replace(STOP, logprobs={"content": [0.5]})]]
    await house.ask(ask(logprobs=True))
    exchange, (chunk,) = await house.ask(ask(logprobs=True))
    assert (exchange.cache_state, chunk.logprobs) == ("hit", {"content": [0.5]})
    assert (await house.ask(ask(logprobs=True, stream=True)))[0].cache_state == "bypass"


async def test_a_thousand_identical_requests_at_once_are_one_call(house: House) -> None:
    house.upstream.gate = asyncio.Event()
    exchanges = [house.exchange() for _ in range(1000)]
    asked = [asyncio.ensure_future(house.run(exchange)) for exchange in exchanges]
    await until(lambda: house.waiting == 999)
    house.upstream.gate.set()
    answers = await asyncio.gather(*asked)
    assert len(house.upstream.calls) == 1
    assert all(text(answer) == "An answer" for answer in answers)
    assert [exchange.cache_state for exchange in exchanges] == ["miss"] + ["hit"] * 999
    assert [exchange.cost_usd for exchange in exchanges] == [0.25] + [0.0] * 999
    assert house.cache.figures.shared_answers == 999
    assert len(house.cache.flights) == 0


async def test_waiters_get_chunks_of_their_own(house: House) -> None:
    house.upstream.gate = asyncio.Event()

    def restore(chunk: Chunk) -> None:
        chunk.text = chunk.text.replace("An", "My")

    asked = [asyncio.ensure_future(house.run(house.exchange(), restore if number < 2 else None)) for number in range(3)]
    await until(lambda: bool(house.upstream.calls))
    house.upstream.gate.set()
    assert [text(answer) for answer in await asyncio.gather(*asked)] == ["My answer", "My answer", "An answer"]


async def test_callers_do_not_wait_for_each_other(house: House) -> None:
    house.upstream.gate = asyncio.Event()
    asked = [asyncio.ensure_future(house.ask(caller=caller)) for caller in ("alice", "bob")]
    await until(lambda: len(house.upstream.calls) == 2)
    house.upstream.gate.set()
    await asyncio.gather(*asked)


async def test_a_failure_is_everybodys_who_waited_and_nobodys_after(house: House) -> None:
    house.upstream.gate = asyncio.Event()
    house.upstream.answers = [ProviderTimeout("late", code="total"), [STOP]]
    asked = [asyncio.ensure_future(house.ask()) for _ in range(5)]
    await until(lambda: house.waiting == 4)
    house.upstream.gate.set()
    failures = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(failure) for failure in failures] == [ProviderTimeout] * 5
    assert len({id(failure) for failure in failures}) == 5
    assert len(house.upstream.calls) == 1
    assert (await house.ask())[0].cache_state == "miss"


async def test_when_the_one_who_asks_leaves_another_takes_over(house: House) -> None:
    house.upstream.gate = asyncio.Event()
    asked = [asyncio.ensure_future(house.ask()) for _ in range(4)]
    await until(lambda: house.waiting == 3)
    asked[0].cancel()
    await until(lambda: len(house.upstream.calls) == 2)
    house.upstream.gate.set()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert [result[0].cache_state for result in results[1:] if isinstance(result, tuple)] == ["miss", "hit", "hit"]
    assert (len(house.upstream.calls), house.upstream.cancelled) == (2, 1)


async def test_those_who_leave_while_waiting_do_not_stop_the_call(house: House) -> None:
    house.upstream.gate = asyncio.Event()
    asked = [asyncio.ensure_future(house.ask()) for _ in range(4)]
    await until(lambda: house.waiting == 3)
    for task in asked[1:3]:
        task.cancel()
    await asyncio.gather(*asked[1:3], return_exceptions=True)
    house.upstream.gate.set()
    assert [exchange.cache_state for exchange, _ in await asyncio.gather(asked[0], asked[3])] == ["miss", "hit"]
    assert (len(house.upstream.calls), house.upstream.cancelled) == (1, 0)


async def test_when_all_leave_the_call_is_given_up(house: House) -> None:
    house.upstream.gate = asyncio.Event()
    asked = [asyncio.ensure_future(house.ask()) for _ in range(3)]
    await until(lambda: house.waiting == 2)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    assert (len(house.upstream.calls), house.upstream.cancelled, len(house.cache.flights)) == (1, 1, 0)


async def test_patience_ends_with_a_call_of_ones_own() -> None:
    house = House(clock=SystemClock(), wait_timeout=0.02)
    house.upstream.gate = asyncio.Event()
    asked = [asyncio.ensure_future(house.ask()) for _ in range(3)]
    await until(lambda: bool(house.upstream.calls))
    house.upstream.called.clear()
    await house.upstream.called.wait()  # one of those that wait loses patience; the other waits for that one in turn
    house.upstream.gate.set()
    states = sorted([exchange.cache_state for exchange, _ in await asyncio.gather(*asked)])
    assert states in (["hit", "miss", "miss"], ["miss", "miss", "miss"])
    assert len(house.cache.flights) == 0


async def test_waiting_ends_with_the_deadline() -> None:
    house = House(clock=SystemClock())
    house.upstream.gate = asyncio.Event()
    first = asyncio.ensure_future(house.ask())
    await until(lambda: bool(house.upstream.calls))
    late = house.exchange(left_s=0.01)
    with pytest.raises(ProviderTimeout, match="the time for this request was over"):
        await house.run(late)
    assert late.upstream_s >= 0.009
    house.upstream.gate.set()
    await first


async def test_a_fault_of_ours_lets_the_others_go(house: House) -> None:
    house.upstream.gate = asyncio.Event()
    house.upstream.answers = [RuntimeError("a fault")]
    asked = [asyncio.ensure_future(house.ask()) for _ in range(3)]
    await until(lambda: house.waiting == 2)
    house.upstream.gate.set()
    failures = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(failures[0], RuntimeError)
    assert [failure.error_type for failure in failures[1:] if isinstance(failure, LLMGatewayError)] == ["internal"] * 2


class Away:
    """A store that does not answer."""

    shared = True
    healthy = False
    size = (0, 0)

    def resize(self, max_entries: int, max_bytes: int) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        async def failing(*_: object) -> None:
            raise StoreUnavailable

        return failing


async def test_a_store_that_is_away_makes_every_request_a_miss() -> None:
    house = House(store=Away())
    for _ in range(2):
        exchange, chunks = await house.ask()
        assert (exchange.cache_state, text(chunks)) == ("miss", "An answer")
    assert house.manager.state == "degraded"
    await house.cache.sweep()
    assert not await house.manager.has("a_1")


class Common(MemoryStore):
    """Memory that two processes share, as far as a test can tell."""

    shared = True


def two_processes(**cache: Any) -> tuple[House, House]:
    clock = SystemClock()
    store = Common(clock, 100, 1 << 20)
    return House(clock, store, **cache), House(clock, store, **cache)


async def test_between_processes_one_makes_the_answer_too() -> None:
    one, other = two_processes()
    one.upstream.gate = asyncio.Event()
    first = asyncio.ensure_future(one.ask())
    await until(lambda: bool(one.upstream.calls))
    asked = [asyncio.ensure_future(other.ask()) for _ in range(5)]
    await until(lambda: other.waiting == 4)
    one.upstream.gate.set()
    await first
    assert [exchange.cache_state for exchange, _ in await asyncio.gather(*asked)] == ["hit"] * 5
    assert other.upstream.calls == []


@pytest.mark.parametrize(
    "answer", [[Chunk("half", finish_reason=FinishReason.LENGTH)], ProviderUnavailable("down"), RuntimeError("a fault")]
)
async def test_an_answer_that_is_not_kept_frees_its_name_for_other_processes(answer: Any) -> None:
    one, other = two_processes()
    one.upstream.answers = [answer]
    await asyncio.gather(one.ask(), return_exceptions=True)
    assert (await other.ask())[0].cache_state == "miss"
    assert (len(one.upstream.calls), len(other.upstream.calls)) == (1, 1)


async def test_a_process_that_leaves_its_claim_behind_holds_up_nobody_for_long() -> None:
    one, other = two_processes(wait_timeout=0.05)
    exchange = other.exchange()
    assert await one.cache.store.claim(one.manager.name_of(exchange), b"of a process that died", 1_000) is None
    await other.run(exchange)
    assert exchange.cache_state == "miss"
    assert exchange.upstream_s >= 0.04
    assert (await one.ask())[0].cache_state == "hit"


async def test_a_corrupt_entry_of_another_process_is_dropped() -> None:
    one, other = two_processes()
    name = one.manager.name_of(one.exchange())
    await one.cache.store.put(name, b"\x01" + bytes(40), 60)
    assert (await other.ask())[0].cache_state == "miss"
    assert not isinstance(await one.cache.store.claim(name, b"mine", 1), Claimed)
    assert (await one.ask())[0].cache_state == "hit"


async def fill(house: House, *callers: str) -> None:
    for caller in callers:
        await house.ask(caller=caller)
        await house.ask(ask("Another"), caller=caller)


def test_all_processes_have_the_same_names_for_the_same() -> None:
    """Nothing in a name may hang on the order of a set, which each process has its own of."""
    program = """
from llm_gateway.cache_manager import configuration_digest
from llm_gateway.core.settings import Settings
from llm_gateway.detectors.inspector import Inspector
from llm_gateway.security_filter import SecurityFilter
settings = Settings()
security = settings.security
inspector = Inspector(security.sensitive_keywords, {"b": "x", "a": "y"}, security.sensitivity_threshold)
print(configuration_digest(settings).hex(), SecurityFilter(security, (), inspector).policy_version)
"""
    seeds = [{**os.environ, "PYTHONHASHSEED": seed} for seed in "123"]
    said = {subprocess.run([sys.executable, "-c", program], env=each, capture_output=True, check=True).stdout for each in seeds}
    assert len(said) == 1


async def test_clearing_by_pattern_by_caller_and_all(house: House) -> None:
    await fill(house, "user123", "user1234", "user12")
    assert await house.cache.clear("user123_*") == 2
    assert await house.cache.clear(user_id="user12") == 2
    assert await house.cache.clear("*_0", "user1234") == 0
    assert await house.cache.clear() == 2
    assert house.entries == 0


async def test_a_tenant_clears_and_sees_its_own(house: House) -> None:
    await fill(house, "acme", "acme/ann", "acme/bob", "acme2/ann", "ann")
    status = await house.cache.status("acme")
    assert set(status.owners) == set(status.callers) == {"acme", "acme/ann", "acme/bob"}
    assert status.total.misses == 6
    assert await house.cache.clear("acme2*", tenant="acme") == 0
    assert await house.cache.clear(user_id="acme2/ann", tenant="acme") == 0
    assert await house.cache.clear(user_id="ann", tenant="acme") == 2
    assert await house.cache.clear("bob_*", tenant="acme") == 2
    assert await house.cache.clear("*", tenant="acme") == 2
    assert house.entries == 4


async def test_status_shows_what_was_saved(house: House) -> None:
    await house.ask(caller="a")
    await house.ask(caller="a")
    await house.ask(caller="b")
    everybody, mine = await house.cache.status(), await house.cache.status("a")
    assert (everybody.total.hits, everybody.total.misses, mine.total.hits, mine.total.misses) == (1, 2, 1, 1)
    assert (mine.total.saved_tokens, mine.total.saved_usd) == (15, 0.25)
    assert everybody.models["openai/gpt-4o"].hits == mine.models["openai/gpt-4o"].hits == 1
    assert (await house.cache.status("b")).models == {}
    assert everybody.owners["b"].entries == 1


async def test_without_a_clearance_it_steps_aside(house: House) -> None:
    seen: list[Exchange] = []

    async def last(exchange: Exchange) -> Reply:
        seen.append(exchange)
        return await house.upstream(exchange)

    way: Next = last
    exchange = house.exchange(clearance=None)
    async with exchange:
        await house.manager(exchange, way)
    assert seen == [exchange]
