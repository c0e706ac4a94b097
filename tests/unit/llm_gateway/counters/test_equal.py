"""The arithmetic in Python and the one in Lua are the same: one schedule, both kinds, every answer compared."""

import asyncio
from itertools import count
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from tests.unit.llm_gateway.counters.fakes import LEASE, RULES, SECOND, FakeClock
from tests.valkey import Valkey

from llm_gateway.core.counters import MINUTE_US, SLOT_US, WINDOWS_US, Demand, Rules
from llm_gateway.counters.memory import MemoryCounters
from llm_gateway.counters.redis import RedisCounters

SCOPES = st.one_of(
    st.lists(st.sampled_from(sorted(RULES)), min_size=1, max_size=3, unique=True),
    st.sampled_from([["caller:a", "overall"], ["caller:b", "overall"], ["caller:c", "overall"]]),
)
STEPS = st.one_of(
    st.integers(0, 3 * SECOND),
    st.sampled_from((1, SLOT_US, SECOND - 1, SECOND, MINUTE_US - 1, MINUTE_US, LEASE, 20 * SECOND, WINDOWS_US[2])),
)
_runs = count()


class Both(RuleBasedStateMachine):
    server: Valkey

    @initialize()
    def begin(self) -> None:
        self.clock = FakeClock()
        self.loop = asyncio.new_event_loop()
        self.memory = MemoryCounters(self.clock)
        self.redis = RedisCounters(
            self.server.url, self.clock, timeout_s=10, prefix=f"{{t{next(_runs)}}}:", server_now_us=lambda: self.clock.us
        )
        self.loop.run_until_complete(self.redis.start())
        assert self.redis.line.up
        self.names = 0
        self.open: list[str] = []

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            try:
                for name in self.open:
                    self.end(name, 0)
                self.compare()
                assert self.redis.line.losses == 0
            finally:
                self.loop.run_until_complete(self.redis.aclose())
                self.loop.close()

    def end(self, name: str, tokens: int | None) -> None:
        self.memory.settle(name, tokens)
        self.redis.settle(name, tokens)
        self.loop.run_until_complete(self.redis.read("nobody"))  # settlements wait for no answer; this one comes after it

    def compare(self) -> None:
        for scope in RULES:
            assert self.memory.read_now(scope) == self.loop.run_until_complete(self.redis.read(scope)), scope

    @rule(scopes=SCOPES, hold=st.integers(0, 700), times=st.integers(1, 4))
    def reserve(self, scopes: list[str], hold: int, times: int) -> None:
        for _ in range(times):
            self.names += 1
            name = f"n{self.names}"
            demands = [Demand(scope, RULES[scope], hold) for scope in scopes]
            mine = self.memory.reserve_now(name, demands, LEASE)
            theirs = self.loop.run_until_complete(self.redis.reserve(name, demands, LEASE))
            assert mine == theirs
            if mine.granted:
                self.open.append(name)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), tokens=st.one_of(st.none(), st.integers(0, 900)))
    def settle(self, data: st.DataObject, tokens: int | None) -> None:
        name = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.end(name, tokens)

    @precondition(lambda self: self.open)
    @rule(again=st.booleans())
    def settle_twice_or_lose(self, again: bool) -> None:
        name = self.open.pop()
        for _ in range(2 * again):
            self.end(name, 5)

    @rule(step=STEPS)
    def advance(self, step: int) -> None:
        self.clock.us += step

    @rule(scope=st.sampled_from(sorted(RULES)))
    def reset(self, scope: str) -> None:
        self.loop.run_until_complete(self.memory.reset(scope))
        self.loop.run_until_complete(self.redis.reset(scope))

    @rule()
    def look(self) -> None:
        self.compare()


@pytest.mark.parametrize("part", range(2))
def test_both_kinds_answer_alike(valkey_of_session: Valkey, part: int) -> None:
    Both.server = valkey_of_session
    run_state_machine_as_test(Both, settings=settings(parent=settings(), stateful_step_count=60))


@pytest.mark.parametrize("seed", range(3))
async def test_both_kinds_share_alike(valkey: Valkey, seed: int) -> None:
    """Callers of several weights on one limit that is always used up: long schedules, as chance rarely comes to this by itself."""
    clock, random = FakeClock(), Random(seed)
    memory = MemoryCounters(clock)
    redis = RedisCounters(valkey.url, clock, timeout_s=10, server_now_us=lambda: clock.us)
    await redis.start()
    shared = Rules((6, 30, 200), 2_000, weight=0)
    rules = {f"caller:{number}": Rules((8, 25, 300), 1_800, weight=1 + number) for number in range(4)}
    left_out = 0
    for number in range(1_200):
        clock.us += random.choice((0, 0, 1, 40_000, 400_000, 3 * SECOND))
        who = random.choice(sorted(rules))
        demands = [Demand(who, rules[who], random.choice((0, 50, 300))), Demand("overall", shared, 50)]
        mine, theirs = memory.reserve_now(f"n{number}", demands, LEASE), await redis.reserve(f"n{number}", demands, LEASE)
        assert mine == theirs, number
        free = memory.read_now("overall")
        left_out += not mine.granted and mine.refused == 1 and free.counts[1] < 30 and free.counts[0] < 6
        if mine.granted and random.random() < 0.8:
            memory.settle(f"n{number}", 50)
            redis.settle(f"n{number}", 50)
            await redis.read("nobody")  # settlements wait for no answer; this one comes after it
    assert left_out > 20  # there was room, and it was kept for somebody
    assert redis.line.losses == 0
    await redis.aclose()
