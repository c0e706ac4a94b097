"""The chain: each row carries the MAC of the one before, and a MAC over itself that only the key's holder can make.

HMAC-SHA256 (RFC 2104, FIPS 198-1) with keys derived from one secret, a label for each use. Beside the rows lie two small
sealed records: the *head* of a chain says how far it goes, a *checkpoint* where it begins since old rows were removed.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

from llm_gateway.audit.rows import NO_MAC, VERSION, Entry, Named, Row
from llm_gateway.core.errors import ConfigurationError, Internal

MIN_KEY_CHARS: Final = 32
MOST_RECENT: Final = 1_024
"""Digests of contents that are kept: several rows show the same one, one soon after the other."""
_BLOCK_BYTES: Final = 64
_encode = msgspec.msgpack.Encoder().encode
_as_row: Final[Callable[[type[Row], tuple[object, ...]], Row]] = tuple.__new__
"""A `Row` without its own constructor, which takes the columns apart and puts them together again."""


class AuditKey:
    """The secret behind a trail. Never shown: its `key_id` tells keys apart."""

    __slots__ = ("_content", "_recent", "_seal", "key_id", "mac")

    def __init__(self, secret: bytes) -> None:
        self.mac: Final = _hmac_under(hmac.digest(secret, b"llm-gateway audit rows", "sha256"))
        """The MAC of a row's canonical bytes."""
        self._seal = _hmac_under(hmac.digest(secret, b"llm-gateway audit seals", "sha256"))
        self._content = hashlib.blake2b(key=hmac.digest(secret, b"llm-gateway audit content", "sha256"), digest_size=16)
        self._recent: dict[bytes, str] = {}
        self.key_id = hmac.digest(secret, b"llm-gateway audit key id", "sha256")[:8].hex()

    @classmethod
    def of_text(cls, text: str) -> "AuditKey":
        """The key that a setting or a key file holds.

        Raises:
            ConfigurationError: it is too short to be one.
        """
        text = text.strip()
        if len(text) < MIN_KEY_CHARS:
            raise ConfigurationError(
                f"audit.key: expected at least {MIN_KEY_CHARS} characters (`openssl rand -hex 32` makes 64), not {len(text)}"
            )
        return cls(text.encode())

    def __repr__(self) -> str:
        return f"AuditKey({self.key_id})"

    def seal(self, what: str, *fields: object) -> bytes:
        """The MAC of a record beside the rows; `what` names its sort, so that one cannot stand for another."""
        return self._seal(_encode((what, *fields)))

    def content_digest(self, fingerprint: bytes) -> str:
        """A content's digest as rows show it: useless for guessing the content without the key."""
        recent = self._recent
        known = recent.get(fingerprint)
        if known is not None:
            return known
        if len(recent) >= MOST_RECENT:
            recent.clear()
        made = self._content.copy()
        made.update(fingerprint)
        digest = recent[fingerprint] = made.hexdigest()
        return digest


def _hmac_under(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA256 under a key of 32 bytes. Its two halves have taken the key in already: a third of the cost of the library's own way."""
    block = key.ljust(_BLOCK_BYTES, b"\0")
    inner_of = hashlib.sha256(bytes(byte ^ 0x36 for byte in block)).copy
    outer_of = hashlib.sha256(bytes(byte ^ 0x5C for byte in block)).copy

    def mac(data: bytes) -> bytes:
        inner, outer = inner_of(), outer_of()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()

    return mac


class TamperedRecord(Internal):
    """A record of the trail is not as the gateway made it. It is left as it is, for whoever looks into it."""


class Head(NamedTuple):
    """How far a chain goes: its last row. `oldest_open` is the first intent without an outcome, or the next row's place.

    `state` is `open`, `closed` (an orderly stop) or `recovered` (its process was killed, another ended its calls).
    """

    chain: str
    seq: int
    mac: bytes
    at_us: int
    oldest_open: int
    state: str
    seal: bytes


class Checkpoint(NamedTuple):
    """Where a chain begins since its older rows were removed: after row `seq`, whose MAC was `mac`."""

    chain: str
    seq: int
    mac: bytes
    at_us: int
    seal: bytes


def make_head(key: AuditKey, last: Row, oldest_open: int, state: str = "open") -> Head:
    fields = (last.chain, last.seq, last.mac, last.at_us, oldest_open, state)
    return Head(*fields, key.seal("head", *fields))


def make_checkpoint(key: AuditKey, last_removed: Row, at_us: int) -> Checkpoint:
    fields = (last_removed.chain, last_removed.seq, last_removed.mac, at_us)
    return Checkpoint(*fields, key.seal("checkpoint", *fields))


def resealed(key: AuditKey, head: Head, **changes: object) -> Head:
    """A head with other values, sealed anew.

    Raises:
        TamperedRecord: it is not as it was made; a new seal would hide that.
    """
    if not is_sealed(key, head):
        raise TamperedRecord(f"the head record of audit chain {head.chain} was changed, or made with another key")
    changed = head._replace(**changes)  # type: ignore[arg-type]  # the caller names fields of Head
    return changed._replace(seal=key.seal("head", *changed[:-1]))


def is_sealed(key: AuditKey, record: Head | Checkpoint) -> bool:
    """Whether a record is as it was made."""
    what = "head" if isinstance(record, Head) else "checkpoint"
    try:
        return hmac.compare_digest(key.seal(what, *record[:-1]), record.seal)
    except (TypeError, UnicodeEncodeError, OverflowError):
        return False


def named(head: Head) -> Named:
    """A chain's last row as an anchor names it."""
    return Named(head.chain, head.seq, head.mac.hex())


class Chain:
    """A chain in the making. Rows get their places in the order of `link`; a linked row must be stored or the chain is broken."""

    def __init__(self, name: str, key: AuditKey) -> None:
        self.name = name
        self.key = key
        self._seq = -1
        self._mac = NO_MAC
        self._open: dict[int, int] = {}
        """The first intent of every call that has no outcome yet, oldest first."""

    def link(self, entries: Iterable[Entry]) -> list[Row]:
        """The entries as rows, in their order, at the end of the chain."""
        name, mac_of, seq, mac, open_calls = self.name, self.key.mac, self._seq, self._mac, self._open
        rows: list[Row] = []
        for entry in entries:
            seq += 1
            kind, call = entry.kind, entry.call
            sealed = (  # what `canonical` makes of the row
                VERSION, name, seq, entry.at_us, kind, call, entry.correlation_id, entry.caller, entry.provider, entry.sensitive,
                entry.outcome, entry.detail, mac,
            )  # fmt: skip
            mac = mac_of(_encode(sealed))
            rows.append(_as_row(Row, (*sealed[1:], mac)))
            if kind == "intent":
                open_calls.setdefault(call, seq)
            elif kind == "outcome":
                open_calls.pop(call, None)
        self._seq, self._mac = seq, mac
        return rows

    def head(self, last: Row, state: str = "open") -> Head:
        """The head after `last`, the newest row linked."""
        return make_head(self.key, last, next(iter(self._open.values()), last.seq + 1), state)
