"""What people ask of the ledger: sums, budgets and where they stand; and what administrators change."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple

import structlog
from sqlalchemy import Connection

from llm_gateway.core.errors import InvalidRequest, NotFound
from llm_gateway.core.exchange import Caller
from llm_gateway.core.types import Json
from llm_gateway.ledger import tables
from llm_gateway.ledger.accounts import AccountKey, Standing
from llm_gateway.ledger.alerts import BudgetEvent
from llm_gateway.ledger.amounts import in_usd
from llm_gateway.ledger.books import Ledger
from llm_gateway.ledger.budgets import EACH, Applied, Budget, BudgetBook
from llm_gateway.ledger.periods import DAY_US
from llm_gateway.ledger.sums import Dimension, Group, Sums, Window, grouped, total

_log = structlog.get_logger(__name__)
FRESH_S: Final = 1.0
"""How long a reader waits for the rows of calls that have just ended."""
MOST_SHOWN: Final = 20
"""Accounts shown of a budget that everybody has one of: those that spent most."""
DEFAULT_SINCE: Final = "30d"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_AGO: Final = re.compile(r"(\d{1,6})([mhdw])")
_UNIT_US: Final = {"m": DAY_US // 1440, "h": DAY_US // 24, "d": DAY_US, "w": 7 * DAY_US}
_MAX_SECONDS: Final = 10**11


class Share(NamedTuple):
    """One account of a budget."""

    budget: Budget
    key: AccountKey
    standing: Standing


class Report(NamedTuple):
    """Sums of a window, in all and by dimension."""

    window: Window
    total: Sums
    groups: dict[Dimension, list[Group]]


def time_us(name: str, text: str, now_us: int) -> int:
    """A time in a query: Unix seconds, ISO 8601 (UTC where it names no zone), or how long ago: `30m`, `24h`, `7d`, `4w`.

    Raises:
        InvalidRequest: it is none of these.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return max(now_us - int(ago[1]) * _UNIT_US[ago[2]], 0)
    try:
        seconds = float(text)
        if 0 <= seconds <= _MAX_SECONDS:
            return int(seconds * 1_000_000)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
        return int((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"{name}: expected Unix seconds, a time like 2026-11-30T12:00:00Z, or an age like 24h or 7d", param=name
        ) from None


Record = Callable[[str, Caller, Mapping[str, Json]], Awaitable[None]]
"""Writes an administrator's act into the audit trail; raises where it cannot, and then the act must not happen."""


class Desk:
    """`book` gives the budgets in force, `of` those that a caller falls under."""

    def __init__(
        self,
        ledger: Ledger,
        book: Callable[[], BudgetBook],
        of: Callable[[Caller], tuple[Applied, ...]],
        *,
        tracks: bool,
        record: Record | None = None,
    ) -> None:
        self.ledger = ledger
        self._book = book
        self._of = of
        self._tracks = tracks
        self._record = record

    async def report(
        self, since: str | None, until: str | None, by: Iterable[Dimension], limit: int, owner: Window | None = None
    ) -> Report:
        """Sums of a time; of `owner`'s rows only, where one is given.

        Raises:
            InvalidRequest: the times are none, or the wrong way round.
        """
        now_us = self.ledger.now_us()
        since_us = time_us("since", since or DEFAULT_SINCE, now_us)
        until_us = time_us("until", until, now_us) if until else now_us + 1
        if until_us <= since_us:
            raise InvalidRequest("until: expected a time after since", param="until")
        window = Window(since_us, until_us, owner.scope, owner.subject) if owner is not None else Window(since_us, until_us)
        dimensions = tuple(by)
        await self.ledger.journal.drained(FRESH_S)

        def work(connection: Connection) -> Report:
            return Report(window, total(connection, window), {each: grouped(connection, window, each, limit) for each in dimensions})

        return await self.ledger.store.read(work)

    def budgets(self) -> list[Budget]:
        """The budgets in force, but for those of API keys: the configuration's first."""
        return list(self._book().budgets.values())

    async def events(self) -> list[BudgetEvent]:
        """What budgets came to, the newest first."""
        bulletin = self.ledger.bulletin
        return [] if bulletin is None else await bulletin.events()

    async def shares(self, budget: Budget) -> list[Share]:
        """Where a budget stands; of one that everybody has, the accounts that spent most."""
        if budget.subject != EACH or budget.scope == "global":
            return [await self._share(Applied(budget, budget.subject))]
        now_us = self.ledger.now_us()
        span = self.ledger.calendar.span(budget.period, now_us)
        window = Window(span.start_us, span.end_us)
        by: Dimension = "key" if budget.scope == "key" else "owner"
        await self.ledger.journal.drained(FRESH_S)
        groups = await self.ledger.store.read(partial(grouped, window=window, by=by, limit=MOST_SHOWN))
        return [await self._share(Applied(budget, group.names[0])) for group in groups]

    async def _share(self, applied: Applied) -> Share:
        key = self.ledger.key_of(applied, self.ledger.now_us())
        return Share(applied.budget, key, await self.ledger.accounts.read(key))

    async def own_shares(self, caller: Caller) -> list[Share]:
        """Where a caller's own budgets stand: not the one that all share."""
        return [await self._share(applied) for applied in self._of(caller) if applied.budget.scope != "global"]

    async def create(self, budget: Budget, by: Caller) -> Budget:
        """Make a budget; it counts from now on, and what was spent in its period counts into it.

        Raises:
            InvalidRequest: its name is taken, or it makes no sense.
        """
        self._check(budget)
        if budget.name in self._book().budgets:
            raise tables.name_taken(budget.name)
        await self._audit("budget.create", budget, by)
        await self.ledger.store.write(partial(tables.add_budget, budget))
        await self._changed("a budget was made", budget, by)
        return budget

    async def change(self, budget: Budget, by: Caller) -> Budget:
        """Put another budget in place of the one of that name.

        Raises:
            NotFound: there is none. InvalidRequest: it stands in the configuration, or makes no sense.
        """
        self._check(budget)
        self.made(budget.name)
        await self._audit("budget.change", budget, by)
        await self.ledger.store.write(partial(tables.change_budget, budget))
        await self._changed("a budget was changed", budget, by)
        return budget

    async def remove(self, name: str, by: Caller) -> None:
        """Remove a budget. Raises what `change` raises."""
        budget = self.made(name)
        await self._audit("budget.remove", budget, by)
        await self.ledger.store.write(partial(tables.remove_budget, name))
        await self._changed("a budget was removed", budget, by)

    def made(self, name: str) -> Budget:
        """The budget of that name that was made here.

        Raises:
            NotFound: there is none. InvalidRequest: it stands in the configuration.
        """
        found = self._book().budgets.get(name)
        if found is None:
            raise NotFound(f"there is no budget {name[:64]!r}", param="name")
        if found.source == "config":
            raise InvalidRequest(f"name: {name!r} stands in the configuration; change it there", param="name", code="configured")
        return found

    def _check(self, budget: Budget) -> None:
        if not self._tracks:
            raise InvalidRequest("metrics.enable_cost_tracking is off, and no budget can be kept without it", code="not_tracked")
        if not _NAME.fullmatch(budget.name):
            raise InvalidRequest("name: expected up to 64 letters, digits and . _ -, beginning with a letter or digit", param="name")
        if budget.scope == "global" and budget.subject != EACH:
            raise InvalidRequest("subject: a global budget covers everything; expected it to be left out", param="subject")
        if not budget.subject or len(budget.subject) > 256 or not budget.subject.isprintable():
            raise InvalidRequest("subject: expected 1 to 256 printable characters, or *", param="subject")

    async def _audit(self, action: str, budget: Budget, by: Caller) -> None:
        """Write an act down before it takes effect."""
        if self._record is not None:
            await self._record(
                action,
                by,
                {
                    "name": budget.name,
                    "scope": budget.scope,
                    "subject": budget.subject,
                    "period": budget.period,
                    "limit_usd": in_usd(budget.limit_pico_usd),
                    "on_unknown_price": budget.on_unknown_price,
                    "caps_answers": budget.caps_answers,
                },
            )

    async def _changed(self, what: str, budget: Budget, by: Caller) -> None:
        await self.ledger.refresh_budgets()
        _log.info(what, budget=budget.name, scope=budget.scope, limit_usd=in_usd(budget.limit_pico_usd), period=budget.period, by=by.id)
