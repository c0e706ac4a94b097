"""Recommendations: each says what it rests on, and without evidence there is none."""

import sqlite3
from collections.abc import Callable, Iterator

from tests.unit.llm_gateway.metrics.finished_calls import call, recorded

from llm_gateway.core.exchange import Exchange
from llm_gateway.core.pricing import FREE, Price, Rate
from llm_gateway.core.ranking import Option
from llm_gateway.core.routing import Candidate, Target
from llm_gateway.costs.advice import Advice, Situation, advise
from llm_gateway.metrics.recorder import Recorder
from llm_gateway.metrics.records import COLUMNS, Grounds
from llm_gateway.metrics.view import Record

DEAR = Price(Rate(2_500_000, 10_000_000, 1_250_000, 2_500_000), "catalogue")
CHEAP = Price(Rate(150_000, 600_000, 150_000, 150_000), "catalogue")
DAY_S = 86_400


def price_of(provider: str, model: str, _: float) -> Price | None:
    return {"openai": DEAR, "grok": CHEAP, "ollama": FREE}.get(provider)


SITUATION = Situation(price_of, cache_on=True, shared=False, ttl_s=3600, days=3)


def records(make: Callable[[int], Exchange], count: int = 60, every_s: float = 10.0) -> list[Record]:
    recorder = Recorder(bytes.hex)
    found: list[Record] = []
    for number in range(count):
        made = make(number)
        found.append(recorded(recorder, made, number, int(number * every_s * 1e6)))
    return found


def kinds(found: list[Advice]) -> set[str]:
    return {each.kind for each in found}


def dear(other_quality: float) -> Callable[[int], Exchange]:
    """Requests at openai, with grok ranked behind it."""

    def make(number: int) -> Exchange:
        made = call(prompt=f"question {number}", tokens=(1000, 1000), cost_pico_usd=12_500_000_000)
        assert made.decision is not None
        grok = Candidate(Target("grok", "grok-3"), 0.5, (), 0.0, 1.0, Option("grok", 0, other_quality, 0.0, 1.0, 0.0, 0))
        made.decision = type(made.decision)("balanced", (made.decision.ranked[0], grok), (), "", made.decision.size, 0)
        return made

    return make


def test_a_cheaper_model_that_is_as_good_is_named_with_what_it_would_have_cost() -> None:
    (found,) = [each for each in advise(records(dear(0.8)), {}, SITUATION) if each.kind == "cheaper_model"]
    assert found.evidence["requests"] == 60
    assert found.evidence["to"] == "grok/grok-3"
    assert found.evidence["cost_usd"] == 0.75
    assert found.evidence["would_be_usd"] == 60 * (1000 * 150_000 + 1000 * 600_000) / 1e12
    assert found.saving_usd_per_month == round((0.75 - found.evidence["would_be_usd"]) * 10, 6)


def test_a_cheaper_model_that_is_worse_is_no_saving() -> None:
    assert "cheaper_model" not in kinds(advise(records(dear(0.6)), {}, SITUATION))


def test_who_names_a_model_is_not_told_to_take_another() -> None:
    def make(number: int) -> Exchange:
        made = dear(0.8)(number)
        made.request = type(made.request)(made.request.messages, model="gpt-4o")  # type: ignore[union-attr, call-arg]
        return made

    assert "cheaper_model" not in kinds(advise(records(make), {}, SITUATION))


def equal(callers: int) -> Callable[[int], Exchange]:
    """The same request by several callers in turn."""

    def make(number: int) -> Exchange:
        made = call(caller=f"user{number % callers}", cost_pico_usd=1_000_000_000)
        made.clearance = type("Sealed", (), {"request_digest": b"the same", "policy_version": "", "eligible": frozenset()})()
        return made

    return make


def test_equal_requests_of_several_callers_speak_for_a_shared_cache() -> None:
    (found,) = [each for each in advise(records(equal(3)), {}, SITUATION) if each.kind == "cache_scope"]
    assert found.evidence == {"requests": 59, "cost_usd": 0.059, "callers": 3}
    shared = Situation(price_of, cache_on=True, shared=True, ttl_s=3600, days=3)
    assert "cache_scope" not in kinds(advise(records(equal(3)), {}, shared))
    assert "cache_scope" not in kinds(advise(records(equal(1)), {}, SITUATION))


def test_equal_requests_that_come_after_the_answers_end_speak_for_a_longer_one() -> None:
    found = advise(records(equal(1), every_s=4000), {}, SITUATION)
    assert kinds(found) == {"cache_ttl"}


def prompted(caller: str = "ada") -> Callable[[int], Exchange]:
    return lambda number: call(system="You are careful. " * 400, prompt=f"question {number}", caller=caller)


def test_a_long_prompt_again_and_again_speaks_for_the_providers_prompt_cache() -> None:
    (found,) = [each for each in advise(records(prompted()), {}, SITUATION) if each.kind == "prompt_caching"]
    tokens = found.evidence["repeated_tokens"]
    assert tokens == 59 * 1700
    assert found.saving_usd_per_month == round(tokens * 1_250_000 / 1e12 * 10, 6)
    assert "prompt_caching" not in kinds(advise(records(prompted(), every_s=400), {}, SITUATION)), "five minutes apart, nothing is kept"
    assert "prompt_caching" not in kinds(advise(records(prompted()), {("openai", "gpt-4o"): tokens}, SITUATION)), "it is in use already"


def test_a_limit_far_above_every_answer_is_named_and_saves_no_money() -> None:
    (found,) = advise(records(lambda n: call(prompt=str(n), max_tokens=8000, tokens=(10, 100))), {}, SITUATION)
    assert (found.kind, found.saving_usd_per_month) == ("max_tokens", None)
    assert found.evidence["held_for_nothing"] == 7900


def test_little_traffic_and_little_money_say_nothing() -> None:
    assert advise(records(dear(0.8), count=49), {}, SITUATION) == []
    assert advise(records(equal(3), count=40), {}, SITUATION) == []
    assert advise([], {}, SITUATION) == []


def every_query() -> Iterator[str]:
    for make in (dear(0.8), equal(3), prompted(), lambda n: call(prompt=str(n), max_tokens=8000, caller="o'hara")):
        for each in advise(records(make), {}, SITUATION):
            yield each.query


def test_every_query_is_sql_that_runs() -> None:
    queries = list(every_query())
    assert len(queries) >= 4
    with sqlite3.connect(":memory:") as connection:
        connection.execute(f"CREATE TABLE requests ({', '.join(COLUMNS)})")
        connection.execute(f"CREATE TABLE request_grounds ({', '.join(Grounds._fields)})")
        for query in queries:
            connection.execute(query).fetchall()
    connection.close()
