"""PlantUML component and deployment diagrams, with the C4 macros. Source: https://plantuml.com/component-diagram, /deployment-diagram."""

# ruff: noqa: E501 - tables and patterns read best unbroken

import re
from typing import Final

from llm_gateway.analysis.architecture.c4 import c4_line, is_macro
from llm_gateway.analysis.architecture.model import Architecture, Builder, ComponentKind, malformed

_KINDS: Final[dict[str, ComponentKind | None]] = {
    "component": None, "database": "database", "queue": "queue", "actor": "person", "person": "person", "interface": "interface", "cloud": None,
    "node": None, "package": None, "folder": None, "frame": None, "rectangle": None, "storage": "storage", "artifact": None, "agent": None, "boundary": None,
    "card": None, "collections": None, "container": None, "control": None, "entity": None, "file": None, "hexagon": None, "process": None, "stack": None,
    "usecase": None, "participant": None, "class": "class", "label": None, "person/": "person", "action": None,
}  # fmt: skip
_DECLARATION = re.compile(
    r'^(?P<word>[a-z]+)\s+(?:"(?P<quoted>[^"]{1,300})"|\[(?P<bracket>[^\]]{1,300})\]|(?P<bare>[^\s"\[{<#]+))'
    r"(?:\s+as\s+(?P<alias>[\w.:-]+|\"[^\"]+\"|\[[^\]]+\]))?\s*(?:<<[^<>]{0,100}>>\s*)*(?:\$\w+\s*)*(?:#[\w/;:.|\\-]+\s*)?(?P<open>\{)?\s*(?P<rest>\[)?$"
)
_SHORT = re.compile(
    r"^(?P<shape>\[[^\]]{1,300}\]|\(\)\s*(?:\"[^\"]{1,300}\"|[\w.]+)|\([^)]{1,300}\)|:[^:]{1,300}:)(?:\s+as\s+(?P<alias>[\w.-]+))?\s*(?:<<[^<>]{0,100}>>)?\s*(?:#\w+)?$"
)
_END = r"(?:\[[^\]\n]{1,300}\]|\"[^\"\n]{1,300}\"|\(\)\s*\"[^\"\n]{1,300}\"|\([^)\n]{1,300}\)|:[^:\n]{1,300}:|[\w.]+(?:::[\w.]+)*)"
_RELATION = re.compile(
    rf'^(?P<a>{_END})\s*(?:"[^"]*"\s*)?(?P<arrow>[<*o#x+^}}{{0(]?[<|]?\|?[-.=~]+(?:\[[^\]]*\])?(?:left|right|up|down|le|ri|do|l|r|u|d)?(?:\[[^\]]*\])?[-.=~]*\|?[>|*o#x+^{{}}0)]?>?)\s*(?:"[^"]*"\s*)?(?P<b>{_END})\s*(?::\s*(?P<text>.*))?$'
)
_PASSED = re.compile(
    r"^(@|!|'|skinparam|hide|show|title|caption|header|footer|legend|end|left to right|top to bottom|scale|autonumber|allow|together|sprite|AddElementTag|AddRelTag|UpdateElementStyle|UpdateRelStyle|LAYOUT|SHOW|set|<style|</style)",
    re.IGNORECASE,
)


def read(source: str) -> Architecture:
    """Read a diagram.

    Raises:
        InvalidRequest: it holds no component.
    """
    found = Builder("plantuml")
    stack: list[str] = []
    source = re.sub(r"/'.*?'/", " ", source.replace("\r\n", "\n"), flags=re.DOTALL)
    until: re.Pattern[str] | None = None
    for number, raw in enumerate(source.split("\n"), 1):
        line = raw.strip()
        if until is not None:
            until = None if until.match(line) else until
        elif not line or line.startswith("'"):
            continue
        elif block := re.match(r"^(note|legend|header|footer|skinparam|<style>)\b", line):
            until = _end_of(block[1], line)
        elif line == "}" or is_macro(line):
            c4_line(found, line, stack, number, "plantuml")
        else:
            if line.startswith("!include"):
                found.warn(f"line {number}: nothing is included")
            _line(found, line, stack, number)
    return found.done()


def _end_of(word: str, line: str) -> re.Pattern[str] | None:
    if word == "skinparam":
        return re.compile(r"^\}") if line.endswith("{") else None
    if word == "note" and (":" in line or '"' in line):
        return None
    return re.compile(r"^</style>") if word == "<style>" else re.compile(rf"^end\s?{word}", re.IGNORECASE)


def _line(found: Builder, line: str, stack: list[str], number: int) -> None:
    group = stack[-1] if stack else ""
    if len(line) > 2_000:
        found.warn(f"line {number}: longer than 2000 characters")
    elif (declared := _DECLARATION.match(line)) and declared["word"] in _KINDS:
        _declare(found, declared, stack, number)
    elif short := _SHORT.match(line):
        _mention(found, short["shape"], group, short["alias"] or "")
    elif related := _RELATION.match(line):
        _relate(found, related, group)
    elif line.endswith("{"):
        stack.append(_opened(found, line.rstrip("{ "), stack, number))
    elif not _PASSED.match(line):
        found.warn(f"line {number}: not understood")


def _opened(found: Builder, title: str, stack: list[str], number: int) -> str:
    if len(stack) > 50:
        raise malformed("plantuml", "groups are nested more than 50 deep", number)
    return found.group(title or f"group {number}", title, stack[-1] if stack else "")


def _declare(found: Builder, declared: re.Match[str], stack: list[str], number: int) -> None:
    label = declared["quoted"] or declared["bracket"] or declared["bare"]
    alias = (declared["alias"] or "").strip('"[]')
    if declared["alias"] and declared["alias"].startswith(('"', "[")):  # `component x as "Label"`
        alias, label = label, alias
    name, group = alias or label, stack[-1] if stack else ""
    if declared["open"]:
        if len(stack) > 50:
            raise malformed("plantuml", "groups are nested more than 50 deep", number)
        stack.append(found.group(name, label, group))
        return
    kind = _KINDS[declared["word"]]
    found.component(name, label, kind, group)


def _mention(found: Builder, shape: str, group: str = "", alias: str = "") -> str:
    kind: ComponentKind | None = None
    label = shape
    if shape.startswith("["):
        label = shape[1:-1]
    elif shape.startswith("()"):
        label, kind = shape[2:].strip().strip('"'), "interface"
    elif shape.startswith("("):
        label = shape[1:-1]
    elif shape.startswith(":"):
        label, kind = shape[1:-1], "person"
    elif shape.startswith('"'):
        label = shape.strip('"')
    name = alias or label
    if found.has(name) and not alias:
        return name
    return found.component(name, label if alias or shape != label else "", kind, group)


def _relate(found: Builder, related: re.Match[str], group: str) -> None:
    arrow = re.sub(r"\[[^\]]*\]|left|right|up|down|[a-z]{1,2}(?=[-.=~])", "", related["arrow"])
    ends = [_end(found, related[end], group) for end in "ab"]
    forward, back = arrow.endswith(">"), arrow.startswith("<")
    kind = (
        "inherits"
        if "|" in arrow
        else "composes"
        if "*" in arrow
        else "depends_on"
        if "." in arrow
        else "calls"
        if forward or back
        else "linked"
    )
    if kind == "inherits" and "." in arrow:
        kind = "implements"
    turned = (back and not forward) or (kind == "composes" and arrow.endswith("*"))
    source, target = reversed(ends) if turned else ends
    found.relation(source, target, kind, related["text"] or "")
    if back and forward:
        found.relation(target, source, kind, related["text"] or "")


def _end(found: Builder, text: str, group: str) -> str:
    if re.match(r"^[\w.:]+$", text):
        return text
    return _mention(found, text, group)
