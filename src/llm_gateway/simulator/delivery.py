"""How an answer goes out: the right one, or the right one with a fault put on it."""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Literal

import msgspec

from llm_gateway.simulator.dialects.eventstream import event
from llm_gateway.simulator.exchange import Answer, Bill, Framing
from llm_gateway.simulator.faults import Drip, Fault

Piece = tuple[bytes, int]
Ending = Literal["end", "cut", "reset", "close"]

_BODY_CHUNK_BYTES = 64
_BLOCK_BYTES = 1 << 20
_HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
_REASONS = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded", 520: "Unknown Error"}
_LINE_ENDS = {"crlf": (b"\r\n",), "cr": (b"\r",), "mixed": (b"\r\n", b"\n", b"\r")}
_SEVERAL_BYTES = re.compile(rb"[\xc2-\xf4](?=[\x80-\xbf])")


class Delivery(msgspec.Struct):
    """An answer on its way. `pieces` come with the output tokens charged once each is out.

    `length_bytes` is announced when known; otherwise the body is sent in HTTP chunks. After `stop_after` pieces `ending`
    happens instead of the rest: `cut` ends the body well-formed, `close` the connection, `reset` resets it.
    """

    status: int
    headers: list[tuple[str, str]]
    pieces: Iterable[Piece]
    bill: Bill | None
    length_bytes: int | None = None
    delay_s: float = 0
    body_delay_s: float = 0
    chunk_delay_s: float = 0
    never: bool = False
    ending: Ending = "end"
    stop_after: int | None = None
    drip: Drip | None = None
    close_after: bool = False
    partial_bill: bool = False


def plain(answer: Answer) -> Delivery:
    """The answer as it is."""
    marks = answer.marks
    pieces: list[Piece] = [*zip(answer.pieces, marks, strict=True)] if marks is not None else [(piece, 0) for piece in answer.pieces]
    headers = [("content-type", answer.content_type), *answer.headers]
    length = sum(map(len, answer.pieces)) if answer.framing == "body" else None
    return Delivery(answer.status, headers, pieces, answer.bill, length, partial_bill=marks is not None)


def with_fault(answer: Answer, fault: Fault, stream_error: Callable[[int, str], bytes]) -> Delivery:
    """The answer with the fault put on it; `stream_error` makes the vendor's error frame."""
    answer = _replaced(answer, fault)
    delivery = plain(answer)
    for name, value in _own_headers(fault).items():
        delivery.headers = [*(pair for pair in delivery.headers if pair[0] != name), (name, value)]
    pieces = [*delivery.pieces]
    if fault.error_after_chunks is not None:
        frame = stream_error(fault.error_status, fault.message or "simulated failure inside the stream")
        pieces = pieces[: fault.error_after_chunks]
        pieces.append((frame, pieces[-1][1] if pieces else 0))
    delivery.pieces = _reshaped(pieces, answer.framing, fault)
    stops: tuple[tuple[Ending, int | None], ...]
    stops = (("reset", fault.reset_after_chunks), ("close", fault.close_after_chunks), ("cut", fault.end_after_chunks))
    for ending, after in stops:
        if after is not None:
            delivery.ending, delivery.stop_after = ending, after
    if fault.reset_before_headers:
        delivery.ending, delivery.stop_after = "reset", -1
    if delivery.ending == "cut" or fault.split_bytes is not None:
        delivery.length_bytes = None
    if fault.huge is not None or fault.gzip_bomb_bytes is not None:
        _enlarged(delivery, answer.framing, fault)
    delivery.delay_s, delivery.body_delay_s, delivery.chunk_delay_s = fault.delay_s, fault.body_delay_s, fault.chunk_delay_s
    delivery.never, delivery.drip, delivery.close_after = fault.never_answer, fault.drip, fault.close_after_answer
    return delivery


def reason(status: int) -> str:
    """The phrase beside a status."""
    return _REASONS.get(status, "Unknown")


def _own_headers(fault: Fault) -> dict[str, str]:
    headers = {name.lower(): value for name, value in fault.headers.items()}
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    return headers


def _replaced(answer: Answer, fault: Fault) -> Answer:
    """The answer with another body, where the fault has one."""
    body: bytes | None = None
    kind = answer.content_type
    if fault.body is not None:
        body, kind = fault.body.encode(), "application/json"
    elif fault.body_base64 is not None:
        body, kind = fault.body_base64, "application/octet-stream"
    elif fault.malformed == "html":
        body, kind = _HTML, "text/html"
    elif fault.malformed == "empty":
        body = b""
    elif fault.malformed == "schema":
        body, kind = b'{"status":"ok","result":{"items":[1,2,3]}}', "application/json"
    elif fault.malformed == "json":
        return _cut_json(answer)
    if body is None:
        return answer
    return Answer(fault.status or answer.status, kind, [body], "body", answer.headers)


def _cut_json(answer: Answer) -> Answer:
    """The answer with the JSON of its body, or of the second of its frames, broken off in the middle."""
    if answer.framing == "body":
        whole = b"".join(answer.pieces)
        return Answer(answer.status, answer.content_type, [whole[: len(whole) // 2]], "body", answer.headers)
    pieces = [*answer.pieces]
    at = min(1, len(pieces) - 1)
    keep = pieces[at].rstrip(b"\n")
    pieces[at] = keep[: len(keep) // 2 + 4] + pieces[at][len(keep) :]
    return Answer(answer.status, answer.content_type, pieces, answer.framing, answer.headers, answer.bill, answer.marks)


def _reshaped(pieces: list[Piece], framing: Framing, fault: Fault) -> list[Piece]:
    if fault.duplicate_chunks:
        pieces = [piece for piece in pieces for _ in range(2)]
    if fault.reorder_chunks:
        swapped = [*pieces]
        swapped[1::2], swapped[: len(pieces) // 2 * 2 : 2] = pieces[: len(pieces) // 2 * 2 : 2], pieces[1::2]
        pieces = swapped
    if framing == "sse" and fault.multi_line_data:
        pieces = [(_two_lines(frame), mark) for frame, mark in pieces]
    if framing == "sse" and fault.comments:
        pieces = [(b": simulated comment\n\n" + frame, mark) for frame, mark in pieces]
    if fault.line_ends is not None and framing in ("sse", "ndjson"):
        ends = _LINE_ENDS["crlf" if framing == "ndjson" else fault.line_ends]
        pieces = [(frame.replace(b"\n", ends[index % len(ends)]), mark) for index, (frame, mark) in enumerate(pieces)]
    if fault.split_utf8:
        pieces = [cut for frame, mark in pieces for cut in _inside_characters(frame, mark)]
    stops = (fault.reset_after_chunks, fault.close_after_chunks, fault.end_after_chunks)
    if fault.split_bytes is not None:
        return _recut(pieces, fault.split_bytes)
    unit_wanted = any(stop is not None for stop in stops) or fault.chunk_delay_s > 0
    return _recut(pieces, _BODY_CHUNK_BYTES) if framing == "body" and unit_wanted else pieces


def _two_lines(frame: bytes) -> bytes:
    """An event whose JSON object goes over two `data` lines: the line end between is white space to JSON."""
    return frame.replace(b"data: {", b"data: {\ndata: ", 1)


def _inside_characters(frame: bytes, mark: int) -> Iterator[Piece]:
    start = 0
    for match in _SEVERAL_BYTES.finditer(frame):
        yield frame[start : match.end()], mark
        start = match.end()
    yield frame[start:], mark


def _recut(pieces: list[Piece], size_bytes: int) -> list[Piece]:
    return [(frame[start : start + size_bytes], mark) for frame, mark in pieces for start in range(0, len(frame), size_bytes)]


# ------------------------------------------------------------------ too much


def _enlarged(delivery: Delivery, framing: Framing, fault: Fault) -> None:
    pieces = [*delivery.pieces]
    if fault.gzip_bomb_bytes is not None:
        delivery.headers.append(("content-encoding", "gzip"))
        delivery.pieces, delivery.length_bytes = _bomb(pieces, fault.gzip_bomb_bytes), None
        return
    huge = fault.huge
    if huge is None:
        return
    delivery.headers += [(f"x-padding-{index}", "p" * 32) for index in range(huge.headers)]
    size = max(huge.body_bytes, huge.line_bytes)
    if not size:
        return
    if framing == "body":
        delivery.pieces = _padded_object(b"".join(frame for frame, _ in pieces), size)
    elif huge.line_bytes:
        delivery.pieces = (*pieces[:1], *(_huge_frame(framing, huge.line_bytes)), *pieces[1:])
    else:
        delivery.pieces = _repeating(pieces, huge.body_bytes)
    delivery.length_bytes = None


def _padded_object(whole: bytes, size_bytes: int) -> Iterator[Piece]:
    """A JSON object with a first field of that many letters; never whole in memory."""
    if not whole.startswith(b"{"):
        yield whole, 0
        whole = b"{}"
    yield b'{"padding":"', 0
    yield from _letters(size_bytes)
    yield (b'",' if len(whole) > 2 else b'"') + whole[1:], 0


def _letters(size_bytes: int) -> Iterator[Piece]:
    block = b"x" * _BLOCK_BYTES
    for start in range(0, size_bytes, _BLOCK_BYTES):
        yield block[: size_bytes - start], 0


def _huge_frame(framing: Framing, size_bytes: int) -> Iterable[Piece]:
    if framing == "eventstream":
        return ((event("contentBlockDelta", {"padding": "x" * size_bytes}), 0),)
    start, end = (b'data: {"padding":"', b'"}\n\n') if framing == "sse" else (b'{"padding":"', b'"}\n')
    return ((start, 0), *_letters(size_bytes), (end, 0))


def _repeating(pieces: list[Piece], size_bytes: int) -> Iterator[Piece]:
    """The stream with its middle frame repeated until so many bytes are out, in blocks of about 64 KiB."""
    middle = len(pieces) // 2
    frame, mark = pieces[middle]
    yield from pieces[:middle]
    block = frame * max(1, (1 << 16) // max(1, len(frame)))
    for _ in range(0, size_bytes, len(block)):
        yield block, mark
    yield from pieces[middle:]


def _bomb(pieces: list[Piece], size_bytes: int) -> Iterator[Piece]:
    """White space that packs a thousandfold, then the answer, gzipped; made block by block as it is sent."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * _BLOCK_BYTES
    for start in range(0, size_bytes, _BLOCK_BYTES):
        packed = packer.compress(block[: size_bytes - start])
        if packed:
            yield packed, 0
    yield packer.compress(b"".join(frame for frame, _ in pieces)) + packer.flush(), pieces[-1][1] if pieces else 0
