from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.simulator.tokens import first_tokens, token_bytes, tokens_of


def test_four_bytes_are_a_token_and_begun_ones_count() -> None:
    assert [tokens_of(text) for text in ("", "a", "abcd", "abcde", "äöü", "日本")] == [0, 1, 1, 2, 2, 2]


@given(st.text(), st.integers(0, 30))
def test_a_cut_text_begins_the_text_and_keeps_the_limit(text: str, limit: int) -> None:
    cut = first_tokens(text, limit)
    assert text.startswith(cut)
    assert tokens_of(cut) <= limit or cut == ""
    assert len(text) <= len(cut) or tokens_of(text[: len(cut) + 1]) > limit


@given(st.text())
def test_tokens_make_up_the_text(text: str) -> None:
    assert b"".join(token_bytes(text)) == text.encode()
    assert len(token_bytes(text)) == tokens_of(text)
