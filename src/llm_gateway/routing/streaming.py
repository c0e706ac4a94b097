"""An answer on its way from the upstream to the reader."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Protocol

from llm_gateway.core.errors import LLMGatewayError, ProviderError
from llm_gateway.core.types import Chunk
from llm_gateway.core.wire import Decoder
from llm_gateway.routing.calls import Call, Tally


class Body(Protocol):
    """The bytes of an answer as they come. `aclose` gives up what is left; after the end it does nothing."""

    def chunks(self) -> AsyncIterator[bytes]: ...
    async def aclose(self) -> None: ...


class Ready:
    """The chunks of an answer that is there already."""

    __slots__ = ("_chunks",)

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._chunks = iter(chunks)

    def __aiter__(self) -> "Ready":
        return self

    async def __anext__(self) -> Chunk:
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration


class Live:
    """The chunks of an answer as they come. Usage, cost and the target's health are settled when its last byte has been
    read, and in `end` when that never happens. `end` closes the upstream and must run however the call ends.
    """

    __slots__ = ("_body", "_bytes", "_call", "_decoder", "_monotonic_s", "_over", "_ready", "_settled", "_tally")

    def __init__(self, call: Call, body: Body, decoder: Decoder, monotonic_s: Callable[[], float]) -> None:
        self._call = call
        self._body = body
        self._bytes = body.chunks()
        self._decoder = decoder
        self._tally = Tally()
        self._monotonic_s = monotonic_s
        self._ready: deque[Chunk] = deque()
        self._over = False
        self._settled = False

    async def until_content(self) -> None:
        """Read until a reader would see something, or to the end. What is read stays here to be given out."""
        seen = 0
        while not self._over:
            await self._read()
            if any(self._ready[index].has_content for index in range(seen, len(self._ready))):
                return
            seen = len(self._ready)

    def __aiter__(self) -> "Live":
        return self

    async def __anext__(self) -> Chunk:
        while not self._ready:
            if self._over:
                self._finish()
                raise StopAsyncIteration
            try:
                await self._read()
            except ProviderError as error:
                self._call.end_failed(error, self._monotonic_s())
                raise
        chunk = self._ready.popleft()
        self._tally.add(chunk)
        return chunk

    async def _read(self) -> None:
        asked_s = self._monotonic_s()
        try:
            data = await anext(self._bytes, None)
        finally:
            self._call.exchange.upstream_s += self._monotonic_s() - asked_s
        if data is None:
            self._over = True
            self._ready += self._decoder.finish()
        else:
            self._ready += self._decoder.feed(data)

    def _finish(self) -> None:
        self._settle(whole=True)
        self._call.end_streamed(self._monotonic_s())

    def _settle(self, *, whole: bool) -> None:
        if not self._settled:
            self._settled = True
            call, tally = self._call, self._tally
            call.account(tally.total(call.exchange, whole=whole), tally.cost_usd, tally.finish_reason)

    async def end(self) -> None:
        """The call is over. Left before its end, it is accounted for as far as it was read."""
        now_s = self._monotonic_s()
        try:
            if self._over and not self._ready:
                self._settle(whole=True)
                self._call.end_streamed(now_s)
            else:
                self._settle(whole=False)
                failure: LLMGatewayError | None = self._call.exchange.failure
                gone = failure is None or failure.error_type == "client_closed_request"
                self._call.end_without_verdict("cancelled" if gone or failure is None else failure.error_type, now_s)
        finally:
            await self._body.aclose()


async def beginning(body: Body, max_bytes: int) -> bytes:
    """The first bytes of a body, at least `max_bytes` if there are so many."""
    pieces = bytearray()
    async for data in body.chunks():
        pieces += data
        if len(pieces) >= max_bytes:
            break
    return bytes(pieces)
