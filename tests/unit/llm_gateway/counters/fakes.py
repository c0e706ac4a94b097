"""A clock that is set, and the rules that the tests share."""

from llm_gateway.core.counters import Demand, Rules

SECOND = 1_000_000
LEASE = 30 * SECOND
TIER = Rules((3, 5, 8), 1_000, 20 * SECOND)
WIDE = Rules((50, 12, 40), 3_000, weight=0)
GREEDY = Rules((30, 30, 60), 2_500, weight=3)
COARSE = Rules((20_000, 50_000, 90_000), 10**9)
RULES = {"caller:a": TIER, "caller:b": TIER, "caller:c": GREEDY, "overall": WIDE, "provider:p": COARSE}


class FakeClock:
    def __init__(self) -> None:
        self.us = 1_000 * SECOND

    def monotonic_s(self) -> float:
        # Half a microsecond more, so that the way through a float comes out at the same integer.
        return (self.us + 0.5) / SECOND

    def wall_s(self) -> float:
        return self.monotonic_s() + 1.8e9


def demand(scope: str = "caller:a", hold: int = 0) -> Demand:
    return Demand(scope, RULES[scope], hold)
