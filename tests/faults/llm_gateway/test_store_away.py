"""Valkey is killed, emptied and frozen under load: nobody waits for it, the stated bounds hold, and it is found again unaided."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal

import pytest
from tests.processes import AS_ADMIN, EPOCHS, GatewayProcess, Gateways, Reply, ask
from tests.valkey import Valkey

from llm_gateway.simulator import SimulatorProcess

MANY = 1_000_000
LIMIT = 61
"""Odd: two workers that grant their shares come to one less together, so it shows when they count in one place again."""
WORKERS = 2
BUDGET_USD = 0.5
CALLERS = 8
DEADLINE_S = 30.0
SETTINGS = {
    "server": {"workers": WORKERS, "request_timeout_s": DEADLINE_S},
    "rate_limiting": {
        "default": {
            "requests_per_minute": MANY, "requests_per_hour": LIMIT, "tokens_per_minute": 10**9, "burst_limit": MANY, "cooldown_seconds": 0,
        },
    },
    "limits": {"overall": {"requests_per_hour": MANY}},
    "budgets": {"all": {"limit_usd": BUDGET_USD, "caps_answers": True}},
    "providers": {"openai": {"prices": {"gpt-4o": {"input": 0, "output": 10}}}},
    "routing": {"explicit_fallback": False},
}  # fmt: skip


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        for epoch in EPOCHS:
            server.command("SET", epoch, "1")
        yield server


@pytest.fixture(scope="module")
def gateway(valkey: Valkey, simulator_of_session: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    made = GatewayProcess(tmp_path_factory.mktemp("away"), simulator_of_session, SETTINGS, {"REDIS_URL": valkey.url})
    with Gateways(made):
        yield made


async def load(port: int, user: str, fault: Callable[[], None], lasts_s: float) -> list[Reply]:
    """Callers ask without a break. When they are at it the fault comes; they go on for so long, and until each had answers since."""
    replies: list[Reply] = []
    loop = asyncio.get_running_loop()
    since: Counter[int] = Counter()
    came_s: float | None = None
    number = 0

    def is_over() -> bool:
        return came_s is not None and loop.time() > came_s + lasts_s and min(since[caller] for caller in range(CALLERS)) >= 5

    async def one(caller: int) -> None:
        nonlocal number
        while not is_over():
            number += 1
            replies.append(await ask(port, prompt=f"hello {number}", max_tokens=5, provider="openai", user_id=user))
            since[caller] += came_s is not None
            await asyncio.sleep(0.01)

    asking = [asyncio.ensure_future(one(caller)) for caller in range(CALLERS)]
    while len(replies) < CALLERS:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(fault)
    came_s = loop.time()
    await asyncio.gather(*asking)
    return replies


async def is_shared_again(port: int, user: str) -> None:
    """A fresh caller gets the whole of its limit, and not one more: as it can only be when all count in one place."""
    async with asyncio.timeout(120):
        number = 0
        while True:
            number += 1
            name = f"{user}-after-{number}"
            replies = await asyncio.gather(
                *(ask(port, prompt=f"hello {name} {each}", max_tokens=5, provider="openai", user_id=name) for each in range(LIMIT + 30))
            )
            found = Counter(reply.status for reply in replies)
            if found == {200: LIMIT, 429: 30}:
                return
            assert found[200] <= 2 * LIMIT
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("fault", ["killed", "flushed", "frozen"])
def test_nobody_waits_for_it(fault: str, gateway: GatewayProcess, valkey: Valkey, simulator: SimulatorProcess) -> None:
    def killed() -> None:
        valkey.kill()
        valkey.start()

    def flushed() -> None:
        valkey.command("FLUSHALL")

    def frozen() -> None:
        valkey.pause()

    lasts_s = 5.0 if fault == "frozen" else 1.0
    try:
        replies = asyncio.run(load(gateway.port, fault, {"killed": killed, "flushed": flushed, "frozen": frozen}[fault], lasts_s))
    finally:
        if fault == "frozen":
            valkey.resume()
    statuses = Counter(reply.status for reply in replies)
    assert statuses.keys() <= {200, 429, 503}, statuses
    assert {reply.json["error"]["code"] for reply in replies if reply.status == 503} <= {"budgets_unavailable"}
    # The frozen store goes on only when all were answered: nobody can have waited for it.
    assert max(reply.took_s for reply in replies) < DEADLINE_S
    assert 0 < statuses[200] <= 2 * LIMIT
    asyncio.run(is_shared_again(gateway.port, fault))


def test_what_was_spent_meanwhile_is_known_after(gateway: GatewayProcess) -> None:
    """The budget's account, as every worker sees it, is what the ledger says, and nothing is held."""

    def in_ledger() -> Decimal:
        with closing(sqlite3.connect(gateway.folder / "gateway.sqlite3")) as connection:
            return Decimal(connection.execute("SELECT sum(cost_pico_usd) FROM ledger").fetchone()[0] or 0).scaleb(-12)

    async def seen() -> set[tuple[Decimal, Decimal]]:
        replies = await asyncio.gather(*(ask(gateway.port, "/admin/budgets", AS_ADMIN, "GET") for _ in range(12)))
        shares = [reply.json["budgets"][0]["shares"][0] for reply in replies]
        return {(Decimal(share["spent_usd"]), Decimal(share["held_usd"])) for share in shares}

    async def agree() -> None:
        assert (await ask(gateway.port, prompt="hello", max_tokens=5, provider="openai", user_id="last")).status == 200
        async with asyncio.timeout(60):
            while await seen() != {(in_ledger(), Decimal(0))}:
                await asyncio.sleep(0.1)

    asyncio.run(agree())
    assert 0 < in_ledger() <= Decimal(str(BUDGET_USD))
