"""What an audit row says, and the one byte string that its MAC covers.

A row says who called, what kinds of content were found, what was decided and what came of it. It never holds readable text of a
request or an answer: content appears as a keyed digest (and sealed, where the operator asks for it and nothing in it is sensitive),
and messages of providers, which may quote a prompt, not at all.
"""

from typing import Final, Literal, NamedTuple

import msgspec

from llm_gateway.core.types import Json

VERSION: Final = 1
"""Of the canonical encoding; it is part of what a MAC covers."""
MAX_TEXT: Final = 256
"""Characters kept of a name that a caller chose."""

Kind = Literal["anchor", "intent", "outcome", "recovered", "admin", "gap", "close"]
"""`anchor` opens a chain; `intent` stands before an attempt's bytes leave; `outcome` ends a call; `recovered` ends one whose
process was killed; `admin` is an operator's act; `gap` says what could not be recorded; `close` is an orderly stop."""
KINDS: Final[tuple[Kind, ...]] = ("anchor", "intent", "outcome", "recovered", "admin", "gap", "close")
Outcome = Literal["", "ok", "error", "aborted", "blocked", "recovered"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("ok", "error", "aborted", "blocked", "recovered")


class Row(NamedTuple):
    """One row as it is stored.

    `chain` is the writing process's chain, `seq` counts from 0 in it, `at_us` is Unix time in microseconds. `call` numbers the
    calls of a chain from 1 (0: no call); for `recovered` rows it is the number in the chain that `detail` names. `detail` is JSON.
    `prev` is the MAC of the row before (32 zero bytes for the first), `mac` this row's own.
    """

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
    detail: str
    prev: bytes
    mac: bytes


COLUMNS: Final = Row._fields
NO_MAC: Final = bytes(32)
_encode = msgspec.msgpack.Encoder().encode


def canonical(row: tuple[object, ...]) -> bytes:
    """The bytes that a MAC covers: a MessagePack array of the version and every column but `mac`, in order.

    MessagePack has one shortest form for each of these values, so any implementation makes the same bytes
    (https://github.com/msgpack/msgpack/blob/master/spec.md). A row may be given with or without its MAC.

    Raises:
        TypeError, UnicodeEncodeError, OverflowError: a column holds what no row of ours can hold.
    """
    return _encode((VERSION, *row[:12]))


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A row before it has its place in a chain: `detail` is JSON text, the names are `clean`."""

    at_us: int
    kind: Kind
    detail: str
    call: int = 0
    correlation_id: str = ""
    caller: str = ""
    provider: str = ""
    sensitive: int = 0
    outcome: Outcome = ""


class CallFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who asked, what was found in it, and where it may go. The same in every row of a call.

    `score` in [0, 1]; `unjudged` says why there was no judgement; `eligible` lists `provider level origin`; `digest` is the keyed
    digest (hex) of the request that was judged.
    """

    ingress: str
    operation: str
    key_id: str = ""
    tier: str = ""
    address: str = ""
    score: float | None = None
    kinds: tuple[str, ...] = ()
    unjudged: str = ""
    tainted: bool = False
    policy: str = ""
    eligible: msgspec.Raw = msgspec.Raw(b"[]")
    digest: str = ""


class Destined(msgspec.Struct, frozen=True, omit_defaults=True):
    """An attempt with its destination; `outcome` is `ok`, `cancelled` or an error type, `reached` says whether its bytes left."""

    provider: str
    model: str
    level: str
    origin: str
    outcome: str = ""
    status: int | None = None
    duration_ms: float = 0.0
    reached: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_pico_usd: int | None = None


class IntentDetail(msgspec.Struct, frozen=True):
    """`number` counts a call's attempts from 1; `call` is its `CallFacts` as JSON."""

    number: int
    attempt: Destined
    call: msgspec.Raw


class OutcomeDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a call. `error` is a public error type, `status` the HTTP status that goes with it; cost None: unknown.

    `answer` is the keyed digest (hex) of what was answered; `content`, where the operator keeps it, the sealed question and answer.
    """

    attempts: tuple[Destined, ...]
    call: msgspec.Raw
    error: str = ""
    status: int = 200
    input_tokens: int | None = None
    output_tokens: int | None = None
    estimated: bool = False
    cost_usd: float | None = None
    finish_reason: str = ""
    cache: str = ""
    duration_ms: float = 0.0
    upstream_ms: float = 0.0
    answer: str = ""
    content: str = ""


class RecoveredDetail(msgspec.Struct, frozen=True):
    """A call of `chain` whose process ended before its outcome was written; what became of it at the provider is unknown."""

    chain: str
    intents: tuple[int, ...]


class Named(msgspec.Struct, frozen=True):
    """A row by its place, with its MAC in hex."""

    chain: str
    seq: int
    mac: str


class AnchorDetail(msgspec.Struct, frozen=True):
    """Opens a chain: the key it is made with, and the last row of every other chain that was there."""

    key_id: str
    gateway: str
    previous: tuple[Named, ...]


class GapDetail(msgspec.Struct, frozen=True):
    """What happened while nothing could be written: requests turned away at the door, and rows given up (`best_effort` only)."""

    turned_away: int
    rows_lost: int
    since_us: int


class AdminDetail(msgspec.Struct, frozen=True):
    """An operator's act; `what` holds names and numbers, never a secret."""

    action: str
    what: dict[str, Json]


def clean(text: str) -> str:
    """A caller's text as a column can hold it everywhere: at most `MAX_TEXT` characters, UTF-8, without NUL."""
    if text.isascii() and "\0" not in text:
        return text[:MAX_TEXT]
    return text[:MAX_TEXT].encode("utf-8", "replace").decode().replace("\0", "\ufffd")
