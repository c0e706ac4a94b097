"""Real sockets, small ASGI applications: what a client of any kind may send, and what it gets."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_gateway.api.asgi import CONNECTION
from llm_gateway.core.together import Together
from llm_gateway.http_cycle import HIGH_WATER_BYTES
from llm_gateway.http_protocol import MAX_HEAD_BYTES, MAX_URL_BYTES, HttpProtocol, Times

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
UNHURRIED = Times(10, 10, 10)
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\n"


async def body_of(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def answer(send: Send, body: bytes, *more: tuple[bytes, bytes], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(body)), *more]})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    body = await body_of(receive)
    await answer(send, b"%s %s %s" % (scope["method"].encode(), scope["path"].encode(), body))


async def streaming(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in (b"one", b"", b"two"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


class Server:
    """A listening socket whose connections are of the protocol under test."""

    def __init__(self) -> None:
        self.state = SimpleNamespace(connections=set(), tasks=set(), default_headers=[(b"date", b"today")], total_requests=0)
        self.port = 0

    async def ask(self, request: bytes, *, until: bytes = b"") -> bytes:
        """What comes back to `request`, until the server hangs up or `until` has come."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(10):
                return await (reader.readuntil(until) if until else reader.read())
        finally:
            writer.close()


@asynccontextmanager
async def serving(app: Any, times: Times = UNHURRIED, most: int = 100) -> AsyncIterator[Server]:
    own = Server()

    class Protocol(HttpProtocol):
        max_connections = most

    Protocol.times = times
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Protocol(SimpleNamespace(loaded_app=app), own.state, {}), "127.0.0.1", 0)
    own.port = listening.sockets[0].getsockname()[1]
    try:
        yield own
    finally:
        listening.close()
        for connection in list(own.state.connections):
            connection.shutdown()
        for task in list(own.state.tasks):
            task.cancel()
        await asyncio.gather(*own.state.tasks, return_exceptions=True)


async def test_a_request_and_its_answer() -> None:
    async with serving(echo) as server:
        said = await server.ask(POST + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello")
    assert said == b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 16\r\nconnection: close\r\n\r\nPOST /echo hello"


async def test_a_connection_serves_one_request_after_the_other_in_order() -> None:
    requests = b"".join(b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d" % (n, n) for n in range(9))
    async with serving(echo) as server:
        said = await server.ask(requests + b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    bodies = [part.split(b"\r\n\r\n")[1] for part in said.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [*(b"POST /%d %d" % (n, n) for n in range(9)), b"GET /last "]


async def whole(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answers in one piece where it may; every third path is answered as any application does."""
    body = await body_of(receive)
    said = b"%s %s" % (scope["path"].encode(), body)
    if int(scope["path"][1:]) % 3 == 0 or not scope["extensions"][CONNECTION].answer("x-whole: 1\r\n", said):
        await answer(send, said)


async def test_answers_that_wait_for_others_come_in_order_and_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    still = Together(SimpleNamespace(time=lambda: 0.0, call_soon=loop.call_soon))  # all is one turn
    monkeypatch.setattr(Together, "on", lambda _: still)
    requests = b"".join(b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d" % (n, n) for n in range(9))
    last = b"POST /10 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with serving(whole) as server:
        said = await asyncio.gather(*(server.ask(requests + last) for _ in range(3)))
    for each in said:
        bodies = [part.split(b"\r\n\r\n")[1] for part in each.split(b"HTTP/1.1 200 OK\r\n")[1:]]
        assert bodies == [*(b"/%d %d" % (n, n) for n in range(9)), b"/10 "]
        assert each.count(b"x-whole") == 7


async def test_what_waits_is_sent_before_whatever_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    never = Together(SimpleNamespace(time=lambda: 0.0, call_soon=lambda _: None))
    never.joins(SimpleNamespace())
    monkeypatch.setattr(Together, "on", lambda _: never)
    async with serving(whole) as server:
        asked = loop.create_task(server.ask(b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"))
        while not server.state.total_requests:
            await asyncio.sleep(0)
        for connection in list(server.state.connections):
            connection.shutdown()
        assert (await asked).endswith(b"/1 ")
        both = b"".join(b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % n for n in (1, 3))
        said = await server.ask(both, until=b"/3 ")
        assert said.index(b"/1 ") < said.index(b"/3 "), "what comes later sends it too"


CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nx-trailer: 1\r\n\r\n"
SEVERAL = CHUNKED + b"GET /a%20b?q=1 HTTP/1.1\r\nHost: x\r\n\r\n" + POST + b"Content-Length: 3\r\nConnection: close\r\n\r\nend"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, len(SEVERAL) - 1), max_size=12, unique=True))
def test_however_the_bytes_are_cut_the_answers_are_the_same(cuts: list[int]) -> None:
    async def said() -> bytes:
        async with serving(echo) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            edges = [0, *sorted(cuts), len(SEVERAL)]
            for start, end in itertools.pairwise(edges):
                writer.write(SEVERAL[start:end])
                await writer.drain()
                await asyncio.sleep(0)
            async with asyncio.timeout(10):
                try:
                    return await reader.read()
                finally:
                    writer.close()

    bodies = [part.split(b"\r\n\r\n")[1] for part in asyncio.run(said()).split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b"POST /echo hello world", b"GET /a b ", b"POST /echo end"]


async def test_a_stream_is_chunked() -> None:
    async with serving(streaming) as server:
        said = await server.ask(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert said.endswith(b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


async def test_a_streams_head_leaves_before_its_first_content() -> None:
    go_on = asyncio.Event()

    async def slow(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"late"})

    async with serving(slow) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        go_on.set()
        assert await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 10) == b"4\r\nlate\r\n0\r\n\r\n"
        writer.close()


async def test_http_1_0_gets_no_chunks_and_the_end_is_the_end_of_the_connection() -> None:
    async with serving(streaming) as server:
        said = await server.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert said == b"HTTP/1.1 200 OK\r\ndate: today\r\nconnection: close\r\n\r\nonetwo" or said.endswith(b"\r\n\r\nonetwo")
    assert b"chunked" not in said


async def test_head_has_the_headers_and_no_body() -> None:
    async with serving(echo) as server:
        said = await server.ask(b"HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"content-length: 8\r\n" in said
    assert said.endswith(b"\r\n\r\n")


async def test_a_body_is_asked_for_when_somebody_wants_it() -> None:
    async with serving(echo) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ok")
        assert (await asyncio.wait_for(reader.read(), 10)).endswith(b"POST /echo ok")
        writer.close()


@pytest.mark.parametrize("framing", [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"])
async def test_an_offer_of_another_protocol_is_declined_and_its_body_read(framing: bytes) -> None:
    """As the JDK's HTTP client makes it with its first request on a connection."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    async with serving(echo) as server:
        said = await server.ask(POST + offer + framing + b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert [part.split(b"\r\n\r\n")[1] for part in said.split(b"HTTP/1.1 200 OK\r\n")[1:]] == [b"POST /echo hello", b"GET /next "]


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"hello there\r\n\r\n", b"400", b"malformed_http"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400", b"malformed_http"),
        (b"GET /" + b"a" * MAX_URL_BYTES + b" HTTP/1.1\r\n", b"431", b"head_too_large"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n", b"431", b"head_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 100) for n in range(1000)), b"431", b"head_too_large"),
    ],
)
async def test_what_is_no_request_is_refused_in_our_shape(request_bytes: bytes, status: bytes, code: bytes) -> None:
    async with serving(echo) as server:
        said = await server.ask(request_bytes, until=b"}}")
    assert said.startswith(b"HTTP/1.1 " + status)
    assert b'"code":"%s"' % code in said
    assert b'"type":"invalid_request"' in said


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: stolen=1", b"a\nb", b"a\rb", b"a\r\n\r\nHTTP/1.1 200 OK"])
async def test_no_header_can_begin_another(value: bytes) -> None:
    async def careless(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await answer(send, b"body", (b"x-echo", value))

    async with serving(careless) as server:
        said = await server.ask(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"stolen" not in said
    assert b"x-echo" not in said


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body(status: int) -> None:
    async def empty(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body"})

    async with serving(empty) as server:
        said = await server.ask(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 %d" % status)
    assert b"chunked" not in said


async def test_a_handler_that_fails_is_a_500_and_one_that_fails_midway_is_cut() -> None:
    async def failing(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["path"] == "/midway":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("secret detail")

    async with serving(failing) as server:
        assert (await server.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 500")
        midway = await server.ask(b"GET /midway HTTP/1.1\r\nHost: x\r\n\r\n")
    assert midway.endswith(b"4\r\nhalf\r\n")  # no last chunk: the client sees that it broke off


async def test_a_handler_is_told_that_its_caller_has_left() -> None:
    began, left = asyncio.Event(), asyncio.Event()

    async def waiting(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        scope["extensions"][CONNECTION].on_lost = left.set
        began.set()
        await left.wait()
        assert (await receive())["type"] in {"http.disconnect", "http.request"}

    async with serving(waiting) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(began.wait(), 10)
        assert not left.is_set()
        writer.close()
        await asyncio.wait_for(left.wait(), 10)


async def test_a_body_nobody_reads_is_not_taken_in() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    cycles: list[Any] = []

    async def lazy(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        cycles.append(scope["extensions"][CONNECTION])
        begun.set()
        await go_on.wait()
        await answer(send, b"%d" % len(await body_of(receive)))

    size = 64 << 20
    async with serving(lazy, Times(60, 60, 60)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(POST + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % size)
        sending = asyncio.create_task(send_all(writer, size))
        await begun.wait()
        done, _ = await asyncio.wait([sending], timeout=0.3)
        assert not done
        assert len(cycles[0]._body) < HIGH_WATER_BYTES + (1 << 20)
        go_on.set()
        assert (await asyncio.wait_for(reader.read(), 60)).endswith(b"\r\n\r\n%d" % size)
        await sending
        writer.close()


async def send_all(writer: asyncio.StreamWriter, size: int) -> None:
    piece = bytes(1 << 20)
    for _ in range(size // len(piece)):
        writer.write(piece)
        await writer.drain()


async def test_a_caller_that_reads_slowly_holds_the_handler_back() -> None:
    sent = 0

    async def fountain(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(256):
            await send({"type": "http.response.body", "body": bytes(1 << 18), "more_body": True})
            sent += 1
            await asyncio.sleep(0)
        await send({"type": "http.response.body"})

    async with serving(fountain) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 10)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(1000):
            await asyncio.sleep(0)
        assert sent < 256
        assert len(await asyncio.wait_for(reader.read(), 20)) > 256 << 18
        writer.close()


async def test_time_for_the_head_for_the_body_and_for_nothing() -> None:
    async with serving(echo, Times(0.2, 0.2, 0.2)) as server:
        nothing, head, body = await asyncio.gather(
            server.ask(b""), server.ask(b"POST /echo HTTP/1.1\r\nHost"), server.ask(POST + b"Content-Length: 9\r\n\r\nhalf")
        )
        idle = await server.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert nothing.startswith(b"HTTP/1.1 408")
    assert head.startswith(b"HTTP/1.1 408")
    assert body.startswith(b"HTTP/1.1 408")
    assert idle.startswith(b"HTTP/1.1 200")
    assert b"408" not in idle


async def test_no_word_of_a_slow_request_goes_into_the_answer_of_the_one_before() -> None:
    go_on = asyncio.Event()

    async def slow(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await go_on.wait()
        await answer(send, b"first")

    async with serving(slow, Times(0.1, 0.1, 5)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /second HTTP/1.1\r\nHo")
        asyncio.get_running_loop().call_later(0.3, go_on.set)
        said = await asyncio.wait_for(reader.read(), 10)  # then the half request's own time is over
        writer.close()
    assert said.startswith(b"HTTP/1.1 200 OK")
    assert said.index(b"first") < said.index(b"HTTP/1.1 408")


async def test_an_early_answer_to_a_body_that_is_still_coming() -> None:
    async def refusing(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await answer(send, b"too large", status=413)

    async with serving(refusing) as server:
        said = await server.ask(
            POST + b"Content-Length: 1000000\r\n\r\n" + bytes(1_000_000) + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
    assert said.count(b"HTTP/1.1 413") == 2


async def test_beyond_the_most_connections_nobody_is_let_in() -> None:
    async with serving(echo, most=1) as server:
        _, first = await asyncio.open_connection("127.0.0.1", server.port)
        reader, second = await asyncio.open_connection("127.0.0.1", server.port)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        assert len(server.state.connections) == 1
        first.close()
        second.close()


async def test_a_stopping_server_finishes_the_answer_and_says_so() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        begun.set()
        await go_on.wait()
        await answer(send, b"done")

    async with serving(slow) as server:
        asking = asyncio.create_task(server.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
        await asyncio.wait_for(begun.wait(), 10)
        for connection in list(server.state.connections):
            connection.shutdown()
        go_on.set()
        said = await asking
    assert b"connection: close\r\n" in said
    assert said.endswith(b"done")


async def at_once(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """What a handler does that asks its connection for the whole body, and gives it the whole answer."""
    connection = scope["extensions"][CONNECTION]
    body = connection.whole_body()
    if body is None:
        body = b"late " + await body_of(receive)
    said = b"%s %s %s" % (scope["method"].encode(), scope["path"].encode(), body)
    if not connection.answer("x-a: b\r\n", said):
        await answer(send, said, (b"x-sent", b"1"))


async def test_a_whole_answer_in_one_step() -> None:
    async with serving(at_once) as server:
        said = await server.ask(POST + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello")
        first = await server.ask(POST + b"Content-Length: 2\r\n\r\nhi", until=b"hi")
        head = await server.ask(b"HEAD /h HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        old = await server.ask(b"POST /o HTTP/1.0\r\nContent-Length: 1\r\n\r\n1")
    assert said == b"HTTP/1.1 200 OK\r\ndate: today\r\nx-a: b\r\nconnection: close\r\ncontent-length: 16\r\n\r\nPOST /echo hello"
    assert b"connection: close" not in first
    assert head.endswith(b"x-sent: 1\r\nconnection: close\r\n\r\n")
    assert old.endswith(b"connection: close\r\ncontent-length: 9\r\n\r\nPOST /o 1")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from([b"POST /a", b"POST /b", b"GET /a", b"POST /a?q=1", b"POST /ab"]), min_size=1, max_size=6),
    st.lists(st.integers(1, 500), max_size=6),
)
def test_a_request_is_not_taken_for_the_one_before(lines: list[bytes], cuts: list[int]) -> None:
    async def said() -> bytes:
        wire = b"".join(line + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d" % n for n, line in enumerate(lines))
        wire += b"POST /a HTTP/1.0\r\nContent-Length: 1\r\n\r\n9"
        async with serving(at_once) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            places = [0, *sorted(cut for cut in set(cuts) if cut < len(wire)), len(wire)]
            for start, end in itertools.pairwise(places):
                writer.write(wire[start:end])
                await writer.drain()
                await asyncio.sleep(0)
            whole = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            return whole

    bodies = [part.split(b"\r\n\r\n")[1].replace(b" late", b"") for part in asyncio.run(said()).split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b"%s %d" % (line.partition(b"?")[0], n) for n, line in enumerate(lines)] + [b"POST /a 9"]


async def test_only_the_first_of_several_requests_can_be_like_the_last() -> None:
    first, second = (b"POST /%b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%b" % (name, name) for name in (b"a", b"b"))
    async with serving(at_once) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for wire in (first, first + second, second + first):
            writer.write(wire)
            for name in wire[6:7], wire[-1:]:
                assert (await asyncio.wait_for(reader.readuntil(b"POST /"), 10)).startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(3) == b"%b %b" % (name, name)
                if wire is first:
                    break
        writer.close()


async def test_who_leaves_while_an_answer_is_made_cancels_it() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()
    left: list[bool] = []

    async def slow(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        connection = scope["extensions"][CONNECTION]
        connection.on_lost = connection.cancel
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            left.append(connection.left)
            ended.set()
            raise

    async with serving(slow) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(begun.wait(), 10)
        writer.close()
        await asyncio.wait_for(ended.wait(), 10)
        while server.state.tasks:
            await asyncio.sleep(0)
    assert left == [True]


async def test_a_header_without_an_end_is_refused() -> None:
    async with serving(echo) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        with suppress(ConnectionError):
            for _ in range(64):
                writer.write(b"a" * MAX_HEAD_BYTES)
                await writer.drain()
        with suppress(ConnectionError):
            assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 431")
        assert not server.state.connections
        writer.close()


async def test_after_an_early_answer_the_connection_is_idle_and_no_request_is_late() -> None:
    async def refusing(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await answer(send, b"no", status=413)

    async with serving(refusing, Times(0.2, 5, 0.2)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(POST + b"Content-Length: 4\r\n\r\n12")
        await asyncio.wait_for(reader.readuntil(b"no"), 10)
        writer.write(b"34")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
