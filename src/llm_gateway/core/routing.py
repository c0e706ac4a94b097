"""A routing decision as a value: what could answer, in which order, what could not, and why."""

import msgspec

from llm_gateway.core.ranking import Option
from llm_gateway.core.types import SecurityLevel, Usage


class Destination(msgspec.Struct, frozen=True, cache_hash=True):
    """An origin with the trust that the configuration gives it. `origin` is `scheme://host:port`."""

    provider: str
    origin: str
    security_level: SecurityLevel


class Target(msgspec.Struct, frozen=True):
    """A model at a provider."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


class Candidate(msgspec.Struct, frozen=True):
    """An eligible target with its rank. `score` in [0, 1], higher is better; `reasons` are short sentences for people."""

    target: Target
    score: float
    reasons: tuple[str, ...] = ()
    predicted_cost_usd: float | None = None
    predicted_latency_s: float | None = None
    option: Option | None = None
    """What the strategy saw of it."""


class Rejection(msgspec.Struct, frozen=True):
    """A provider that may not or cannot answer. `code` is one of a closed set (security, forbidden, capability, model,
    context_window, health,
    limit, unconfigured, not_asked); `reason` is for people."""

    provider: str
    code: str
    reason: str
    spare: bool = False
    """Whether it would have been asked all the same, had nobody been better."""


class Size(msgspec.Struct, frozen=True, gc=False):
    """A request as a ranking saw it: tokens (`output_tokens` expected, `max_output_tokens` 0 where the caller left it open), and what a
    target had to be able to do; `features` are names of `Capabilities` fields."""

    input_tokens: int
    output_tokens: int
    max_output_tokens: int
    embeddings: bool = False
    stream: bool = False
    features: tuple[str, ...] = ()
    own_protocol: str = ""


class Decision(msgspec.Struct, frozen=True):
    """The router's answer for one request; `ranked` is the order of attempts."""

    strategy: str
    ranked: tuple[Candidate, ...]
    rejected: tuple[Rejection, ...]
    reason: str
    size: Size | None = None
    """None: nothing was ranked for it (an answer from the cache)."""
    turn: int = 0
    """How many decisions were made before it."""


class Attempt(msgspec.Struct, gc=False):
    """One call of one target. `outcome` is `ok`, `cancelled`, or an error type; durations in seconds."""

    provider: str
    model: str
    security_level: SecurityLevel
    outcome: str = ""
    upstream_status: int | None = None
    message: str = ""
    duration_s: float = 0.0
    first_chunk_s: float | None = None
    reached: bool = False
    """Whether its bytes left; False again where it is certain that nobody got them."""
    usage: Usage | None = None
    """What the answer used, as far as it came; None: there was none to count."""
    cost_pico_usd: int | None = None
    """What `usage` costs, exactly, in 10^-12 USD; None: no usage, or no known price. `price_source` says whose price it is."""
    price_source: str = ""
    started_s: float = 0.0
    """Monotonic seconds at which its bytes were about to leave; 0: they never were."""
    billed: tuple[Usage, int | None] | None = None
    """Usage and cost (10^-12 USD; None: no known price) as the ledger counts them; None: it has no row there."""
