"""Graphviz DOT. Source: https://graphviz.org/doc/info/lang.html."""

import re
from itertools import pairwise
from typing import Final, NamedTuple

from llm_gateway.analysis.architecture.model import Architecture, Builder, ComponentKind, malformed

_TOKEN = re.compile(
    r'\s+|//[^\n]*|/\*.*?\*/|^\#[^\n]*|(?P<string>"(?:[^"\\]|\\.)*")|(?P<arrow>->|--)|(?P<mark>[{}\[\];,=:+])|(?P<word>-?(?:\.\d+|\d+(?:\.\d*)?)|[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)|(?P<html><)',
    re.DOTALL | re.MULTILINE,
)
_DEEPEST: Final = 50
_SHAPES: Final[dict[str, ComponentKind]] = {
    "cylinder": "database",
    "box3d": "service",
    "folder": "storage",
    "actor": "person",
    "component": "component",
}


class _Token(NamedTuple):
    text: str
    line: int
    is_name: bool


def _tokens(source: str) -> list[_Token]:
    found: list[_Token] = []
    at, line = 0, 1
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise malformed("dot", f"unexpected character {source[at]!r}", line)
        text = match.group()
        if match["html"]:
            end = _html_end(source, at, line)
            found.append(_Token(source[at + 1 : end - 1], line, True))
            text = source[at:end]
        elif match["string"]:
            found.append(_Token(re.sub(r"\\(?:\n|([\"\\]))", r"\1", text[1:-1]).replace("\\n", " ").replace("\\l", " "), line, True))
        elif match["word"] or match["arrow"] or match["mark"]:
            found.append(_Token(text, line, match["word"] is not None))
        line += text.count("\n")
        at += len(text)
    return found


def _html_end(source: str, at: int, line: int) -> int:
    depth = 0
    for place in re.compile("[<>]").finditer(source, at):
        depth += 1 if place.group() == "<" else -1
        if not depth:
            return place.end()
    raise malformed("dot", "a label in < > is not closed", line)


class _Reader:
    def __init__(self, source: str) -> None:
        self._tokens = _tokens(source)
        self._at = 0
        self.found = Builder("dot")
        self._directed = True

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) and not self._is_quoted() else ""

    def _is_quoted(self) -> bool:
        token = self._tokens[self._at]
        return token.is_name and not re.fullmatch(r"[\w.\u0080-\uffff-]+", token.text)

    def _line(self) -> int:
        return self._tokens[min(self._at, len(self._tokens) - 1)].line if self._tokens else 1

    def _next(self) -> _Token:
        if self._at >= len(self._tokens):
            raise malformed("dot", "it ends in the middle of a statement", self._line())
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, text: str) -> None:
        token = self._next()
        if token.text != text:
            raise malformed("dot", f"expected {text!r}, found {token.text[:40]!r}", token.line)

    def _name(self) -> str:
        token = self._next()
        if not token.is_name:
            raise malformed("dot", f"expected a name, found {token.text[:40]!r}", token.line)
        text = token.text
        while self._peek() == "+":
            self._at += 1
            text += self._next().text
        return text

    def graph(self) -> Architecture:
        if self._peek().lower() == "strict":
            self._at += 1
        word = self._next().text.lower()
        if word not in {"graph", "digraph"}:
            raise malformed("dot", "expected graph or digraph", 1)
        self._directed = word == "digraph"
        if self._peek() != "{":
            self._name()
        self._expect("{")
        self._body("", 0, {})
        return self.found.done()

    def _body(self, group: str, depth: int, defaults: dict[str, str]) -> list[str]:
        """The statements up to the closing brace; the nodes that occur in them."""
        if depth > _DEEPEST:
            raise malformed("dot", f"subgraphs are nested more than {_DEEPEST} deep", self._line())
        nodes: list[str] = []
        defaults = dict(defaults)
        while self._peek() != "}":
            if self._at >= len(self._tokens):
                raise malformed("dot", "a { is not closed", self._line())
            if self._peek() in {";", ","}:
                self._at += 1
                continue
            nodes += self._statement(group, depth, defaults)
        self._at += 1
        return nodes

    def _statement(self, group: str, depth: int, defaults: dict[str, str]) -> list[str]:
        word = self._peek().lower()
        if word in {"graph", "node", "edge"} and self._following() == "[":
            self._at += 1
            attributes = self._attributes()
            if word == "node":
                defaults.update(attributes)
            elif word == "graph" and group and "label" in attributes:
                self.found.group(group, attributes["label"])
            return []
        if self._following() == "=" and self._tokens[self._at].is_name:
            name = self._name()
            self._expect("=")
            value = self._name()
            if name == "label" and group:
                self.found.group(group, value)
            return []
        return self._edges(group, depth, defaults)

    def _following(self) -> str:
        return self._tokens[self._at + 1].text if self._at + 1 < len(self._tokens) and not self._tokens[self._at + 1].is_name else ""

    def _edges(self, group: str, depth: int, defaults: dict[str, str]) -> list[str]:
        ends = [self._end(group, depth, defaults)]
        while self._peek() in {"->", "--"}:
            self._at += 1
            ends.append(self._end(group, depth, defaults))
        attributes = self._attributes() if self._peek() == "[" else {}
        if len(ends) == 1:
            kind = _SHAPES.get({**defaults, **attributes}.get("shape", ""))
            for node in ends[0][1]:
                if not ends[0][0]:
                    self.found.component(node, attributes.get("label", "").replace("|", " "), kind, group)
            return ends[0][1]
        for before, after in pairwise(ends):
            if len(before[1]) * len(after[1]) > 10_000:
                raise malformed("dot", "a statement makes more than 10000 edges", self._line())
            for one in before[1]:
                for other in after[1]:
                    self._edge(one, other, attributes)
        return [node for _, nodes in ends for node in nodes]

    def _edge(self, one: str, other: str, attributes: dict[str, str]) -> None:
        label, way = attributes.get("label", ""), attributes.get("dir", "forward")
        kind = ("depends_on" if attributes.get("style") in {"dashed", "dotted"} else "calls") if self._directed else "linked"
        if way == "back":
            one, other = other, one
        self.found.relation(one, other, kind, label)
        if way == "both":
            self.found.relation(other, one, kind, label)

    def _end(self, group: str, depth: int, defaults: dict[str, str]) -> tuple[bool, list[str]]:
        """A node, or all of a subgraph: whether it is one, and the nodes."""
        name = ""
        line = self._line()
        if self._peek().lower() == "subgraph":
            self._at += 1
            name = self._name() if self._peek() != "{" else ""
        if self._peek() == "{":
            self._at += 1
            inner = group
            if name.startswith("cluster"):
                inner = self.found.group(name, name.removeprefix("cluster").strip("_") or name, group)
            return True, self._body(inner, depth + 1, defaults)
        if name:
            raise malformed("dot", "expected { after subgraph", line)
        node = self._name()
        while self._peek() == ":":
            self._at += 1
            self._name()
        self.found.component(node, "", _SHAPES.get(defaults.get("shape", "")), group)
        return False, [node]

    def _attributes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while self._peek() == "[":
            self._at += 1
            while self._peek() != "]":
                if self._peek() in {",", ";"}:
                    self._at += 1
                    continue
                name = self._name()
                if self._peek() == "=":
                    self._at += 1
                    found[name] = self._name()
                else:
                    found[name] = "true"
            self._at += 1
        return found


def read(source: str) -> Architecture:
    """Read a graph.

    Raises:
        InvalidRequest: it is not in the language, or holds no node.
    """
    return _Reader(source.lstrip("\ufeff")).graph()
