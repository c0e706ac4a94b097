"""`application/vnd.amazon.eventstream`: AWS's binary frames, cut at any byte.

Source: Smithy 2.0 specification, "Amazon Event Stream Specification". A frame is, all numbers big-endian:

    total length u32 | headers length u32 | CRC-32 of those 8 bytes | headers | payload | CRC-32 of all before it

and a header is `name length u8 | name | type u8 | value`, where types 0 and 1 are true and false without a value, 2 to 5 are
signed integers of 1, 2, 4 and 8 bytes, 6 and 7 are bytes and text after a u16 length, 8 is a time in milliseconds (8 bytes), 9 is a
UUID (16 bytes).
"""

from collections.abc import Mapping
from struct import Struct, error
from typing import Final, TypeAlias
from zlib import crc32

from llm_gateway.core.errors import ProviderBadResponse

HeaderValue: TypeAlias = bool | int | str | bytes

MAX_HEADERS_BYTES: Final = 128 << 10
MAX_PAYLOAD_BYTES: Final = 24 << 20

_PRELUDE = Struct("!III")
_LENGTHS = Struct("!II")
_CRC = Struct("!I")
_LENGTH = Struct("!H")
_INTEGERS = {2: Struct("!b"), 3: Struct("!h"), 4: Struct("!i"), 5: Struct("!q"), 8: Struct("!q")}
_OVERHEAD_BYTES = _PRELUDE.size + _CRC.size
_KNOWN_HEADERS = 64
"""Distinct header blocks remembered a stream. A stream has one for each kind of event, so they are parsed once."""


class Frame:
    """One message. `raw` is its exact bytes, checksums included."""

    __slots__ = ("headers", "payload", "raw")

    def __init__(self, headers: Mapping[str, HeaderValue], payload: bytes, raw: bytes) -> None:
        self.headers = headers
        self.payload = payload
        self.raw = raw

    def text(self, name: str) -> str:
        """A header's text; "" when it is absent or of another type."""
        value = self.headers.get(name, "")
        return value if isinstance(value, str) else ""


class FrameParser:
    """Splits a byte stream into frames.

    Raises `ProviderBadResponse` when a checksum does not match, a length is beyond the format's limits, or a header is malformed:
    then the bytes are not an event stream, or were damaged on the way, and nothing can be read after that. Whole frames before the
    damage are given first, however the bytes were cut: the failure then comes with the next call.
    """

    __slots__ = ("_buffer", "_failure", "_known", "_needed", "_prelude_checked")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = _PRELUDE.size
        self._prelude_checked = False
        self._known: dict[bytes, dict[str, HeaderValue]] = {}
        self._failure: ProviderBadResponse | None = None

    def feed(self, data: bytes) -> list[Frame]:
        if self._failure is not None:
            raise self._failure
        self._buffer += data
        frames: list[Frame] = []
        try:
            self._split(frames)
        except ProviderBadResponse as failure:
            self._failure = failure
            if not frames:
                raise
        return frames

    def finish(self) -> None:
        """The bytes have ended.

        Raises:
            ProviderBadResponse: inside a frame, or after a damaged one.
        """
        if self._failure is not None:
            raise self._failure
        if self._buffer:
            raise ProviderBadResponse("the provider broke off inside a frame")

    def _split(self, frames: list[Frame]) -> None:
        buffer = self._buffer
        start = 0
        try:
            while len(buffer) - start >= self._needed:
                if not self._prelude_checked:
                    self._needed = _checked_total(buffer, start)
                    self._prelude_checked = True
                    continue
                end = start + self._needed
                frames.append(self._frame(bytes(memoryview(buffer)[start:end])))
                start = end
                self._needed, self._prelude_checked = _PRELUDE.size, False
        finally:
            del buffer[:start]

    def _frame(self, raw: bytes) -> Frame:
        body_end = len(raw) - _CRC.size
        # One pass over a view: a copy of the frame without its last four bytes would double the work.
        if crc32(memoryview(raw)[:body_end]) != _CRC.unpack_from(raw, body_end)[0]:
            raise ProviderBadResponse("the provider sent a frame whose checksum does not match its content")
        headers_end = _PRELUDE.size + _LENGTHS.unpack_from(raw)[1]
        block = raw[_PRELUDE.size : headers_end]
        headers = self._known.get(block)
        if headers is None:
            headers = _headers(block)
            if len(self._known) < _KNOWN_HEADERS:
                self._known[block] = headers
        return Frame(headers, raw[headers_end:body_end], raw)


def _checked_total(buffer: bytearray, start: int) -> int:
    total, headers_length, checksum = _PRELUDE.unpack_from(buffer, start)
    if crc32(buffer[start : start + _LENGTHS.size]) != checksum:
        raise ProviderBadResponse("the provider's answer is not an AWS event stream: the checksum of a frame's lengths does not match")
    payload_length = total - headers_length - _OVERHEAD_BYTES
    if headers_length > MAX_HEADERS_BYTES or not 0 <= payload_length <= MAX_PAYLOAD_BYTES:
        raise ProviderBadResponse(f"the provider sent a frame of {total} bytes, {headers_length} of them headers: over the limits")
    return int(total)


def _headers(block: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    position, end = 0, len(block)
    try:
        while position < end:
            name_end = position + 1 + block[position]
            name = block[position + 1 : name_end].decode()
            kind = block[name_end]
            headers[name], position = _value(block, kind, name_end + 1)
    except (IndexError, error, UnicodeDecodeError) as failure:
        raise ProviderBadResponse("the provider sent a frame with malformed headers") from failure
    if position != end:
        raise ProviderBadResponse("the provider sent a frame whose headers are longer than it says")
    return headers


def _value(block: bytes, kind: int, at: int) -> tuple[HeaderValue, int]:
    """The value of type `kind` at `at`, and where the next header starts."""
    if kind in (0, 1):
        return kind == 0, at
    if kind in _INTEGERS:
        integer = _INTEGERS[kind]
        return int(integer.unpack_from(block, at)[0]), at + integer.size
    if kind == 9:
        return block[at : at + 16], at + 16
    if kind not in (6, 7):
        raise ProviderBadResponse(f"the provider sent a frame with a header of unknown type {kind}")
    start = at + _LENGTH.size
    end = start + int(_LENGTH.unpack_from(block, at)[0])
    value = block[start:end]
    return (value.decode() if kind == 7 else value), end
