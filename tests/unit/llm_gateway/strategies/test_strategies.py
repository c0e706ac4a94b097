"""Rules that hold for every strategy, and what each prefers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.ranking import Option
from llm_gateway.provider_router import STRATEGIES
from llm_gateway.strategies.balanced import COST_WEIGHT, LATENCY_WEIGHT, QUALITY_WEIGHT, RELIABILITY_WEIGHT

AMOUNTS = st.one_of(st.none(), st.floats(0, 1e9), st.just(0.0))
OPTIONS = st.lists(
    st.builds(
        Option, provider=st.sampled_from("abcdefgh"), priority=st.integers(-5, 5), quality=st.floats(0, 1), cost_usd=AMOUNTS,
        latency_s=AMOUNTS, error_rate=st.floats(0, 1), in_flight=st.integers(0, 300),
    ),
    min_size=1, max_size=8, unique_by=lambda option: option.provider,
)  # fmt: skip


def option(provider: str, **given: object) -> Option:
    fields = {"priority": 0, "quality": 0.5, "cost_usd": 0.01, "latency_s": 1.0, "error_rate": 0.0, "in_flight": 0, **given}
    return Option(provider, **fields)  # type: ignore[arg-type]


def best(name: str, *options: Option, turn: int = 0) -> str:
    scores = STRATEGIES[name].scores(options, turn)
    return min(zip(scores, options, strict=True), key=lambda pair: (-pair[0], pair[1].priority, pair[1].provider))[1].provider


@pytest.mark.parametrize("name", sorted(STRATEGIES))
class TestEvery:
    @given(options=OPTIONS, turn=st.integers(0, 10**9))
    def test_scores_are_in_bounds_and_depend_on_the_options_alone(self, name: str, options: list[Option], turn: int) -> None:
        strategy = STRATEGIES[name]
        scores = strategy.scores(options, turn)
        assert len(scores) == len(options)
        assert all(0.0 <= score <= 1.0 for score in scores)
        assert scores == strategy.scores(options, turn)
        assert all(strategy.reasons(each) for each in options)

    @given(options=OPTIONS, turn=st.integers(0, 100), rotate=st.integers(0, 7))
    def test_the_order_of_the_options_does_not_matter(self, name: str, options: list[Option], turn: int, rotate: int) -> None:
        turned = options[rotate % len(options) :] + options[: rotate % len(options)]
        strategy = STRATEGIES[name]
        by_name = dict(zip([each.provider for each in options], strategy.scores(options, turn), strict=True))
        assert by_name == dict(zip([each.provider for each in turned], strategy.scores(turned, turn), strict=True))

    def test_its_name_is_its_own(self, name: str) -> None:
        assert STRATEGIES[name].name == name


@given(OPTIONS)
def test_cost_orders_by_cost_with_the_unknown_last(options: list[Option]) -> None:
    scores = STRATEGIES["cost"].scores(options, 0)
    for left, left_score in zip(options, scores, strict=True):
        for right, right_score in zip(options, scores, strict=True):
            if left.cost_usd is not None and (right.cost_usd is None or left.cost_usd < right.cost_usd):
                assert left_score >= right_score


def test_cost() -> None:
    assert best("cost", option("a", cost_usd=0.02), option("b", cost_usd=0.0001), option("c", cost_usd=None)) == "b"
    assert best("cost", option("a", cost_usd=None), option("b", cost_usd=0.0)) == "a"  # all that is known is free; a tie goes by name
    assert best("cost", option("a", cost_usd=0.5), option("b", cost_usd=0.0)) == "b"


def test_latency_prefers_the_fast_and_tries_the_unmeasured_one_call_at_a_time() -> None:
    fast, slow = option("a", latency_s=0.3), option("b", latency_s=3.0)
    assert best("latency", slow, fast) == "a"
    assert best("latency", slow, fast, option("c", latency_s=None)) == "c"
    assert best("latency", slow, fast, option("c", latency_s=None, in_flight=1)) == "a"


def test_quality_and_priority() -> None:
    assert best("quality", option("a", quality=0.4), option("b", quality=0.9)) == "b"
    assert best("priority", option("a", priority=7), option("b", priority=-1), option("c", priority=7)) == "b"
    assert STRATEGIES["priority"].scores([option("a", priority=7), option("b", priority=-1)], 0) == [0.5, 1.0]


@given(st.integers(0, 1_000))
def test_round_robin_lets_each_be_first_once_in_a_round(start: int) -> None:
    options = [option(name) for name in "dabc"]
    firsts = [best("round_robin", *options, turn=start + step) for step in range(4)]
    assert sorted(firsts) == ["a", "b", "c", "d"]


def test_balanced_weighs_everything() -> None:
    assert pytest.approx(1.0) == COST_WEIGHT + LATENCY_WEIGHT + QUALITY_WEIGHT + RELIABILITY_WEIGHT
    for better in ({"cost_usd": 0.001}, {"latency_s": 0.2}, {"quality": 0.9}):
        assert best("balanced", option("a"), option("b", **better)) == "b"
    assert best("balanced", option("a", error_rate=0.3), option("b")) == "b"


def test_balanced_does_not_split_hairs() -> None:
    twins = [option("a", latency_s=0.30, cost_usd=0.00010), option("b", latency_s=0.31, cost_usd=0.00011)]
    scores = STRATEGIES["balanced"].scores(twins, 0)
    assert abs(scores[0] - scores[1]) < 0.02
