"""What is kept of a request: everything that was decided, and nothing of what was said."""

from collections.abc import Iterator

import msgspec
import pytest
from tests.unit.llm_gateway.metrics.finished_calls import call, recorded

from llm_gateway.core.exchange import Caller, Exchange
from llm_gateway.core.findings import Finding, Sensitivity
from llm_gateway.core.routing import Decision, Destination
from llm_gateway.core.seal import seal
from llm_gateway.core.types import ChatRequest, FinishReason, Message, SecurityLevel, Usage
from llm_gateway.metrics.facts import facts_of
from llm_gateway.metrics.recorder import MIN_PREFIX_TOKENS, Recorder
from llm_gateway.metrics.records import RENEWED_AFTER_US, Made, Row
from llm_gateway.metrics.view import Record, record_of


def digest(fingerprint: bytes) -> str:
    return fingerprint.hex()


def record(made: Exchange) -> Record:
    return recorded(Recorder(digest), made)


def row(made: Exchange) -> Row:
    return record(made).row


def test_a_record_says_what_the_ranking_saw() -> None:
    found = record(call(stream=True, kinds=(("pii.email", 0.4),), max_tokens=500))
    assert (found.row.provider, found.row.model, found.row.strategy, found.row.streamed) == ("openai", "gpt-4o", "balanced", 1)
    assert (found.row.input_tokens, found.row.output_tokens, found.row.cost_pico_usd) == (100, 50, 750_000_000)
    assert (found.row.duration_us, found.row.first_us, found.row.max_tokens) == (1_000_000, 300_000, 500)
    assert found.detail.kinds == {"pii.email": 0.4}
    assert found.route is not None
    assert found.route.size is not None
    assert (found.route.turn, found.route.size.input_tokens, found.route.size.output_tokens) == (7, 101, 256)
    first, second = found.route.ranked
    assert (first.provider, first.cost_usd, first.latency_s, first.error_rate, first.in_flight) == ("openai", 0.001, 0.5, 0.0, 1)
    assert (second.provider, second.quality, second.priority, second.latency_s) == ("ollama", 0.6, 1, None)
    assert [(each.provider, each.code, each.spare) for each in found.route.rejected] == [
        ("grok", "health", True), ("bedrock", "security", False),
    ]  # fmt: skip
    assert found.detail.attempts[0].after_s == 0.1


def test_no_text_is_on_record() -> None:
    made = call(prompt="CANARY in the prompt", system="CANARY in the system prompt " * 400)
    recorder = Recorder(digest)
    found = recorded(recorder, made)
    assert "CANARY" not in repr(found.row)
    assert "CANARY" not in repr(recorder.grounds)
    assert "CANARY" not in msgspec.json.encode(found.detail).decode()


def test_a_long_system_prompt_is_known_again_and_a_short_one_is_not_looked_at() -> None:
    long = "You are careful. " * 400
    first, second, other = row(call(system=long)), row(call(system=long, prompt="y")), row(call(system=long + "!"))
    assert first.prefix == second.prefix != other.prefix
    assert first.prefix_tokens >= MIN_PREFIX_TOKENS
    assert (row(call(system="You are careful.")).prefix, row(call()).prefix_tokens) == ("", 0)


def test_a_decision_that_many_requests_share_is_encoded_once_and_never_taken_for_another() -> None:
    recorder = Recorder(digest)
    shared = call().decision
    raws = []
    for number in range(200):
        made = call()
        made.decision = shared if number % 2 else Decision("cost", (), (), f"number {number}")
        raws.append(recorded(recorder, made, number).route)
    reasons = [each.reason for each in raws if each is not None]
    assert reasons[0] == "number 0"
    assert reasons[198] == "number 198"
    assert set(reasons[1::2]) == {"balanced prefers openai/gpt-4o"}


def variations() -> Iterator[Exchange]:
    """Calls that share their decision and differ in one thing each."""
    shared = call().decision

    def one(caller: Caller | None = None, **differs: object) -> Exchange:
        made = call()
        made.decision = shared
        made.caller = caller or made.caller
        for name, value in differs.items():
            setattr(made, name, value)
        return made

    places = frozenset({Destination("ollama", "http://localhost:11434", SecurityLevel.HIGH)})
    yield one()
    yield one(caller=Caller("ada", allowed_providers=frozenset({"ollama"})))
    yield one(caller=Caller("ada", allowed_models=frozenset({"gpt-4o"})))
    yield one(request=ChatRequest((Message("user", "x"),), provider="openai"))
    yield one(request=ChatRequest((Message("user", "x"),), model="gpt-4o"))
    yield one(minimum_level=SecurityLevel.HIGH)
    yield one(strategy="cost")
    yield one(tainted=True)
    yield one(finish_reason=FinishReason.LENGTH)
    yield one(sensitivity=Sensitivity(1.0, sensitive=True, failed="timeout"))
    yield one(sensitivity=Sensitivity(0.9, True, (Finding("pii.email", "", 0.9),)))
    yield one(sensitivity=None)
    yield one(decision=None)
    yield one(clearance=seal(call().request, places, "policy-1"))
    yield one(clearance=seal(call().request, places, "policy-2"))
    yield one(clearance=seal(call().request, frozenset(), "policy-1"))


def test_what_many_calls_share_is_kept_once_and_what_differs_is_never_lost() -> None:
    recorder, every = Recorder(digest), list(variations())
    for number, made in enumerate(every * 2):
        kept, alone = (recorded(each, made, number) for each in (recorder, Recorder(digest)))
        assert (kept.detail, kept.route) == (alone.detail, alone.route)
        assert kept.row._replace(grounds=None) == alone.row._replace(grounds=None)
    assert len(recorder.grounds) == len(every) - 1, "without a verdict there is nothing else to tell"
    details = {msgspec.json.encode(record(made).detail) for made in every}
    assert len(details) == len(every) - 1


def test_a_record_on_grounds_says_what_one_that_stands_alone_says() -> None:
    """Rows of earlier releases have everything in `detail`."""
    for made in variations():
        found = record(made)
        whole = found.row._replace(detail=msgspec.json.encode(found.detail).decode(), grounds=None)
        assert (record_of(whole).detail, record_of(whole).route) == (found.detail, found.route)


def test_an_attempt_that_is_kept_in_short_is_whole_again() -> None:
    made = call()
    found = record(made)
    assert len(found.row.detail) < 40
    assert found.detail.attempts == (Made("openai", "gpt-4o", "medium", "ok", 0.1, 0.2, 0.2, 200, True, 100, 50, 750_000_000),)
    made.attempts[0].first_chunk_s = None
    made.attempts[0].billed = Usage(7), None
    (attempt,) = record(made).detail.attempts
    assert (attempt.first_s, attempt.input_tokens, attempt.cost_pico_usd) == (None, 7, None)


@pytest.mark.parametrize("tokens", [10**30, -1])
def test_figures_that_no_database_takes_are_mended_in_the_row(tokens: int) -> None:
    found = record(call(tokens=(tokens, 5)))
    assert 0 <= found.row.input_tokens < 2**63
    assert found.detail.attempts[0].input_tokens == tokens


def test_grounds_are_made_anew_after_a_day_and_under_another_name() -> None:
    recorder, made = Recorder(digest), call()

    def grounds(process: str, number: int, at_us: int) -> int | None:
        return recorder.row(made, facts_of(made, 1.0), (process, number), at_us).grounds

    assert [grounds("p", 1, 0), grounds("p", 2, RENEWED_AFTER_US - 1)] == [1, 1]
    assert [grounds("p", 3, RENEWED_AFTER_US), grounds("p", 4, RENEWED_AFTER_US)] == [3, 3]
    assert grounds("q", 5, RENEWED_AFTER_US) == 5
    assert [(each.process, each.number) for each in recorder.grounds] == [("p", 1), ("p", 3), ("q", 5)]


def test_names_that_no_database_takes_are_mended() -> None:
    made = call(caller="a\0b\ud800" + "x" * 1000)
    kept = row(made)
    assert kept.caller.encode()
    assert "\0" not in kept.caller
    assert len(kept.caller) <= 256


def test_a_request_that_nobody_could_answer_has_a_record_too() -> None:
    made = call(outcome="provider_timeout")
    made.decision = None
    found = record(made)
    assert (found.row.provider, found.row.status, found.route) == ("", 200, None)
