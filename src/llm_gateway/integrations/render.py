"""Templates without logic: `{{name}}` stands for a value, and nothing else means anything. Pure.

What is put in is never looked at again, so a value that holds `{{...}}` stays as it is.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from llm_gateway.core.types import Json

_NAME: Final = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)\s*\}\}")
_encode = msgspec.json.Encoder().encode


def names_in(template: str) -> tuple[str, ...]:
    """The names that a template asks for, in order, each once."""
    return tuple(dict.fromkeys(_NAME.findall(template)))


def rendered(template: str, values: Mapping[str, Json]) -> tuple[str, tuple[str, ...]]:
    """The template with its values, and the names that there is no value for (they stay as they stand).

    `user.name` is the `name` of the object `user`. Text goes in as it is, everything else as JSON.
    """
    missing: dict[str, None] = {}

    def value(match: "re.Match[str]") -> str:
        found: Json = dict(values)
        for step in match[1].split("."):
            if not isinstance(found, dict) or step not in found:
                missing[match[1]] = None
                return match[0]
            found = found[step]
        return found if isinstance(found, str) else _encode(found).decode()

    return _NAME.sub(value, template), tuple(missing)
