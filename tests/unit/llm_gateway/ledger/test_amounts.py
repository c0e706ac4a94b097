from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.llm_gateway.ledger.desk_of_tests import PRICE, ask

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.pricing import usd
from llm_gateway.core.types import EmbeddingRequest, Tool
from llm_gateway.ledger.amounts import TOOL_PROMPT_TOKENS, Bound, in_usd, pico


@given(st.integers(0, 9 * 10**18))
def test_amounts_keep_every_pico_dollar(amount: int) -> None:
    assert pico(in_usd(amount)) == amount
    assert Decimal(in_usd(amount)) == usd(amount)
    assert not in_usd(amount).endswith(".")


@pytest.mark.parametrize(
    ("given_usd", "amount"), [("12.50", 125 * 10**11), (0.1, 10**11), (Decimal("0.000000000001"), 1), (0, 0), ("1e-3", 10**9)]
)
def test_amounts_count_as_they_are_written(given_usd: object, amount: int) -> None:
    assert pico(given_usd) == amount  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["-1", "nan", "inf", "much", "0.0000000000001", "9000001", ""])
def test_other_amounts_are_none(wrong: str) -> None:
    with pytest.raises(InvalidRequest, match="limit_usd"):
        pico(wrong)


def test_every_choice_is_paid_and_hidden_instructions_are() -> None:
    one = Bound(ask(), 1024).pico_usd(PRICE)
    assert Bound(ask(n=3), 1024).output_tokens == 300
    assert Bound(ask(max_tokens=None), 1024).output_tokens == 1024
    assert Bound(ask(tools=(Tool("f"),)), 1024).pico_usd(PRICE) > one + TOOL_PROMPT_TOKENS * PRICE.base.input
    embedding = Bound(EmbeddingRequest(("abc", "de")), 1024)
    assert (embedding.input_tokens, embedding.output_tokens) == (5, 0)
