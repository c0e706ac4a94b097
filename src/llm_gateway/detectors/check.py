"""The detector as one function, with the product's default settings; and its self-test."""

from functools import lru_cache

from llm_gateway.core.settings import SecuritySettings
from llm_gateway.detectors import lexicon
from llm_gateway.detectors.inspector import Inspector


@lru_cache(maxsize=1)
def default_inspector() -> Inspector:
    """An inspector as the default configuration makes it."""
    settings = SecuritySettings()  # type: ignore[call-arg]  # pydantic fills the defaults
    return Inspector(settings.sensitive_keywords, settings.rules, settings.sensitivity_threshold)


def is_sensitive(text: str) -> bool:
    """Whether a text on its own is sensitive under the default settings."""
    return default_inspector().judge([("/text", text)]).sensitive


def planted_secrets() -> list[tuple[str, str]]:
    """(name, text) that every detector fit for service flags: each built-in rule's example, and one of each other family."""
    rules = [(pattern.rule.name, pattern.rule.positive) for pattern in (*lexicon.standard().patterns, *lexicon.standard().token_patterns)]
    return [*rules, *_PLANTED]


_PLANTED: tuple[tuple[str, str], ...] = (
    ("password", "the admin password is " + "Tr0ub4dor" + "&Qy2k2"),
    ("card", "card 4539 1488 0343 6467 exp 11/27"),
    ("iban", "IBAN DE89 3704 0044 0532 0130 00"),
    ("ssn", "my social security number is 512-38-4848"),
    ("marker", "CONFIDENTIAL - INTERNAL USE ONLY: margin was 31.4 percent"),
    ("health", "Robert Klein was diagnosed with schizophrenia last week."),
    ("base64", "ZGIgcGFzc3dvcmQgaXMgVHIwdWI0ZG9yJlF5MmsyIG9uIHByb2Q="),
)


def self_test(inspector: Inspector) -> list[str]:
    """Names of planted secrets that `inspector` does not flag. Must be empty before anything is served."""
    return [name for name, text in planted_secrets() if not inspector.judge([(f"/{name}", text)]).sensitive]
