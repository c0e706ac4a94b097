"""OpenAI's operations beside its models: files, batches, fine-tuning jobs, pictures, speech and transcripts.

Source: OpenAI API reference ("Files", "Batch", "Fine-tuning", "Images", "Audio"). A batch is done as soon as it is made, and its answers
say that they are simulated; a fine-tuning job stays queued until it is cancelled, since nothing is trained here.
"""

import base64
import re
import struct
import zlib
from collections.abc import Callable

from llm_gateway.simulator.dialects.base import object_of, string_of, text_of, whole_number
from llm_gateway.simulator.dialects.forms import field, file, form_of
from llm_gateway.simulator.dialects.shelf import Shelf
from llm_gateway.simulator.exchange import Answer, Json, JsonObject, Refused, Request, body_of, decode, encode, json_answer
from llm_gateway.simulator.world import World

_PURPOSES = frozenset({"assistants", "batch", "fine-tune", "vision", "user_data", "evals"})
_ENDPOINTS = frozenset({"/v1/responses", "/v1/chat/completions", "/v1/embeddings", "/v1/completions", "/v1/moderations"})
_ENDED = frozenset({"completed", "cancelled", "failed", "expired", "succeeded"})
_SPEECH_BYTES_PER_CHARACTER = 120


class Jobs:
    """These operations for one account."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shelf = Shelf()
        self._routes: list[tuple[str, re.Pattern[str], Callable[[Request, str], Answer]]] = [
            ("POST", re.compile(r"/v1/files"), self._upload),
            ("GET", re.compile(r"/v1/files"), lambda _, __: self._list("file-")),
            ("GET", re.compile(r"/v1/files/([^/]+)"), lambda _, name: json_answer(self._there("file-", name))),
            ("GET", re.compile(r"/v1/files/([^/]+)/content"), self._content),
            ("DELETE", re.compile(r"/v1/files/([^/]+)"), self._delete),
            ("POST", re.compile(r"/v1/batches"), self._batch),
            ("GET", re.compile(r"/v1/batches"), lambda _, __: self._list("batch_")),
            ("GET", re.compile(r"/v1/batches/([^/]+)"), lambda _, name: json_answer(self._there("batch_", name))),
            ("POST", re.compile(r"/v1/batches/([^/]+)/cancel"), lambda _, name: self._cancel("batch_", name, "cancelling")),
            ("POST", re.compile(r"/v1/fine_tuning/jobs"), self._tune),
            ("GET", re.compile(r"/v1/fine_tuning/jobs"), lambda _, __: self._list("ftjob-")),
            ("GET", re.compile(r"/v1/fine_tuning/jobs/([^/]+)"), lambda _, name: json_answer(self._there("ftjob-", name))),
            ("POST", re.compile(r"/v1/fine_tuning/jobs/([^/]+)/cancel"), lambda _, name: self._cancel("ftjob-", name, "cancelled")),
            ("POST", re.compile(r"/v1/images/generations"), self._picture),
            ("POST", re.compile(r"/v1/audio/speech"), self._speech),
            ("POST", re.compile(r"/v1/audio/transcriptions"), self._transcript),
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
            raise Refused(404, f"No such object: {name}", param="id")
        return shown

    def _list(self, prefix: str) -> Answer:
        data: list[Json] = [*self._shelf.listed(prefix)]
        names = [string_of(object_of(item).get("id")) for item in data]
        return json_answer(
            {
                "object": "list",
                "data": data,
                "has_more": False,
                "first_id": names[0] if names else None,
                "last_id": names[-1] if names else None,
            }
        )

    # files

    def _upload(self, request: Request, _: str) -> Answer:
        fields = form_of(request)
        purpose = field(fields, "purpose")
        if purpose not in _PURPOSES:
            raise Refused(400, f"'{purpose}' is not one of {sorted(_PURPOSES)} - 'purpose'", param="purpose")
        name, content = file(fields, "file")
        return json_answer(self._keep(request, name, content, purpose))

    def _keep(self, request: Request, name: str, content: bytes, purpose: str) -> JsonObject:
        number = self._world.identifier("file-", request)
        return self._shelf.put(
            number,
            {
                "id": number, "object": "file", "bytes": len(content), "created_at": int(self._world.wall_s()), "filename": name,
                "purpose": purpose, "status": "processed", "status_details": None, "expires_at": None,
            },
            content,
        )  # fmt: skip

    def _content(self, request: Request, name: str) -> Answer:
        shown, content = self._there("file-", name), self._shelf.content(name)
        headers = (("content-disposition", f'attachment; filename="{shown["filename"]}"'),)
        return Answer(200, "application/octet-stream", [content or b""], headers=headers)

    def _delete(self, request: Request, name: str) -> Answer:
        self._there("file-", name)
        return json_answer({"id": name, "object": "file", "deleted": self._shelf.drop(name)})

    # jobs

    def _batch(self, request: Request, _: str) -> Answer:
        body = body_of(request)
        endpoint, source, window = text_of(body, "endpoint"), text_of(body, "input_file_id"), text_of(body, "completion_window")
        if endpoint not in _ENDPOINTS:
            raise Refused(400, f"Invalid value: '{endpoint}'.", param="endpoint")
        if window != "24h":
            raise Refused(400, f"Invalid value: '{window}'. Supported values are: '24h'.", param="completion_window")
        self._there("file-", source)
        lines = (self._shelf.content(source) or b"").splitlines()
        answers = b"\n".join(encode(_batch_line(request, index, line)) for index, line in enumerate(lines) if line.strip())
        output = self._keep(request, "batch_output.jsonl", answers, "batch_output")
        number, now = self._world.identifier("batch_", request), int(self._world.wall_s())
        done = answers.count(b"\n") + 1 if answers else 0
        return json_answer(
            self._shelf.put(
                number,
                {
                    "id": number, "object": "batch", "endpoint": endpoint, "errors": None, "input_file_id": source,
                    "completion_window": window, "status": "completed", "output_file_id": output["id"], "error_file_id": None,
                    "created_at": now, "in_progress_at": now, "expires_at": now + 86_400, "finalizing_at": now, "completed_at": now,
                    "failed_at": None, "expired_at": None, "cancelling_at": None, "cancelled_at": None,
                    "request_counts": {"total": done, "completed": done, "failed": 0}, "metadata": body.get("metadata"),
                },
            )
        )  # fmt: skip

    def _tune(self, request: Request, _: str) -> Answer:
        body = body_of(request)
        model, source = text_of(body, "model"), text_of(body, "training_file")
        self._there("file-", source)
        number = self._world.identifier("ftjob-", request)
        return json_answer(
            self._shelf.put(
                number,
                {
                    "id": number, "object": "fine_tuning.job", "model": model, "created_at": int(self._world.wall_s()), "finished_at": None,
                    "fine_tuned_model": None, "organization_id": "simulated", "result_files": [], "status": "queued",
                    "validation_file": None, "training_file": source, "hyperparameters": {"n_epochs": "auto"}, "trained_tokens": None,
                    "error": None, "seed": whole_number(body, "seed", least=0) or 0,
                },
            )
        )  # fmt: skip

    def _cancel(self, prefix: str, name: str, status: str) -> Answer:
        shown = self._there(prefix, name)
        if shown["status"] in _ENDED:
            raise Refused(409, f"Cannot cancel a job with status '{shown['status']}'.")
        return json_answer(self._shelf.put(name, {**shown, "status": status}))

    # pictures and sound

    def _picture(self, request: Request, _: str) -> Answer:
        body = body_of(request)
        prompt = text_of(body, "prompt")
        wanted = whole_number(body, "n") or 1
        shown: list[Json] = []
        for index in range(wanted):
            image = _png((zlib.crc32(prompt.encode()) + index) & 0xFFFFFF)
            shown.append({"b64_json": base64.b64encode(image).decode(), "revised_prompt": prompt})
        return json_answer({"created": int(self._world.wall_s()), "data": shown})

    def _speech(self, request: Request, _: str) -> Answer:
        body = body_of(request)
        text_of(body, "model"), text_of(body, "voice")
        text = text_of(body, "input")
        sound = b"ID3\x04\x00\x00" + b"\x00" * (_SPEECH_BYTES_PER_CHARACTER * len(text))
        pieces = [sound[start : start + 4096] for start in range(0, len(sound), 4096)]
        return Answer(200, "audio/mpeg", [b"".join(pieces)])

    def _transcript(self, request: Request, _: str) -> Answer:
        fields = form_of(request)
        field(fields, "model")
        name, content = file(fields, "file")
        return json_answer({"text": f"[simulated openai] {len(content)} bytes of {name}", "usage": {"type": "duration", "seconds": 1}})


def _batch_line(request: Request, index: int, line: bytes) -> JsonObject:
    asked = decode(line)
    name = string_of(object_of(asked).get("custom_id"))
    answer: JsonObject = {"object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": "[simulated openai]"}}]}
    return {
        "id": f"batch_req_{request.number:x}_{index}",
        "custom_id": name,
        "response": {"status_code": 200, "request_id": f"req_{request.number:x}", "body": answer},
        "error": None,
    }


def _png(colour: int) -> bytes:
    """A picture of one pixel. Source: the PNG specification (third edition), sections 5 and 11."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\x00" + colour.to_bytes(3, "big"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
