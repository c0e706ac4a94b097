"""Reading the YAML file: plain values with the line of every one, and every fault of form at once."""

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec
import yaml

from llm_gateway.configuration.shape import Path, path_text

Value: TypeAlias = "str | int | float | bool | bytes | list[Value] | dict[str, Value] | None"

MOST_NODES: Final = 50_000
"""Values in a file, aliases counted where they stand: no real file comes near, and a bomb of aliases ends here."""


class Fault(msgspec.Struct, frozen=True):
    """Something that is wrong with the file's form, at a line (from 1; 0: nowhere in particular)."""

    path: str
    line: int
    text: str


class Document(msgspec.Struct, frozen=True):
    """A file's values; `lines` gives the line of each key and item, from 1."""

    values: dict[str, Value]
    lines: Mapping[Path, int]
    faults: tuple[Fault, ...]


class _Loader(yaml.SafeLoader):
    """Safe YAML, without its habit of reading a model named 2024-02-29 as a date."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(text: str) -> Document:
    """Read one YAML document. Never raises: what is wrong stands in `faults`, none of which quotes a value."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.reader.ReaderError as error:
        return _broken(text.count("\n", 0, error.position) + 1, "holds a character that YAML does not allow")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _broken(mark.line + 1 if mark else 0, _plain(error.problem or ""))
    except RecursionError:
        return _broken(0, "is nested too deeply")
    if node is None or node.tag == "tag:yaml.org,2002:null":
        return Document({}, {}, ())
    if not isinstance(node, yaml.MappingNode):
        return _broken(node.start_mark.line + 1, "is not a section: expected lines of `key: value`")
    builder = _Builder(loader)
    try:
        values = builder.mapping(node, ())
    except (_TooMuch, RecursionError):
        return _broken(0, "holds too many values, or aliases that hold themselves")
    return Document(values, builder.lines, tuple(builder.faults))


def _broken(line: int, text: str) -> Document:
    return Document({}, {}, (Fault("", line, f"the file {text}"),))


_WORDS: Final = (
    ("undefined alias", "uses an alias (*name) that nothing defines; put text that starts with * in quotes"),
    ("mapping values are not allowed", "has a colon where none can stand; put text that holds `: ` in quotes"),
    ("could not find expected ':'", "has a key without a colon here, or just before"),
    ("'\\t'", "is indented with a tab; use spaces"),
    ("cannot start any token", "has a sign that text cannot start with (such as @, ` or %); put the text in quotes"),
    ("another document", "has more than one document (a `---` line)"),
    ("escape", "has an unknown escape (\\) in double quotes; use single quotes"),
    ("unexpected end of stream", "ends inside quotes"),
    ("block end", "has a line indented unlike those before it, or something more after a value in quotes"),
    ("tag", "has an unknown tag (!name); put text that starts with ! in quotes"),
)
"""Part of the parser's own words -> ours. Its words may quote the file, and a line of it may be a secret: they go no further."""


def _plain(problem: str) -> str:
    return next((words for part, words in _WORDS if part in problem), "is not valid YAML here, or just before")


class _TooMuch(Exception):
    pass


class _Builder:
    """Makes plain values of nodes, and notes lines and faults on the way."""

    def __init__(self, loader: _Loader) -> None:
        self.lines: dict[Path, int] = {}
        self.faults: list[Fault] = []
        self._loader = loader
        self._keys_checked: set[int] = set()
        self._count = 0

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Value]:
        self._check_keys(node, path)
        try:
            self._loader.flatten_mapping(node)
        except yaml.MarkedYAMLError:
            self._fault(path, node, "`<<` takes a section to merge")
            return {}
        found: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if isinstance(key, str):
                below = (*path, key)
                self.lines[below] = key_node.start_mark.line + 1
                found[key] = self._value(value_node, below)
        return found

    def _value(self, node: yaml.Node, path: Path) -> Value:
        self._count += 1
        if self._count > MOST_NODES:
            raise _TooMuch
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            items: list[Value] = []
            for index, item in enumerate(node.value):
                self.lines[*path, index] = item.start_mark.line + 1
                items.append(self._value(item, (*path, index)))
            return items
        try:
            value: Value = self._loader.construct_object(node)
        except yaml.MarkedYAMLError:
            self._fault(path, node, "has an unknown tag (!name); put text that starts with ! in quotes")
            return None
        except ValueError:
            self._fault(path, node, "looks like a number but is none; put text in quotes")
            return None
        return value

    def _check_keys(self, node: yaml.MappingNode, path: Path) -> None:
        """Keys are text, and each stands once. Before `<<` is merged: an own key may override a merged one."""
        if id(node) in self._keys_checked:
            return
        self._keys_checked.add(id(node))
        first_lines: dict[str, int] = {}
        for key_node, _ in node.value:
            key = key_node.value
            if key_node.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                shown = f"`{key}`" if isinstance(key, str) else "a list or section"
                self._fault(path, key_node, f"the key {shown} is not text; put it in quotes")
            elif (line := first_lines.setdefault(key, key_node.start_mark.line + 1)) != key_node.start_mark.line + 1:
                self._fault((*path, key), key_node, f"stands twice; first on line {line}")

    def _fault(self, path: Path, node: yaml.Node, text: str) -> None:
        self.faults.append(Fault(path_text(path), node.start_mark.line + 1, text))
