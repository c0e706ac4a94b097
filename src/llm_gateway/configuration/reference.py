"""The reference part of docs/configuration.md, made from the models and the table of variables.

`python -m llm_gateway.configuration.reference docs/configuration.md` renews the page; a test keeps it true.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Final

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from llm_gateway.configuration.providers import DEFAULT_PROVIDERS
from llm_gateway.configuration.reload import NEEDS_RESTART
from llm_gateway.configuration.shape import Path, Place, expected, find, path_text
from llm_gateway.configuration.variables import GENERIC_PREFIX, VARIABLES, Variable
from llm_gateway.core.settings import Settings

_NAME: Final = "<name>"
_PART: Final = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def refreshed(page: str) -> str:
    """The page with its generated parts renewed.

    Raises:
        KeyError: the page asks for a part that there is not.
    """
    makers = {"keys": _keys, "variables": _variables, "providers": _providers, "restart": _restart}
    return _PART.sub(lambda part: part[1] + "".join(f"{line}\n" for line in makers[part[2]]()) + part[3], page)


def _table(*heads: str) -> Iterator[str]:
    yield _row(*heads)
    yield _row(*("---" for _ in heads))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _variables() -> Iterator[str]:
    yield from _table("Variable", "Sets", "Meaning")
    for variable in VARIABLES:
        yield _row(f"`{variable.name}`", f"`{path_text(variable.sets)}`" if variable.sets else "", _meaning(variable))
    yield _row(f"`{GENERIC_PREFIX}SECTION__KEY`", "any key", "`__` stands for the dot: `LLM_GATEWAY__ROUTING__STRATEGY=cost`.")


def _meaning(variable: Variable) -> str:
    place = find(variable.sets)
    described = place.field.description if place is not None and place.field is not None else None
    listed = " Comma separated." if place is not None and place.is_list else ""
    return (variable.meaning or described or "") + listed


def _keys() -> Iterator[str]:
    for section in Settings.model_fields:
        yield from _section((section,), f"`{section}`")
        yield ""


def _section(path: Path, title: str) -> Iterator[str]:
    """A section's heading and table; sections with free names stand as `<name>`, and inner ones follow their own."""
    place = _place(path)
    model = place.model
    if model is None:
        entry = place.below((place.keys() or (_NAME,))[0])
        if entry is not None and entry.model is not None:
            path, model = (*path, _NAME), entry.model
    documented = (place.field.description if place.field is not None else None) or (model.__doc__ if model is not None else None)
    yield f"### {title}"
    yield ""
    names = place.keys() if place.model is None else None
    yield (documented or "").strip() + (f" Names: {', '.join(f'`{name}`' for name in names)}." if names else "")
    yield ""
    yield from _table("Key", "Takes", "Default", "Meaning")
    yield from _rows(path, model) if model is not None else [_free_row(path, place)]


def _rows(path: Path, model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        place = _field_place(model, name)
        inner = place.below(_NAME) if place.is_section else None
        if inner is not None and inner.model is not None:
            yield _row(_key((*path, name, _NAME)), "a section", "none", field.description or "")
            yield from _rows((*path, name, _NAME), inner.model)
        elif place.model is not None:
            yield _row(_key((*path, name)), "a section", "none", field.description or "")
            yield from _rows((*path, name), place.model)
        elif inner is not None:
            yield _row(_key((*path, name, _NAME)), expected(inner), "none", field.description or "")
        else:
            yield _row(_key((*path, name)), expected(place), _default(field), field.description or "")


def _free_row(path: Path, place: Place) -> str:
    entry = place.below(_NAME)
    return _row(_key((*path, _NAME)), expected(entry) if entry is not None else "", "none", "")


def _key(path: Path) -> str:
    return f"`{'.'.join(map(str, path))}`"


def _place(path: Path) -> Place:
    place = find(path)
    if place is None:
        raise KeyError(path_text(path))
    return place


def _field_place(model: type[BaseModel], name: str) -> Place:
    place = Place(model).below(name)
    if place is None:
        raise KeyError(name)
    return place


def _default(field: FieldInfo) -> str:
    """A default as YAML would say it."""
    value = field.default
    if field.is_required():
        return "must be given"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    match value:
        case None | "" | ():
            return "none"
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"`[{', '.join(value)}]`"
        case float():
            return _number(value)
        case _:
            return str(value)


def _providers() -> Iterator[str]:
    keys = list(dict.fromkeys(key for values in DEFAULT_PROVIDERS.values() for key in values))
    yield from _table("Provider", *(f"`{key}`" for key in keys))
    for name, values in DEFAULT_PROVIDERS.items():
        yield _row(f"`{name}`", *(_number(value) if isinstance(value, float) else str(value) for value in values.values()))


def _number(value: float) -> str:
    """Without an exponent, which YAML 1.1 would read as text."""
    return f"{value:.12f}".rstrip("0").rstrip(".")


def _restart() -> Iterator[str]:
    yield ", ".join(f"`{path_text(path)}`" for path in NEEDS_RESTART)


def main(page_path: str) -> None:
    """Renew a page in place."""
    page = FilePath(page_path)
    page.write_text(refreshed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
