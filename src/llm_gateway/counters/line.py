"""The line to Redis or Valkey: calls of one script, batched, each answered in time or given up.

One task owns the connection. It sends what is queued in one go, reads the replies in order and hands them out, so calls that wait at
the same time share a round trip, a caller who goes away disturbs nobody's reply, and a reply that is late costs the connection and
can never be taken for another's.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final, TypeVar

import msgspec
import structlog
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from llm_gateway.redis_client import redis_url

_log = structlog.get_logger(__name__)
T = TypeVar("T")
SCRIPT: Final = files("llm_gateway.counters").joinpath("redis.lua").read_bytes()
BATCH: Final = 256
_LATE: Final = 0.1
"""Share of a time-out by which its end may be noticed late before that is held against the loop and not against the store."""
BACKLOG_SHARE: Final = 64
"""How much of the backlog goes along with one batch: those who wait must not wait for it."""
BACKLOG: Final = 100_000
"""Calls that wait for the store to come back; beyond, the oldest are dropped."""
CATCH_UP_S: Final = 1.0
"""Time for one batch while a store that is back is told what it missed: nobody waits for it."""
RETRY_S: Final = 0.05
"""After a loss; then twice as long each time, up to `MAX_RETRY_S`."""
MAX_RETRY_S: Final = 5.0

Word = bytes | str | int
"""An argument of a command."""


class StoreLost(Exception):
    """The store did not answer in time, or not at all."""


_AWAY: Final = (StoreLost, RedisError, OSError)


class Operation(msgspec.Struct, eq=False):
    """One call of the script. `done` None: nobody waits for it, and it must be made, if need be on another connection.

    `ages` are entries to merge as (letter, microseconds on this process's clock, amount); they are sent as ages.
    """

    words: tuple[Word, ...]
    keys: tuple[str, ...] = ()
    done: asyncio.Future[Any] | None = None
    ages: tuple[tuple[str, int, int], ...] = ()


class Line:
    """A connection to `url` that comes back by itself.

    `script` is what it runs there, `what` the store's name for the log and what holds while it is away. It knows the operations `hello` and
    `read`; the last number of each of its answers says when the store began.
    `own_us` is this process's clock. `server_now_us` stands in for the server's, for tests. `on_epoch` is told with every answer
    when the store began. `missed` gives what a store that is back must be told before anybody asks it anything.
    """

    def __init__(
        self,
        url: str,
        prefix: str,
        timeout_s: float,
        *,
        own_us: Callable[[], int],
        on_epoch: Callable[[int], None],
        missed: Callable[[], Iterable[Operation]],
        server_now_us: Callable[[], int] | None,
        sleep: Callable[[float], Awaitable[None]],
        script: bytes = SCRIPT,
        what: str = "limit store: this process grants its share of every limit",
    ) -> None:
        # Time-outs and retries are this class's own; RESP 2 and no driver's name save three round trips on connecting.
        self._pool = ConnectionPool.from_url(
            redis_url(url), protocol=2, driver_info=None, socket_timeout=None, socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0), health_check_interval=0,
        )  # fmt: skip
        self._by_digest = (b"EVALSHA", sha1(script, usedforsecurity=False).hexdigest().encode())
        self._in_full = (b"EVAL", script)
        self._name, _, self._meanwhile = what.partition(": ")
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._own_us = own_us
        self._on_epoch = on_epoch
        self._missed = missed
        self._server_now_us = server_now_us
        self._sleep = sleep
        self._connection: AbstractConnection | None = None
        self._queue: deque[Operation] = deque()
        self._backlog: deque[Operation] = deque(maxlen=BACKLOG)
        self._wake = asyncio.Event()
        self._there = asyncio.Event()
        self._lost_s: float | None = None
        self._task: asyncio.Task[None] | None = None
        self.up = False
        self.losses = 0

    async def start(self) -> None:
        """Try to connect, and go on trying."""
        self._loop = asyncio.get_running_loop()
        await self._reconnect()
        self._task = self._loop.create_task(self._serve())

    async def aclose(self) -> None:
        """Write what is queued, if the store takes it at once, and close."""
        while self.up:  # what was sent before a question is done when that is answered
            with contextlib.suppress(StoreLost):
                await self.ask((b"read",), ("nobody",))
            if self.idle:
                break
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        connection = self._connection
        self._lose("the gateway is stopping", quiet=True)
        if connection is not None:
            await _drop(connection, wait=True)

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._queue and not self._backlog

    async def comes_back(self, since_s: float, patience_s: float) -> bool:
        """Whether it is up. One that was lost just now is waited for, until `patience_s` after the loss or after `since_s` (the loop's)."""
        if self.up:
            return True
        until_s = (since_s if self._lost_s is None else min(since_s, self._lost_s)) + patience_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until_s):
                await self._there.wait()
        return self.up

    def ask(self, words: tuple[Word, ...], keys: tuple[str, ...]) -> Awaitable[list[int]]:
        """The answer to a call. While the line is not `up`, nobody may ask.

        Raises:
            StoreLost: when awaited; the call may have been executed or not.
        """
        done: asyncio.Future[list[int]] = self._loop.create_future()
        self._queue.append(Operation(words, keys, done))
        self._wake.set()
        return done

    def tell(self, operation: Operation) -> None:
        """Make a call that nobody waits for, after all that were asked before; while the store is away, when it is back."""
        (self._queue if self.up else self._backlog).append(operation)
        self._wake.set()

    def tell_later(self, operations: Iterable[Operation]) -> None:
        """As `tell`, a few with each batch."""
        self._backlog.extend(operations)
        self._wake.set()

    async def _serve(self) -> None:
        wait_s = RETRY_S
        while True:
            try:
                if self.up:
                    await self._next_batch()
                else:
                    await self._sleep(wait_s)
                    await self._reconnect()
                    wait_s = RETRY_S if self.up else min(2 * wait_s, MAX_RETRY_S)
            except Exception:  # a fault of ours must not leave every later request without an answer
                _log.exception(f"talking to the {self._name} failed")
                self._lose("the gateway failed to talk to it")

    async def _next_batch(self) -> None:
        if self.idle:
            self._wake.clear()
            await self._wake.wait()
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH))]
        batch += [self._backlog.popleft() for _ in range(min(len(self._backlog), BACKLOG_SHARE))]
        await self._exchange(batch)

    async def _reconnect(self) -> None:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await self._finished(self._greet(connection), self._timeout_s)
            self._backlog.extend(self._missed())
            while self._backlog:
                await self._catch_up(connection, [self._backlog.popleft() for _ in range(min(len(self._backlog), BATCH))])
        except BaseException as failure:
            await _drop(connection)
            if not isinstance(failure, _AWAY):
                raise
            self._lose(_told(failure), quiet=self.losses > 0)
            return
        self._connection = connection
        self.up = True
        self._there.set()
        self._queue.extend(self._backlog)  # what came during these last moments goes before the first question
        self._queue.extend(self._missed())
        self._backlog.clear()
        if self.losses:
            _log.warning(f"the {self._name} is back")

    async def _greet(self, connection: AbstractConnection) -> None:
        await connection.connect()  # type: ignore[no-untyped-call]
        (reply,) = await self._talk(connection, [Operation((b"hello",), ("nobody",))])
        if isinstance(reply, Exception):
            raise reply
        self._on_epoch(int(reply[-1]))

    async def _catch_up(self, connection: AbstractConnection, batch: list[Operation]) -> None:
        try:
            replies = await self._finished(self._talk(connection, batch), CATCH_UP_S)
        except BaseException:
            self._give_up(batch)
            raise
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply

    async def _exchange(self, batch: list[Operation]) -> None:
        connection = self._connection
        if connection is None:
            raise RuntimeError("up without a connection")
        try:
            # Counted from now: how long a call waited here for the batch before it is no fault of the store.
            replies = await self._finished(self._talk(connection, batch), self._timeout_s)
            for operation, reply in zip(batch, replies, strict=True):
                self._hand_out(operation, reply)
        except BaseException as failure:
            self._give_up(batch)
            self._lose(_told(failure), quiet=isinstance(failure, asyncio.CancelledError))
            await _drop(connection)
            if not isinstance(failure, _AWAY):
                raise
            return
        refusal = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if refusal is not None:  # no memory left, or a replica that takes no writes
            self._lose(_told(refusal))
            await _drop(connection)

    def _hand_out(self, operation: Operation, reply: object) -> None:
        done = operation.done
        if isinstance(reply, list):
            self._on_epoch(int(reply[-1]))
        if isinstance(reply, Exception):
            self._give_up([operation])
        elif done is not None and not done.done():
            done.set_result(reply)

    @staticmethod
    async def _finished(talking: Coroutine[Any, Any, T], left_s: float) -> T:
        """What `talking` comes to in time. Unlike with `asyncio.timeout`, an answer that came while the loop was busy is in time.

        Raises:
            StoreLost: it did not end in time.
        """
        talk = asyncio.ensure_future(talking)
        try:
            started_s = asyncio.get_running_loop().time()
            await asyncio.wait({talk}, timeout=left_s)
            late_s = asyncio.get_running_loop().time() - started_s - left_s
            if not talk.done() and late_s > left_s * _LATE:  # the loop was busy with other things, not waiting
                await asyncio.wait({talk}, timeout=min(late_s, left_s))
        finally:
            if not talk.done():
                talk.cancel()
                await asyncio.gather(talk, return_exceptions=True)
        if talk.cancelled():
            raise StoreLost("it does not answer in time")
        return talk.result()

    async def _talk(self, connection: AbstractConnection, batch: list[Operation]) -> list[Any]:
        replies = await _round_trip(connection, [self._command(operation, self._by_digest) for operation in batch])
        unknown = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:  # a fresh or flushed store learns the script with the first of them
            commands = [self._command(batch[place], self._by_digest if number else self._in_full) for number, place in enumerate(unknown)]
            for place, reply in zip(unknown, await _round_trip(connection, commands), strict=True):
                replies[place] = reply
        return replies

    def _command(self, operation: Operation, script: tuple[bytes, bytes]) -> bytes:
        """The bytes of a call of the script (RESP: an array of length-prefixed words)."""
        now = self._server_now_us() if self._server_now_us is not None else b""
        words = operation.words
        ages: list[Word] = []
        if operation.ages:
            own_us = self._own_us()
            ages = [f"{letter}{max(0, own_us - at_us)}:{amount}" for letter, at_us, amount in operation.ages]
        every: list[Word] = [*script, len(operation.keys), *operation.keys, words[0], self._prefix, now, *words[1:], *ages]
        raw = [word if type(word) is bytes else str(word).encode("utf-8", "surrogatepass") for word in every]
        return b"*%d\r\n" % len(raw) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in raw])

    def _give_up(self, batch: list[Operation]) -> None:
        for operation in reversed(batch):
            if operation.done is None:
                self._backlog.appendleft(operation)
            elif not operation.done.done():
                operation.done.set_exception(StoreLost())

    def _lose(self, why: str, *, quiet: bool = False) -> None:
        if self.up or self._lost_s is None:
            self._lost_s = self._loop.time()
        self.up = False
        self._there.clear()
        self._connection = None
        self._give_up(list(self._queue))
        self._queue.clear()
        if not quiet:
            self.losses += 1
            _log.warning(f"the {self._name} is away: {self._meanwhile}", why=why)


async def _round_trip(connection: AbstractConnection, commands: list[bytes]) -> list[Any]:
    await connection.send_packed_command(b"".join(commands), check_health=False)
    replies: list[Any] = []
    for _ in commands:
        try:
            replies.append(await connection.read_response())
        except ResponseError as refusal:
            replies.append(refusal)
    return replies


async def _drop(connection: AbstractConnection, *, wait: bool = False) -> None:
    """Close; a connection that is broken may fail to."""
    with contextlib.suppress(RedisError, OSError):
        await connection.disconnect(nowait=not wait)


def _told(failure: BaseException) -> str:
    """What went wrong, without the server's address or words."""
    return str(failure) if isinstance(failure, StoreLost) else type(failure).__name__
