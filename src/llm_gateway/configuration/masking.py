"""Showing values to people without showing secrets."""

import re
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from llm_gateway.configuration.shape import Path, is_secret

LONGEST_SHOWN: Final = 80
"""Characters of a value that are shown."""

_LOOKS_SECRET: Final = re.compile(
    r"(sk-|gw_|xai-|gsk_|ghp_|glpat-|xox[abp]-|AKIA|ASIA|ABSK|eyJ|Bearer )|"  # known beginnings of keys and tokens
    r"(?=[^0-9]*[0-9])(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])[A-Za-z0-9+/_=-]{24,}$"  # long, and mixed as only machines mix
)


def masked(length: int) -> str:
    """What is said of a secret: that it is there, and how long it is (a cut-off key shows)."""
    return f"set ({length} character{'' if length == 1 else 's'})" if length else "not set"


def shown(value: object, path: Path) -> str:
    """A value as people may see it; whatever stands at a secret path, or looks like a secret, is masked."""
    if isinstance(value, SecretStr):
        return masked(len(value.get_secret_value()))
    if is_secret(path):
        return masked(len(value if isinstance(value, str) else str(value)))
    if isinstance(value, str):
        return _shown_text(value)
    if isinstance(value, tuple | list):
        return _cut(", ".join(shown(item, path) for item in value)) if value else "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "not set"
    return _cut(str(value))


def _shown_text(text: str) -> str:
    if _LOOKS_SECRET.match(text):
        return masked(len(text))
    if "@" in text and "://" in text:
        return _without_user(text)
    return _cut(text) if text else "not set"


def _without_user(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return masked(len(url))
    return _cut(parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]).geturl())


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({len(text)} characters)"
