"""Mermaid: flowchart, sequenceDiagram, classDiagram and C4. Source: https://mermaid.js.org/intro/syntax-reference.html (11)."""

# ruff: noqa: E501 - tables and patterns read best unbroken

import re
from collections.abc import Iterator
from typing import Final

from llm_gateway.analysis.architecture.c4 import c4_line
from llm_gateway.analysis.architecture.model import Architecture, Builder, ComponentKind, malformed

_FRONT_MATTER = re.compile(r"\A\s*---\n.*?\n---\s*\n", re.DOTALL)
_FENCE = re.compile(r"\A\s*```+\s*mermaid[^\n]*\n|\n```+\s*\Z")
_KINDS: Final = {"flowchart", "flowchart-elk", "graph", "sequenceDiagram", "classDiagram", "classDiagram-v2", "C4Context", "C4Container", "C4Component", "C4Dynamic", "C4Deployment"}  # fmt: skip
_ID = re.compile(r"[^\W_][\w.]*(?:-(?![-.>=ox]\b)[\w.]+)*|_[\w.]*", re.UNICODE)
_SHAPES: Final[tuple[tuple[str, str, ComponentKind | None], ...]] = (
    ("[(", ")]", "database"), ("(((", ")))", None), ("([", "])", None), ("((", "))", None), ("[[", "]]", None), ("{{", "}}", None), ("[/", "/]", None),
    ("[\\", "\\]", None), ("[/", "\\]", None), ("[\\", "/]", None), ("[", "]", None), ("(", ")", None), ("{", "}", None), (">", "]", None),
)  # fmt: skip
_ARROW = re.compile(
    r"\s*(?P<back><|x(?=--|==)|o(?=--|==))?(?:--\s+(?P<a>[^|<>\n]{1,200}?)\s+--+(?P<ah>[>xo])?|==\s+(?P<b>[^|<>\n]{1,200}?)\s+==+(?P<bh>[>xo])?|-\.\s+(?P<c>[^|<>\n]{1,200}?)\s+\.+-(?P<ch>[>xo])?"
    r"|(?P<line>--+|==+|-\.+-|~~~+)(?P<head>[>xo](?![\w])|>)?)\s*(?:\|(?P<label>[^|\n]{0,300})\|)?\s*"
)
_MESSAGE = re.compile(
    r"^(?P<a>[^\s:+\->()<][^:+\->()<]*?)\s*(?P<arrow><<-->>|<<->>|-->>|->>|--x|-x|--\)|-\)|-->|->)\s*[+-]?\s*(?P<b>[^:]+?)\s*(?::\s*(?P<text>.*))?$"
)
_PARTICIPANT = re.compile(r"^(?:create\s+)?(participant|actor)\s+(.+?)(?:\s+as\s+(.+))?$")
_CLASS_RELATION = re.compile(
    r'^(?P<a>[\w.~`-]+)\s*(?:"[^"]*"\s*)?(?P<arrow><\|--|--\|>|<\|\.\.|\.\.\|>|\*--|--\*|o--|--o|<-->|-->|<--|\.\.>|<\.\.|--|\.\.)\s*(?:"[^"]*"\s*)?(?P<b>[\w.~`-]+)\s*(?::\s*(?P<text>.*))?$'
)
_CLASS_KINDS: Final = {
    "<|--": ("inherits", True), "--|>": ("inherits", False), "<|..": ("implements", True), "..|>": ("implements", False), "*--": ("composes", False),
    "--*": ("composes", True), "o--": ("aggregates", False), "--o": ("aggregates", True), "<--": ("uses", True), "-->": ("uses", False),
    "..>": ("depends_on", False), "<..": ("depends_on", True), "--": ("linked", False), "..": ("linked", False), "<-->": ("uses", False),
}  # fmt: skip


def read(source: str) -> Architecture:
    """Read a diagram.

    Raises:
        InvalidRequest: it is none, or of a type that has no components.
    """
    source = _FRONT_MATTER.sub("", _FENCE.sub("", source.replace("\r\n", "\n")))
    lines = [(number, re.sub(r"%%.*$", "", line).strip()) for number, line in enumerate(source.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line]
    first = lines[0][1].split()[0].rstrip(";") if lines else ""
    if first not in _KINDS:
        known = ", ".join(sorted(_KINDS))
        raise malformed("mermaid", f"it begins with none of {known}", lines[0][0] if lines else 1)
    found = Builder("mermaid")
    if first.startswith("C4"):
        _c4(found, lines[1:])
    elif first.startswith("sequence"):
        _sequence(found, lines[1:])
    elif first.startswith("class"):
        _classes(found, lines[1:])
    else:
        _flowchart(found, lines)
    return found.done()


def _statements(lines: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Statements of a flowchart: lines, parted at semicolons outside quotes."""
    for number, line in lines:
        for piece in re.split(r";(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", line) if ";" in line and len(line) < 2_000 else [line]:
            if piece.strip():
                yield number, piece.strip()


def _flowchart(found: Builder, lines: list[tuple[int, str]]) -> None:
    stack: list[str] = []
    opening = re.sub(r"^\S+\s*(?:TB|TD|BT|RL|LR)?\s*;?\s*", "", lines[0][1], count=1)
    for number, statement in _statements([(lines[0][0], opening), *lines[1:]]):
        word = statement.split(None, 1)[0]
        if word in {"direction", "classDef", "class", "style", "linkStyle", "click", "accTitle:", "accDescr:"}:
            continue
        if word == "end":
            if stack:
                stack.pop()
        elif word == "subgraph":
            stack.append(_subgraph(found, statement[8:].strip(), stack, number))
        else:
            _chain(found, statement, stack[-1] if stack else "", number)


def _subgraph(found: Builder, title: str, stack: list[str], number: int) -> str:
    if len(stack) > 50:
        raise malformed("mermaid", "subgraphs are nested more than 50 deep", number)
    name, label = title or f"subgraph {number}", title
    shape = re.match(r"^([\w.-]+)\s*\[(.*)\]$", title)
    if shape:
        name, label = shape[1], shape[2]
    return found.group(name.strip('"'), label, stack[-1] if stack else "")


def _chain(found: Builder, statement: str, group: str, number: int) -> None:
    at = 0
    before: list[str] = []
    link: re.Match[str] | None = None
    while True:
        nodes, at = _nodes(found, statement, at, group)
        if not nodes:
            found.warn(f"line {number}: not understood")
            return
        if link is not None:
            _link(found, before, nodes, link)
        if at >= len(statement.rstrip()):
            return
        link = _ARROW.match(statement, at)
        if link is None or link.end() == at:
            found.warn(f"line {number}: not understood after column {at + 1}")
            return
        before, at = nodes, link.end()


def _link(found: Builder, before: list[str], nodes: list[str], link: re.Match[str]) -> None:
    if (link["line"] or "").startswith("~"):
        return
    label = link["label"] or link["a"] or link["b"] or link["c"] or ""
    head = link["head"] or link["ah"] or link["bh"] or link["ch"]
    dotted = "." in (link["line"] or "") or link["c"] is not None
    kind = "depends_on" if dotted else "calls" if head == ">" else "linked"
    for one in before:
        for other in nodes:
            if link["back"] == "<" and not head:
                found.relation(other, one, kind, label)
                continue
            found.relation(one, other, kind, label)
            if link["back"] == "<":
                found.relation(other, one, kind, label)


def _nodes(found: Builder, statement: str, at: int, group: str) -> tuple[list[str], int]:
    nodes: list[str] = []
    while True:
        while at < len(statement) and statement[at].isspace():
            at += 1
        name = _ID.match(statement, at)
        if name is None:
            return nodes, at
        node, at = name.group(), name.end()
        label, kind, at = _shape(statement, at)
        nodes.append(found.component(node, label, kind, group))
        if style := re.compile(r":::[\w-]+").match(statement, at):
            at = style.end()
        more = re.compile(r"\s*&\s*").match(statement, at)
        if more is None:
            return nodes, at
        at = more.end()


def _shape(statement: str, at: int) -> tuple[str, ComponentKind | None, int]:
    if statement.startswith("@{", at):
        end = statement.find("}", at)
        if end > 0:
            inside = statement[at + 2 : end]
            label = re.search(r'label:\s*"?([^",}]*)"?', inside)
            shape = re.search(r"shape:\s*([\w-]+)", inside)
            cylinder = shape is not None and shape[1] in {"cyl", "db", "database", "cylinder"}
            return label[1] if label else "", "database" if cylinder else None, end + 1
    for opening, closing, kind in _SHAPES:
        if not statement.startswith(opening, at):
            continue
        start = at + len(opening)
        if statement.startswith('"', start):
            quote = statement.find('"', start + 1)
            end = statement.find(closing, quote) if quote > 0 else -1
        else:
            end = statement.find(closing, start)
        if end >= 0:
            return statement[start:end], kind, end + len(closing)
    return "", None, at


def _sequence(found: Builder, lines: list[tuple[int, str]]) -> None:
    box = ""
    passed = re.compile(
        r"^(activate|deactivate|note|loop|alt|else|opt|par|and|critical|option|break|rect|end|autonumber|title|destroy|links?|properties|accTitle|accDescr)\b",
        re.IGNORECASE,
    )
    for number, line in lines:
        if line.startswith("box"):
            box = found.group(
                f"box {number}", re.sub(r"^box\s*(?:transparent|rgba?\([^)]*\)|aqua|\w+(?=\s))?\s*", "", line) or f"box {number}"
            )
        elif line == "end":
            box = ""
        elif part := _PARTICIPANT.match(line):
            found.component(part[2].strip(), part[3] or "", "person" if part[1] == "actor" else None, box)
        elif passed.match(line):
            continue
        elif message := _MESSAGE.match(line):
            if message["arrow"].startswith("--") and message["arrow"] not in {"--)"}:  # an answer to what was asked
                found.component(message["a"])
                found.component(message["b"])
                continue
            kind = "sends" if message["arrow"].endswith(")") else "calls"
            found.relation(message["a"], message["b"], kind, message["text"] or "")
        else:
            found.warn(f"line {number}: not understood")


def _classes(found: Builder, lines: list[tuple[int, str]]) -> None:
    space, body = "", False
    for number, line in lines:
        if body:
            body = "}" not in line
        elif line.startswith("namespace "):
            space = found.group(line[10:].rstrip("{ ").strip())
        elif line == "}":
            space = ""
        elif named := re.match(r'^class\s+([\w.~`-]+)(?:\["([^"]*)"\])?\s*(?::::\w+)?\s*(\{)?(.*)$', line):
            found.component(_bare(named[1]), named[2] or "", "class", space)
            body = named[3] is not None and "}" not in (named[4] or "")
        elif relation := _CLASS_RELATION.match(line):
            kind, turned = _CLASS_KINDS[relation["arrow"]]
            ends = [found.component(_bare(relation[end]), "", "class") for end in "ab"]
            source, target = reversed(ends) if turned else ends
            found.relation(source, target, kind, relation["text"] or "")
        elif not re.match(r"^([\w.~`-]+\s*:|<<|direction|note|style|classDef|cssClass|click|link|callback|title)", line):
            found.warn(f"line {number}: not understood")


def _bare(name: str) -> str:
    return re.sub(r"~.*~$", "", name).strip("`")


def _c4(found: Builder, lines: list[tuple[int, str]]) -> None:
    stack: list[str] = []
    for number, line in lines:
        c4_line(found, line, stack, number, "mermaid")
