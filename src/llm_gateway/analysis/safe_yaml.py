"""YAML of strangers: plain values only, few aliases, bounded depth; what an alias or a merge multiplies is counted."""

from typing import TYPE_CHECKING, Final

import yaml

from llm_gateway.core.types import Json

DEEPEST: Final = 60
MOST_ALIASES: Final = 500
MOST_EVENTS: Final = 300_000
_MOST_MERGED: Final = 1_000
if TYPE_CHECKING:
    from yaml import SafeLoader as _Base
else:  # the C loader where PyYAML was built with it
    _Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnsafeYaml(ValueError):
    """It is no YAML, or YAML that only an attack has. The message says what, without any of its text."""


class _Loader(_Base):
    """Loads plain values; tags of Python objects are unknown to it."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        before = len(node.value)
        super().flatten_mapping(node)
        if len(node.value) > before + _MOST_MERGED:
            raise UnsafeYaml(f"more than {_MOST_MERGED} entries are merged into a mapping")


def parse_all(source: str) -> list[Json]:
    """The documents of a stream.

    Raises:
        UnsafeYaml: it is not YAML, or is deeper than 60, has more than 500 aliases, or more than 300,000 pieces.
    """
    try:
        _check(source)
        return [_bounded(document) for document in yaml.load_all(source, _Loader)]
    except yaml.MarkedYAMLError as failure:
        line = failure.problem_mark.line + 1 if failure.problem_mark else 0
        raise UnsafeYaml(f"line {line}: it is not YAML" if line else "it is not YAML") from None
    except UnsafeYaml:
        raise
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError):
        raise UnsafeYaml("it is not YAML") from None


def _check(source: str) -> None:
    depth = aliases = 0
    for count, event in enumerate(yaml.parse(source, Loader=_Base)):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > DEEPEST or aliases > MOST_ALIASES or count > MOST_EVENTS:
            raise UnsafeYaml(f"it is deeper than {DEEPEST}, has more than {MOST_ALIASES} aliases, or is longer than anybody writes")


def _bounded(document: object) -> Json:
    """A document as JSON values, its aliases written out, unless that makes it huge."""
    left = MOST_EVENTS

    def copied(value: object, depth: int) -> Json:
        nonlocal left
        left -= 1
        if left < 0 or depth > DEEPEST:
            raise UnsafeYaml("its aliases make it larger than anybody writes")
        if isinstance(value, dict):
            return {str(key): copied(each, depth + 1) for key, each in value.items()}
        if isinstance(value, list | tuple | set):
            return [copied(each, depth + 1) for each in value]
        return value if value is None or isinstance(value, str | int | float | bool) else str(value)

    return copied(document, 0)
