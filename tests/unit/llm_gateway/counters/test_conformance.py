"""What every kind of counters keeps."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.unit.llm_gateway.counters.fakes import LEASE, SECOND, TIER, FakeClock, demand
from tests.valkey import Valkey

from llm_gateway.core.counters import MINUTE_US, SLOT_US, Counters, Demand, Gauge, Rules
from llm_gateway.counters.memory import MemoryCounters
from llm_gateway.counters.redis import RedisCounters


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "redis"])
async def counters(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[Counters]:
    made: Counters
    if request.param == "memory":
        made = MemoryCounters(clock)
    else:
        server: Valkey = request.getfixturevalue("valkey")
        made = RedisCounters(server.url, clock, timeout_s=5, server_now_us=lambda: clock.us)
    await made.start()
    yield made
    await made.aclose()


async def granted(counters: Counters, name: str, *demands: Demand) -> bool:
    return (await counters.reserve(name, demands or (demand(),), LEASE)).granted


async def test_of_many_at_once_exactly_the_limit_is_granted(counters: Counters) -> None:
    rules = Rules((1_000, 60, 1_000), 10**6, 60 * SECOND)
    asked = [counters.reserve(f"n{number}", [Demand("caller:a", rules)], LEASE) for number in range(500)]
    verdicts = await asyncio.gather(*asked)
    assert sum(verdict.granted for verdict in verdicts) == 60
    assert [verdict.limit for verdict in verdicts if not verdict.granted] == ["rpm", "rpm"] + ["cooldown"] * 438


async def test_all_or_nothing(counters: Counters) -> None:
    for number in range(3):
        assert await granted(counters, f"a{number}", demand(), demand("overall"))
    verdict = await counters.reserve("more", [demand("overall", 5), demand("caller:a", 5)], LEASE)
    assert (verdict.granted, verdict.refused, verdict.limit, verdict.wait_us) == (False, 1, "burst", SECOND)
    gauge = await counters.read("overall")
    assert (gauge.counts[1], gauge.held) == (3, 0)
    assert (await counters.read("caller:b")) == Gauge()


async def test_the_verdict_s_gauge_is_the_first_account_s(counters: Counters, clock: FakeClock) -> None:
    verdict = await counters.reserve("a", [demand("caller:a", 70), demand("overall", 70)], LEASE)
    assert verdict.gauge == Gauge((1, 1, 1), (SECOND, MINUTE_US, 60 * MINUTE_US), 0, 70)
    clock.us += 400_000
    counters.settle("a", 30)
    verdict = await counters.reserve("b", [demand("caller:a", 1), demand("overall")], LEASE)
    slot_end = (clock.us // SLOT_US + 1) * SLOT_US
    assert verdict.gauge == Gauge(
        (2, 2, 2), (600_000, MINUTE_US - 400_000, 60 * MINUTE_US - 400_000), 30, 1, slot_end + MINUTE_US - clock.us
    )


async def test_the_longest_wait_is_told(counters: Counters, clock: FakeClock) -> None:
    for number in range(5):
        assert await granted(counters, f"a{number}")
        clock.us += SECOND
    verdict = await counters.reserve("b", [demand()], LEASE)
    assert (verdict.limit, verdict.wait_us) == ("rpm", 55 * SECOND)
    clock.us += 55 * SECOND - 1
    assert not await granted(counters, "c")
    clock.us += 1
    assert await granted(counters, "d")


async def test_the_third_refusal_begins_a_cooldown_that_further_ones_do_not_lengthen(counters: Counters, clock: FakeClock) -> None:
    for number in range(3):
        assert await granted(counters, f"a{number}")
    limits = [(await counters.reserve(f"b{number}", [demand()], LEASE)).limit for number in range(3)]
    assert limits == ["burst", "burst", "cooldown"]
    clock.us += 15 * SECOND
    verdict = await counters.reserve("c", [demand()], LEASE)
    assert (verdict.limit, verdict.wait_us, verdict.gauge.cooldown_us) == ("cooldown", 5 * SECOND, 5 * SECOND)
    clock.us += 5 * SECOND
    assert await granted(counters, "d")


async def test_only_the_account_that_refused_counts_a_refusal(counters: Counters) -> None:
    for number in range(12):
        assert await granted(counters, f"o{number}", demand("overall"))
    for number in range(5):
        assert (await counters.reserve(f"x{number}", [demand(), demand("overall")], LEASE)).limit == "rpm"
    assert await granted(counters, "mine")


async def test_tokens_are_held_then_charged_with_what_was_used(counters: Counters) -> None:
    assert await granted(counters, "a", demand(hold=900))
    verdict = await counters.reserve("b", [demand(hold=200)], LEASE)
    assert (verdict.granted, verdict.limit) == (False, "tpm")
    counters.settle("a", 100)
    assert await granted(counters, "b", demand(hold=200))
    gauge = await counters.read("caller:a")
    assert (gauge.used, gauge.held) == (100, 200)


async def test_without_an_account_of_it_a_call_is_charged_as_held(counters: Counters) -> None:
    assert await granted(counters, "a", demand(hold=900), demand("overall", 700))
    counters.settle("a", None)
    assert [((await counters.read(scope)).used, (await counters.read(scope)).held) for scope in ("caller:a", "overall")] == [
        (900, 0), (700, 0),
    ]  # fmt: skip


async def test_settling_again_or_what_was_never_reserved_changes_nothing(counters: Counters) -> None:
    assert await granted(counters, "a", demand(hold=10))
    for name in ("a", "a", "never"):
        counters.settle(name, 7)
    gauge = await counters.read("caller:a")
    assert (gauge.used, gauge.held) == (7, 0)


async def test_a_name_counts_once(counters: Counters) -> None:
    for _ in range(3):
        assert await granted(counters, "same", demand(hold=10))
    gauge = await counters.read("caller:a")
    assert (gauge.counts[1], gauge.held) == (1, 10)


async def test_a_reservation_that_nobody_settles_is_charged_when_its_lease_is_over(counters: Counters, clock: FakeClock) -> None:
    assert await granted(counters, "lost", demand(hold=1_000))
    clock.us += LEASE - 1
    assert not await granted(counters, "b", demand(hold=1))
    clock.us += 1
    assert not await granted(counters, "c", demand(hold=1))
    gauge = await counters.read("caller:a")
    assert (gauge.used, gauge.held) == (1_000, 0)
    counters.settle("lost", 3)
    assert (await counters.read("caller:a")).used == 1_000
    clock.us += MINUTE_US + SLOT_US
    assert await granted(counters, "d", demand(hold=1_000))


async def test_reset_forgets_counts_and_cooldown_and_keeps_what_is_held(counters: Counters) -> None:
    assert await granted(counters, "a", demand(hold=100))
    for number in range(6):
        await granted(counters, f"b{number}")
    assert (await counters.read("caller:a")).cooldown_us
    await counters.reset("caller:a")
    assert await counters.read("caller:a") == Gauge(held=100)
    assert await granted(counters, "c")
    await counters.reset("nobody")
    assert await counters.read("nobody") == Gauge()


async def test_a_full_account_is_known_to_be_full(counters: Counters, clock: FakeClock) -> None:
    rules = Rules((2, 50, 50))
    assert counters.full_for_us("provider:q", rules) is None
    for number in range(3):
        await counters.reserve(f"a{number}", [Demand("provider:q", rules)], LEASE)
    clock.us += SECOND // 4
    assert counters.full_for_us("provider:q", rules) == SECOND * 3 // 4
    clock.us += SECOND * 3 // 4
    assert counters.full_for_us("provider:q", rules) is None


async def test_large_limits(counters: Counters, clock: FakeClock) -> None:
    rules = Rules((15_000, 20_000, 10**9), 10**12)
    for number in range(40):
        assert await granted(counters, f"a{number}", Demand("provider:q", rules, 10**6))
        clock.us += 1_000
    gauge = await counters.read("provider:q")
    assert (gauge.counts, gauge.held) == ((40, 40, 40), 40 * 10**6)


async def test_active_accounts_are_those_of_the_last_minute(counters: Counters, clock: FakeClock) -> None:
    await granted(counters, "a", demand("caller:a"), demand("overall"))
    clock.us += 30 * SECOND
    await granted(counters, "b", demand("caller:b"))
    assert counters.active("caller:") == (2, 2)
    clock.us += 31 * SECOND
    assert counters.active("caller:") == (1, 1)
    assert counters.is_whole


async def test_odd_names_are_names(counters: Counters) -> None:
    for number, scope in enumerate(("caller:{x}", "caller:a b\r\n$", "caller:ü€", "caller:")):
        verdict = await counters.reserve(f"n{number}", [Demand(scope, TIER)], LEASE)
        assert verdict.granted
        assert (await counters.read(scope)).counts == (1, 1, 1)
