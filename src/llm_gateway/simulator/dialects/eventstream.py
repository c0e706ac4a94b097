"""Frames of `application/vnd.amazon.eventstream`.

Source: AWS "Event stream encoding": big-endian total length, headers' length, CRC32 of those eight bytes; headers as
(name length, name, type 7, value length, value); payload; CRC32 of all before it.
"""

import struct
from zlib import crc32

from llm_gateway.simulator.exchange import JsonObject, encode

_STRING = 7


def frame(headers: tuple[tuple[str, str], ...], payload: bytes) -> bytes:
    """One frame with text headers."""
    packed = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(value)) + value.encode() for name, value in headers
    )
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    message = prelude + struct.pack("!I", crc32(prelude)) + packed + payload
    return message + struct.pack("!I", crc32(message))


def event(name: str, payload: JsonObject) -> bytes:
    """An event of that type, its payload as JSON."""
    return frame(((":event-type", name), (":content-type", "application/json"), (":message-type", "event")), encode(payload))


def exception(name: str, message: str) -> bytes:
    """An exception inside the stream."""
    headers = ((":exception-type", name), (":content-type", "application/json"), (":message-type", "exception"))
    return frame(headers, encode({"message": message}))
