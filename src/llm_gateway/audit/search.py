"""What somebody looks for in the trail, where in the pages they are, and how a row is shown."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement

from llm_gateway.audit.rows import KINDS, OUTCOMES, Row
from llm_gateway.audit.tables import audit
from llm_gateway.core.errors import InvalidRequest

Position = tuple[int, str, int]
_cursor_decoder: msgspec.msgpack.Decoder[Position] = msgspec.msgpack.Decoder(Position)


class Filters(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Rows must have all of what is given. Times are Unix microseconds: from `since_us`, before `until_us`."""

    since_us: int | None = None
    until_us: int | None = None
    kind: str | None = None
    caller: str | None = None
    provider: str | None = None
    sensitive: bool | None = None
    outcome: str | None = None
    correlation_id: str | None = None

    def __post_init__(self) -> None:
        _one_of("kind", self.kind, KINDS)
        _one_of("outcome", self.outcome, OUTCOMES)

    @property
    def is_all(self) -> bool:
        """Whether every row matches."""
        return self == Filters()

    def where(self) -> Iterator[ColumnElement[bool]]:
        """As SQL."""
        if self.since_us is not None:
            yield audit.c.at_us >= self.since_us
        if self.until_us is not None:
            yield audit.c.at_us < self.until_us
        if self.sensitive is not None:
            yield audit.c.sensitive == int(self.sensitive)
        for column, wanted in self._names():
            yield audit.c[column] == wanted

    def matches(self, row: Row) -> bool:
        """Whether a row is one of them."""
        return (
            (self.since_us is None or row.at_us >= self.since_us)
            and (self.until_us is None or row.at_us < self.until_us)
            and (self.sensitive is None or row.sensitive == int(self.sensitive))
            and all(getattr(row, column) == wanted for column, wanted in self._names())
        )

    def _names(self) -> Iterator[tuple[str, str]]:
        for column in ("kind", "caller", "provider", "outcome", "correlation_id"):
            wanted = getattr(self, column)
            if wanted is not None:
                yield column, wanted


def _one_of(field: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise InvalidRequest(f"{field}: expected one of {', '.join(known)}", param=field)


def microseconds(field: str, text: str | None) -> int | None:
    """A time as a person writes it: Unix seconds, or an ISO 8601 date or date and time (UTC unless it says otherwise).

    Raises:
        InvalidRequest: it is neither; names `field`.
    """
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None:
            raise InvalidRequest(f"{field}: expected Unix seconds or a time like 2026-11-23T08:00:00Z", param=field) from None
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not abs(seconds) < 1e11:
        raise InvalidRequest(f"{field}: that time is out of range", param=field)
    return round(seconds * 1e6)


def cursor_of(row: Row) -> str:
    """What asks for the page after a row."""
    return urlsafe_b64encode(msgspec.msgpack.encode((row.at_us, row.chain, row.seq))).decode().rstrip("=")


def position_of(cursor: str | None) -> Position | None:
    """The place that a cursor stands for.

    Raises:
        InvalidRequest: it is none of ours.
    """
    if cursor is None:
        return None
    try:
        return _cursor_decoder.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, msgspec.MsgspecError):
        raise InvalidRequest("cursor: expected `next_cursor` of an earlier answer", param="cursor") from None


def document(row: Row) -> dict[str, Any]:
    """A row for people: times in Unix seconds, MACs in hex. A row that somebody damaged shows what is left of it."""
    try:
        detail = msgspec.json.decode(row.detail)
        return {
            "chain": row.chain,
            "seq": row.seq,
            "at": row.at_us / 1e6,
            "kind": row.kind,
            "call": row.call,
            "correlation_id": row.correlation_id,
            "caller": row.caller,
            "provider": row.provider,
            "sensitive": bool(row.sensitive),
            "outcome": row.outcome,
            "detail": detail,
            "prev": row.prev.hex(),
            "mac": row.mac.hex(),
        }
    except (msgspec.MsgspecError, TypeError, AttributeError):
        return {"chain": str(row.chain), "seq": row.seq, "damaged": True}
