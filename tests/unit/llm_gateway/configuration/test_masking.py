import pytest
from pydantic import SecretStr

from llm_gateway.configuration.masking import LONGEST_SHOWN, shown
from llm_gateway.configuration.shape import Path

PLAIN: Path = ("server", "host")


@pytest.mark.parametrize(
    ("value", "path", "text"),
    [
        (SecretStr("sk-" + "x" * 48), PLAIN, "set (51 characters)"),
        (SecretStr(""), PLAIN, "not set"),
        ("abc", ("providers", "openai", "api_key"), "set (3 characters)"),
        (7, ("providers", "openai", "api_key"), "set (1 character)"),
        ("Basic Zm9v", ("providers", "openai", "headers", "authorization"), "set (10 characters)"),
        ("rediss://u:p@h", ("storage", "redis_url"), "set (14 characters)"),
        ("sk-ant-api03-abc", PLAIN, "set (16 characters)"),
        ("wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", PLAIN, "set (38 characters)"),
        ("http://user:secret@host:1/x", PLAIN, "http://***@host:1/x"),
        ("claude-3.5-sonnet", PLAIN, "claude-3.5-sonnet"),
        ("anthropic.claude-3-sonnet-20240229-v1:0", PLAIN, "anthropic.claude-3-sonnet-20240229-v1:0"),
        ("", PLAIN, "not set"),
        (None, PLAIN, "not set"),
        (True, PLAIN, "true"),
        (0.5, PLAIN, "0.5"),
        (("a", "b"), PLAIN, "a, b"),
        ((), PLAIN, "none"),
        (["a", "sk-proj-1234567"], PLAIN, "a, set (15 characters)"),
    ],
)
def test_values_are_shown_and_secrets_are_not(value: object, path: Path, text: str) -> None:
    assert shown(value, path) == text


def test_long_values_are_cut() -> None:
    assert shown("a b" * 100, PLAIN).endswith("… (300 characters)")
    assert len(shown("a b" * 100, PLAIN)) < LONGEST_SHOWN + 30
