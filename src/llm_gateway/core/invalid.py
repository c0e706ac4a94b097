"""What is wrong with a value that does not fit its type, in words of JSON, naming the field."""

import re
from typing import Final

import msgspec

from llm_gateway.core.errors import InvalidRequest

_AT: Final = re.compile(r" - at `([^`]*)`$")
_KEY: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(.*)`", re.DOTALL)


def invalid_value(failure: msgspec.ValidationError, known_fields: tuple[str, ...] = ()) -> InvalidRequest:
    """The error for what msgspec raised; `known_fields` are offered for an unknown one."""
    text = str(failure)
    at = _AT.search(text)
    path = _path(at.group(1)) if at else ""
    reason = text[: at.start()] if at else text
    if unknown := _KEY.search(reason):
        name = _join(path, unknown.group(1)[:64])
        return InvalidRequest(f"unknown field {name!r}: known are {', '.join(known_fields)}", param=name, code="unknown_field")
    if missing := _MISSING.search(reason):
        name = _join(path, missing.group(1))
        return InvalidRequest(f"the field {name!r} is required", param=name, code="missing_field")
    name = path or "body"
    return InvalidRequest(f"{name}: {_in_json_words(reason)}", param=name, code="invalid_value")


_WORDS: Final = {
    "str": "text",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "a list",
}
_TYPES: Final = re.compile(r"`([a-z| ]+)`")


def _in_json_words(reason: str) -> str:
    """A decoder's reason in words of JSON: "expected a number, got text"."""
    plain = _TYPES.sub(lambda found: " or ".join(_WORDS.get(word, word) for word in found[1].split(" | ")), reason)
    return plain[:1].lower() + plain[1:]


def _path(pointer: str) -> str:
    """`$.stop[0]` as `stop[0]`; `$[...]` and dict keys as msgspec writes them."""
    return pointer.removeprefix("$").removeprefix(".")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
