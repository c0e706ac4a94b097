"""Several processes, one budget: never more than there is, nothing lost, nothing counted twice, whatever becomes of the store."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.valkey import Proxy, Valkey

from llm_gateway.core.errors import Overloaded
from llm_gateway.counters.line import StoreLost
from llm_gateway.ledger import shared
from llm_gateway.ledger.accounts import AccountKey, Claim, Hold, Refusal, Standing
from llm_gateway.ledger.shared import PREFIX, SharedAccounts, SharedHold

YEAR_US = 365 * 86_400 * 1_000_000
KEY = AccountKey("global", "*", 0, YEAR_US)
OTHER = AccountKey("caller", "ann", 0, YEAR_US)
NANO = 1_000
TEN = 10 * NANO
SECOND_US = 1_000_000


class Clock:
    """Time stands, in the store too, until it is moved."""

    def __init__(self) -> None:
        self.now_us = 1_000 * SECOND_US

    def wall_s(self) -> float:
        return self.now_us / SECOND_US

    def monotonic_s(self) -> float:
        return self.now_us / SECOND_US


class World:
    """A store, a ledger in memory, and processes that share them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = Clock()
        self.spent: dict[tuple[AccountKey, str], int] = {}
        """The ledger: pico-dollars by account and process."""
        self.open: dict[tuple[AccountKey, str], int] = {}
        """Rows of running calls."""
        self.events: list[tuple[int, int]] = []
        self.processes: list[SharedAccounts] = []

    async def process(self, name: str, replicas: int = 1, url: str = "", patience_s: float = 0) -> SharedAccounts:
        async def sums(key: AccountKey) -> dict[str, int]:
            names = {who for of, who in [*self.spent, *self.open] if of == key}
            return {who: self.spent.get((key, who), 0) + (self.open.get((key, who), 0) if who != name else 0) for who in names}

        async def load(key: AccountKey, taken: Callable[[], None]) -> int:
            taken()
            return self.spent.get((key, name), 0)

        made = SharedAccounts(
            url or self.url, sums, self.clock, name, load=load, replicas=replicas, timeout_s=2, patience_s=patience_s,
            server_now_us=lambda: self.clock.now_us, sleep=_moment,
        )  # fmt: skip
        await made.start()
        self.processes.append(made)
        return made

    def charge(self, process: SharedAccounts, key: AccountKey, pico: int) -> None:
        """As the keeper does: the row, and the charge in the same breath."""
        name = (key, process._process)
        self.spent[name] = self.spent.get(name, 0) + pico
        process.charge(key, pico, lambda spent, amount: self.events.append((spent, amount)))

    async def close(self) -> None:
        for process in self.processes:
            await process.aclose()


async def _moment(_: float) -> None:
    await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with Valkey() as valkey:
        yield valkey


@pytest.fixture
async def world(server: Valkey) -> AsyncIterator[World]:
    server.command("FLUSHALL")
    server.command("SET", f"{PREFIX}epoch", "1")
    made = World(server.url)
    yield made
    await made.close()


async def settled(*processes: SharedAccounts) -> None:
    """What was to be said has been said."""
    for process in processes:
        await asyncio.sleep(0)
        if process.line.up:
            await process.line.ask((b"read",), ("nobody",))


async def back(process: SharedAccounts, *, losses: int = 0) -> None:
    """It is connected, after so many losses: a moment of being away is too short to be seen for sure."""
    async with asyncio.timeout(30):
        while process.line.losses < losses or not process.line.up:
            await asyncio.sleep(0.005)


def held(got: "Hold | Refusal") -> SharedHold:
    assert isinstance(got, SharedHold), got
    return got


async def test_of_200_at_once_at_four_processes_ten_are_let_in(world: World) -> None:
    world.spent[KEY, "dead"] = 5 * TEN
    four = [await world.process(f"p{number}", replicas=4) for number in range(4)]
    got = await asyncio.gather(*(four[number % 4].reserve([Claim(KEY, 15 * TEN)], TEN) for number in range(200)))
    holds = [(four[number % 4], each) for number, each in enumerate(got) if isinstance(each, SharedHold)]
    assert len(holds) == 10
    assert {each.standing for each in got if isinstance(each, Refusal)} == {Standing(5 * TEN, 10 * TEN)}
    for process, hold in holds:
        process.release(hold)
        world.charge(process, KEY, TEN // 2)
    await settled(*four)
    assert {await process.read(KEY) for process in four} == {Standing(10 * TEN, 0)}
    assert sum(process.held() for process in four) == 0
    assert await four[0].check([Claim(KEY, 10 * TEN)], 1) == Refusal(0, Standing(10 * TEN, 0))
    assert await four[0].check([Claim(KEY, 10 * TEN + 1_000)], 1) is None


async def test_all_accounts_or_none(world: World) -> None:
    one, two = await world.process("p1"), await world.process("p2")
    claims = [Claim(KEY, 5 * TEN), Claim(OTHER, TEN), Claim(KEY, 4 * TEN)]
    first = held(await one.reserve(claims, TEN))
    assert await two.reserve(claims, TEN) == Refusal(1, Standing(0, TEN))
    assert await two.read(KEY) == Standing(0, TEN)
    assert held(await two.reserve([claims[0]], 3 * TEN)).amount == 3 * TEN
    assert await two.reserve([claims[0], claims[2]], TEN) == Refusal(1, Standing(0, 4 * TEN))
    one.release(first)
    one.release(first)
    await settled(one)
    assert await two.read(OTHER) == Standing(0, 0)


async def test_amounts_are_rounded_to_the_safe_side(world: World) -> None:
    one = await world.process("p1")
    assert isinstance(await one.reserve([Claim(KEY, 999)], 1), Refusal)
    hold = held(await one.reserve([Claim(KEY, 1_999)], 1))
    assert isinstance(await one.reserve([Claim(KEY, 1_999)], 1), Refusal)
    one.release(hold)
    world.charge(one, KEY, 1)
    world.charge(one, KEY, 1)
    await settled(one)
    assert (await one.read(KEY)).spent == NANO  # the sum is rounded, not its parts


async def test_every_crossing_is_told_once_and_to_one(world: World) -> None:
    four = [await world.process(f"p{number}") for number in range(4)]
    for process in four:
        await process.reserve([Claim(KEY, 10**12)], 0)
    for number in range(40):
        asking = asyncio.ensure_future(four[number % 4].reserve([Claim(KEY, 10**12)], 0))  # in the same breath
        world.charge(four[number % 4], KEY, TEN)
        held(await four[(number + 1) % 4].reserve([Claim(KEY, 10**12)], 0))
        held(await asking)
    await settled(*four)
    crossings = sorted((spent - amount, spent) for spent, amount in world.events)
    assert [before for before, _ in crossings] == [0, *[after for _, after in crossings[:-1]]]
    assert crossings[-1][1] == 40 * TEN


async def test_who_leaves_while_asking_holds_nothing(world: World) -> None:
    one = await world.process("p1")
    held(await one.reserve([Claim(KEY, 10 * TEN)], 0))
    asking = asyncio.ensure_future(one.reserve([Claim(KEY, 10 * TEN)], TEN))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await settled(one)
    await settled(one)
    assert await one.read(KEY) == Standing(0, 0)


async def test_what_was_lost_with_the_store_is_said_again(world: World, server: Valkey) -> None:
    one, two = await world.process("p1", 2), await world.process("p2", 2)
    hold = held(await one.reserve([Claim(KEY, 10 * TEN)], 4 * TEN))
    world.charge(two, OTHER, TEN)
    held(await two.reserve([Claim(KEY, 10 * TEN), Claim(OTHER, 9 * TEN)], 2 * TEN))
    world.charge(two, KEY, TEN)
    await settled(one, two)
    server.command("FLUSHALL")
    await asyncio.gather(*(back(each, losses=1) for each in (one, two)))  # each finds out with its next beat
    # For a while nobody is let in by the store: by its half of what the ledger says was left, one is.
    assert isinstance(await one.reserve([Claim(KEY, 10 * TEN)], 0), SharedHold)
    with pytest.raises(Overloaded, match="share"):
        await one.reserve([Claim(KEY, 10 * TEN)], 5 * TEN)
    world.clock.now_us += 7 * SECOND_US
    assert await one.reserve([Claim(KEY, 10 * TEN)], 4 * TEN) == Refusal(0, Standing(TEN, 6 * TEN))
    held(await two.reserve([Claim(KEY, 10 * TEN)], 3 * TEN))
    one.release(hold)
    await settled(one)
    assert await two.read(KEY) == Standing(TEN, 5 * TEN)
    assert (await two.read(OTHER)).spent == TEN


async def test_while_the_store_is_away_each_has_its_share(world: World, server: Valkey) -> None:
    async with Proxy(server.port) as proxy:
        two = [await world.process(f"p{number}", 2, proxy.url) for number in range(2)]
        for process in two:
            held(await process.reserve([Claim(KEY, 10 * TEN)], TEN))
        proxy.cut_after = 0
        for process in two:  # the ledger has rows of the calls that run
            world.open[KEY, process._process] = TEN
        granted = 0
        for process in two:
            for _ in range(20):
                with suppress(Overloaded):
                    granted += isinstance(await process.reserve([Claim(KEY, 10 * TEN)], TEN), SharedHold)
        assert granted == 8
        assert not any(process.line.up for process in two)
        proxy.cut_after = None
        await asyncio.gather(*(back(process) for process in two))
        assert await two[0].read(KEY) == Standing(0, 10 * TEN)
        assert isinstance(await two[1].reserve([Claim(KEY, 10 * TEN)], 1), Refusal)


async def test_a_store_that_was_lost_for_a_moment_is_waited_for_and_nobody_takes_a_share(world: World, server: Valkey) -> None:
    one, two = await world.process("p1", 2, patience_s=60), await world.process("p2", 2)
    held(await one.reserve([Claim(KEY, 10 * TEN)], TEN))
    held(await two.reserve([Claim(KEY, 10 * TEN)], 9 * TEN))  # and the ledger has not heard of it yet
    await settled(one, two)
    server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    got = await asyncio.gather(*(one.reserve([Claim(KEY, 10 * TEN)], TEN) for _ in range(5)))
    assert got == [Refusal(0, Standing(0, 10 * TEN))] * 5
    assert one.line.losses == 1


async def test_what_could_not_be_told_while_the_store_was_lost_is_told_when_it_is_back(world: World, server: Valkey) -> None:
    one = await world.process("p1")
    held(await one.reserve([Claim(KEY, 10 * TEN)], 0))
    server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    world.charge(one, KEY, 3 * TEN)
    await back(one, losses=1)
    assert world.events == [(3 * TEN, 3 * TEN)]
    assert await one.read(KEY) == Standing(3 * TEN, 0)


async def test_what_happens_while_the_store_is_told_everything_is_told_too(world: World, server: Valkey) -> None:
    async with Proxy(server.port) as proxy:
        one = await world.process("p1", url=proxy.url)
        hold = held(await one.reserve([Claim(KEY, 10 * TEN)], 4 * TEN))
        proxy.delay_s = 0.2
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        async with asyncio.timeout(30):
            while one._generation < 2:  # what it says of itself is on its way
                await asyncio.sleep(0.002)
        assert not one.line.up
        world.charge(one, KEY, 3 * TEN)
        one.release(hold)
        await back(one)
        await settled(one)
        two = await world.process("p2")
        assert await two.read(KEY) == Standing(3 * TEN, 0)
        await one.aclose()


async def test_a_dead_process_s_money_counts_as_the_ledger_has_it(world: World) -> None:
    one, two = await world.process("p1"), await world.process("p2")
    held(await one.reserve([Claim(KEY, 10 * TEN)], 8 * TEN))
    world.charge(one, KEY, TEN)
    await settled(one)
    await one.aclose()  # as far as the store knows, it says nothing any more
    world.open[KEY, "p1"] = 3 * TEN
    assert isinstance(await two.reserve([Claim(KEY, 10 * TEN)], 6 * TEN), Refusal)
    world.clock.now_us += 16 * SECOND_US
    hold = held(await two.reserve([Claim(KEY, 10 * TEN)], 6 * TEN))
    assert await two.reserve([Claim(KEY, 10 * TEN)], NANO) == Refusal(0, Standing(4 * TEN, 6 * TEN))
    two.release(hold)


async def test_one_that_was_taken_for_dead_says_everything_again(world: World) -> None:
    one, two = await world.process("p1"), await world.process("p2")
    hold = held(await one.reserve([Claim(KEY, 10 * TEN)], 8 * TEN))
    world.clock.now_us += 16 * SECOND_US
    # It was frozen: the beats that it sends now come after its burial.
    await two.line.ask((b"bury", "p2", two._generation, "p1", 0), (f"global:0:{KEY.subject}",))
    await back(one, losses=1)
    assert one._generation == 2
    assert await two.reserve([Claim(KEY, 10 * TEN)], 3 * TEN) == Refusal(0, Standing(0, 8 * TEN))
    one.release(hold)
    await settled(one)
    assert await two.read(KEY) == Standing(0, 0)


async def test_what_an_old_generation_said_is_not_heard_any_more(world: World, server: Valkey) -> None:
    """As when a frozen store goes on, and finds in an old socket what was asked before."""
    one = await world.process("p1")
    held(await one.reserve([Claim(KEY, 10 * TEN)], TEN))
    server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await back(one, losses=1)
    late = (b"reserve", "p1", one._generation - 1, 5 * TEN // NANO, 10 * TEN // NANO, 0, 10**6)
    with pytest.raises(StoreLost):
        await one.line.ask(late, (f"global:0:{KEY.subject}",))
    await back(one, losses=2)
    assert await one.read(KEY) == Standing(0, TEN)


async def test_the_hold_of_a_call_for_free_does_not_stay_when_its_end_was_not_heard(world: World, server: Valkey) -> None:
    one = await world.process("p1")
    hold = held(await one.reserve([Claim(KEY, 10 * TEN)], 4 * TEN))
    server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    world.charge(one, KEY, 0)
    one.release(hold)
    await back(one, losses=1)
    assert await one.read(KEY) == Standing(0, 0)


async def test_an_account_that_nobody_here_asked_for_is_told_of_what_was_spent_on_it(world: World) -> None:
    """A budget is made while calls run: what they cost counts at once, in other processes too."""
    one, two = await world.process("p1"), await world.process("p2")
    held(await two.reserve([Claim(KEY, 10 * TEN)], TEN))  # the account is there, and p1 has said nothing of it
    world.charge(one, KEY, 3 * TEN)
    async with asyncio.timeout(30):
        while (await two.read(KEY)).spent != 3 * TEN:
            await asyncio.sleep(0.002)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "reserve", "reserve", "settle", "settle", "cut", "flush", "later"]),
        st.integers(0, 2),
        st.integers(0, 40),
    ),
    min_size=5,
    max_size=40,
)  # fmt: skip


@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(STEPS)
def test_no_order_of_things_spends_more_than_there_is_or_forgets_any(server: Valkey, steps: list[tuple[str, int, int]]) -> None:
    async def run() -> None:
        server.command("FLUSHALL")
        server.command("SET", f"{PREFIX}epoch", "1")
        world = World(server.url)
        try:
            await _any_order(world, server, steps)
        finally:
            await world.close()

    asyncio.run(run())


async def _any_order(world: World, server: Valkey, steps: list[tuple[str, int, int]]) -> None:
    limit = 20 * TEN
    three = [await world.process(f"p{number}", 3) for number in range(3)]
    holds: list[tuple[SharedAccounts, SharedHold]] = []

    def total() -> int:
        return sum(world.spent.values()) + sum(hold.nano * NANO for _, hold in holds)

    for what, which, amount in steps:
        process = three[which]
        if what == "reserve":
            try:
                got = await process.reserve([Claim(KEY, limit)], amount * NANO)
            except Overloaded:
                continue
            if isinstance(got, SharedHold):
                holds.append((process, got))
                world.open[KEY, process._process] = sum(hold.nano * NANO for owner, hold in holds if owner is process)
                assert total() <= limit
        elif what == "settle" and holds:
            owner, hold = holds.pop(amount % len(holds))
            world.charge(owner, KEY, hold.nano * (amount % 3) // 2 * NANO)
            owner.release(hold)
            world.open[KEY, owner._process] = sum(each.nano * NANO for who, each in holds if who is owner)
        elif what == "cut":
            server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        elif what == "flush":
            server.command("FLUSHALL")
        else:
            world.clock.now_us += 7 * SECOND_US
    world.clock.now_us += 7 * SECOND_US
    expected = Standing(sum(world.spent.values()), sum(hold.nano * NANO for _, hold in holds))
    async with asyncio.timeout(60):
        for process in three:
            while not process.line.up or not isinstance(await _probe(process, limit), (SharedHold, Refusal)):
                await asyncio.sleep(0.005)
        while {await process.read(KEY) for process in three} != {expected}:
            world.clock.now_us += SECOND_US  # a store that was emptied just now lets nobody in for a while, and needs somebody to ask
            await asyncio.gather(*(_probe(process, limit) for process in three))
            await _moment(0)  # as long as a beat takes: time must not run ahead of those that say that they live


async def _probe(process: SharedAccounts, limit: int) -> object:
    try:
        got = await process.reserve([Claim(KEY, limit)], 0)
    except Overloaded:
        return None
    if isinstance(got, SharedHold):
        process.release(got)
    return got


def test_the_script_and_the_code_mean_the_same_by_their_codes() -> None:
    script = shared.SCRIPT.decode()
    names = ("REFUSED", "GRANTED", "SETTLING", "ABSENT", "UNHEARD")
    assert f"local {', '.join(names)} = {', '.join(str(getattr(shared, name)) for name in names)}" in script
