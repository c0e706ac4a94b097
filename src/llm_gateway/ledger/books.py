"""What outlives a reload: the rows on their way, the accounts, the budgets made with the admin API."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from typing import Final, Protocol

import structlog

from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import Overloaded
from llm_gateway.core.exchange import Exchange
from llm_gateway.ledger import tables
from llm_gateway.ledger.accounts import AccountKey, Accounts, MemoryAccounts
from llm_gateway.ledger.alerts import Alerts, LogNotifier, Notifier
from llm_gateway.ledger.budgets import Applied, Budget
from llm_gateway.ledger.bulletin import Bulletin
from llm_gateway.ledger.journal import Journal, Store
from llm_gateway.ledger.periods import DAY_US, Calendar, month_of

_log = structlog.get_logger(__name__)
READ_TIMEOUT_S: Final = 2.0
"""Time for the ledger to say what was spent, when an account is first asked for."""
GRACE_S: Final = 60.0
"""How much longer than its deadline a call's hold lives, should nobody settle it."""
HOUSEKEEPING_S: Final = 60.0
CLOSE_S: Final = 5.0


class Running(Protocol):
    """A call that has begun."""

    def settle(self) -> None:
        """It is over. A second time does nothing."""
        ...


class Ledger:
    """The rows, the accounts and the budgets made with the admin API. One for each process; `process` is its unique name.

    Make it when the event loop runs, `open` it before the first call, `close` it before the database.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        process: str,
        notifiers: Iterable[Notifier] = (LogNotifier(),),
        bulletin: Bulletin | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.process = process
        self.journal = Journal(store)
        self.accounts: Accounts = MemoryAccounts(self._spent)
        self.bulletin = bulletin
        """Where events are kept, and told from; None: `notifiers` hear of them at once, and they are not kept."""
        self.alerts = Alerts(notifiers if bulletin is None else (bulletin,))
        self.calendar = Calendar()
        self.created: tuple[Budget, ...] = ()
        """The budgets that were made with the admin API."""
        self.calls: dict[Exchange, Running] = {}
        self.numbers = count(1)
        """Numbers for the calls of this process."""

    async def open(self) -> None:
        """Read the budgets, and close what killed processes left open."""
        await self.refresh_budgets()
        await self.recover()

    async def refresh_budgets(self) -> None:
        """Read the budgets that were made with the admin API."""
        found = tuple(await self.store.read(tables.read_budgets))
        if found != self.created:
            self.created = found

    async def recover(self) -> int:
        """Close open rows whose calls are over for certain. Gives their number."""
        count = await self.store.write(partial(tables.recover, now_us=self.now_us()))
        if count:
            _log.warning("calls of a process that was killed count with what was reserved for them", attempts=count)
        return count

    def now_us(self) -> int:
        return int(self.clock.wall_s() * 1_000_000)

    def key_of(self, applied: Applied, at_us: int) -> AccountKey:
        """The account that a budget's money of that time is on."""
        span = self.calendar.span(applied.budget.period, at_us)
        return AccountKey(applied.budget.scope, applied.subject, span.start_us, span.end_us)

    async def _spent(self, key: AccountKey, taken: Callable[[], None]) -> int:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self.journal.ask(partial(tables.spent, key=key, process=self.process), taken)
        except TimeoutError:
            raise Overloaded("the ledger does not answer in time", code="ledger_unavailable", retry_after_s=1) from None

    async def spent_by_process(self, key: AccountKey) -> dict[str, int]:
        """What was spent on an account, pico-dollars by process; running calls of other processes with what they hold.

        Raises:
            Overloaded: nobody can say at the moment.
        """
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self.journal.ask(partial(tables.spent_by_process, key=key, process=self.process))
        except TimeoutError:
            raise Overloaded("the ledger does not answer in time", code="ledger_unavailable", retry_after_s=1) from None

    async def spent_here(self, key: AccountKey, taken: Callable[[], None]) -> int:
        """What this process has spent on an account, pico-dollars; as `_spent`.

        Raises:
            Overloaded: nobody can say at the moment.
        """
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                sums = await self.journal.ask(partial(tables.spent_by_process, key=key, process=self.process), taken)
        except TimeoutError:
            raise Overloaded("the ledger does not answer in time", code="ledger_unavailable", retry_after_s=1) from None
        return sums.get(self.process, 0)

    def reap(self) -> int:
        """Settle calls whose time is over by far and that nobody ended. Gives their number; it should be 0."""
        late_s = self.clock.monotonic_s() - GRACE_S
        late = [(exchange, call) for exchange, call in self.calls.items() if exchange.deadline_s < late_s]
        for exchange, call in late:
            _log.error("a call was never ended; it is settled as it stands", correlation_id=exchange.correlation_id)
            call.settle()
        return len(late)

    async def remove_old(self, retention_days: int) -> int:
        """Remove rows older than that, but none of this month: budgets are measured by them. Gives their number."""
        now_us = self.now_us()
        before_us = min(now_us - retention_days * DAY_US, month_of(now_us).start_us)
        removed = 0
        while count := await self.store.write(partial(tables.remove_before, before_us=before_us)):
            removed += count
        return removed

    async def housekeep(self, retention_days: int) -> None:
        """What needs doing from time to time."""
        self.reap()
        await self.recover()
        await self.remove_old(retention_days)
        if self.bulletin is not None:
            await self.bulletin.remove_old()

    async def keep_house(self, retention_days: Callable[[], int]) -> None:
        """Housekeeping for ever; a failing one is logged, and tried again the next time."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            try:
                await self.housekeep(retention_days())
            except Exception:
                _log.exception("the ledger's housekeeping failed")

    async def close(self) -> None:
        """Write what waits."""
        await self.journal.aclose(CLOSE_S)
        if self.bulletin is not None:
            try:
                await self.bulletin.record()
            except Exception:  # the database is away; the spending that made the events makes them again
                _log.exception("budget events were not stored")
        await self.accounts.aclose()
