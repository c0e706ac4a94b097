"""A head that is known by its bytes makes the request that the parser would make of it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway import http_head, http_protocol
from llm_gateway.api.asgi import CONNECTION, FIELDS, fields_of
from llm_gateway.http_head import KnownHead
from llm_gateway.http_protocol import HttpProtocol

USUAL = b"POST /query HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nAccept: */*\r\nAccept: text/plain\r\n\r\n%b"


def request(body: bytes) -> bytes:
    return USUAL % (len(body), body)


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def get_extra_info(self, _: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = pause_reading = resume_reading = close


class Conversation:
    """What an application hears on one connection, whose bytes come in `pieces`, each after the answers to those before."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, Any], bytes]] = []
        self.wire = Wire()

    async def _application(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        said = {name: value for name, value in scope.items() if name not in {"extensions", FIELDS}}
        said["keeps_alive"] = scope["extensions"][CONNECTION].keeps_alive
        assert fields_of(scope) == dict(reversed(scope["headers"]))
        self.heard.append((said, body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def run(self, pieces: list[bytes]) -> None:
        state = SimpleNamespace(connections=set(), tasks=set(), default_headers=[], total_requests=0)
        protocol = HttpProtocol(SimpleNamespace(loaded_app=self._application), state, {"of": "the server"})
        protocol.connection_made(self.wire)  # type: ignore[arg-type]  # as much of a transport as is asked for
        for piece in pieces:
            if self.wire.closed:
                break
            protocol.data_received(piece)
            for _ in range(8):
                await asyncio.sleep(0)
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        protocol.connection_lost(None)


def heard(pieces: list[bytes], *, parse_all: bool = False) -> tuple[list[tuple[dict[str, Any], bytes]], bytes]:
    conversation = Conversation()
    with pytest.MonkeyPatch.context() as patch:
        if parse_all:
            patch.setattr(http_protocol, "known_head", lambda *_: None)
        asyncio.run(conversation.run(pieces))
    return conversation.heard, conversation.wire.written


def test_the_third_request_of_a_kind_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[bytes] = []
    made = KnownHead.scope

    def watched(self: KnownHead, data: bytes) -> tuple[dict[str, Any], bytes] | None:
        found = made(self, data)
        known.append(b"" if found is None else found[1])
        return found

    monkeypatch.setattr(KnownHead, "scope", watched)
    told, _ = heard([request(body) for body in (b"one", b"two", b"three", b"", b"twelve bytes")])
    assert known == [b"three", b"", b"twelve bytes"]
    assert [body for _, body in told] == [b"one", b"two", b"three", b"", b"twelve bytes"]
    assert told[4][0]["headers"][1] == (b"content-length", b"12")


BODY = st.binary(max_size=24) | st.sampled_from([b"GET / HTTP/1.1\r\n\r\n", b"\r\ncontent-length: 3\r\n\r\nabc"])
PIECE = st.one_of(
    BODY.map(request),
    BODY.map(request),
    BODY.map(lambda body: request(body) + request(b"beside")),
    BODY.map(lambda body: request(body)[:-1]),
    BODY.map(lambda body: request(body) + b"P"),
    BODY.map(lambda body: request(body).replace(b"Host: x", b"Host: y")),
    BODY.map(lambda body: request(body).replace(b"Content-Length: ", b"content-length:  ")),
    BODY.map(lambda body: request(body).replace(b"Accept: */*", b"Connection: close")),
    BODY.map(lambda body: request(body).replace(b"\r\nAccept: */*", b" \r\nAccept: */*")),
    BODY.map(lambda body: request(body).replace(b"Content-Length: ", b"Content-Length: 0")),
    BODY.map(lambda body: request(body).replace(b"Content-Length: ", b"Content-Length: +")),
    BODY.map(lambda body: request(body).replace(b"Accept: */*", b"Content-Length: 1")),
    BODY.map(lambda body: request(body).replace(b"Accept: */*", b"Transfer-Encoding: chunked")),
    BODY.map(lambda body: request(body).replace(b"HTTP/1.1", b"HTTP/1.0")),
    st.sampled_from([b"\r\n", b"OST /query HTTP/1.1\r\n", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", USUAL[:30], b"\0"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECE, min_size=1, max_size=7))
def test_it_makes_no_difference_what_is_known(pieces: list[bytes]) -> None:
    pieces = [request(b"first"), request(b"second"), *pieces]
    assert heard(pieces) == heard(pieces, parse_all=True)


@pytest.mark.parametrize("said", [b"1" * (http_head.MAX_LENGTH_DIGITS + 1), b"", b"-1", b"1e1", b" 1"])
def test_a_length_that_is_no_plain_number_is_the_parsers_matter(said: bytes) -> None:
    first = request(b"x")
    head = http_head.known_head(first, {"headers": [(b"host", b"x"), (b"content-length", b"1")]})
    assert head is not None
    assert head.scope(first) is not None
    assert head.scope(first.replace(b"Content-Length: 1", b"Content-Length: " + said)) is None
