"""Anthropic's operations beside its messages: batches of them, and files.

Source: Anthropic API reference ("Message Batches", "Files"). A batch has ended as soon as it is made, and its answers say that they are
simulated.
"""

import re
from collections.abc import Callable

from llm_gateway.simulator.dialects.base import list_of, object_of, string_of
from llm_gateway.simulator.dialects.forms import file, form_of
from llm_gateway.simulator.dialects.shelf import Shelf
from llm_gateway.simulator.exchange import Answer, Json, JsonObject, Refused, Request, body_of, encode, json_answer
from llm_gateway.simulator.world import World

_FILES_BETA = "files-api-2025-04-14"


class Jobs:
    """These operations for one account."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shelf = Shelf()
        batches, files = r"/v1/messages/batches", r"/v1/files"
        self._routes: list[tuple[str, re.Pattern[str], Callable[[Request, str], Answer]]] = [
            ("POST", re.compile(batches), self._batch),
            ("GET", re.compile(batches), lambda _, __: self._list("msgbatch_")),
            ("GET", re.compile(batches + r"/([^/]+)"), lambda _, name: json_answer(self._there("msgbatch_", name))),
            ("GET", re.compile(batches + r"/([^/]+)/results"), self._results),
            ("POST", re.compile(files), self._upload),
            ("GET", re.compile(files), self._files),
            ("GET", re.compile(files + r"/([^/]+)"), lambda _, name: json_answer(self._there("file_", name))),
            ("DELETE", re.compile(files + r"/([^/]+)"), self._delete),
        ]

    def answer(self, request: Request) -> Answer | None:
        """The answer; None for a path that is none of these. Raises `Refused`."""
        for method, pattern, serve in self._routes:
            found = pattern.fullmatch(request.path)
            if found is not None and method == request.method:
                return serve(request, found[1] if found.re.groups else "")
        return None

    def _there(self, prefix: str, name: str) -> JsonObject:
        shown = self._shelf.shown(name) if name.startswith(prefix) else None
        if shown is None:
            raise Refused(404, f"Not found: {name}")
        return shown

    def _list(self, prefix: str) -> Answer:
        data: list[Json] = [*self._shelf.listed(prefix)]
        names = [string_of(object_of(item).get("id")) for item in data]
        return json_answer(
            {"data": data, "has_more": False, "first_id": names[0] if names else None, "last_id": names[-1] if names else None}
        )

    def _batch(self, request: Request, _: str) -> Answer:
        asked = list_of(body_of(request).get("requests"))
        if not asked:
            raise Refused(400, "requests: List should have at least 1 item after validation, not 0")
        number, now = self._world.identifier("msgbatch_", request), self._world.iso()
        lines = b"\n".join(encode(_result(request, index, object_of(item))) for index, item in enumerate(asked))
        counts: JsonObject = {"processing": 0, "succeeded": len(asked), "errored": 0, "canceled": 0, "expired": 0}
        url = f"http://{request.header('host')}/v1/messages/batches/{number}/results"
        shown: JsonObject = {
            "id": number, "type": "message_batch", "processing_status": "ended", "request_counts": counts, "created_at": now,
            "ended_at": now, "expires_at": self._world.iso(86_400), "archived_at": None, "cancel_initiated_at": None, "results_url": url,
        }  # fmt: skip
        return json_answer(self._shelf.put(number, shown, lines))

    def _results(self, request: Request, name: str) -> Answer:
        self._there("msgbatch_", name)
        return Answer(200, "application/x-jsonl", [self._shelf.content(name) or b""])

    def _upload(self, request: Request, _: str) -> Answer:
        self._check_beta(request)
        name, content = file(form_of(request), "file")
        number = self._world.identifier("file_", request)
        shown: JsonObject = {
            "id": number, "type": "file", "filename": name, "mime_type": "text/plain", "size_bytes": len(content),
            "created_at": self._world.iso(), "downloadable": False,
        }  # fmt: skip
        return json_answer(self._shelf.put(number, shown, content))

    def _files(self, request: Request, _: str) -> Answer:
        self._check_beta(request)
        return self._list("file_")

    def _delete(self, request: Request, name: str) -> Answer:
        self._there("file_", name)
        self._shelf.drop(name)
        return json_answer({"id": name, "type": "file_deleted"})

    @staticmethod
    def _check_beta(request: Request) -> None:
        if _FILES_BETA not in request.header("anthropic-beta"):
            raise Refused(404, "Not Found")


def _result(request: Request, index: int, item: JsonObject) -> JsonObject:
    params = object_of(item.get("params"))
    message: JsonObject = {
        "id": f"msg_{request.number:x}_{index}", "type": "message", "role": "assistant", "model": params.get("model"),
        "content": [{"type": "text", "text": "[simulated anthropic]"}], "stop_reason": "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip
    return {"custom_id": item.get("custom_id"), "result": {"type": "succeeded", "message": message}}
