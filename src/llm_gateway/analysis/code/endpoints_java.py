"""Spring MVC and WebFlux controllers, by their annotations."""

# ruff: noqa: E501 - tables and patterns read best unbroken

import re
from typing import TYPE_CHECKING, Final

from llm_gateway.analysis.code.endpoint_model import Endpoint, joined
from llm_gateway.analysis.code.trees import every, line_of, string_value

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_MAPPINGS: Final = {
    "GetMapping": "GET", "PostMapping": "POST", "PutMapping": "PUT", "PatchMapping": "PATCH", "DeleteMapping": "DELETE", "RequestMapping": "",
}  # fmt: skip


def spring_endpoints(root: "SgNode") -> list[Endpoint]:
    """Endpoints of the methods of controllers, below the mapping of their class."""
    found: list[Endpoint] = []
    for declared in every(root, "class_declaration", "interface_declaration"):
        name = declared.field("name")
        prefixes = [
            path for annotation in _annotations(declared) for path in _paths(annotation) if _word(annotation) == "RequestMapping"
        ] or [""]
        body = declared.field("body")
        for method in body.children() if body is not None else ():
            if method.kind() != "method_declaration":
                continue
            called = method.field("name")
            handler = f"{name.text() if name is not None else ''}.{called.text() if called is not None else ''}"
            for annotation in _annotations(method):
                found += _mapped(annotation, prefixes, handler)
    return found


def _annotations(declared: "SgNode") -> list["SgNode"]:
    modifiers = next((node for node in declared.children() if node.kind() == "modifiers"), None)
    return [node for node in modifiers.children() if node.kind() in {"annotation", "marker_annotation"}] if modifiers is not None else []


def _word(annotation: "SgNode") -> str:
    name = annotation.field("name")
    return name.text().rpartition(".")[2] if name is not None else ""


def _paths(annotation: "SgNode") -> list[str]:
    holder = annotation.field("arguments")
    found: list[str] = []
    for node in every(holder, "string_literal") if holder is not None else ():
        pair = next((around for around in node.ancestors() if around.kind() == "element_value_pair"), None)
        key = pair.field("key") if pair is not None else None
        if key is None or key.text() in {"value", "path"}:
            found.append(string_value(node) or "")
    return found


def _mapped(annotation: "SgNode", prefixes: list[str], handler: str) -> list[Endpoint]:
    verb = _MAPPINGS.get(_word(annotation))
    if verb is None:
        return []
    methods = [verb] if verb else re.findall(r"RequestMethod\.(\w+)", annotation.text()) or ["ANY"]
    paths = _paths(annotation) or [""]
    line = line_of(annotation)
    return [Endpoint(method, joined(prefix, path), handler, "spring", line) for prefix in prefixes for path in paths for method in methods]
