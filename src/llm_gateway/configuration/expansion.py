"""`${VAR}` and `${VAR:-default}` in the strings of the file; `$${` is the text `${` itself."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^{}]*))?\}|\$\{")


class Expanded(msgspec.Struct, frozen=True):
    """A string with its variables filled in; `unset` are those that had neither value nor default."""

    text: str
    unset: tuple[str, ...] = ()
    malformed: bool = False


def expand(text: str, environ: Mapping[str, str]) -> Expanded:
    """Fill in the variables of one string. A variable that is empty counts as unset. What is filled in is not read again."""
    if "${" not in text:
        return Expanded(text)
    unset: list[str] = []
    malformed = False

    def value(match: re.Match[str]) -> str:
        nonlocal malformed
        name, default = match[1], match[3]
        if name is None:
            malformed |= match[0] == "${"
            return "${"
        if found := environ.get(name):
            return found
        if match[2] is None:
            unset.append(name)
        return default or ""

    expanded = _REFERENCE.sub(value, text)
    return Expanded(expanded, tuple(unset), malformed)
