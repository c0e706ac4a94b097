"""What is remembered, for whom, and how much of it is sent."""

from collections.abc import AsyncIterator

import pytest

from llm_gateway.conversation_memory import ConversationMemory, ConversationStore, Turn
from llm_gateway.core.errors import NotFound, ProviderTimeout
from llm_gateway.core.exchange import Caller, Credentials, Exchange, Reply
from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.sealing import CannotOpen, Sealer
from llm_gateway.core.types import ChatRequest, Chunk, FinishReason, Message
from llm_gateway.stores.sql import SqlStore


class Clock:
    def monotonic_s(self) -> float:
        return 0.0

    def wall_s(self) -> float:
        return 1_700_000_000.0


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[ConversationStore]:
    sql = SqlStore(database_url)
    yield ConversationStore(sql, Clock(), 6, Sealer(b"a secret of tests"))
    sql.close()


def exchange(prompt: str, conversation: str | None = "c1", caller: str = "u1", *, admin: bool = False) -> Exchange:
    call = Exchange(
        ChatRequest(messages=(Message("user", prompt),)),
        correlation_id="gw-1",
        credentials=Credentials(),
        ingress="native",
        received_s=0,
        deadline_s=10,
    )
    call.conversation_id = conversation
    call.caller = Caller(caller, is_admin=admin)
    return call


async def say(store: ConversationStore, call: Exchange, answer: list[Chunk], budget_tokens: int = 10_000) -> tuple[Message, ...]:
    """Pass one call through the stage; what it would have sent."""
    memory = ConversationMemory(store, Clock(), lambda _: budget_tokens)
    sent: list[tuple[Message, ...]] = []

    async def upstream(asked: Exchange) -> Reply:
        assert isinstance(asked.request, ChatRequest)
        sent.append(asked.request.messages)
        return Reply(answer)

    async with call:
        reply = await memory(call, upstream)
        await reply.collect()
    return sent[0]


def answered(text: str, finish: FinishReason | None = FinishReason.STOP) -> list[Chunk]:
    return [Chunk(text=text, finish_reason=finish)]


async def turns(store: ConversationStore) -> list[str]:
    found = await store.read("c1", "u1")
    return [] if found is None else [turn.content for turn in found.turns]


async def test_the_next_turn_is_sent_with_the_ones_before(store: ConversationStore) -> None:
    await say(store, exchange("one"), answered("two"))
    sent = await say(store, exchange("three"), answered("four"))
    assert [(message.role, message.content) for message in sent] == [("user", "one"), ("assistant", "two"), ("user", "three")]
    assert await turns(store) == ["one", "two", "three", "four"]


async def test_only_complete_answers_are_remembered(store: ConversationStore) -> None:
    await say(store, exchange("one"), answered("half", None))
    assert await turns(store) == []
    call = exchange("one")
    memory = ConversationMemory(store, Clock(), lambda _: 100)

    async def failing(_: Exchange) -> Reply:
        raise ProviderTimeout("late")

    with pytest.raises(ProviderTimeout):
        async with call:
            await memory(call, failing)
    assert await turns(store) == []


async def test_history_is_cut_to_what_fits_from_the_newest_back(store: ConversationStore) -> None:
    await say(store, exchange("x" * 400), answered("y" * 400))
    await say(store, exchange("one"), answered("two"))
    sent = await say(store, exchange("three"), answered("four"), budget_tokens=50)
    assert [message.content for message in sent] == ["one", "two", "three"]


async def test_a_history_never_opens_with_an_answer(store: ConversationStore) -> None:
    await say(store, exchange("x" * 400), answered("two"))
    assert [message.content for message in await say(store, exchange("three"), answered("four"), budget_tokens=10)] == ["three"]


async def test_old_turns_are_dropped_beyond_the_bound(store: ConversationStore) -> None:
    for number in range(5):
        await say(store, exchange(f"q{number}"), answered(f"a{number}"))
    assert await turns(store) == ["q2", "a2", "q3", "a3", "q4", "a4"]


async def test_others_do_not_see_or_extend_it(store: ConversationStore) -> None:
    await say(store, exchange("one"), answered("two"))
    with pytest.raises(NotFound):
        await say(store, exchange("three", caller="u2"), answered("four"))
    with pytest.raises(NotFound):
        await store.erase("c1", "u2")
    assert await turns(store) == ["one", "two"]


async def test_an_administrator_goes_on_with_it_and_it_stays_its_owners(store: ConversationStore) -> None:
    await say(store, exchange("one"), answered("two"))
    sent = await say(store, exchange("three", caller="admin", admin=True), answered("four"))
    assert len(sent) == 3
    assert await turns(store) == ["one", "two", "three", "four"]


async def test_a_taint_stays_also_when_the_answer_fails(store: ConversationStore) -> None:
    call = exchange("a secret")
    call.sensitivity = Sensitivity(1.0, True)
    await say(store, call, answered("half", None))
    again = exchange("harmless")
    await say(store, again, answered("x"))
    assert again.tainted
    found = await store.read("c1", "u1")
    assert found is not None
    assert found.tainted
    await store.append("c1", "u1", [Turn("user", "x", 1, 0.0)], tainted=False)
    found = await store.read("c1", "u1")
    assert found is not None
    assert found.tainted


async def test_without_a_conversation_nothing_is_stored(store: ConversationStore) -> None:
    await say(store, exchange("one", conversation=None), answered("two"))
    assert await turns(store) == []


async def test_a_taint_is_cleared_in_so_many_words_only(store: ConversationStore) -> None:
    await store.append("c1", "u1", [], tainted=True)
    await store.append("c1", "u1", [], tainted=False)
    assert (await store.read("c1", "u1")).tainted  # type: ignore[union-attr]
    await store.clear_taint("c1")
    assert not (await store.read("c1", "u1")).tainted  # type: ignore[union-attr]
    with pytest.raises(NotFound):
        await store.clear_taint("elsewhere")


async def test_words_are_not_stored_in_the_clear(store: ConversationStore) -> None:
    await say(store, exchange("the quick brown fox"), [Chunk("jumps over", finish_reason=FinishReason.STOP)])
    stored = await store._store.read(lambda connection: connection.exec_driver_sql("SELECT content FROM conversation_turns").fetchall())
    assert len(stored) == 2
    assert "quick" not in str(stored)
    known = await store.read("c1", "u1")
    assert known is not None
    assert [turn.content for turn in known.turns] == ["the quick brown fox", "jumps over"]


async def test_a_turn_moved_to_another_conversation_does_not_open(store: ConversationStore) -> None:
    await say(store, exchange("mine", "c1"), [Chunk("ok", finish_reason=FinishReason.STOP)])
    await say(store, exchange("yours", "c2", "u2"), [Chunk("ok", finish_reason=FinishReason.STOP)])
    await store._store.write(
        lambda connection: connection.exec_driver_sql("UPDATE conversation_turns SET conversation_id='c2' WHERE conversation_id='c1'")
    )
    with pytest.raises(CannotOpen):
        await store.read("c2", "u2")
