import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.exchange import Credentials, Exchange, Reply
from llm_gateway.core.types import ChatRequest, Chunk, Message


def exchange() -> Exchange:
    return Exchange(ChatRequest((Message("user", "hello"),)), "c", Credentials(), "native", 0.0, 9.0)


class Ends:
    """Ends of a call that note their turn. `plan` has a letter for each: p plain, w to be waited for; x and y are the same, and fail."""

    def __init__(self, call: Exchange, plan: str) -> None:
        self.ran: list[int] = []
        for number, kind in enumerate(plan):
            self._add(call, number, kind)

    def _add(self, call: Exchange, number: int, kind: str) -> None:
        def plain() -> None:
            self.ran.append(number)
            if kind in "xy":
                raise ValueError(number)

        async def waited_for() -> None:
            plain()

        call.at_end(waited_for if kind in "wy" else plain)


@given(st.text("pwxy", max_size=6))
async def test_every_end_runs_once_last_first_whatever_the_others_do(plan: str) -> None:
    finished, left = exchange(), exchange()
    ends, same = Ends(finished, plan), Ends(left, plan)
    failed: list[object] = []
    failed_too: list[object] = []
    try:
        waiting = finished.finished()
        assert (waiting is None) == (not plan.strip("p"))
        if waiting is not None:
            await waiting
    except ExceptionGroup as group:
        failed = [failure.args[0] for failure in group.exceptions]
    try:
        async with left:
            pass
    except ExceptionGroup as group:
        failed_too = [failure.args[0] for failure in group.exceptions]
    last_first = list(reversed(range(len(plan))))
    assert ends.ran == same.ran == last_first
    assert failed == failed_too == [number for number in last_first if plan[number] in "xy"]
    assert finished.finished() is None
    assert ends.ran == last_first


class Part:
    """Says every `each`th chunk twice, holds the one after it back, and gives what it holds at the end."""

    def __init__(self, name: str, each: int) -> None:
        self._name, self._each, self._seen, self._held = name, each, 0, list[Chunk]()

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        self._seen += 1
        marked = Chunk(text=chunk.text + self._name)
        if self._seen % self._each == 0:
            return (marked, marked)
        if self._seen % self._each == 1:
            self._held.append(marked)
            return ()
        return (marked,)

    def finish(self) -> Iterable[Chunk]:
        return [*self._held, Chunk(text=self._name)]


@given(st.integers(0, 5), st.lists(st.integers(1, 4), max_size=3))
async def test_an_answer_that_is_there_is_the_one_that_is_being_made(count: int, parts: list[int]) -> None:
    chunks = [Chunk(text=str(number)) for number in range(count)]

    async def made() -> AsyncIterator[Chunk]:
        for chunk in chunks:
            yield chunk

    def through(reply: Reply) -> Reply:
        for number, each in enumerate(parts):
            reply.through(Part("abc"[number], each))
        return reply

    slow = through(Reply(made()))
    assert slow.whole() is None
    wanted = await slow.collect()
    assert through(Reply(chunks)).whole() == wanted
    assert [chunk async for chunk in through(Reply(chunks))] == wanted


async def test_a_failing_end_of_a_finished_call_is_told() -> None:
    call = exchange()
    Ends(call, "px")
    waiting = call.finished()
    assert waiting is not None
    with pytest.raises(ExceptionGroup, match="a stage failed to end"):
        await waiting


@pytest.mark.parametrize("way", ["finished", "left"])
async def test_a_caller_who_leaves_while_an_end_waits_keeps_no_other_from_running(way: str) -> None:
    call, waits, released = exchange(), asyncio.Event(), asyncio.Event()
    ran: list[str] = []

    async def slow() -> None:
        waits.set()
        await released.wait()
        ran.append("slow")

    async def leave() -> None:
        async with call:
            pass

    async def finish() -> None:
        ends = call.finished()
        assert ends is not None
        await ends

    call.at_end(lambda: ran.append("last"))
    call.at_end(slow)
    task = asyncio.create_task(finish() if way == "finished" else leave())
    await waits.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    released.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert ran == ["slow", "last"]
