import json
import socket

from tests.unit.llm_gateway.simulator.wire import Wire, read_all

_BODY = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}).encode()
_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: s\r\n"


def _whole(body: bytes = _BODY, extra: bytes = b"") -> bytes:
    return _HEAD + extra + b"content-length: %d\r\n\r\n" % len(body) + body


def _talk(wire: Wire, *parts: bytes, kind: str = "openai") -> bytes:
    with socket.create_connection(wire.address(kind), timeout=5) as connected:
        for part in parts:
            connected.sendall(part)
        return read_all(connected)[0]


def test_a_connection_serves_several_requests_in_their_order(wire: Wire) -> None:
    data = _talk(wire, _whole() + _whole() + _whole(extra=b"connection: close\r\n"))
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 3
    numbers = [int(line.split(b"req_")[1], 16) for line in data.split(b"\r\n") if line.startswith(b"x-request-id: ")]
    assert numbers == sorted(numbers)
    assert data.count(b"connection: close\r\n") == 1


def test_a_request_may_come_byte_by_byte(wire: Wire) -> None:
    data = _talk(wire, *(bytes([byte]) for byte in _whole(extra=b"connection: close\r\n")))
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert wire.simulator.log()[-1]["body"]


def test_a_chunked_request_body_is_put_together(wire: Wire) -> None:
    half = len(_BODY) // 2
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (_BODY[:half], _BODY[half:])) + b"0\r\n\r\n"
    data = _talk(wire, _HEAD + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n" + chunks)
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")


def test_expect_continue_is_answered_before_the_body(wire: Wire) -> None:
    with socket.create_connection(wire.address("openai"), timeout=5) as connected:
        connected.sendall(_HEAD + b"expect: 100-continue\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(_BODY))
        assert connected.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connected.sendall(_BODY)
        assert read_all(connected)[0].startswith(b"HTTP/1.1 200 OK\r\n")


def test_what_is_not_http_gets_400_and_the_end(wire: Wire) -> None:
    assert _talk(wire, b"\x16\x03\x01 this is not http\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_head_has_no_body(wire: Wire) -> None:
    data = _talk(wire, b"HEAD / HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n", kind="ollama")
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert data.endswith(b"content-length: 17\r\n\r\n")


def test_the_log_keeps_the_request_as_it_came(wire: Wire) -> None:
    wire.post("openai", "/v1/chat/completions?a=%2F", b'{"x":', {"X-Two": "1"})
    entry = wire.simulator.log("openai")[-1]
    assert (entry["path"], entry["method"], entry["status"]) == ("/v1/chat/completions?a=%2F", "POST", 400)
    assert entry["body"] == "eyJ4Ijo="
    assert ["x-two", "1"] in entry["headers"]  # type: ignore[operator]
