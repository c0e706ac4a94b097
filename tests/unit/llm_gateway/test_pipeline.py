"""The order of stages, and the promise that ends run once on every path."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import ClientClosedRequest, Internal, LLMGatewayError, ProviderTimeout
from llm_gateway.core.exchange import Credentials, Exchange, Next, Reply
from llm_gateway.core.types import ChatRequest, Chunk, Message
from llm_gateway.pipeline import compose


def exchange() -> Exchange:
    request = ChatRequest(messages=(Message("user", "hello"),))
    return Exchange(request, correlation_id="gw-1", credentials=Credentials(), ingress="native", received_s=0, deadline_s=10)


class Fault(Exception):
    """A fault of ours that no error class names."""


class Recorder:
    """A stage that notes its passing, ends once, and fails where it is told to."""

    def __init__(self, name: str, log: list[str], fault: str) -> None:
        self.name, self.log, self.fault = name, log, fault

    async def __call__(self, exchange: Exchange, call_next: Next) -> Reply:
        self.log.append(f"in {self.name}")

        async def end() -> None:
            await asyncio.sleep(0)
            self.log.append(f"end {self.name}")
            if self.fault == "end":
                raise Fault

        exchange.at_end(end)
        if self.fault == "before":
            raise ProviderTimeout("late")
        reply = await call_next(exchange)
        if self.fault == "after":
            raise Fault
        return reply.through(self)

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        if self.fault == "feed":
            raise Fault
        return (chunk,)

    def finish(self) -> Iterable[Chunk]:
        if self.fault == "finish":
            raise Fault
        return (Chunk(text=f"<{self.name}>"),)


def upstream(fault: str) -> Next:
    async def last(_: Exchange) -> Reply:
        async def chunks() -> AsyncIterator[Chunk]:
            yield Chunk(text="a")
            if fault == "hang":
                await asyncio.Event().wait()
            if fault == "stream":
                raise ProviderTimeout("cut")
            yield Chunk(text="b")

        return Reply(chunks())

    return last


async def serve(call: Exchange, way: Next, read: int | None) -> str:
    """Read `read` chunks and leave (None: all of them)."""
    seen = []
    async with call:
        reply = await way(call)
        async for chunk in reply:
            seen.append(chunk.text)
            if read is not None and len(seen) >= read:
                break
    return "".join(seen)


async def test_stages_are_read_from_the_outside_in() -> None:
    log: list[str] = []
    way = compose([Recorder("outer", log, ""), Recorder("inner", log, "")], upstream(""))
    assert await serve(exchange(), way, None) == "ab<inner><outer>"
    assert log == ["in outer", "in inner", "end inner", "end outer"]


@given(texts=st.lists(st.text(max_size=3), max_size=4), parts=st.integers(0, 3))
def test_an_answer_that_is_there_reads_like_one_that_comes(texts: list[str], parts: int) -> None:
    async def coming() -> AsyncIterator[Chunk]:
        for text in texts:
            yield Chunk(text=text)

    async def read() -> list[list[str]]:
        replies = [Reply(coming()), Reply([Chunk(text=text) for text in texts]), Reply([Chunk(text=text) for text in texts])]
        for reply in replies:
            for number in range(parts):
                reply.through(Recorder(str(number), [], ""))
        *collected, iterated = replies
        read = [[chunk.text for chunk in await reply.collect()] for reply in collected]
        return [*read, [chunk.text async for chunk in iterated]]

    first, *others = asyncio.run(read())
    assert all(other == first for other in others)


FAULTS = ["", "before", "after", "feed", "finish", "end"]


@given(
    faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=5),
    upstream_fault=st.sampled_from(["", "stream", "hang"]),
    read=st.sampled_from([None, 1, 2]),
)
def test_every_end_runs_once_however_the_call_ends(faults: list[str], upstream_fault: str, read: int | None) -> None:
    log: list[str] = []
    way = compose([Recorder(str(index), log, fault) for index, fault in enumerate(faults)], upstream(upstream_fault))
    call = exchange()

    async def main() -> None:
        task = asyncio.ensure_future(serve(call, way, read))
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    entered = [line.removeprefix("in ") for line in log if line.startswith("in ")]
    ended = [line.removeprefix("end ") for line in log if line.startswith("end ")]
    assert ended == entered[::-1]


@pytest.mark.parametrize(
    ("raised", "failure"),
    [(ProviderTimeout("late"), ProviderTimeout), (asyncio.CancelledError(), ClientClosedRequest), (Fault(), Internal)],
)
async def test_the_ends_know_how_it_ended(raised: BaseException, failure: type[LLMGatewayError]) -> None:
    call = exchange()
    with pytest.raises(type(raised)):
        async with call:
            raise raised
    assert isinstance(call.failure, failure)


async def test_a_failing_end_does_not_stop_the_others() -> None:
    log: list[str] = []
    way = compose([Recorder("outer", log, ""), Recorder("inner", log, "end")], upstream(""))
    with pytest.raises(ExceptionGroup):
        await serve(exchange(), way, None)
    assert log[-1] == "end outer"


async def test_a_second_cancellation_does_not_cut_ends_short() -> None:
    call = exchange()
    ended = asyncio.Event()
    gate = asyncio.Event()

    async def end() -> None:
        await gate.wait()
        ended.set()

    call.at_end(end)

    async def work() -> None:
        async with call:
            await asyncio.Event().wait()

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    gate.set()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.wait_for(ended.wait(), 1)
