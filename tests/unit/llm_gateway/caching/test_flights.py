import asyncio

from llm_gateway.caching.flights import ABANDONED, Flights, outcome_of_failure, own_copy
from llm_gateway.core.errors import ClientClosedRequest, ProviderTimeout


async def test_all_that_wait_hear_the_first_word() -> None:
    flights = Flights()
    flight = flights.begin("a")
    waiting = [asyncio.ensure_future(flight.wait(10)) for _ in range(5)]
    await asyncio.sleep(0)
    assert flight.waiting == 5
    flights.end("a", flight, b"answer")
    flights.end("a", flight, ABANDONED)
    assert await asyncio.gather(*waiting) == [b"answer"] * 5
    assert await flight.wait(10) == b"answer"
    assert len(flights) == flight.waiting == 0


async def test_patience_ends_and_leaving_disturbs_nobody() -> None:
    flight = Flights().begin("a")
    assert await flight.wait(0.001) is None
    one, other = asyncio.ensure_future(flight.wait(10)), asyncio.ensure_future(flight.wait(10))
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    assert (one.cancelled(), flight.waiting) == (True, 1)
    flight.end(b"answer")
    assert await other == b"answer"


async def test_a_flight_that_was_replaced_ends_without_its_successor() -> None:
    flights = Flights()
    old, new = flights.begin("a"), flights.begin("a")
    flights.end("a", old, b"late")
    assert flights.get("a") is new
    assert old.outcome == b"late"
    assert new.outcome is None


def test_a_caller_who_left_is_no_failure_of_the_others() -> None:
    late = ProviderTimeout("late")
    assert outcome_of_failure(ClientClosedRequest("gone")) is ABANDONED
    assert outcome_of_failure(None) is ABANDONED
    assert outcome_of_failure(late) is late


def test_each_one_raises_an_error_of_its_own() -> None:
    failure = ProviderTimeout("late", provider="openai", code="total", retry_after_s=3, same_again=True)
    try:
        raise failure
    except ProviderTimeout:
        mine = own_copy(failure)
    assert mine is not failure
    assert mine.__traceback__ is None
    assert type(mine) is ProviderTimeout
    assert vars(mine) == vars(failure)
