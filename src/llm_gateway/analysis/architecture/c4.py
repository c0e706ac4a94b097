"""The C4 macros that Mermaid and C4-PlantUML share. Source: https://github.com/plantuml-stdlib/C4-PlantUML (2.11)."""

import re
from typing import Final

from llm_gateway.analysis.architecture.model import Builder, ComponentKind, Form, malformed

MACRO: Final = re.compile(r"^(?P<name>[A-Za-z_]+)\((?P<args>.*)\)\s*(?P<open>\{)?\s*$")
_ARGUMENT = re.compile(r'\s*(?:(\$\w+)\s*=\s*)?(?:"([^"]*)"|([^,"]*))\s*(?:,|$)')
_RELATIONS: Final = re.compile(r"^(?:Bi)?Rel(?:_(?:Back|Neighbor|Back_Neighbor|U|Up|D|Down|L|Left|R|Right))?$|^RelIndex\w*$")
_ELEMENTS: Final[dict[str, ComponentKind]] = {"Person": "person", "System": "service", "Container": "service", "Component": "component"}
_ELEMENT: Final = re.compile(r"^(Person|System|Container|Component)(Db|Queue)?(_Ext)?$")
_BOUNDARY: Final = re.compile(r"^(?:Enterprise_|System_|Container_)?Boundary$|^(?:Deployment_)?Node(?:_[LR])?$")


def is_macro(line: str) -> bool:
    """Whether a line is one of the macros."""
    found = MACRO.match(line)
    name = found["name"] if found else ""
    return bool(_ELEMENT.match(name) or _BOUNDARY.match(name) or _RELATIONS.match(name))


def c4_line(found: Builder, line: str, stack: list[str], number: int, form: Form) -> None:
    """Take one line; `stack` are the boundaries that are open."""
    if line == "}":
        if stack:
            stack.pop()
        return
    macro = MACRO.match(line)
    if macro is None:
        if not re.match(r"^(title|accTitle|accDescr|LAYOUT|SHOW|Update|Add|@|!|'|skinparam|left to right|top to bottom)", line):
            found.warn(f"line {number}: not understood")
        return
    given = [(key, quoted or bare.strip()) for key, quoted, bare in _ARGUMENT.findall(macro["args"])[:12]]
    words = [value for key, value in given if not key]
    words += [""] * (6 - len(words))
    name, group = macro["name"], stack[-1] if stack else ""
    if _RELATIONS.match(name):
        if name.startswith("RelIndex"):
            words = [*words[1:], ""]
        if words[0] and words[1]:
            ends = (words[1], words[0]) if "Back" in name else (words[0], words[1])
            found.relation(*ends, "calls", words[2])
            if name.startswith("Bi"):
                found.relation(words[1], words[0], "calls", words[2])
    elif element := _ELEMENT.match(name):
        kind: ComponentKind = _ELEMENTS[element[1]]
        if element[2]:
            kind = "database" if element[2] == "Db" else "queue"
        elif element[3] and kind != "person":
            kind = "external"
        technology = words[2] if element[1] in {"Container", "Component"} else ""
        if words[0]:
            found.component(words[0], words[1], kind, group, technology)
    elif _BOUNDARY.match(name) and words[0]:
        if len(stack) > 50:
            raise malformed(form, "boundaries are nested more than 50 deep", number)
        found.group(words[0], words[1], group)
        if macro["open"]:
            stack.append(words[0])
