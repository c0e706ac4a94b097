import pytest

from llm_gateway.core.models import MAX_NAME_CHARACTERS, UNKNOWN_QUALITY, facts_of, find_model, known_models, quality_of
from llm_gateway.core.settings import ProviderSettings


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("claude-opus-4-1", "claude-3.5-sonnet"),
        ("claude-3.5-sonnet", "claude-3-haiku-20240307"),
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4o-mini", "gpt-3.5-turbo"),
        ("gpt-5", "gpt-5-mini"),
        ("gpt-5-mini", "gpt-5-nano"),
        ("o3", "o3-mini"),
        ("grok-4", "grok-1"),
        ("llama3.1:70b", "llama3.1:8b"),
        ("llama3.1:8b", "llama3.2:3b"),
        ("llama3", "llama2"),
        ("anthropic.claude-3-sonnet-20240229-v1:0", "amazon.titan-text-lite-v1"),
        ("amazon.nova-pro-v1:0", "amazon.nova-micro-v1:0"),
    ],
)
def test_larger_and_newer_models_of_a_family_are_held_to_be_better(better: str, worse: str) -> None:
    assert 0.0 <= quality_of(worse) < quality_of(better) <= 1.0


def test_a_name_that_says_nothing() -> None:
    assert quality_of("zork") == UNKNOWN_QUALITY


def test_facts_come_from_the_configuration_then_the_catalogue() -> None:
    bare = ProviderSettings(model="gpt-4o")
    assert facts_of("openai", bare, "gpt-4o").context_window_tokens == 128_000
    assert facts_of("openai", bare, "zork").context_window_tokens is None
    given = ProviderSettings(model="gpt-4o", context_window=5_000, quality=0.11)
    assert facts_of("openai", given, "gpt-4o").context_window_tokens == 5_000
    assert (facts_of("openai", given, "gpt-4o").quality, facts_of("openai", given, "gpt-5").quality) == (0.11, quality_of("gpt-5"))
    assert facts_of("", ProviderSettings(num_ctx=4_096), "llama3").context_window_tokens == 4_096


def test_a_model_belongs_to_its_vendor_only() -> None:
    assert find_model("openai", "gpt-4o") is not None
    assert find_model("anthropic", "gpt-4o") is None
    assert find_model("", "gpt-4o") is None
    assert find_model("openai", "gpt-4o" + "x" * MAX_NAME_CHARACTERS) is None


def test_dots_and_dashes_in_versions_are_the_same() -> None:
    dotted = find_model("anthropic", "claude-opus-4.1")
    assert dotted is not None
    assert dotted is find_model("anthropic", "claude-opus-4-1")


def test_the_vendor_s_models_are_listed() -> None:
    assert "gpt-4o" in known_models("openai")
    assert known_models("") == ()
