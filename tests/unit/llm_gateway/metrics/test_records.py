"""What is kept of a request: everything that was decided, and nothing of what was said."""

from collections.abc import Iterator

import msgspec
from tests.unit.llm_gateway.metrics.finished_calls import call

from llm_gateway.core.exchange import Caller, Exchange
from llm_gateway.core.findings import Finding, Sensitivity
from llm_gateway.core.routing import Decision, Destination
from llm_gateway.core.seal import seal
from llm_gateway.core.types import ChatRequest, FinishReason, Message, SecurityLevel
from llm_gateway.metrics.records import MIN_PREFIX_TOKENS, Recorder, Row, times_of
from llm_gateway.metrics.view import record_of


def digest(fingerprint: bytes) -> str:
    return fingerprint.hex()


def row(made: object, number: int = 1) -> Row:
    return Recorder(digest).row(made, times_of(made, 1.0), ("p", number), 5_000_000)  # type: ignore[arg-type]


def test_a_record_says_what_the_ranking_saw() -> None:
    record = record_of(row(call(stream=True, kinds=(("pii.email", 0.4),), max_tokens=500)))
    assert (record.row.provider, record.row.model, record.row.strategy, record.row.streamed) == ("openai", "gpt-4o", "balanced", 1)
    assert (record.row.input_tokens, record.row.output_tokens, record.row.cost_pico_usd) == (100, 50, 750_000_000)
    assert (record.row.duration_us, record.row.first_us, record.row.max_tokens) == (1_000_000, 300_000, 500)
    assert record.detail.kinds == {"pii.email": 0.4}
    assert record.route is not None
    assert record.route.size is not None
    assert (record.route.turn, record.route.size.input_tokens, record.route.size.output_tokens) == (7, 101, 256)
    first, second = record.route.ranked
    assert (first.provider, first.cost_usd, first.latency_s, first.error_rate, first.in_flight) == ("openai", 0.001, 0.5, 0.0, 1)
    assert (second.provider, second.quality, second.priority, second.latency_s) == ("ollama", 0.6, 1, None)
    assert [(each.provider, each.code, each.spare) for each in record.route.rejected] == [
        ("grok", "health", True), ("bedrock", "security", False),
    ]  # fmt: skip
    assert record.detail.attempts[0].after_s == 0.1


def test_no_text_is_on_record() -> None:
    made = call(prompt="CANARY in the prompt", system="CANARY in the system prompt " * 400)
    kept = row(made)
    assert "CANARY" not in repr(kept)
    assert "CANARY" not in msgspec.json.encode(record_of(kept).detail).decode()


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
        raws.append(record_of(recorder.row(made, times_of(made, 1.0), ("p", number), 0)).route)
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


def test_what_many_calls_share_is_encoded_once_and_what_differs_is_never_lost() -> None:
    recorder = Recorder(digest)
    for _ in range(2):
        for number, made in enumerate(variations()):
            times = times_of(made, 1.0)
            kept, alone = (each.row(made, times, ("p", number), 0) for each in (recorder, Recorder(digest)))
            assert kept == alone
    details = {row(made).detail for made in variations()}
    assert len(details) == len(list(variations())) - 1, "without a verdict there is nothing else to tell"


def test_names_that_no_database_takes_are_mended() -> None:
    made = call(caller="a\0b\ud800" + "x" * 1000)
    kept = row(made)
    assert kept.caller.encode()
    assert "\0" not in kept.caller
    assert len(kept.caller) <= 256


def test_a_request_that_nobody_could_answer_has_a_record_too() -> None:
    made = call(outcome="provider_timeout")
    made.decision = None
    kept = row(made)
    assert (kept.provider, kept.status, record_of(kept).route) == ("", 200, None)
