"""transport/client.py: what leaves, what may come back, and that the door shuts."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

import pytest
from tests.unit.llm_gateway.transport.upstream import CHUNKED, KEY, LIMIT, OK, Call, says, silent, upstream, wire, within

from llm_gateway import __version__
from llm_gateway.core.clearance import WireBytes
from llm_gateway.core.clock import SystemClock
from llm_gateway.core.errors import (
    ConfigurationError,
    Internal,
    LLMGatewayError,
    Overloaded,
    ProviderBadResponse,
    ProviderTimeout,
    ProviderUnavailable,
)
from llm_gateway.transport import Deadlines, Transport, UpstreamResponse


def shows_nothing(error: BaseException) -> None:
    """Neither an error nor what it grew from says a key, a query or a body."""
    seen: BaseException | None = error
    while seen is not None:
        for text in (str(seen), repr(seen), repr(getattr(seen, "__dict__", None))):
            assert KEY not in text
            assert "query-secret" not in text
            assert "body-secret" not in text
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


async def test_a_call_and_exactly_its_bytes(transport: Transport) -> None:
    async with upstream(says(b"HTTP/1.1 201 Created\r\nX-Request-Id:  a \r\ncontent-length: 5\r\n\r\nhello")) as server:
        answer = await transport.fetch(
            wire(server.origin, b"abc", "/v1/chat?x=%2F", (("X-One", "1"), ("authorization", "k"))), within(), LIMIT, local=True
        )
    assert answer == (201, {"x-request-id": "a", "content-length": "5"}, b"hello")
    head = f"POST /v1/chat?x=%2F HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\naccept-encoding: identity\r\nX-One: 1\r\nauthorization: k\r\n"
    assert server.requests == [f"{head}user-agent: llm-gateway/{__version__}\r\ncontent-length: 3\r\n\r\nabc".encode()]


async def test_only_cleared_bytes_are_sent(transport: Transport) -> None:
    async with upstream(says(OK)) as server:
        lookalike = type("WireBytes", (), {"destination": wire(server.origin).destination, "http": wire(server.origin).http})()
        with pytest.raises(Internal, match="cleared"):
            await transport.fetch(lookalike, within(), LIMIT, local=True)
        with pytest.raises(Internal, match="cleared"):
            await transport.open(lookalike, within(), LIMIT, local=True)
    assert server.connections == 0


async def test_proxies_of_the_environment_are_not_used(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with upstream(says(OK)) as server:
        assert (await transport.fetch(wire(server.origin), within(), LIMIT, local=True)).body == b"ok"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
async def test_a_redirect_is_refused_and_not_followed(transport: Transport, status: int) -> None:
    async with upstream(says(OK)) as elsewhere:
        location = f"{elsewhere.origin}/?body-secret".encode()
        head = b"HTTP/1.1 %d X\r\nlocation: %s\r\ncontent-length: 0\r\n\r\n" % (status, location)
        async with upstream(says(head)) as server:
            for send in (transport.fetch, transport.open):
                with pytest.raises(ProviderBadResponse) as caught:
                    await send(wire(server.origin), within(), LIMIT, local=True)
                assert (caught.value.code, caught.value.upstream_status, caught.value.same_again) == ("redirect", status, False)
                shows_nothing(caught.value)
        assert elsewhere.connections == 0


@pytest.mark.parametrize("status", [200, 204, 400, 401, 404, 429, 500, 503, 529])
async def test_every_other_status_is_an_answer(transport: Transport, status: int) -> None:
    body = b"" if status == 204 else b"text"
    length = b"" if status == 204 else b"content-length: 4\r\n"
    async with upstream(says(b"HTTP/1.1 %d X\r\n%s\r\n%s" % (status, length, body), keep=True)) as server:
        answer = await transport.fetch(wire(server.origin), within(), LIMIT, local=True)
        assert (answer.status, answer.body) == (status, body)
        response = await transport.open(wire(server.origin), within(), LIMIT, local=True)
        assert (response.status, await response.body()) == (status, body)


BAD = {
    "gzip": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00", "content_encoding"),
    "gzip framing": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "content_encoding"),
    "announced too large": (b"HTTP/1.1 200 OK\r\ncontent-length: 1048577\r\n\r\n", "too_large"),
    "too large by chunks": (CHUNKED + b"80000\r\n" + b"x" * 0x80000 + b"\r\n80001\r\n" + b"x" * 0x80001 + b"\r\n0\r\n\r\n", "too_large"),
    "too large until close": (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LIMIT + 1), "too_large"),
    "10,000 headers": (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 10_000 + b"content-length: 0\r\n\r\n", "headers"),
    "a header without end": (b"HTTP/1.1 200 OK\r\na: " + b"b" * 600_000, "headers"),
    "interim answers without end": (b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, "headers"),
    "10,000 trailers": (CHUNKED + b"1\r\nx\r\n0\r\n" + b"a: b\r\n" * 10_000 + b"\r\n", "headers"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", "protocol"),
    "HTML alone": (b"<html>hello</html>", "protocol"),
    "two lengths": (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "protocol"),
    "length and chunks": (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "protocol"),
    "a bad chunk": (CHUNKED + b"zz\r\n", "protocol"),
    "switching protocols": (b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", "status"),
    "ends in the body": (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", "connection_lost"),
    "ends in a chunk": (CHUNKED + b"5\r\nhell", "connection_lost"),
    "ends without the last chunk": (CHUNKED + b"5\r\nhello\r\n", "connection_lost"),
}


async def _whole(transport: Transport, way: str, sent: WireBytes, deadlines: Deadlines) -> bytes:
    if way == "fetch":
        return (await transport.fetch(sent, deadlines, LIMIT, local=True)).body
    return await (await transport.open(sent, deadlines, LIMIT, local=True)).body()


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("way", ["fetch", "open"])
async def test_answers_that_are_refused(transport: Transport, case: str, way: str) -> None:
    data, code = BAD[case]

    async def answer(call: Call) -> None:
        await call.send(data)
        if code != "connection_lost":
            await call.gone()  # and so the transport must have closed

    async with upstream(answer) as server:
        with pytest.raises(ProviderBadResponse) as caught:
            await _whole(transport, way, wire(server.origin, b"body-secret"), within())
        await asyncio.wait_for(server.ended.wait(), 1)
    assert (caught.value.code, caught.value.try_next, caught.value.same_again, caught.value.provider) == (code, True, False, "acme")
    shows_nothing(caught.value)


async def test_a_huge_answer_is_not_held(transport: Transport) -> None:
    sent = 0

    async def endless(call: Call) -> None:
        nonlocal sent
        await call.send(CHUNKED)
        while True:
            await call.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            sent += 0x10000

    async with upstream(endless) as server:
        with pytest.raises(ProviderBadResponse, match="over 1048576 bytes"):
            await transport.fetch(wire(server.origin), within(), LIMIT, local=True)
        await asyncio.wait_for(server.ended.wait(), 1)
    assert sent < 32 << 20  # what the kernel's buffers hold besides the limit


async def test_bodies_end_where_their_framing_says(transport: Transport) -> None:
    for data, body in [
        (CHUNKED + b"5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nx-trailer: 1\r\n\r\n", b"hello!"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
    ]:
        async with upstream(says(data)) as server:
            answer = await transport.fetch(wire(server.origin), within(), LIMIT, local=True)
            assert (answer.body, "link" in answer.headers) == (body, False)


async def test_a_reset_in_a_body_without_length_is_no_end(transport: Transport) -> None:
    async def answer(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await go.wait()
        call.reset()

    go = asyncio.Event()
    async with upstream(answer) as server:
        response = await transport.open(wire(server.origin), within(), LIMIT, local=True)
        chunks = response.chunks()
        assert await anext(chunks) == b"half"
        go.set()
        with pytest.raises(ProviderBadResponse, match="broke off"):
            await anext(chunks)


# Connections


async def test_a_connection_is_used_again(transport: Transport) -> None:
    async with upstream(says(OK, keep=True)) as server:
        for _ in range(3):
            await transport.fetch(wire(server.origin), within(), LIMIT, local=True)
        assert server.connections == 1


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        OK + OK.replace(b"ok", b"no"),
        OK + b"rubbish",
    ],
)
async def test_a_connection_that_may_hold_more_is_not_used_again(transport: Transport, data: bytes) -> None:
    async with upstream(says(data, keep=True)) as server:
        for _ in range(3):
            assert (await transport.fetch(wire(server.origin), within(), LIMIT, local=True)).body == b"ok"
        assert server.connections == 3


async def test_an_answer_that_comes_late_reaches_nobody(transport: Transport) -> None:
    async def answer(call: Call) -> bool:
        await call.send(OK)
        if call.connection == 1:
            await call.send(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret")
            await call.gone()
            return False
        return True

    async with upstream(answer) as server:
        await transport.fetch(wire(server.origin), within(), LIMIT, local=True)
        await asyncio.wait_for(server.ended.wait(), 1)
        assert (await transport.fetch(wire(server.origin), within(), LIMIT, local=True)).body == b"ok"
        assert server.connections == 2


async def test_trailers_do_not_become_headers_of_the_next_answer(transport: Transport) -> None:
    async with upstream(says(CHUNKED + b"2\r\nok\r\n0\r\nx-of-another: 1\r\n\r\n", keep=True)) as server:
        for _ in range(3):
            answer = await transport.fetch(wire(server.origin), within(), LIMIT, local=True)
            assert answer.headers == {"transfer-encoding": "chunked"}


async def test_an_answer_before_the_request_was_read(transport: Transport) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
        await done.wait()
        writer.close()

    done = asyncio.Event()
    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    answer = await transport.fetch(wire(origin, b"x" * (16 << 20)), within(), LIMIT, local=True)
    assert (answer.status, answer.body) == (413, b"big")
    assert all(not pool._idle for pool in transport._pools.values())
    done.set()
    server.close()


async def test_an_idle_connection_that_the_upstream_closed_is_not_used(transport: Transport) -> None:
    async with upstream(says(OK)) as server:
        for _ in range(3):
            await transport.fetch(wire(server.origin), within(), LIMIT, local=True)
            (pool,) = transport._pools.values()
            await asyncio.wait_for(_until(lambda pool=pool: not pool._all), 1)
            assert not pool._idle
        assert server.connections == 3


async def test_idle_connections_are_closed_in_time_and_kept_in_number() -> None:
    transport = Transport(SystemClock(), keep_idle_s=0.05, max_idle_per_origin=2)
    together = asyncio.Barrier(4)

    async def answer(call: Call) -> bool:
        await together.wait()
        await call.send(OK)
        return True

    async with upstream(answer) as server:
        await asyncio.gather(*(transport.fetch(wire(server.origin), within(), LIMIT, local=True) for _ in range(4)))
        (pool,) = transport._pools.values()
        assert len(pool._idle) == 2
        await asyncio.wait_for(_until(lambda: not pool._all), 1)
        assert not server.tasks or await asyncio.wait_for(_until(lambda: not server.tasks), 1) is None
    await transport.aclose()


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.001)


# Giving up


async def _cancelled_before_headers(transport: Transport, origin: str) -> None:
    task = asyncio.ensure_future(transport.fetch(wire(origin), within(9, 9, 9, 9), LIMIT, local=True))
    await _until(lambda: bool(transport._pools) and any(c._exchange for p in transport._pools.values() for c in p._all))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _cancelled_while_reading(transport: Transport, origin: str) -> None:
    response = await transport.open(wire(origin), within(9, 9, 9, 9), LIMIT, local=True)
    chunks = response.chunks()
    await anext(chunks)
    task = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _iterator_abandoned(transport: Transport, origin: str) -> UpstreamResponse:
    response = await transport.open(wire(origin), within(9, 9, 9, 9), LIMIT, local=True)
    async for _ in response.chunks():
        break
    return response


async def _response_dropped(transport: Transport, origin: str) -> None:
    await transport.open(wire(origin), within(9, 9, 9, 9), LIMIT, local=True)


async def _closed(transport: Transport, origin: str) -> None:
    response = await transport.open(wire(origin), within(9, 9, 9, 9), LIMIT, local=True)
    await response.aclose()
    await response.aclose()
    with pytest.raises(ProviderUnavailable, match="given up"):
        await response.body()


Way = Callable[[Transport, str], Awaitable[object]]


async def _half(call: Call) -> None:
    await call.send(CHUNKED + b"5\r\nhello\r\n")
    await call.gone()


@pytest.mark.parametrize("give_up", [_cancelled_while_reading, _iterator_abandoned, _response_dropped, _closed])
async def test_a_stream_that_is_given_up_ends_upstream_at_once(transport: Transport, give_up: Way) -> None:
    async with upstream(_half) as server:
        held = await give_up(transport, server.origin)
        start = time.perf_counter()
        await asyncio.wait_for(server.ended.wait(), 1)
        assert time.perf_counter() - start < 1
        del held


async def test_a_call_cancelled_before_its_answer_ends_upstream_at_once(transport: Transport) -> None:
    async with upstream(silent) as server:
        await _cancelled_before_headers(transport, server.origin)
        await asyncio.wait_for(server.ended.wait(), 1)


async def test_a_finished_answer_can_be_dropped_without_closing_its_connection(transport: Transport) -> None:
    async with upstream(says(OK, keep=True)) as server:
        for _ in range(2):
            response = await transport.open(wire(server.origin), within(), LIMIT, local=True)
            assert [chunk async for chunk in response.chunks()] == [b"ok"]
            await response.aclose()
        assert server.connections == 1


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors by /proc")
async def test_nothing_is_left_of_a_thousand_calls_given_up(transport: Transport) -> None:
    async def read(origin: str) -> None:
        response = await transport.open(wire(origin), within(9, 9, 9, 9), LIMIT, local=True)
        async for _ in response.chunks():
            pass

    async with upstream(silent) as never, upstream(_half) as half:
        await read_once(transport, half.origin)
        await asyncio.wait_for(_until(lambda: not half.tasks), 2)
        before = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
        for turn in range(1, 11):
            calls = [asyncio.ensure_future(transport.fetch(wire(never.origin), within(9, 9, 9, 9), LIMIT, local=True)) for _ in range(50)]
            reads = [asyncio.ensure_future(read(half.origin)) for _ in range(50)]
            await asyncio.wait_for(_until(lambda turn=turn: len(never.requests) + len(half.requests) == 100 * turn + 1), 4)
            for task in (*calls, *reads):
                task.cancel()
            ends = await asyncio.gather(*calls, *reads, return_exceptions=True)
            assert all(isinstance(end, asyncio.CancelledError) for end in ends)
        await asyncio.wait_for(_until(lambda: not never.tasks and not half.tasks), 2)
        assert (never.connections, half.connections) == (500, 501)
        assert (len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())) == before
        assert not any(pool._all for pool in transport._pools.values())


async def read_once(transport: Transport, origin: str) -> None:
    response = await transport.open(wire(origin), within(), LIMIT, local=True)
    await response.aclose()


async def test_closing_ends_calls_and_refuses_new_ones() -> None:
    transport = Transport(SystemClock())
    async with upstream(silent) as server:
        call = asyncio.ensure_future(transport.fetch(wire(server.origin), within(), LIMIT, local=True))
        await asyncio.wait_for(_until(lambda: bool(server.requests)), 1)
        await transport.aclose()
        with pytest.raises(ProviderUnavailable):
            await call
        with pytest.raises(Overloaded):
            await transport.fetch(wire(server.origin), within(), LIMIT, local=True)
        await transport.aclose()


# Deadlines


async def _timed(call: Awaitable[object]) -> tuple[LLMGatewayError, float]:
    start = time.perf_counter()
    with pytest.raises(LLMGatewayError) as caught:
        await call
    return caught.value, time.perf_counter() - start


@pytest.mark.parametrize("way", ["fetch", "open"])
@pytest.mark.parametrize(("first_byte_s", "total_s", "code"), [(0.1, 2, "first_byte"), (2, 0.1, "total")])
async def test_an_upstream_that_never_answers(transport: Transport, way: str, first_byte_s: float, total_s: float, code: str) -> None:
    async with upstream(silent) as server:
        send = transport.fetch if way == "fetch" else transport.open
        error, took_s = await _timed(send(wire(server.origin), within(2, first_byte_s, 2, total_s), LIMIT, local=True))
        await asyncio.wait_for(server.ended.wait(), 1)
    assert isinstance(error, ProviderTimeout)
    assert (error.code, error.try_next, error.same_again, error.upstream_status) == (code, True, False, None)
    assert 0.09 <= took_s < 1
    shows_nothing(error)


async def test_headers_that_drip_are_no_first_byte(transport: Transport) -> None:
    async def answer(call: Call) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nx-slow: " + b"x" * 1000:
            await call.send(bytes([byte]))
            await asyncio.sleep(0.02)

    async with upstream(answer) as server:
        error, took_s = await _timed(transport.open(wire(server.origin), within(2, 0.1, 2, 4), LIMIT, local=True))
    assert (error.code, took_s < 1) == ("first_byte", True)


@pytest.mark.parametrize("way", ["fetch", "open"])
@pytest.mark.parametrize(("pause_s", "idle_s", "total_s", "code"), [(5, 0.1, 3, "idle"), (0.02, 0.1, 0.25, "total")])
async def test_a_body_that_stops_or_drips(transport: Transport, way: str, pause_s: float, idle_s: float, total_s: float, code: str) -> None:
    async def answer(call: Call) -> None:
        await call.send(CHUNKED)
        for _ in range(500):
            await call.send(b"1\r\nx\r\n")
            try:
                await asyncio.wait_for(call.gone(), pause_s)
                return
            except TimeoutError:
                continue

    async with upstream(answer) as server:
        error, took_s = await _timed(_whole(transport, way, wire(server.origin), within(2, 2, idle_s, total_s)))
        await asyncio.wait_for(server.ended.wait(), 1)
    assert isinstance(error, ProviderTimeout)
    assert (error.code, error.upstream_status, error.same_again) == (code, 200, False)
    assert min(idle_s, total_s) - 0.01 <= took_s < 1


async def test_a_deadline_holds_on_a_warm_connection_too(transport: Transport) -> None:
    async def answer(call: Call) -> bool:
        if b"/slow" in call.request[:20]:
            await call.gone()
            return False
        await call.send(OK)
        return True

    async with upstream(answer) as server:
        await transport.fetch(wire(server.origin), within(9, 9, 9, 9), LIMIT, local=True)
        error, took_s = await _timed(transport.fetch(wire(server.origin, path="/slow"), within(9, 0.1, 9, 9), LIMIT, local=True))
        assert server.connections == 1
    assert (error.code, took_s < 1) == ("first_byte", True)


async def test_a_slow_reader_is_not_taken_for_a_silent_upstream(transport: Transport) -> None:
    async def answer(call: Call) -> bool:
        await call.send(CHUNKED + b"5\r\nhello\r\n")
        await go.wait()
        await call.send(b"1\r\n!\r\n0\r\n\r\n")
        return True

    go = asyncio.Event()
    async with upstream(answer) as server:
        response = await transport.open(wire(server.origin), within(2, 2, 0.1, 4), LIMIT, local=True)
        chunks = response.chunks()
        assert await anext(chunks) == b"hello"
        await asyncio.sleep(0.25)  # the reader's own pause, longer than the idle deadline
        asyncio.get_running_loop().call_later(0.03, go.set)
        assert await anext(chunks) == b"!"
        with pytest.raises(StopAsyncIteration):
            await anext(chunks)


async def test_a_reader_that_stands_still_makes_the_upstream_wait(transport: Transport) -> None:
    size = 32 << 20
    sent = 0

    async def answer(call: Call) -> None:
        nonlocal sent
        call.writer.transport.set_write_buffer_limits(0)
        await call.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            await call.send(b"x" * 0x10000)
            sent += 0x10000

    async with upstream(answer) as server:
        response = await transport.open(wire(server.origin), within(2, 2, 0.1, 9), size, local=True)
        last = -1
        while sent != last:
            last = sent
            await asyncio.sleep(0.1)
        assert sent < size
        (pool,) = transport._pools.values()
        (connection,) = pool._all
        assert connection._exchange is not None
        assert connection._exchange._held_bytes < 1 << 20
        assert len(await response.body()) == size


# The connection lost


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nx: "])
@pytest.mark.parametrize("abrupt", [False, True])
async def test_a_connection_lost_before_an_answer_may_be_tried_again(transport: Transport, sent: bytes, abrupt: bool) -> None:
    async def answer(call: Call) -> None:
        if sent:
            await call.send(sent)
        if abrupt:
            call.reset()

    async with upstream(answer) as server:
        error, took_s = await _timed(transport.fetch(wire(server.origin), within(), LIMIT, local=True))
    assert isinstance(error, ProviderUnavailable)
    assert (error.code, error.same_again, error.try_next, took_s < 1) == ("connection_lost", True, True, True)


@pytest.mark.parametrize("chunks", [1, 3, 50])
async def test_a_reset_in_mid_stream_comes_after_what_was_sent(transport: Transport, chunks: int) -> None:
    async def answer(call: Call) -> None:
        await call.send(CHUNKED)
        for _ in range(chunks):
            await call.send(b"5\r\nhello\r\n")
        await read.wait()
        call.reset()

    read = asyncio.Event()
    got = b""
    async with upstream(answer) as server:
        response = await transport.open(wire(server.origin), within(), LIMIT, local=True)
        pieces = response.chunks()
        while len(got) < 5 * chunks:
            got += await anext(pieces)
        read.set()
        with pytest.raises(ProviderBadResponse) as caught:
            await anext(pieces)
    assert (got, caught.value.code, caught.value.same_again) == (b"hello" * chunks, "connection_lost", False)


async def test_a_ca_file_that_cannot_be_read_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigurationError, match="ca_file"):
        Transport(SystemClock(), ca_file="/nonexistent.pem")
    with pytest.raises(ConfigurationError, match="ca_file"):
        Transport(SystemClock(), ca_file=__file__)
