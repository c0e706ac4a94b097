"""JSON documents as dataclasses: by the names of their fields, whatever else a newer gateway adds."""

import types
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from llm_gateway_client.errors import ServiceFailed

T = TypeVar("T")


def decoded(kind: type[T], document: object, place: str = "answer") -> T:
    """`document` as a `kind`. A field called `raw` holds the whole document.

    Raises:
        ServiceFailed: it is not what a gateway answers; names the field.
    """
    if not isinstance(document, dict):
        raise _strange(place, "an object")
    values: dict[str, Any] = {}
    for name, hint, needed in _shape(kind):  # type: ignore[arg-type]  # a class is hashable
        if name == "raw":
            values[name] = document
        elif name in document:
            values[name] = _value(hint, document[name], f"{place}.{name}")
        elif needed:
            raise _strange(f"{place}.{name}", "to be there")
    return kind(**values)


@lru_cache(maxsize=256)
def _shape(kind: Any) -> tuple[tuple[str, Any, bool], ...]:
    hints = get_type_hints(kind)
    return tuple(
        (field.name, hints[field.name], field.default is MISSING and field.default_factory is MISSING)
        for field in fields(kind)
    )  # fmt: skip


def _value(hint: Any, value: object, place: str) -> Any:
    origin = get_origin(hint)
    if hint is Any:
        return value
    if origin in {Union, types.UnionType}:
        options = get_args(hint)
        if value is None and type(None) in options:
            return None
        return _value(next(option for option in options if option is not type(None)), value, place)
    if origin is list:
        if not isinstance(value, list):
            raise _strange(place, "a list")
        return [_value(get_args(hint)[0], each, f"{place}[{number}]") for number, each in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise _strange(place, "an object")
        return {key: _value(get_args(hint)[1], each, f"{place}.{key}") for key, each in value.items()}
    if is_dataclass(hint) and isinstance(hint, type):
        return decoded(hint, value, place)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint):
        raise _strange(place, f"of type {hint.__name__}")
    return value


def _strange(place: str, expected: str) -> ServiceFailed:
    return ServiceFailed(f"the answer is not a gateway's: {place} was expected {expected}", status=200)
