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


def rule_examples() -> list[tuple[str, str]]:
    """(rule's name, its example) of every built-in rule. For tests: running them all compiles every rule."""
    standard = lexicon.standard()
    return [(pattern.rule.name, pattern.rule.positive) for pattern in (*standard.patterns, *standard.token_patterns)]


PLANTED: tuple[tuple[str, str], ...] = (
    ("password", "the admin password is " + "Tr0ub4dor" + "&Qy2k2"),
    ("vendor key", "key ghp_" + "BolGVKxGXxs4NUQMytsPC248OIsWqHW56AYJ"),
    ("unknown vendor's key", 'partner_api_key = "' + "q8Zr3XbT" + 'v5LmW2nKc9Ys4HdF"'),
    ("connection string", "postgres://app:" + "Qx7!rTz9p" + "@db.internal/orders"),
    ("private key", "-----BEGIN RSA PRIVATE KEY-----\n" + "Zm9vYmFyYmF6cXV4Q29ycmVjdEhvcnNl" * 2),
    ("session", "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".k3Jx9QmZ7pLw2VbN8tRfk3Jx9QmZ7pLw2VbN8tRf"),
    ("card", "card 4539 1488 0343 6467 exp 11/27"),
    ("iban", "IBAN DE89 3704 0044 0532 0130 00"),
    ("ssn", "my social security number is 512-38-4848"),
    ("contact", "write to petra.kovacs@seznam.cz or +49 1512 3456789"),
    ("marker", "CONFIDENTIAL - INTERNAL USE ONLY: margin was 31.4 percent"),
    ("health", "Robert Klein was diagnosed with schizophrenia last week."),
    ("base64", "ZGIgcGFzc3dvcmQgaXMgVHIwdWI0ZG9yJlF5MmsyIG9uIHByb2Q="),
    ("hexadecimal", b"the admin password is Tr0ub4dor&Qy2k2".hex()),
    ("invisible characters", "\u200b".join("password: Tr0ub4dor&Qy2k2")),
)
"""One text of each family that every detector fit for service flags."""


def self_test(inspector: Inspector) -> list[str]:
    """Names of planted secrets that `inspector` does not flag. Must be empty before anything is served."""
    return [name for name, text in PLANTED if not inspector.judge([(f"/{name}", text)]).sensitive]
