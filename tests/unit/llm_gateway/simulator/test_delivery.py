"""Each fault as a raw client sees it, over real sockets."""

import gzip
import json
import socket
import time
import zlib

import pytest
from tests.unit.llm_gateway.simulator.wire import ANTHROPIC, AWS, Got, Wire, read_all

from llm_gateway.simulator import Drip, Fault, FaultRule, Huge

_CHAT = "/v1/chat/completions"
_ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "a nonce-17 please"}]}
_STREAM = {**_ASK, "stream": True}


def _with(wire: Wire, **fault: object) -> None:
    wire.simulator.add_faults(FaultRule(name="test", **fault))  # type: ignore[arg-type]


def _outcome(wire: Wire) -> dict[str, object]:
    """The log entry of the last request, once it is closed."""
    deadline = time.monotonic() + 5
    while (entry := wire.simulator.log()[-1])["outcome"] == "open" and time.monotonic() < deadline:
        pass
    return entry


def _chunks(data: bytes) -> list[bytes]:
    """The HTTP chunks of a raw answer, the last empty one included when it came."""
    body, found = data.split(b"\r\n\r\n", 1)[1], []
    while body:
        size, _, rest = body.partition(b"\r\n")
        found.append(rest[: int(size, 16)])
        body = rest[int(size, 16) + 2 :]
    return found


# ------------------------------------------------------------ another answer


@pytest.mark.parametrize(
    ("kind", "path", "headers"),
    [
        ("openai", _CHAT, {}),
        ("grok", _CHAT, {}),
        ("anthropic", "/v1/messages", ANTHROPIC),
        ("ollama", "/api/chat", {}),
        ("bedrock", "/invoke", {}),
        ("bedrock_native", "/model/m/converse", AWS),
    ],
)
def test_a_status_gets_the_vendors_own_error_form(wire: Wire, kind: str, path: str, headers: dict[str, str]) -> None:
    _with(wire, status=429, message="slow down", retry_after=7)
    got = wire.post(kind, path, {}, headers)
    assert (got.status, got.headers["retry-after"]) == (429, "7")
    if kind == "openai":
        assert (got.json["error"]["code"], got.json["error"]["message"]) == ("rate_limit_exceeded", "slow down")
    elif kind == "grok":
        assert got.json == {"code": "Some resource has been exhausted", "error": "slow down"}
    elif kind == "anthropic":
        assert (got.json["type"], got.json["error"]) == ("error", {"type": "rate_limit_error", "message": "slow down"})
    elif kind == "ollama":
        assert got.json == {"error": "slow down"}
    elif kind == "bedrock":
        assert got.json == {"detail": "slow down"}
    else:
        assert (got.headers["x-amzn-errortype"], got.json) == ("ThrottlingException", {"message": "slow down"})
    assert wire.simulator.counts()[kind].models[""].errors == 1


def test_status_headers_and_body_can_be_anything(wire: Wire) -> None:
    _with(wire, status=418, body="[1]", headers={"X-Odd": "yes", "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})
    got = wire.post("openai", _CHAT, _ASK)
    assert (got.status, got.body, got.headers["x-odd"]) == (418, b"[1]", "yes")
    assert got.headers["retry-after"] == "Wed, 21 Oct 2026 07:28:00 GMT"


def test_a_body_may_be_bytes(wire: Wire) -> None:
    _with(wire, body_base64=b"\xff\x00\xfe")
    assert wire.post("openai", _CHAT, _ASK).body == b"\xff\x00\xfe"


def test_headers_alone_leave_the_answer(wire: Wire) -> None:
    _with(wire, headers={"x-ratelimit-remaining-requests": "0"})
    got = wire.post("openai", _CHAT, _ASK)
    assert (got.status, got.headers["x-ratelimit-remaining-requests"], "choices" in got.json) == (200, "0", True)


@pytest.mark.parametrize("form", ["json", "schema", "html", "empty"])
def test_malformed_bodies(wire: Wire, form: str) -> None:
    _with(wire, malformed=form)
    got = wire.post("openai", _CHAT, _ASK)
    assert got.status == 200
    if form == "schema":
        assert "choices" not in got.json
    else:
        with pytest.raises(ValueError):
            _ = got.json
        assert (form == "html") == got.headers["content-type"].startswith("text/html")


def test_a_malformed_frame_inside_a_stream(wire: Wire) -> None:
    _with(wire, malformed="json")
    frames = wire.post("openai", _CHAT, _STREAM).body.split(b"\n\n")
    json.loads(frames[0][6:])
    with pytest.raises(ValueError):
        json.loads(frames[1][6:])


# ------------------------------------------------------------ endings


def test_a_reset_before_the_headers(wire: Wire) -> None:
    _with(wire, reset_before_headers=True)
    assert read_all(wire.open("openai", _CHAT, _ASK)) == (b"", True)
    assert (_outcome(wire)["outcome"], wire.simulator.counts()["openai"].models[""].input_tokens) == ("reset", 0)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_reset_after_so_many_frames(wire: Wire, count: int) -> None:
    _with(wire, reset_after_chunks=count)
    data, was_reset = read_all(wire.open("openai", _CHAT, _STREAM))
    assert (was_reset, len(_chunks(data)), data.startswith(b"HTTP/1.1 200 OK\r\n")) == (True, count, True)
    assert _outcome(wire)["chunks_sent"] == count


def test_an_unstreamed_answer_is_torn_by_64_bytes(wire: Wire) -> None:
    _with(wire, reset_after_chunks=2)
    data, was_reset = read_all(wire.open("openai", _CHAT, _ASK))
    head, _, body = data.partition(b"\r\n\r\n")
    assert (was_reset, len(body)) == (True, 128)
    assert int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) > 128


def test_a_connection_closed_inside_the_body(wire: Wire) -> None:
    _with(wire, close_after_chunks=2)
    data, was_reset = read_all(wire.open("openai", _CHAT, _STREAM))
    assert (was_reset, len(_chunks(data)), data.endswith(b"0\r\n\r\n")) == (False, 2, False)
    assert _outcome(wire)["outcome"] == "closed"


@pytest.mark.parametrize(("kind", "path", "end"), [("openai", _CHAT, b"[DONE]"), ("anthropic", "/v1/messages", b"message_stop")])
def test_a_clean_early_end_is_whole_http_without_the_protocols_end(wire: Wire, kind: str, path: str, end: bytes) -> None:
    _with(wire, end_after_chunks=4)
    got = wire.post(kind, path, {**_STREAM, "max_tokens": 99}, ANTHROPIC)
    assert (got.status, end in got.body, len(got.events)) == (200, False, 4)
    assert _outcome(wire)["outcome"] == "cut"


def test_an_unstreamed_body_can_end_early_as_whole_http(wire: Wire) -> None:
    _with(wire, end_after_chunks=1)
    got = wire.post("openai", _CHAT, _ASK)
    assert (got.status, len(got.body), got.headers["transfer-encoding"]) == (200, 64, "chunked")


def test_a_torn_stream_is_charged_for_the_frames_sent(wire: Wire) -> None:
    _with(wire, end_after_chunks=4)
    got = wire.post("openai", _CHAT, _STREAM)
    text = "".join(data["choices"][0]["delta"].get("content", "") for _, data in got.events)
    totals = wire.simulator.counts()["openai"].models["gpt-4o-mini"]
    assert (totals.output_tokens, totals.aborted) == (-(-len(text.encode()) // 4), 1)
    assert totals.input_tokens == 5


def test_an_unannounced_close_after_a_whole_answer(wire: Wire) -> None:
    _with(wire, close_after_answer=True)
    data, was_reset = read_all(wire.open("openai", _CHAT, _ASK))
    assert (was_reset, b"connection: close" in data) == (False, False)
    json.loads(data.split(b"\r\n\r\n", 1)[1])


def test_silence(wire: Wire) -> None:
    _with(wire, never_answer=True)
    connected = wire.open("openai", _CHAT, _ASK)
    connected.settimeout(0.1)
    with pytest.raises(TimeoutError):
        connected.recv(1)
    connected.close()
    entry = _outcome(wire)
    assert (entry["outcome"], entry["client_left"], entry["bytes_sent"]) == ("client_left", True, 0)


@pytest.mark.parametrize(
    ("kind", "path", "headers"), [("openai", _CHAT, {}), ("anthropic", "/v1/messages", ANTHROPIC), ("ollama", "/api/chat", {})]
)
def test_an_error_inside_a_stream_has_the_vendors_form(wire: Wire, kind: str, path: str, headers: dict[str, str]) -> None:
    _with(wire, error_after_chunks=2, error_status=529, message="too busy")
    got = wire.post(kind, path, {**_STREAM, "max_tokens": 99}, headers)
    if kind == "ollama":
        assert (len(got.lines), got.lines[-1]) == (3, {"error": "too busy"})
        return
    name, data = got.events[-1]
    assert (got.status, len(got.events), data["error"]["message"]) == (200, 3, "too busy")
    if kind == "anthropic":
        assert (name, data["type"], data["error"]["type"]) == ("error", "error", "overloaded_error")


# ------------------------------------------------------------ pace


@pytest.mark.parametrize(("fault", "least_s"), [({"delay_s": 0.15}, 0.15), ({"body_delay_s": 0.15}, 0.15), ({"chunk_delay_s": 0.02}, 0.2)])
def test_delays(wire: Wire, fault: dict[str, float], least_s: float) -> None:
    _with(wire, **fault)
    started = time.monotonic()
    assert wire.post("openai", _CHAT, _STREAM).events[-1][1] == "[DONE]"
    assert time.monotonic() - started >= least_s


def test_a_body_delay_comes_after_the_headers(wire: Wire) -> None:
    _with(wire, body_delay_s=30)
    connected = wire.open("openai", _CHAT, _STREAM)
    assert connected.recv(65_536).endswith(b"\r\n\r\n")
    connected.close()


def test_a_drip_sends_byte_by_byte(wire: Wire) -> None:
    _with(wire, drip=Drip(every_s=0.002, size_bytes=1, head=True), body="0123456789")
    connected = wire.open("openai", _CHAT, _ASK)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    parts: list[bytes] = []
    while not (parts and b"".join(parts).endswith(b"0123456789")):
        parts.append(connected.recv(65_536))
    connected.close()
    assert len(parts) > 10


def test_a_client_that_leaves_is_noticed_and_charged_for_its_part(wire: Wire) -> None:
    _with(wire, chunk_delay_s=0.1)
    connected = wire.open("openai", _CHAT, _STREAM)
    data = b""
    while data.count(b"data: ") < 3:
        data += connected.recv(65_536)
    connected.close()
    entry = _outcome(wire)
    assert (entry["outcome"], entry["client_left"]) == ("client_left", True)
    assert 3 <= int(str(entry["chunks_sent"])) < 20
    totals = wire.simulator.counts()["openai"].models["gpt-4o-mini"]
    assert 0 < totals.output_tokens < 40


# ------------------------------------------------------------ shape


def _text(got: Got) -> str:
    return "".join(data["choices"][0]["delta"].get("content", "") for _, data in got.events if data != "[DONE]")


def _right_text(wire: Wire) -> str:
    text = str(wire.post("openai", _CHAT, _ASK).json["choices"][0]["message"]["content"])
    return text


def test_frames_twice(wire: Wire) -> None:
    right = wire.post("openai", _CHAT, _STREAM).body.split(b"\n\n")[:-1]
    _with(wire, duplicate_chunks=True)
    doubled = wire.post("openai", _CHAT, _STREAM).body.split(b"\n\n")[:-1]
    assert len(doubled) == 2 * len(right)
    assert doubled[0::2] == doubled[1::2]


def test_neighbours_swapped(wire: Wire) -> None:
    right = [data for _, data in wire.post("openai", _CHAT, _STREAM).events]
    _with(wire, reorder_chunks=True)
    swapped = [data for _, data in wire.post("openai", _CHAT, _STREAM).events]
    shape = [data if data == "[DONE]" else data["choices"] for data in right]
    other = [data if data == "[DONE]" else data["choices"] for data in swapped]
    assert (other[0], other[1], sorted(map(str, other))) == (shape[1], shape[0], sorted(map(str, shape)))


@pytest.mark.parametrize("ends", ["crlf", "cr", "mixed"])
def test_line_ends(wire: Wire, ends: str) -> None:
    right = _right_text(wire)
    _with(wire, line_ends=ends)
    got = wire.post("openai", _CHAT, _STREAM)
    assert (b"\r\n\r\n" in got.body) == (ends != "cr")
    assert (b"\r\r" in got.body) == (ends != "crlf")
    plain = got.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert _text(Got(200, {}, plain)) == right


def test_comments_and_data_over_two_lines(wire: Wire) -> None:
    right = _right_text(wire)
    _with(wire, comments=True, multi_line_data=True)
    got = wire.post("openai", _CHAT, _STREAM)
    assert got.body.startswith(b": simulated comment\n\ndata: {\ndata: ")
    without = b"\n\n".join(block for block in got.body.split(b"\n\n") if not block.startswith(b":"))
    assert _text(Got(200, {}, without)) == right


def test_cuts_inside_characters(wire: Wire) -> None:
    right = _right_text(wire)
    _with(wire, split_utf8=True)
    data, _ = read_all(wire.open("openai", _CHAT, _STREAM, extra="connection: close\r\n"))
    chunks = _chunks(data)
    torn = [chunk for chunk in chunks if _is_torn(chunk)]
    assert len(torn) >= 2
    assert _text(Got(200, {}, b"".join(chunks))) == right


def _is_torn(chunk: bytes) -> bool:
    try:
        chunk.decode()
    except UnicodeDecodeError:
        return True
    return False


def test_cut_anew_into_chunks_of_a_size(wire: Wire) -> None:
    _with(wire, split_bytes=5)
    data, _ = read_all(wire.open("bedrock", "/invoke", {"prompt": "hi"}, extra="connection: close\r\n"))
    chunks = _chunks(data)
    assert {len(chunk) for chunk in chunks[:-2]} == {5}
    assert "output" in json.loads(b"".join(chunks))


# ------------------------------------------------------------ too much


def test_a_huge_body_is_valid_json(wire: Wire) -> None:
    _with(wire, huge=Huge(body_bytes=3_000_000))
    got = wire.post("openai", _CHAT, _ASK)
    assert len(got.body) > 3_000_000
    assert (len(got.json["padding"]), "choices" in got.json) == (3_000_000, True)


def test_a_huge_stream_repeats_a_frame(wire: Wire) -> None:
    _with(wire, huge=Huge(body_bytes=1_000_000))
    got = wire.post("openai", _CHAT, _STREAM)
    assert len(got.body) > 1_000_000
    assert got.events[-1][1] == "[DONE]"


@pytest.mark.parametrize(("kind", "path"), [("openai", _CHAT), ("ollama", "/api/chat"), ("bedrock_native", "/model/m/converse-stream")])
def test_a_huge_line(wire: Wire, kind: str, path: str) -> None:
    _with(wire, huge=Huge(line_bytes=2_000_000))
    body = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]} if kind == "bedrock_native" else _STREAM
    got = wire.post(kind, path, body, AWS)
    assert b"x" * 2_000_000 in got.body
    assert max(map(len, got.body.split(b"\n"))) > 2_000_000


def test_many_headers(wire: Wire) -> None:
    _with(wire, huge=Huge(headers=3000))
    data, _ = read_all(wire.open("openai", _CHAT, _ASK, extra="connection: close\r\n"))
    assert data.count(b"x-padding-") == 3000


def test_a_gzip_bomb_holds_the_answer_behind_white_space(wire: Wire) -> None:
    _with(wire, gzip_bomb_bytes=20_000_000)
    got = wire.post("openai", _CHAT, _ASK)
    assert got.headers["content-encoding"] == "gzip"
    assert len(got.body) < 200_000
    unpacked = gzip.decompress(got.body)
    assert len(unpacked) > 20_000_000
    assert "choices" in json.loads(unpacked)
    assert zlib.crc32(unpacked) == int.from_bytes(got.body[-8:-4], "little")


# ------------------------------------------------------------ quirks


def test_usage_can_be_missing_everywhere(wire: Wire) -> None:
    _with(wire, quirks=("omit_usage",))
    assert "usage" not in wire.post("openai", _CHAT, _ASK).json
    assert "usage" not in wire.post("anthropic", "/v1/messages", {**_ASK, "max_tokens": 9}, ANTHROPIC).json
    assert "eval_count" not in wire.post("ollama", "/api/chat", {**_ASK, "stream": False}).json
    converse = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    assert "usage" not in wire.post("bedrock_native", "/model/m/converse", converse, AWS).json
    assert b"metadata" not in wire.post("bedrock_native", "/model/m/converse-stream", converse, AWS).body
    assert wire.simulator.counts()["openai"].models["gpt-4o-mini"].input_tokens == 5


def test_a_converse_answer_without_output(wire: Wire) -> None:
    _with(wire, quirks=("no_output",))
    got = wire.post("bedrock_native", "/model/m/converse", {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}, AWS)
    assert (got.status, "output" in got.json) == (200, False)


def test_every_field_of_a_fault_has_a_place_in_its_description() -> None:
    described = Fault.__doc__ or ""
    assert [name for name in Fault.__struct_fields__ if name not in described] == []
