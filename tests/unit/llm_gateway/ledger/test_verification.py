from dataclasses import dataclass

from tests.unit.llm_gateway.ledger.test_journal import row

from llm_gateway.ledger.verification import reconcile


@dataclass
class Totals:
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


def charged(**figures: int) -> dict[str, dict[str, Totals]]:
    return {"openai": {"gpt-4o": Totals(**figures)}}


def test_equal_books_agree() -> None:
    result = reconcile([row(1), row(2)], charged(input_tokens=2, output_tokens=4))
    assert result.agrees
    assert (result.rows, result.differences) == (2, ())


def test_one_token_is_noticed_and_so_is_a_model_that_is_missing() -> None:
    result = reconcile([row(1)], charged(input_tokens=1, output_tokens=3))
    assert not result.agrees
    assert (
        str(result.differences[0]) == "openai/gpt-4o output_tokens: the upstream charged 3, the ledger has 2 as reported and 0 by estimate"
    )
    assert not reconcile([], charged(input_tokens=1)).agrees
    assert not reconcile([row(1)], {}).agrees


def test_estimates_explain_what_is_left_and_no_more() -> None:
    rows = [row(1), row(2, estimated=1, output_tokens=9)]
    assert reconcile(rows, charged(input_tokens=2, output_tokens=7)).agrees
    assert not reconcile(rows, charged(input_tokens=2, output_tokens=1)).agrees


def test_a_row_that_is_there_twice_and_one_without_an_end_are_noticed() -> None:
    assert reconcile([row(1), row(1)], charged(input_tokens=2, output_tokens=4)).duplicates == (("p", 1, 1),)
    assert not reconcile([row(1), row(1)], charged(input_tokens=2, output_tokens=4)).agrees
    assert not reconcile([row(1, "open", estimated=1)], charged(input_tokens=1, output_tokens=2)).agrees
