"""What the ledger keeps of an attempt. Amounts are whole pico-dollars (10^-12 USD), times microseconds of Unix time."""

from collections.abc import Callable
from typing import Final, NamedTuple

OPEN: Final = "open"
"""Outcome of a row that stands for a call still running: its figures are what the call can come to at most."""
RECOVERED: Final = "recovered"
"""Outcome of a row whose process did not live to write the end: what was reserved counts as spent."""
MAX_TEXT: Final = 256
MAX_INTEGER: Final = 2**62
"""Larger figures are cut to it: an upstream that reports nonsense must not make a row that no database takes."""


class Row(NamedTuple):
    """One attempt. (`process`, `call`, `attempt`) is unique: a row that is written twice counts once.

    `caller` is who called, `owner` the tenant it belongs to (the caller itself where there are no keys), `attempt` counts from 1.
    `cost_pico_usd` None: nobody knows the price. `estimated` 1: the usage is ours, not the provider's. `lease_us`: when an open row's
    call is over for certain.
    """

    process: str
    call: int
    attempt: int
    at_us: int
    correlation_id: str
    caller: str
    owner: str
    key_id: str
    provider: str
    model: str
    operation: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: int
    cost_pico_usd: int | None
    price_source: str
    catalogue: str
    outcome: str
    lease_us: int = 0


as_row: Final[Callable[[type[Row], tuple[object, ...]], Row]] = tuple.__new__
"""A `Row` of all its columns, without its own constructor, which takes them one by one: this is on the way of every request."""
COLUMNS: Final = Row._fields
KEY: Final = ("process", "call", "attempt")


def clean(text: str) -> str:
    """A caller's text as every database takes it: short, and without what cannot be encoded."""
    if text.isascii() and text.isprintable():
        return text[:MAX_TEXT]
    return text[:MAX_TEXT].encode("utf-8", "replace").decode().replace("\0", "?")


def whole(figure: int) -> int:
    """A count or an amount within what every database holds."""
    return figure if 0 <= figure <= MAX_INTEGER else min(max(figure, 0), MAX_INTEGER)
