"""Budget events in the database, and their way to a webhook.

An event's name is a digest of what happened: of several processes, or of a process and itself after a restart, the one that can store
the name tells it, and no other. What is to be delivered stands in the database too, so a notice outlives the process that wrote it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from hashlib import blake2b
from random import random
from typing import Final, NamedTuple

import structlog
from sqlalchemy import BigInteger, Column, Connection, Index, Integer, String, Table, Text, delete, select, update

from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import LLMGatewayError
from llm_gateway.core.notices import BudgetNotice
from llm_gateway.ledger.alerts import BudgetEvent, Notifier
from llm_gateway.ledger.amounts import in_usd
from llm_gateway.ledger.journal import Store
from llm_gateway.ledger.periods import DAY_US
from llm_gateway.stores.sql import metadata

_log = structlog.get_logger(__name__)
MOST_SHOWN: Final = 256
MOST_WAITING: Final = 1_024
"""Events that wait for the database; beyond, the oldest are only logged."""
KEPT_US: Final = 92 * DAY_US
"""Longer than any period, so that nothing of a period is told twice."""
IDLE_S: Final = 30.0
"""Time between looks for notices whose turn has come, or that another process left behind."""
FIRST_WAIT_S: Final = 2.0
LONGEST_WAIT_S: Final = 600.0
LEASE_S: Final = 60.0
"""How long a delivery belongs to the process that began it."""
MOST_AT_ONCE: Final = 32
_SECOND_US: Final = 1_000_000

alerts = Table(
    "budget_alerts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("budget", String(128), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("subject", Text, nullable=False),
    Column("period", String(8), nullable=False),
    Column("period_start_us", BigInteger, nullable=False),
    Column("percent", Integer),
    Column("spent_pico_usd", BigInteger),
    Column("limit_pico_usd", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_us", BigInteger, nullable=False),
)
Index("budget_alerts_by_time", alerts.c.at_us)
Index("budget_alerts_waiting", alerts.c.state, alerts.c.next_us)

_COLUMNS: Final = tuple(column.name for column in alerts.columns)
_ADD: Final = f"INSERT INTO budget_alerts ({', '.join(_COLUMNS)}) VALUES ({{places}}) ON CONFLICT (id) DO NOTHING"  # noqa: S608 - own names

Send = Callable[[BudgetNotice], Awaitable[str]]
"""Delivers a notice; "" when it was taken, else what went wrong. Raises `LLMGatewayError` where it could not even be asked."""


class _Due(NamedTuple):
    id: str
    event: BudgetEvent
    attempts: int
    next_us: int


class Bulletin:
    """A `Notifier` that stores each event once, tells `notifiers` of it, and has it delivered.

    `send` gives the way to the webhook as the configuration has it now (None: there is none), `attempts` how often it is tried.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        notifiers: Iterable[Notifier],
        send: Callable[[], Send | None] = lambda: None,
        *,
        attempts: Callable[[], int] = lambda: 1,
        uniform: Callable[[], float] = random,
    ) -> None:
        self._store = store
        self._clock = clock
        self._notifiers = tuple(notifiers)
        self._send = send
        self._attempts = attempts
        self._uniform = uniform
        self._pending: deque[BudgetEvent] = deque(maxlen=MOST_WAITING)
        self._wake = asyncio.Event()
        self._recording = asyncio.Lock()

    def notify(self, event: BudgetEvent) -> None:
        """Take an event. Never waits."""
        self._pending.append(event)
        self._wake.set()

    async def record(self) -> None:
        """Store what waits; what is new is told."""
        async with self._recording:
            while self._pending:
                event = self._pending[0]
                state = "waiting" if self._send() is not None else "kept"
                if await self._store.write(partial(_add, event, state, self._now_us())):
                    for notifier in self._notifiers:
                        notifier.notify(event)
                self._pending.popleft()

    async def events(self) -> list[BudgetEvent]:
        """The newest events, the newest first."""
        await self.record()
        return await self._store.read(_newest)

    async def deliver(self) -> int:
        """Deliver what is due. Gives how many notices were tried."""
        send = self._send()
        if send is None:
            return 0
        tried = 0
        for due in await self._store.read(partial(_due, now_us=self._now_us())):
            lease_us = self._now_us() + int(LEASE_S * _SECOND_US)
            if await self._store.write(partial(_claim, due, lease_us)):
                tried += 1
                await self._try(due, send)
        return tried

    async def _try(self, due: _Due, send: Send) -> None:
        try:
            problem = await send(notice_of(due.id, due.event))
        except LLMGatewayError as failure:
            problem = failure.message
        attempts = due.attempts + 1
        if not problem:
            await self._store.write(partial(_settle, due.id, "delivered", attempts, 0))
            return
        over = attempts >= self._attempts()
        wait_s = min(FIRST_WAIT_S * 2.0 ** (attempts - 1), LONGEST_WAIT_S) * (0.5 + self._uniform() / 2)
        state = "failed" if over else "waiting"
        await self._store.write(partial(_settle, due.id, state, attempts, self._now_us() + int(wait_s * _SECOND_US)))
        said = _log.error if over else _log.warning
        said("a budget notice was not delivered", notice=due.id, attempts=attempts, gives_up=over, problem=problem)

    async def remove_old(self) -> None:
        """Forget events of periods that are long over."""
        await self._store.write(partial(_remove_before, before_us=self._now_us() - KEPT_US))

    async def run(self) -> None:
        """Record and deliver for ever; a database that is away is asked again."""
        while True:
            self._wake.clear()
            try:
                await self.record()
                await self.deliver()
            except Exception:  # the task must outlive whatever the database says
                _log.exception("budget events could not be stored or delivered; this is tried again")
            await self._pause()

    async def _pause(self) -> None:
        """Until something is new, or the next notice's turn comes."""
        if self._pending:
            await asyncio.sleep(FIRST_WAIT_S)
            return
        try:
            async with asyncio.timeout(await self._idle_s()):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _idle_s(self) -> float:
        if self._send() is None:
            return IDLE_S
        try:
            next_us = await self._store.read(_next)
        except Exception:
            _log.exception("budget notices could not be read; this is tried again")
            return IDLE_S
        return IDLE_S if next_us is None else min(max((next_us - self._now_us()) / _SECOND_US, 0.05), IDLE_S)

    def _now_us(self) -> int:
        return int(self._clock.wall_s() * _SECOND_US)


def name_of(event: BudgetEvent) -> str:
    """The same for the same thing: a threshold once for each limit and period, everything else once for each period."""
    mark = f"{event.percent}:{event.limit_pico_usd}" if event.kind == "threshold" else ""
    said = "\0".join([event.kind, event.budget, event.scope, event.subject, event.period, str(event.period_start_us), mark])
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def notice_of(name: str, event: BudgetEvent) -> BudgetNotice:
    """What the webhook is told."""
    spent = None if event.spent_pico_usd is None else in_usd(event.spent_pico_usd)
    return BudgetNotice(
        name, event.kind, event.budget, event.scope, event.subject, event.period, event.period_start_us / _SECOND_US, event.percent, spent,
        in_usd(event.limit_pico_usd), event.at_us / _SECOND_US,
    )  # fmt: skip


def _add(event: BudgetEvent, state: str, now_us: int, connection: Connection) -> bool:
    subject = event.subject.encode("utf-8", "replace").decode().replace("\0", "")
    values = (
        name_of(event), event.at_us, event.kind, event.budget, event.scope, subject, event.period, event.period_start_us, event.percent,
        event.spent_pico_usd, event.limit_pico_usd, state, 0, now_us,
    )  # fmt: skip
    place = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    return connection.exec_driver_sql(_ADD.format(places=", ".join([place] * len(_COLUMNS))), values).rowcount == 1


def _event(row: Sequence[object]) -> BudgetEvent:
    return BudgetEvent(*row[1:11])  # type: ignore[arg-type]  # as `_add` wrote them


def _newest(connection: Connection) -> list[BudgetEvent]:
    found = connection.execute(select(alerts).order_by(alerts.c.at_us.desc(), alerts.c.id).limit(MOST_SHOWN))
    return [_event(row) for row in found]


def _due(connection: Connection, now_us: int) -> list[_Due]:
    waiting = (alerts.c.state == "waiting") & (alerts.c.next_us <= now_us)
    found = connection.execute(select(alerts).where(waiting).order_by(alerts.c.at_us).limit(MOST_AT_ONCE))
    return [_Due(row.id, _event(row), row.attempts, row.next_us) for row in found]


def _next(connection: Connection) -> int | None:
    return connection.execute(select(alerts.c.next_us).where(alerts.c.state == "waiting").order_by(alerts.c.next_us).limit(1)).scalar()


def _claim(due: _Due, lease_us: int, connection: Connection) -> bool:
    mine = (alerts.c.id == due.id) & (alerts.c.state == "waiting") & (alerts.c.next_us == due.next_us)
    return connection.execute(update(alerts).where(mine).values(next_us=lease_us)).rowcount == 1


def _settle(name: str, state: str, attempts: int, next_us: int, connection: Connection) -> None:
    connection.execute(update(alerts).where(alerts.c.id == name).values(state=state, attempts=attempts, next_us=next_us))


def _remove_before(connection: Connection, before_us: int) -> None:
    connection.execute(delete(alerts).where(alerts.c.at_us < before_us))
