"""Accounts that several processes share, in Redis or Valkey. The ledger in SQL is the truth; what is kept there can be lost at any time.

Every process says there what it has spent on an account itself (a sum that it alone changes) and what it holds. A reservation is one
script and one round trip: all accounts of a call, all or nothing. What a process has spent is said as a sum and not as a step, so
that saying it twice changes nothing, and an account that is not there is made anew of the ledger's sums by process and of what each process
says of itself: no cost is counted twice and none is missed, however reading, writing and losing fall together.

After its line was cut a process says everything again under a new generation; what an older one said and still lies in some socket
is not heard any more. A process that is silent for 15 seconds counts as dead where its holds stand in somebody's way: they
give place to what the ledger says of it. For six seconds after the store was empty it lets nobody reserve, so that every process
can say what it holds.

A store that was lost just now is waited for, a second at most: mostly it was slow for a moment, and what is left is known exactly when it
is back. While it stays away, or lets nobody reserve yet, each process hands out its share of what the ledger says was left
(`replicas`): together not more than there is. Amounts are whole nano-dollars there, rounded to the safe side: Redis's scripts count
exactly up to 2^53, which is nine million dollars.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from importlib.resources import files
from typing import Any, Final

import structlog

from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import Overloaded
from llm_gateway.counters.line import Line, Operation, StoreLost, Word
from llm_gateway.ledger.accounts import Account, AccountKey, Claim, Hold, MemoryAccounts, Refusal, Standing, Told

_log = structlog.get_logger(__name__)
SCRIPT: Final = files("llm_gateway.ledger").joinpath("shared.lua").read_bytes()
PREFIX: Final = "llmgw:{budgets}:"
NANO: Final = 1_000
"""Pico-dollars in a nano-dollar."""
PATIENCE_S: Final = 1.0
"""How long a store that was lost is waited for before shares are handed out."""
BEAT_S: Final = 0.5
"""How often a process that holds something says that it lives."""
KEPT_MS: Final = 86_400_000
"""How long an account is kept after its period."""
MOST_TRIES: Final = 8
REFUSED, GRANTED, SETTLING, ABSENT, UNHEARD = range(5)
"""What the script answers to a reservation."""

Sums = Callable[[AccountKey], Awaitable[dict[str, int]]]
"""What the ledger says was spent on an account, pico-dollars by process; running calls of other processes with what they hold."""


class SharedAccount(Account):
    """An account, as far as this process goes. Pico-dollars, whole nano-dollars where they are held."""

    __slots__ = ("base", "key", "name", "released", "seen", "told", "untold")

    def __init__(self, key: AccountKey, spent: int) -> None:
        super().__init__(spent)
        self.key = key
        self.name = f"{key.scope}:{key.start_us}:{key.subject}"
        self.released = 0
        """What is held no more (below 0: held beside the store), and not said yet."""
        self.untold = 0
        """What was spent, and not said yet."""
        self.told: Told | None = None
        self.seen = Standing()
        """Where it stood when the store was last asked."""
        self.base: Standing | None = None
        """What others had spent (`spent`), and this process had spent and held (`held`), when the store went away."""


class SharedHold:
    """What is held for one call."""

    __slots__ = ("accounts", "amount", "nano")

    def __init__(self, accounts: list[SharedAccount], amount: int, nano: int) -> None:
        self.accounts = accounts
        self.amount = amount
        self.nano = nano


class SharedAccounts(MemoryAccounts):
    """Accounts at `url`. `sums` reads the ledger, `process` is this process's unique name, `replicas` how many share the store."""

    def __init__(
        self,
        url: str,
        sums: Sums,
        clock: Clock,
        process: str,
        *,
        load: Callable[[AccountKey, Callable[[], None]], Awaitable[int]],
        replicas: int = 1,
        timeout_s: float = 0.05,
        patience_s: float = PATIENCE_S,
        prefix: str = PREFIX,
        server_now_us: Callable[[], int] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(load)
        self.line = Line(
            url, prefix, timeout_s, own_us=self._now_us, on_epoch=self._note_epoch, missed=self._everything, server_now_us=server_now_us,
            sleep=sleep, script=SCRIPT, what="budget store: this process hands out its share of what is left",
        )  # fmt: skip
        self._sums = sums
        self._clock = clock
        self._process = process
        self._replicas = replicas
        self._patience_s = patience_s
        self._sleep = sleep
        self._generation = 0
        self._epoch = 0
        self._dirty: dict[SharedAccount, None] = {}
        self._unheard: dict[SharedAccount, None] = {}
        """Those of which there was something to say since everything was last on its way to a store that comes back."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect. A store that is away is no failure."""
        await self.line.start()
        self._spawn(self._beat())

    async def aclose(self) -> None:
        self._say()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.line.aclose()

    async def reserve(self, claims: Sequence[Claim], amount: int) -> "SharedHold | Refusal":
        nano = _up(amount)
        accounts, places = await self._of(claims)
        limits = [claims[place].limit // NANO for place in places]
        since_s = asyncio.get_running_loop().time()
        try:
            for account in accounts:
                account.wanted += 1  # nobody lets go of it while the store is asked
            for _ in range(MOST_TRIES):
                if not await self.line.comes_back(since_s, self._patience_s):
                    break
                try:
                    reply = await self._ask(accounts, limits, nano)
                    code = reply[0]
                    if code == GRANTED:
                        return self._granted(accounts, amount, nano, reply)
                    if code == REFUSED:
                        refusal = await self._refused(accounts, places, reply)
                        if refusal is not None:
                            return refusal
                    elif code == ABSENT:
                        for place in reply[1:-1]:
                            await self._load_into_store(accounts[place - 1])
                    else:
                        break
                except StoreLost:
                    continue
            return await self._alone(accounts, places, claims, amount)
        finally:
            for account in accounts:
                account.wanted -= 1

    async def _ask(self, accounts: list[SharedAccount], limits: list[int], nano: int) -> list[int]:
        words: list[Word] = [b"reserve", self._process, self._generation, nano]
        for account, limit in zip(accounts, limits, strict=True):
            words += [limit, _up(account.spent - account.untold), self._lives_ms(account)]
        asked = asyncio.ensure_future(self.line.ask(tuple(words), tuple([account.name for account in accounts])))
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            # Whoever asked has gone; the store may grant it none the less.
            asked.add_done_callback(lambda done: self._give_back(accounts, nano, done))
            raise

    def _give_back(self, accounts: list[SharedAccount], nano: int, done: "asyncio.Future[list[int]]") -> None:
        if not done.cancelled() and done.exception() is None and done.result()[0] == GRANTED:
            for account in accounts:
                account.released += nano
                self._mark(account)

    def _granted(self, accounts: list[SharedAccount], amount: int, nano: int, reply: list[int]) -> SharedHold:
        for place, account in enumerate(accounts):
            account.held += nano * NANO
            account.seen = Standing(reply[1 + 2 * place], reply[2 + 2 * place])
            account.base = None
        return SharedHold(accounts, amount, nano)

    async def _refused(self, accounts: list[SharedAccount], places: list[int], reply: list[Any]) -> Refusal | None:
        """The refusal; None: holds of dead processes were in the way and are gone."""
        place, spent, held, *rest = reply[1:]
        account = accounts[place - 1]
        account.seen, account.base = Standing(spent, held), None
        dead = [bytes(name).decode() for name in rest[:-1]]
        if not dead:
            return Refusal(places[place - 1], Standing(spent * NANO, held * NANO))
        sums = await self._sums(account.key)
        for name in dead:
            _log.warning("a process died with money held; what the ledger says of it counts", process=name)
            words = (b"bury", self._process, self._generation, name, _up(sums.get(name, 0)))
            await self.line.ask(words, (account.name,))
        return None

    async def _load_into_store(self, account: SharedAccount) -> None:
        sums = await self._sums(account.key)
        words: list[Word] = [b"load", self._process, self._generation, self._lives_ms(account)]
        for name, spent in sums.items():
            if name != self._process:
                words += [name, _up(spent)]
        if self.line.up:
            await self.line.ask(tuple(words), (account.name,))

    async def _alone(self, accounts: list[SharedAccount], places: list[int], claims: Sequence[Claim], amount: int) -> SharedHold | Refusal:
        """Decide without the store: by this process's share of what the ledger says was left."""
        nano = _up(amount)
        for account in accounts:
            if account.base is None:
                others = sum(spent for name, spent in (await self._sums(account.key)).items() if name != self._process)
                if account.base is None:  # while the ledger was asked, somebody else may have
                    account.base = Standing(others, account.spent + account.held)
        for account, place in zip(accounts, places, strict=True):
            others, own = account.base or Standing()
            limit, mine = claims[place].limit, account.spent + account.held
            if others + mine + nano * NANO > limit:
                return Refusal(place, Standing(others + account.spent, account.held))
            if mine + nano * NANO > own + max(limit - others - own, 0) // self._replicas:
                raise Overloaded(
                    "what is left of a budget cannot be known at the moment, and this process's share of it is used up",
                    code="budgets_unavailable",
                    retry_after_s=2,
                )
        for account in accounts:
            account.held += nano * NANO
            account.released -= nano
            self._mark(account)
        return SharedHold(accounts, amount, nano)

    async def check(self, claims: Sequence[Claim], amount: int) -> Refusal | None:
        """By where the accounts stood when last asked: only who would be refused by that is a reason to ask again."""
        known = self._known(claims)
        if known is None or not self.line.up:
            return None
        for place, account in enumerate(known):
            assert isinstance(account, SharedAccount)
            limit = claims[place].limit // NANO
            if sum(account.seen) + _up(amount) <= limit:
                continue
            with contextlib.suppress(StoreLost):
                loaded, spent, held, _ = await self.line.ask((b"read",), (account.name,))
                if loaded:
                    account.seen = Standing(spent, held)
                    if spent + held + _up(amount) > limit:
                        return Refusal(place, Standing(spent * NANO, held * NANO))
        return None

    def release(self, hold: Hold) -> None:
        assert isinstance(hold, SharedHold)
        for account in hold.accounts:
            account.held -= hold.nano * NANO
            account.released += hold.nano
            self._mark(account)
        hold.accounts = []
        hold.amount = hold.nano = 0

    def charge(self, key: AccountKey, amount: int, told: Told) -> None:
        account = self._accounts.get(key)
        if not isinstance(account, SharedAccount):
            super().charge(key, amount, told)
            self._spawn(self._catch_up(key))
            return
        account.spent += amount
        account.untold += amount
        account.told = told
        self._mark(account)

    async def _catch_up(self, key: AccountKey) -> None:
        """Others reckon with an account that this process has not asked for yet: they must hear what it cost here."""
        try:
            await self._one(key)
        except Exception:
            _log.exception("what was spent on a budget could not be read; others hear of it with the next call")

    async def read(self, key: AccountKey) -> Standing:
        (account,), _ = await self._of((Claim(key, 0),))
        if self.line.up:
            with contextlib.suppress(StoreLost):
                loaded, spent, held, _ = await self.line.ask((b"read",), (account.name,))
                if loaded:
                    return Standing(spent * NANO, held * NANO)
        others = sum(spent for name, spent in (await self._sums(key)).items() if name != self._process)
        return Standing(others + account.spent, account.held)

    async def _of(self, claims: Sequence[Claim]) -> tuple[list[SharedAccount], list[int]]:
        """The accounts of the claims, each once, and the place of the claim on it that allows least."""
        known = self._known(claims) or await self._ready(claims)
        least: dict[SharedAccount, int] = {}
        for place, account in enumerate(known):
            assert isinstance(account, SharedAccount)
            if account not in least or claims[place].limit < claims[least[account]].limit:
                least[account] = place
        return list(least), list(least.values())

    def _new(self, key: AccountKey, spent: int) -> SharedAccount:
        account = SharedAccount(key, spent)
        if spent:
            self._mark(account)
        return account

    def _mark(self, account: SharedAccount) -> None:
        """There is something to say of an account: after this step of the loop, in one breath for all that happens in it."""
        if account not in self._dirty:
            account.wanted += 1
            self._dirty[account] = None
            if len(self._dirty) == 1:
                asyncio.get_running_loop().call_soon(self._say)

    def _say(self) -> None:
        for account in self._taken():
            if not self.line.up:
                self._tell_by_guess(account)
                self._unheard[account] = None
                continue
            told, untold, account.told, account.untold = account.told, account.untold, None, 0
            released, account.released = account.released, 0
            words = (b"settle", self._process, self._generation, _up(account.spent), released, self._lives_ms(account))
            if told is None:
                self.line.tell(Operation(words, (account.name,)))
            else:
                asyncio.ensure_future(self.line.ask(words, (account.name,))).add_done_callback(partial(_answered, account, told, untold))

    def _tell_by_guess(self, account: SharedAccount) -> None:
        """The store is away: what others have spent is as far as it is known."""
        told, untold, account.told, account.untold = account.told, account.untold, None, 0
        if told is not None:
            others = account.base.spent if account.base is not None else max(account.seen.spent * NANO - account.spent + untold, 0)
            told(others + account.spent, untold)

    def _taken(self) -> list[SharedAccount]:
        dirty, self._dirty = list(self._dirty), {}
        for account in dirty:
            account.wanted -= 1
        return dirty

    def _everything(self) -> Iterator[Operation]:
        """What the store must hear before anybody asks it anything again."""
        dirty, unheard, self._unheard = self._taken(), self._unheard, {}
        if self.line.up:  # what happened on the way back
            accounts = list(dict.fromkeys((*unheard, *dirty)))
        else:
            self._generation += 1
            yield Operation((b"sync", self._process, self._generation))
            accounts = [account for account in self._accounts.values() if isinstance(account, SharedAccount)]
        for account in accounts:
            self._tell_by_guess(account)
            account.released = 0
            # Of one that is at nothing too: that a hold was given back may be what got lost.
            words = (b"sync", self._process, self._generation, _up(account.spent), account.held // NANO, self._lives_ms(account))
            yield Operation(words, (account.name,))

    def _note_epoch(self, epoch: int) -> None:
        if self._epoch != epoch and self.line.up:
            raise StoreLost("it lost what it was told")  # the line begins anew, and everything is said again
        self._epoch = epoch

    async def _beat(self) -> None:
        while True:
            await self._sleep(BEAT_S)
            if self.line.up and self._accounts:
                self.line.tell(Operation((b"beat", self._process, self._generation)))

    def _spawn(self, work: "Awaitable[None]") -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _lives_ms(self, account: SharedAccount) -> int:
        return max((account.key.end_us - self._now_us()) // 1_000, 0) + KEPT_MS

    def _now_us(self) -> int:
        return int(self._clock.wall_s() * 1_000_000)


def _answered(account: SharedAccount, told: Told, amount: int, done: "asyncio.Future[list[int]]") -> None:
    if done.cancelled() or done.exception() is not None:  # the store is away: it is said, and told of, when it is back
        account.told = account.told or told
        account.untold += amount
        return
    _, spent, change, _ = done.result()
    told(spent * NANO, change * NANO)


def _up(pico: int) -> int:
    """Nano-dollars, rounded up."""
    return -(-pico // NANO)
