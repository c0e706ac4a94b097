"""Holds the money for every attempt before it is made, and writes down what it really cost.

`BudgetKeeper` is the stage, and the router's hook before each attempt; there is one for each configuration. `Ledger` is what
they write to, and outlives reloads. docs/budgets.md says what is promised.

A call with no budget left is turned away at the door, before anything is judged. Money is held for one attempt at a time, by the price of
exactly the target that is asked, so that cheap targets are not held up by what dear ones could cost. Each attempt is settled
when it has ended: its hold is given back, its cost is charged and its row handed in, all in one breath.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple, NoReturn, Protocol

import msgspec

from llm_gateway.core.errors import BudgetExceeded, ConfigurationError, LLMGatewayError, Overloaded
from llm_gateway.core.exchange import Caller, Exchange, Next, Reply
from llm_gateway.core.pricing import CATALOGUE_VERSION, Price
from llm_gateway.core.routing import Attempt
from llm_gateway.core.settings import BudgetSettings, Settings
from llm_gateway.core.tokens import estimate_input_tokens
from llm_gateway.core.types import ChatRequest, Request, Usage, operation_name
from llm_gateway.ledger.accounts import AccountKey, Claim, Hold, Refusal
from llm_gateway.ledger.amounts import Bound, in_usd, pico
from llm_gateway.ledger.books import GRACE_S, Ledger
from llm_gateway.ledger.budgets import EACH, Applied, Budget, BudgetBook, covers
from llm_gateway.ledger.periods import iso
from llm_gateway.ledger.rows import MAX_INTEGER, OPEN, Row, as_row, clean, whole

SMALLEST: Final = 1
"""What must be left of a budget, in pico-dollars, for a call that costs something to be let in."""
MOST_NAMES: Final = 1_024
"""Names of callers and models that are known to be clean."""
_CATALOGUE: Final = CATALOGUE_VERSION[:64]

KeyBudget = Callable[[str], Budget | None]
"""The budget that an API key brings along, by the key's id."""


class Prices(Protocol):
    """What the router knows of prices."""

    def prices_asked(self, request: Request) -> Iterable[Price | None]:
        """The prices of what a request could be sent to."""
        ...


class _Held(msgspec.Struct, eq=False):
    """One attempt and the money held for it. `settled` once; nothing can be settled twice."""

    attempt: Attempt
    number: int
    at_us: int
    price: Price | None
    hold: Hold | None = None
    announced: bool = False
    settled: bool = False


class _FallsUnder(NamedTuple):
    """The budgets of a caller with their accounts, as of `book`, for times from `from_us` up to `until_us`."""

    book: BudgetBook
    from_us: int
    until_us: int
    budgets: tuple[Applied, ...]
    claims: list[Claim]


class _Call(msgspec.Struct, eq=False):
    """A call that has begun: its name in the ledger, its attempts, how much it can use."""

    number: int
    exchange: Exchange
    keeper: "BudgetKeeper"
    held: list[_Held] = []
    bound: Bound | None = None
    falls_under: _FallsUnder | None = None

    def settle(self) -> None:
        self.keeper.settle(self)


class BudgetKeeper:
    """The stage, and `afford` for the router.

    `prices` gives the router once it is made; `key_budget` what API keys bring along.
    """

    def __init__(self, settings: Settings, ledger: Ledger, prices: Callable[[], Prices], key_budget: KeyBudget = lambda _: None) -> None:
        self.ledger = ledger
        self._answer_tokens = settings.limits.answer_tokens
        self._prices = prices
        self._key_budget = key_budget
        self._configured = configured_budgets(settings.budgets)
        self._tracks = settings.metrics.enable_cost_tracking
        if self._configured and not self._tracks:
            raise ConfigurationError("metrics.enable_cost_tracking: budgets are set, and cannot be kept without it; expected true")
        self._made: tuple[Budget, ...] = ()
        self._book = BudgetBook(self._configured.values())
        self._nothing = _FallsUnder(self._book, 0, MAX_INTEGER, (), [])
        self._names: dict[str, str] = {}

    @property
    def tracks(self) -> bool:
        """Whether rows are written at all."""
        return self._tracks

    @property
    def book(self) -> BudgetBook:
        """The budgets in force, but for those of API keys."""
        if self._made is not self.ledger.created:
            self._made = self.ledger.created
            # A name of the configuration counts for the configuration's budget alone.
            made = [budget for budget in self._made if budget.name not in self._configured]
            self._book = BudgetBook([*self._configured.values(), *made])
            self._nothing = _FallsUnder(self._book, 0, MAX_INTEGER, (), [])
        return self._book

    def budgets_of(self, caller: Caller) -> tuple[Applied, ...]:
        """The budgets that a caller's calls fall under."""
        found = self.book.of(caller)
        if caller.key_id:
            own = self._key_budget(caller.key_id)
            if own is not None:
                return (*found, Applied(own, caller.key_id))
        return found

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[Reply]:
        if not self._tracks:
            return call_next(exchange)
        if self.ledger.journal.full:
            raise Overloaded("the ledger cannot be written at the moment, so no calls are served", code="ledger_full", retry_after_s=5)
        call = self._open(exchange)
        if self._has_no_budget(call):
            return call_next(exchange)
        at_us = int(self.ledger.clock.wall_s() * 1_000_000)
        under = self._falls_under(call, at_us)
        return self._within(under, at_us, exchange, call_next) if under.budgets else call_next(exchange)

    async def _within(self, under: _FallsUnder, at_us: int, exchange: Exchange, call_next: Next) -> Reply:
        await self._check(exchange, under, at_us)
        self._cap(exchange, under.budgets)
        return await call_next(exchange)

    def _open(self, exchange: Exchange) -> _Call:
        call = self.ledger.calls[exchange] = _Call(next(self.ledger.numbers), exchange, self)
        exchange.at_end(partial(self.settle, call))
        return call

    def _has_no_budget(self, call: _Call) -> bool:
        """Whether no budget can be a call's, as there are none; noted then."""
        if self.book.budgets or call.exchange.caller.key_id:
            return False
        call.falls_under = self._nothing
        return True

    def _falls_under(self, call: _Call, at_us: int) -> _FallsUnder:
        """The budgets of a call's caller and their accounts at that time; found once, unless they have changed since."""
        known = call.falls_under
        book = self._book if self._made is self.ledger.created else self.book
        if known is not None and known.book is book and known.from_us <= at_us < known.until_us:
            return known
        if self._has_no_budget(call):
            return self._nothing
        budgets = self.budgets_of(call.exchange.caller)
        claims: list[Claim] = []
        from_us, until_us = 0, MAX_INTEGER
        for applied in budgets:
            key = self.ledger.key_of(applied, at_us)
            claims.append(Claim(key, applied.budget.limit_pico_usd))
            from_us, until_us = max(from_us, key.start_us), min(until_us, key.end_us)
        call.falls_under = under = _FallsUnder(book, from_us, until_us, budgets, claims)
        return under

    async def _check(self, exchange: Exchange, under: _FallsUnder, at_us: int) -> None:
        """Turn a call away when nothing is left and nothing is free."""
        refusal = await self.ledger.accounts.check(under.claims, SMALLEST)
        if refusal is None:
            return
        if any(price is not None and price.is_free for price in self._prices().prices_asked(exchange.request)):
            return
        self._refuse(under, refusal, None, at_us)

    def _cap(self, exchange: Exchange, budgets: tuple[Applied, ...]) -> None:
        request = exchange.request
        if isinstance(request, ChatRequest) and request.max_tokens is None and any(each.budget.caps_answers for each in budgets):
            exchange.request = msgspec.structs.replace(request, max_tokens=self._answer_tokens)

    def afford(self, exchange: Exchange, attempt: Attempt, price: Price | None) -> Awaitable[None] | None:
        """Hold what an attempt can cost at most; None: there is nothing to wait for. What earlier attempts of the call cost is settled
        first.

        Raises:
            BudgetExceeded: from what is awaited, a budget has not so much left (code `budget_exhausted`, or `budget_insufficient` when
                something cheaper would fit), or nobody knows the price (code `price_unknown`).
            Overloaded: from what is awaited, nobody can say what is left.
        """
        if not self._tracks:
            return None
        ledger = self.ledger
        known = ledger.calls.get(exchange)
        call = known if isinstance(known, _Call) else self._open(exchange)
        if call.held:
            self._settle_ended(call)
        held = _Held(attempt, len(exchange.attempts) + 1, int(ledger.clock.wall_s() * 1_000_000), price)
        if call.falls_under is not self._nothing or self._made is not ledger.created:
            under = self._falls_under(call, held.at_us)
            if under.budgets and (price is None or not price.is_free):
                return self._afford(call, held, under)
        call.held.append(held)
        return None

    async def _afford(self, call: _Call, held: _Held, under: _FallsUnder) -> None:
        await self._hold(call, held, under)
        call.held.append(held)
        if held.hold is not None:
            held.announced = True
            self.ledger.journal.announce(call.number, held.number, partial(self._open_row, call, held))

    async def _hold(self, call: _Call, held: _Held, under: _FallsUnder) -> None:
        amount = 0
        if held.price is None:
            self._unknown_price(held, under)
        else:
            if call.bound is None:
                call.bound = Bound(call.exchange.request, self._answer_tokens)
            amount = call.bound.pico_usd(held.price)
        # Where nobody knows the price, something must be left none the less.
        got = await self.ledger.accounts.reserve(under.claims, amount or SMALLEST)
        if isinstance(got, Refusal):
            self._refuse(under, got, amount, held.at_us)
        held.hold = got

    def _unknown_price(self, held: _Held, under: _FallsUnder) -> None:
        name = f"{held.attempt.provider}/{clean(held.attempt.model)}"
        for applied, claim in zip(under.budgets, under.claims, strict=True):
            self.ledger.alerts.once("unknown_price", applied.budget, claim.key, None, held.at_us)
            if applied.budget.on_unknown_price == "refuse":
                raise BudgetExceeded(
                    f"nobody knows the price of {name}, and {covers(applied)} allows known ones only", code="price_unknown"
                )

    def _refuse(self, under: _FallsUnder, refusal: Refusal, amount: int | None, at_us: int) -> NoReturn:
        applied, claim = under.budgets[refusal.place], under.claims[refusal.place]
        spent, held = refusal.standing
        left = max(claim.limit - spent - held, 0)
        self.ledger.alerts.once("refused", applied.budget, claim.key, spent, at_us)
        whose, anew = covers(applied), iso(claim.key.end_us)
        if left < SMALLEST:
            waits = " or held for calls that are running" if spent < claim.limit else ""
            raise BudgetExceeded(f"{whose} is used up{waits}; it begins anew at {anew}", code="budget_exhausted")
        # What is left of a budget that others share is not for everybody to know.
        rest = "more than what is left" if applied.budget.scope == "global" else f"and ${in_usd(left)} is left"
        cost = f"could cost ${in_usd(amount or 0)}"
        raise BudgetExceeded(
            f"this call {cost}, {rest} of {whose}; a smaller max_tokens may fit, and it begins anew at {anew}", code="budget_insufficient"
        )

    def settle(self, call: _Call) -> None:
        """The call is over: settle all of its attempts. A second time does nothing."""
        self.ledger.calls.pop(call.exchange, None)
        for held in call.held:
            self._settle(call, held)

    def _settle_ended(self, call: _Call) -> None:
        for held in call.held:
            if held.attempt.outcome or not held.attempt.reached:
                self._settle(call, held)

    def _settle(self, call: _Call, held: _Held) -> None:
        if held.settled:
            return
        held.settled = True
        ledger, attempt = self.ledger, held.attempt
        if held.hold is not None:
            ledger.accounts.release(held.hold)
        if not attempt.reached and not (held.announced and not ledger.journal.forget(call.number, held.number)):
            return
        if attempt.usage is not None:
            usage, cost, source = attempt.usage, attempt.cost_pico_usd, attempt.price_source
        else:
            usage, cost, source = _unreported(call, held)
        attempt.billed = usage, cost
        ledger.journal.add(self._row(call, held, usage, cost, source, attempt.outcome or "internal"))
        if cost and (call.falls_under is not self._nothing or self._made is not ledger.created):
            self._charge(self._falls_under(call, held.at_us), cost, held.at_us)

    def _charge(self, under: _FallsUnder, cost: int, at_us: int) -> None:
        by_account: dict[AccountKey, list[Budget]] = {}
        for applied, claim in zip(under.budgets, under.claims, strict=True):  # several budgets can be measured by one account
            by_account.setdefault(claim.key, []).append(applied.budget)
        for key, budgets in by_account.items():
            self.ledger.accounts.charge(key, cost, partial(self._charged, budgets, key, at_us))

    def _charged(self, budgets: list[Budget], key: AccountKey, at_us: int, spent: int, amount: int) -> None:
        for budget in budgets:
            self.ledger.alerts.charged(budget, key, spent, amount, at_us)

    def _open_row(self, call: _Call, held: _Held) -> Row:
        bound, hold = call.bound, held.hold
        usage = Usage(bound.input_tokens, bound.output_tokens, estimated=True) if bound is not None else Usage(estimated=True)
        cost = hold.amount if hold is not None and held.price is not None else None
        lease_s = call.exchange.deadline_s - self.ledger.clock.monotonic_s() + GRACE_S
        row = self._row(call, held, usage, cost, held.price.source if held.price is not None else "", OPEN)
        return row._replace(lease_us=self.ledger.now_us() + int(max(lease_s, 0.0) * 1_000_000))

    def _row(self, call: _Call, held: _Held, usage: Usage, cost: int | None, source: str, outcome: str) -> Row:
        exchange, attempt = call.exchange, held.attempt
        caller = exchange.caller
        names = self._names
        name = names.get(caller.id) or self._name(caller.id)
        sent, given, read, written = usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens
        reasoning = usage.reasoning_tokens
        if not 0 <= sent | given | read | written | reasoning | (cost or 0) <= MAX_INTEGER:  # one of them, at least
            sent, given, read, written, reasoning = map(whole, (sent, given, read, written, reasoning))
            cost = None if cost is None else whole(cost)
        return as_row(Row, (
            self.ledger.process,
            call.number,
            held.number,
            held.at_us,
            exchange.correlation_id,
            name,
            (names.get(caller.owner) or self._name(caller.owner)) if caller.owner else name,
            caller.key_id,
            attempt.provider,
            names.get(attempt.model) or self._name(attempt.model),
            operation_name(exchange.request),
            sent,
            given,
            read,
            written,
            reasoning,
            int(usage.estimated),
            cost,
            source,
            _CATALOGUE if source == "catalogue" else "",
            outcome,
            0,
        ))  # fmt: skip

    def _name(self, name: str) -> str:
        """`clean`, remembered."""
        if len(self._names) >= MOST_NAMES:
            self._names.clear()
        kept = self._names[name] = clean(name)
        return kept


def _unreported(call: _Call, held: _Held) -> tuple[Usage, int | None, str]:
    """What an attempt used of which no answer came (one that came was counted as far as it did), what that costs, and by whose price.

    A refusal with an HTTP status costs nothing. Where nothing came at all, the provider
    may have read the request, and is taken to have.
    """
    attempt, price = held.attempt, held.price
    source = price.source if price is not None else ""
    if not attempt.reached or (attempt.upstream_status is not None and not 200 <= attempt.upstream_status < 300):
        return Usage(), 0, source
    usage = Usage(estimate_input_tokens(call.exchange.request), estimated=True)
    return usage, price.pico_usd(usage) if price is not None else None, source


def configured_budgets(settings: Mapping[str, BudgetSettings]) -> dict[str, Budget]:
    """The budgets of the configuration, by name.

    Raises:
        ConfigurationError: one has a subject where there can be none, or too many decimal places.
    """
    budgets: dict[str, Budget] = {}
    for name, each in settings.items():
        if each.scope == "global" and each.subject != EACH:
            raise ConfigurationError(f"budgets.{name}.subject: a global budget covers everything; expected it to be left out")
        try:
            limit = pico(each.limit_usd)
        except LLMGatewayError as failure:
            raise ConfigurationError(f"budgets.{name}.{failure.message}") from None
        budgets[name] = Budget(name, each.scope, each.subject, each.period, limit, each.on_unknown_price, each.caps_answers)
    return budgets
