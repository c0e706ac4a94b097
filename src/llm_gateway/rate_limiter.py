"""Keeps callers, keys, providers, models and everything together within their limits.

The stage reserves a request and its tokens in the accounts of the caller, its key and the whole gateway at once, and settles them
with what the call really used, however it ends. Providers and models are known only when the router chooses, so theirs are
reserved there, before each attempt: `admit`. docs/limits.md says what is promised.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import count
from math import ceil
from random import random
from typing import Final

import msgspec

from llm_gateway.core.counters import LIMITS, Counters, Demand, Gauge, Rules, Verdict
from llm_gateway.core.errors import Cooldown, LLMGatewayError, RateLimited
from llm_gateway.core.exchange import Caller, Exchange, Next, Reply
from llm_gateway.core.routing import Target
from llm_gateway.core.settings import Settings
from llm_gateway.limits.headers import LimitHeaders
from llm_gateway.limits.need import charge_of, charge_of_attempt, fits, need_of
from llm_gateway.limits.rules import DEFAULT_TIER, OVERALL, RuleBook, scope

GRACE_US: Final = 5_000_000
"""How much longer than the time a call may take its reservation lives, should nobody settle it."""
SPREAD: Final = 0.1
_WORDS: Final = {
    "burst": "requests in a second",
    "rpm": "requests in a minute",
    "rph": "requests in an hour",
    "tpm": "tokens in a minute",
}
_REMEMBERED: Final = 4_096
_SHORT: Final = 256
"""Callers choose names; longer ones are not remembered."""
_NAMES = count(1)

Lines = Callable[[Gauge], str]
"""Makes the header lines that say where a caller stands."""


class CallerLimits(msgspec.Struct, frozen=True):
    """Who is counted, its tier, its rules, and where it stands."""

    who: str
    tier: str
    rules: Rules
    gauge: Gauge


class RateLimiter:
    """The stage. One for each configuration, over counters that outlive it.

    `run` makes this process's reservations unlike all others in a shared store: a random name. `assigned` holds the tiers that
    administrators gave to callers, as they are now. `uniform` gives random numbers in [0, 1).
    """

    def __init__(
        self,
        settings: Settings,
        counters: Counters,
        run: str,
        assigned: Mapping[str, str] | None = None,
        uniform: Callable[[], float] = random,
    ) -> None:
        self._book = book = RuleBook(settings)
        self._counters = counters
        self._run = run
        self._uniform = uniform
        self._assigned: Mapping[str, str] = assigned if assigned is not None else {}
        self._answer_tokens = settings.limits.answer_tokens
        self._lines: dict[str, Lines] = {tier: LimitHeaders(rules).lines for tier, rules in book.tiers.items()}
        self._overall = [(OVERALL, book.overall)] if not book.overall.is_open else []
        self._remembered_accounts = lru_cache(_REMEMBERED)(self._find_accounts)
        self._remembered_places = lru_cache(_REMEMBERED)(self._find_places)
        self._limits_places = bool(book.providers or book.models)

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[Reply]:
        caller = exchange.caller
        who, asked_tier = caller.owner or caller.id, caller.tier
        if self._assigned and asked_tier == DEFAULT_TIER:
            asked_tier = self._assigned.get(who, asked_tier)
        find = self._remembered_accounts if len(who) <= _SHORT else self._find_accounts
        lines, accounts = find(who, asked_tier, caller.key_id)
        demands = self._demands(accounts, exchange)
        name, counters = f"{self._run}-{next(_NAMES)}", self._counters
        verdict = counters.reserve_now(name, demands, _lease_us(exchange))
        if verdict is None:
            return self._wait(exchange, call_next, name, demands, lines)
        if not verdict.granted:
            exchange.standing = lines(verdict.gauge)
            raise self._refusal(verdict, demands)
        exchange.at_end(partial(_settle, counters, name, exchange))
        exchange.standing = lines(verdict.gauge)
        return call_next(exchange)

    async def _wait(self, exchange: Exchange, call_next: Next, name: str, demands: Sequence[Demand], lines: Lines) -> Reply:
        """Reserve where that takes time."""
        verdict = await self._reserve(_Held(self._counters, exchange, name), demands)
        exchange.standing = lines(verdict.gauge)
        if not verdict.granted:
            raise self._refusal(verdict, demands)
        return await call_next(exchange)

    async def _admit(self, held: "_Held", demands: Sequence[Demand]) -> None:
        verdict = await self._reserve(held, demands)
        if not verdict.granted:
            raise self._refusal(verdict, demands)

    async def _reserve(self, held: "_Held", demands: Sequence[Demand]) -> Verdict:
        # The end is there before the reservation: a caller may leave while it is on its way.
        held.exchange.at_end(held.end)
        verdict = await self._counters.reserve(held.name, demands, _lease_us(held.exchange))
        held.refused = not verdict.granted
        return verdict

    def admit(self, exchange: Exchange, target: Target) -> Awaitable[None] | None:
        """Reserve an attempt in the accounts of a provider and a model; it is settled when the call is over. None: they have no limits.

        Raises:
            RateLimited: when awaited: one of them is at its limit; another target may be asked. At once: the request is larger than one
                of their limits ever grants.
        """
        if not self._limits_places:
            return None
        find = self._remembered_places if len(target.model) <= _SHORT else self._find_places
        accounts = find(target.provider, target.model)
        if not accounts:
            return None
        held = _Held(self._counters, exchange, f"{self._run}-{next(_NAMES)}", len(exchange.attempts))
        return self._admit(held, self._demands(accounts, exchange))

    def limited(self, provider: str) -> float | None:
        """Seconds until a provider's own limit lets another request through; None: now, as far as is known without asking."""
        rules = self._book.providers.get(provider)
        wait_us = None if rules is None else self._counters.full_for_us(scope("provider", provider), rules)
        return None if wait_us is None else wait_us / 1_000_000

    async def status(self, caller: Caller) -> CallerLimits:
        """Where a caller stands. With an API key, its owner is who is counted."""
        who = caller.owner or caller.id
        tier = self._book.tier(who, self._assigned.get(who, caller.tier) if caller.tier == DEFAULT_TIER else caller.tier)
        return CallerLimits(who, tier, self._book.tiers[tier], await self._counters.read(scope("caller", who)))

    async def provider_status(self, provider: str) -> CallerLimits | None:
        """Where a provider stands with its own limits; None: it has none."""
        rules = self._book.providers.get(provider)
        if rules is None:
            return None
        return CallerLimits(provider, "", rules, await self._counters.read(scope("provider", provider)))

    async def reset(self, kind: str, name: str = "") -> str:
        """Forget what was counted for a `caller`, `key`, `provider` or `model`, or, with kind `overall`, for everything together.

        The account's name is returned.
        """
        account = OVERALL if kind == OVERALL else scope(kind, name)
        await self._counters.reset(account)
        return account

    def active_callers(self) -> tuple[int, int]:
        """Callers who were granted a request here within the last minute, and how many requests that were."""
        return self._counters.active("caller:")

    def _refusal(self, verdict: Verdict, demands: Sequence[Demand]) -> LLMGatewayError:
        wait_s = verdict.wait_us / 1_000_000
        retry_after_s = spread(wait_s, self._uniform)
        if verdict.limit == "cooldown":
            again = f"too many requests over the limit: nothing is served for another {ceil(wait_s)} s"
            return Cooldown(again, code="cooldown", retry_after_s=retry_after_s)
        demand = demands[verdict.refused]
        place = LIMITS.index(verdict.limit)
        limit = demand.rules.tokens if verdict.limit == "tpm" else demand.rules.requests[place]
        kind = demand.scope.partition(":")[0]
        code = "provider_limit" if kind in {"provider", "model"} else verdict.limit
        said = f"{_whose(demand.scope)} limit is reached: {limit} {_WORDS[verdict.limit]}"
        return RateLimited(said, code=code, retry_after_s=retry_after_s)

    def _find_accounts(self, who: str, tier: str, key_id: str) -> tuple[Lines, Sequence[tuple[str, Rules]]]:
        tier = self._book.tier(who, tier)
        accounts = [(scope("caller", who), self._book.tiers[tier])]
        key = self._book.keys.get(key_id) if key_id else None
        if key is not None:
            accounts.append((scope("key", key_id), key))
        return self._lines[tier], (*accounts, *self._overall)

    def _find_places(self, provider: str, model: str) -> Sequence[tuple[str, Rules]]:
        book, accounts = self._book, []
        if (rules := book.providers.get(provider)) is not None:
            accounts.append((scope("provider", provider), rules))
        for name in (f"{provider}/{model}", model):
            if (rules := book.models.get(name)) is not None:
                accounts.append((scope("model", name), rules))
        return tuple(accounts)

    def _demands(self, accounts: Sequence[tuple[str, Rules]], exchange: Exchange) -> list[Demand]:
        """What is asked of each account. A bound above the whole limit, for a request that may well fit, asks for all of it.

        Raises:
            RateLimited: the request is larger than a limit ever grants.
        """
        need = need_of(exchange.request, self._answer_tokens)
        at_most_input, answer = need
        hold = at_most_input + answer
        demands: list[Demand] = []
        for name, rules in accounts:
            if hold <= rules.tokens:
                demands.append(Demand(name, rules, hold))
                continue
            if not fits(exchange.request, need, rules.tokens):
                raise RateLimited(
                    f"this request may use about {hold} tokens, and {_whose(name)} limit is {rules.tokens} in a minute: "
                    "ask for fewer with max_tokens, or send less text",
                    code="larger_than_limit",
                )
            demands.append(Demand(name, rules, rules.tokens))
        return demands


class _Held(msgspec.Struct, eq=False):
    """A reservation of one exchange that is waited for, and its end. `attempt`: it is for that one of its attempts."""

    counters: Counters
    exchange: Exchange
    name: str
    attempt: int | None = None
    refused: bool = False

    def end(self) -> None:
        """The call is over: charge what it used."""
        if self.refused:
            return
        if self.attempt is None:
            _settle(self.counters, self.name, self.exchange)
        else:
            self.counters.settle(self.name, charge_of_attempt(self.exchange, self.attempt))


def _settle(counters: Counters, name: str, exchange: Exchange) -> None:
    """The call is over: charge what it used."""
    counters.settle(name, charge_of(exchange))


def _lease_us(exchange: Exchange) -> int:
    """From any moment of a call, long enough for its end to come first."""
    return int((exchange.deadline_s - exchange.received_s) * 1_000_000) + GRACE_US


def spread(wait_s: float, uniform: Callable[[], float]) -> float:
    """A wait, made longer by some whole seconds, a tenth of it at most: callers who were refused together do not come back together."""
    return wait_s + int(uniform() * (int(wait_s * SPREAD) + 1))


def _whose(name: str) -> str:
    kind, _, rest = name.partition(":")
    return {"caller": "your", "key": "your key's", OVERALL: "the gateway's"}.get(kind, f"the {kind} {rest}'s")
