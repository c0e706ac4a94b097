"""The semantic cache as the stage uses it: what is served from another wording, and everything that forbids it."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.unit.llm_gateway.routing.fakes import FakeClock, until
from tests.unit.llm_gateway.test_cache_manager import EVERYWHERE, OLLAMA, SENSITIVE, House, ask, text

from llm_gateway.cache_manager import CacheManager
from llm_gateway.caches.semantic import MOST_WAITING, OfflineEmbedder, ProviderEmbedder, SemanticCache, framed
from llm_gateway.caching.nearby import Nearby, Vector
from llm_gateway.core.clock import SystemClock
from llm_gateway.core.errors import BudgetExceeded
from llm_gateway.core.exchange import Exchange, Reply
from llm_gateway.core.settings import SemanticCacheSettings
from llm_gateway.core.types import ChatRequest, Chunk, EmbeddingRequest, Image, Message, Native, Text, Tool

ONE, OTHER = "How do I sort a list in Python?", "In Python, how can I sort a list?"


class Letters:
    """An embedder that counts letters: near for texts with the same words."""

    name = "letters"

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.failure: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def vector(self, text: str, exchange: Exchange) -> Vector | None:
        self.texts.append(text)
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return np.asarray([text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"], np.float32)


class Semantic(House):
    """A cache whose semantic part is on."""

    def __init__(self, **cache: Any) -> None:
        super().__init__(**cache)
        self.letters = Letters()
        self.nearby = self.cache.questions = Nearby(100)
        self.switch_on()

    def switch_on(self, **semantic: Any) -> None:
        settings = SemanticCacheSettings.model_validate({"enabled": True, "threshold": 0.8, "timeout_s": 5, **semantic})
        wordings = SemanticCache(settings, self.letters, self.nearby, self.clock)
        self.manager = CacheManager(self.settings, self.cache, self.means, None, wordings)

    async def state(self, request: ChatRequest, **fields: Any) -> str:
        exchange, _ = await self.ask(request, **fields)
        return exchange.cache_state


@pytest.fixture
def house() -> Semantic:
    return Semantic()


async def test_another_wording_is_answered_and_says_so(house: Semantic) -> None:
    await house.ask(ask(ONE))
    exchange, chunks = await house.ask(ask(OTHER))
    assert (exchange.cache_state, text(chunks), exchange.cost_usd) == ("semantic", "An answer", 0.0)
    assert exchange.similarity is not None
    assert 0.8 <= exchange.similarity < 1
    assert exchange.decision is not None
    assert "the same question in other words (similarity 0.9" in exchange.decision.reason
    assert len(house.upstream.calls) == 1
    assert house.cache.figures.semantic_hits == 1
    assert house.cache.figures.total.hits == 1
    # Served again, it is found again, and its vector is remembered.
    assert await house.state(ask(OTHER)) == "semantic"
    assert house.letters.texts == [ONE, OTHER]


async def test_a_stream_is_served_too(house: Semantic) -> None:
    await house.ask(ask(ONE))
    exchange, chunks = await house.ask(ask(OTHER, stream=True))
    assert (exchange.cache_state, [chunk.text for chunk in chunks][:2]) == ("semantic", ["An ", "answer"])


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.3}, {"max_tokens": 5}, {"model": "gpt-4o-mini"}, {"provider": "openai"}, {"seed": 3}, {"top_p": 0.5},
        {"stop": ("x",)}, {"reasoning_effort": "high"},
        {"messages": (Message("system", "Answer in rhymes."), Message("user", OTHER))},
        {"messages": (Message("user", "Hello"), Message("assistant", "Hi"), Message("user", OTHER))},
        {"messages": (Message("user", "How do I sort a list in Java?"),)},
        {"messages": (Message("user", "How do I reverse a list in Python?"),)},
    ],
    ids=str,
)  # fmt: skip
async def test_whatever_else_differs_is_another_question(house: Semantic, change: dict[str, Any]) -> None:
    await house.ask(ask(ONE))
    assert await house.state(ask(OTHER, **change)) == "miss"


async def test_nobody_is_answered_from_anothers_questions(house: Semantic) -> None:
    await house.ask(ask(ONE), caller="alice")
    assert await house.state(ask(OTHER), caller="bob") == "miss"
    assert await house.state(ask(OTHER), eligible=frozenset({OLLAMA}), caller="alice") == "miss"
    assert await house.state(ask(OTHER), policy="p2", caller="alice") == "miss"


async def test_in_the_shared_scope_everybody_is() -> None:
    house = Semantic(scope="shared")
    await house.ask(ask(ONE), caller="alice")
    assert await house.state(ask(OTHER), caller="bob") == "semantic"


async def test_sensitive_questions_are_never_looked_up_even_where_they_are_cached() -> None:
    house = Semantic(store_sensitive=True)
    await house.ask(ask(ONE), sensitivity=SENSITIVE)
    assert await house.state(ask(ONE), sensitivity=SENSITIVE) == "hit"
    assert await house.state(ask(OTHER), sensitivity=SENSITIVE) == "miss"
    assert await house.state(ask(OTHER + "?"), tainted=True) == "miss"
    assert house.letters.texts == []
    assert len(house.nearby) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": (Tool("run"),)}, {"n": 2}, {"logprobs": True},
        {"messages": (Message("user", (Text(ONE), Image("image/png", "AAAA"))),)},
        {"messages": (Message("user", ONE), Message("assistant", "x"))},
        {"messages": (Message("user", "Hi"),)},
        {"native": Native("openai", {"messages": [{"role": "user", "content": "another text"}]})},
        {"native": Native("openai", {"messages": [{"content": ONE}], "metadata2": ONE})},
    ],
    ids=str,
)  # fmt: skip
async def test_what_words_do_not_decide_is_not_looked_up(house: Semantic, fields: dict[str, Any]) -> None:
    assert await house.state(ask(ONE, **fields)) == "miss"
    assert house.letters.texts == []


def test_the_frame_holds_everything_but_the_question() -> None:
    native = Native("openai", {"messages": [{"role": "user", "content": ONE}], "verbosity": "low"})
    asked = framed(ask(ONE, native=native, temperature=0.5))
    again = framed(
        ask(
            OTHER,
            native=msgspec.structs.replace(native, body={"messages": [{"role": "user", "content": OTHER}], "verbosity": "low"}),
            temperature=0.5,
        )
    )
    assert asked is not None
    assert again is not None
    assert asked[0] == ONE
    assert asked[1] == again[1]
    assert ONE not in msgspec.json.encode(asked[1]).decode()


async def test_an_entry_that_is_gone_is_no_answer_and_forgotten(house: Semantic) -> None:
    await house.ask(ask(ONE))
    (name,) = house.cache.store._entries  # type: ignore[attr-defined]
    await house.cache.store.remove(name)
    assert await house.state(ask(OTHER)) == "miss"
    assert len(house.nearby) == 1  # the one that was made instead


async def test_clearing_forgets_the_questions(house: Semantic) -> None:
    await house.ask(ask(ONE))
    assert len(house.nearby) == 1
    assert await house.cache.clear(user_id="alice") == 1
    assert len(house.nearby) == 0


async def test_questions_end_with_their_entries(house: Semantic) -> None:
    await house.ask(ask(ONE))
    house.clock.now_s += house.settings.cache.default_ttl + 1
    await house.cache.sweep()
    assert len(house.nearby) == 0


@pytest.mark.parametrize("failure", [BudgetExceeded("x"), TimeoutError()])
async def test_without_a_vector_a_question_is_answered_as_ever(house: Semantic, failure: Exception) -> None:
    house.letters.failure = failure
    assert await house.state(ask(ONE)) == "miss"
    assert await house.state(ask(ONE)) == "hit"
    assert len(house.nearby) == 0


async def test_a_vector_that_takes_too_long_is_not_waited_for() -> None:
    house = Semantic()
    house.letters.gate = asyncio.Event()
    house.switch_on(timeout_s=0.01)
    assert await house.state(ask(ONE)) == "miss"


async def test_a_caller_who_leaves_while_the_vector_is_made_leaves_no_flight(house: Semantic) -> None:
    house.letters.gate = asyncio.Event()
    asked = asyncio.ensure_future(house.ask(ask(ONE)))
    await until(lambda: bool(house.letters.texts))
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert len(house.cache.flights) == 0


async def test_those_who_wait_for_an_identical_question_get_the_same(house: Semantic) -> None:
    await house.ask(ask(ONE))
    house.letters.gate = asyncio.Event()
    asked = [asyncio.ensure_future(house.ask(ask(OTHER))) for _ in range(5)]
    await until(lambda: house.waiting == 4)
    house.letters.gate.set()
    exchanges = [exchange for exchange, _ in await asyncio.gather(*asked)]
    assert {(exchange.cache_state, exchange.similarity) for exchange in exchanges} == {("semantic", exchanges[0].similarity)}
    assert len(house.upstream.calls) == 1


async def test_force_refresh_reads_nothing(house: Semantic) -> None:
    await house.ask(ask(ONE))
    assert await house.state(ask(OTHER), force_refresh=True) == "bypass"


async def test_answers_that_are_not_kept_are_not_remembered(house: Semantic) -> None:
    house.upstream.answers = [[Chunk("cut off")]]
    await house.ask(ask(ONE))
    assert len(house.nearby) == 0


class Way:
    """Where calls for vectors go."""

    def __init__(self) -> None:
        self.calls: list[Exchange] = []

    async def __call__(self, exchange: Exchange) -> Reply:
        self.calls.append(exchange)
        exchange.upstream_s = 0.25
        return Reply([Chunk(embeddings=[[3.0, 4.0]])])


def embedder(way: Callable[..., Any], clock: FakeClock) -> ProviderEmbedder:
    settings = SemanticCacheSettings.model_validate({"embeddings": {"provider": "openai", "model": "small"}, "timeout_s": 2})
    return ProviderEmbedder(settings, way, clock)


async def test_a_providers_vector_is_a_call_of_its_own_that_only_it_may_answer(house: Semantic) -> None:
    way = Way()
    exchange = house.exchange(ask(ONE))
    vector = await embedder(way, house.clock).vector(ONE, exchange)
    assert vector is not None
    assert vector.tolist() == [3.0, 4.0]
    (call,) = way.calls
    assert call.request == EmbeddingRequest((ONE,), "small", "openai")
    assert call.clearance is None  # it is judged on its own
    assert (call.caller.id, call.caller.allowed_providers) == ("alice", frozenset({"openai"}))
    assert call.correlation_id == exchange.correlation_id
    assert call.deadline_s == house.clock.monotonic_s() + 2
    assert exchange.upstream_s == 0.25


async def test_a_key_that_does_not_cover_the_provider_gets_no_vector(house: Semantic) -> None:
    way = Way()
    exchange = house.exchange(ask(ONE))
    exchange.caller = msgspec.structs.replace(exchange.caller, allowed_providers=frozenset({"ollama"}))
    assert await embedder(way, house.clock).vector(ONE, exchange) is None
    assert way.calls == []


async def test_the_offline_model_serves_off_the_loop_and_takes_no_endless_queue() -> None:
    model = OfflineEmbedder()
    exchange = House(SystemClock()).exchange(ask(ONE), eligible=EVERYWHERE)
    first = asyncio.ensure_future(model.vector(ONE, exchange))
    others = [asyncio.ensure_future(model.vector(f"{OTHER} {number}", exchange)) for number in range(MOST_WAITING + 8)]
    vectors = await asyncio.gather(first, *others)
    assert vectors[0] is not None
    assert vectors[0].shape == (384,)
    assert sum([vector is None for vector in vectors]) == 9
    assert model._waiting == 0
    model._thread.shutdown()
