"""Express, and what is written like it (Koa's router, Fastify)."""

import re
from typing import TYPE_CHECKING

from llm_gateway.analysis.code.endpoint_model import VERBS, Endpoint, joined
from llm_gateway.analysis.code.trees import arguments, every, line_of, string_value

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_MAKER = re.compile(r"^(?:new\s+)?(?:express(?:\.Router)?|Router|fastify|Fastify|Koa|KoaRouter)\s*\(")
_NAMED = re.compile(r"^(?:app|router|server|api)$|(?:App|Router|Routes|Api)$")


def express_endpoints(root: "SgNode") -> list[Endpoint]:
    """Endpoints of applications and routers; a router mounted in the same file has its prefix."""
    routers, prefixes = _routers(root)
    found: list[Endpoint] = []
    for call in every(root, "call_expression"):
        function = call.field("function")
        if function is None or function.kind() != "member_expression":
            continue
        owner, name = function.field("object"), function.field("property")
        verb = name.text() if name is not None else ""
        if owner is None or (verb not in VERBS and verb != "all"):
            continue
        method = "ANY" if verb == "all" else verb.upper()
        given = arguments(call)
        chained = _route_of(owner)
        if chained is not None:
            base, path = chained
            found.append(Endpoint(method, joined(prefixes.get(base, ""), path), _handler(given), "express", line_of(call)))
            continue
        path_here = string_value(given[0]) if given else None
        known = owner.text() in routers or _NAMED.search(owner.text())
        if known and path_here is not None and len(given) > 1 and path_here.startswith(("/", "*")):
            whole = joined(prefixes.get(owner.text(), ""), path_here)
            found.append(Endpoint(method, whole, _handler(given[1:]), "express", line_of(call)))
    return found


def _route_of(owner: "SgNode") -> tuple[str, str] | None:
    """(variable, path) of `router.route("/x").get(...).post(...)`, seen from any of its verbs."""
    node: SgNode | None = owner
    for _ in range(20):
        if node is None or node.kind() != "call_expression":
            return None
        function = node.field("function")
        name = function.field("property") if function is not None else None
        base = function.field("object") if function is not None else None
        if name is not None and name.text() == "route" and base is not None:
            given = arguments(node)
            path = string_value(given[0]) if given else None
            return None if path is None else (base.text(), path)
        node = base
    return None


def _routers(root: "SgNode") -> tuple[set[str], dict[str, str]]:
    routers: set[str] = set()
    for declared in every(root, "variable_declarator"):
        name, value = declared.field("name"), declared.field("value")
        if name is not None and value is not None and _MAKER.match(value.text()):
            routers.add(name.text())
    prefixes: dict[str, str] = {}
    for call in every(root, "call_expression"):
        function = call.field("function")
        if function is None or not function.text().endswith((".use", ".register")):
            continue
        given = arguments(call)
        path = string_value(given[0]) if given else None
        if path and given[-1].text() in routers:
            prefixes[given[-1].text()] = path
    return routers, prefixes


def _handler(given: list["SgNode"]) -> str:
    if not given:
        return ""
    last = given[-1]
    return "(anonymous)" if last.kind() in {"arrow_function", "function_expression", "function"} else last.text()[:200]
