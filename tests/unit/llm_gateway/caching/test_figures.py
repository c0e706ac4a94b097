from llm_gateway.caching.figures import MAX_CALLERS, MAX_MODELS, Figures, Tally, combined, summed
from llm_gateway.core.types import Usage


def test_hits_and_misses_are_counted_by_caller_and_by_model() -> None:
    figures = Figures()
    figures.miss("a")
    figures.hit("a", "openai/gpt-4o", Usage(10, 5), 0.25)
    figures.hit("a", "ollama/llama3", Usage(1, 1), 0.0)
    figures.hit("b", "openai/gpt-4o", None, None)
    assert figures.total == Tally(3, 1, 17, 0.25, 1)
    assert figures.total.hit_rate == 0.75
    assert figures.callers() == {"a": Tally(2, 1, 17, 0.25), "b": Tally(1, 0, 0, 0.0, 1)}
    assert figures.models() == {"openai/gpt-4o": Tally(2, 0, 15, 0.25, 1), "ollama/llama3": Tally(1, 0, 2, 0.0)}
    assert figures.models("b") == {"openai/gpt-4o": Tally(1, 0, 0, 0.0, 1)}
    assert figures.models("nobody") == {}
    assert Tally().hit_rate == 0


def test_sums() -> None:
    one, other = Tally(1, 2, 3, 4.0, 5), Tally(10, 20, 30, 40.0, 50)
    assert combined([one, other]) == Tally(11, 22, 33, 44.0, 55)
    assert summed([{"m": one}, {"m": other, "n": one}]) == {"m": combined([one, other]), "n": one}
    assert (one, other) == (Tally(1, 2, 3, 4.0, 5), Tally(10, 20, 30, 40.0, 50))


def test_the_memory_for_names_has_an_end_and_the_totals_stay() -> None:
    figures = Figures()
    for number in range(MAX_CALLERS + 10):
        figures.miss(str(number))
    figures.miss("10")
    figures.miss("new")
    assert len(figures.callers()) == MAX_CALLERS
    assert "10" in figures.callers()
    assert "11" not in figures.callers()
    assert figures.total.misses == MAX_CALLERS + 12
    for number in range(MAX_MODELS + 10):
        figures.hit("a", f"p/{number}", Usage(1, 1), 0.0)
    assert len(figures.models()) == len(figures.models("a")) == MAX_MODELS
    assert figures.total.hits == MAX_MODELS + 10
