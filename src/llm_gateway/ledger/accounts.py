"""What is spent and what is held back, for each subject and period: the port, and its kind for one process.

A reservation asks several accounts at once and gets all or nothing. Between the question and the hold nothing else runs, so in one
process no two calls can be given the same money. A kind for several processes keeps the same promises in a shared store: `reserve`
is one atomic step over all claims, a hold is named by its call and expires with its lease.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from llm_gateway.ledger.budgets import Scope

MAX_ACCOUNTS: Final = 100_000
"""Accounts kept in memory. One that is let go of is read from the ledger when it is needed again."""
_LOOKED_AT: Final = 64


class AccountKey(NamedTuple):
    """Whose money, and of which period."""

    scope: Scope
    subject: str
    start_us: int
    end_us: int


class Claim(NamedTuple):
    """An account, and how much may be spent on it, in pico-dollars."""

    key: AccountKey
    limit: int


class Standing(NamedTuple):
    """Pico-dollars of an account: spent for good, and held for calls that are running."""

    spent: int = 0
    held: int = 0


class Refusal(NamedTuple):
    """Which of the claims failed (its place), and where its account stands."""

    place: int
    standing: Standing


class Hold(Protocol):
    """Money that is held for a call."""

    amount: int


Told = Callable[[int, int], None]
"""Is told what was spent on an account in all, and how much of it just now. No crossing of an amount is told twice or missed."""


class Accounts(Protocol):
    """The accounts, as the budgets need them."""

    async def reserve(self, claims: Sequence[Claim], amount: int) -> "Hold | Refusal":
        """Hold `amount` in every account, or in none; once in an account that several claims name.

        Raises:
            Exception: what reading the ledger raised; nothing is held.
        """
        ...

    async def check(self, claims: Sequence[Claim], amount: int) -> "Refusal | None":
        """What `reserve` would refuse now; holds nothing."""
        ...

    def release(self, hold: Hold) -> None:
        """Give back what is held. A second time does nothing. Never waits."""
        ...

    def charge(self, key: AccountKey, amount: int, told: Told) -> None:
        """Count `amount` as spent. `told` is called when it is known where the account stands then, unless nobody asks for this account.
        Never waits.

        To be called in the same breath as the row is handed to the ledger.
        """
        ...

    async def read(self, key: AccountKey) -> Standing:
        """Where an account stands."""
        ...

    def held(self) -> int:
        """Pico-dollars held by this process, over all accounts: 0 when no call is running."""
        ...

    async def aclose(self) -> None:
        """Say what is to be said, and let go of everything."""
        ...


class Account:
    """What this process knows of an account, in pico-dollars."""

    __slots__ = ("held", "spent", "wanted")

    def __init__(self, spent: int) -> None:
        self.spent = spent
        self.held = 0
        self.wanted = 0
        """Calls that wait for other accounts beside this one."""

    def standing(self) -> Standing:
        return Standing(self.spent, self.held)


class MemoryHold:
    """What is held for one call in the accounts of this process."""

    __slots__ = ("accounts", "amount")

    def __init__(self, accounts: list[Account], amount: int) -> None:
        self.accounts = accounts
        self.amount = amount


class _Loading:
    """An account that is being read. Rows handed in after the question was taken are not in its answer: they are added."""

    __slots__ = ("charged", "done", "taken")

    def __init__(self) -> None:
        self.done: asyncio.Future[None]
        self.taken = False
        self.charged = 0

    def take(self) -> None:
        self.taken = True


Load = Callable[[AccountKey, Callable[[], None]], Awaitable[int]]
"""What the ledger says was spent on an account. Calls its second argument at the moment from which on rows are not counted in it."""


class MemoryAccounts:
    """The accounts of one process, each read from the ledger when it is first asked for."""

    def __init__(self, load: Load, most: int = MAX_ACCOUNTS) -> None:
        self._load = load
        self._most = most
        self._accounts: dict[AccountKey, Account] = {}
        self._loading: dict[AccountKey, _Loading] = {}

    async def reserve(self, claims: Sequence[Claim], amount: int) -> Hold | Refusal:
        accounts = self._known(claims) or await self._ready(claims)
        refusal = _refusal(accounts, claims, amount)
        if refusal is not None:
            return refusal
        if len(accounts) > 1:  # several budgets can be measured by one account
            accounts = list(dict.fromkeys(accounts))
        for account in accounts:
            account.held += amount
        return MemoryHold(accounts, amount)

    async def check(self, claims: Sequence[Claim], amount: int) -> Refusal | None:
        return _refusal(self._known(claims) or await self._ready(claims), claims, amount)

    def release(self, hold: Hold) -> None:
        assert isinstance(hold, MemoryHold)
        for account in hold.accounts:
            account.held -= hold.amount
        hold.accounts = []
        hold.amount = 0

    def charge(self, key: AccountKey, amount: int, told: Told) -> None:
        account = self._accounts.get(key)
        if account is not None:
            account.spent += amount
            told(account.spent, amount)
            return
        loading = self._loading.get(key)
        if loading is not None and loading.taken:
            loading.charged += amount

    async def read(self, key: AccountKey) -> Standing:
        (account,) = await self._ready((Claim(key, 0),))
        return account.standing()

    def held(self) -> int:
        return sum(account.held for account in self._accounts.values())

    async def aclose(self) -> None:
        """There is nothing to let go of."""

    def known(self) -> Iterable[tuple[AccountKey, Standing]]:
        """The accounts that are in memory."""
        return [(key, account.standing()) for key, account in self._accounts.items()]

    def _known(self, claims: Sequence[Claim]) -> list[Account] | None:
        """The accounts of all claims, where all are in memory."""
        accounts = self._accounts
        try:
            return [accounts[claim.key] for claim in claims]
        except KeyError:
            return None

    async def _ready(self, claims: Sequence[Claim]) -> list[Account]:
        """The accounts of all claims, none of which can be let go of before this returns to its caller."""
        while True:
            found = [account for claim in claims if (account := self._accounts.get(claim.key)) is not None]
            if len(found) == len(claims):
                return found
            for account in found:
                account.wanted += 1
            try:
                await asyncio.gather(*(self._one(claim.key) for claim in claims if claim.key not in self._accounts))
            finally:
                for account in found:
                    account.wanted -= 1

    async def _one(self, key: AccountKey) -> None:
        if key in self._accounts:  # it came while this was waiting for its turn; reading it again would forget what is held
            return
        loading = self._loading.get(key)
        if loading is None:
            loading = self._loading[key] = _Loading()
            loading.done = asyncio.ensure_future(self._fetch(key, loading))
        # Whoever leaves does not end the reading for those who stay.
        await asyncio.shield(loading.done)

    async def _fetch(self, key: AccountKey, loading: _Loading) -> None:
        try:
            spent = await self._load(key, loading.take)
            self._make_room()
            self._accounts[key] = self._new(key, spent + loading.charged)
        finally:
            del self._loading[key]

    def _new(self, key: AccountKey, spent: int) -> Account:
        return Account(spent)

    def _make_room(self) -> None:
        if len(self._accounts) < self._most:
            return
        oldest = [key for key, _ in zip(self._accounts, range(_LOOKED_AT), strict=False)]
        for key in oldest:
            account = self._accounts.pop(key)
            if account.held or account.wanted:
                self._accounts[key] = account
            else:
                return


def _refusal(accounts: Sequence[Account], claims: Sequence[Claim], amount: int) -> Refusal | None:
    for place, account in enumerate(accounts):
        if account.spent + account.held + amount > claims[place].limit:
            return Refusal(place, account.standing())
    return None
