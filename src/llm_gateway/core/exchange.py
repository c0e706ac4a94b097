"""One call on its way through the gateway, and the reply on its way back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Protocol, Self

import msgspec

from llm_gateway.core.clearance import Clearance
from llm_gateway.core.errors import ClientClosedRequest, Internal, LLMGatewayError
from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.routing import Attempt, Candidate, Decision
from llm_gateway.core.spans import CallTrace
from llm_gateway.core.types import Chunk, FinishReason, Request, SecurityLevel, Usage

End = Callable[[], Awaitable[None] | None]
"""What is to be done when a call is over. One that has nothing to wait for is a plain function."""


class Credentials(msgspec.Struct, frozen=True):
    """What a request says of its sender, unchecked: the bearer token, the user it names, the address it came from."""

    token: str = ""
    user_id: str = ""
    address: str = ""


class Caller(msgspec.Struct, frozen=True):
    """Who a request is counted against. `key_id` is set when an API key was shown.

    `owner` is then the key's, and `id` is the owner, or `<owner>/<user_id>` for a user that the request names. The
    `allowed_*` are what the key may be used for, None: anything; models as `model` or `provider/model`.
    """

    id: str
    tier: str = "default"
    key_id: str = ""
    is_admin: bool = False
    owner: str = ""
    allowed_providers: frozenset[str] | None = None
    allowed_models: frozenset[str] | None = None


ANONYMOUS = Caller("anonymous")


class Exchange:
    """Everything known about one call. Stages read and write it; ends run once, however the call ends.

    Use it as a context: leaving it runs the ends, innermost (last added) first, with `failure` set when the call
    did not finish. Times are the clock's monotonic seconds.
    """

    __slots__ = (
        "_ends", "at_end", "attempts", "cache_state", "caller", "chosen", "clearance", "conversation_id", "correlation_id",
        "cost_usd", "credentials", "deadline_s", "decision", "failure", "finish_reason", "force_refresh", "headers",
        "ingress", "minimum_level", "queued_s", "received_s", "redacted", "request", "sensitivity", "similarity", "standing", "strategy",
        "tainted", "trace", "upstream_headers", "upstream_s", "usage",
    )  # fmt: skip

    def __init__(
        self,
        request: Request,
        correlation_id: str,
        credentials: Credentials,
        ingress: str,
        received_s: float,
        deadline_s: float,
    ) -> None:
        self.request = request
        self.correlation_id = correlation_id
        self.credentials = credentials
        self.caller = ANONYMOUS
        self.ingress = ingress
        self.received_s = received_s
        self.deadline_s = deadline_s
        self.headers: dict[str, str] = {}
        """Response headers that stages want the ingress to send."""
        self.standing = ""
        """More of them, as lines that end with CRLF: where the caller stands at the limiter."""
        self.strategy: str | None = None
        self.conversation_id: str | None = None
        self.tainted = False
        """Whether the conversation once held sensitive content."""
        self.redacted = False
        """Whether values were replaced in the request that is sent; the answer has them again."""
        self.minimum_level: SecurityLevel | None = None
        """Level that the caller asks for by itself; it can raise what the policy asks, never lower it."""
        self.force_refresh = False
        self.cache_state = "bypass"
        self.similarity: float | None = None
        """Cosine of the question and the one whose answer was served (`cache_state` semantic)."""
        self.sensitivity: Sensitivity | None = None
        self.clearance: Clearance | None = None
        self.decision: Decision | None = None
        self.chosen: Candidate | None = None
        self.attempts: list[Attempt] = []
        self.usage: Usage | None = None
        self.cost_usd: float | None = None
        self.finish_reason: FinishReason | None = None
        self.upstream_s = 0.0
        """Seconds spent waiting for upstreams, all attempts together."""
        self.queued_s = 0.0
        """Seconds spent waiting for a place at a provider."""
        self.trace: CallTrace | None = None
        """What the tracing of this call keeps here; None: it is not traced."""
        self.upstream_headers: Mapping[str, str] = {}
        """Headers (lower-case names) of the last attempt's answer: limits that a caller of the same protocol reads."""
        self.failure: LLMGatewayError | None = None
        self._ends: list[End] = []
        self.at_end: Callable[[End], None] = self._ends.append
        """`at_end(end)`: run `end` once when the call is over: finished, failed, or left by its reader."""

    def all_headers(self) -> dict[str, str]:
        """Response headers so far: those of `standing`, unless `headers` has them too, and of `headers`."""
        standing = [line.partition(": ") for line in self.standing.split("\r\n") if line]
        return {name: value for name, _, value in standing} | self.headers

    async def __aenter__(self) -> Self:
        return self

    def __aexit__(self, _: type[BaseException] | None, failure: BaseException | None, __: TracebackType | None) -> Awaitable[None]:
        if failure is None:
            return self.finished() or _nothing()
        if isinstance(failure, LLMGatewayError):
            self.failure = failure
        elif isinstance(failure, asyncio.CancelledError | GeneratorExit):
            self.failure = ClientClosedRequest("the caller went away")
        else:
            self.failure = Internal("the gateway failed while serving this request")
        return self._shielded(self._run_ends([]))

    def finished(self) -> Awaitable[None] | None:
        """As leaving the context without a failure. None: all ends have run, and none had anything to wait for."""
        ends = self._ends
        while ends:
            try:
                waiting = ends.pop()()
            except Exception as failure:
                return self._shielded(self._run_ends([failure]))
            if waiting is not None:
                return self._shielded(self._run_ends([], waiting))
        return None

    @staticmethod
    def _shielded(ends: Coroutine[object, object, None]) -> Awaitable[None]:
        # A task may be cancelled (again) while its ends await; they must not be cut short.
        return asyncio.shield(asyncio.ensure_future(ends))

    async def _run_ends(self, failures: list[Exception], waiting: Awaitable[None] | None = None) -> None:
        """Run the ends that are left, after what an earlier one is `waiting` for; `failures` are those so far."""
        ends = self._ends
        while waiting is not None or ends:
            try:
                if waiting is None:
                    waiting = ends.pop()()
                if waiting is not None:
                    await waiting
            except Exception as failure:
                failures.append(failure)
            waiting = None
        if failures:
            raise ExceptionGroup("a stage failed to end", failures)


async def _nothing() -> None:
    """Nothing to wait for."""


class ReplyPart(Protocol):
    """What a stage does to the chunks that pass: it may hold some back until the end."""

    def feed(self, chunk: Chunk) -> Iterable[Chunk]: ...
    def finish(self) -> Iterable[Chunk]: ...


class Reply:
    """The chunks of one answer. Stages write no generators: they add parts, which run in one place.

    `chunks` come as they are made, or, for an answer that is there already, as a list.
    """

    __slots__ = ("_chunks", "_parts")

    def __init__(self, chunks: AsyncIterator[Chunk] | list[Chunk]) -> None:
        self._chunks = chunks
        self._parts: list[ReplyPart] = []

    def through(self, part: ReplyPart) -> Self:
        """Pass every chunk through `part`, after the parts that are already there."""
        self._parts.append(part)
        return self

    async def collect(self) -> list[Chunk]:
        """All chunks. An answer that is there already takes no turn of the loop."""
        chunks = self.whole()
        return [chunk async for chunk in self] if chunks is None else chunks

    def whole(self) -> list[Chunk] | None:
        """All chunks of an answer that is there already; None: it is still being made. Ask once."""
        chunks = self._chunks
        if not isinstance(chunks, list):
            return None
        for part in self._parts:
            passed: list[Chunk] = []
            for chunk in chunks:
                passed += part.feed(chunk)
            passed += part.finish()
            chunks = passed
        return chunks

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        if isinstance(self._chunks, list):
            for chunk in self.whole() or ():
                yield chunk
            return
        parts = self._parts
        async for chunk in self._chunks:
            for out in _pass((chunk,), parts):
                yield out
        for index, part in enumerate(parts):
            for out in _pass(part.finish(), parts[index + 1 :]):
                yield out


def _pass(chunks: Iterable[Chunk], parts: list[ReplyPart]) -> Iterable[Chunk]:
    for part in parts:
        chunks = [out for chunk in chunks for out in part.feed(chunk)]
    return chunks


Next = Callable[[Exchange], Awaitable[Reply]]
