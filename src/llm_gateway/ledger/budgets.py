"""Budgets: what they limit, and which of them a call falls under."""

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import msgspec

from llm_gateway.core.exchange import Caller
from llm_gateway.ledger.periods import Period

Scope = Literal["global", "caller", "key"]
UnknownPrice = Literal["refuse", "flag"]
EACH: Final = "*"
_REMEMBERED: Final = 4_096
_SHORT: Final = 256


class Budget(msgspec.Struct, frozen=True, gc=False):
    """A limit on what may be spent within each day or month (UTC).

    `scope` global: everything together. caller: the tenant behind a call (the owner of its key, or the user named where there are no
    keys), or `<owner>/<user_id>` for one of its users. key: one API key, by its id. `subject` "*" gives every caller or key the same
    limit, each its own.

    `on_unknown_price`: a model that nobody knows the price of is refused, or asked and flagged. `caps_answers`: an answer
    whose length the caller left open is limited, so that nothing can cost more than was reserved.
    """

    name: str
    scope: Scope
    subject: str
    period: Period
    limit_pico_usd: int
    on_unknown_price: UnknownPrice = "refuse"
    caps_answers: bool = False
    source: Literal["config", "created", "key"] = "config"


class Applied(NamedTuple):
    """A budget that a call falls under, and whose share of it that is."""

    budget: Budget
    subject: str


@lru_cache(_REMEMBERED)
def of_key(key_id: str, amount_usd: Decimal, period: Period) -> Budget:
    """The budget that an API key brings along, named after it. An amount finer than a pico-dollar is rounded down."""
    return Budget(f"key:{key_id}", "key", key_id, period, int(amount_usd.scaleb(12)), source="key")


class BudgetBook:
    """The budgets in force. What a caller falls under is remembered."""

    def __init__(self, budgets: Iterable[Budget]) -> None:
        self.budgets: dict[str, Budget] = {budget.name: budget for budget in budgets}
        self._by_subject: dict[tuple[Scope, str], list[Budget]] = {}
        for budget in self.budgets.values():
            self._by_subject.setdefault((budget.scope, budget.subject), []).append(budget)
        self._remembered = lru_cache(_REMEMBERED)(self._find)

    def of(self, caller: Caller) -> tuple[Applied, ...]:
        """The budgets that a caller's calls fall under."""
        if not self.budgets:
            return ()
        names = (caller.id, caller.owner, caller.key_id)
        # Callers choose names; long ones are not kept in memory.
        return self._remembered(*names) if len(caller.id) <= _SHORT else self._find(*names)

    def _find(self, caller_id: str, owner: str, key_id: str) -> tuple[Applied, ...]:
        tenant = owner or caller_id
        wanted: list[tuple[Scope, str, str]] = [("global", EACH, EACH), ("caller", EACH, tenant), ("caller", tenant, tenant)]
        if caller_id != tenant:
            wanted.append(("caller", caller_id, caller_id))
        if key_id:
            wanted += [("key", EACH, key_id), ("key", key_id, key_id)]
        return tuple(Applied(budget, subject) for scope, name, subject in wanted for budget in self._by_subject.get((scope, name), ()))


def covers(applied: Applied) -> str:
    """Whose budget it is, in words for the one who is refused; names nobody else."""
    period = "daily" if applied.budget.period == "day" else "monthly"
    return {
        "global": f"the gateway's {period} budget",
        "caller": f"the {period} budget of {applied.subject!r}",
        "key": f"the {period} budget of this API key",
    }[applied.budget.scope]
