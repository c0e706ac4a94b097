"""What the router tells the ledger: prices before an attempt, exact costs after it, and whether anybody was reached."""

import pytest
from tests.unit.llm_gateway.routing.fakes import House, Script, ask, embed

from llm_gateway.core.errors import BudgetExceeded, ProviderTimeout, ProviderUnavailable, UnknownModel
from llm_gateway.core.exchange import Exchange
from llm_gateway.core.pricing import Price
from llm_gateway.core.routing import Attempt
from llm_gateway.core.types import Usage

TWO = {"openai": {"priority": 1}, "anthropic": {"priority": 2}}


async def test_an_attempt_carries_its_exact_cost() -> None:
    house = House(TWO)
    house.script("openai", ProviderTimeout("late", code="first_byte"))
    (failed, answered) = (await house.run(ask()))[0].attempts
    assert (failed.reached, failed.usage, failed.cost_pico_usd) == (True, None, None)
    assert (answered.reached, answered.usage) == (True, Usage(10, 5))
    assert answered.cost_pico_usd == 10 * 3_000_000 + 5 * 15_000_000
    assert answered.price_source == "catalogue"


async def test_a_provider_s_own_figure_is_exact_too() -> None:
    house = House(TWO)
    house.script("openai", Script(pieces=(b"t hi\nu 10 5\nc 0.0000000003\nend\n",)))
    (attempt,) = (await house.run(ask()))[0].attempts
    assert (attempt.cost_pico_usd, attempt.price_source) == (300, "provider")


async def read(house: House, exchange: Exchange) -> None:
    async with exchange:
        async for _ in await house.router(exchange):
            pass


async def test_a_cut_stream_carries_what_was_delivered() -> None:
    house = House(TWO)
    house.script("openai", Script(pieces=(b"t 12345678\n", ProviderUnavailable("lost", code="connection_lost"))))
    exchange = house.exchange(ask("x" * 40, stream=True))
    with pytest.raises(ProviderUnavailable):
        await read(house, exchange)
    (attempt,) = exchange.attempts
    assert attempt.usage == Usage(14, 2, estimated=True)
    assert attempt.cost_pico_usd == 14 * 2_500_000 + 2 * 10_000_000


@pytest.mark.parametrize(("error", "reached"), [
    (ProviderUnavailable("down", code="connect"), False),
    (ProviderUnavailable("down", code="dns"), False),
    (ProviderTimeout("late", code="first_byte"), True),
    (ProviderUnavailable("lost", code="connection_lost"), True),
])  # fmt: skip
async def test_who_was_not_reached_is_not_billed(error: Exception, reached: bool) -> None:
    house = House(TWO)
    house.script("openai", error)
    assert [attempt.reached for attempt in (await house.run(ask()))[0].attempts] == [reached, True]


async def test_what_is_too_dear_is_another_s_turn_and_no_attempt() -> None:
    asked: list[tuple[str, Price | None]] = []

    async def afford(exchange: Exchange, attempt: Attempt, price: Price | None) -> None:
        asked.append((attempt.provider, price))
        if attempt.provider == "openai" or len(asked) > 2:
            raise BudgetExceeded("too dear", code="budget_insufficient")

    house = House(TWO, afford=afford)
    exchange, _ = await house.run(ask())
    assert [name for name, _ in asked] == ["openai", "anthropic"]
    assert all(price is not None for _, price in asked)
    assert [(attempt.provider, attempt.outcome) for attempt in exchange.attempts] == [("anthropic", "ok")]
    with pytest.raises(BudgetExceeded):
        await house.run(ask())
    assert len(house.transport.sent) == 1
    assert house.at_rest()


def test_prices_of_what_could_be_asked() -> None:
    house = House({"ollama": {}, **TWO})
    priced = house.router.prices_asked
    assert [price is not None and price.is_free for price in priced(ask())] == [True, False, False]
    assert [price is not None and price.is_free for price in priced(ask(provider="openai"))] == [True, False, False]
    assert [price is not None and price.is_free for price in priced(ask(model="gpt-4o"))] == [False]
    assert len(priced(embed("x"))) == 2
    with pytest.raises(UnknownModel):
        priced(ask(model="nobodys"))
    strict = House({"ollama": {}, **TWO}, routing={"explicit_fallback": False})
    assert [price is not None and price.is_free for price in strict.router.prices_asked(ask(provider="openai"))] == [False]
