"""A limit that callers share: nobody keeps others out of it, nobody is kept from what is free, and nothing goes to waste."""

import asyncio
from collections import Counter, deque
from random import Random

import pytest
from tests.unit.llm_gateway.counters.fakes import SECOND, FakeClock

from llm_gateway.core.counters import MINUTE_US, UNLIMITED, Demand, Rules
from llm_gateway.counters.memory import MemoryCounters
from llm_gateway.limits.sharing import GRACE_US, MOST, Waiters

LIMIT = 60
SHARED = Rules((UNLIMITED, LIMIT, UNLIMITED), weight=0)
STEP_US = SECOND // 4


class House:
    """Callers by name with their weight, and one limit for all."""

    def __init__(self, shared: Rules = SHARED, **weights: int) -> None:
        self.clock = FakeClock()
        self.counters = MemoryCounters(self.clock)
        self.shared = shared
        self.rules = {name: Rules((UNLIMITED, 10_000, UNLIMITED), weight=weight) for name, weight in weights.items()}
        self.granted: Counter[str] = Counter()
        self.disappointed = 0
        """How often the patient one came back when it was told to, and was told to wait again."""
        self.times: deque[int] = deque()
        self._number = 0

    def ask(self, name: str, hold: int = 0) -> int:
        """0: let in. Else how long it is told to wait."""
        self._number += 1
        demands = [Demand(f"caller:{name}", self.rules[name], hold), Demand("overall", self.shared, hold)]
        verdict = self.counters.reserve_now(f"n{self._number}", demands, MINUTE_US)
        if verdict.granted:
            self.counters.settle(f"n{self._number}", hold)
            self.granted[name] += 1
            self.times.append(self.clock.us)
        return verdict.wait_us

    def minutes(self, number: int, *eager: str, patient: str = "") -> None:
        """The eager ask for more than there is four times a second; the patient one asks when it was told to."""
        random, again_us, told = Random(number), 0, False
        until_us = self.clock.us + number * MINUTE_US
        while self.clock.us < until_us:
            for name in random.sample(eager * 6, 6 * len(eager)):
                self.ask(name)
            if patient and self.clock.us >= again_us:
                wait_us = self.ask(patient)
                self.disappointed += told and wait_us > 0
                again_us, told = self.clock.us + wait_us, wait_us > 0
            self.clock.us += STEP_US


def test_one_caller_alone_has_everything() -> None:
    house = House(greedy=1)
    house.minutes(5, "greedy")
    assert house.granted["greedy"] >= 5 * LIMIT


def test_who_comes_back_when_it_was_told_to_is_let_in_however_greedy_others_are() -> None:
    house = House(greedy=1, other=2, patient=1)
    house.minutes(2, "greedy", "other")
    house.granted.clear()
    house.minutes(10, "greedy", "other", patient="patient")
    assert house.disappointed == 0
    assert house.granted["patient"] >= 10
    assert sum(house.granted.values()) >= 10 * LIMIT * 0.99  # what is kept for somebody is used


@pytest.mark.parametrize(("weights", "parts"), [((1, 1), (30, 30)), ((3, 1), (45, 15)), ((1, 2, 3), (10, 20, 30))])
def test_who_asks_all_the_time_gets_a_part_by_weight(weights: tuple[int, ...], parts: tuple[int, ...]) -> None:
    names = [f"c{number}" for number in range(len(weights))]
    house = House(**dict(zip(names, weights, strict=True)))
    house.minutes(8, *names)
    house.granted.clear()
    house.minutes(5, *names)
    for name, part in zip(names, parts, strict=True):
        assert house.granted[name] / 5 == pytest.approx(part, rel=0.2)
    assert sum(house.granted.values()) >= 5 * LIMIT * 0.99
    times = list(house.times)
    assert all(later - earlier >= MINUTE_US for earlier, later in zip(times, times[LIMIT:], strict=False))


def test_tokens_are_kept_too() -> None:
    house = House(Rules(tokens=1_000, weight=0), greedy=1, patient=1)
    while not house.ask("greedy", 100):
        house.clock.us += SECOND
    assert house.ask("patient", 300) > 0
    house.clock.us += 50 * SECOND
    freed = 0
    while house.ask("patient", 300):  # the greedy one finds 100 free first, each time, and leaves them
        assert house.ask("greedy", 100) > 0
        house.clock.us += SECOND
        freed += 1
        assert freed < 10
    assert house.granted["patient"] == 1


@pytest.mark.parametrize("late_us", [0, MINUTE_US // 10 + GRACE_US - 1, MINUTE_US // 10 + GRACE_US])
def test_a_place_is_kept_until_somebody_can_have_come_back_and_no_longer(late_us: int) -> None:
    house = House(greedy=1, shy=1)
    for _ in range(LIMIT):
        assert not house.ask("greedy")
    wait_us = house.ask("shy")
    assert wait_us == MINUTE_US
    house.clock.us += wait_us + late_us
    in_time = late_us < MINUTE_US // 10 + GRACE_US
    assert [house.ask("greedy") == 0 for _ in range(LIMIT)] == [True] * (LIMIT - 1) + [not in_time]
    assert (house.ask("shy") == 0) is in_time


def test_who_is_refused_by_limits_of_its_own_is_kept_no_place() -> None:
    house = House(greedy=1, small=1)
    house.rules["small"] = Rules((UNLIMITED, 1, UNLIMITED))
    assert not house.ask("small")
    for _ in range(LIMIT - 1):
        house.clock.us += 1
        assert not house.ask("greedy")
    assert house.ask("small") > 0
    house.clock.us += MINUTE_US - LIMIT
    assert house.ask("small") > 0
    house.clock.us += LIMIT
    assert not house.ask("greedy")


def test_what_is_kept_is_what_was_wanted_and_at_most_the_part() -> None:
    rules = Rules((1_000, 100, UNLIMITED), 1_000, weight=0)
    waiters = Waiters()
    for _ in range(5):
        waiters.note("caller:a", (0, 10, 10, 100), 1, 20, SECOND, 0)
    for _ in range(50):
        waiters.note("caller:b", (0, 10, 10, 100), 2, 20, SECOND, 0)
    had = (0, 80, 80, 800)
    # Parts of 100: 25, 50, 25; of 1,000 tokens: 250, 500, 250. b has had 10 and 100 of its own.
    assert waiters.left_for("caller:c", had, 1, rules, 1) == Rules((1_000, 100 - 5 - 40, UNLIMITED), 1_000 - 100 - 400)
    assert waiters.left_for("caller:c", (0, 24, 24, 249), 1, rules, 1) == Rules(rules.requests, rules.tokens)  # it has not had its part
    waiters.let_in("caller:a", (0, 10, 10, 100), 60)
    assert waiters.left_for("caller:c", had, 1, rules, 1) == Rules((1_000, 100 - 4 - 40, UNLIMITED), 1_000 - 40 - 400)
    for _ in range(4):
        waiters.let_in("caller:a", (0, 10, 10, 100), 20)
    assert waiters.left_for("caller:c", had, 2, rules, 1) == Rules((1_000, 100 - 40, UNLIMITED), 1_000 - 400)
    assert waiters.left_for("caller:b", had, 2, rules, 1) is rules


def test_what_is_known_of_those_who_wait_has_a_bound_and_an_end() -> None:
    rules, had = Rules((1_000, 1_000, 1_000), weight=0), (0, 500, 500, 0)
    waiters = Waiters()
    for number in range(2 * MOST):
        waiters.note(f"caller:{number}", (0, 0, 0, 0), 1, 0, SECOND, 0)
    assert waiters.left_for("greedy", had, 1, rules, 1).requests == (1_000, 1_000 - MOST, 1_000 - MOST)
    end_us = SECOND + SECOND // 10 + GRACE_US
    assert waiters.left_for("greedy", had, 1, rules, end_us - 1) != rules
    assert waiters.left_for("greedy", had, 1, rules, end_us) is rules
    waiters.note("caller:1", (0, 0, 0, 0), 1, 500, SECOND, end_us)
    few = Rules((1, 2, 1), 10, weight=0)
    assert waiters.left_for("greedy", (2, 5, 5, 10), 1, few, end_us) == Rules((1, 1, 1), 5)


def test_a_reset_lets_go_of_those_who_wait() -> None:
    house = House(greedy=1, shy=1)
    for _ in range(LIMIT):
        house.ask("greedy")
    house.ask("shy")
    asyncio.run(house.counters.reset("overall"))
    assert [house.ask("greedy") for _ in range(LIMIT)] == [0] * LIMIT
