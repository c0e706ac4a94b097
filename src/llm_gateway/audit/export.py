"""The trail as a file: JSON Lines that can be verified offline, or CSV for a spreadsheet.

JSON Lines: first an `export` line that says what was asked for; then `head` and `checkpoint` lines; then a `row` line for each row,
chain by chain in order. A row's `detail` stands there byte for byte as it was sealed: a tool that writes the lines anew breaks that.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

import msgspec

from llm_gateway.audit.chain import Checkpoint, Head
from llm_gateway.audit.rows import COLUMNS, Row
from llm_gateway.audit.search import Filters

_encode = msgspec.json.Encoder().encode
FORMAT_VERSION: Final = 1
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_DETAILS: Final = ("model", "error", "input_tokens", "output_tokens", "cost_usd", "duration_ms")


class Export(msgspec.Struct, frozen=True, tag="export", tag_field="type"):
    """The first line. `complete`: every row there was, up to the heads."""

    version: int
    key_id: str
    complete: bool
    filters: Filters


class HeadLine(msgspec.Struct, frozen=True, tag="head", tag_field="type"):
    chain: str
    seq: int
    mac: str
    at_us: int
    oldest_open: int
    state: str
    seal: str


class CheckpointLine(msgspec.Struct, frozen=True, tag="checkpoint", tag_field="type"):
    chain: str
    seq: int
    mac: str
    at_us: int
    seal: str


class RowLine(msgspec.Struct, frozen=True, tag="row", tag_field="type"):
    chain: str
    seq: int
    at_us: int
    kind: str
    call: int
    correlation_id: str
    caller: str
    provider: str
    sensitive: int
    outcome: str
    detail: msgspec.Raw
    prev: str
    mac: str


Line = Export | HeadLine | CheckpointLine | RowLine
_decoder: Final[msgspec.json.Decoder[Line]] = msgspec.json.Decoder(Line)


def opening_lines(key_id: str, filters: Filters, heads: Iterable[Head], checkpoints: Iterable[Checkpoint]) -> Iterator[bytes]:
    """The lines before the rows."""
    complete = filters.is_all
    yield _encode(Export(FORMAT_VERSION, key_id, complete, filters)) + b"\n"
    if complete:
        for head in heads:
            yield _encode(HeadLine(**(head._asdict() | {"mac": head.mac.hex(), "seal": head.seal.hex()}))) + b"\n"
        for point in checkpoints:
            yield _encode(CheckpointLine(**(point._asdict() | {"mac": point.mac.hex(), "seal": point.seal.hex()}))) + b"\n"


def row_line(row: Row) -> bytes:
    """A row as a line."""
    detail = msgspec.Raw(row.detail.encode())
    return _encode(RowLine(*row[:10], detail, row.prev.hex(), row.mac.hex())) + b"\n"


def parse(line: bytes) -> Export | Head | Checkpoint | Row:
    """What a line stands for.

    Raises:
        ValueError, msgspec.MsgspecError: it is no line of an export.
    """
    found: Line = _decoder.decode(line)
    match found:
        case HeadLine(chain, seq, mac, at_us, oldest_open, state, seal):
            return Head(chain, seq, bytes.fromhex(mac), at_us, oldest_open, state, bytes.fromhex(seal))
        case CheckpointLine(chain, seq, mac, at_us, seal):
            return Checkpoint(chain, seq, bytes.fromhex(mac), at_us, bytes.fromhex(seal))
        case RowLine():
            return Row(
                found.chain, found.seq, found.at_us, found.kind, found.call, found.correlation_id, found.caller, found.provider,
                found.sensitive, found.outcome, bytes(found.detail).decode(), bytes.fromhex(found.prev), bytes.fromhex(found.mac),
            )  # fmt: skip
        case Export():
            return found


def csv_header() -> bytes:
    """The first line of a CSV file."""
    return _csv((*COLUMNS[:10], *_DETAILS, "detail"))


def csv_line(row: Row) -> bytes:
    """A row as a CSV line (RFC 4180). Texts that a spreadsheet would run as a formula get an apostrophe before them."""
    try:
        detail = msgspec.json.decode(row.detail, type=dict[str, object])
    except msgspec.MsgspecError:
        detail = {}
    attempt = detail.get("attempt") or ([*_attempts(detail), {}])[0]
    model = attempt.get("model", "") if isinstance(attempt, Mapping) else ""
    shown = {**detail, "model": model}
    return _csv((*row[:10], *(shown.get(name, "") for name in _DETAILS), row.detail))


def _attempts(detail: Mapping[str, object]) -> list[object]:
    attempts = detail.get("attempts")
    return list(reversed(attempts)) if isinstance(attempts, list) else []


def _csv(values: Iterable[object]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([_harmless(value) for value in values])
    return out.getvalue().encode("utf-8", "replace")


def _harmless(value: object) -> object:
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value


Format = Literal["json", "jsonl", "csv"]


def format_of(asked: str | None, accept: str) -> Format:
    """What to answer in: `?format=` goes first, then the Accept header's first type that we speak."""
    match asked:
        case "json" | "jsonl" | "csv":
            return asked
    for part in accept.lower().split(","):
        match part.partition(";")[0].strip():
            case "text/csv":
                return "csv"
            case "application/jsonl" | "application/x-ndjson" | "application/x-jsonlines" | "application/jsonlines":
                return "jsonl"
            case "application/json" | "*/*" | "application/*":
                return "json"
    return "json"
