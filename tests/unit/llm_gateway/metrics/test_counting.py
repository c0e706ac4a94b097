"""What a finished call adds, and that labels stay few whatever callers send."""

import random
import string

from tests.unit.llm_gateway.metrics.finished_calls import LISTED, call

from llm_gateway.core.errors import InvalidRequest, ProviderTimeout
from llm_gateway.core.routing import Attempt
from llm_gateway.core.types import SecurityLevel, Usage
from llm_gateway.metrics.aggregate import MOST, OTHER, Aggregate, merged, unpack
from llm_gateway.metrics.counting import Tape
from llm_gateway.metrics.exposition import Gauges, families, render
from llm_gateway.metrics.facts import facts_of
from llm_gateway.metrics.summary import summary_of

GAUGES = Gauges("1.0", 0.0, {"openai": True}, 0, 0, 0)


def counted(*calls: object) -> Aggregate:
    into, tape = Aggregate(), Tape()
    for each in calls:
        tape.note(each, facts_of(each, each.received_s + 1.0))  # type: ignore[attr-defined, arg-type]
    tape.settle(into, LISTED)
    return into


def test_an_answer_counts_with_its_tokens_times_and_cost() -> None:
    into = counted(call(), call(provider="ollama", model="llama3", cost_pico_usd=0, stream=True))
    openai, ollama = into.requests["chat", "openai", "gpt-4o"], into.requests["chat", "ollama", "llama3"]
    assert (openai.requests, openai.answered, openai.cacheable, openai.hits) == (1, 1, 1, 0)
    assert openai.total.total == 1.0
    assert openai.first.count == 0
    assert ollama.first.total == 0.1 + 0.2
    attempt = into.attempts["chat", "ollama", "llama3", "ok"]
    assert (attempt.attempts, attempt.input_tokens, attempt.output_tokens, attempt.cost_pico_usd) == (1, 100, 50, 0)
    assert attempt.speed.quantile(0.5) is not None
    assert abs(attempt.speed.total - 49 / 0.5) < 1e-6
    assert into.attempts["chat", "openai", "gpt-4o", "ok"].cost_pico_usd == 750_000_000


def test_the_gateways_own_time_is_what_no_provider_and_no_queue_took() -> None:
    waited = call()
    waited.queued_s = 0.3
    times = facts_of(waited, 1.0)
    assert (times.total_s, times.first_s, times.queued_s) == (1.0, None, 0.3)
    assert abs(times.overhead_s - (1.0 - 0.2 - 0.3)) < 1e-9
    streamed = facts_of(call(stream=True), 60.0)  # read slowly: that is the reader's time
    assert abs(streamed.overhead_s - 0.1) < 1e-9


def test_the_callers_mistake_is_no_error_of_the_service_and_who_left_is_nobodys() -> None:
    failed = call(fails=ProviderTimeout("late"), outcome="provider_timeout")
    wrong = call(fails=InvalidRequest("wrong"), outcome="invalid_request")
    left = call(outcome="cancelled")
    summary = summary_of(counted(call(), failed, wrong, left))
    assert summary.total_requests == 4
    assert summary.error_rate == round(100 / 3, 4)
    assert summary.errors_by_type == {"provider_timeout": 1, "invalid_request": 1, "client_closed_request": 1}


def test_a_hit_counts_as_the_providers_answer_and_as_no_call() -> None:
    summary = summary_of(counted(call(), call(cache="hit")))
    assert summary.requests_by_provider == {"openai": 2}
    assert (summary.upstream_calls, summary.total_tokens_used, summary.cache_hits) == (1, 150, 1)
    assert summary.cache_hit_rate == 0.5


def test_what_never_left_is_no_call_and_what_the_ledger_bills_is() -> None:
    unsent = call()
    unsent.attempts[0].billed, unsent.attempts[0].reached = None, False
    billed = call()
    billed.attempts[0].reached = False
    into = counted(unsent, billed)
    assert sum(cell.attempts for cell in into.attempts.values()) == 1


def test_an_unknown_price_is_counted_and_is_no_zero() -> None:
    into = counted(call(cost_pico_usd=None))
    assert into.attempts["chat", "openai", "gpt-4o", "ok"].unpriced == 1
    assert summary_of(into).unpriced_requests == 1


def test_every_attempt_counts_for_the_one_that_made_it() -> None:
    twice = call()
    twice.attempts.insert(0, Attempt("ollama", "llama3", SecurityLevel.HIGH, "provider_timeout", None, "", 2.0, None, True))
    twice.attempts[0].billed = Usage(100, estimated=True), 5
    into = counted(twice)
    assert into.attempts["chat", "ollama", "llama3", "provider_timeout"].cost_pico_usd == 5
    assert into.attempts["chat", "ollama", "llama3", "provider_timeout"].estimated == 1
    assert summary_of(into).total_cost_pico_usd == 750_000_005


def test_a_hundred_thousand_users_and_models_leave_the_number_of_series_as_it_was() -> None:
    into = counted(call(), call(model="never-heard-of"))
    series = len(render(families(into, GAUGES)).splitlines())
    dice, tape = random.Random(7), Tape()
    one = call()
    for _ in range(100_000):
        name = "".join(dice.choices(string.ascii_lowercase, k=8))
        one.attempts[0].model = name
        one.chosen = call(model=name).decision.ranked[0] if dice.random() < 0.01 else one.chosen  # type: ignore[union-attr]
        tape.note(one, facts_of(one, 1.0))
    tape.settle(into, LISTED)
    assert {key[2] for key in into.requests} | {key[2] for key in into.attempts} == {"gpt-4o", OTHER}
    assert len(render(families(into, GAUGES)).splitlines()) == series
    assert len(into.pack()) < 10_000


def test_aggregates_merge_and_survive_storage() -> None:
    left, right = (
        counted(call(), call(cache="hit")),
        counted(call(stream=True), call(fails=ProviderTimeout("x"), outcome="provider_timeout")),
    )
    whole = merged((unpack(left.pack()), unpack(right.pack())))
    together = counted(call(), call(cache="hit"), call(stream=True), call(fails=ProviderTimeout("x"), outcome="provider_timeout"))
    assert summary_of(whole) == summary_of(together)


def test_a_provider_that_reports_more_than_there_is_spoils_no_others_figures() -> None:
    into = counted(call(tokens=(10**30, 10**40), cost_pico_usd=10**45), call(provider="ollama", model="llama3"))
    for _ in range(4):
        into = merged((unpack(into.pack()), unpack(into.pack())))
    assert into.attempts["chat", "openai", "gpt-4o", "ok"].cost_pico_usd >= MOST
    assert into.attempts["chat", "ollama", "llama3", "ok"].input_tokens == 16 * 100


def test_calls_that_are_noted_count_when_they_are_added_up_and_once() -> None:
    tape, into = Tape(), Aggregate()
    for _ in range(3):
        tape.note(call(), facts_of(call(), 1.0))
    assert (tape.length, into.requests) == (3, {})
    tape.settle(into, LISTED)
    tape.settle(into, LISTED)
    assert (tape.length, into.totals().request.requests) == (0, 3)
