import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.simulator.prose import answer_from_tool, answer_to, shortened


@given(st.text(max_size=400))
def test_every_answer_says_that_it_is_simulated_and_repeats_itself(prompt: str) -> None:
    assert answer_to(prompt, "openai/m").startswith("[simulated openai/m] ")
    assert answer_to(prompt, "openai/m") == answer_to(prompt, "openai/m")


@pytest.mark.parametrize(
    "prompt", ["What is a nonce?", "Summarize: nonce-71 is one. It is used once.", "write python code for nonce-71", "hi nonce-71"]
)
def test_the_prompts_first_words_come_back(prompt: str) -> None:
    assert "nonce" in answer_to(prompt, "x/y")


def test_exact_words_can_be_asked_for() -> None:
    assert answer_to("Please reply with exactly: {placeholder_1} — ok", "a/b") == "[simulated a/b] {placeholder_1} — ok"


@pytest.mark.parametrize("count", [1, 20, 500])
def test_a_length_can_be_asked_for(count: int) -> None:
    assert len(answer_to(f"write {count} words about rain", "a/b").split()) == count + 2


def test_braces_in_the_prompt_are_plain_text() -> None:
    assert "{0} {echo}" in answer_to("explain {0} {echo}", "a/b")


def test_a_tools_answer_is_told() -> None:
    assert "18 degrees" in answer_from_tool("18 degrees", "a/b")


def test_a_shortened_text_ends_with_a_word() -> None:
    assert shortened("one two three four", 10) == "one two …"
