"""The ecosystem's services as a small real HTTP server: the documented routes, wrapped and unwrapped, with faults to order."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

INTERPRETED = {
    "intent": "analyze_code",
    "confidence": 0.9,
    "entities": [{"type": "language", "value": "python"}],
    "response_text": "Analyse.",
}


HANGS_S = 60.0
"""How long a request hangs that is not released: longer than any bound of a gateway under test, and than a slow machine takes."""


class Siblings:
    """What the server keeps, what it was sent, and how it is to misbehave.

    `fault`: "" (none), `hang`, `die`, `nonsense`, `not_ours` (JSON of another shape), `error` (500), `refuse` (401), `huge`, `deep`,
    `unsuccessful`.
    """

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.memory: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []
        self.fault = ""
        self.hang_on = ""
        """Requests whose body has these words are not answered until `released`."""
        self.search_text: str | None = None
        self.released = threading.Event()
        self.reached = threading.Event()
        """Set when a request waits."""

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        """The answer to a route of the table; None: there is no such route."""
        steps = path.strip("/").split("/")
        if path == "/health":
            return {"status": "healthy", "service": "siblings"}
        if path == "/api/v1/documents" and method == "POST":
            doc_id = f"remote-{len(self.documents) + 1}"
            self.documents[doc_id] = {"id": doc_id, **body}
            return wrapped({"doc_id": doc_id})
        if path == "/api/v1/documents":
            return wrapped({"documents": list(self.documents.values())})
        if steps[:3] == ["api", "v1", "documents"] and len(steps) == 4:
            found = self.documents.get(steps[3])
            if found is None:
                return None
            return wrapped(self.documents.pop(steps[3]) if method == "DELETE" else found)
        if path == "/api/v1/search":
            texts = [{"content": self.search_text}] if self.search_text is not None else list(self.documents.values())
            return wrapped({"results": [{"id": f"hit-{place}", "title": "Found", "score": 0.5, **doc} for place, doc in enumerate(texts)]})
        return self._other(method, path, steps, query, body)

    def _other(self, method: str, path: str, steps: list[str], query: dict[str, str], body: Any) -> Any:
        if path == "/memory/put":
            self.memory.append(body["item"])
            return wrapped({"stored": True})
        if path == "/memory/list":
            fitting = [item for item in self.memory if item["key"] == query["key"] and item["type"] == query["type"]]
            return wrapped({"items": fitting[: int(query["limit"])]})
        if steps[:3] == ["api", "v1", "prompts"]:
            return wrapped(
                {"name": "from-afar", "content": "Do {{context}}.", "category": steps[-2] if len(steps) > 3 else "x", "version": 3}
            )
        plain = {
            "/interpret": INTERPRETED, "/workflows/discover": {"workflow": {"steps": []}}, "/workflows/run": {"run": "r1"},
            "/services": {"services": {"doc_store": {"status": "healthy"}}}, "/summarize": {"summary": "Short."},
            "/detect": {"sensitive": False, "matches": [], "topics": []},
            "/suggest": {"sensitive": False, "allowed_models": ["x"], "suggestion": "any"},
            "/analyze": {"analysis": "fine", "endpoints": [], "findings": []}, "/normalize": {"components": [], "relations": []},
            "/analyze/quality": {"score": 0.5, "findings": []},
        }  # fmt: skip
        if path in plain:
            return wrapped(plain[path])
        if steps[0] == "operations":
            return wrapped({"echo": body})
        return None


def wrapped(data: Any) -> dict[str, Any]:
    """As services of the ecosystem wrap what they answer."""
    return {"success": True, "data": data, "message": "done"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    siblings: Siblings

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        body = json.loads(data) if data else None
        entry = {
            "method": self.command,
            "path": parts.path,
            "query": query,
            "body": body,
            "headers": {k.lower(): v for k, v in self.headers.items()},
        }
        self.siblings.log.append(entry)
        fault = self.siblings.fault
        if fault == "hang" or (self.siblings.hang_on and self.siblings.hang_on.encode() in data):
            self.siblings.reached.set()
            self.siblings.released.wait(HANGS_S)
            self.close_connection = True
            return
        if fault == "die":
            self.close_connection = True
            return
        if fault in {"error", "refuse"}:
            self._send(500 if fault == "error" else 401, b'{"error": "no"}')
            return
        broken = {
            "nonsense": b"<html>nonsense</html>", "not_ours": b'{"weather": "fine"}', "huge": b'{"data": "' + b"x" * (8 << 20) + b'"}',
            "deep": b"[" * 100_000, "unsuccessful": b'{"success": false, "message": "the disk is full"}',
        }  # fmt: skip
        if fault:
            self._send(200, broken[fault])
            return
        answer = self.siblings.answer(self.command, unquote(parts.path), query, body)
        self._send(404 if answer is None else 200, json.dumps(answer or {"error": "no such thing"}).encode())

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def sibling_server() -> Iterator[tuple[str, Siblings]]:
    """The server's URL and its memory."""
    siblings = Siblings()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"siblings": siblings}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", siblings
    finally:
        siblings.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
