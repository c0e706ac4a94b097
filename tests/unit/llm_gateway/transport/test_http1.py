"""transport/http1.py: an answer is the same however its bytes are cut."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.core.errors import ProviderBadResponse, ProviderUnavailable
from llm_gateway.core.together import Together
from llm_gateway.transport.http1 import BUFFER_BYTES, MAX_HEADERS, Connection, Exchange


class Wire(asyncio.Transport):
    """The far end in memory: what was written, and whether it still is open."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def started(*, whole: bool = True, limit: int = 1 << 20) -> tuple[Connection, Exchange, Wire, list[Connection]]:
    loop = asyncio.get_running_loop()
    free: list[Connection] = []
    connection = Connection(loop, "127.0.0.1", free.append, lambda _: None)
    wire = Wire()
    connection.connection_made(wire)
    exchange = Exchange("acme", limit, 5, 5, loop.time() + 5, whole=whole)
    connection.send(exchange, b"GET / HTTP/1.1\r\n\r\n", b"")
    return connection, exchange, wire, free


def chunked(body: bytes, sizes: list[int]) -> bytes:
    out, at = b"", 0
    for size in [*sizes, len(body)]:
        piece = body[at : at + size]
        if piece:
            out += b"%x\r\n%s\r\n" % (len(piece), piece)
        at += size
    return b"HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ntransfer-encoding: chunked\r\n\r\n" + out + b"0\r\n\r\n"


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=200),
    st.lists(st.integers(1, 50), max_size=8),
    st.lists(st.integers(1, 40), max_size=40),
    st.booleans(),
    st.booleans(),
)
def test_any_cut_gives_the_same_answer(body: bytes, sizes: list[int], cuts: list[int], use_chunks: bool, whole: bool) -> None:
    measured = b"HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    data = chunked(body, sizes) if use_chunks else measured

    async def scene() -> None:
        connection, exchange, wire, free = started(whole=whole)
        rest = data
        for cut in cuts:
            if rest:
                connection.data_received(rest[:cut])
            rest = rest[cut:]
        if rest:
            connection.data_received(rest)
        assert exchange.complete
        assert (exchange.status, exchange.headers["content-type"]) == (200, "a/b")
        assert b"".join([piece async for piece in _pieces(exchange)]) == body
        assert (free, wire.closed) == ([connection], False)
        connection.connection_lost(None)

    asyncio.run(scene())


async def _pieces(exchange: Exchange):  # type: ignore[no-untyped-def]
    while piece := await exchange.next_bytes():
        yield piece


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6), st.integers(0, 400))
def test_any_bytes_end_in_an_answer_or_in_a_provider_error(pieces: list[bytes], keep: int) -> None:
    async def scene() -> None:
        connection, exchange, _, free = started()
        for piece in (chunked(b"x" * 30, [7])[:keep], *pieces):
            if piece:
                connection.data_received(piece)
        connection.connection_lost(None)
        assert exchange.complete != (exchange.error is not None)
        assert not (free and exchange.error)

    asyncio.run(scene())


async def test_the_most_headers_that_are_taken() -> None:
    for count in (MAX_HEADERS, MAX_HEADERS + 1):
        connection, exchange, wire, _ = started()
        headers = b"".join(b"h%d: x\r\n" % n for n in range(count - 1))
        connection.data_received(b"HTTP/1.1 200 OK\r\n" + headers + b"content-length: 0\r\n\r\n")
        assert exchange.complete is (count == MAX_HEADERS)
        assert wire.closed is (count != MAX_HEADERS)
        connection.connection_lost(None)


async def test_the_last_byte_that_is_taken() -> None:
    for size in (10, 11):
        connection, exchange, _, _ = started(limit=10)
        connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size))
        assert exchange.complete is (size == 10)
        connection.connection_lost(None)


async def test_reading_pauses_and_goes_on() -> None:
    connection, exchange, wire, free = started(whole=False, limit=1 << 30)
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (BUFFER_BYTES + 2))
    connection.data_received(b"x" * BUFFER_BYTES)
    assert wire.reading
    connection.data_received(b"x")
    assert not wire.reading
    assert len(await exchange.next_bytes()) == BUFFER_BYTES + 1
    assert wire.reading
    connection.data_received(b"x")
    assert (await exchange.next_bytes(), await exchange.next_bytes()) == (b"x", b"")
    assert free == [connection]
    connection.connection_lost(None)


async def test_a_paused_connection_reads_again_before_it_is_used_again() -> None:
    connection, exchange, wire, free = started(whole=False, limit=1 << 30)
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (BUFFER_BYTES + 2))
    connection.data_received(b"x" * (BUFFER_BYTES + 1))
    assert not wire.reading
    connection.data_received(b"x")  # a transport may still hand over what it had
    assert exchange.complete
    assert wire.reading
    assert free == [connection]
    connection.connection_lost(None)


async def test_what_came_before_a_fault_can_be_read() -> None:
    connection, exchange, _, _ = started(whole=False)
    connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nrubbish")
    assert await exchange.next_bytes() == b"hello"
    with pytest.raises(ProviderBadResponse, match="HTTP"):
        await exchange.next_bytes()
    connection.connection_lost(None)


async def test_bytes_on_an_idle_connection_end_it() -> None:
    connection, _, wire, free = started()
    connection.data_received(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert free == [connection]
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
    assert wire.closed
    connection.connection_lost(None)


def together_for_ever(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Requests wait until what is given is called."""
    due: list[Callable[[], None]] = []
    still = Together(SimpleNamespace(time=lambda: 0.0, call_soon=due.append))
    assert not still.joins(SimpleNamespace()), "the first of the turn"
    monkeypatch.setattr(Together, "on", lambda _: still)
    return due


async def test_requests_of_a_turn_leave_together(monkeypatch: pytest.MonkeyPatch) -> None:
    due = together_for_ever(monkeypatch)
    (*_, first, _), (*_, second, _) = started(), started()
    assert first.written == second.written == b""
    (send,) = due
    send()
    assert first.written == second.written == b"GET / HTTP/1.1\r\n\r\n"


async def test_a_request_that_is_given_up_before_it_leaves_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    due = together_for_ever(monkeypatch)
    connection, exchange, wire, _ = started()
    exchange.abort()
    due[0]()
    assert wire.closed
    assert wire.written == b""
    connection.connection_lost(None)


async def test_an_answer_to_a_request_that_has_not_left_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    due = together_for_ever(monkeypatch)
    connection, exchange, wire, free = started()
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert exchange.complete
    assert wire.closed
    assert free == []
    due[0]()
    assert wire.written == b""


async def test_a_connection_that_is_lost_before_its_request_leaves_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    due = together_for_ever(monkeypatch)
    connection, exchange, wire, _ = started()
    connection.connection_lost(None)
    due[0]()
    assert wire.written == b""
    with pytest.raises(ProviderUnavailable):
        await exchange.headers_arrived()
