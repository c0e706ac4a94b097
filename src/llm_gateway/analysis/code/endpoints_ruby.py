"""Rails' routes file."""

from typing import TYPE_CHECKING, Final, NamedTuple

from llm_gateway.analysis.code.endpoint_model import VERBS, Endpoint, joined
from llm_gateway.analysis.code.trees import arguments, line_of, string_value

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_DEEPEST: Final = 30
_PLURAL: Final = (("index", "GET", ""), ("create", "POST", ""), ("new", "GET", "new"), ("show", "GET", ":id"), ("edit", "GET", ":id/edit"),
    ("update", "PATCH", ":id"), ("update", "PUT", ":id"), ("destroy", "DELETE", ":id"))  # fmt: skip
_SINGULAR: Final = (("create", "POST", ""), ("new", "GET", "new"), ("show", "GET", ""), ("edit", "GET", "edit"), ("update", "PATCH", ""),
    ("update", "PUT", ""), ("destroy", "DELETE", ""))  # fmt: skip


class _Within(NamedTuple):
    """Where a route stands: path and module in front of it, and the controller and parameter of the resource around it."""

    path: str = ""
    module: str = ""
    controller: str = ""
    parameter: str = ""


def rails_endpoints(root: "SgNode") -> list[Endpoint]:
    """Endpoints by resources, verbs, match and root, inside namespace, scope, member and collection."""
    found: list[Endpoint] = []
    _walk(root, _Within(), found, 0)
    return found


def _walk(node: "SgNode", within: _Within, found: list[Endpoint], depth: int) -> None:
    if depth > _DEEPEST:
        return
    for child in node.children():
        if child.kind() == "call":
            _call(child, within, found, depth)
        elif child.kind() in {"program", "body_statement", "do_block", "block", "block_body", "if", "unless", "then", "if_modifier"}:
            _walk(child, within, found, depth + 1)


def _options(call: "SgNode") -> dict[str, "SgNode"]:
    found = {}
    for argument in arguments(call):
        if argument.kind() == "pair":
            key, value = argument.field("key"), argument.field("value")
            if key is not None and value is not None:
                found[key.text().strip(":'\"")] = value
    return found


def _values(node: "SgNode | None") -> list[str]:
    if node is None:
        return []
    value = string_value(node)
    if value is not None:
        return [value]
    if node.kind() == "symbol_array":
        return node.text()[3:-1].split()
    return [text for child in node.children() if (text := string_value(child)) is not None]


def _call(call: "SgNode", within: _Within, found: list[Endpoint], depth: int) -> None:
    method = call.field("method")
    name = method.text() if method is not None else ""
    block = call.field("block")
    options = _options(call)
    names = [value for argument in arguments(call) if (value := string_value(argument)) is not None]
    if not names:  # get "old" => "pages#old"
        names = [value for argument in arguments(call) if (value := string_value(argument.field("key"))) is not None][:1]
    inner = within
    if name in {"resources", "resource"}:
        for resource in names:
            inner = _resource(call, resource, within, options, found, plural=name == "resources")
    elif name == "namespace" and names:
        inner = _Within(joined(within.path, names[0]), f"{within.module}{names[0]}/")
    elif name == "scope":
        path = next(iter(names), "") or next(iter(_values(options.get("path"))), "")
        module = next(iter(_values(options.get("module"))), "")
        inner = within._replace(
            path=joined(within.path, path) if path else within.path, module=within.module + (f"{module}/" if module else "")
        )
    elif name == "member":
        inner = within._replace(path=joined(within.path, within.parameter))
    elif name in VERBS and names:
        on = next(iter(_values(options.get("on"))), "")
        _verb(
            call,
            [name.upper()],
            names[0],
            within._replace(path=joined(within.path, within.parameter)) if on == "member" else within,
            options,
            found,
        )
    elif name == "match" and names:
        _verb(call, [value.upper() for value in _values(options.get("via"))] or ["ANY"], names[0], within, options, found)
    elif name == "root":
        target = next(iter(names), "") or next(iter(_values(options.get("to"))), "")
        found.append(Endpoint("GET", within.path or "/", within.module + target, "rails", line_of(call)))
    if block is not None:
        _walk(block, inner, found, depth + 1)


def _resource(
    call: "SgNode", resource: str, within: _Within, options: dict[str, "SgNode"], found: list[Endpoint], *, plural: bool
) -> _Within:
    around = joined(within.path, f":{_singular(within.controller)}_id") if within.parameter == ":id" and within.controller else within.path
    segment = next(iter(_values(options.get("path"))), resource)
    controller = next(iter(_values(options.get("controller"))), resource if plural else resource + "s")
    parameter = ":" + next(iter(_values(options.get("param"))), "id") if plural else ""
    path = joined(around, segment)
    only, without = _values(options.get("only")), _values(options.get("except"))
    for action, method, rest in _PLURAL if plural else _SINGULAR:
        if (only and action not in only) or action in without:
            continue
        found.append(
            Endpoint(
                method,
                joined(path, rest.replace(":id", parameter or ":id")),
                f"{within.module}{controller}#{action}",
                "rails",
                line_of(call),
            )
        )
    return _Within(path, within.module, controller, parameter)


def _singular(name: str) -> str:
    return name[:-3] + "y" if name.endswith("ies") else name.removesuffix("s")


def _verb(call: "SgNode", methods: list[str], path: str, within: _Within, options: dict[str, "SgNode"], found: list[Endpoint]) -> None:
    target = next(iter(_values(options.get("to"))), "")
    hashed = next((value for key, value in options.items() if key == path), None)
    if not target and hashed is not None:
        target = next(iter(_values(hashed)), "")
    handler = target or (f"{within.controller}#{path}" if within.controller else path.strip("/").replace("/", "#"))
    for method in methods:
        found.append(Endpoint(method, joined(within.path, path), within.module + handler, "rails", line_of(call)))
