"""The tree of settings as the models declare it: which keys stand where, what each takes, in words for people.

The loader, the error messages, `explain` and the reference in docs/configuration.md all read the models through here.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Final, Literal, TypeAlias, Union, get_args, get_origin

import msgspec
from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from llm_gateway.core.settings import Settings

Path: TypeAlias = tuple[str | int, ...]
"""Keys from the root; an int counts in a list. `path_text` is its dotted form."""

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


class Place(msgspec.Struct, frozen=True):
    """Where a setting stands: its type, what limits it, and what it is for."""

    annotation: object
    limits: tuple[object, ...] = ()
    nullable: bool = False
    field: FieldInfo | None = None
    """The model field; None for the entries of a section with free names."""

    @property
    def model(self) -> type[BaseModel] | None:
        kind = self.annotation
        return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None

    @property
    def is_section(self) -> bool:
        """Whether keys stand below it."""
        return self.model is not None or get_origin(self.annotation) is dict

    @property
    def is_list(self) -> bool:
        return get_origin(self.annotation) is tuple

    def keys(self) -> tuple[str, ...] | None:
        """The keys that a section knows; None: any name will do."""
        if self.model is not None:
            return tuple(self.model.model_fields)
        name_type = get_args(self.annotation)[0]
        return get_args(name_type) if get_origin(name_type) is Literal else None

    def below(self, key: str | int) -> "Place | None":
        """The place of `key` in a section, or of an item of a list; None: there is none."""
        if self.model is not None:
            field = self.model.model_fields.get(str(key))
            return None if field is None else _place(field.annotation, tuple(field.metadata), field)
        if self.is_list:
            return _place(get_args(self.annotation)[0])
        if not self.is_section:
            return None
        known = self.keys()
        return _place(get_args(self.annotation)[1]) if known is None or key in known else None


def _place(annotation: object, limits: tuple[object, ...] = (), field: FieldInfo | None = None) -> Place:
    """The place of a field, its `Annotated` and `| None` taken off."""
    nullable = False
    while True:
        origin, args = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            annotation, limits = args[0], limits + args[1:]
        elif origin in (Union, UnionType) and NoneType in args:
            annotation, nullable = next(arg for arg in args if arg is not NoneType), True
        else:
            return Place(annotation, limits, nullable, field)


ROOT: Final = Place(Settings)


def find(path: Path) -> Place | None:
    """The place of a path; None: the models have no such place."""
    place: Place | None = ROOT
    for key in path:
        place = None if place is None else place.below(key)
    return place


def path_text(path: Path) -> str:
    """`providers.openai.timeout`; a name with other signs is quoted: `providers.openai.prices."gpt-4.1".input`."""
    return ".".join(key if _PLAIN_KEY.fullmatch(key) else f'"{key}"' for key in map(str, path))


def leaves(node: BaseModel, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every value of a part of the settings with its path, in the order of declaration."""
    for name in type(node).model_fields:
        value = getattr(node, name)
        yield from _leaves(value, (*path, name))


def _leaves(value: object, path: Path) -> Iterator[tuple[Path, object]]:
    if isinstance(value, BaseModel):
        yield from leaves(value, path)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, (*path, name))
    else:
        yield path, value


def is_secret(path: Path) -> bool:
    """Whether a value at this path is never shown: what the models call secret, and all headers (they carry tokens)."""
    place = find(path)
    return "headers" in path or (place is not None and place.annotation is SecretStr)


def expected(place: Place) -> str:
    """What a setting takes: `a whole number from 0 to 65535`."""
    kind = place.annotation
    for limit in place.limits:
        if isinstance(limit, FieldInfo) and limit.description:
            return limit.description
    if place.is_section:
        return "a section (indented lines of `key: value`)"
    if place.is_list:
        return "a list of text"
    if get_origin(kind) is Literal:
        return _one_of(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _one_of(member.value for member in kind)
    if kind is bool:
        return "true or false"
    if kind in (int, float):
        return ("a whole number" if kind is int else "a number") + _bounds(place.limits)
    return "text that is not empty" if any(isinstance(limit, MinLen) for limit in place.limits) else "text"


def _one_of(values: Iterable[object]) -> str:
    *some, last = map(str, values)
    return f"{', '.join(some)} or {last}" if some else last


def _bounds(limits: tuple[object, ...]) -> str:
    flat = [part for limit in limits for part in (limit.metadata if isinstance(limit, FieldInfo) else [limit])]
    low = high = ""
    for limit in flat:
        match limit:
            case Ge(ge=bound):
                low = f"from {bound}"
            case Gt(gt=bound):
                low = f"above {bound}"
            case Le(le=bound):
                high = f"to {bound}"
            case Lt(lt=bound):
                high = f"below {bound}"
    if high and low.startswith("above"):
        high = high.replace("to ", "up to ", 1)
    return "".join(f" {word}" for word in (low, high) if word) + (" on" if low.startswith("from") and not high else "")


_CLOSE: Final = 0.6
"""difflib's ratio from which two keys count as alike (its own default): `prt` and `port` are, `vllm` and `grok` are not."""


def nearest(key: str, known: Iterable[str], *, cutoff: float = _CLOSE) -> str | None:
    """The known key that `key` was probably meant to be."""
    found = difflib.get_close_matches(key.lower().replace("-", "_"), list(known), n=1, cutoff=cutoff)
    return found[0] if found else None


def unknown_key(path: Path, known: Iterable[str]) -> str:
    """What to say about a key that is not there, with the likely right one: `unknown key; did you mean ...?`."""
    known, key = tuple(known), str(path[-1])
    elsewhere = [f"{section}.{key}" for section in Settings.model_fields if find((section, key)) and _has_fixed_keys(section)]
    if elsewhere:
        return f"unknown key here; did you mean `{elsewhere[0]}`?"
    if near := nearest(key, known):
        return f"unknown key; did you mean `{near}`?"
    return f"unknown key; there are {', '.join(known)}"


def _has_fixed_keys(section: str) -> bool:
    place = find((section,))
    return place is not None and place.model is not None
