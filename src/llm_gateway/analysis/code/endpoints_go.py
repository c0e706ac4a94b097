"""Go: net/http (with the patterns of 1.22), gin, and routers written like it (echo, chi)."""

import re
from typing import TYPE_CHECKING, Final

from llm_gateway.analysis.code.endpoint_model import VERBS, Endpoint, joined
from llm_gateway.analysis.code.trees import arguments, every, line_of, string_value

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_PATTERN = re.compile(r"^(?:(?P<method>[A-Z]+)\s+)?(?P<path>[^\s]*/[^\s]*)$")
_CAPITALS: Final = {verb.upper() for verb in VERBS} | {"Any"}
_TITLES: Final = {verb.title() for verb in VERBS}


def go_endpoints(root: "SgNode") -> list[Endpoint]:
    """Endpoints of handlers that are registered by a literal path, below the groups they belong to."""
    text = root.text()
    framework = next((name for mark, name in (("gin-gonic", "gin"), ("labstack/echo", "echo"), ("go-chi", "chi")) if mark in text), "gin")
    groups = _groups(root)
    found: list[Endpoint] = []
    for call in every(root, "call_expression"):
        function = call.field("function")
        if function is None:
            continue
        owner, _, name = function.text().rpartition(".")
        given = arguments(call)
        if len(given) < 2:
            continue
        path = string_value(given[0])
        if path is None:
            continue
        handler, line = _handler(given[-1]), line_of(call)
        if name in {"HandleFunc", "Handle"} and (pattern := _PATTERN.match(path)):
            found.append(Endpoint(pattern["method"] or "ANY", pattern["path"], handler, "net/http", line))
        elif name == "Handle" and len(given) > 2 and (second := string_value(given[1])) is not None:
            found.append(Endpoint(path.upper(), joined(groups.get(owner, ""), second), handler, framework, line))
        elif (path.startswith("/") and (name in _CAPITALS or (name in _TITLES and framework == "chi"))) or (
            path == "" and name in _CAPITALS
        ):
            found.append(Endpoint("ANY" if name == "Any" else name.upper(), joined(groups.get(owner, ""), path), handler, framework, line))
    return found


def _groups(root: "SgNode") -> dict[str, str]:
    """Prefix by variable of `v1 := r.Group("/v1")`, groups of groups included."""
    found: dict[str, str] = {}
    for declared in every(root, "short_var_declaration", "assignment_statement"):
        left, right = declared.field("left"), declared.field("right")
        call = next((node for node in right.children() if node.kind() == "call_expression"), None) if right is not None else None
        function = call.field("function") if call is not None else None
        if left is None or call is None or function is None or not function.text().endswith(".Group"):
            continue
        given = arguments(call)
        path = string_value(given[0]) if given else None
        if path is not None:
            found[left.text()] = joined(found.get(function.text().removesuffix(".Group"), ""), path)
    return found


def _handler(node: "SgNode") -> str:
    return "(anonymous)" if node.kind() == "func_literal" else node.text()[:200]
