"""A keeper over a real database, and calls of an upstream that tests script."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from llm_gateway.budget_keeper import BudgetKeeper
from llm_gateway.core.errors import LLMGatewayError
from llm_gateway.core.exchange import Caller, Credentials, Exchange, Reply
from llm_gateway.core.pricing import FREE, Price, Rate
from llm_gateway.core.routing import Attempt
from llm_gateway.core.settings import Settings
from llm_gateway.core.types import ChatRequest, Message, Request, SecurityLevel, Usage
from llm_gateway.ledger import tables
from llm_gateway.ledger.alerts import BudgetEvent
from llm_gateway.ledger.books import Ledger
from llm_gateway.ledger.budgets import Budget
from llm_gateway.ledger.rows import Row
from llm_gateway.stores.sql import SqlStore

USD = 10**12
PRICE = Price(Rate(2_500_000, 10_000_000, 1_250_000, 2_500_000), "catalogue")
"""2.50 USD per million tokens in, 10 out."""
NOON = 1_795_867_200.0  # 2026-11-28T12:00:00Z, a Saturday
ALICE = Caller("alice")


class Clock:
    def __init__(self, wall_s: float = NOON) -> None:
        self.now_s = 1000.0
        self.base_s = wall_s - 1000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.base_s + self.now_s


def ask(text: str = "hello there", max_tokens: int | None = 100, **fields: Any) -> ChatRequest:
    return ChatRequest((Message("user", text),), max_tokens=max_tokens, **fields)


@dataclass
class Upstream:
    """What an attempt comes to. `gate` holds it back; `reached` False: nobody got it."""

    usage: Usage | None = field(default_factory=lambda: Usage(10, 5))
    status: int | None = 200
    outcome: str = "ok"
    price: Price | None = PRICE
    reached: bool = True
    provider: str = "openai"
    model: str = "gpt-4o"
    gate: asyncio.Event | None = None
    raises: BaseException | None = None


class Listening:
    def __init__(self) -> None:
        self.events: list[BudgetEvent] = []

    def notify(self, event: BudgetEvent) -> None:
        self.events.append(event)


class House:
    """Everything that one process has of it."""

    def __init__(self, store: SqlStore, clock: Clock, process: str, settings: dict[str, Any], **more: Any) -> None:
        self.clock = clock
        self.store = store
        self.listening = Listening()
        self.ledger = Ledger(store, clock, process, (self.listening,))
        self.keys: dict[str, Budget] = {}
        self.asked: list[Price | None] = [PRICE]
        self.sent = 0
        self.keeper = BudgetKeeper(Settings(**settings), self.ledger, lambda: self, self.keys.get, **more)

    def prices_asked(self, request: Request) -> list[Price | None]:
        return self.asked

    def exchange(self, request: Request | None = None, caller: Caller = ALICE) -> Exchange:
        now_s = self.clock.monotonic_s()
        exchange = Exchange(
            request or ask(), correlation_id="gw-1", credentials=Credentials(), ingress="native", received_s=now_s, deadline_s=now_s + 300
        )
        exchange.caller = caller
        return exchange

    async def attempt(self, exchange: Exchange, upstream: Upstream) -> None:
        attempt = Attempt(upstream.provider, upstream.model, SecurityLevel.MEDIUM)
        if (waiting := self.keeper.afford(exchange, attempt, upstream.price)) is not None:
            await waiting
        exchange.attempts.append(attempt)
        self.sent += upstream.reached
        attempt.reached = True
        try:
            if upstream.gate is not None:
                await upstream.gate.wait()
            if upstream.raises is not None:
                raise upstream.raises
        finally:
            attempt.reached = upstream.reached
            attempt.upstream_status = upstream.status
            attempt.outcome = upstream.outcome
            attempt.usage = upstream.usage
            if upstream.usage is not None and upstream.price is not None:
                attempt.cost_pico_usd, attempt.price_source = upstream.price.pico_usd(upstream.usage), upstream.price.source

    async def call(self, *upstreams: Upstream, request: Request | None = None, caller: Caller = ALICE) -> Exchange:
        """One call whose attempts come to these, in turn."""
        exchange = self.exchange(request, caller)

        async def router(exchange: Exchange) -> Reply:
            for upstream in upstreams or (Upstream(),):
                await self.attempt(exchange, upstream)
            return Reply([])

        async with exchange:
            await self.keeper(exchange, router)
        return exchange

    async def tried(self, *upstreams: Upstream, **fields: Any) -> str:
        """The code of the refusal, or ""."""
        try:
            await self.call(*upstreams, **fields)
        except LLMGatewayError as failure:
            return failure.code or failure.error_type
        return ""

    async def rows(self) -> list[Row]:
        assert await self.ledger.journal.drained(5)

        def work(connection: Connection) -> list[Row]:
            table = tables.ledger
            return [Row(*found) for found in connection.execute(select(table).order_by(table.c.call, table.c.attempt, table.c.process))]

        return await self.store.read(work)

    async def spent(self, name: str = "b", caller: Caller = ALICE) -> int:
        (applied,) = [each for each in self.keeper.budgets_of(caller) if each.budget.name == name]
        return (await self.ledger.accounts.read(self.ledger.key_of(applied, self.ledger.now_us()))).spent


def budget(limit_usd: float, scope: str = "caller", **fields: Any) -> dict[str, Any]:
    """Settings with one budget."""
    return {"budgets": {"b": {"scope": scope, "limit_usd": limit_usd, **fields}}}


DATABASES: dict[Path, str] = {}
"""The database of a test by its folder, where it has one of its own (see the fixture `on_each_database`)."""


@asynccontextmanager
async def house(
    folder: Path, settings: dict[str, Any] | None = None, clock: Clock | None = None, process: str = "p1"
) -> AsyncIterator[House]:
    store = SqlStore(DATABASES.get(folder, f"sqlite:///{folder / 'ledger.sqlite3'}"))
    try:
        made = House(store, clock or Clock(), process, settings or {})
        await made.ledger.open()
        yield made
        await made.ledger.close()
    finally:
        await asyncio.to_thread(store.close)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.002)


__all__ = ["ALICE", "FREE", "NOON", "PRICE", "USD", "Clock", "House", "Upstream", "ask", "budget", "house", "until"]
