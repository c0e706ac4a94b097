"""Event-stream frames, against botocore's parser and the format's own limits."""

from itertools import pairwise
from struct import pack
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import ProviderBadResponse
from llm_gateway.protocols.aws_eventstream import MAX_HEADERS_BYTES, MAX_PAYLOAD_BYTES, Frame, FrameParser, HeaderValue

EMPTY = b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff"
"""The smallest message there is, from the format's published test cases."""


def sealed(headers: bytes, payload: bytes) -> bytes:
    prelude = pack("!II", len(headers) + len(payload) + 16, len(headers))
    message = prelude + pack("!I", crc32(prelude)) + headers + payload
    return message + pack("!I", crc32(message))


def header(name: str, value: HeaderValue) -> bytes:
    start = bytes([len(name.encode())]) + name.encode()
    if isinstance(value, bool):
        return start + (b"\x00" if value else b"\x01")
    if isinstance(value, int):
        return start + b"\x05" + pack("!q", value)
    raw = value.encode() if isinstance(value, str) else value
    return start + (b"\x07" if isinstance(value, str) else b"\x06") + pack("!H", len(raw)) + raw


def event(payload: bytes = b'{"a":1}', kind: str = "contentBlockDelta") -> bytes:
    return sealed(header(":event-type", kind) + header(":message-type", "event"), payload)


def plain(frames: list[Frame]) -> list[tuple[dict[str, HeaderValue], bytes, bytes]]:
    return [(dict(frame.headers), frame.payload, frame.raw) for frame in frames]


def test_the_empty_message() -> None:
    (frame,) = FrameParser().feed(EMPTY)
    assert (dict(frame.headers), frame.payload, frame.raw) == ({}, b"", EMPTY)


def test_every_type_of_header() -> None:
    block = b"".join(
        [
            header("yes", True),
            header("no", False),
            b"\x01b\x02\xff",
            b"\x01s\x03\xff\xfe",
            b"\x01i\x04\xff\xff\xff\xfd",
            header("l", 1 << 40),
            header("bytes", b"\x00\xff"),
            header("text", "grün"),
            b"\x01t\x08" + pack("!q", 1_700_000_000_000),
            b"\x01u\x09" + bytes(range(16)),
        ]
    )
    (frame,) = FrameParser().feed(sealed(block, b""))
    assert frame.headers == {
        "yes": True, "no": False, "b": -1, "s": -2, "i": -3, "l": 1 << 40, "bytes": b"\x00\xff", "text": "grün",
        "t": 1_700_000_000_000, "u": bytes(range(16)),
    }  # fmt: skip
    assert frame.text("text") == "grün"
    assert frame.text("l") == frame.text("absent") == ""


values = st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text(max_size=20) | st.binary(max_size=20)
names = st.text(st.characters(codec="ascii"), min_size=1, max_size=20)
messages = st.tuples(st.dictionaries(names, values, max_size=4), st.binary(max_size=60))


@given(st.lists(messages, max_size=5), st.lists(st.integers(0, 500), max_size=8))
def test_any_cut_gives_the_same_frames_as_botocore(parts: list[tuple[dict[str, HeaderValue], bytes]], cuts: list[int]) -> None:
    stream = b"".join(sealed(b"".join(header(name, value) for name, value in headers.items()), payload) for headers, payload in parts)
    oracle = EventStreamBuffer()
    oracle.add_data(stream)
    expected = [(message.headers, message.payload) for message in oracle]
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    parser = FrameParser()
    frames = [frame for start, end in pairwise(bounds) for frame in parser.feed(stream[start:end])]
    parser.finish()
    assert [(dict(frame.headers), frame.payload) for frame in frames] == expected
    assert b"".join(frame.raw for frame in frames) == stream


def test_byte_by_byte() -> None:
    stream = event() + event(b"", "messageStart") + EMPTY
    parser = FrameParser()
    frames = [frame for byte in stream for frame in parser.feed(bytes([byte]))]
    parser.finish()
    assert plain(frames) == plain(FrameParser().feed(stream))


@given(st.integers(0, len(event()) - 1), st.integers(1, 255))
def test_any_damaged_byte_is_noticed(position: int, flip: int) -> None:
    damaged = bytearray(event())
    damaged[position] ^= flip
    parser = FrameParser()
    with pytest.raises(ProviderBadResponse):
        parser.feed(bytes(damaged))
    with pytest.raises(ProviderBadResponse):
        parser.feed(event())


def test_what_is_no_event_stream_says_so() -> None:
    with pytest.raises(ProviderBadResponse, match="not an AWS event stream"):
        FrameParser().feed(b'{"output":{"message":{}}}')


def test_frames_before_the_damage_come_first() -> None:
    parser = FrameParser()
    assert len(parser.feed(event() + event()[:-1] + b"\x00")) == 1
    with pytest.raises(ProviderBadResponse, match="checksum"):
        parser.finish()


def test_an_end_inside_a_frame() -> None:
    parser = FrameParser()
    assert parser.feed(event()[:-1]) == []
    with pytest.raises(ProviderBadResponse, match="inside a frame"):
        parser.finish()


@pytest.mark.parametrize(
    ("total", "headers"),
    [(15, 0), (16, 1), (MAX_PAYLOAD_BYTES + 17, 0), (MAX_HEADERS_BYTES + 17, MAX_HEADERS_BYTES + 1)],
)
def test_lengths_beyond_the_format_are_refused_before_anything_is_kept(total: int, headers: int) -> None:
    prelude = pack("!II", total, headers)
    with pytest.raises(ProviderBadResponse, match="over the limits"):
        FrameParser().feed(prelude + pack("!I", crc32(prelude)))


@pytest.mark.parametrize(
    "block",
    [
        b"\x05ab",
        b"\x01a",
        b"\x01a\x07\x00",
        b"\x01a\x07\x00\x09ab",
        b"\x01a\x07\x00\x01\xff",
        b"\x01a\x05\x00",
        b"\x01a\x09\x00",
        b"\x01a\x0a",
    ],
)
def test_malformed_headers(block: bytes) -> None:
    with pytest.raises(ProviderBadResponse):
        FrameParser().feed(sealed(block, b""))
