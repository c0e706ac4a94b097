"""What is kept of each request: who asked, what was decided and on what ground, what came of it. Metadata only, never text.

The columns are what people search and sum by; JSON holds the rest. Most of that many requests share, above all the decision about
them: it is kept once, as their grounds, and a row's own `detail` has what differs. The exact money is the ledger's, the proof is
the audit trail's: a record is for looking into one request, and for asking what another policy would have done.
"""

from typing import Final, NamedTuple

import msgspec

from llm_gateway.core.routing import Size

MAX_TEXT: Final = 256
RENEWED_AFTER_US: Final = 86_400 * 1_000_000
"""Grounds are stored anew after a day, so that they can be removed soon after the last rows that rest on them."""


class Ranked(msgspec.Struct, frozen=True, array_like=True):
    """A target in its place, with what the strategy saw of it (see `core.ranking.Option`)."""

    provider: str
    model: str
    score: float
    cost_usd: float | None
    latency_s: float | None
    error_rate: float = 0.0
    in_flight: int = 0
    quality: float = 0.0
    priority: int = 0


class Refused(msgspec.Struct, frozen=True, array_like=True):
    """A provider that was not ranked. `spare`: it would have been asked all the same, had nobody been better."""

    provider: str
    code: str
    reason: str
    spare: bool = False


class Route(msgspec.Struct, frozen=True, omit_defaults=True):
    """A decision and what it rested on. `ranked` is the order of preference; `turn` counts the decisions made before."""

    strategy: str
    reason: str
    ranked: tuple[Ranked, ...] = ()
    rejected: tuple[Refused, ...] = ()
    size: Size | None = None
    turn: int = 0


class Made(msgspec.Struct, frozen=True, omit_defaults=True):
    """An attempt. Times in seconds, `after_s` since the request arrived; tokens and cost (10^-12 USD) as the ledger has them."""

    provider: str
    model: str
    level: str
    outcome: str
    after_s: float = 0.0
    duration_s: float = 0.0
    first_s: float | None = None
    status: int | None = None
    reached: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    cost_pico_usd: int | None = None


class Detail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a record holds beside its columns. Of grounds, `attempts` is empty, or one whose times and figures are the row's.

    `provider` and `model` are what was asked for (""; open), `granted_*` what the caller's key covers (None: anything), `minimum_level`
    and `strategy` what the caller demanded, `kinds` of sensitive matter with their greatest confidence, `unjudged` why there was no
    verdict, `eligible` the providers that the content may go to.
    """

    provider: str = ""
    model: str = ""
    granted_providers: tuple[str, ...] | None = None
    granted_models: tuple[str, ...] | None = None
    minimum_level: str = ""
    strategy: str = ""
    kinds: dict[str, float] = {}
    unjudged: str = ""
    tainted: bool = False
    policy: str = ""
    eligible: tuple[str, ...] = ()
    finish_reason: str = ""
    route: msgspec.Raw = msgspec.Raw(b"null")
    attempts: tuple[Made, ...] = ()


class Own(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a row on grounds has by itself, in the meaning of `Detail`."""

    kinds: dict[str, float] = {}
    attempts: tuple[Made, ...] = ()


Spent = tuple[int, int, int | None]
"""In place of `Own` for the usual request, with one attempt: its `after_s`, `duration_s` and `first_s`, in microseconds."""


class Grounds(NamedTuple):
    """A `Detail` as JSON that rows of a process share. `number` is that of the first, `at_us` when it arrived."""

    process: str
    number: int
    at_us: int
    detail: str


class Row(NamedTuple):
    """One request. (`process`, `number`) is unique. Times in microseconds: `at_us` Unix time, the others durations (None: there
    is none). `status` is the HTTP status, `cost_pico_usd` None where a price is unknown, `max_tokens` the caller's own limit. `digest` is a
    keyed digest of the whole request, `prefix` of a long system prompt, which has about `prefix_tokens`. `grounds` is the number of
    the `Grounds`, and `detail` then "", an `Own` or a `Spent` as JSON; None: `detail` is all of a `Detail`.
    """

    process: str
    number: int
    at_us: int
    correlation_id: str
    caller: str
    owner: str
    key_id: str
    ingress: str
    provider: str
    model: str
    strategy: str
    cache: str
    input_tokens: int
    output_tokens: int
    cost_pico_usd: int | None
    duration_us: int
    overhead_us: int
    max_tokens: int | None
    digest: str
    detail: str
    grounds: int | None
    operation: str
    score: float | None
    streamed: int
    sensitive: int
    status: int
    error_type: str
    attempts: int
    first_us: int | None
    queued_us: int
    prefix: str
    prefix_tokens: int


COLUMNS: Final = Row._fields
USUAL: Final = ("chat", 0.0, 0, 0, 200, "", 1, None, 0, "", 0)
"""What most rows say in their last columns, from `operation` on."""


def clean(text: str) -> str:
    """A caller's text as every database takes it: short, and without what cannot be encoded."""
    if text.isascii() and text.isprintable():
        return text[:MAX_TEXT]
    return text[:MAX_TEXT].encode("utf-8", "replace").decode().replace("\0", "?")


_own_decoder = msgspec.json.Decoder(Own | Spent)


def completed(shared: Detail, row: Row) -> Detail:
    """The detail of a row, of which `shared` is what it has in common with others."""
    if not row.detail:
        return shared
    own = _own_decoder.decode(row.detail)
    if isinstance(own, Own):
        return msgspec.structs.replace(shared, kinds=own.kinds, attempts=own.attempts)
    after_us, duration_us, first_us = own
    made = shared.attempts[0] if shared.attempts else Made(row.provider, row.model, "", "")
    attempt = msgspec.structs.replace(
        made,
        after_s=after_us / 1_000_000,
        duration_s=duration_us / 1_000_000,
        first_s=None if first_us is None else first_us / 1_000_000,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost_pico_usd=row.cost_pico_usd,
    )
    return msgspec.structs.replace(shared, attempts=(attempt,))
