"""What limits are counted in, as a port: reserve before a call, settle after it.

An account (a caller, a key, a provider, a model, everything together) is named by its *scope*. A reservation asks several
accounts at once and gets all or nothing. Requests count from the moment they are granted. Tokens are held while the call
runs, and what it used counts from its end: so neither the starts nor the ends of calls can exceed a window.
Times are integers in microseconds.
"""

from collections.abc import Sequence
from typing import Final, Literal, Protocol

import msgspec

UNLIMITED: Final = 2**53 - 1
"""A limit that is none: the largest integer that Lua counts exactly."""
WINDOWS_US: Final = (1_000_000, 60_000_000, 3_600_000_000)
"""The windows that requests are counted in: burst, minute, hour."""
MINUTE_US: Final = WINDOWS_US[1]
SLOT_US: Final = 250_000
"""Used tokens are kept by slots of this length and count until their slot's end has left the window: never too early."""
COARSE_US: Final = 10_000
FINE_UP_TO: Final = 10_000
"""Limits above this are counted in steps of `COARSE_US`, rounded up, so that an account's memory has a bound."""
HELD_BACK_US: Final = 1_000_000
"""Suggested wait where only the end of calls that are running can make room."""
REFUSALS: Final = 3
"""Refusals within a minute that start a cooldown."""
REAPED_AT_ONCE: Final = 8

Limit = Literal["burst", "rpm", "rph", "tpm", "cooldown"]
LIMITS: Final[tuple[Limit, ...]] = ("burst", "rpm", "rph", "tpm", "cooldown")


class Rules(msgspec.Struct, frozen=True, gc=False):
    """What an account grants: `requests` in each of `WINDOWS_US`, `tokens` in any minute. `cooldown_us` 0: refusals start no cooldown.

    `weight` is what a caller counts for where callers share a limit; 0: this is such a limit, shared by whoever stands first in a demand.
    """

    requests: tuple[int, int, int] = (UNLIMITED, UNLIMITED, UNLIMITED)
    tokens: int = UNLIMITED
    cooldown_us: int = 0
    grain_us: int = -1
    """The step in which requests are counted; 0: each by itself. Follows from `requests`, unless it is given."""
    weight: int = 1

    def __post_init__(self) -> None:
        if self.grain_us < 0:
            coarse = any(FINE_UP_TO < limit < UNLIMITED for limit in self.requests)
            msgspec.structs.force_setattr(self, "grain_us", COARSE_US if coarse else 0)

    @property
    def is_open(self) -> bool:
        """Whether nothing is limited."""
        return (self.requests, self.tokens, self.cooldown_us) == (_OPEN.requests, _OPEN.tokens, _OPEN.cooldown_us)

    def share(self, parts: int) -> "Rules":
        """One of `parts` equal shares, at least 1 of everything that is limited."""
        if parts == 1:
            return self

        def part(limit: int) -> int:
            return limit if limit == UNLIMITED else max(1, limit // parts)

        burst, minute, hour = map(part, self.requests)
        return Rules((burst, minute, hour), part(self.tokens), self.cooldown_us, weight=self.weight)


_OPEN: Final = Rules()


class Demand(msgspec.Struct, frozen=True, gc=False):
    """One request asked of one account, with the tokens to hold for it."""

    scope: str
    rules: Rules
    hold: int = 0


class Gauge(msgspec.Struct, frozen=True, gc=False):
    """An account at one moment.

    `counts` are the requests inside each window, `frees_us` the time until the oldest of them leaves it (0: none is inside).
    `used` tokens left their call within a minute, `held` ones belong to calls that are running; `tokens_free_us` as `frees_us`.
    """

    counts: tuple[int, int, int] = (0, 0, 0)
    frees_us: tuple[int, int, int] = (0, 0, 0)
    used: int = 0
    held: int = 0
    tokens_free_us: int = 0
    cooldown_us: int = 0


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The answer to a reservation. `gauge` is the first demand's account afterwards.

    Refused, `refused` is the place of the demand that failed (the one that takes longest), `limit` which of its limits, `wait_us` how
    long that lasts.
    """

    granted: bool
    gauge: Gauge = Gauge()
    refused: int = -1
    limit: Limit = "rpm"
    wait_us: int = 0


class Counters(Protocol):
    """Accounts that outlive a call. Kinds: in this process, and in Redis or Valkey for all of them."""

    async def reserve(self, name: str, demands: Sequence[Demand], lease_us: int) -> Verdict:
        """Grant all of `demands`, or none. `name` is unique; the same name again counts once.

        A reservation that nobody settles within its lease is charged as held.
        """
        ...

    def reserve_now(self, name: str, demands: Sequence[Demand], lease_us: int) -> Verdict | None:
        """As `reserve`, where that can be done without waiting; None: nothing was done, `reserve` must be asked."""
        ...

    def settle(self, name: str, tokens: int | None) -> None:
        """Release what is held under `name` and charge `tokens` to each of its accounts; None: what was held. Never waits.

        Unknown names (refused, settled, expired) change nothing.
        """
        ...

    def full_for_us(self, scope: str, rules: Rules) -> int | None:
        """How long this account will grant no request, as far as is known without asking anybody; None: it may grant one now."""
        ...

    async def read(self, scope: str) -> Gauge:
        """An account as it is."""
        ...

    async def reset(self, scope: str) -> None:
        """Forget what an account has counted, its cooldown too. Calls that are running stay held."""
        ...

    def active(self, prefix: str) -> tuple[int, int]:
        """How many accounts whose scope begins so were granted something here within the last minute, and how much."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether everything is counted where it should be; otherwise this process grants its share."""
        ...

    async def start(self) -> None: ...
    async def aclose(self) -> None: ...
