"""The effective configuration in rows for people: what counts, and who said so."""

import msgspec

from llm_gateway.configuration.loading import DEFAULT_ORIGIN, Loaded
from llm_gateway.configuration.masking import shown
from llm_gateway.configuration.providers import kind_of, security_level_of
from llm_gateway.configuration.shape import Path, leaves, path_text
from llm_gateway.core.settings import Settings


class Row(msgspec.Struct, frozen=True):
    """One setting. `value` is for people, secrets masked; `origin` as in `Loaded.origins`."""

    path: str
    value: str
    origin: str


def explain(loaded: Loaded) -> list[Row]:
    """Every setting in the order of the models. What follows from others (a provider's kind and level) is shown worked out."""
    rows = []
    for path, value in leaves(loaded.settings):
        text = path_text(path)
        derived = _derived(path, loaded.settings) if value is None else None
        if derived is not None:
            rows.append(Row(text, derived, f"{DEFAULT_ORIGIN}, by name and address"))
        else:
            rows.append(Row(text, shown(value, path), loaded.origins[text]))
    return rows


def _derived(path: Path, settings: Settings) -> str | None:
    match path:
        case ("providers", str(name), "security_level"):
            return str(security_level_of(name, settings.providers[name]))
        case ("providers", str(name), "kind"):
            return kind_of(name, settings.providers[name])
    return None
