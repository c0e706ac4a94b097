"""Counters in this process."""

import heapq
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from llm_gateway.core.clock import Clock
from llm_gateway.core.counters import MINUTE_US, REAPED_AT_ONCE, Demand, Gauge, Limit, Rules, Verdict
from llm_gateway.limits.account import Account, widest
from llm_gateway.limits.sharing import Waiters

LOOKED_AT: Final = 8
"""Oldest accounts among which the one that matters least makes room for a new one."""
_STALE_LEASES: Final = 64
"""Ends of leases that nobody needs any more, beyond as many as there are reservations: few, so that their memory is soon used again."""


_Reservation = tuple[int, list[Account], Sequence[Demand]]
"""The end of its lease, the accounts, and what was asked of each."""


class MemoryCounters:
    """At most `max_accounts` accounts.

    When they are full, a new one takes the place of that one, among the `LOOKED_AT` least recently used, which has counted
    least; calls that are running, and cooldowns, keep their accounts. Names made up by the million therefore push out each other:
    to make the gateway forget an account with n requests, nearly every account must first be given n requests of its own.
    """

    def __init__(self, clock: Clock, max_accounts: int = 100_000) -> None:
        self._monotonic_s = clock.monotonic_s
        self.max_accounts = max_accounts
        self.accounts: OrderedDict[str, Account] = OrderedDict()
        self._reservations: dict[str, _Reservation] = {}
        self._leases: list[tuple[int, str]] = []
        self._waiters: dict[str, Waiters] = {}
        """Who waits for the limits that callers share."""
        self._now_us = 0

    def now_us(self) -> int:
        """The clock, never going back."""
        now_us = int(self._monotonic_s() * 1_000_000)
        if now_us < self._now_us:
            return self._now_us
        self._now_us = now_us
        return now_us

    async def start(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def reserve(self, name: str, demands: Sequence[Demand], lease_us: int) -> Verdict:
        return self.reserve_now(name, demands, lease_us)

    def reserve_now(self, name: str, demands: Sequence[Demand], lease_us: int, *, granted: bool = False) -> Verdict:
        """As `reserve`. `granted` by somebody else: it is counted, whether or not there is room."""
        now_us = self.now_us()
        leases, known = self._leases, self.accounts
        if leases and leases[0][0] <= now_us:
            self._reap(now_us)
        accounts: list[Account] = []
        has_room, blocked = True, -1
        for demand in demands:
            scope, rules = demand.scope, demand.rules
            account = known.get(scope) or self._new_account(scope, now_us)
            known.move_to_end(scope)
            accounts.append(account)
            if not rules.weight:  # nearly all are not shared
                rules = self._left(demands, accounts, len(accounts) - 1, now_us)
            if not account.has_room(rules, demand.hold, now_us):
                has_room = False
            if account.blocked_until_us > now_us and blocked < 0:
                blocked = len(accounts) - 1
        first = accounts[0]
        if not granted:
            if name in self._reservations:
                return Verdict(True, first.gauge(now_us))
            if blocked >= 0:
                return Verdict(False, first.gauge(now_us), blocked, "cooldown", accounts[blocked].blocked_until_us - now_us)
            if not has_room:
                return self._refuse(demands, accounts, now_us)
        waiters = self._waiters
        for place, demand in enumerate(demands):
            rules = demand.rules
            accounts[place].grant(now_us, rules.grain_us, demand.hold)
            if waiters and place and not rules.weight and demand.scope in waiters:
                waiters[demand.scope].let_in(demands[0].scope, first.had, demand.hold)
        until_us = now_us + lease_us
        self._reservations[name] = until_us, accounts, demands
        if len(leases) > _STALE_LEASES and len(leases) > 2 * len(self._reservations):
            self._leases = [(kept[0], key) for key, kept in self._reservations.items()]
            heapq.heapify(self._leases)
        else:
            heapq.heappush(leases, (until_us, name))
        return Verdict(True, first.gauge(now_us))

    def _left(self, demands: Sequence[Demand], accounts: list[Account], place: int, now_us: int) -> Rules:
        """What an account may grant: of a limit that is shared, what is left for whoever stands first."""
        demand, first = demands[place], demands[0]
        waiters = self._waiters.get(demand.scope) if place and not demand.rules.weight else None
        if waiters is None:
            return demand.rules
        return waiters.left_for(first.scope, accounts[0].had, first.rules.weight, demand.rules, now_us)

    def _note_waiter(self, demands: Sequence[Demand], accounts: list[Account], waits: list[tuple[int, Limit]], now_us: int) -> None:
        """Remember who was turned away by nothing but limits that are shared."""
        shared = [place > 0 and not demand.rules.weight for place, demand in enumerate(demands)]
        if any(wait_us and not each for (wait_us, _), each in zip(waits, shared, strict=True)):
            return
        first = demands[0]
        for demand, (wait_us, _) in zip(demands, waits, strict=True):
            if wait_us:
                waiters = self._waiters.setdefault(demand.scope, Waiters())
                waiters.note(first.scope, accounts[0].had, first.rules.weight, demand.hold, wait_us, now_us)

    def _refuse(self, demands: Sequence[Demand], accounts: list[Account], now_us: int) -> Verdict:
        waits = [
            account.wait(self._left(demands, accounts, number, now_us), demands[number].hold, now_us)
            for number, account in enumerate(accounts)
        ]
        place, wait_us, limit = widest(waits)
        self._note_waiter(demands, accounts, waits, now_us)
        cooling = -1
        for number, (demand, account) in enumerate(zip(demands, accounts, strict=True)):
            cooldown_us = demand.rules.cooldown_us
            if cooldown_us and waits[number][0] and account.refuse(now_us, cooldown_us) and cooling < 0:
                cooling = number
        if cooling >= 0:
            place, limit, wait_us = cooling, "cooldown", max(wait_us, demands[cooling].rules.cooldown_us)
        return Verdict(False, accounts[0].gauge(now_us), place, limit, wait_us)

    def _reap(self, now_us: int) -> None:
        """Charge what was reserved by calls that never came back."""
        leases, left = self._leases, REAPED_AT_ONCE
        while leases and left and leases[0][0] <= now_us:
            until_us, name = heapq.heappop(leases)
            known = self._reservations.get(name)
            if known is not None and known[0] == until_us:
                self.settle(name, None)
                left -= 1

    def settle(self, name: str, tokens: int | None) -> None:
        reservation = self._reservations.pop(name, None)
        if reservation is None:
            return
        now_us = self.now_us()
        _, accounts, demands = reservation
        for place, demand in enumerate(demands):
            accounts[place].settle(now_us, demand.hold, demand.hold if tokens is None else tokens)

    def _new_account(self, scope: str, now_us: int) -> Account:
        if len(self.accounts) >= self.max_accounts:
            self._make_room(now_us)
        account = self.accounts[scope] = Account()
        return account

    def _make_room(self, now_us: int) -> None:
        least, weighs = "", -1
        for _ in range(LOOKED_AT):
            scope, account = next(iter(self.accounts.items()))
            self.accounts.move_to_end(scope)
            weight = account.weight(now_us)
            if weighs < 0 or weight < weighs:
                least, weighs = scope, weight
            if not weight:
                break
        del self.accounts[least]

    def full_for_us(self, scope: str, rules: Rules) -> int | None:
        account = self.accounts.get(scope)
        if account is None:
            return None
        now_us = self.now_us()
        account.advance(now_us)
        return account.wait(rules, 0, now_us)[0] or None

    async def read(self, scope: str) -> Gauge:
        return self.read_now(scope)

    def read_now(self, scope: str) -> Gauge:
        """As `read`."""
        account = self.accounts.get(scope)
        if account is None:
            return Gauge()
        now_us = self.now_us()
        account.advance(now_us)
        return account.gauge(now_us)

    async def reset(self, scope: str) -> None:
        self._waiters.pop(scope, None)
        account = self.accounts.get(scope)
        if account is not None:
            account.reset()

    def active(self, prefix: str) -> tuple[int, int]:
        now_us, accounts, granted = self.now_us(), 0, 0
        for scope, account in self.accounts.items():
            if scope.startswith(prefix) and account.last_us > now_us - MINUTE_US:
                account.advance(now_us)
                accounts += 1
                granted += account.gauge(now_us).counts[1]
        return accounts, granted

    @property
    def is_whole(self) -> bool:
        return True

    def held_by(self, name: str) -> int:
        """Tokens that a reservation holds in the account where it holds most; 0: there is no such reservation."""
        reservation = self._reservations.get(name)
        return max((demand.hold for demand in reservation[2]), default=0) if reservation else 0

    def held(self) -> int:
        """Tokens held by calls that are running, all accounts together."""
        return sum(account.held for account in self.accounts.values())

    @property
    def running(self) -> int:
        """Reservations that nobody has settled."""
        return len(self._reservations)
