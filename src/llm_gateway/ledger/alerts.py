"""Says once in each period when a budget has come to half, to four fifths, to its end, and when it first refused a call."""

from collections.abc import Iterable
from typing import Final, Literal, Protocol

import msgspec
import structlog

from llm_gateway.ledger.accounts import AccountKey
from llm_gateway.ledger.amounts import in_usd
from llm_gateway.ledger.budgets import Budget

_log = structlog.get_logger(__name__)
LEVELS: Final = (50, 80, 100)
"""Percent of a limit."""
_MAX_TOLD: Final = 10_000

EventKind = Literal["threshold", "refused", "unknown_price"]


class BudgetEvent(msgspec.Struct, frozen=True):
    """Something that an operator should know of. Times are microseconds of Unix time, amounts pico-dollars.

    `kind` threshold: `percent` of the limit was reached. refused: the first call of the period that was refused for want of money.
    unknown_price: the first call of the period whose cost nobody knows; what was spent until then is not looked at.
    """

    at_us: int
    kind: EventKind
    budget: str
    scope: str
    subject: str
    period: str
    period_start_us: int
    percent: int | None
    spent_pico_usd: int | None
    limit_pico_usd: int


class Notifier(Protocol):
    """Brings events to somebody's notice. Never waits, never raises."""

    def notify(self, event: BudgetEvent) -> None: ...


class LogNotifier:
    """Writes events to the log."""

    def notify(self, event: BudgetEvent) -> None:
        _log.warning(
            "a budget needs attention",
            kind=event.kind,
            budget=event.budget,
            scope=event.scope,
            subject=event.subject,
            period=event.period,
            percent=event.percent,
            spent_usd=None if event.spent_pico_usd is None else in_usd(event.spent_pico_usd),
            limit_usd=in_usd(event.limit_pico_usd),
        )


class Alerts:
    """Makes events of what accounts come to, and hands each to the notifiers.

    What this process has told it does not tell again. What another process told, or this one before a restart, it may: `ledger.bulletin`
    knows what was told.
    """

    def __init__(self, notifiers: Iterable[Notifier]) -> None:
        self._notifiers = tuple(notifiers)
        self._told: dict[tuple[str, str, AccountKey], None] = {}

    def charged(self, budget: Budget, key: AccountKey, spent: int, amount: int, at_us: int) -> None:
        """An account came to `spent`, the last `amount` of it just now."""
        limit = budget.limit_pico_usd
        if amount <= 0 or limit <= 0 or spent * 100 < limit * LEVELS[0]:
            return
        for level in LEVELS:
            if limit * level <= spent * 100 and self._first((f"{level}:{limit}", budget.name, key)):
                self._tell("threshold", budget, key, level, spent, at_us)

    def _first(self, mark: tuple[str, str, AccountKey]) -> bool:
        if mark in self._told:
            return False
        if len(self._told) >= _MAX_TOLD:
            del self._told[next(iter(self._told))]
        self._told[mark] = None
        return True

    def once(self, kind: EventKind, budget: Budget, key: AccountKey, spent: int | None, at_us: int) -> None:
        """Something that is told once for each account and period."""
        if not self._first((kind, budget.name, key)):
            return
        limit = budget.limit_pico_usd
        percent = None if spent is None else spent * 100 // limit if limit else 100
        self._tell(kind, budget, key, percent, spent, at_us)

    def _tell(self, kind: EventKind, budget: Budget, key: AccountKey, percent: int | None, spent: int | None, at_us: int) -> None:
        event = BudgetEvent(
            at_us, kind, budget.name, budget.scope, key.subject, budget.period, key.start_us, percent, spent, budget.limit_pico_usd
        )
        for notifier in self._notifiers:
            notifier.notify(event)
