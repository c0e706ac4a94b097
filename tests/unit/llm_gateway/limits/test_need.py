import pytest

from llm_gateway.core.errors import ClientClosedRequest, Internal, LLMGatewayError
from llm_gateway.core.exchange import Credentials, Exchange
from llm_gateway.core.routing import Attempt
from llm_gateway.core.types import ChatRequest, EmbeddingRequest, Message, SecurityLevel, Usage
from llm_gateway.limits.need import Need, charge_of, charge_of_attempt, fits, need_of


def ask(text: str = "hello", **fields: object) -> ChatRequest:
    return ChatRequest((Message("user", text),), **fields)  # type: ignore[arg-type]


def exchange(*attempts: Attempt, usage: Usage | None = None, failure: LLMGatewayError | None = None) -> Exchange:
    made = Exchange(ask(), correlation_id="c", credentials=Credentials(), ingress="native", received_s=0.0, deadline_s=9.0)
    made.attempts += attempts
    made.usage, made.failure = usage, failure
    return made


def attempt(outcome: str = "ok", status: int | None = 200, duration_s: float = 1.0) -> Attempt:
    return Attempt("openai", "m", SecurityLevel.MEDIUM, outcome, status, duration_s=duration_s)


def test_input_is_bounded_by_its_bytes_and_the_answer_by_what_is_asked() -> None:
    need = need_of(ask("héllo", max_tokens=50, n=3), 1024)
    assert need.at_most_input >= 6
    assert need.answer == 150
    assert need.hold == need.at_most_input + 150
    assert need_of(ask(), 1024).answer == 1024
    assert need_of(EmbeddingRequest(("a", "bc")), 1024) == Need(3, 0)


def test_a_long_text_fits_by_its_likely_size() -> None:
    request = ask("word " * 10_000, max_tokens=100)
    need = need_of(request, 1024)
    assert need.hold > 50_000
    assert fits(request, need, 50_000)
    assert not fits(request, need, 10_000)
    assert not fits(ask(max_tokens=60_000), need_of(ask(max_tokens=60_000), 1), 50_000)


def test_a_caller_pays_what_was_used() -> None:
    assert charge_of(exchange(attempt(), usage=Usage(10, 5))) == 15
    assert charge_of(exchange(attempt("provider_timeout", None), failure=Internal("x"))) == 0
    assert charge_of(exchange()) == 0


def test_an_answer_from_the_cache_costs_nothing() -> None:
    made = exchange(usage=Usage(10, 5))
    made.cache_state = "hit"
    assert charge_of(made) == 0


def test_who_leaves_before_the_account_is_there_pays_what_was_reserved() -> None:
    gone = ClientClosedRequest("gone")
    assert charge_of(exchange(attempt("cancelled", None), failure=gone)) is None
    assert charge_of(exchange(attempt("cancelled"), usage=Usage(10, 2), failure=gone)) == 12
    assert charge_of(exchange(failure=gone)) == 0


@pytest.mark.parametrize(
    ("attempts", "usage", "number", "charge"),
    [
        ([attempt()], Usage(10, 5), 0, 15),
        ([attempt("rate_limited", 429), attempt()], Usage(10, 5), 0, 0),
        ([attempt("rate_limited", 429), attempt()], Usage(10, 5), 1, 15),
        ([attempt("provider_timeout", None), attempt()], Usage(10, 5), 0, None),
        ([attempt("provider_bad_response", 200)], None, 0, None),
        ([attempt("audit_unavailable", None, 0.0)], None, 0, 0),
        ([], None, 0, 0),
    ],
)
def test_a_provider_is_charged_all_where_nobody_knows(
    attempts: list[Attempt], usage: Usage | None, number: int, charge: int | None
) -> None:
    assert charge_of_attempt(exchange(*attempts, usage=usage), number) == charge
