"""`/docs`: the OpenAPI document as a page for people, with a line to paste for each endpoint. No script, nothing fetched."""

from functools import cache
from importlib import import_module
from typing import Any

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} API</title><link rel="stylesheet" href="/docs/style.css"></head><body>
<header><h1>{{ title }} <small>{{ version }}</small></h1>
<p>Machine-readable: <a href="/openapi.json">openapi.json</a>. Every error has the shape
<code>{"error": {"type", "message", "param", "code"}, "correlation_id"}</code>.</p></header>
<nav aria-label="Endpoints"><ul>
{% for e in endpoints %}<li><a href="#{{ e.anchor }}"><b class="{{ e.method }}">{{ e.method }}</b> {{ e.path }}</a></li>{% endfor %}
</ul></nav><main>
{% for e in endpoints %}
<section id="{{ e.anchor }}"><h2><b class="{{ e.method }}">{{ e.method }}</b> {{ e.path }}</h2><p>{{ e.summary }}</p>
{% if e.fields %}<table><caption>Body (JSON)</caption><thead><tr><th>field</th><th>type</th><th></th></tr></thead><tbody>
{% for f in e.fields %}<tr><td><code>{{ f.name }}</code>{% if f.required %} <em>required</em>{% endif %}</td>
<td>{{ f.type }}</td><td>{{ f.note }}</td></tr>{% endfor %}
</tbody></table>{% endif %}
<pre><code>{{ e.curl }}</code></pre></section>
{% endfor %}
</main></body></html>"""

STYLE = """:root{color-scheme:light dark;--line:#8886}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
nav ul{columns:20rem;list-style:none;padding:0}h1 small{font-weight:normal;opacity:.7}
section{border-top:1px solid var(--line);padding:.5rem 0}h2{font-size:1.1rem;font-family:ui-monospace,monospace}
b{font-family:ui-monospace,monospace;display:inline-block;min-width:4rem}table{border-collapse:collapse;width:100%}
caption{text-align:left;font-weight:bold}td,th{border-bottom:1px solid var(--line);padding:.2rem .5rem;text-align:left;vertical-align:top}
pre{overflow-x:auto;border:1px solid var(--line);border-radius:.3rem;padding:.6rem}"""

_EXAMPLES = {"prompt": '"Explain quantum computing in simple terms"', "text": '"Text to embed"'}


@cache
def _template() -> Any:
    """The compiled page. Jinja is loaded when somebody looks at the page: it takes memory that serving calls does not need."""
    return import_module("jinja2").Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_PAGE)


def docs_page(openapi: dict[str, Any]) -> str:
    """The page."""
    schemas = openapi["components"]["schemas"]
    endpoints = [
        _endpoint(method.upper(), path, operation, schemas)
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    ]
    info = openapi["info"]
    page: str = _template().render(title=info["title"], version=info["version"], endpoints=endpoints)
    return page


def _endpoint(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = schemas.get(str(content.get("$ref", "")).rpartition("/")[2], {})
    required = set(schema.get("required", ()))
    fields = [
        {"name": name, "type": _type(spec), "note": spec.get("description", ""), "required": name in required}
        for name, spec in schema.get("properties", {}).items()
    ]
    return {
        "method": method,
        "path": path,
        "anchor": f"{method}{path}".lower().replace("/", "-").replace("{", "").replace("}", ""),
        "summary": operation.get("summary", ""),
        "fields": fields,
        "curl": _curl(method, path, required),
    }


def _type(spec: dict[str, Any]) -> str:
    if "anyOf" in spec:
        return " or ".join(dict.fromkeys(_type(choice) for choice in spec["anyOf"]))
    if "$ref" in spec:
        return str(spec["$ref"]).rpartition("/")[2]
    if "enum" in spec:
        return ", ".join(map(str, spec["enum"]))
    return str(spec.get("type", "any"))


def _curl(method: str, path: str, required: set[str]) -> str:
    line = f'curl "http://localhost:5055{path}"' if method == "GET" else f'curl -X {method} "http://localhost:5055{path}"'
    body = ", ".join(f'"{name}": {_EXAMPLES.get(name, chr(34) + "..." + chr(34))}' for name in sorted(required))
    return f"{line} \\\n  -H 'Content-Type: application/json' \\\n  -d '{{{body}}}'" if required else line
