import asyncio
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from llm_gateway.ledger.accounts import AccountKey, Claim, MemoryAccounts, MemoryHold, Refusal, Standing

KEYS = [AccountKey("caller", name, 0, 100) for name in ("a", "b", "c")]


def nobody(spent: int, amount: int) -> None:
    """An account that nobody asks for has nothing to be told."""
    raise AssertionError((spent, amount))


class Books:
    """What was written so far, and how often it was read."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(KEYS, 0)
        self.reads = 0
        self.gate: asyncio.Event | None = None
        self.fails = False

    async def load(self, key: AccountKey, taken: Callable[[], None]) -> int:
        self.reads += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise OSError("away")
        taken()
        return self.spent.get(key, 0)


async def test_an_account_is_read_once_however_many_ask() -> None:
    books = Books()
    books.spent[KEYS[0]], books.gate = 40, asyncio.Event()
    accounts = MemoryAccounts(books.load)
    asking = [asyncio.ensure_future(accounts.reserve((Claim(KEYS[0], 100),), 10)) for _ in range(20)]
    await asyncio.sleep(0)
    asking[0].cancel()  # who leaves does not end it for the others
    books.gate.set()
    got = await asyncio.gather(*asking, return_exceptions=True)
    assert books.reads == 1
    assert sum(isinstance(each, MemoryHold) for each in got) == 6
    assert await accounts.read(KEYS[0]) == Standing(40, 60)


async def test_who_asks_in_the_moment_that_it_has_been_read_does_not_read_it_again() -> None:
    gate, reads = asyncio.Event(), []

    async def load(key: AccountKey, taken: Callable[[], None]) -> int:
        reads.append(key)
        await gate.wait()
        return 0

    accounts = MemoryAccounts(load)
    first = asyncio.ensure_future(accounts.reserve((Claim(KEYS[0], 100),), 60))
    while not reads:
        await asyncio.sleep(0)
    later = []
    for _ in range(5):
        later.append(asyncio.ensure_future(accounts.reserve((Claim(KEYS[0], 100),), 60)))
        gate.set()
        await asyncio.sleep(0)
    got = await asyncio.gather(first, *later)
    assert sum(isinstance(each, MemoryHold) for each in got) == 1
    assert reads == [KEYS[0]]


async def test_what_is_charged_while_it_is_read_counts_once() -> None:
    asked, take, was_taken, answer = (asyncio.Event() for _ in range(4))
    written = [0]

    async def load(key: AccountKey, taken: Callable[[], None]) -> int:
        asked.set()
        await take.wait()
        taken()
        found = written[0]
        was_taken.set()
        await answer.wait()
        return found

    accounts = MemoryAccounts(load)
    reading = asyncio.ensure_future(accounts.read(KEYS[0]))
    await asked.wait()
    written[0] += 7  # its row leaves with the batch that the question rides in
    accounts.charge(KEYS[0], 7, nobody)
    take.set()
    await was_taken.wait()
    written[0] += 5  # too late for the batch
    accounts.charge(KEYS[0], 5, nobody)
    answer.set()
    assert await reading == Standing(12, 0)


async def test_a_failed_reading_holds_nothing_and_is_tried_again() -> None:
    books = Books()
    books.fails = True
    accounts = MemoryAccounts(books.load)
    claims = (Claim(KEYS[0], 100), Claim(KEYS[1], 100))
    with pytest.raises(OSError, match="away"):
        await accounts.reserve(claims, 10)
    books.fails = False
    assert isinstance(await accounts.reserve(claims, 10), MemoryHold)
    assert accounts.held() == 20


async def test_accounts_with_holds_are_never_let_go_of() -> None:
    books = Books()
    accounts = MemoryAccounts(books.load, most=3)
    hold = await accounts.reserve((Claim(AccountKey("caller", "kept", 0, 100), 100),), 60)
    assert isinstance(hold, MemoryHold)
    for number in range(50):
        await accounts.read(AccountKey("caller", str(number), 0, 100))
    assert len(list(accounts.known())) == 3
    refused = await accounts.reserve((Claim(AccountKey("caller", "kept", 0, 100), 100),), 60)
    assert refused == Refusal(0, Standing(0, 60))
    accounts.release(hold)
    accounts.release(hold)
    assert accounts.held() == 0


class Machine(RuleBasedStateMachine):
    """Holds and charges in any order: no account is ever promised more than its limit."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Books()
        self.accounts = MemoryAccounts(self.books.load, most=2)
        self.holds: list[tuple[MemoryHold, tuple[AccountKey, ...], int]] = []
        self.limit = 1000

    @rule(names=st.sets(st.sampled_from(KEYS), min_size=1), amount=st.integers(0, 500))
    def reserve(self, names: set[AccountKey], amount: int) -> None:
        keys = tuple(sorted(names))
        before = {key: self.books.spent[key] + sum(each for _, held, each in self.holds if key in held) for key in keys}
        got = asyncio.run(self._reserve(keys, amount))
        fits = all(before[key] + amount <= self.limit for key in keys)
        assert isinstance(got, MemoryHold) is fits
        if isinstance(got, MemoryHold):
            self.holds.append((got, keys, amount))

    async def _reserve(self, keys: tuple[AccountKey, ...], amount: int) -> object:
        return await self.accounts.reserve([Claim(key, self.limit) for key in keys], amount)

    @rule(share=st.floats(0, 1), place=st.integers(0, 100))
    def settle(self, share: float, place: int) -> None:
        if self.holds:
            hold, keys, amount = self.holds.pop(place % len(self.holds))
            self.accounts.release(hold)
            for key in keys:
                self.books.spent[key] += int(amount * share)
                self.accounts.charge(key, int(amount * share), lambda spent, _: None)

    @invariant()
    def nobody_has_more_than_there_is(self) -> None:
        for key, (spent, held) in self.accounts.known():
            assert spent == self.books.spent[key]
            assert held == sum(amount for _, keys, amount in self.holds if key in keys)
            assert spent + held <= self.limit


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
