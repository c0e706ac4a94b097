"""FastAPI, Flask and Django."""

import re
from typing import TYPE_CHECKING, Final

from llm_gateway.analysis.code.endpoint_model import VERBS, Endpoint, joined
from llm_gateway.analysis.code.trees import arguments, every, line_of, string_value

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_MAKERS: Final = {"APIRouter": "prefix", "FastAPI": "root_path", "Blueprint": "url_prefix", "Flask": "", "APIBlueprint": "url_prefix"}
_MOUNTS: Final = {"include_router": "prefix", "register_blueprint": "url_prefix"}
_VIEW_SETS: Final = (("GET", ""), ("POST", ""), ("GET", "{pk}/"), ("PUT", "{pk}/"), ("PATCH", "{pk}/"), ("DELETE", "{pk}/"))


def python_endpoints(root: "SgNode") -> list[Endpoint]:
    """Endpoints of all three; which framework it is, the imports say."""
    text = root.text()
    is_flask = bool(re.search(r"\b(?:from|import) (?:flask|quart|apiflask)\b|\bFlask\(|\bBlueprint\(", text))
    framework = "flask" if is_flask else "fastapi"
    prefixes = _prefixes(root)
    found: list[Endpoint] = []
    for definition in every(root, "decorated_definition"):
        inner = definition.field("definition")
        name = inner.field("name") if inner is not None else None
        handler = name.text() if name is not None else ""
        for decorator in definition.children():
            if decorator.kind() == "decorator":
                found += _decorated(decorator, handler, framework, prefixes)
    for call in every(root, "call"):
        found += _added(call, prefixes, framework)
        found += _django(call, is_django="urlpatterns" in text or "django" in text)
    return found


def _keyword(call: "SgNode", name: str) -> "SgNode | None":
    for argument in arguments(call):
        if argument.kind() == "keyword_argument":
            key = argument.field("name")
            if key is not None and key.text() == name:
                return argument.field("value")
    return None


def _prefixes(root: "SgNode") -> dict[str, str]:
    """Prefix of each router or blueprint variable, with where it is mounted."""
    found: dict[str, str] = {}
    for assignment in every(root, "assignment"):
        left, right = assignment.field("left"), assignment.field("right")
        if left is None or right is None or right.kind() != "call":
            continue
        function = right.field("function")
        maker = function.text().rpartition(".")[2] if function is not None else ""
        if maker in _MAKERS:
            found[left.text()] = string_value(_keyword(right, _MAKERS[maker])) or ""
    for call in every(root, "call"):
        function = call.field("function")
        keyword = _MOUNTS.get(function.text().rpartition(".")[2]) if function is not None else None
        given = arguments(call)
        if keyword and given and given[0].text() in found:
            mounted = string_value(_keyword(call, keyword)) or ""
            found[given[0].text()] = joined(mounted, found[given[0].text()]) if mounted else found[given[0].text()]
    return found


def _methods(call: "SgNode", default: str) -> list[str]:
    value = _keyword(call, "methods")
    if value is None:
        return [default]
    return [method.upper() for node in every(value, "string") if (method := string_value(node))] or [default]


def _decorated(decorator: "SgNode", handler: str, framework: str, prefixes: dict[str, str]) -> list[Endpoint]:
    call = next((node for node in decorator.children() if node.kind() == "call"), None)
    function = call.field("function") if call is not None else None
    if call is None or function is None or function.kind() != "attribute":
        return []
    owner, _, verb = function.text().rpartition(".")
    given = arguments(call)
    path = string_value(given[0]) if given and given[0].kind() != "keyword_argument" else string_value(_keyword(call, "path"))
    if path is None or not (path.startswith("/") or path == ""):
        return []
    if verb in VERBS:
        methods = [verb.upper()]
    elif verb in {"route", "api_route"}:
        methods = _methods(call, "GET")
    elif verb == "websocket":
        methods = ["WEBSOCKET"]
    else:
        return []
    whole = joined(prefixes.get(owner, ""), path)
    return [Endpoint(method, whole, handler, framework, line_of(decorator)) for method in methods]


def _added(call: "SgNode", prefixes: dict[str, str], framework: str) -> list[Endpoint]:
    function = call.field("function")
    owner, _, name = function.text().rpartition(".") if function is not None else ("", "", "")
    if name not in {"add_url_rule", "add_api_route"}:
        return []
    given = [argument for argument in arguments(call) if argument.kind() != "keyword_argument"]
    path = string_value(given[0]) if given else None
    if path is None:
        return []
    view = _keyword(call, "view_func") or _keyword(call, "endpoint")
    handler = view.text() if view is not None else given[-1].text() if len(given) > 1 else ""
    whole = joined(prefixes.get(owner, ""), path)
    return [Endpoint(method, whole, handler[:200], framework, line_of(call)) for method in _methods(call, "GET")]


def _django(call: "SgNode", *, is_django: bool) -> list[Endpoint]:
    function = call.field("function")
    name = function.text() if function is not None else ""
    given = arguments(call)
    if len(given) < 2 or not is_django:
        return []
    path = string_value(given[0])
    if path is None:
        return []
    if name in {"path", "re_path", "url"}:
        if given[1].text().startswith(("include(", "admin.site")):
            return []
        shown = path if name == "path" else path.lstrip("^").rstrip("$")
        return [Endpoint("ANY", "/" + shown.lstrip("/"), given[1].text()[:200], "django", line_of(call))]
    if name.endswith("outer.register"):
        base = "/" + path.strip("/r'\"") + "/"
        return [Endpoint(method, base + rest, given[1].text()[:200], "django", line_of(call)) for method, rest in _VIEW_SETS]
    return []
