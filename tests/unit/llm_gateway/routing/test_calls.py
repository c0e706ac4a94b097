from tests.unit.llm_gateway.routing.fakes import House, ask

from llm_gateway.core.errors import InvalidRequest, Overloaded, ProviderRateLimited, ProviderRejected, ProviderTimeout, ProviderUnavailable
from llm_gateway.core.types import Chunk, Thinking, ToolCallDelta, Usage
from llm_gateway.routing.calls import Tally, most_telling


def total(*chunks: Chunk, whole: bool) -> Usage:
    tally = Tally()
    for chunk in chunks:
        tally.add(chunk)
    return tally.total(House({"openai": {}}).exchange(ask("12345678")), whole=whole)


def test_usage_is_cumulative_the_last_one_counts() -> None:
    assert total(Chunk(usage=Usage(10, 1)), Chunk(text="a"), Chunk(usage=Usage(10, 7)), whole=True) == Usage(10, 7)


def test_of_a_cut_answer_at_least_what_was_delivered_counts() -> None:
    text = Chunk(text="x" * 400)
    assert total(Chunk(usage=Usage(10, 1, 4)), text, whole=False) == Usage(10, 100, 4, estimated=True)
    assert total(Chunk(usage=Usage(10, 120)), text, whole=False) == Usage(10, 120)


def test_thinking_and_tool_calls_were_delivered_too() -> None:
    thinking, tool = Chunk(thinking=Thinking("x" * 40)), Chunk(tool_calls=(ToolCallDelta(0, "1", "name", "x" * 36),))
    assert total(thinking, tool, whole=True) == Usage(2 + 4, 20, estimated=True)


def test_cutting_a_text_into_chunks_does_not_change_its_estimate() -> None:
    text = "Grüße aus Köln, 你好! " * 9
    assert total(*(Chunk(text=letter) for letter in text), whole=True) == total(Chunk(text=text), whole=True)


def test_what_a_caller_should_hear() -> None:
    outage, late, limit = ProviderUnavailable("a"), ProviderTimeout("b"), ProviderRateLimited("c")
    key, wire, full = ProviderRejected("d"), InvalidRequest("e"), Overloaded("f")
    assert most_telling([]) is None
    assert most_telling([outage, late, limit, key, wire, full]) is outage
    assert most_telling([late, limit, key]) is late
    assert most_telling([limit, key]) is key
    assert most_telling([limit, wire]) is limit
    second = ProviderUnavailable("g")
    assert most_telling([outage, second]) is second
